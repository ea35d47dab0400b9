// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import PostgresWire
import ProxyCore

/// What makes two connections of one group interchangeable.
struct PoolKey: Hashable {
    var role: ProxyConfiguration.Role
    var credentials: BackendCredentials
    /// PostgreSQL: the database. MySQL, where a connection can change it: empty, or "-" for clients that have none.
    var database: String
    /// MySQL: capability flags that change what the server answers.
    var flags: UInt32 = 0
    /// For reads of clients of the writer's pool, whose prepared statements these connections have.
    var isSplit = false
}

/// What the loop and the console ask of a pool, whatever its engine.
protocol ConnectionPool: AnyObject {
    var key: PoolKey { get }
    var isUnused: Bool { get }
    var counts: PoolCounts { get }
    /// What the metrics have of its connections as they are now.
    var perTarget: [ProxyConfiguration.Address: ProxyMetrics] { get }
    func tick(_ now: Int64)
    func trim(_ now: Int64)
    func connectionCount(_ target: ProxyConfiguration.Address) -> Int
    func topologyChanged()
    /// The group has other settings; `renewing` when connections that were opened before are not what they should be.
    func configure(renewing: Bool)
    func closeAll()
}

struct PoolCounts {
    var idle: Int
    var leased: Int
    var opening: Int
    var waiting: Int
    var limit: Int
    var target: ProxyConfiguration.Address?
}

/// Backend connections of one user to one database for one kind of endpoint, on one event loop.
///
/// Carries out what `PoolMachine` decides. `Backend` is the engine's kind of connection.
final class BackendPool<Backend: PooledBackend>: BackendOwner, ConnectionPool {
    let key: PoolKey
    let group: GroupContext
    /// What clients of the pool share: prepared statements, what is known of a fresh connection.
    let common = Backend.Common()
    private(set) var machine: PoolMachine
    private var connections: [Int: Backend] = [:]
    private var waiters: [Int: (client: Backend.Client, since: Int64)] = [:]
    /// Clients that keep a connection they do not need at the moment.
    private var lingering: [Int: Backend.Client] = [:]
    private var nextID = 0
    private var initialising: Set<Int> = []
    private var resetting: Set<Int> = []
    private var retryAt: Int64 = 0
    private var failures = 0
    private let budgetKey: String
    /// Connections that were opened earlier are closed when they come back.
    private var renewedAt: Int64 = 0
    /// Clients that use this pool, and pools whose readers it has.
    var clients = 0
    /// For reads that this pool's clients may have from readers.
    lazy var readers: BackendPool<Backend> = {
        var key = self.key
        key.role = .readOnly
        key.isSplit = true
        let pool = group.pool(key, of: Backend.self)
        pool.clients += 1
        knowsReaders = true
        return pool
    }()
    private var knowsReaders = false

    init(key: PoolKey, group: GroupContext) {
        self.key = key
        self.group = group
        machine = PoolMachine(limits: Self.limits(group.configuration.pool))
        budgetKey = "\(key.role.rawValue) \(key.credentials.user) \(key.database)\(key.isSplit ? " split" : "")"
    }

    deinit { if knowsReaders { readers.clients -= 1 } }

    private static func limits(_ settings: ProxyConfiguration.PoolSettings) -> PoolMachine.Limits {
        var limits = PoolMachine.Limits()
        limits.connections = settings.maxConnections
        limits.idleConnections = settings.maxIdleConnections
        limits.age = settings.connectionAge.nanosecondsCount
        limits.borrowTimeout = settings.borrowTimeout.nanosecondsCount
        return limits
    }

    func configure(renewing: Bool) {
        machine.limits = Self.limits(group.configuration.pool)
        if renewing {
            renewedAt = Clock.now()
            closeIdle { _ in true }
        }
        openMore(Clock.now())
    }

    var counts: PoolCounts {
        PoolCounts(
            idle: machine.idleCount, leased: machine.leased, opening: machine.opening, waiting: machine.waiting,
            limit: machine.limits.connections, target: connections.values.first?.target)
    }
    var perTarget: [ProxyConfiguration.Address: ProxyMetrics] {
        var found: [ProxyConfiguration.Address: ProxyMetrics] = [:]
        for connection in connections.values where connection.isOpen {
            var one = ProxyMetrics()
            one.databaseConnections = 1
            one.databaseConnectionsWithTLS = connection.usesTLS ? 1 : 0
            if let client = connection.client {
                one.databaseConnectionsCurrentlyBorrowed = 1
                one.databaseConnectionsCurrentlySessionPinned = client.isPinned ? 1 : 0
                one.databaseConnectionsCurrentlyInTransaction = client.isInTransaction ? 1 : 0
            }
            found[connection.target, default: .init()].add(one)
        }
        return found
    }
    var isUnused: Bool { clients == 0 && connections.isEmpty }

    // MARK: Borrowing

