// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// One of the two connections that a relay joins: how it writes, and when it reads.
///
/// An end that cannot take more stops the reads of the other one (`peer`), which go on when it can again; so no more than
/// a channel's high-water mark is ever kept for either. Belongs to one event loop, and is the last handler of its channel.
class RelayEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    final private(set) var context: ChannelHandlerContext?
    /// Where bytes go while the channel has none of its own to write; nil once there is TLS.
    final private var socket: DirectSocket?
    /// The channel may have bytes in its queue that later ones must not overtake.
    final private var isQueued = false
    final private var needsFlush = false
    final private(set) var readsPaused = false

    /// The connection at the relay's other end, while there is one.
    var peer: RelayEnd? { nil }

    /// Whether the connection takes more now: what its channel said last.
    final private(set) var isWritable = false

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        socket = DirectSocket(context.channel)
        isWritable = context.channel.isWritable
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        socket = nil
        isWritable = false
    }

    // Named here, because a conformance takes only methods of the class that declares it: what a subclass adds under the
    // name of a method with a default would never be called.

    func channelActive(context: ChannelHandlerContext) {}

    func channelInactive(context: ChannelHandlerContext) {}

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func channelReadComplete(context: ChannelHandlerContext) {}

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// Puts TLS under the connection: what is written from now on goes through it.
    final func addTLS(_ handler: some ChannelHandler) throws {
        guard let context else { throw ChannelError.ioOnClosedChannel }
        try context.pipeline.syncOperations.addHandler(handler, position: .first)
        socket = nil
    }

    // MARK: Writing

    /// Without `flush` the bytes go out with the next ones, or when `flush()` is called at the end of a read.
    @inline(__always)
    final func write(_ bytes: ByteBuffer, flush: Bool) {
        var rest = bytes
        if flush, !isQueued, let socket {
            rest.moveReaderIndex(forwardBy: socket.send(bytes))
            if rest.readableBytes == 0 { return }
        }
        enqueue(rest, flush: flush)
    }

    private func enqueue(_ bytes: ByteBuffer, flush: Bool) {
        guard let context else { return }
        isQueued = true
        needsFlush = true
        context.write(wrapOutboundOut(bytes), promise: nil)
        if flush { flushQueue() }
    }

    private func flushQueue() {
        guard needsFlush, let context else { return }
        needsFlush = false
        context.flush()
        let left = try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)
        isQueued = left != 0
    }

    final func flush() {
        guard needsFlush else { return }
        flushQueue()
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
    }

    final func pauseReads() {
        guard !readsPaused else { return }
        readsPaused = true
        try? context?.channel.syncOptions?.setOption(.autoRead, value: false)
    }

    final func resumeReads() {
        guard readsPaused else { return }
        readsPaused = false
        try? context?.channel.syncOptions?.setOption(.autoRead, value: true)
        readsResumed()
    }

    /// Bytes that had come before the pause may be waiting.
    func readsResumed() {}
}
