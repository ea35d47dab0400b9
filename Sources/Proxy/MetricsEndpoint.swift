// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// `GET /metrics` in Prometheus' text format; one request a connection.
///
/// Requests longer than 8 KiB are refused; nothing of the request but its first line is read.
final class MetricsEndpoint: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let state: ProxyState
    private let proxyName: String
    private var head = ByteBuffer()

    init(state: ProxyState, proxyName: String) {
        self.state = state
        self.proxyName = proxyName
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        head.writeImmutableBuffer(unwrapInboundIn(data))
        let text = String(buffer: head)
        guard text.contains("\r\n\r\n") || text.contains("\n\n") || head.readableBytes > 8192 else { return }
        let path = text.split(separator: " ").dropFirst().first ?? ""
        let good = text.hasPrefix("GET ") && (path == "/metrics" || path == "/")
        let channel = context.channel
        let proxyName = self.proxyName
        state.gather(on: context.eventLoop).whenSuccess { state in
            let body = good ? state.metrics.prometheusText(proxyName: proxyName) : "not found\n"
            var answer = ByteBuffer()
            answer.writeString("HTTP/1.1 \(good ? "200 OK" : "404 Not Found")\r\n")
            answer.writeString("Content-Type: text/plain; version=0.0.4\r\nContent-Length: \(body.utf8.count)\r\n")
            answer.writeString("Connection: close\r\n\r\n\(body)")
            channel.writeAndFlush(answer).whenComplete { _ in channel.close(promise: nil) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
