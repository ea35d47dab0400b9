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
final class PostgresClientConnection: ClientConnection, BackendBorrower {
    private(set) var session: ClientSession?
    private(set) var database = ""
    private var login: ClientLogin?
    private var secret: [UInt8] = []
    private var pool: BackendPool<BackendConnection>?
    /// Where the backend comes from, or is to: `pool`, or that of the readers.
    private var lender: BackendPool<BackendConnection>?
    private var backend: BackendConnection?
    private var welcomeKey = ""

    override var peer: RelayEnd? { backend }
    override var cancelSecret: [UInt8] { secret }
    override var isPinned: Bool { session?.isPinned ?? false }
    override var isInTransaction: Bool { session?.isInTransaction ?? false }
    override var owesAnswer: Bool { backend?.session?.isQuiet == false }

    init(listener: ListenerContext, group: GroupContext, loop: LoopContext) {
        login = ClientLogin(policy: listener.policy)
        super.init(listener: listener, group: group, loop: loop, stage: .loggingIn)
    }

    /// It may come only to cancel, which has to be possible also when there is no room for another client.
    override func begin() {
        if !loop.meet(self) { close() }
    }

    override func take(_ bytes: ByteBuffer) { session?.append(bytes) }

    override func leave() {
        if let pool {
            pool.clients -= 1
            if isWaiting { lender?.cancelRequest(self) }
        }
        guard let backend, let state = backend.session, let session, let pool = lender else { return }
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

    // MARK: Login

    override func continueLogin() {
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
        case .startTLS(let bytes):
            guard listener.tls != nil else { return }
            write(bytes, flush: true)
            startTLS()
        case .cancel(let processID, let secret):
            listener.router.cancel(processID, secret: secret)
            // PostgreSQL closes the connection as its only answer.
            close()
        case .authenticate(let parameters): authenticate(parameters)
        case .check(let secret, let check): runCheck(secret, check)
        case .accepted(let bytes):
            write(bytes, flush: false)
            stage = .busy
            enter()
        case .fail(let error):
            endpoint.metrics.clientConnectionsSetupFailedAuth += 1
            reject(error)
        }
    }

    private var startup: StartupParameters?

