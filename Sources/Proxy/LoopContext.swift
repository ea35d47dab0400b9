// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import PostgresWire
import ProxyCore

/// Everything that belongs to one event loop: clients, pools, counters. Nothing here is shared or locked.
///
/// A client and the backend it borrows are always on the same loop, so that bytes never change threads.
final class LoopContext {
    let eventLoop: any EventLoop
    let index: Int
    let loopCount: Int
    private(set) var configuration: ProxyConfiguration
    let logger: Logger
    /// Of what is no client's; the clients' are counted at their endpoints.
    var metrics = ProxyMetrics()
    private var endpoints: [String: EndpointCounts] = [:]
    private(set) var clients: [UInt32: any ProxyClient] = [:]
    /// Connections of which it is not known yet whether they become clients.
    private var strangers: [ObjectIdentifier: any ProxyClient] = [:]
    /// Most of them; they are let go after the login timeout.
    static let strangersMost = 2_000
    var groups: [GroupContext] = []
    private var nextClient: UInt32 = 0
    private var ticks = 0
    private var repeated: RepeatedTask?
    let scramble: UInt32
    private var loginRate: LoginRate?

    init(eventLoop: any EventLoop, index: Int, loopCount: Int, configuration: ProxyConfiguration, logger: Logger) {
        self.eventLoop = eventLoop
        self.index = index
        self.loopCount = loopCount
        self.configuration = configuration
        self.logger = logger
        scramble = UInt32.random(in: 0..<1 << 22)
        nextClient = scramble
        loginRate = LoginRate(perSecond: configuration.loginsPerSecond)
    }

    /// The file was read again; `settings` are those of the groups, in their order.
    func configure(_ configuration: ProxyConfiguration, _ settings: [GroupSettings]) {
        if configuration.loginsPerSecond != self.configuration.loginsPerSecond {
            loginRate = LoginRate(perSecond: configuration.loginsPerSecond)
        }
        self.configuration = configuration
        for (group, settings) in zip(groups, settings) { group.configure(settings) }
    }

    /// Where the clients of a listener are counted.
    func endpoint(_ name: String) -> EndpointCounts {
        if let known = endpoints[name] { return known }
        let made = EndpointCounts()
        endpoints[name] = made
        return made
    }

    /// Hangs up on the clients of listeners that are no more.
    func close(listeners names: Set<String>, group: GroupContext) {
        for client in everybody where client.group === group && names.contains(client.listenerName) { client.close() }
    }

    /// Whether one more client of this address may begin to log in now.
    func admits(_ address: SocketAddress?) -> Bool {
        guard loginRate != nil else { return true }
        guard loginRate?.allows(address?.ipAddress ?? "", now: Clock.now()) != true else { return true }
        metrics.loginsThrottled += 1
        return false
    }

    static let tickMilliseconds: Int64 = 50

    func start() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        repeated = eventLoop.scheduleRepeatedTask(
            initialDelay: .milliseconds(LoopContext.tickMilliseconds),
            delay: .milliseconds(LoopContext.tickMilliseconds)
        ) { _ in bound.value.tick() }
    }

    func stop() {
        repeated?.cancel()
        for group in groups { group.stop() }
        for client in everybody { client.close() }
    }

    private func tick() {
        let now = Clock.now()
        ticks += 1
        for group in groups { group.tick(now, trim: ticks % 20 == 0) }
        if ticks % 20 == 0 {
            for client in everybody { client.checkTimeouts(now) }
        }
    }

    // MARK: Clients

    private var everybody: [any ProxyClient] { Array(clients.values) + Array(strangers.values) }

    /// Whether there is room for a connection that has yet to say what it wants.
    func meet(_ stranger: any ProxyClient) -> Bool {
        guard strangers.count < LoopContext.strangersMost else { return false }
        strangers[ObjectIdentifier(stranger)] = stranger
        return true
    }

    func forget(_ stranger: any ProxyClient) { strangers[ObjectIdentifier(stranger)] = nil }

    /// Process ids handed to clients: the proxy's number, then a number that tells the loop.
    func register(_ client: any ProxyClient) -> UInt32? {
        guard clients.count < max(1, configuration.maxClients / loopCount) else { return nil }
        let range: UInt32 = 1 << 23
        let loops = UInt32(loopCount)
        for _ in 0..<1_000_000 {
            nextClient = (nextClient + 1) % (range / loops)
            let number = UInt32(configuration.proxyID) << 23 | (nextClient * loops + UInt32(index))
            if clients[number] == nil, number & (range - 1) != 0 {
                clients[number] = client
                forget(client)
                return number
            }
        }
        return nil
    }

    func unregister(_ number: UInt32) { clients[number] = nil }

    /// A cancel request for one of this loop's clients. `done` is called once it has been dealt with.
    func cancel(_ number: UInt32, secret: [UInt8]) {
        metrics.cancelRequests += 1
        guard let client = clients[number], PasswordDigests.equal(client.cancelSecret, secret) else { return }
        client.cancelRequested()
    }

    /// KILL of one of this loop's MySQL clients, by a client that is `user`.
    func kill(_ number: UInt32, user: String, admins: [String], queryOnly: Bool) -> KillOutcome {
        guard let client = clients[number] as? MySQLClientConnection else { return .unknown }
        guard client.user == user || admins.contains(user) else { return .forbidden }
        metrics.cancelRequests += 1
        client.cancelRequested()
        if !queryOnly { client.close() }
        return .done
    }

    /// Counters, with gauges filled in, by endpoint and for everything else.
    func snapshot() -> MetricsSnapshot {
        var snapshot = MetricsSnapshot()
        for (name, endpoint) in endpoints { snapshot.endpoints[name] = endpoint.metrics }
        for client in clients.values {
            let name = client.listenerName
            snapshot.endpoints[name]?.clientConnections += 1
        }
        snapshot.rest = metrics
        for group in groups {
            for pool in group.pools.values { snapshot.rest.clientsWaiting += pool.counts.waiting }
            group.add(to: &snapshot, withTopology: index == 0)
        }
        return snapshot
    }
}

