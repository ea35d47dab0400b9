// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import PostgresWire

/// An authenticated PostgreSQL client: its session state, and its requests on their way to a backend.
///
/// The driver appends what the client sends (`append`), asks what is needed (`need`), and, once a backend is lent,
/// calls `link` and performs the returned `Step`s. All protocol decisions are here and in `BackendSession`; there is no
/// I/O. A value of one event loop; not thread-safe.
///
/// Session state is kept here and replayed, so that a client may get another backend for each transaction: parameters
/// (`settings`), prepared statements (`statements`), the unnamed statement. `pins` says what cannot be replayed.
package final class ClientSession {
    /// What the first unprocessed bytes ask for while no backend is linked.
    package enum Need: Equatable {
        /// More bytes from the client.
        case bytes
        /// A backend connection.
        case backend
        /// One to a reader will do: `isOnDetour` now.
        case reader
        /// The client said goodbye.
        case termination
    }

    /// What the driver has to do next with the linked backend.
    package enum Step {
        case none
        /// Call `pump`.
        case pump
        /// Send these bytes to the backend and hold the client's.
        case sendInternal(ByteBuffer)
        /// Give the backend back to the pool; it is already unlinked.
        case release
        /// As `release`, and what the reader was asked has to be asked of the writer: it is pending again.
        case reroute
        /// The backend cannot be brought into the client's state.
        indirect case fail(ServerError)
    }

    enum Phase {
        /// No backend; requests are answered locally or wait for one.
        case unlinked
        /// The backend gets this client's settings; its requests wait.
        case synchronising
        /// Requests and answers flow.
        case active
        /// The server is asked what state the session is in.
        case auditing
        /// As synchronising, at login: an error is the login's.
        case welcoming
        /// A reader is asked whether it has what this session wrote.
        case following
        /// The writer is asked how far its log is, now that this session may have written.
        case marking
    }

    /// Longest statement text that is read as a whole before it is passed on.
    package static let heldTextLimit = 256 << 10

    var phase = Phase.unlinked
    package private(set) var backend: BackendSession?
    package internal(set) var settings: SessionSettings
    /// What RESET returns to: the client's startup parameters.
    package internal(set) var base: SessionSettings
    package internal(set) var pins: PinReasons = []
    /// The statement that pinned first, without its constants.
    package internal(set) var pinnedBy = ""
    package internal(set) var reported: [String: String]
    /// Bytes from the client that no backend has seen.
    package internal(set) var pending: ByteBuffer?
    package internal(set) var terminated = false
    /// Reads outside transactions may run on readers.
    package var splitsReads = false
    /// There are readers now.
    package var hasReaders = true
    var detour: Detour?
    /// A reader could not serve the request at the front: it is the writer's.
    var detourRefused = false
    /// The writer's log position behind this session's last writes; 0 when there were none.
    package internal(set) var position: UInt64 = 0
    /// Whether `position` is behind all that this session may have written.
    var isMarked = true

    let registry: StatementRegistry
    let classifier: StatementClassifier
    var statements = StatementTable()
    /// Changes the current transaction made, to be kept when it commits.
    var uncommitted: [(name: String, assignment: SessionSettings.Assignment?)] = []
    /// Parameters the server itself reported as changed.
    var observed: [String: String] = [:]
    var resetsAll = false
    var needsAudit = false
    /// A statement that makes the server forget prepared statements is under way. Which it has is known only behind it,
    /// so that what comes behind it waits.
    var holdsBehindForget = false
    /// The same of the batch being passed on, whose Sync is still to come.
    var forgetsInBatch = false
    /// Parameters this session may have set that the server lists nowhere.
    var customNames: Set<String> = []
    /// Bytes of the message being passed on that have not come yet.
    var bodyRemaining = 0
    /// The server would ignore the rest of the message being received.
    var bodyDropped = false
    /// A Parse message for the unnamed statement, to be repeated on another backend.
    var unnamedParse: ByteBuffer?
    var unnamedEffects = ScriptEffects.plain
    var unnamedSerial: UInt64 = 0
    var portalEffects: ScriptEffects = .plain
    var namedPortalEffects: [String: ScriptEffects] = [:]
    /// Classification of the Query at the front of `pending`, done once.
    var frontEffects: ScriptEffects?
    /// Pool-wide values of parameters that the server reports and a fresh connection has.
    var defaults: [String: String]

    package init(
        settings: SessionSettings, reported: [String: String], defaults: [String: String], registry: StatementRegistry,
        classifier: StatementClassifier = StatementClassifier()
    ) {
        self.settings = settings
        base = settings
        self.reported = reported
        self.defaults = defaults
        self.registry = registry
        self.classifier = classifier
    }

    package var isPinned: Bool { !pins.isEmpty }
    package var isLinked: Bool { backend != nil }
    package var isInTransaction: Bool { backend.map { $0.status != .idle } ?? false }
    /// The settings the backend has once this client's last transaction is over.
    package var pendingBytes: Int { (pending?.readableBytes ?? 0) + (detour?.rest?.readableBytes ?? 0) }

    package func append(_ bytes: ByteBuffer) {
        if detour != nil {
            if detour?.rest == nil { detour?.rest = bytes } else { detour?.rest?.writeImmutableBuffer(bytes) }
        } else if pending == nil {
            pending = bytes
        } else {
            pending!.writeImmutableBuffer(bytes)
        }
    }

    // MARK: Linking

    /// A backend has been lent.
    package func link(_ backend: BackendSession) -> Step {
        self.backend = backend
        backend.client = self
        if detour == nil { isMarked = false }
        if backend.settings == settings { return linked(backend) }
        phase = .synchronising
        return .sendInternal(backend.beginInternalQuery(settings.script(from: backend.settings), capturing: false).0)
    }

    /// The backend has the client's settings.
    private func linked(_ backend: BackendSession) -> Step {
        if detour != nil, !isCaughtUp(backend) {
            phase = .following
            return .sendInternal(positionQuestion(backend))
        }
        phase = .active
        return .pump
    }

    /// As `link`, at login: finds out whether the client's startup parameters are good, and what the server makes of
    /// them. `welcomed` tells the result.
    package func linkForWelcome(_ backend: BackendSession) -> Step {
        self.backend = backend
        backend.client = self
        phase = .welcoming
        let script = settings.script(from: backend.settings)
        return .sendInternal(backend.beginInternalQuery(script.isEmpty ? ";" : script, capturing: false).0)
    }

    /// What came of `linkForWelcome`, once `advance` has returned `.release`; nil when all is well.
    package private(set) var welcomeError: ServerError?

    /// What is to become of a client whose backend is gone.
    package enum Loss: Equatable {
        /// It had nothing under way: its next request simply gets another backend.
        case unnoticed
        /// One request was under way, outside a transaction block; the error has been written.
        case answered
        /// A transaction, or state that cannot be replayed, is lost with the backend.
        case fatal
        /// The client has got the beginning of a message: nothing can be said to it any more.
        case cut
    }

    /// The backend is gone. Requests that were never sent stay pending; for those sent the client gets `error`, as
    /// they may or may not have been carried out.
    package func backendLost(_ error: ServerError, toClient out: inout RelayOutput) -> Loss {
        guard let backend else { return .unnoticed }
        if detour?.isShown == false {
            backend.client = nil
            self.backend = nil
            phase = .unlinked
            abandonDetour()
            return .unnoticed
        }
        let isCut = backend.isMidMessage
        let owed = backend.queue.filter { !$0.swallowed && $0.kind != .emit && $0.kind != .copyEnd }
        var nothing = RelayOutput()
        endDetour(&nothing)
        let wasPinned = isPinned
        let wasInTransaction = backend.status != .idle
        let midBatch = backend.skipsUntilSync || backend.copyIn
        backend.client = nil
        self.backend = nil
        phase = .unlinked
        uncommitted = []
        observed = [:]
        resetsAll = false
        pins = []
        needsAudit = false
        holdsBehindForget = false
        if isCut { return .cut }
        if wasPinned || wasInTransaction { return .fatal }
        if owed.isEmpty, bodyRemaining == 0, !midBatch { return .unnoticed }
        bodyDropped = bodyRemaining > 0
        let answers = owed.filter { $0.kind == .sync || $0.kind == .query || $0.kind == .functionCall }.count
        for _ in 0..<answers {
            out.write {
                error.write(to: &$0)
                $0.writePostgresReady(.idle)
            }
        }
        if answers == 0 {
            if !midBatch { out.write { error.write(to: &$0) } }
            dropsUntilSync = true
        }
        return .answered
    }

    /// After a loss in the middle of a batch: what the client sends is ignored up to its Sync.
    var dropsUntilSync = false

    private func unlink() {
        backend?.detach(settings: settings)
        backend = nil
        phase = .unlinked
        namedPortalEffects = [:]
    }

    /// The backend has reported `outcome`; `toClient` takes what the proxy adds to the answers.
    package func advance(_ outcome: BackendSession.Outcome, toClient out: inout RelayOutput) -> Step {
        guard let backend else { return .none }
        switch (phase, outcome) {
        case (.active, .ready):
            if detour != nil { return readEnded(&out) }
            let held = holdsBehindForget
            holdsBehindForget = false
            if case .idle = backend.status { return transactionEnded(backend, &out) }
            return held ? .pump : .none
        case (.active, .moved), (.unlinked, _), (.active, .internalDone): return .none
        case (.synchronising, .internalDone):
            if let error = backend.internalError {
                if detour != nil { return reroute() }
                return .fail(
                    ServerError(
                        code: error.code, message: error.message, detail: error.detail,
                        hint: "The proxy could not restore this session's settings on another connection."))
            }
            backend.settings = settings
            // A reader says that it is one; to the client it is a detail.
            if detour == nil { reconcileReported(backend, &out) }
            return linked(backend)
        case (.following, .internalDone):
            if let replayed = ClientSession.position(backend) { backend.replayed = replayed }
            if backend.internalError != nil || (!isCaughtUp(backend) && (detour?.asked ?? 0) >= Detour.askMost) {
                return reroute()
            }
            return linked(backend)
        case (.marking, .internalDone):
            if let written = ClientSession.position(backend) {
                position = max(position, written)
                isMarked = true
            }
            return afterTransaction(backend, &out)
        case (.welcoming, .internalDone):
            welcomeError = backend.internalError
            if welcomeError == nil {
                reported = backend.reported
                canonicalise()
                unlink()
            } else {
                // Some of the parameters may be set, so that the next user has to undo them all.
                backend.client = nil
                backend.settings = settings
                self.backend = nil
                phase = .unlinked
            }
            return .release
        case (.auditing, .internalDone):
            finishAudit(backend)
            return mark(backend, &out)
        case (.synchronising, _), (.welcoming, _), (.auditing, _), (.following, _), (.marking, _): return .none
        }
    }

    /// The reader has answered in full.
    private func readEnded(_ out: inout RelayOutput) -> Step {
        if detour?.failed == true, detour?.isShown == false { return reroute() }
        endDetour(&out)
        unlink()
        return .release
    }

    /// The reader may go; the writer is to be asked.
    private func reroute() -> Step {
        backend?.detach(settings: backend?.settings ?? .none)
        backend = nil
        phase = .unlinked
        abandonDetour()
        return .reroute
    }

    /// Outside a transaction block, with nothing owed: settings are final, and the backend may go.
    private func transactionEnded(_ backend: BackendSession, _ out: inout RelayOutput) -> Step {
        // A later batch has begun: the server would not read a question of the proxy's own before the end of that.
        if backend.isMidBatch || bodyRemaining > 0 { return .pump }
        if !uncommitted.isEmpty || !observed.isEmpty || resetsAll { applyChanges(backend) }
        if needsAudit {
            needsAudit = false
            phase = .auditing
            return .sendInternal(backend.beginInternalQuery(auditScript(), capturing: true).0)
        }
        return mark(backend, &out)
    }

    /// With readers in use, notes how far the writer is now that this session's transaction is over.
    private func mark(_ backend: BackendSession, _ out: inout RelayOutput) -> Step {
        detourRefused = false
        guard splitsReads, !isPinned, bodyRemaining == 0, !backend.skipsUntilSync else {
            return afterTransaction(backend, &out)
        }
        phase = .marking
        let question = ClientSession.writerPositionQuestion
        return .sendInternal(backend.beginInternalQuery(question, capturing: true).0)
    }

    private func afterTransaction(_ backend: BackendSession, _ out: inout RelayOutput) -> Step {
        phase = .active
        // After RESET ALL the server has its own defaults, the client expects those of its startup packet.
        if backend.settings !== settings, resetNeedsReplay, backend.settings != settings {
            resetNeedsReplay = false
            phase = .synchronising
            let script = settings.script(from: backend.settings)
            return .sendInternal(backend.beginInternalQuery(script, capturing: false).0)
        }
        if isPinned || bodyRemaining > 0 || backend.skipsUntilSync { return .pump }
        unlink()
        return .release
    }

    private var resetNeedsReplay = false

    // MARK: Settings

    /// Names (in lower case) that the server reports by itself, so that their statements need not be remembered.
    private func isReported(_ name: String, _ backend: BackendSession) -> Bool {
        switch name {
        case "application_name", "client_encoding", "datestyle", "intervalstyle", "timezone",
            "standard_conforming_strings":
            true
        case "default_transaction_read_only", "search_path": backend.reported[name] != nil
        default: false
        }
    }

    func serverReported(_ name: String, _ value: String) {
        reported[name] = value
        observed[name] = value
    }

    private func applyChanges(_ backend: BackendSession) {
        var values = settings.values
        if resetsAll {
            // RESET ALL leaves role and session authorization alone.
            let kept = values.filter { $0.key == "role" || $0.key == "session_authorization" }
            values = base.values.merging(kept) { $1 }
            backend.settings = SessionSettings(kept)
            resetNeedsReplay = !base.values.isEmpty
            resetsAll = false
        }
        for (name, assignment) in uncommitted {
            if name == "session_authorization" { values["role"] = nil }
            values[name] = assignment ?? base.values[name]
            if assignment == nil, base.values[name] != nil {
                backend.settings = backend.settings.setting(name, nil)
                resetNeedsReplay = true
            }
        }
        if !resetNeedsReplay {
            for (name, value) in observed where ClientSession.isSettable(name) {
                let key = name.lowercased()
                values[key] = defaults[name] == value && base.values[key] == nil ? nil : .value(value)
            }
        }
        uncommitted = []
        observed = [:]
        let changed = SessionSettings(values)
        if changed != settings { settings = changed }
        if !resetNeedsReplay { backend.settings = settings }
    }

    private static func isSettable(_ name: String) -> Bool {
        switch name {
        case "application_name", "client_encoding", "DateStyle", "IntervalStyle", "TimeZone",
            "standard_conforming_strings", "default_transaction_read_only", "search_path":
            true
        default: false
        }
    }

    /// Startup parameters as the server spells their values, so that later reports compare equal.
    private func canonicalise() {
        var values = settings.values
        for (name, value) in reported where ClientSession.isSettable(name) {
            let key = name.lowercased()
            if values[key] != nil { values[key] = defaults[name] == value ? nil : .value(value) }
        }
        settings = SessionSettings(values)
        base = settings
    }

    private func reconcileReported(_ backend: BackendSession, _ out: inout RelayOutput) {
        guard backend.reported != reported else { return }
        for (name, value) in backend.reported.sorted(by: { $0.key < $1.key }) where reported[name] != value {
            out.write { $0.writePostgresParameterStatus(name, value) }
        }
        reported = backend.reported
    }

    private func auditScript() -> String {
        let names = customNames.union(settings.values.keys.filter { $0.contains(".") })
        return names.isEmpty ? Audit.script : Audit.script(customNames: names)
    }

    private func finishAudit(_ backend: BackendSession) {
        guard backend.internalError == nil else { return }
        let finding = Audit.read(backend.internalRows)
        var values: [String: SessionSettings.Assignment] = [:]
        for (name, value) in finding.settings {
            values[name] = .value(value)
        }
        if let authorization = settings.values["session_authorization"] {
            values["session_authorization"] = authorization
        }
        for (name, value) in backend.reported where ClientSession.isSettable(name) {
            let key = name.lowercased()
            if values[key] != nil {
                values[key] = defaults[name] == value && base.values[key] == nil ? nil : .value(value)
            }
        }
        let found = SessionSettings(values)
        if found != settings { settings = found }
        backend.settings = settings
        pins.subtract(Audit.visiblePins)
        pins.formUnion(finding.pins)
        if pins.isEmpty { pinnedBy = "" }
    }

    // MARK: Effects

    /// A statement of the client's has completed.
    func completed(
        _ effect: StatementEffect, rolledBack: Bool, detail: ExpectationDetail, on backend: BackendSession
    ) {
        if !effect.pins.isEmpty {
            if pins.isEmpty { pinnedBy = effect.fingerprint }
            pins.formUnion(effect.pins)
        }
        if effect.needsAudit {
            needsAudit = true
            if !effect.customNames.isEmpty { customNames.formUnion(effect.customNames) }
        }
        switch effect.kind {
        case .plain, .transactionControl: break
        case .commit:
            if rolledBack { rollBack() }
        case .rollback: rollBack()
        case .rollbackToSavepoint:
            if !uncommitted.isEmpty || isPinned { needsAudit = true }
        case .set(let name, let assignment):
            if !isReported(name, backend) { uncommitted.append((name, .text(assignment))) }
        case .reset(let name):
            uncommitted.append((name, nil))
        case .resetAll:
            resetsAll = true
            uncommitted = []
        case .discardAll:
            resetsAll = true
            uncommitted = [("role", nil), ("session_authorization", nil)]
            statements.removeAll()
            backend.forgetPrepared()
            backend.unnamedOwner = nil
            pins = []
        case .discardOther: break
        case .prepare, .execute: break
        case .deallocate(let name, _):
            if let statement = statements.find(name) { backend.forget(statement) }
            statements.remove(Array(name.utf8))
        case .deallocateAll:
            statements.removeAll()
            backend.forgetPrepared()
        case .definition: registry.schemaChanged()
        }
    }

    private func rollBack() {
        uncommitted = []
        resetsAll = false
        if isPinned { needsAudit = true }
    }

    /// The client is being sent an error.
    func failed() {
        detour?.failed = true
        if !uncommitted.isEmpty || resetsAll {
            uncommitted = []
            resetsAll = false
            needsAudit = true
        }
        backend?.unnamedOwner = nil
    }

    /// A request with something to undo was not carried out.
    func failed(_ detail: ExpectationDetail) {
        if detail.replacementError == nil, let name = detail.clientName { statements.remove(name) }
    }

    func readyForQuery(_ status: TransactionStatus, on backend: BackendSession) {}
}
