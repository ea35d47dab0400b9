// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOPosix

/// What a running proxy says of one subject: the JSON at its metrics address, read back.
package struct ProxyTable: Sendable {
    package let columns: [String]
    package let rows: [[String?]]

    /// Asks for `pins`, `clients`, `pools`, `targets` or `stats`. Blocks for at most five seconds.
    package static func ask(_ subject: String, at address: ProxyConfiguration.Address) throws -> ProxyTable {
        let columns = AdminConsole.columns[subject] ?? []
        let answer: String
        do { answer = try exchange("GET /\(subject) HTTP/1.1\r\nHost: proxy\r\n\r\n", address) } catch {
            throw Unanswered(address: address, reason: "\(error)")
        }
        guard answer.hasPrefix("HTTP/1.1 200"), let head = answer.range(of: "\r\n\r\n"),
            let objects = try? JSONDecoder().decode(
                [[String: String?]].self, from: Data(answer[head.upperBound...].utf8))
        else { throw Unanswered(address: address, reason: "what is there is not a proxy") }
        return ProxyTable(columns: columns, rows: objects.map { object in columns.map { object[$0] ?? nil } })
    }

    private static func exchange(_ request: String, _ address: ProxyConfiguration.Address) throws -> String {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let answer = loop.makePromise(of: ByteBuffer.self)
        loop.scheduleTask(in: .seconds(5)) { answer.fail(ChannelError.connectTimeout(.seconds(5))) }
        let connected = ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(answer))
                }
            }
            .connect(host: address.host, port: address.port)
            .flatMap { $0.writeAndFlush(ByteBuffer(string: request)) }
        connected.cascadeFailure(to: answer)
        return String(buffer: try answer.futureResult.wait())
    }

    /// Everything up to the end of a connection.
    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let done: EventLoopPromise<ByteBuffer>
        private var bytes = ByteBuffer()

        init(_ done: EventLoopPromise<ByteBuffer>) { self.done = done }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            bytes.writeImmutableBuffer(unwrapInboundIn(data))
        }

        func channelInactive(context: ChannelHandlerContext) { done.succeed(bytes) }
    }

    struct Unanswered: Error, CustomStringConvertible {
        let address: ProxyConfiguration.Address
        let reason: String
        var description: String {
            "no proxy answers at \(address.host):\(address.port): \(reason) (start it, or name the right file)"
        }
    }
}
