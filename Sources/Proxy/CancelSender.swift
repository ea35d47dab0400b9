// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import NIOSSL
import PostgresWire

/// Sends one CancelRequest over a connection of its own and waits until the other side closes it.
///
/// <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS>: only when the server
/// has closed the connection is it sure that no later query will be hit.
enum CancelSender {
    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        let packet: ByteBuffer

        init(packet: ByteBuffer) { self.packet = packet }

        func channelActive(context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(packet), promise: nil)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    /// `done` is called on `loop`, also when the server could not be reached. Cancel requests go unencrypted even to
    /// servers with TLS, as libpq's did before version 17; PostgreSQL accepts that.
    static func send(
        to target: ProxyConfiguration.Address, processID: UInt32, secret: [UInt8], tls: NIOSSLContext?,
        on loop: any EventLoop, done: @escaping () -> Void
    ) {
        var packet = ByteBuffer()
        StartupPacket.writeCancel(processID: processID, secret: secret, to: &packet)
        let bytes = packet
        let finish = NIOLoopBound(done, eventLoop: loop)
        ClientBootstrap(group: loop)
            .connectTimeout(.seconds(3))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(packet: bytes))
                }
            }
            .connect(host: target.host, port: target.port)
            .flatMap { channel in
                loop.scheduleTask(in: .seconds(5)) { channel.close(promise: nil) }
                return channel.closeFuture
            }
            .whenComplete { _ in finish.value() }
    }
}
