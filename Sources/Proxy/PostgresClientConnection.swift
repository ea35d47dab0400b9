// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOPosix
import NIOSSL
import PostgresWire
import ProxyCore

/// One client's connection: logs it in, then carries bytes between `ClientSession` and the backend it is lent.
///
/// Belongs to one event loop. Decisions are those of `ClientLogin`, `ClientSession` and the pool.
final class PostgresClientConnection: ChannelDuplexHandler, BackendBorrower, ProxyClient {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Stage {
        case loggingIn
        /// A password is being checked elsewhere, or the first backend connection awaited.
        case busy
        case open
        case admin(AdminConsole)
        case closed
    }

    /// How many bytes a client may send ahead while it waits for a backend.
    static let readAhead = 256 << 10

    let listener: ListenerContext
    let group: GroupContext
    let loop: LoopContext
    private(set) var number: UInt32 = 0
    private(set) var cancelSecret: [UInt8] = []
    private(set) var session: ClientSession?
    private(set) var user = ""
    private(set) var database = ""
    private(set) var usesTLS = false

    private var stage = Stage.loggingIn
    private var login: ClientLogin?
    private var context: ChannelHandlerContext?
    private var buffer: ByteBuffer?
    private var pool: BackendPool<BackendConnection>?
    private var backend: BackendConnection?
    private var isWaiting = false
    private var isWelcoming = false
    private var welcomeKey = ""
    private var needsFlush = false
    private var readsPaused = false
    private var readWithheld = false
    private var lastActive = Clock.now()
    private var askedAt: Int64 = 0

    var id: Int { Int(number) }

    init(listener: ListenerContext, group: GroupContext, loop: LoopContext) {
        self.listener = listener
        self.group = group
        self.loop = loop
        login = ClientLogin(policy: listener.policy)
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loop.metrics.clientConnectionsReceived += 1
        guard loop.admits(context.channel.remoteAddress) else {
            reject(.fatal("53300", "too many log-ins a second from this address"))
            return
        }
        guard let number = loop.register(self) else {
            reject(.fatal("53300", "sorry, too many clients already"))
            return
        }
        self.number = number
        let secret = UInt32.random(in: 1...UInt32.max)
        cancelSecret = withUnsafeBytes(of: secret.bigEndian) { Array($0) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        switch stage {
        case .open:
            session?.append(bytes)
        case .loggingIn, .busy:
            if buffer == nil { buffer = bytes } else { buffer!.writeImmutableBuffer(bytes) }
            if buffer!.readableBytes > 1 << 20 { close() }
        case .admin(let console): console.receive(bytes)
        case .closed: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        switch stage {
        case .open: drive()
        case .loggingIn: continueLogin()
        case .busy, .closed: break
        case .admin(let console):
            listener.state.gather(on: loop.eventLoop).assumeIsolated().whenSuccess { state in
                let (answer, finished) = console.answer(state)
                if let answer { self.write(answer, flush: true) }
                if finished { self.close() }
            }
        }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        loop.logger.debug("client connection failed", metadata: ["error": "\(error)"])
        context.close(promise: nil)
    }

    /// The client is gone, whatever the reason: give back what it holds.
    private func finish() {
        if case .closed = stage { return }
        stage = .closed
        loop.metrics.clientConnectionsClosed += 1
        loop.unregister(number)
        if let pool {
            pool.clients -= 1
            if isWaiting { pool.cancelRequest(self) }
        }
        guard let backend, let state = backend.session, let session, let pool else { return }
        self.backend = nil
        backend.resumeReads()
        // Quiet, idle and not pinned would mean a batch without its Sync: too rare to be worth mending.
        let inTransaction = state.status != .idle
        if state.isQuiet, session.isLinked, inTransaction || session.isPinned, !state.isMidBatch {
            state.detach(settings: session.settings)
            pool.releaseAfterReset(backend, rollBack: inTransaction, discard: session.isPinned)
        } else {
            sendCancel(to: backend)
            pool.discard(backend)
        }
    }

    func close() { context?.close(promise: nil) }

    // MARK: Login

    private func continueLogin() {
        guard var login else { return }
        while case .loggingIn = stage, var input = buffer {
            let action: ClientLogin.Action
            do {
                action = try login.receive(&input, serverNonce: Nonce.text)
            } catch {
                reject(.fatal("08P01", "invalid startup packet"))
                return
            }
            buffer = input.readableBytes > 0 ? input : nil
            self.login = login
            if case .more = action { return }
            perform(action)
            guard let next = self.login else { return }
            login = next
        }
    }

    private func perform(_ action: ClientLogin.Action) {
        switch action {
        case .more: break
        case .reply(let bytes): write(bytes, flush: true)
        case .startTLS(let bytes): startTLS(bytes)
        case .cancel(let processID, let secret):
            listener.cancel(processID, secret)
            // PostgreSQL closes the connection as its only answer.
            close()
        case .authenticate(let parameters): authenticate(parameters)
        case .check(let secret, let check): runCheck(secret, check)
        case .accepted(let bytes):
            write(bytes, flush: false)
            stage = .busy
            enter()
        case .fail(let error):
            loop.metrics.clientConnectionsSetupFailedAuth += 1
            reject(error)
        }
    }

    private func startTLS(_ bytes: ByteBuffer) {
        guard let context, let tls = listener.tls else { return }
        write(bytes, flush: true)
        do {
            try context.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls), position: .first)
            usesTLS = true
        } catch {
            close()
        }
    }