    private func authenticate(_ parameters: StartupParameters) {
        switch register() {
        case .tooFast: return reject(.fatal("53300", "too many log-ins a second from this address"))
        case .tooMany: return reject(.fatal("53300", "sorry, too many clients already"))
        case .admitted: break
        }
        let random = UInt32.random(in: 1...UInt32.max)
        secret = withUnsafeBytes(of: random.bigEndian) { Array($0) }
        startup = parameters
        user = parameters["user"] ?? ""
        database = parameters["database"] ?? user
        if parameters.minor > 0 || parameters.pairs.contains(where: { $0.name.hasPrefix("_pq_.") }) {
            negotiate(parameters)
        }
        let method = group.authenticator.method(user: user, database: database, tls: usesTLS)
        let salt = secret.map { _ in UInt8.random(in: 0...255) }
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

    override func checked(_ good: Bool) {
        if let action = login?.checked(good) { perform(action) }
    }

    private func reject(_ error: ServerError) {
        var bytes = ByteBuffer()
        error.write(to: &bytes)
        closeAfter(bytes)
    }

    // MARK: Welcome

    /// Authenticated: find the pool and tell the client the parameters of its session.
    private func enter() {
        login = nil
        countLogin()
        if database == "borealis", loop.configuration.adminUsers.contains(user) {
            enterAdmin()
            return
        }
        guard let credentials = group.authenticator.backendCredentials(user: user, database: database) else {
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
        makeSession(
            settings: initial, reported: [:], in: pool)
        isWelcoming = true
        isWaiting = true
        borrow(from: pool, settings: initial)
    }

    private func makeSession(
        settings: SessionSettings, reported: [String: String], in pool: BackendPool<BackendConnection>
    ) {
        let session = ClientSession(
            settings: settings, reported: reported, defaults: pool.common.defaults ?? [:],
            registry: pool.common.registry,
            classifier: StatementClassifier(pinsSequences: group.configuration.pool.pinsSequences))
        session.splitsReads = listener.splitsReads
        self.session = session
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
        makeSession(settings: settings, reported: reported, in: pool)
        sendWelcome(reported)
    }

    private func sendWelcome(_ reported: [String: String]) {
        var bytes = ByteBuffer()
        for (name, value) in reported { bytes.writePostgresParameterStatus(name, value) }
        let secret = secret.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        bytes.writePostgresBackendKey(processID: number, secret: secret)
        bytes.writePostgresReady(.idle)
        write(bytes, flush: true)
        endpoint.metrics.clientConnectionsSetupSucceeded += 1
        stage = .open
        lastActive = Clock.now()
        takeEarlyBytes()
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
        endpoint.metrics.clientConnectionsSetupSucceeded += 1
    }

    // MARK: Requests

    override func drive() {
        guard let session, case .open = stage else { return }
        if session.isLinked {
            pumpRequests(session)
        } else if !isWaiting, session.pending != nil {
            demand(session)
        }
        if session.pendingBytes > ClientConnection.readAhead { pauseReads() }
        if session.terminated { close() }
    }

    private func demand(_ session: ClientSession) {
        var out = RelayOutput()
        session.hasReaders = group.hasReaders
        do {
            let need = try session.need(&out)
            if let bytes = out.take() {
                lastActive = Clock.now()
                write(bytes, flush: true)
            }
            switch need {
            case .bytes: break
            case .termination: close()
            case .backend:
                borrow(from: pool, settings: session.settings, now: noteAsked())
            case .reader:
                endpoint.metrics.readsSplit += 1
                borrow(from: pool?.readers, settings: session.settings, now: noteAsked())
            }
        } catch {
            protocolViolation(error)
        }
    }

    private func borrow(
        from pool: BackendPool<BackendConnection>?, settings: SessionSettings, now: Int64 = Clock.now()
    ) {
        lender = pool
        pool?.request(self, settings: settings, now: now)
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
            noteSent()
            backend.send(bytes)
            if !backend.isWritable { pauseReads() }
        }
        if let bytes = toClient.take() { write(bytes, flush: true) }
        if readsPaused, backend.isWritable, session.pendingBytes <= ClientConnection.readAhead { resumeReads() }
    }

    private func protocolViolation(_ error: any Error) {
        loop.logger.info("client broke the protocol", metadata: ["error": "\(error)", "user": "\(user)"])
        reject(.fatal("08P01", "invalid message from the client"))
    }

    // MARK: Backend

    func borrowed(_ connection: BackendConnection) {
        isWaiting = false
        guard let session, let state = connection.session, context != nil else {
            lender?.release(connection)
            return
        }
        backend = connection
        var out = RelayOutput()
        perform(isWelcoming ? session.linkForWelcome(state) : session.link(state), &out)
    }

    func borrowFailed(_ failure: BorrowFailure<ServerError>) {
        if let session, session.isOnDetour {
            isWaiting = false
            session.abandonDetour()
            return drive()
        }
        let error: ServerError
        switch failure {
        case .tooManyWaiting: error = .fatal("53300", "too many clients are waiting for a database connection")
        case .timedOut: error = .fatal("08006", "Timed-out waiting to acquire database connection")
        case .noReader:
            error = .fatal("08001", "this endpoint is for readers, and the proxy has no reader among its targets")
        case .login(let refusal): error = refusal
        }
        isWaiting = false
        endpoint.metrics.clientConnectionsSetupFailedAuth += isWelcoming ? 1 : 0
        reject(error)
    }

    /// PostgreSQL's errors and notices leave nothing to ask for afterwards.
    func lingeredLongEnough(_ now: Int64) -> Bool { true }
    func stopLingering() {}

    /// Bytes and news from the backend.
    func deliver(_ out: inout RelayOutput, _ outcome: BackendSession.Outcome) {
        guard let session else { return }
        if session.isOnDetour { session.withhold(&out, outcome) }
        switch outcome {
        case .moved:
            if let bytes = out.take() { write(bytes, flush: false) }
            if !isWritable { backend?.pauseReads() }
            return
        case .ready:
            count(requests: backend?.session?.takeAnswered() ?? 0)
            // Of a read that a reader fails, the writer's answer counts.
            if !session.isOnDetour { noteAnswered() }
        case .internalDone: break
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
            let now = noteAnswered()
            if let connection = backend {
                backend = nil
                connection.resumeReads()
                lender?.release(connection, now: now)
            }
            if isWelcoming { finishWelcome() }
            resumeReads()
            if session?.pending != nil, backend == nil { drive() }
        case .reroute:
            if let connection = backend {
                backend = nil
                connection.resumeReads()
                lender?.release(connection)
            }
            endpoint.metrics.readsRerouted += 1
            drive()
        case .fail(let error):
            if let connection = backend {
                backend = nil
                lender?.discard(connection)
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
        case .cut: close()
        case .answered, .unnoticed:
            noteAnswered()
            if isWelcoming {
                isWaiting = true
                borrow(from: pool, settings: session.settings)
                return
            }
            resumeReads()
            drive()
        }
    }

    // MARK: Cancel

    override func cancelRequested() {
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
        lender?.cancelRequest(self)
        isWaiting = false
        if let bytes = out.take() { write(bytes, flush: true) }
        drive()
    }

    private func sendCancel(to backend: BackendConnection) {
        guard let state = backend.session, !state.secret.isEmpty else { return }
        backend.cancelsUnderWay += 1
        let pool = lender
        CancelSender.send(
            to: backend.target, processID: state.processID, secret: state.secret, tls: group.shared.targetTLS,
            on: loop.eventLoop
        ) { backend.cancelEnded(pool) }
    }

    override func idledTooLong() {
        reject(.fatal("57P05", "terminating connection due to idle client timeout"))
    }

    override var summary: ClientSummary {
        var summary = super.summary
        summary.database = database
        summary.pins = session?.pins.description ?? ""
        summary.pinnedBy = session?.pinnedBy ?? ""
        summary.backendProcess = backend?.session?.processID ?? 0
        return summary
    }
}
