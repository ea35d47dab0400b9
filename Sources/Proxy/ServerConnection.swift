// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOPosix
import NIOSSL
import ProxyCore

/// What connections to servers have in common, whatever their engine: how they come to be, and how they end.
///
/// The engine's kind of connection overrides what is marked so, and is a `PooledBackend`.
class ServerConnection: RelayEnd {
    enum Stage {
        /// From the first byte to the moment at which the owner hears `backendOpened`.
        case loggingIn
        /// In the pool, lent, or running statements of the proxy's own.
        case open
        case closed
    }

    final let id: Int
    final let target: ProxyConfiguration.Address
    final let group: GroupContext
    final let openedAt = Clock.now()
    final var stage = Stage.loggingIn {
        didSet {
            loginDeadline?.cancel()
            loginDeadline = nil
        }
    }
    /// Keeps this object, until `stage` changes: a weak reference would make each retain of it slow for ever.
    private var loginDeadline: Scheduled<Void>?
    /// Cancel requests on their way to the server; until they are through, the connection may serve nobody else.
    final var cancelsUnderWay = 0
    final var releaseDeferred = false
    final private(set) var usesTLS = false
    /// What came during the login and is not read yet.
    final var buffer = ByteBuffer()

    init(id: Int, target: ProxyConfiguration.Address, group: GroupContext) {
        self.id = id
        self.target = target
        self.group = group
    }

    final var isOpen: Bool { stage == .open }

    /// Longest time for connecting and logging in.
    private static let loginSeconds: Int64 = 10

    /// Starts connecting; the owner hears the result.
    ///
    /// Each address that a name has is tried over a channel of its own. Only the one that connects gets this handler, and nothing
    /// is read from it before it has.
    final func open(on loop: any EventLoop) {
        loginDeadline = loop.assumeIsolated().scheduleTask(in: .seconds(Self.loginSeconds)) {
            self.failed("no login at \(self.target.host):\(self.target.port) within \(Self.loginSeconds) s")
        }
        ClientBootstrap(group: loop)
            .connectTimeout(.seconds(3))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.writeBufferWaterMark, value: .init(low: 32 << 10, high: 128 << 10))
            .channelOption(.autoRead, value: false)
            .connect(host: target.host, port: target.port)
            .assumeIsolated()
            .whenComplete { result in
                do {
                    try self.enter(try result.get())
                } catch {
                    self.failed("could not connect to \(self.target.host):\(self.target.port): \(error)")
                }
            }
    }

    private func enter(_ channel: any Channel) throws {
        // It may have been given up meanwhile.
        guard stage == .loggingIn, channel.isActive else {
            channel.close(promise: nil)
            throw ChannelError.ioOnClosedChannel
        }
        try channel.pipeline.syncOperations.addHandler(self)
        connected()
        try channel.syncOptions?.setOption(.autoRead, value: true)
    }

    final func send(_ bytes: ByteBuffer) { write(bytes, flush: true) }

    /// Before there is a connection to close, the owner hears that there will be none.
    final func close() {
        if let context { context.close(promise: nil) } else { failed("given up before it was connected") }
    }

    /// Puts TLS under the connection. The server's certificate is not checked against a name that is an address.
    final func startTLS(_ tls: NIOSSLContext, _ context: ChannelHandlerContext) throws {
        let hostname = target.host.first.map { $0.isNumber } ?? true ? nil : target.host
        try addTLS(NIOSSLClientHandler(context: tls, serverHostname: hostname))
        usesTLS = true
    }

    // MARK: Channel events

    override final func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do {
            try received(unwrapInboundIn(data), context)
        } catch {
            group.logger.warning(
                "backend broke the protocol",
                metadata: ["error": "\(error)", "target": "\(target.host):\(target.port)"])
            violated(error)
        }
    }

    override final func channelReadComplete(context: ChannelHandlerContext) { peer?.flush() }

    override final func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failed("connection to \(target.host):\(target.port) failed: \(error)")
        context.close(promise: nil)
    }

    override final func channelInactive(context: ChannelHandlerContext) {
        switch stage {
        case .loggingIn: failed("the server closed the connection during login")
        case .open:
            stage = .closed
            lost()
        case .closed: break
        }
    }

    // MARK: To be overridden

    /// The connection has been made.
    func connected() {}

    func received(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) throws {}

    /// What the server sent makes no sense.
    func violated(_ error: any Error) {}

    /// The connection could not be made, or broke.
    func failed(_ text: String) {}

    /// It was open: owner and client have to hear of it.
    func lost() {}
}

extension PooledBackend where Self: ServerConnection {
    /// Ends the connection; its owner hears why if it was not open yet.
    func fail(_ error: Failure) {
        switch stage {
        case .loggingIn:
            stage = .closed
            owner.backendFailed(self, error)
            context?.close(promise: nil)
        case .open: context?.close(promise: nil)
        case .closed: return
        }
    }

    /// A cancel request has been dealt with: a connection that waited for it may go back, unless the request may yet hit
    /// whoever has the connection next.
    func cancelEnded(_ pool: BackendPool<Self>?, isCertain: Bool = true) {
        cancelsUnderWay -= 1
        if cancelsUnderWay == 0, releaseDeferred {
            releaseDeferred = false
            if isCertain { pool?.release(self) } else { pool?.discard(self) }
        }
    }
}