/// One group of targets as one event loop sees it.
final class GroupContext {
    let shared: GroupShared
    unowned let loop: LoopContext
    private(set) var topology = Topology()
    /// Readers whose lag is within bounds.
    private(set) var readers: [ProxyConfiguration.Address] = []
    var hasReaders: Bool { !readers.isEmpty }
    private(set) var pools: [PoolKey: any ConnectionPool] = [:]
    /// What has become of attempts to connect, by target and by the role of the pool they were for.
    private var attempts: [MetricsSnapshot.Place: ProxyMetrics] = [:]
    /// Wakes the group's monitor, wherever it runs.
    var alarm: () -> Void = {}
    var monitor: (any TopologyWatch)?

    private var settings: GroupSettings
    var configuration: ProxyConfiguration.Group { settings.configuration }
    var authenticator: FileAuthenticator { settings.authenticator }
    var logger: Logger { shared.logger }

    init(shared: GroupShared, settings: GroupSettings, loop: LoopContext) {
        self.shared = shared
        self.settings = settings
        self.loop = loop
    }

    func configure(_ settings: GroupSettings) {
        let isInitialisedOtherwise = settings.configuration.pool.initQuery != configuration.pool.initQuery
        self.settings = settings
        for pool in pools.values { pool.configure(renewing: isInitialisedOtherwise) }
        monitor?.configure()
    }

    /// Who asks the targets what they are.
    var healthCredentials: BackendCredentials? {
        guard let user = configuration.healthUser ?? configuration.users.first?.name else { return nil }
        if let password = configuration.healthPassword { return BackendCredentials(user: user, password: password) }
        return authenticator.backendCredentials(user: user, database: configuration.healthDatabase)
    }

    /// The pool for `key`, made when there is none yet. A group has one engine, so that all its pools are of one kind.
    func pool<Backend: PooledBackend>(_ key: PoolKey, of: Backend.Type = Backend.self) -> BackendPool<Backend> {
        if let known = pools[key] as? BackendPool<Backend> { return known }
        let pool = BackendPool<Backend>(key: key, group: self)
        pools[key] = pool
        return pool
    }

    func update(_ topology: Topology) {
        let membersChanged =
            topology.writer != self.topology.writer
            || topology.members.map(\.target) != self.topology.members.map(\.target)
        let readers = topology.readers(maximumLag: configuration.pool.maxReplicaLagSeconds)
        let readersChanged = readers != self.readers
        let silentChanged = topology.silent != self.topology.silent
        self.topology = topology
        self.readers = readers
        guard membersChanged || readersChanged || silentChanged else { return }
        for pool in Array(pools.values) { pool.topologyChanged() }
    }

    /// Connections of all this loop's pools to one target.
    func connectionCount(_ target: ProxyConfiguration.Address) -> Int {
        pools.values.reduce(0) { $0 + $1.connectionCount(target) }
    }

    /// Counts something of the making of a connection; to be called seldom.
    func count(
        _ target: ProxyConfiguration.Address, _ role: ProxyConfiguration.Role, _ change: (inout ProxyMetrics) -> Void
    ) {
        change(&attempts[place(target, role), default: .init()])
    }

    private func place(
        _ target: ProxyConfiguration.Address?, _ role: ProxyConfiguration.Role
    ) -> MetricsSnapshot.Place {
        MetricsSnapshot.Place(group: configuration.name, role: role, target: target)
    }

    /// Connections are this loop's; with the topology comes what is the same for all loops.
    func add(to snapshot: inout MetricsSnapshot, withTopology: Bool) {
        for (place, metrics) in attempts { snapshot.add(metrics, at: place) }
        for pool in pools.values {
            for (target, metrics) in pool.perTarget { snapshot.add(metrics, at: place(target, pool.key.role)) }
        }
        guard withTopology, topology.known > 0 else { return }
        let readers = topology.members.filter { !$0.isWriter }.count
        let available: [(ProxyConfiguration.Role, Int, of: Int)] = [
            (.readWrite, topology.members.count - readers, of: 1), (.readOnly, readers, of: topology.known - 1),
        ]
        for (role, count, known) in available where known > 0 {
            var metrics = ProxyMetrics()
            metrics.targets = known
            metrics.availableTargets = min(count, known)
            // By users, whatever target their connections lead to; a share of a target's connections is counted there.
            if configuration.pool.maxConnectionsOfTarget == .max {
                metrics.maxDatabaseConnectionsAllowed =
                    shared.budget.poolCount(role.rawValue) * configuration.pool.maxConnections
            }
            snapshot.add(metrics, at: place(nil, role))
        }
        guard configuration.pool.maxConnectionsOfTarget != .max else { return }
        for member in topology.members {
            var metrics = ProxyMetrics()
            metrics.maxDatabaseConnectionsAllowed = configuration.pool.maxConnectionsOfTarget
            snapshot.add(metrics, at: place(member.target, member.isWriter ? .readWrite : .readOnly))
        }
    }

    func tick(_ now: Int64, trim: Bool) {
        for (key, pool) in pools {
            pool.tick(now)
            guard trim else { continue }
            pool.trim(now)
            if pool.isUnused { pools[key] = nil }
        }
    }

    func stop() {
        monitor?.stop()
        for pool in pools.values { pool.closeAll() }
    }
}
