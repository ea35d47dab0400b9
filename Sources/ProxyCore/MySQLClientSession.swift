// SPDX-License-Identifier: Apache-2.0

package import MySQLWire
package import NIOCore

/// An authenticated MySQL client: its session state, and its commands on their way to a backend.
///
/// The driver appends what the client sends (`append`), asks what is needed (`advanceFront`), and, once a backend is
/// lent, calls `link` and performs the returned `Step`s. All protocol decisions are here and in `MySQLBackendSession`;
/// there is no I/O. A value of one event loop; not thread-safe.
///
/// A command is sent when the one before it is answered. Between two commands the backend goes back to the pool unless
/// the server's status flags show a transaction, or something holds it (`isHeld`, `pins`).
package final class MySQLClientSession {
    /// What the first unprocessed bytes ask for.
    package enum Need: Equatable {
        /// More bytes from the client, or an answer to what has been sent.
        case bytes
        /// A backend connection; with `last`, the one it had before, if that can be.
        case backend(last: Bool)
        /// One to a reader will do: `isOnDetour` now.
        case reader
        case termination
        /// KILL: answer with `answerKill`, or let it go to the server with `passKill`.
        case kill(queryOnly: Bool, id: UInt64)
        /// COM_CHANGE_USER with this payload; the backend, if there is one, has to be reset.
        case changeUser(ByteBuffer)
        /// The backend is unlinked and has to be reset before anyone gets it.
        case releaseForReset
    }

    package enum Step {
        case none
        /// Call `advanceFront`.
        case pump
        case sendInternal(ByteBuffer)
        /// Give the backend back to the pool; it is already unlinked.
        case release
        /// As `release`, and what the reader was asked has to be asked of the writer: it is pending again.
        case reroute
        /// The backend is unlinked and has to be reset before anyone gets it.
        case reset
        /// Keep the backend for a moment: the next command may ask what this one left.
        case linger
        /// The backend cannot be brought into the client's state.
        indirect case discard(MySQLServerError)
    }

    enum Phase {
        case unlinked
        /// The backend gets this client's settings; its commands wait.
        case synchronising
        case active
        /// A command of the proxy's own runs before the client's: a preparation, the last insert id.
        case preparing
        /// The server is asked for its status flags and what it has not told yet.
        case settling
        case auditing
        /// A reader is given a moment to have what this session wrote.
        case following
    }

    /// Longest statement text that is read as a whole before it is passed on.
    package static let heldTextLimit = 256 << 10
    /// Longest other command.
    static let heldCommandLimit = 1 << 20

    var phase = Phase.unlinked
    package internal(set) var backend: MySQLBackendSession?
    package internal(set) var settings: MySQLSettings
    /// What COM_RESET_CONNECTION returns to.
    package internal(set) var base: MySQLSettings
    package internal(set) var pins: PinReasons = []
    package internal(set) var pinnedBy = ""
    /// Reasons that somebody wants no backend to be kept for, though another client may then see what this one left.
    package var excusedPins: PinReasons = []
    package internal(set) var pending: ByteBuffer?
    package internal(set) var lastInsertID: UInt64 = 0
    /// Set by a statement that may have made cached knowledge about databases wrong.
    package var droppedDatabase = false

    let registry: MySQLStatementRegistry
    let defaultStatus: MySQLStatus
    var mode = MySQLScanner.Mode()
    var statements: [UInt32: MySQLClientStatement] = [:]
    var nextStatement: UInt32 = 1
    var current = MySQLEffects()
    /// COM_INIT_DB under way, for servers that do not track.
    var currentDatabase: String?
    var currentStatement: MySQLClientStatement?
    var frontEffects: MySQLEffects?
    var frontFingerprint = ""
    var killPassed = false
    /// The number behind that of the client's last packet, which an answer begins with.
    var answerSequence: UInt8 = 1
    var bodyRemaining = 0
    var bodyContinues = false
    var bodyDropped = false
    var fileEnded = false
    /// State the server has and no replay brings back, which passes by itself.
    var oneShot = false
    var openCursor: UInt32?
    var longData: Set<UInt32> = []
    var lockNames: Set<String> = []
    var unknownLock = false
    var temporaryTables: Set<String> = []
    var unknownTemporary = false
    var needsAudit = false
    var suspicious = false
    var insertHome: ObjectIdentifier?
    /// Reads outside transactions may run on readers.
    package var splitsReads = false
    /// There are readers now.
    package var hasReaders = true
    var detour: MySQLDetour?
    /// A reader could not serve the command at the front: it is the writer's.
    var detourRefused = false
    /// The GTID of this session's last write; empty when there was none.
    package internal(set) var position = ""
    /// Whether `position` is behind all that this session may have written.
    var isMarked = true
    /// COM_SET_OPTION has been answered, but the linked backend has not been told.
    var multiStatementsStale = false

    package init(
        settings: MySQLSettings, defaultStatus: MySQLStatus, registry: MySQLStatementRegistry
    ) {
        self.settings = settings
        base = settings
        self.defaultStatus = defaultStatus
        self.registry = registry
    }

    package var isPinned: Bool { !pins.isEmpty }
    package var isLinked: Bool { backend != nil }
    package var isInTransaction: Bool { backend?.isInTransaction ?? false }
    package var pendingBytes: Int { (pending?.readableBytes ?? 0) + (detour?.rest?.readableBytes ?? 0) }
    /// Held without a transaction and without a pin.
    var isHeld: Bool { oneShot || openCursor != nil || !longData.isEmpty || bodyRemaining > 0 || bodyContinues }

    package func append(_ bytes: ByteBuffer) {
        if detour != nil {
            if detour?.rest == nil { detour?.rest = bytes } else { detour?.rest?.writeImmutableBuffer(bytes) }
        } else if pending == nil {
            pending = bytes
        } else {
            pending!.writeImmutableBuffer(bytes)
        }
    }

    /// Status flags for an answer the proxy gives itself.
    var localStatus: MySQLStatus {
        if let backend { return backend.status }
        var status = defaultStatus
        switch settings.content.variables["autocommit"] {
        case "'ON'": status.insert(.autocommit)
        case "'OFF'": status.remove(.autocommit)
        default: break
        }
        return status
    }

    // MARK: Linking

    package func link(_ backend: MySQLBackendSession) -> Step {
        self.backend = backend
        backend.client = self
        multiStatementsStale = false
        let steps = settings.steps(from: backend.settings)
        if steps.isEmpty { return linked(backend) }
        phase = .synchronising
        return .sendInternal(backend.begin(steps))
    }

    /// The backend has the client's settings.
    private func linked(_ backend: MySQLBackendSession) -> Step {
        if detour != nil, !position.isEmpty, backend.followed != position {
            phase = .following
            return .sendInternal(backend.beginStatement(positionQuestion))
        }
        phase = .active
        return .pump
    }

    func unlink() {
        backend?.detach(settings: settings)
        backend = nil
        phase = .unlinked
    }

    /// The state of a fresh session, for COM_RESET_CONNECTION and COM_CHANGE_USER.
    package func reset(to settings: MySQLSettings) {
        self.settings = settings
        base = settings
        pins = []
        pinnedBy = ""
        statements.removeAll()
        oneShot = false
        openCursor = nil
        longData = []
        lockNames = []
        unknownLock = false
        temporaryTables = []
        unknownTemporary = false
        needsAudit = false
        suspicious = false
        lastInsertID = 0
        insertHome = nil
        mode = .init()
    }

    /// Unlinks the backend without saying under which settings it is left: it has to be reset.
    package func abandonBackend() {
        backend?.client = nil
        backend = nil
        phase = .unlinked
    }

    // MARK: Loss

    package enum Loss: Equatable {
        /// It had nothing under way: its next command simply gets another backend.
        case unnoticed
        /// One command was under way, outside a transaction; the error has been written.
        case answered
        /// A transaction, or state that cannot be replayed, is lost with the backend.
        case fatal
    }

    /// The backend is gone. A command that was not sent stays pending; for one that was the client gets `error`, as it
    /// may or may not have been carried out.
    package func backendLost(_ error: MySQLServerError, toClient out: inout RelayOutput) -> Loss {
        guard let backend else { return .unnoticed }
        if detour?.isShown == false {
            abandonBackend()
            abandonDetour()
            return .unnoticed
        }
        var nothing = RelayOutput()
        endDetour(&nothing)
        let owed = backend.queue.contains { !$0.swallowed }
        let fatal = isPinned || backend.isInTransaction || oneShot || openCursor != nil || !longData.isEmpty
        let cut = owed && !backend.isAtPacketBoundary
        if owed || backend.isInTransaction { isMarked = false }
        if owed, !cut {
            var payload = ByteBuffer()
            error.write(to: &payload)
            let sequence = backend.answerStarted ? backend.lastSequence &+ 1 : answerSequence
            out.write { MySQLPacket.write(payload, sequence: sequence, to: &$0) }
        }
        if bodyRemaining > 0 || bodyContinues { bodyDropped = true }
        abandonBackend()
        pins = []
        oneShot = false
        openCursor = nil
        longData = []
        needsAudit = false
        suspicious = false
        if fatal || cut { return .fatal }
        return owed ? .answered : .unnoticed
    }

    // MARK: Progress

    /// The backend has reported `outcome`; `toClient` takes what the proxy adds to the answers.
    package func advance(_ outcome: MySQLBackendSession.Outcome, toClient out: inout RelayOutput) -> Step {
        guard let backend else { return .none }
        switch (phase, outcome) {
        case (_, .moved): return .none
        case (.synchronising, .internalDone):
            if let error = backend.internalError { return .discard(error) }
            return linked(backend)
        case (.following, .internalDone):
            guard backend.internalError == nil, backend.internalRows.first?.first.flatMap({ $0 }) == "0" else {
                return reroute()
            }
            backend.followed = position
            return linked(backend)
        case (.preparing, .internalDone):
            phase = .active
            if backend.internalError != nil, detour != nil { return reroute() }
            if let error = backend.internalError { refuseFront(error, &out) }
            if backend.internalError != nil, !isBusy { return afterCommand() }
            return .pump
        case (.active, .ready):
            if detour?.isShown == false, backend.report.error != nil || backend.report.warnings > 0 { return reroute() }
            if detour == nil { detourRefused = false }
            let step = completed()
            if detour != nil, !isLinked { endDetour(&out) }
            return step
        case (.settling, .internalDone):
            noteTrack(backend)
            let step = afterCommand()
            if detour != nil { endDetour(&out) }
            return step
        case (.auditing, .internalDone):
            readAudit(backend)
            return afterCommand()
        default: return .none
        }
    }

    private var isBusy: Bool { backend.map { !$0.queue.isEmpty } ?? false }

    /// The client's command has been answered in full.
    private func completed() -> Step {
        guard let backend else { return .none }
        fileEnded = false
        let report = backend.report
        let effects = current
        mode.ansiQuotes =
            backend.status.contains(.ansiQuotes)
            || settings.content.variables["sql_mode"]?.contains("ANSI_QUOTES") == true
        mode.noBackslashEscapes = backend.status.contains(.noBackslashEscapes)
        if report.insertID != 0 {
            lastInsertID = report.insertID
            insertHome = ObjectIdentifier(backend)
            backend.insertOwner = ObjectIdentifier(self)
        }
        if report.error == nil { noteStatement(report) }
        if !effects.isPlain || !report.track.variables.isEmpty || report.track.schema != nil
            || report.track.stateChanged
            || currentDatabase != nil
        {
            apply(effects, report, on: backend)
        }
        if oneShot, !effects.flags.contains(.oneShot), !backend.isInTransaction { oneShot = false }
        current = MySQLEffects()
        currentDatabase = nil
        currentStatement = nil
        if report.error != nil || report.owesTrack {
            // An error says nothing about the transaction, and a result set nothing about what changed.
            phase = .settling
            return .sendInternal(backend.beginPing())
        }
        return afterCommand(lingers: report.warnings > 0 || effects.flags.contains(.leavesDiagnostics))
    }

    private func noteStatement(_ report: MySQLBackendSession.Report) {
        guard let statement = currentStatement else { return }
        longData.remove(statement.id)
        if report.cursorOpen {
            openCursor = statement.id
        } else if openCursor == statement.id {
            openCursor = nil
        }
    }

    private func afterCommand(lingers: Bool = false) -> Step {
        guard let backend else { return .none }
        phase = .active
        if detour != nil { return leaveReader() }
        if backend.isInTransaction || isHeld { return .pump }
        if needsAudit {
            needsAudit = false
            phase = .auditing
            return .sendInternal(backend.beginStatement(auditText))
        }
        if isPinned { return .pump }
        if pending != nil || lingers { return pending == nil ? .linger : .pump }
        unlink()
        return .release
    }

    /// The backend is there, and nothing under way or left in it needs it.
    package var isIdlyLinked: Bool {
        guard let backend, case .active = phase else { return false }
        return backend.isQuiet && !backend.isInTransaction && !isHeld && !isPinned
    }

    /// Nothing of a half-sent command is on the backend's wire.
    package var canBeReset: Bool { bodyRemaining == 0 && !bodyContinues && !(backend?.takesFile ?? false) }

    package func takePending() -> ByteBuffer? {
        defer { pending = nil }
        return pending
    }

    /// The default database is gone, or closed to this user.
    package func forgetDatabase() { settings = settings.changed { $0.database = nil } }

    /// Nothing more has come while the backend was kept: true when it is unlinked now and may go back.
    package func endLinger() -> Bool {
        guard isIdlyLinked else { return false }
        unlink()
        return true
    }
}
