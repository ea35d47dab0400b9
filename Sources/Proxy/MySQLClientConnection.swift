// SPDX-License-Identifier: Apache-2.0

import Logging
import MySQLWire
import NIOCore
import NIOPosix
import NIOSSL
import PostgresWire
import ProxyCore

/// One MySQL client's connection: logs it in, then carries bytes between `MySQLClientSession` and the backend it is lent.
///
/// Belongs to one event loop. Decisions are those of `MySQLClientLogin`, `MySQLClientSession` and the pool.
final class MySQLClientConnection: ClientConnection, BackendBorrower {
    /// How long a connection is kept for a client that may ask about its last statement.
    static let lingerNanoseconds: Int64 = 300_000_000

    private(set) var session: MySQLClientSession?
    private var login: MySQLClientLogin?
    private var challenge: [UInt8] = []
    /// Those of the login; `flags` are the ones that matter to a backend.
    private var capabilities = MySQLCapabilities()
    private var flags = MySQLCapabilities()
    private var credentials: BackendCredentials?
    private var pool: BackendPool<MySQLBackendConnection>?
    /// Where the backend comes from, or is to: `pool`, or that of the readers.
    private var lender: BackendPool<MySQLBackendConnection>?
    private var backend: MySQLBackendConnection?
    private var lastBackend: Int?
    private var isChangingUser = false
    private var lingeringSince: Int64 = 0

    override var peer: RelayEnd? { backend }
    override var isPinned: Bool { session?.isPinned ?? false }
    override var isInTransaction: Bool { session?.isInTransaction ?? false }
    override var owesAnswer: Bool { backend?.session?.isQuiet == false }

    init(listener: ListenerContext, group: GroupContext, loop: LoopContext) {
        super.init(listener: listener, group: group, loop: loop, stage: .silent)
    }

    override func begin() {
        switch register() {
        case .tooFast: return refuseLogin("Too many log-ins a second from this address")
        case .tooMany: return refuseLogin("Too many connections")
        case .admitted: break
        }
        challenge = (0..<20).map { _ in UInt8.random(in: 48...122) }
        login = makeLogin()
        greet()
    }

    private func refuseLogin(_ message: String) {
        reject(MySQLServerError(code: 1040, state: "08004", message: message), sequence: 0)
    }

    private func makeLogin() -> MySQLClientLogin {
        let shared = group.shared
        return MySQLClientLogin(
            policy: listener.mysqlPolicy, challenge: challenge,
            address: context?.channel.remoteAddress?.ipAddress ?? "localhost", keyPair: { shared.keyPair() })
    }

    /// Clients speak second: greet as soon as it is known what the servers are.
    private func greet() {
        guard case .silent = stage, context != nil else { return }
        guard let greeting = group.shared.greeting else {
            let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
            loop.eventLoop.scheduleTask(in: .milliseconds(20)) { bound.value.greet() }
            return
        }
        stage = .loggingIn
        if let bytes = login?.start(version: greeting.version, connectionID: number, status: greeting.status) {
            write(bytes, flush: true)
        }
    }

    override func take(_ bytes: ByteBuffer) { session?.append(bytes) }

    override func leave() {
        guard let pool else { return }
        pool.clients -= 1
        if isWaiting { lender?.cancelRequest(self) }
        pool.noLonger(lingering: self)
        guard let backend, let state = backend.session, let session, let pool = lender else { return }
        self.backend = nil
        backend.resumeReads()
        let usable = state.isQuiet && session.canBeReset
        if usable, session.endLinger(), !mustMove {
            pool.release(backend)
        } else if usable, !mustMove {
            session.abandonBackend()
            pool.releaseAfterReset(backend, rollBack: true, discard: true)
        } else {
            if !state.isQuiet { sendKill(to: backend) }
            pool.discard(backend)
        }
    }

    // MARK: Login

