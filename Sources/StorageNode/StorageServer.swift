// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import SegmentCore
internal import StorageWire
internal import VolumeModel

/// Listens for drivers, peers and tools.
///
/// A driver's appends are journaled and flushed on the connection's event loop, on purpose: handing them to another thread
/// would cost two context switches a commit, and the loop has nothing better to do for that driver. Calls, which may read
/// layers, go to threads: reads that an engine waits for to others than those that take as long as they take.
final class StorageServer: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let pools: CallPools
    private let channel: any Channel

    init(_ host: StorageHost) throws {
        group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        for loop in group.makeIterator() { loop.execute { bx_thread_is_commit_path() } }
        pools = CallPools()
        let context = try host.configuration.security.serverContext()
        let pools = self.pools
        channel = try ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let context { try pipeline.addHandler(NIOSSLServerHandler(context: context)) }
                    try pipeline.addHandler(FrameHandler())
                    try pipeline.addHandler(ConnectionHandler(host: host, pools: pools))
                }
            }
            .bind(host: host.configuration.listenHost, port: host.configuration.listenPort).wait()
    }

    func stop() {
        try? channel.close().wait()
        try? group.syncShutdownGracefully()
        pools.stop()
    }
}

private struct CallPools: Sendable {
    private let reads = NIOThreadPool(numberOfThreads: 2)
    private let others = NIOThreadPool(numberOfThreads: 2)

    init() {
        reads.start()
        others.start()
    }

    func pool(of call: ServiceCall) -> NIOThreadPool {
        switch call {
        case .blocks, .namespace, .inventory, .pin: reads
        case .digests, .log, .layers, .layerContent, .timeline, .audit, .scrub: others
        }
    }

    func stop() {
        try? reads.syncShutdownGracefully()
        try? others.syncShutdownGracefully()
    }
}

extension ByteBuffer {
    /// The same bytes in storage of their own: a payload is kept for long, and must not keep the receive buffer it came in.
    fileprivate var compacted: ByteBuffer {
        var copy = ByteBufferAllocator().buffer(capacity: readableBytes)
        copy.writeImmutableBuffer(self)
        return copy
    }
}

/// One connection at the host's end.
private final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = Frame
    typealias OutboundOut = Frame

    private let host: StorageHost
    private let pools: CallPools
    private var connection: UInt64?
    /// Parts of appends that arrived since the last flush.
    private var parts: [StorageHost.AppendedPart] = []
    private var vdl = LSN.zero
    private var isAppending = false

    init(host: StorageHost, pools: CallPools) {
        self.host = host
        self.pools = pools
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .hello(let version, let role):
            guard version == Frame.version else { return context.close(promise: nil) }
            if role == .driver { connect(context) }
        case .append(let nodes, let header, let vdl, let membership, let payload):
            guard payload.checksum == header.payloadCRC else { return }
            parts.append(.init(header: header, payload: payload.compacted, membership: membership, nodes: nodes))
            self.vdl = max(self.vdl, vdl)
        case .message(let volume, let group, let to, let from, let create, let message, let received):
            let payload = received?.compacted
            let id = SegmentID(volume: volume, group: group, node: to)
            if let from {
                host.deliver(message, to: id, from: .node(from), payload: payload, create: false)
            } else if let connection {
                host.deliver(message, to: id, from: .driver(connection), payload: payload, create: create)
            }
        case .call(let request, let call): answer(request, call, context)
        case .reply, .result: context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if !parts.isEmpty, let connection {
            let parts = self.parts
            self.parts.removeAll(keepingCapacity: true)
            // The answers that this brings go out in the one flush below.
            isAppending = true
            host.append(parts, vdl: vdl, connection: connection)
            isAppending = false
        }
        context.flush()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if let connection { host.disconnect(connection) }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        host.logger.debug("storage connection", metadata: ["error": "\(error)"])
        context.close(promise: nil)
    }

    private func connect(_ context: ChannelHandlerContext) {
        let loop = context.eventLoop
        let bound = NIOLoopBound((self, context), eventLoop: loop)
        connection = host.connect { answers in
            if loop.inEventLoop {
                let (handler, context) = bound.value
                handler.write(answers, context)
            } else {
                loop.execute {
                    let (handler, context) = bound.value
                    handler.write(answers, context)
                }
            }
        }
    }

    private func write(_ answers: [SegmentAnswer], _ context: ChannelHandlerContext) {
        for answer in answers {
            let id = answer.id
            let frame = Frame.reply(id.volume, id.group, id.node, answer.reply, payload: answer.payload)
            context.write(wrapOutboundOut(frame), promise: nil)
        }
        if !isAppending { context.flush() }
    }

    private func answer(_ request: UInt64, _ call: ServiceCall, _ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let host = self.host
        pools.pool(of: call).runIfActive(eventLoop: context.eventLoop) { () -> (Bool, ByteBuffer) in
            do { return (false, try host.answer(call)) } catch { return (true, ByteBuffer(string: "\(error)")) }
        }.whenSuccess { isError, body in
            let (handler, context) = bound.value
            context.writeAndFlush(handler.wrapOutboundOut(.result(request, isError: isError, body)), promise: nil)
        }
    }
}
