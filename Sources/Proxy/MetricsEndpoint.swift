// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// `GET /metrics` in Prometheus' text format, and `/pins`, `/clients`, `/pools`, `/targets` as JSON; one request a
/// connection.
///
/// Nothing of the request but its first line is read. Requests longer than 8 KiB are hung up on, and so is whoever is still there
/// after ten seconds.
final class MetricsEndpoint: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let state: ProxyState
    private let prometheus: PrometheusMetrics
    private var head = ByteBuffer()
    private var isAnswered = false
    private static let longestRequest = 8192
    private static let patience = TimeAmount.seconds(10)

    init(state: ProxyState, prometheus: PrometheusMetrics) {
        self.state = state
        self.prometheus = prometheus
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        let deadline = context.eventLoop.scheduleTask(in: Self.patience) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in deadline.cancel() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isAnswered else { return }
        head.writeImmutableBuffer(unwrapInboundIn(data))
        guard head.readableBytes <= Self.longestRequest else { return context.close(promise: nil) }
        let text = String(buffer: head)
        guard text.contains("\r\n\r\n") || text.contains("\n\n") else { return }
        isAnswered = true
        let path = text.split(separator: " ").dropFirst().first ?? ""
        let subject = text.hasPrefix("GET ") ? String(path.dropFirst()) : "?"
        let channel = context.channel
        let (proxy, prometheus) = (state, prometheus)
        state.gather(on: context.eventLoop).whenSuccess { state in
            proxy.report(state)
            let (type, found) = MetricsEndpoint.body(subject, state, prometheus)
            let body = found ?? "not found\n"
            var answer = ByteBuffer()
            answer.writeString("HTTP/1.1 \(found == nil ? "404 Not Found" : "200 OK")\r\n")
            answer.writeString("Content-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n")
            answer.writeString("Connection: close\r\n\r\n\(body)")
            channel.writeAndFlush(answer).whenComplete { _ in channel.close(promise: nil) }
        }
    }

    private static func body(
        _ subject: String, _ state: ProxyState.Part, _ prometheus: PrometheusMetrics
    ) -> (String, String?) {
        if subject.isEmpty || subject == "metrics" { return ("text/plain; version=0.0.4", prometheus.text) }
        guard let (columns, rows) = AdminConsole.table(subject, state) else { return ("text/plain", nil) }
        let objects = rows.map { row in
            "{" + zip(columns, row).map { "\(quoted($0)):\($1.map(quoted) ?? "null")" }.joined(separator: ",") + "}"
        }
        return ("application/json", "[" + objects.joined(separator: ",\n") + "]\n")
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\u{0}"..<" ":
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
