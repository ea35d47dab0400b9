// SPDX-License-Identifier: Apache-2.0

package import Logging
package import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import SegmentCore
package import StorageWire
internal import Synchronization
internal import VolumeModel

/// A connection to one storage process that is made anew whenever it breaks.
///
/// Frames sent while there is no connection are lost, like datagrams: the protocol above repeats itself. Callbacks run on
/// the client's event loop.
package final class StorageClient: Sendable {
    package let address: PeerAddress
    private let role: Frame.Role
    private let context: NIOSSLContext?
    package let loop: any EventLoop
    private let logger: Logger
    private let onReply: StorageHost.ReplySink
    private let onConnect: @Sendable (Bool) -> Void

    private struct State {
        var channel: (any Channel)?
        var calls: [UInt64: @Sendable (Result<ByteBuffer, any Error>) -> Void] = [:]
        var lastCall: UInt64 = 0
        var isClosed = false
        var isStarted = false
        var backoffMilliseconds: Int64 = 20
    }
    private let state = Mutex(State())

    package init(
        _ address: PeerAddress, role: Frame.Role, security: TransportSecurity, loop: any EventLoop, logger: Logger,
        onConnect: @escaping @Sendable (Bool) -> Void = { _ in },
        onReply: @escaping StorageHost.ReplySink = { _ in }
    ) throws {
        self.address = address
        self.role = role
        self.loop = loop
        self.logger = logger
        self.onReply = onReply
        self.onConnect = onConnect
        context = try security.clientContext()
    }

    package func start() {
        let isFirst = state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted
        }
        if isFirst { connect() }
    }

    package var isConnected: Bool { state.withLock { $0.channel != nil } }

    /// Whether there is a connection that takes what is written to it.
    package var isWritable: Bool { state.withLock { $0.channel?.isWritable ?? false } }

    package func close() {
        let channel = state.withLock { state in
            state.isClosed = true
            return state.channel
        }
        channel?.close(promise: nil)
    }

    /// Writes without flushing. On the client's loop it costs no context switch.
    package func write(_ frame: Frame) { state.withLock({ $0.channel })?.write(frame, promise: nil) }
    package func flush() { state.withLock({ $0.channel })?.flush() }
    package func send(_ frame: Frame) { state.withLock({ $0.channel })?.writeAndFlush(frame, promise: nil) }

    /// Asks, and answers on any thread. A broken connection fails the call.
    package func call(_ call: ServiceCall, _ body: @escaping @Sendable (Result<ByteBuffer, any Error>) -> Void) {
        let (channel, request) = state.withLock { state -> ((any Channel)?, UInt64) in
            guard let channel = state.channel else { return (nil, 0) }
            state.lastCall += 1
            state.calls[state.lastCall] = body
            return (channel, state.lastCall)
        }
        guard let channel else {
            return body(.failure(CallFailure("no connection to the storage process of \(address.nodes)")))
        }
        channel.writeAndFlush(Frame.call(request, call), promise: nil)
        loop.scheduleTask(in: Self.callLimit) {
            let late = self.state.withLock { $0.calls.removeValue(forKey: request) }
            late?(.failure(CallFailure("no answer from the storage process of \(self.address.nodes) in time")))
        }
    }

    /// How long a call may take; another node is asked then.
    private static let callLimit = TimeAmount.seconds(10)

    /// Asks and waits; not on an event loop.
    package func call(_ call: ServiceCall) throws -> ByteBuffer {
        let promise = loop.makePromise(of: ByteBuffer.self)
        self.call(call) { promise.completeWith($0) }
        return try promise.futureResult.wait()
    }

    private func connect() {
        guard !state.withLock({ $0.isClosed }) else { return }
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(.seconds(2))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: .init(low: 1 << 20, high: 4 << 20))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let context = self.context {
                        try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: nil))
                    }
                    try pipeline.addHandler(FrameHandler())
                    try pipeline.addHandler(ClientHandler(self))
                }
            }
        bootstrap.connect(host: address.host, port: address.port).whenFailure { _ in self.retry() }
    }

    private func retry() {
        let delay = state.withLock { state -> Int64 in
            let delay = state.backoffMilliseconds
            state.backoffMilliseconds = min(1000, delay * 2)
            return delay
        }
        guard !state.withLock({ $0.isClosed }) else { return }
        loop.scheduleTask(in: .milliseconds(delay)) { self.connect() }
    }

    fileprivate func connected(_ channel: any Channel) {
        channel.writeAndFlush(Frame.hello(version: Frame.version, role), promise: nil)
        state.withLock { state in
            state.channel = channel
            state.backoffMilliseconds = 20
        }
        onConnect(true)
    }

    fileprivate func disconnected() {
        let calls = state.withLock { state in
            let calls = state.calls
            state.calls = [:]
            state.channel = nil
            return calls
        }
        for call in calls.values { call(.failure(CallFailure("the connection to \(address.nodes) broke"))) }
        onConnect(false)
        retry()
    }

    fileprivate func received(_ answers: [SegmentAnswer]) { onReply(answers) }

    fileprivate func received(_ frame: Frame) {
        switch frame {
        case .result(let request, let isError, let body):
            let call = state.withLock { $0.calls.removeValue(forKey: request) }
            call?(isError ? .failure(CallFailure(String(buffer: body))) : .success(body))
        default: break
        }
    }
}

/// A call that was not answered, or was answered with an error text.
package struct CallFailure: Error, CustomStringConvertible {
    package var description: String
    init(_ description: String) { self.description = description }
}

private final class ClientHandler: ChannelInboundHandler {
    typealias InboundIn = Frame
    private let client: StorageClient
    private var isUp = false
    /// Answers that arrived since the last `channelReadComplete`.
    private var answers: [SegmentAnswer] = []

    init(_ client: StorageClient) { self.client = client }

    func channelActive(context: ChannelHandlerContext) {
        isUp = true
        client.connected(context.channel)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        guard case .reply(let volume, let group, let node, let reply, let payload) = frame else {
            return client.received(frame)
        }
        let id = SegmentID(volume: volume, group: group, node: node)
        answers.append(SegmentAnswer(id: id, reply: reply, payload: payload))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if !answers.isEmpty { client.received(answers) }
        answers.removeAll(keepingCapacity: true)
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if isUp { client.disconnected() }
        isUp = false
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
