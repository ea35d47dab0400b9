// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import Glibc
internal import Logging
internal import Synchronization

/// Giving a cluster another writer.
///
/// The decision is one transaction in the metadata: from then on the target is the writer, whoever dies. What follows can be
/// repeated: the settings of the processes are written, the old writer is told to stop, the new one to start. It takes the
/// volume's next epoch, which is what makes it the only one, whether or not the old one has heard. When it accepts
/// connections, that is noted, and all others follow it as readers.
extension Supervisor {
    /// How long the old writer may take for its clean shutdown, when it is asked for. One that needs longer is killed, and its
    /// successor recovers.
    private static let handoverMilliseconds = 1500
    /// A process that does not answer an order in time is one that the new epoch will end.
    private static let orderSeconds = 2

    /// Has a reader become the writer. Returns its name when that is decided; the status tells when it is.
    func failOver(_ order: ClusterOrder) throws -> String {
        let id = try clusterID(order.cluster)
        guard let cluster = try setup.metadata.clusters().first(where: { $0.id == id }), let writer = cluster.writer
        else { throw RegionError("the cluster \(id) has no writer", remedy: "add an instance first") }
        let records = try setup.metadata.instances().filter { $0.cluster == id }
        if let target = order.instance {
            guard target != writer else { return writer }
            guard records.contains(where: { $0.id == target }) else {
                throw RegionError("\(id) has no instance \(target)", remedy: "see `borealis status`")
            }
        }
        if let failover = cluster.failover, !failover.isComplete {
            throw RegionError(
                "a failover of \(id) to \(failover.to) is under way",
                remedy: "wait until `borealis status` says available")
        }
        let policy = FailoverPolicy(
            members: records.map(member).filter { $0.id == writer || order.instance == nil || $0.id == order.instance },
            writer: writer)
        guard let target = policy.candidate else {
            throw RegionError(
                order.instance.map { "\($0) does not accept connections" } ?? "\(id) has no reader that is available",
                remedy: "add one with `borealis instance add`, or wait until it is available")
        }
        try failOver(cluster, to: target.id, reason: order.reason ?? "it was asked for", isPlanned: true)
        return target.id
    }

    func failOver(_ cluster: ClusterRecord, to target: String, reason: String, isPlanned: Bool) throws {
        guard let from = cluster.writer else { return }
        // No other cluster's failover waits for what this one's processes are asked.
        if isPlanned { settle(from) }
        let began = ContinuousClock.now
        let isDecided = try failing.withLock { _ in
            let record = FailoverRecord(
                number: (cluster.failover?.number ?? 0) + 1, from: from, to: target, reason: reason,
                isPlanned: isPlanned)
            CrashPoint.pass("before-decision")
            guard try setup.metadata.decide(record, cluster: cluster.id) else { return false }
            memory.withLock { memory in
                memory.decided[cluster.id] = began
                memory.wasAvailable.remove(from)
            }
            logger.warning(
                "failover",
                metadata: ["cluster": "\(cluster.id)", "from": "\(from)", "to": "\(target)", "reason": "\(reason)"])
            CrashPoint.pass("decided")
            // What was decided is carried out in any case; the settings are for processes that start again.
            do { try setup.writeRoles() } catch {
                logger.error("cannot write the settings after a failover", metadata: ["error": "\(error)"])
            }
            CrashPoint.pass("roles-written")
            return true
        }
        guard isDecided else { return }
        Thread.detachNewThread { [self] in
            stopOld(from, isPlanned: isPlanned)
            CrashPoint.pass("old-stopped")
            tellNew(target)
            CrashPoint.pass("new-told")
            try? setup.saveCopies()
        }
    }

    /// What it is to be follows from the metadata, whatever has been decided meanwhile.
    func tellNew(_ id: String) {
        do {
            guard let new = try setup.metadata.instances().first(where: { $0.id == id }) else { return }
            try adopt(new, keyKnown: true)
        } catch { logger.error("cannot tell the new writer", metadata: ["instance": "\(id)", "error": "\(error)"]) }
    }

    /// Has a writer's engine write out what its shutdown, or somebody's recovery from its log, would have to, while it still
    /// serves. Bounded; best effort.
    func settle(_ id: String) {
        var request = AdminRequest(.settle)
        request.instance = id
        do {
            _ = try AdminClient(path: directory.socket(process(of: id))).send(
                request, timeoutSeconds: Self.orderSeconds)
        } catch { logger.info("the writer does not settle", metadata: ["error": "\(error)"]) }
    }

