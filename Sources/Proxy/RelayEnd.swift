// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// One of the two connections that a relay joins: how it writes, and when it reads.
///
/// An end that cannot take more stops the reads of the other one (`peer`), which go on when it can again; so no more than
/// a channel's high-water mark is ever kept for either. Belongs to one event loop.
class RelayEnd: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    final private(set) var context: ChannelHandlerContext?
    final private var needsFlush = false
    final private(set) var readsPaused = false
    final private var readWithheld = false

    /// The connection at the relay's other end, while there is one.
    var peer: RelayEnd? { nil }

    /// Whether the connection takes more now: what its channel said last.
    final private(set) var isWritable = false

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        isWritable = context.channel.isWritable
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        isWritable = false
    }

    // Named here, because a conformance takes only methods of the class that declares it: what a subclass adds under the
    // name of a method with a default would never be called.

    func channelActive(context: ChannelHandlerContext) { context.fireChannelActive() }

    func channelInactive(context: ChannelHandlerContext) { context.fireChannelInactive() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func channelReadComplete(context: ChannelHandlerContext) { context.fireChannelReadComplete() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    // MARK: Writing

    /// Without `flush` the bytes go out with the next ones, or when `flush()` is called at the end of a read.
    @inline(__always)
    final func write(_ bytes: ByteBuffer, flush: Bool) {
        guard let context else { return }
        needsFlush = !flush
        if flush {
            context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        } else {
            context.write(wrapOutboundOut(bytes), promise: nil)
        }
    }

    final func flush() {
        guard needsFlush, let context else { return }
        needsFlush = false
        context.flush()
        if !isWritable { peer?.pauseReads() }
    }

    /// The last bytes, and then the end.
    final func closeAfter(_ bytes: ByteBuffer) {
        guard let context else { return }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        context.close(promise: nil)
    }

    // MARK: Back-pressure

    final func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        if isWritable { peer?.resumeReads() } else { peer?.pauseReads() }
        context.fireChannelWritabilityChanged()
    }

    final func read(context: ChannelHandlerContext) {
        if readsPaused { readWithheld = true } else { context.read() }
    }

    final func pauseReads() { readsPaused = true }

    final func resumeReads() {
        guard readsPaused else { return }
        readsPaused = false
        if readWithheld {
            readWithheld = false
            context?.read()
        }
        readsResumed()
    }

    /// Bytes that had come before the pause may be waiting.
    func readsResumed() {}
}
