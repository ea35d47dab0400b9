// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import ProxyCore

/// What the loop asks of a monitor, whatever its engine.
protocol TopologyWatch: AnyObject {
    func start()
    func stop()
    func alarm()
    /// The group has other settings.
    func configure()
}

/// Asks every target of a group what it is, over a connection kept for that.
///
/// The servers themselves tell writer from reader (`topologyQuestion`), so the proxy follows a failover even with the control plane down.
/// A target is asked every `calm`; while there is no writer, or after a connection was lost, every `alarmed`. Two
/// writers at once (a failed one that came back) resolve to the one with the higher timeline or transaction number, and to
/// the one that answers if the other does not.
final class TopologyMonitor<Backend: PooledBackend>: BackendOwner, TopologyWatch {
    private let calm = TimeAmount.milliseconds(1000)
    private let alarmed = TimeAmount.milliseconds(50)
    /// How long after an alarm targets that refuse are tried again without growing pauses, nanoseconds.
    private let urgent: Int64 = 60_000_000_000
    /// A target that has not answered for so long, nanoseconds, is the writer only if no other says that it is.
    private let silence: Int64 = 1_000_000_000
    /// After so long the connection is given up, and with it what the target said last.
    private let patience: Int64 = 5_000_000_000

    private struct Probe {
        let id: Int
        let target: ProxyConfiguration.Address
        var connection: Backend?
        var isOpen = false
        var asked = false
        /// When it was asked, or the connection was begun.
        var since: Int64 = 0
        var member: Topology.Member?
        var generation = 0
        var failures = 0
        var retryAt: Int64 = 0
        /// Given up for its silence, and not heard since.
        var wasSilent = false

        /// How long an answer has been awaited.
        func silent(_ now: Int64) -> Int64 { connection != nil && (asked || !isOpen) ? now - since : 0 }
    }

    private let group: GroupContext
    private let loop: any EventLoop
    private let publish: (Topology) -> Void
    private var probes: [Probe] = []
    private var nextProbe = 0
    private var file: TargetsFile?
    private var current = Topology()
    private var alarmUntil: Int64 = 0
    private var next: Scheduled<Void>?
    private var isHurried = false
    private var stopped = false

    init(group: GroupContext, loop: any EventLoop, publish: @escaping (Topology) -> Void) {
        self.group = group
        self.loop = loop
        self.publish = publish
        configure()
    }

    func configure() {
        file = group.configuration.targetsFile.map { TargetsFile(path: $0) }
        if file == nil { follow(group.configuration.targets) }
        readFile()
        update()
    }

    /// Until the file can be read, the targets are those known so far.
    private func readFile() {
        if let targets = file?.changed() { follow(targets) }
    }

    func start() { tick() }

    /// Makes these the targets; those that stay keep their connections and what is known of them.
    private func follow(_ targets: [ProxyConfiguration.Address]) {
        for probe in probes where !targets.contains(probe.target) { probe.connection?.close() }
        probes = targets.map { target in
            if let known = probes.first(where: { $0.target == target }) { return known }
            nextProbe += 1
            return Probe(id: nextProbe, target: target)
        }
    }

    private func index(_ connection: Backend) -> Int? { probes.firstIndex { $0.id == connection.id } }

    func stop() {
        stopped = true
        next?.cancel()
        for probe in probes { probe.connection?.close() }
    }

    /// Something went wrong with a connection: look at once, and often for a while.
    func alarm() {
        alarmUntil = Clock.now() + 3_000_000_000
        for index in probes.indices { probes[index].retryAt = 0 }
        askAll()
        // What was to come in a second comes soon; a further alarm puts nothing off.
        if !isHurried { schedule() }
    }

    private func schedule() {
        if stopped { return }
        next?.cancel()
        let now = Clock.now()
        isHurried = current.writer == nil || now < alarmUntil || probes.contains { $0.silent(now) > silence }
        next = loop.assumeIsolated().scheduleTask(in: isHurried ? alarmed : calm) { self.tick() }
    }

    private func tick() {
        if stopped { return }
        readFile()
        giveUpSilent()
        update()
        askAll()
        schedule()
    }