    private var startup: StartupParameters?

    private func authenticate(_ parameters: StartupParameters) {
        startup = parameters
        user = parameters["user"] ?? ""
        database = parameters["database"] ?? user
        if parameters.minor > 0 || parameters.pairs.contains(where: { $0.name.hasPrefix("_pq_.") }) {
            negotiate(parameters)
        }
        let method = group.shared.authenticator.method(user: user, database: database, tls: usesTLS)
        let salt = cancelSecret.map { _ in UInt8.random(in: 0...255) }
        guard let action = login?.begin(method, salt: salt) else { return }
        perform(action)
    }

    /// The proxy speaks 3.0 and knows no protocol options.
    private func negotiate(_ parameters: StartupParameters) {
        let options = parameters.pairs.map(\.name).filter { $0.hasPrefix("_pq_.") }
        var bytes = ByteBuffer()
        bytes.writePostgresMessage(BackendMessage.negotiateVersion) {
            $0.writeInteger(UInt32(3) << 16)
            $0.writeInteger(UInt32(options.count))
            for option in options { $0.writePostgresString(option) }
        }
        write(bytes, flush: false)
    }

    private func runCheck(_ secret: Secret, _ check: @escaping @Sendable (Secret) async -> Bool) {
        stage = .busy
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        let eventLoop = loop.eventLoop
        Task {
            let good = await check(secret)
            eventLoop.execute {
                let connection = bound.value
                guard case .busy = connection.stage else { return }
                connection.stage = .loggingIn
                if let action = connection.login?.checked(good) { connection.perform(action) }
            }
        }
    }

    private func reject(_ error: ServerError) {
        var bytes = ByteBuffer()
        error.write(to: &bytes)
        guard let context else { return }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        context.close(promise: nil)
    }

    // MARK: Welcome

    /// Authenticated: find the pool and tell the client the parameters of its session.
    private func enter() {
        login = nil
        if usesTLS { loop.metrics.clientConnectionsTLS += 1 } else { loop.metrics.clientConnectionsNoTLS += 1 }
        if database == "borealis", loop.configuration.adminUsers.contains(user) {
            enterAdmin()
            return
        }
        guard let credentials = group.shared.authenticator.backendCredentials(user: user, database: database) else {
            reject(.fatal("28000", "the proxy has no credentials for the role \"\(user)\""))
            return
        }
        guard let initial = startupSettings() else { return }
        let pool = group.pool(
            PoolKey(role: listener.role, credentials: credentials, database: database), of: BackendConnection.self)
        self.pool = pool
        pool.clients += 1
        welcomeKey = initial.values.filter { $0.key != "application_name" }
            .map { "\($0.key)=\($0.value)" }.sorted().joined(separator: "\u{0}")
        let known = pool.common.defaults.flatMap { defaults in
            welcomeKey.isEmpty
                ? PostgresPoolCommon.Welcome(settings: .none, reported: defaults) : pool.common.welcomes[welcomeKey]
        }
        if let known {
            welcome(from: known, initial)
            return
        }
        session = ClientSession(
            settings: initial, reported: [:], defaults: pool.common.defaults ?? [:], registry: pool.common.registry,
            classifier: StatementClassifier(pinsSequences: group.configuration.pool.pinsSequences))
        isWelcoming = true
        isWaiting = true
        pool.request(self, settings: initial)
    }

