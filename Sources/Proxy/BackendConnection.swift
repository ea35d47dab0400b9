// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOPosix
import NIOSSL
import PostgresWire
import ProxyCore

/// One connection to a PostgreSQL server: logs in, then moves bytes between `BackendSession` and whoever uses it.
///
/// Belongs to one event loop. What it does when nobody uses it is `stage`; decisions are the machines'.
final class BackendConnection: ChannelDuplexHandler, PooledBackend {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Stage {
        case loggingIn
        /// In the pool, lent, or running statements of the proxy's own.
        case open
        case closed
    }

    let id: Int
    let target: ProxyConfiguration.Address
    let group: GroupContext
    unowned let owner: any BackendOwner<BackendConnection>
    let openedAt = Clock.now()
    private(set) var stage = Stage.loggingIn
    private(set) var session: BackendSession?
    var client: PostgresClientConnection?
    /// Cancel requests on their way to the server; until they are through, the connection may serve nobody else.
    var cancelsUnderWay = 0
    var releaseDeferred = false
    var usesTLS = false

    private var login: BackendLogin
    private var buffer = ByteBuffer()
    private var context: ChannelHandlerContext?
    private var readsPaused = false
    private var readWithheld = false
    private let credentials: BackendCredentials

    init(
        id: Int, target: ProxyConfiguration.Address, group: GroupContext,
        owner: any BackendOwner<BackendConnection>, key: PoolKey
    ) {
        self.id = id
        self.target = target
        self.group = group
        self.owner = owner
        credentials = key.credentials
        login = BackendLogin(
            credentials: credentials, database: key.database, tls: group.configuration.targetTLS,
            clientNonce: Nonce.text())
    }

    /// Starts connecting; the owner hears the result.
    func open(on loop: any EventLoop) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        ClientBootstrap(group: loop)
            .connectTimeout(.seconds(3))
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.writeBufferWaterMark, value: .init(low: 32 << 10, high: 128 << 10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(bound.value) }
            }
            .connect(host: target.host, port: target.port)
            .assumeIsolated()
            .whenFailure { error in
                self.fail(.fatal("08006", "could not connect to \(self.target.host):\(self.target.port): \(error)"))
            }
    }

    // MARK: Sending

    func send(_ bytes: ByteBuffer) {
        guard let context else { return }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func close() {
        if let context { context.close(promise: nil) } else { stage = .closed }
    }

    // MARK: Back-pressure

    func pauseReads() { readsPaused = true }

    func resumeReads() {
        guard readsPaused else { return }
        readsPaused = false
        if readWithheld {
            readWithheld = false
            context?.read()
        }
    }

    func read(context: ChannelHandlerContext) {
        if readsPaused { readWithheld = true } else { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { client?.resumeReads() }
        context.fireChannelWritabilityChanged()
    }

    // MARK: Receiving

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        send(login.start())
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        do {
            if let session {
                try deliver(bytes, session)
            } else {
                buffer.writeImmutableBuffer(bytes)
                try continueLogin(context)
            }
        } catch {
            group.logger.warning(
                "backend broke the protocol",
                metadata: ["error": "\(error)", "target": "\(target.host):\(target.port)"])
            fail(.fatal("08P01", "the server sent something the proxy does not understand"))
        }
    }

    private func deliver(_ bytes: ByteBuffer, _ session: BackendSession) throws {
        var out = RelayOutput()
        let outcome = try session.receive(bytes, toClient: &out)
        if let client {
            client.deliver(&out, outcome)
        } else if outcome != .moved, session.isQuiet {
            owner.backendQuiet(self)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        client?.flush()
        context.fireChannelReadComplete()
    }

    private func continueLogin(_ context: ChannelHandlerContext) throws {
        while stage == .loggingIn {
            let action = try login.receive(&buffer) { salt, iterations in
                group.shared.saltedPassword(credentials, salt: salt, iterations: iterations)
            }
            switch action {
            case .more: return
            case .send(let bytes):
                if bytes.readableBytes > 0 { send(bytes) }
            case .startTLS:
                guard let tls = group.shared.targetTLS else { throw PostgresWireError.unexpected(kind: 0x53) }
                let hostname = target.host.first.map { $0.isNumber } ?? true ? nil : target.host
                let handler = try NIOSSLClientHandler(context: tls, serverHostname: hostname)
                try context.pipeline.syncOperations.addHandler(handler, position: .first)
                usesTLS = true
                send(login.encrypted())
            case .ready(let session):
                self.session = session
                stage = .open
                buffer = ByteBuffer()
                owner.backendOpened(self)
            case .fail(let error): fail(error)
            }
        }
    }

    private func fail(_ error: ServerError) {
        switch stage {
        case .loggingIn:
            stage = .closed
            owner.backendFailed(self, error)
            context?.close(promise: nil)
        case .open: context?.close(promise: nil)
        case .closed: return
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(.fatal("08006", "connection to \(target.host):\(target.port) failed: \(error)"))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch stage {
        case .loggingIn: fail(.fatal("08006", "the server closed the connection during login"))
        case .open:
            stage = .closed
            let client = self.client
            self.client = nil
            owner.backendClosed(self)
            client?.backendLost(self)
        case .closed: break
        }
        context.fireChannelInactive()
    }
}

// MARK: For the pool and the monitor

extension BackendConnection {
    var isOpen: Bool { stage == .open && session != nil }
    var settings: SessionSettings { session?.settings ?? .none }
    var isInTransaction: Bool { session.map { $0.status != .idle } ?? false }
    var isReadOnly: Bool { session?.isInRecovery == true }
    var saidGoodbye: Bool { session?.fatal != nil }
    var ownError: String? { session?.internalError?.message }

    func run(_ statement: String) {
        if let session { send(session.beginStatement(statement)) }
    }

    func reset(rollBack: Bool, discard: Bool) {
        guard let session else { return }
        if rollBack { send(session.beginStatement("ROLLBACK")) }
        if discard { send(session.beginReset()) }
    }

    func teach(_ common: PostgresPoolCommon) {
        if common.defaults == nil { common.defaults = session?.reported }
    }

    static func isLasting(_ error: ServerError) -> Bool {
        let code = error.code
        return code.hasPrefix("28") || code.hasPrefix("3D") || code.hasPrefix("42") || code == "08P01"
            || code == "0A000"
    }

    static func forgetWelcomes(_ common: PostgresPoolCommon) { common.welcomes = [:] }

    static func words(_ error: ServerError) -> String { error.message }

    static let topologyQuestion = """
        SELECT pg_catalog.pg_is_in_recovery(), CASE WHEN pg_catalog.pg_is_in_recovery() THEN \
        COALESCE(EXTRACT(epoch FROM pg_catalog.now() - pg_catalog.pg_last_xact_replay_timestamp()), 0) ELSE 0 END, \
        (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()), \
        pg_catalog.pg_last_wal_receive_lsn() IS NOT DISTINCT FROM pg_catalog.pg_last_wal_replay_lsn()
        """

    var topologyAnswer: TopologyAnswer? {
        guard let row = session?.internalRows.first, row.count == 4, session?.internalError == nil else { return nil }
        let caughtUp = row[3] == "t"
        return TopologyAnswer(
            isWriter: row[0] == "f", lagSeconds: caughtUp ? 0 : row[1].flatMap { Double($0) } ?? 0,
            generation: row[2].flatMap { Int($0) } ?? 0)
    }
}

/// Random text for SCRAM.
enum Nonce {
    static func text() -> String {
        var generator = SystemRandomNumberGenerator()
        return Base64.encode((0..<18).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }
}
