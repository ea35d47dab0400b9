// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// One end of a connection through an endpoint: what comes in here goes out at the partner.
///
/// Nothing is read that the other end does not take (back-pressure), and when one side has sent its last byte, the other
/// is told so and may go on sending (half-close). Both ends live on the same event loop.
final class PipeHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// A client that takes no last bytes is not waited for longer than this.
    private static let linger = TimeAmount.seconds(30)

    private var context: ChannelHandlerContext?
    /// Set until one of the two ends is gone, which also breaks the cycle.
    private var partner: PipeHandler?
    private var wantsRead = false
    private var hasEnded = false
    private let onLost: (() -> Void)?

    private init(onLost: (() -> Void)?) { self.onLost = onLost }

    /// - Parameter onLost: called when the instance ends the connection before the client does
    static func pair(onLost: @escaping () -> Void) -> (client: PipeHandler, instance: PipeHandler) {
        let (client, instance) = (PipeHandler(onLost: nil), PipeHandler(onLost: onLost))
        client.partner = instance
        instance.partner = client
        return (client, instance)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        partner = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        partner?.context?.write(data, promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) { partner?.context?.flush() }

    func read(context: ChannelHandlerContext) {
        if partner?.context?.channel.isWritable != false {
            context.read()
        } else {
            wantsRead = true
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { partner?.resume() }
    }

    private func resume() {
        guard wantsRead else { return }
        wantsRead = false
        context?.read()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed? = event as? ChannelEvent else { return }
        noteEnd()
        partner?.end(.output)
    }

    private func noteEnd() {
        if !hasEnded, partner?.hasEnded == false { onLost?() }
        hasEnded = true
    }

    func channelInactive(context: ChannelHandlerContext) {
        noteEnd()
        partner?.end(.all)
        partner = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// Closes once everything that was written has gone out: a close alone would throw it away.
    private func end(_ mode: CloseMode) {
        guard let context else { return }
        let channel = context.channel
        channel.writeAndFlush(ByteBuffer()).whenComplete { _ in channel.close(mode: mode, promise: nil) }
        guard mode == .all else { return }
        partner = nil
        let late = channel.eventLoop.scheduleTask(in: Self.linger) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in late.cancel() }
    }
}
