// SPDX-License-Identifier: Apache-2.0

import Logging
import MySQLWire
import NIOCore
import NIOPosix
import NIOSSL
import ProxyCore

/// What the clients of one MySQL pool share.
final class MySQLPoolCommon: Initialisable {
    let registry = MySQLStatementRegistry()
    /// Databases a server has let this user into lately, so that a login need not ask.
    private var databases: [String: Int64] = [:]

    func knows(_ database: String, now: Int64) -> Bool {
        databases[database].map { now - $0 < 10_000_000_000 } ?? false
    }

    func learn(_ database: String, now: Int64) {
        if databases.count > 1000 { databases.removeAll() }
        databases[database] = now
    }

    func forgetDatabases() { databases.removeAll() }
}

/// One connection to a MySQL or MariaDB server: logs in, sets the session up, then moves bytes between
/// `MySQLBackendSession` and whoever uses it.
///
/// Belongs to one event loop. Decisions are the machines'.
final class MySQLBackendConnection: ChannelDuplexHandler, PooledBackend {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Stage {
        case loggingIn
        /// The statements every connection starts with are under way; then, once a group, the list of collations.
        case settingUp
        case askingCollations
        case open
        case closed
    }

    let id: Int
    let target: ProxyConfiguration.Address
    let group: GroupContext
    unowned let owner: any BackendOwner<MySQLBackendConnection>
    let openedAt = Clock.now()
    private(set) var session: MySQLBackendSession?
    var client: MySQLClientConnection?
    var cancelsUnderWay = 0
    var releaseDeferred = false
    private(set) var usesTLS = false
    private(set) var isReadOnly = false

    private var stage = Stage.loggingIn
    private var login: MySQLBackendLogin
    private var handshake: MySQLHandshake?
    private var buffer = ByteBuffer()
    private var context: ChannelHandlerContext?
    private var readsPaused = false
    private var readWithheld = false

