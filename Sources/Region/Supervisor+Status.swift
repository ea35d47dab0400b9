// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import Logging
internal import StorageNode
internal import Synchronization
internal import VolumeModel

extension Supervisor {
    /// A process that has said nothing for so long is not asked.
    private static let frozenAfter: Duration = .seconds(2)

    /// What each process says of itself, with the supervisor's own view of those that say nothing.
    package func status() -> StatusReport {
        let answers = processes()
        return StatusReport(
            clusters: clusters(answers), nodes: nodes(answers), processes: ownProcess() + keepers.map(process),
            layout: setup.layout.rawValue, directory: directory.path, uptimeSeconds: uptime / .seconds(1),
            faults: faults.withLock { $0.texts })
    }

    /// The answers of the processes that run and answer, by role.
    func processes() -> [String: ProcessStatus] {
        var answers: [String: ProcessStatus] = [:]
        for keeper in volumeKeepers where keeper.pid != nil {
            // One that is frozen would hold up everybody who asks.
            if let last = memory.withLock({ $0.heard[keeper.role] }), last.at.duration(to: .now) > Self.frozenAfter {
                continue
            }
            let client = AdminClient(path: directory.socket(keeper.role))
            answers[keeper.role] = try? client.send(AdminRequest(.status), timeoutSeconds: 2).process
        }
        return answers
    }

    func instances() -> [InstanceStatus] { processes().values.flatMap(\.instances) }

    private func clusters(_ answers: [String: ProcessStatus]) -> [StatusReport.Cluster] {
        guard let records = try? setup.clusters() else { return [] }
        let instances = answers.values.flatMap(\.instances)
        let known = (try? setup.metadata.instances()) ?? []
        return records.map { record in
            let own = known.filter { $0.cluster == record.id }
            let writer = instances.first { $0.cluster == record.id && $0.id == record.writer }
            let isWanted = own.contains { $0.id == record.writer && $0.isRunning }
            return StatusReport.Cluster(
                id: record.id, engine: record.engine.rawValue,
                status: isWanted || writer != nil ? Self.status(writer) : "stopped", vdl: writer?.driver?.reportVDL,
                writer: writer.map { status in report(own.first { $0.id == status.id }, status) },
                readers: own.filter { $0.id != record.writer }.map { reader in
                    report(reader, instances.first { $0.id == reader.id })
                }, volume: "\(record.volume)", epoch: writer?.driver?.reportEpoch,
                reason: isWanted || writer != nil ? reason(writer, record) : nil, driver: writer?.driver,
                host: record.host,
                port: record.port, superuser: record.superuser, instances: own.map(\.id),
                failover: record.failover.map {
                    StatusReport.Failover(
                        number: $0.number, from: $0.from, to: $0.to, reason: $0.reason, isPlanned: $0.isPlanned,
                        isComplete: $0.isComplete, milliseconds: $0.milliseconds)
                },
                endpoints: endpoints(of: record))
        }
    }

    /// An instance by the metadata and by what its process says; one of the two is there.
    private func report(_ record: InstanceRecord?, _ status: InstanceStatus?) -> StatusReport.Instance {
        let settings = record.flatMap { try? setup.instance($0) }?.engine
        return StatusReport.Instance(
            id: record?.id ?? status?.id ?? "", pid: status?.enginePid, url: status?.url ?? settings?.adapter.url ?? "",
            lagMs: status?.lagMilliseconds, restarts: status?.restarts,
            lastRecoveryMs: status?.lastRecoveryMilliseconds, generation: status?.generation,
            state: status?.phase.rawValue ?? (record?.isRunning == false ? "stopped" : "starting"),
            reason: status?.reason ?? status?.progress, az: record?.zone, tier: record?.tier, host: record?.host,
            class: record.flatMap { $0.instanceClass.isEmpty ? nil : $0.instanceClass },
            endedByItself: status?.endedByItself == true ? true : nil)
    }

    private static func status(_ writer: InstanceStatus?) -> String {
        guard let writer else { return "starting" }
        if writer.phase == .available && writer.driver?.reportWaiting != nil { return "waiting" }
        return writer.phase.rawValue
    }

    private func reason(_ writer: InstanceStatus?, _ record: ClusterRecord) -> String? {
        guard let writer else {
            if let id = record.writer, heard(of: id) != nil { return "the process of \(id) does not answer" }
            return keepers.compactMap(\.reason).first
        }
        // A driver that waits for nodes is why an engine does not come up as well.
        let waiting = writer.phase == .failed ? nil : writer.driver?.reportWaiting
        return waiting ?? writer.reason ?? (writer.phase == .available ? nil : writer.progress)
    }

    private func nodes(_ answers: [String: ProcessStatus]) -> [StatusReport.Node] {
        guard let records = try? setup.metadata.nodes() else { return [] }
        return records.map { record in
            let keeper = keepers.first { $0.role == record.role }
            let detail = answers[record.role]?.nodes.first { $0.reportID == "\(record.id)" }
            return StatusReport.Node(
                id: "\(record.id)", az: record.id.zoneName, pid: keeper?.pid, state: detail?.reportState ?? "down",
                scl: detail?.reportSCL, reason: detail?.reason ?? (detail == nil ? keeper?.reason : nil), detail: detail
            )
        }
    }

    private func ownProcess() -> [StatusReport.Process] {
        let pid = ProcessInfo.processInfo.processIdentifier
        return [
            StatusReport.Process(
                role: "supervisor", pid: pid, state: "running", restarts: 0, residentBytes: Self.residentBytes(pid))
        ]
    }

    private func process(_ keeper: ChildKeeper) -> StatusReport.Process {
        let pid = keeper.pid
        return StatusReport.Process(
            role: keeper.role, pid: pid, state: pid != nil ? "running" : keeper.heldBy != nil ? "held" : "restarting",
            restarts: keeper.restarts, reason: pid == nil ? keeper.reason : nil,
            residentBytes: pid.flatMap(Self.residentBytes))
    }

    /// The second field of /proc/PID/statm, in pages.
    private static func residentBytes(_ pid: Int32) -> UInt64? {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8)) ?? ""
        let fields = text.split(separator: " ")
        return fields.count > 1 ? UInt64(fields[1]).map { $0 * UInt64(NSPageSize()) } : nil
    }
}