    /// A host that is gone closes no connection.
    private func giveUpSilent() {
        let now = Clock.now()
        for index in probes.indices where probes[index].silent(now) > patience {
            if !probes[index].wasSilent {
                let target = probes[index].target
                group.logger.warning(
                    "target has stopped answering", metadata: ["target": "\(target.host):\(target.port)"])
            }
            probes[index].wasSilent = true
            probes[index].connection?.close()
        }
    }

    private func askAll() {
        let now = Clock.now()
        for index in probes.indices {
            if probes[index].connection == nil {
                if now >= probes[index].retryAt { open(index) }
            } else if probes[index].isOpen, !probes[index].asked {
                probes[index].asked = true
                probes[index].since = now
                probes[index].connection?.run(Backend.topologyQuestion)
            }
        }
    }

    private func open(_ index: Int) {
        guard let credentials = group.healthCredentials else { return }
        let connection = Backend(
            id: probes[index].id, target: probes[index].target, group: group, owner: self,
            key: PoolKey(
                role: .readOnly, credentials: credentials, database: group.configuration.healthDatabase))
        probes[index].connection = connection
        probes[index].since = Clock.now()
        connection.open(on: loop)
    }

    func backendOpened(_ connection: Backend) {
        guard let index = index(connection) else { return connection.close() }
        probes[index].isOpen = true
        probes[index].asked = false
        probes[index].failures = 0
        askAll()
    }

    func backendFailed(_ connection: Backend, _ error: Backend.Failure) {
        guard let index = index(connection) else { return }
        if probes[index].failures == 0 {
            group.logger.warning(
                "target does not answer",
                metadata: [
                    "target": "\(connection.target.host):\(connection.target.port)", "error": "\(Backend.words(error))",
                ])
        }
        lost(connection)
        probes[index].failures += 1
        let now = Clock.now()
        // Whoever is to be the writer may be starting: for a while nobody waits longer than for an answer.
        let isUrgent = current.writer == nil && now < alarmUntil + urgent
        let wait = isUrgent ? 50 : min(1_000, 50 << min(probes[index].failures, 4))
        probes[index].retryAt = now + Int64(wait) * 1_000_000
    }

    func backendClosed(_ connection: Backend) {
        lost(connection)
        alarm()
    }

    private func lost(_ connection: Backend) {
        guard let index = index(connection) else { return }
        probes[index].connection = nil
        probes[index].isOpen = false
        probes[index].asked = false
        probes[index].member = nil
        update()
    }

    func backendQuiet(_ connection: Backend) {
        guard let index = index(connection) else { return }
        probes[index].asked = false
        guard let answer = connection.topologyAnswer else { return }
        probes[index].member = Topology.Member(
            target: connection.target, isWriter: answer.isWriter, lagSeconds: answer.lagSeconds)
        probes[index].generation = answer.generation
        probes[index].wasSilent = false
        update()
    }

    /// An older one is the past; of equals the first in the configuration is taken.
    private func newestWriter() -> Int? {
        let writers = probes.filter { $0.member?.isWriter == true }
        let now = Clock.now()
        let heard = writers.filter { $0.silent(now) < silence }
        let candidates = heard.isEmpty ? writers : heard
        let newest = candidates.map(\.generation).max()
        return candidates.first { $0.generation == newest }?.id
    }

    private func update() {
        var topology = Topology()
        topology.known = probes.count
        topology.silent = probes.filter(\.wasSilent).map(\.target)
        let writer = newestWriter()
        for probe in probes {
            guard let member = probe.member, !member.isWriter || probe.id == writer else { continue }
            topology.members.append(member)
        }
        let changed =
            topology.writer != current.writer || topology.members.map(\.target) != current.members.map(\.target)
        if changed {
            group.logger.notice(
                "topology changed",
                metadata: [
                    "writer": "\(topology.writer.map { "\($0.host):\($0.port)" } ?? "none")",
                    "members": "\(topology.members.count)",
                ])
        }
        guard topology != current else { return }
        current = topology
        publish(topology)
    }
}
