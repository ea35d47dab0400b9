// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import PostgresWire
import ProxyCore

/// Backend connections of one user to one database for one kind of endpoint, on one event loop.
///
/// Carries out what `PoolMachine` decides.
final class BackendPool: BackendConnection.Owner {
    struct Key: Hashable {
        var role: ProxyConfiguration.Role
        var credentials: BackendCredentials
        var database: String
    }

    /// What clients are told at login, for one set of startup parameters.
    struct Welcome {
        var settings: SessionSettings
        var reported: [String: String]
    }

    let key: Key
    let group: GroupContext
    let registry = StatementRegistry()
    /// Parameters a fresh connection reports; nil until there was one.
    private(set) var defaults: [String: String]?
    var welcomes: [String: Welcome] = [:]
    private(set) var machine: PoolMachine<SessionSettings>
    private var connections: [Int: BackendConnection] = [:]
    private var waiters: [Int: (client: PostgresClientConnection, since: Int64)] = [:]
    private var nextID = 0
    private var initialising: Set<Int> = []
    private var resetting: Set<Int> = []
    private var retryAt: Int64 = 0
    private var failures = 0
    private let budgetKey: String
    /// Clients that use this pool.
    var clients = 0

    init(key: Key, group: GroupContext) {
        self.key = key
        self.group = group
        let settings = group.configuration.pool
        var limits = PoolMachine<SessionSettings>.Limits()
        limits.connections = settings.maxConnections
        limits.idleConnections = settings.maxIdleConnections
        limits.age = settings.connectionAge.nanosecondsCount
        limits.borrowTimeout = settings.borrowTimeout.nanosecondsCount
        machine = PoolMachine(limits: limits)
        budgetKey = "\(key.role.rawValue) \(key.credentials.user) \(key.database)"
    }

    var all: [BackendConnection] { connections.keys.sorted().compactMap { connections[$0] } }
    var isUnused: Bool { clients == 0 && connections.isEmpty }

    private var interned: [SessionSettings] = []

    /// The pool's own object for equal settings, so that comparing them is comparing references.
    func intern(_ settings: SessionSettings) -> SessionSettings {
        if settings.values.isEmpty { return .none }
        if let known = interned.first(where: { $0 == settings }) { return known }
        if interned.count >= 64 { interned.removeFirst() }
        interned.append(settings)
        return settings
    }

    // MARK: Borrowing

    /// Lends a connection now, or later by `client.borrowed`, or fails by `client.borrowFailed`.
    func request(_ client: PostgresClientConnection, settings: SessionSettings) {
        let now = Clock.now()
        group.loop.metrics.databaseConnectionRequests += 1
        switch machine.request(client.id, now: now, prefers: { $0 == settings }) {
        case .lease(let id):
            group.loop.metrics.borrowLatencyCount += 1
            lend(id, to: client)
        case .wait(let open):
            waiters[client.id] = (client, now)
            if open { openMore(now) }
        case .refuse:
            client.borrowFailed(.fatal("53300", "too many clients are waiting for a database connection"))
        }
    }

    func cancelRequest(_ client: PostgresClientConnection) {
        if waiters.removeValue(forKey: client.id) != nil { machine.cancel(client.id) }
    }

    private func lend(_ id: Int, to client: PostgresClientConnection) {
        guard let connection = connections[id] else { return }
        connection.client = client
        client.borrowed(connection)
    }

    /// The connection is idle and unlinked from any client.
    func release(_ connection: BackendConnection) {
        connection.client = nil
        if connection.cancelsUnderWay > 0 {
            connection.releaseDeferred = true
            return
        }
        guard connection.stage == .open, let session = connection.session else { return }
        if !isWanted(connection.target) {
            machine.lost()
            remove(connection)
            return
        }
        perform(
            machine.release(connection.id, tag: session.settings, openedAt: connection.openedAt, now: Clock.now()),
            connection)
    }

    private func perform(_ release: PoolMachine<SessionSettings>.Release, _ connection: BackendConnection) {
        switch release {
        case .lease(let waiter):
            guard let entry = waiters.removeValue(forKey: waiter) else {
                // Cannot be, as cancelling takes it out of both; keep the connection rather than lose it.
                self.release(connection)
                return
            }
            group.loop.metrics.borrowLatencyCount += 1
            group.loop.metrics.borrowLatencyNanoseconds += Int(Clock.now() - entry.since)
            connection.client = entry.client
            entry.client.borrowed(connection)
        case .park:
            if group.shared.budget.answerStarvation(budgetKey), let id = machine.evict(), let oldest = connections[id] {
                remove(oldest)
            }
        case .close: remove(connection)
        }
    }

    /// Closes a connection that the machine no longer counts.
    private func remove(_ connection: BackendConnection) {
        if connections.removeValue(forKey: connection.id) != nil { group.shared.budget.giveBack(budgetKey) }
        connection.close()
    }

    /// A pinned or interrupted client leaves state behind: undo it before anyone else gets the connection.
    func releaseAfterReset(_ connection: BackendConnection, rollBack: Bool, discard: Bool) {
        connection.client = nil
        guard let session = connection.session, connection.stage == .open else { return }
        resetting.insert(connection.id)
        if rollBack { connection.send(session.beginStatement("ROLLBACK")) }
        if discard { connection.send(session.beginReset()) }
    }

    /// The connection is in an unknown state.
    func discard(_ connection: BackendConnection) {
        connection.client = nil
        connection.close()
    }