    /// The parameters of the startup packet as settings; rejects the client and returns nil if there is one that is not.
    private func startupSettings() -> SessionSettings? {
        var values: [String: SessionSettings.Assignment] = [:]
        for (name, value) in startup?.pairs ?? [] {
            switch name.lowercased() {
            case "user", "database", "replication": continue
            case "options":
                guard let settings = StartupParameters.settings(inOptions: value) else {
                    reject(.fatal("0A000", "the proxy understands only -c name=value in the startup options"))
                    return nil
                }
                for (name, value) in settings { values[name.lowercased()] = .value(value) }
            case let other where other.hasPrefix("_pq_."): continue
            case let other: values[other] = .value(value)
            }
        }
        startup = nil
        return SessionSettings(values)
    }

    private func welcome(from known: PostgresPoolCommon.Welcome, _ initial: SessionSettings) {
        guard let pool else { return }
        var settings = known.settings
        var reported = known.reported
        if case .value(let name)? = initial.values["application_name"] {
            let clean = String(
                String.UnicodeScalarView(name.unicodeScalars.map { $0.value >= 32 && $0.value < 127 ? $0 : "?" }))
            if clean != pool.common.defaults?["application_name"] {
                settings = settings.setting("application_name", .value(clean))
                reported["application_name"] = clean
            }
        }
        settings = pool.common.intern(settings)
        session = ClientSession(
            settings: settings, reported: reported, defaults: pool.common.defaults ?? [:],
            registry: pool.common.registry,
            classifier: StatementClassifier(pinsSequences: group.configuration.pool.pinsSequences))
        sendWelcome(reported)
    }

    private func sendWelcome(_ reported: [String: String]) {
        var bytes = ByteBuffer()
        for (name, value) in reported { bytes.writePostgresParameterStatus(name, value) }
        let secret = cancelSecret.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        bytes.writePostgresBackendKey(processID: number, secret: secret)
        bytes.writePostgresReady(.idle)
        write(bytes, flush: true)
        loop.metrics.clientConnectionsSetupSucceeded += 1
        stage = .open
        if let early = buffer {
            buffer = nil
            session?.append(early)
            drive()
        }
    }

    private func finishWelcome() {
        isWelcoming = false
        guard let session, let pool else { return }
        if let error = session.welcomeError {
            reject(.fatal(error.code, error.message))
            return
        }
        var shared = session.settings
        var reported = session.reported
        if shared.values["application_name"] != nil { shared = shared.setting("application_name", nil) }
        reported["application_name"] = pool.common.defaults?["application_name"]
        if pool.common.welcomes.count > 256 { pool.common.welcomes.removeAll() }
        pool.common.welcomes[welcomeKey] = PostgresPoolCommon.Welcome(
            settings: pool.common.intern(shared), reported: reported)
        sendWelcome(session.reported)
    }

    private func enterAdmin() {
        let console = AdminConsole()
        stage = .admin(console)
        var bytes = ByteBuffer()
        for (name, value) in AdminConsole.parameters { bytes.writePostgresParameterStatus(name, value) }
        bytes.writePostgresBackendKey(processID: number, secret: 0)
        bytes.writePostgresReady(.idle)
        write(bytes, flush: true)
        loop.metrics.clientConnectionsSetupSucceeded += 1
    }

    // MARK: Requests

    /// Moves what the client has sent: to the backend it has, or into the queue for one.
    private func drive() {
        guard let session, case .open = stage else { return }
        if session.isLinked {
            pumpRequests(session)
        } else if !isWaiting, session.pending != nil {
            demand(session)
        }
        if session.pendingBytes > PostgresClientConnection.readAhead { readsPaused = true }
        if session.terminated { close() }
    }

