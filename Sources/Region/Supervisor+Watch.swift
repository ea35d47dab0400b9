// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import Glibc
internal import Logging
internal import Synchronization

/// Listening to the processes that run instances: each says how its instances are when something happens, and twice a second.
///
/// The end of a process is known at once, by the end of its stream; one that is frozen is known by its silence.
extension Supervisor {
    struct Heard {
        var at: ContinuousClock.Instant
        var instances: [InstanceStatus]
    }

    /// What is remembered of instances beyond what their processes say.
    struct Memory {
        /// By process.
        var heard: [String: Heard] = [:]
        /// By instance: since when no process has it, and whether it had let clients in.
        var goneSince: [String: ContinuousClock.Instant] = [:]
        var wasAvailable: Set<String> = []
        /// When the newest failover of a cluster was decided, if this process did it.
        var decided: [String: ContinuousClock.Instant] = [:]
        /// When the new writer of a failover that goes on was told last, by cluster.
        var told: [String: ContinuousClock.Instant] = [:]
        /// When an instance that its process does not have was asked for last, by instance.
        var missed: [String: ContinuousClock.Instant] = [:]
        /// When readers of a cluster were told the newest mark.
        var marked: [String: ContinuousClock.Instant] = [:]
    }

    /// Follows one process until the region ends or the process is not to run any more.
    func watchProcess(_ keeper: ChildKeeper) {
        Thread.detachNewThread { [self] in
            while !isEnding, keepers.contains(where: { $0 === keeper }) {
                defer { usleep(10_000) }
                guard keeper.pid != nil else { continue }
                let client = AdminClient(path: directory.socket(keeper.role))
                _ = try? client.send(AdminRequest(.watch), timeoutSeconds: 3600) { [self] reply in
                    guard let process = reply.process else { return }
                    hear(process.instances, from: keeper.role)
                }
                let wasHeard = memory.withLock { $0.heard.removeValue(forKey: keeper.role) != nil }
                if wasHeard { clusterNews.signal() }
            }
            memory.withLock { _ = $0.heard.removeValue(forKey: keeper.role) }
            clusterNews.signal()
        }
    }

    private func hear(_ instances: [InstanceStatus], from role: String) {
        memory.withLock { memory in
            memory.heard[role] = Heard(at: .now, instances: instances)
            for instance in instances {
                memory.goneSince[instance.id] = nil
                if instance.phase == .available { memory.wasAvailable.insert(instance.id) }
            }
        }
        clusterNews.signal()
    }

    /// What was heard of an instance last, and how long ago.
    func heard(of id: String) -> (status: InstanceStatus, ago: Duration)? {
        memory.withLock { memory in
            for heard in memory.heard.values {
                if let status = heard.instances.first(where: { $0.id == id }) {
                    return (status, heard.at.duration(to: .now))
                }
            }
            return nil
        }
    }

    func member(_ record: InstanceRecord) -> FailoverPolicy.Member {
        var sight = FailoverPolicy.Sight.away
        if record.isRunning {
            if let (status, ago) = heard(of: record.id) {
                sight = .seen(status, agoMilliseconds: Int(ago / .milliseconds(1)))
            } else {
                let (since, wasAvailable) = memory.withLock { memory in
                    let since = memory.goneSince[record.id] ?? .now
                    memory.goneSince[record.id] = since
                    return (since, memory.wasAvailable.contains(record.id))
                }
                sight = .gone(
                    forMilliseconds: Int(since.duration(to: .now) / .milliseconds(1)), wasAvailable: wasAvailable)
            }
        }
        return FailoverPolicy.Member(
            id: record.id, zone: record.zone, tier: record.tier, memoryBytes: record.memoryBytes, sight: sight)
    }

    // MARK: - Clusters

    /// The longest time between two looks at the clusters; news come at once.
    private static let lookMilliseconds = 250
    /// How often readers are told how far the volume and the stream belong together.
    private static let markInterval: Duration = .seconds(10)
    /// A new writer that does not come up is told again this often.
    private static let reminderInterval: Duration = .seconds(5)