    // MARK: Opening

    private func isWanted(_ target: ProxyConfiguration.Address) -> Bool {
        switch key.role {
        case .readWrite: group.topology.writer == nil || group.topology.writer == target
        case .readOnly: group.topology.members.isEmpty || group.topology.contains(target)
        }
    }

    private func chooseTarget() -> ProxyConfiguration.Address? {
        switch key.role {
        case .readWrite: return group.topology.writer
        case .readOnly:
            let readers = group.topology.readers(maximumLag: group.configuration.pool.maxReplicaLagSeconds)
            return readers.min { connectionCount($0) < connectionCount($1) }
        }
    }

    private func connectionCount(_ target: ProxyConfiguration.Address) -> Int {
        connections.values.count { $0.target == target }
    }

    private func openMore(_ now: Int64) {
        while machine.wantsMore, now >= retryAt {
            guard openOne() else { return }
        }
    }

    private func openOne() -> Bool {
        guard let target = chooseTarget(), group.shared.budget.take(budgetKey, limit: machine.limits.connections) else {
            return false
        }
        nextID += 1
        machine.willOpen()
        let connection = BackendConnection(
            id: nextID, target: target, group: group, owner: self, credentials: key.credentials, database: key.database)
        connections[nextID] = connection
        connection.open(on: group.loop.eventLoop)
        return true
    }

    func backendOpened(_ connection: BackendConnection) {
        guard let session = connection.session else { return }
        if key.role == .readWrite, session.isInRecovery == true {
            // It was the writer a moment ago.
            group.alarm()
            forgetOpening(connection)
            retryLater()
            connection.close()
            return
        }
        failures = 0
        if defaults == nil { defaults = session.reported }
        group.loop.metrics.databaseConnectionsSetupSucceeded += 1
        if let query = group.configuration.pool.initQuery, !query.isEmpty {
            initialising.insert(connection.id)
            connection.send(session.beginStatement(query))
            return
        }
        enterPool(connection, session)
    }

    private func enterPool(_ connection: BackendConnection, _ session: BackendSession) {
        perform(machine.opened(connection.id, tag: session.settings, now: Clock.now()), connection)
    }

    private func forgetOpening(_ connection: BackendConnection) {
        guard connections.removeValue(forKey: connection.id) != nil else { return }
        machine.openFailed()
        group.shared.budget.giveBack(budgetKey)
    }

    func backendFailed(_ connection: BackendConnection, _ error: ServerError) {
        group.loop.metrics.databaseConnectionsSetupFailed += 1
        forgetOpening(connection)
        if BackendPool.isLasting(error.code) {
            welcomes = [:]
            for id in machine.dismissAll() {
                waiters.removeValue(forKey: id)?.client.borrowFailed(error)
            }
            return
        }
        // Refused, starting up, too many connections: those who wait go on waiting, up to their borrow timeout.
        group.alarm()
        retryLater()
    }

    /// Errors of login that waiting does not mend: wrong password, no such database or role, not permitted.
    private static func isLasting(_ code: String) -> Bool {
        code.hasPrefix("28") || code.hasPrefix("3D") || code.hasPrefix("42") || code == "08P01" || code == "0A000"
    }

    private func retryLater() {
        failures += 1
        retryAt = Clock.now() + Int64(min(1_000, 25 << min(failures, 6))) * 1_000_000
    }

    // MARK: Connections nobody uses

    func backendQuiet(_ connection: BackendConnection) {
        guard let session = connection.session else { return }
        if initialising.remove(connection.id) != nil {
            if let error = session.internalError {
                group.logger.error("initial query failed", metadata: ["error": "\(error.message)"])
            }
            enterPool(connection, session)
        } else if resetting.contains(connection.id), session.status == .idle {
            resetting.remove(connection.id)
            if session.internalError != nil {
                machine.lost()
                remove(connection)
            } else {
                release(connection)
            }
        }
    }

    func backendClosed(_ connection: BackendConnection) {
        guard connections.removeValue(forKey: connection.id) != nil else { return }
        group.shared.budget.giveBack(budgetKey)
        if connection.session?.fatal != nil || connection.client != nil { group.alarm() }
        if initialising.remove(connection.id) != nil {
            machine.openFailed()
        } else if !machine.lostIdle(connection.id) {
            machine.lost()
        }
        resetting.remove(connection.id)
        openMore(Clock.now())
    }

    // MARK: Time

    func tick(_ now: Int64) {
        if machine.waiting > 0 {
            for id in machine.expire(now: now) {
                guard let entry = waiters.removeValue(forKey: id) else { continue }
                group.loop.metrics.borrowTimeouts += 1
                entry.client.borrowFailed(
                    .fatal("08006", "Timed-out waiting to acquire database connection"))
            }
            openMore(now)
        }
    }

    func trim(_ now: Int64) {
        for id in machine.trim(now: now) {
            if let connection = connections[id] { remove(connection) }
        }
        if key.role == .readWrite, clients > 0, machine.total < group.configuration.pool.minConnections {
            _ = openOne()
        }
    }

    /// The topology has changed: idle connections to targets that no longer serve this role are closed.
    func topologyChanged() {
        for id in machine.removeIdle(where: { id in connections[id].map { !isWanted($0.target) } ?? false }) {
            if let connection = connections[id] { remove(connection) }
        }
        retryAt = 0
        openMore(Clock.now())
    }

    func closeAll() {
        for connection in connections.values { connection.close() }
    }
}