    private func demand(_ session: ClientSession) {
        var out = RelayOutput()
        do {
            let need = try session.need(&out)
            if let bytes = out.take() { write(bytes, flush: true) }
            switch need {
            case .bytes: break
            case .termination: close()
            case .backend:
                lastActive = Int64.max
                askedAt = Clock.now()
                isWaiting = true
                pool?.request(self, settings: session.settings)
            }
        } catch {
            protocolViolation(error)
        }
    }

    private func pumpRequests(_ session: ClientSession) {
        guard let backend else { return }
        var toBackend = RelayOutput()
        var toClient = RelayOutput()
        do {
            try session.pump(toBackend: &toBackend, toClient: &toClient)
        } catch {
            protocolViolation(error)
            return
        }
        if let bytes = toBackend.take() {
            backend.send(bytes)
            if !backend.isWritable { readsPaused = true }
        }
        if let bytes = toClient.take() { write(bytes, flush: true) }
        if readsPaused, backend.isWritable, session.pendingBytes <= PostgresClientConnection.readAhead { resumeReads() }
    }

    private func protocolViolation(_ error: any Error) {
        loop.logger.info("client broke the protocol", metadata: ["error": "\(error)", "user": "\(user)"])
        reject(.fatal("08P01", "invalid message from the client"))
    }

    // MARK: Backend

    func borrowed(_ connection: BackendConnection) {
        isWaiting = false
        guard let session, let state = connection.session, context != nil else {
            pool?.release(connection)
            return
        }
        backend = connection
        var out = RelayOutput()
        perform(isWelcoming ? session.linkForWelcome(state) : session.link(state), &out)
    }

    func borrowFailed(_ failure: BorrowFailure<ServerError>) {
        let error: ServerError
        switch failure {
        case .tooManyWaiting: error = .fatal("53300", "too many clients are waiting for a database connection")
        case .timedOut: error = .fatal("08006", "Timed-out waiting to acquire database connection")
        case .login(let refusal): error = refusal
        }
        isWaiting = false
        loop.metrics.clientConnectionsSetupFailedAuth += isWelcoming ? 1 : 0
        reject(error)
    }

    var isPinned: Bool { session?.isPinned ?? false }
    var isInTransaction: Bool { session?.isInTransaction ?? false }

    /// PostgreSQL's errors and notices leave nothing to ask for afterwards.
    func lingeredLongEnough(_ now: Int64) -> Bool { true }
    func stopLingering() {}

    /// Bytes and news from the backend.
    func deliver(_ out: inout RelayOutput, _ outcome: BackendSession.Outcome) {
        guard let session else { return }
        if outcome == .moved {
            if let bytes = out.take() { write(bytes, flush: false) }
            if let context, !context.channel.isWritable { backend?.pauseReads() }
            return
        }
        if outcome == .ready {
            loop.metrics.queryRequests += 1
            if usesTLS { loop.metrics.queryRequestsTLS += 1 } else { loop.metrics.queryRequestsNoTLS += 1 }
        }
        let step = session.advance(outcome, toClient: &out)
        if let bytes = out.take() { write(bytes, flush: true) }
        perform(step, &out)
    }

    private func perform(_ step: ClientSession.Step, _ out: inout RelayOutput) {
        switch step {
        case .none: break
        case .pump:
            if let session { pumpRequests(session) }
            if session?.terminated == true { close() }
        case .sendInternal(let bytes): backend?.send(bytes)
        case .release:
            let now = Clock.now()
            if askedAt > 0 {
                loop.metrics.queryResponseNanoseconds += Int(now - askedAt)
                loop.metrics.queryResponseCount += 1
                askedAt = 0
            }
            lastActive = now
            if let connection = backend {
                backend = nil
                connection.resumeReads()
                pool?.release(connection)
            }
            if isWelcoming { finishWelcome() }
            resumeReads()
            if session?.pending != nil, backend == nil { drive() }
        case .fail(let error):
            if let connection = backend {
                backend = nil
                pool?.discard(connection)
            }
            var fatal = error
            fatal.severity = "FATAL"
            reject(fatal)
        }
    }