    /// Planned: waits until the old engine is down, so that the new one has nothing to recover. Otherwise it is told, and
    /// nobody waits: its volume is taken from it in any case.
    private func stopOld(_ id: String, isPlanned: Bool) {
        guard heard(of: id) != nil else { return }
        var request = AdminRequest(.release)
        request.instance = id
        request.release = Release(milliseconds: isPlanned ? Self.handoverMilliseconds : 0, part: .writer)
        let (client, sent) = (AdminClient(path: directory.socket(process(of: id))), request)
        guard isPlanned else { return Thread.detachNewThread { _ = try? client.send(sent, timeoutSeconds: 5) } }
        let end = ContinuousClock.now + .milliseconds(Self.handoverMilliseconds + 500)
        _ = try? client.send(sent, timeoutSeconds: Self.orderSeconds)
        while heard(of: id) != nil && ContinuousClock.now < end { usleep(5_000) }
    }

    // MARK: - Completion

    /// Ends a failover whose new writer accepts connections: everybody else follows it.
    func complete(_ failover: FailoverRecord, of cluster: ClusterRecord, _ records: [InstanceRecord]) throws {
        guard let (status, _) = heard(of: failover.to), status.part == .writer, status.phase == .available else {
            return
        }
        var record = failover
        record.isComplete = true
        record.milliseconds = memory.withLock { memory in
            memory.decided.removeValue(forKey: cluster.id).map { Int($0.duration(to: .now) / .milliseconds(1)) }
        }
        CrashPoint.pass("new-available")
        try setup.metadata.complete(record, cluster: cluster.id)
        CrashPoint.pass("completed")
        logger.notice(
            "the new writer accepts connections",
            metadata: ["cluster": "\(cluster.id)", "writer": "\(failover.to)", "ms": "\(record.milliseconds ?? -1)"])
        for other in records where other.id != failover.to && other.isRunning {
            Thread.detachNewThread { [self] in follow(other) }
        }
        Thread.detachNewThread { [setup] in try? setup.saveCopies() }
    }

    /// Has an instance serve as a reader of the writer there is now. One whose process is frozen is killed, unless that is
    /// a fault that somebody wants to look at.
    func follow(_ record: InstanceRecord) {
        let keeper = keepers.first { $0.role == process(of: record.id) }
        if setup.layout == .zones, let keeper, keeper.heldBy == nil, !frozen.withLock({ $0.contains(record.id) }),
            let (_, ago) = heard(of: record.id), ago > .milliseconds(FailoverPolicy.silenceLimitMilliseconds)
        {
            return keeper.kill()
        }
        do { try adopt(record, keyKnown: true) } catch {
            logger.warning("an instance does not become a reader", metadata: ["error": "\(error)"])
        }
    }

    /// Called before an instance's process is started again. A writer's waits for what becomes of its part: it must not
    /// take the volume from its successor by settings that it had before.
    func awaitVerdict(role: String) {
        guard role.hasPrefix("instance-"), !isEnding else { return }
        let id = String(role.dropFirst("instance-".count))
        // What is left of its engine can commit nothing any more, but would keep its clients waiting.
        for pid in (try? engineProcesses(id)) ?? [] { Glibc.kill(pid, SIGKILL) }
        let decision = ContinuousClock.now + .seconds(2)
        let completion = ContinuousClock.now + .seconds(15)
        while !isEnding, ContinuousClock.now < completion {
            guard
                let cluster = try? setup.metadata.clusters().first(where: { $0.writer == id || $0.failover?.from == id }
                ),
                let count = try? setup.metadata.instances().count(where: { $0.cluster == cluster.id }), count > 1
            else { return }
            if cluster.writer == id {
                // Nobody is ready to take its place, or the supervisor has just started.
                if ContinuousClock.now >= decision || !hasReadyReader(cluster) { return }
            } else if cluster.failover?.isComplete ?? true {
                return
            }
            usleep(10_000)
        }
    }

    private func hasReadyReader(_ cluster: ClusterRecord) -> Bool {
        guard let writer = cluster.writer,
            let records = try? setup.metadata.instances().filter({ $0.cluster == cluster.id })
        else { return false }
        return FailoverPolicy(members: records.map(member), writer: writer).candidate != nil
    }
}