    /// Lends a connection now, or later by `client.borrowed`, or fails by `client.borrowFailed`.
    /// `last`, if it is idle, is the connection the client gets.
    func request(_ client: Backend.Client, settings: Backend.Settings, last: Int? = nil, now: Int64 = Clock.now()) {
        if key.role == .readOnly, group.topology.known == 1, group.topology.writer != nil {
            return client.borrowFailed(.noReader)
        }
        // A reader's clients stay with it where they can, so that they do not see an older state than before.
        let home = key.role == .readOnly ? client.reader : nil
        let decision = machine.request(client.id, now: now, wanting: last, best: home == nil ? 1 : 3) { id in
            guard let connection = connections[id] else { return 0 }
            return (connection.settings == settings ? 1 : 0) + (home != nil && connection.target == home ? 2 : 0)
        }
        switch decision {
        case .lease(let id):
            client.endpoint.metrics.borrowLatencyCount += 1
            lend(id, to: client)
        case .wait(let open):
            waiters[client.id] = (client, now)
            if open { openMore(now) }
            if let (_, idler) = lingering.first { idler.stopLingering() }
        case .refuse: client.borrowFailed(.tooManyWaiting)
        }
    }

    /// The client needs its connection no more, but may ask it about the last statement: keep it a moment.
    func linger(_ client: Backend.Client) {
        lingering[client.id] = client
        if machine.waiting > 0 { client.stopLingering() }
    }

    func noLonger(lingering client: Backend.Client) { lingering[client.id] = nil }

    func cancelRequest(_ client: Backend.Client) {
        if waiters.removeValue(forKey: client.id) != nil { machine.cancel(client.id) }
    }

    private func lend(_ id: Int, to client: Backend.Client) {
        guard let connection = connections[id] else { return }
        hand(connection, to: client)
    }

    private func hand(_ connection: Backend, to client: Backend.Client) {
        connection.client = client
        if key.role == .readOnly { client.reader = connection.target }
        client.borrowed(connection)
    }

    /// The connection is idle and unlinked from any client.
    func release(_ connection: Backend, now: Int64 = Clock.now()) {
        connection.client = nil
        if connection.cancelsUnderWay > 0 {
            connection.releaseDeferred = true
            return
        }
        guard connection.isOpen else { return }
        if !isWanted(connection.target) || connection.openedAt < renewedAt || isOwed(connection) {
            machine.lost()
            remove(connection)
            return
        }
        perform(machine.release(connection.id, openedAt: connection.openedAt, now: now), connection)
    }

    private func perform(_ release: PoolMachine.Release, _ connection: Backend) {
        switch release {
        case .lease(let waiter):
            guard let entry = waiters.removeValue(forKey: waiter) else {
                // Cannot be, as cancelling takes it out of both; keep the connection rather than lose it.
                self.release(connection)
                return
            }
            let now = Clock.now()
            entry.client.endpoint.metrics.borrowLatencyCount += 1
            entry.client.endpoint.metrics.borrowLatencyNanoseconds += Int(now - entry.since)
            entry.client.noteLent(now)
            hand(connection, to: entry.client)
        case .park: yieldPlace()
        case .close: remove(connection)
        }
    }

    /// Closes a connection that the machine no longer counts.
    private func remove(_ connection: Backend) {
        if connections.removeValue(forKey: connection.id) != nil { giveBackPlace(connection) }
        connection.close()
    }

    // MARK: Places

    private func place(on target: ProxyConfiguration.Address) -> ConnectionBudget.Place {
        ConnectionBudget.Place(pool: budgetKey, target: "\(target.host):\(target.port)")
    }

    private func giveBackPlace(_ connection: Backend) { group.shared.budget.giveBack(place(on: connection.target)) }

    private func isOwed(_ connection: Backend) -> Bool {
        group.shared.budget.isTight && group.shared.budget.isOwed(place(on: connection.target), now: Clock.now())
    }

    /// Gives up the connection that has been idle longest if its place is wanted: by a pool of another user, of the same user
    /// with other flags, or on another loop.
    private func yieldPlace() {
        guard group.shared.budget.isTight, let id = machine.oldestIdle, let oldest = connections[id],
            group.shared.budget.isWanted(place(on: oldest.target), now: Clock.now())
        else { return }
        closeIdle { $0.id == id }
    }

    private func closeIdle(where condition: (Backend) -> Bool) {
        for id in machine.removeIdle(where: { id in connections[id].map(condition) ?? false }) {
            if let connection = connections[id] { remove(connection) }
        }
    }

    /// A pinned or interrupted client leaves state behind: undo it before anyone else gets the connection.
    func releaseAfterReset(_ connection: Backend, rollBack: Bool, discard: Bool) {
        connection.client = nil
        guard connection.isOpen else { return }
        resetting.insert(connection.id)
        connection.reset(rollBack: rollBack, discard: discard)
    }

    /// The connection is in an unknown state.
    func discard(_ connection: Backend) {
        connection.client = nil
        connection.close()
    }

    // MARK: Opening

    private func isWanted(_ target: ProxyConfiguration.Address) -> Bool {
        if group.topology.silent.contains(target) { return false }
        switch key.role {
        case .readWrite: return group.topology.writer == nil || group.topology.writer == target
        case .readOnly: return group.topology.members.isEmpty || group.readers.contains(target)
        }
    }

