// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// `GET /metrics` in Prometheus' text format, and `/pins`, `/clients`, `/pools`, `/targets` as JSON; one request a
/// connection.
///
/// Requests longer than 8 KiB are refused; nothing of the request but its first line is read.
final class MetricsEndpoint: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let state: ProxyState
    private let prometheus: PrometheusMetrics
    private var head = ByteBuffer()

    init(state: ProxyState, prometheus: PrometheusMetrics) {
        self.state = state
        self.prometheus = prometheus
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        head.writeImmutableBuffer(unwrapInboundIn(data))
        let text = String(buffer: head)
        guard text.contains("\r\n\r\n") || text.contains("\n\n") || head.readableBytes > 8192 else { return }
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