    func watchClusters() {
        while !isEnding {
            do {
                let instances = try setup.metadata.instances()
                for cluster in try setup.clusters() {
                    try look(at: cluster, instances.filter { $0.cluster == cluster.id })
                }
            } catch {
                logger.error("cannot look after the clusters", metadata: ["error": "\(error)"])
            }
            _ = clusterNews.wait(timeout: .now() + .milliseconds(Self.lookMilliseconds))
        }
    }

    private func look(at cluster: ClusterRecord, _ records: [InstanceRecord]) throws {
        guard let writer = cluster.writer, cluster.state == .available else { return }
        if let failover = cluster.failover, !failover.isComplete {
            try complete(failover, of: cluster, records)
            remind(failover, of: cluster)
        }
        for record in records where isMissed(record) {
            logger.notice("an instance is missed by its process", metadata: ["instance": "\(record.id)"])
            Thread.detachNewThread { [self] in try? adopt(record, keyKnown: true) }
        }
        guard records.count > 1 else { return }
        let policy = FailoverPolicy(members: records.map(member), writer: writer)
        if let reason = policy.loss, let target = policy.candidate {
            return try failOver(cluster, to: target.id, reason: reason, isPlanned: false)
        }
        guard let (status, _) = heard(of: writer) else { return }
        if status.watch.lost != nil { try goOn(cluster, writer, records) }
        if let mark = status.watch.mark { tell(mark, to: cluster.id, records) }
    }

    /// Whether a process that speaks has not had its instance for a while: orders that wait in a frozen process overtake each
    /// other when it wakes up.
    private func isMissed(_ record: InstanceRecord) -> Bool {
        guard case .gone(let milliseconds, _) = member(record).sight,
            milliseconds > Int(Self.reminderInterval / .milliseconds(1)),
            !faults.withLock({ $0.instancesDown.contains(record.id) }), (try? setup.mayRun(record)) == true
        else { return false }
        let role = process(of: record.id)
        return memory.withLock { memory in
            guard memory.heard[role] != nil,
                memory.missed[record.id].map({ $0.duration(to: .now) >= Self.reminderInterval }) ?? true
            else { return false }
            memory.missed[record.id] = .now
            return true
        }
    }

    /// An order may have been lost with the process that was to take it.
    private func remind(_ failover: FailoverRecord, of cluster: ClusterRecord) {
        let isDue = memory.withLock { memory in
            guard let last = memory.told[cluster.id], last.duration(to: .now) < Self.reminderInterval * 2 else {
                memory.told[cluster.id] = .now
                return false
            }
            guard last.duration(to: .now) >= Self.reminderInterval else { return false }
            memory.told[cluster.id] = .now
            return true
        }
        if isDue { Thread.detachNewThread { [self] in tellNew(failover.to) } }
    }

    /// There is nobody else: the writer may start again in its place, at once.
    private func goOn(_ cluster: ClusterRecord, _ writer: String, _ records: [InstanceRecord]) throws {
        guard let record = records.first(where: { $0.id == writer }) else { return }
        try adopt(record, keyKnown: true)
    }

    private func tell(_ mark: StreamMark, to cluster: String, _ records: [InstanceRecord]) {
        let isDue = memory.withLock { memory in
            if let last = memory.marked[cluster], last.duration(to: .now) < Self.markInterval { return false }
            memory.marked[cluster] = .now
            return true
        }
        guard isDue else { return }
        var request = AdminRequest(.mark)
        request.mark = ClusterMark(cluster: cluster, mark: mark)
        for role in Set(records.map { process(of: $0.id) }) where memory.withLock({ $0.heard[role] }) != nil {
            let (client, request) = (AdminClient(path: directory.socket(role)), request)
            Thread.detachNewThread { _ = try? client.send(request, timeoutSeconds: 5) }
        }
    }

    /// The process that runs an instance.
    func process(of instance: String) -> String {
        switch setup.layout {
        case .compact: keepers.first { $0.role.hasPrefix("storage") }?.role ?? "storage"
        case .zones: "instance-\(instance)"
        }
    }
}