    override func continueLogin() {
        guard var login else { return }
        while case .loggingIn = stage, var input = buffer {
            let action: MySQLClientLogin.Action
            do {
                action = try login.receive(&input)
            } catch {
                reject(MySQLServerError(code: 1043, state: "08S01", message: "Bad handshake"), sequence: nil)
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

    private func perform(_ action: MySQLClientLogin.Action) {
        switch action {
        case .more: break
        case .reply(let bytes): write(bytes, flush: true)
        case .startTLS:
            login?.encrypted()
            startTLS()
        case .authenticate:
            user = login?.response?.user ?? ""
            let method = group.authenticator.mysqlMethod(user: user, tls: usesTLS)
            if let action = login?.begin(method) { perform(action) }
        case .check(let secret, let check): runCheck(secret, check)
        case .accepted(let bytes):
            if bytes.readableBytes > 0 { write(bytes, flush: false) }
            stage = .busy
            enter()
        case .fail(let bytes, _):
            endpoint.metrics.clientConnectionsSetupFailedAuth += 1
            write(bytes, flush: true)
            close()
        }
    }

    override func checked(_ good: Bool) {
        if let action = login?.checked(good) { perform(action) }
    }

    /// An error the client gets in place of what it waits for, and then the end.
    private func reject(_ error: MySQLServerError, sequence: UInt8?) {
        var bytes = ByteBuffer()
        if let sequence {
            var payload = ByteBuffer()
            error.write(to: &payload)
            MySQLPacket.write(payload, sequence: sequence, to: &bytes)
        } else if let refusal = login?.refusal(error) {
            bytes = refusal
        }
        closeAfter(bytes)
    }

    // MARK: Welcome

    private func poolKey(hasDatabase: Bool) -> PoolKey? {
        credentials.map {
            PoolKey(role: listener.role, credentials: $0, database: hasDatabase ? "" : "-", flags: flags.rawValue)
        }
    }

    /// Authenticated: find the pool, and let a server say whether the database may be used.
    private func enter() {
        guard let response = login?.response, let greeting = group.shared.greeting else { return close() }
        guard let known = group.authenticator.backendCredentials(user: user, database: response.database ?? "")
        else {
            reject(
                MySQLServerError(
                    code: 1045, state: "28000", message: "The proxy has no credentials for the user '\(user)'"),
                sequence: nil)
            return
        }
        if !isChangingUser { countLogin() }
        credentials = known
        capabilities = response.capabilities
        flags = capabilities.intersection(.significant)
        if !group.configuration.pool.allowsLocalInfile { flags.remove(.localFiles) }
        let settings = greeting.settings(of: response)
        guard let key = poolKey(hasDatabase: settings.content.database != nil) else { return }
        let pool = group.pool(key, of: MySQLBackendConnection.self)
        self.pool?.clients -= 1
        self.pool = pool
        pool.clients += 1
        let session = MySQLClientSession(
            settings: settings, defaultStatus: greeting.status, registry: pool.common.registry)
        // Only MariaDB tells clients how far the log was behind a write.
        session.splitsReads = listener.splitsReads && greeting.version.contains("MariaDB")
        if group.configuration.pool.excludesVariableSets { session.excusedPins = .variableSets }
        self.session = session
        guard let database = settings.content.database, !pool.common.knows(database, now: Clock.now()) else {
            return sendWelcome()
        }
        isWelcoming = true
        isWaiting = true
        borrow(from: pool, settings: settings)
    }

    private func borrow(
        from pool: BackendPool<MySQLBackendConnection>?, settings: MySQLSettings, last: Int? = nil,
        now: Int64 = Clock.now()
    ) {
        lender = pool
        pool?.request(self, settings: settings, last: last, now: now)
    }

    private func sendWelcome() {
        guard let status = group.shared.greeting?.status, let bytes = login?.ok(status: status) else { return }
        login = nil
        write(bytes, flush: true)
        if !isChangingUser { endpoint.metrics.clientConnectionsSetupSucceeded += 1 }
        isChangingUser = false
        stage = .open
        lastActive = Clock.now()
        takeEarlyBytes()
    }

    /// The backend has taken the client's settings, or refused them.
    private func finishWelcome(_ error: MySQLServerError?) {
        isWelcoming = false
        if let error {
            endpoint.metrics.clientConnectionsSetupFailedAuth += 1
            return reject(error, sequence: nil)
        }
        if let database = session?.settings.content.database { pool?.common.learn(database, now: Clock.now()) }
        sendWelcome()
    }

    /// COM_CHANGE_USER: as a login, over the connection there is.
    private func changeUser(_ payload: ByteBuffer) {
        giveUpBackend()
        guard let response = MySQLHandshakeResponse(changeUser: payload, capabilities: capabilities) else {
            return reject(MySQLServerError(code: 1047, state: "08S01", message: "Unknown command"), sequence: 1)
        }
        isChangingUser = true
        stage = .loggingIn
        lastActive = Clock.now()
        buffer = session?.takePending()
        var login = makeLogin()
        let action = login.change(to: response, sequence: 0, encrypted: usesTLS)
        self.login = login
        perform(action)
    }

    // MARK: Requests

    override func drive() {
        if lingeringSince != 0 { endLingering() }
        while case .open = stage, let session, !isWaiting {
            var toBackend = RelayOutput()
            var toClient = RelayOutput()
            let need: MySQLClientSession.Need
            session.hasReaders = group.hasReaders
            do {
                need = try session.advanceFront(toBackend: &toBackend, toClient: &toClient)
            } catch {
                loop.logger.info("client broke the protocol", metadata: ["error": "\(error)", "user": "\(user)"])
                return reject(
                    MySQLServerError(code: 1835, state: "HY000", message: "Malformed communication packet"), sequence: 1
                )
            }
            if let bytes = toBackend.take(), let backend {
                noteSent()
                backend.send(bytes)
                if !backend.isWritable { pauseReads() }
            }
            if let bytes = toClient.take() {
                lastActive = Clock.now()
                write(bytes, flush: true)
            }
            if session.pendingBytes > ClientConnection.readAhead { pauseReads() }
            switch need {
            case .bytes:
                if session.isIdlyLinked { startLingering() }
                if readsPaused, backend?.isWritable ?? true, session.pendingBytes <= ClientConnection.readAhead {
                    resumeReads()
                }
                return
            case .backend(let last): return demand(session, last: last)
            case .reader:
                endpoint.metrics.readsSplit += 1
                return borrow(from: pool?.readers, settings: session.settings, now: noteAsked())
            case .termination: return close()
            case .kill(let queryOnly, let id): return kill(queryOnly: queryOnly, id: id)
            case .changeUser(let payload): return changeUser(payload)
            case .releaseForReset: giveUpBackend()
            }
        }
    }

    private func demand(_ session: MySQLClientSession, last: Bool) {
        borrow(from: pool, settings: session.settings, last: last ? lastBackend : nil, now: noteAsked())
    }

    /// The backend has state nobody wants.
    private func giveUpBackend() {
        guard let connection = backend else { return }
        backend = nil
        connection.resumeReads()
        let clean = connection.session?.isQuiet == true && !mustMove
        session?.abandonBackend()
        if clean {
            lender?.releaseAfterReset(connection, rollBack: true, discard: true)
        } else {
            lender?.discard(connection)
        }
    }

    // MARK: Backend

    func borrowed(_ connection: MySQLBackendConnection) {
        isWaiting = false
        guard let session, let state = connection.session, context != nil else {
            lender?.release(connection)
            return
        }
        backend = connection
        var out = RelayOutput()
        perform(session.link(state), &out)
    }

    func borrowFailed(_ failure: BorrowFailure<MySQLServerError>) {
        isWaiting = false
        if let session, session.isOnDetour {
            session.abandonDetour()
            return drive()
        }
        let error: MySQLServerError
        switch failure {
        case .tooManyWaiting:
            error = MySQLServerError(
                code: 1040, state: "08004", message: "Too many clients are waiting for a database connection")
        case .timedOut:
            error = MySQLServerError(
                code: 9501, state: "HY000", message: "Timed-out waiting to acquire database connection")
        case .noReader:
            error = MySQLServerError(
                code: 2003, state: "08001",
                message: "This endpoint is for readers, and the proxy has no reader among its targets")
        case .login(let refusal): error = refusal
        }
        if isWelcoming { return finishWelcome(error) }
        refuse(error)
    }

    private func refuse(_ error: MySQLServerError) {
        var out = RelayOutput()
        session?.refuse(error, toClient: &out)
        lastActive = Clock.now()
        if let bytes = out.take() { write(bytes, flush: true) }
        drive()
    }

    func deliver(_ out: inout RelayOutput, _ outcome: MySQLBackendSession.Outcome) {
        guard let session else { return }
        if session.isOnDetour { session.withhold(&out, outcome) }
        switch outcome {
        case .moved:
            if let bytes = out.take() { write(bytes, flush: false) }
            if !isWritable { backend?.pauseReads() }
            return
        case .ready:
            count(requests: 1)
            if !session.isOnDetour { noteAnswered() }
            // The server says it is read-only: it was the writer a moment ago.
            if let code = backend?.session?.report.error?.code, code == 1290 || code == 1836 { group.alarm() }
        case .internalDone: break
        }
        let step = session.advance(outcome, toClient: &out)
        if let bytes = out.take() { write(bytes, flush: true) }
        perform(step, &out)
    }

    private func perform(_ step: MySQLClientSession.Step, _ out: inout RelayOutput) {
        switch step {
        case .none: break
        case .pump:
            if isWelcoming {
                // Nothing is asked of the backend but to take the settings.
                if session?.endLinger() == true { releaseBackend() }
                finishWelcome(nil)
            } else {
                if session?.isIdlyLinked == true { noteAnswered() }
                drive()
            }
        case .sendInternal(let bytes): backend?.send(bytes)
        case .release:
            noteAnswered()
            releaseBackend()
            resumeReads()
            drive()
        case .reroute:
            releaseBackend()
            endpoint.metrics.readsRerouted += 1
            drive()
        case .reset:
            noteAnswered()
            giveUpBackend()
            resumeReads()
            drive()
        case .linger:
            noteAnswered()
            resumeReads()
            startLingering()
        case .discard(let error): settingsRefused(error)
        }
    }

    /// The session machine has unlinked it.
    private func releaseBackend() {
        guard let connection = backend else { return }
        backend = nil
        connection.resumeReads()
        if lender !== pool {
            lender?.release(connection)
            return
        }
        lastBackend = connection.id
        if session?.droppedDatabase == true {
            session?.droppedDatabase = false
            pool?.common.forgetDatabases()
        }
        if mustMove {
            pool?.discard(connection)
            move()
        } else {
            pool?.release(connection)
            if needsOtherPool { move() }
        }
    }

    private var needsOtherPool: Bool {
        guard let session, let pool else { return false }
        return (session.settings.content.database == nil) != (pool.key.database == "-")
    }

    /// A connection that has got a default database is of no use to clients without one.
    private var mustMove: Bool { needsOtherPool && pool?.key.database == "-" }

    private func move() {
        guard let session, let key = poolKey(hasDatabase: session.settings.content.database != nil) else { return }
        pool?.clients -= 1
        let next = group.pool(key, of: MySQLBackendConnection.self)
        next.clients += 1
        pool = next
        lastBackend = nil
    }

    /// The backend could not be brought into the client's state.
    private func settingsRefused(_ error: MySQLServerError) {
        guard let connection = backend, let session else { return }
        backend = nil
        session.abandonBackend()
        lender?.discard(connection)
        if session.isOnDetour {
            session.abandonDetour()
            return drive()
        }
        if isWelcoming { return finishWelcome(error) }
        if error.code == 1049 || error.code == 1044, session.settings.content.database != nil {
            // Somebody dropped it: go on without, as the server would.
            session.forgetDatabase()
            move()
            return drive()
        }
        refuse(error)
    }

    func backendLost(_ connection: MySQLBackendConnection) {
        backend = nil
        if lingeringSince != 0 { endLingering() }
        guard let session else { return }
        var error = connection.session?.parting ?? .lost("Lost connection to the database server")
        error.message += " (the proxy cannot know whether the statement took effect)"
        var out = RelayOutput()
        let loss = session.backendLost(error, toClient: &out)
        if let bytes = out.take() { write(bytes, flush: true) }
        switch loss {
        case .fatal: close()
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

    // MARK: Lingering

    private func startLingering() {
        guard lingeringSince == 0, backend != nil else { return }
        lingeringSince = Clock.now()
        lastActive = lingeringSince
        pool?.linger(self)
    }

    private func endLingering() {
        lingeringSince = 0
        pool?.noLonger(lingering: self)
    }

    func lingeredLongEnough(_ now: Int64) -> Bool { now - lingeringSince > MySQLClientConnection.lingerNanoseconds }

    func stopLingering() {
        guard lingeringSince != 0 else { return }
        endLingering()
        if session?.endLinger() == true { releaseBackend() }
    }

    // MARK: KILL

    private func kill(queryOnly: Bool, id: UInt64) {
        guard let target = UInt32(exactly: id) else { return passKill() }
        stage = .busy
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        listener.router.kill(target, user: user, queryOnly: queryOnly, on: loop.eventLoop).whenComplete { result in
            bound.value.killed((try? result.get()) ?? .unknown, queryOnly: queryOnly, id: target)
        }
    }

    private func killed(_ outcome: KillOutcome, queryOnly: Bool, id: UInt32) {
        guard case .busy = stage else { return }
        switch outcome {
        case .done: answerKill(nil)
        case .forbidden:
            answerKill(MySQLServerError(code: 1095, state: "HY000", message: "You are not owner of thread \(id)"))
        case .unknown: passKill()
        case .elsewhere(let peer):
            guard let password = group.authenticator.password(user: user) else { return passKill() }
            let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
            MySQLKill.send(
                "KILL \(queryOnly ? "QUERY " : "")\(id)", to: peer,
                as: BackendCredentials(user: user, password: password), group: group
            ) { error in
                bound.value.answerKill(
                    error.map { MySQLServerError(code: 1094, state: "HY000", message: $0) })
            }
        }
    }

    private func answerKill(_ error: MySQLServerError?) {
        guard case .busy = stage else { return }
        stage = .open
        var out = RelayOutput()
        session?.answerKill(error, toClient: &out)
        if let bytes = out.take() { write(bytes, flush: true) }
        takeEarlyBytes()
        drive()
    }

    private func passKill() {
        stage = .open
        session?.passKill()
        takeEarlyBytes()
        drive()
    }

    /// Another client's KILL, or its own over a second connection.
    override func cancelRequested() {
        if isWaiting, !isWelcoming {
            lender?.cancelRequest(self)
            isWaiting = false
            session?.abandonDetour()
            refuse(MySQLServerError(code: 1317, state: "70100", message: "Query execution was interrupted"))
            return
        }
        guard let backend, let state = backend.session, !state.isQuiet else { return }
        sendKill(to: backend)
    }

    private func sendKill(to backend: MySQLBackendConnection) {
        guard let state = backend.session, let credentials else { return }
        backend.cancelsUnderWay += 1
        let pool = lender
        MySQLKill.send("KILL QUERY \(state.connectionID)", to: backend.target, as: credentials, group: group) { error in
            backend.cancelEnded(pool, isCertain: error != MySQLKill.timedOut)
        }
    }

    override func readsResumed() {
        if case .open = stage, session?.pending != nil, !isWaiting { drive() }
    }

    override var summary: ClientSummary {
        var summary = super.summary
        summary.database = session?.settings.content.database ?? ""
        summary.pins = session?.pins.description ?? ""
        summary.pinnedBy = session?.pinnedBy ?? ""
        summary.backendProcess = backend?.session?.connectionID ?? 0
        return summary
    }
}