    init(
        id: Int, target: ProxyConfiguration.Address, group: GroupContext,
        owner: any BackendOwner<MySQLBackendConnection>, key: PoolKey
    ) {
        self.id = id
        self.target = target
        self.group = group
        self.owner = owner
        login = MySQLBackendLogin(
            credentials: key.credentials, tls: group.configuration.targetTLS,
            flags: MySQLCapabilities(rawValue: key.flags))
    }

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
                self.fail(.lost("could not connect to \(self.target.host):\(self.target.port): \(error)"))
            }
    }

    // MARK: Sending and back-pressure

    func send(_ bytes: ByteBuffer) { context?.writeAndFlush(wrapOutboundOut(bytes), promise: nil) }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func close() {
        if let context { context.close(promise: nil) } else { stage = .closed }
    }

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
            let authentication: String? =
                if case MySQLWireError.authentication(let text) = error { text } else { nil }
            group.logger.warning(
                "backend broke the protocol",
                metadata: ["error": "\(error)", "target": "\(target.host):\(target.port)"])
            fail(
                authentication.map { MySQLServerError(code: 2059, state: "28000", message: $0) }
                    ?? .lost("the server sent something the proxy does not understand"))
        }
    }

    private func deliver(_ bytes: ByteBuffer, _ session: MySQLBackendSession) throws {
        var out = RelayOutput()
        let outcome = try session.receive(bytes, toClient: &out)
        if let client {
            client.deliver(&out, outcome)
        } else if outcome == .internalDone, session.isQuiet {
            quiet(session)
        }
    }

    private func quiet(_ session: MySQLBackendSession) {
        switch stage {
        case .settingUp:
            if let error = session.internalError { return fail(error) }
            isReadOnly = session.internalRows.first?.first.flatMap { $0 } == "1"
            if group.shared.greeting == nil {
                stage = .askingCollations
                send(session.beginStatement(MySQLGreeting.collationQuestion))
            } else {
                opened()
            }
        case .askingCollations:
            if let handshake {
                group.shared.learn(
                    MySQLGreeting(
                        version: handshake.serverVersion, status: session.status, collations: session.internalRows))
            }
            opened()
        case .open: owner.backendQuiet(self)
        case .loggingIn, .closed: break
        }
    }

    private func opened() {
        stage = .open
        owner.backendOpened(self)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        client?.flush()
        context.fireChannelReadComplete()
    }

    private func continueLogin(_ context: ChannelHandlerContext) throws {
        while case .loggingIn = stage, session == nil {
            switch try login.receive(&buffer) {
            case .more: return
            case .send(let bytes):
                if bytes.readableBytes > 0 { send(bytes) }
            case .startTLS(let request):
                guard let tls = group.shared.targetTLS else { throw MySQLWireError.malformed }
                send(request)
                let hostname = target.host.first.map { $0.isNumber } ?? true ? nil : target.host
                let handler = try NIOSSLClientHandler(context: tls, serverHostname: hostname)
                try context.pipeline.syncOperations.addHandler(handler, position: .first)
                usesTLS = true
                send(try login.encryptedNow())
            case .ready(let session, let handshake):
                self.session = session
                self.handshake = handshake
                stage = .settingUp
                var bytes = session.beginSetup()
                bytes.writeImmutableBuffer(session.beginStatement("SELECT @@global.read_only"))
                send(bytes)
            case .fail(let error): fail(error)
            }
        }
    }

    private func fail(_ error: MySQLServerError) {
        switch stage {
        case .loggingIn, .settingUp, .askingCollations:
            stage = .closed
            owner.backendFailed(self, error)
            context?.close(promise: nil)
        case .open: context?.close(promise: nil)
        case .closed: return
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(.lost("connection to \(target.host):\(target.port) failed: \(error)"))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch stage {
        case .loggingIn, .settingUp, .askingCollations: fail(.lost("the server closed the connection during login"))
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

extension MySQLServerError {
    /// The code clients know for a connection that broke; they report it as one they may retry.
    static func lost(_ message: String) -> MySQLServerError {
        MySQLServerError(code: 2013, state: "08S01", message: message)
    }
}

// MARK: For the pool and the monitor

extension MySQLBackendConnection {
    var isOpen: Bool { if case .open = stage { true } else { false } }
    var settings: MySQLSettings { session?.settings ?? .none }
    var isInTransaction: Bool { session?.isInTransaction ?? false }
    var saidGoodbye: Bool { session?.parting != nil }
    var ownError: String? { session?.internalError?.message }

    func run(_ statement: String) {
        if let session { send(session.beginStatement(statement)) }
    }

    /// One command undoes both an open transaction and whatever else was left.
    func reset(rollBack: Bool, discard: Bool) {
        if let session { send(session.beginReset()) }
    }

    func teach(_ common: MySQLPoolCommon) {}

    static func isLasting(_ error: MySQLServerError) -> Bool {
        [1044, 1045, 1049, 1130, 1251, 1275, 1524, 1698, 1820, 2059, 3118, 4151].contains(error.code)
    }

    static func forgetWelcomes(_ common: MySQLPoolCommon) { common.forgetDatabases() }

    static func words(_ error: MySQLServerError) -> String { error.message }

    static let topologyQuestion = """
        SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'gtid_current_pos'); SHOW REPLICA STATUS
        """

    /// The second statement needs a privilege that the user may lack, and MySQL 5.7 does not know it: then the lag is
    /// taken for none.
    var topologyAnswer: TopologyAnswer? {
        guard let session else { return nil }
        var variables: [String: String] = [:]
        var lag = 0.0
        for row in session.internalRows {
            if row.count == 2, let name = row[0] {
                variables[name] = row[1] ?? ""
            } else if let column = session.internalColumns.dropFirst(2).firstIndex(where: {
                $0 == "Seconds_Behind_Master" || $0 == "Seconds_Behind_Source"
            }), column - 2 < row.count {
                // NULL: it does not replicate at all.
                lag = max(lag, row[column - 2].flatMap { Double($0) } ?? 1e9)
            }
        }
        guard let readOnly = variables["read_only"] else { return nil }
        let generation = (variables["gtid_current_pos"] ?? "").split(separator: ",")
            .compactMap { $0.split(separator: "-").last.flatMap { Int($0) } }.reduce(0, +)
        return TopologyAnswer(isWriter: readOnly == "OFF", lagSeconds: lag, generation: generation)
    }
}