    func backendLost(_ connection: BackendConnection) {
        backend = nil
        guard let session else { return }
        var error =
            connection.session?.fatal
            ?? ServerError(code: "08006", message: "the database server closed the connection")
        error.severity = "ERROR"
        error.detail = "The proxy keeps this session; whether the statement took effect is not known."
        var out = RelayOutput()
        let loss = session.backendLost(error, toClient: &out)
        if let bytes = out.take() { write(bytes, flush: true) }
        switch loss {
        case .fatal:
            error.severity = "FATAL"
            error.detail = "The transaction, or state of this session, was lost with its database connection."
            reject(error)
        case .answered, .unnoticed:
            if isWelcoming {
                isWaiting = true
                pool?.request(self, settings: session.settings)
                return
            }
            resumeReads()
            drive()
        }
    }

    // MARK: Cancel

    func cancelRequested() {
        if isWaiting, !isWelcoming {
            cancelWaiting()
            return
        }
        guard let backend, let state = backend.session, !state.isQuiet || state.status != .idle else { return }
        sendCancel(to: backend)
    }

    /// The request has not reached a backend; it leaves the queue.
    private func cancelWaiting() {
        var out = RelayOutput()
        guard let session, session.cancelWaiting(&out) else { return }
        pool?.cancelRequest(self)
        isWaiting = false
        if let bytes = out.take() { write(bytes, flush: true) }
        drive()
    }

    private func sendCancel(to backend: BackendConnection) {
        guard let state = backend.session, !state.secret.isEmpty else { return }
        backend.cancelsUnderWay += 1
        let pool = self.pool
        CancelSender.send(
            to: backend.target, processID: state.processID, secret: state.secret, tls: group.shared.targetTLS,
            on: loop.eventLoop
        ) {
            backend.cancelsUnderWay -= 1
            if backend.cancelsUnderWay == 0, backend.releaseDeferred {
                backend.releaseDeferred = false
                pool?.release(backend)
            }
        }
    }

    // MARK: Writing and back-pressure

    @inline(__always)
    private func write(_ bytes: ByteBuffer, flush: Bool) {
        guard let context else { return }
        if flush {
            needsFlush = false
            context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        } else {
            needsFlush = true
            context.write(wrapOutboundOut(bytes), promise: nil)
        }
    }

    func flush() {
        guard needsFlush else { return }
        needsFlush = false
        context?.flush()
        if let context, !context.channel.isWritable { backend?.pauseReads() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { backend?.resumeReads() } else { backend?.pauseReads() }
        context.fireChannelWritabilityChanged()
    }

    func read(context: ChannelHandlerContext) {
        if readsPaused { readWithheld = true } else { context.read() }
    }

    func resumeReads() {
        guard readsPaused else { return }
        readsPaused = false
        if readWithheld {
            readWithheld = false
            context?.read()
        }
    }

    // MARK: Time

    func checkTimeouts(_ now: Int64) {
        switch stage {
        case .loggingIn:
            if now - lastActive > loop.configuration.loginTimeout.nanosecondsCount { close() }
        case .open:
            guard backend == nil, !isWaiting, lastActive != Int64.max,
                now - lastActive > group.configuration.pool.idleClientTimeout.nanosecondsCount
            else { return }
            reject(.fatal("57P05", "terminating connection due to idle client timeout"))
        case .busy, .admin, .closed: break
        }
    }

    /// For SHOW PINS and SHOW CLIENTS.
    var summary: ClientSummary {
        ClientSummary(
            number: number, user: user, database: database, listener: listener.name,
            state: backend != nil ? "linked" : isWaiting ? "waiting" : "idle",
            pins: session?.pins.description ?? "", pinnedBy: session?.pinnedBy ?? "",
            backendProcess: backend?.session?.processID ?? 0)
    }
}

/// What the admin console shows of a client.
struct ClientSummary: Sendable {
    var number: UInt32
    var user: String
    var database: String
    var listener: String
    var state: String
    var pins: String
    var pinnedBy: String
    var backendProcess: UInt32
}