    private func chooseTarget() -> ProxyConfiguration.Address? {
        switch key.role {
        case .readWrite: return group.topology.writer
        case .readOnly:
            return group.readers.min { group.connectionCount($0) < group.connectionCount($1) }
        }
    }

    func connectionCount(_ target: ProxyConfiguration.Address) -> Int {
        connections.values.count { $0.target == target }
    }

    private func openMore(_ now: Int64) {
        while machine.wantsMore, now >= retryAt {
            guard openOne() else { return }
        }
    }

    private func openOne() -> Bool {
        guard let target = chooseTarget(),
            group.shared.budget.take(
                place(on: target), poolMost: machine.limits.connections,
                targetMost: group.configuration.pool.maxConnectionsOfTarget, now: Clock.now())
        else { return false }
        nextID += 1
        group.count(target, key.role) {
            $0.databaseConnectionRequests += 1
            if group.shared.targetTLS != nil { $0.databaseConnectionRequestsWithTLS += 1 }
        }
        machine.willOpen()
        let connection = Backend(id: nextID, target: target, group: group, owner: self, key: key)
        connections[nextID] = connection
        connection.open(on: group.loop.eventLoop)
        return true
    }

    func backendOpened(_ connection: Backend) {
        if key.role == .readWrite, connection.isReadOnly {
            // It was the writer a moment ago.
            group.alarm()
            forgetOpening(connection)
            retryLater()
            connection.close()
            return
        }
        failures = 0
        connection.teach(common)
        group.count(connection.target, key.role) { $0.databaseConnectionsSetupSucceeded += 1 }
        if let query = group.configuration.pool.initQuery, !query.isEmpty {
            initialising.insert(connection.id)
            connection.run(query)
            return
        }
        enterPool(connection)
    }

    private func enterPool(_ connection: Backend) {
        perform(machine.opened(connection.id, now: Clock.now()), connection)
    }

    private func forgetOpening(_ connection: Backend) {
        guard connections.removeValue(forKey: connection.id) != nil else { return }
        machine.openFailed()
        giveBackPlace(connection)
    }

    func backendFailed(_ connection: Backend, _ error: Backend.Failure) {
        group.count(connection.target, key.role) { $0.databaseConnectionsSetupFailed += 1 }
        forgetOpening(connection)
        let isLasting = Backend.isLasting(error)
        if isLasting { Backend.forgetWelcomes(common) }
        // Who would wait for a reader has the writer.
        if isLasting || key.isSplit { dismissAll(error) }
        if isLasting { return }
        // Refused, starting up, too many connections: those who wait go on waiting, up to their borrow timeout.
        group.alarm()
        retryLater()
    }

    private func dismissAll(_ error: Backend.Failure?) {
        for id in machine.dismissAll() {
            waiters.removeValue(forKey: id)?.client.borrowFailed(error.map { .login($0) } ?? .timedOut)
        }
    }

    private func retryLater() {
        failures += 1
        retryAt = Clock.now() + Int64(min(1_000, 25 << min(failures, 6))) * 1_000_000
    }

    // MARK: Connections nobody uses

    func backendQuiet(_ connection: Backend) {
        if initialising.remove(connection.id) != nil {
            if let error = connection.ownError {
                group.logger.error("initial query failed", metadata: ["error": "\(error)"])
            }
            enterPool(connection)
        } else if resetting.contains(connection.id), !connection.isInTransaction {
            resetting.remove(connection.id)
            if connection.ownError != nil {
                machine.lost()
                remove(connection)
            } else {
                release(connection)
            }
        }
    }

    func backendClosed(_ connection: Backend) {
        guard connections.removeValue(forKey: connection.id) != nil else { return }
        giveBackPlace(connection)
        if connection.saidGoodbye || connection.client != nil { group.alarm() }
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
                entry.client.borrowFailed(.timedOut)
            }
            openMore(now)
        }
        yieldPlace()
        for client in lingering.values where client.lingeredLongEnough(now) { client.stopLingering() }
    }

    func trim(_ now: Int64) {
        for id in machine.trim(now: now) {
            if let connection = connections[id] { remove(connection) }
        }
        if clients > 0, machine.total < group.configuration.pool.minConnections {
            _ = openOne()
        }
    }

    /// The topology has changed: idle connections to targets that no longer serve this role are closed.
    func topologyChanged() {
        closeIdle { !isWanted($0.target) }
        leaveSilent()
        retryAt = 0
        failures = 0
        if key.isSplit, !group.hasReaders { dismissAll(nil) }
        openMore(Clock.now())
    }

    /// Whoever waits for a target that does not answer is told: for a reader when it is given up, for a writer when it has a
    /// successor, as its statements may still be carried out.
    private func leaveSilent() {
        for connection in Array(connections.values) where isForsaken(connection.target) { connection.close() }
    }

    private func isForsaken(_ target: ProxyConfiguration.Address) -> Bool {
        let topology = group.topology
        switch key.role {
        case .readWrite: return topology.writer.map { $0 != target && !topology.contains(target) } ?? false
        case .readOnly: return topology.silent.contains(target)
        }
    }

    func closeAll() {
        for connection in connections.values { connection.close() }
    }
}
