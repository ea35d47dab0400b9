// SPDX-License-Identifier: Apache-2.0

internal import QuorumCore
internal import SegmentCore
internal import VolumeModel

/// The end of a run: faults stop, and then a writer must be able to commit and all segments must agree, in bounded time.
extension Simulation {
    private static let patience: UInt64 = 30_000_000

    func conclude() {
        heal()
        let before = oracle.end
        let batches = batchesMade
        let until = now + (isBroken ? 1_000_000 : Self.patience)
        // New batches become durable.
        while oracle.violation == nil, now < until, oracle.end == before || batchesMade < batches + 20 || !isWriting {
            guard step() else { break }
        }
        guard oracle.violation == nil else { return }
        guard oracle.end > before else {
            if !isBroken {
                describe()
                let obstacle = wanted.flatMap { drivers[$0].recovery == nil ? nil : drivers[$0].obstacle }
                oracle.fail(
                    "no batch became durable in \(Self.patience / 1_000_000) s without faults"
                        + (obstacle.map { ", \($0)" } ?? ""))
            }
            return
        }
        guard !isBroken else { return }
        isQuiet = true
        while oracle.violation == nil, now < until {
            guard !hasConverged else { break }
            for _ in 0..<64 where oracle.violation == nil { _ = step() }
        }
        if oracle.violation == nil, !hasConverged { oracle.fail("segments did not converge: \(divergence)") }
    }

    private func heal() {
        isHealed = true
        note("faults end")
        for index in nodes.indices where !nodes[index].isUp {
            queue.schedule(.restart(node: index, life: nodes[index].life), at: now + 1000)
        }
        for driver in drivers { driver.pausedUntil = min(driver.pausedUntil, now + 50000) }
    }

    private var isWriting: Bool { wanted.map { drivers[$0].writer != nil && !drivers[$0].isStopped } ?? false }

    /// Whether every member of every group has all of the group's history and nothing beside it.
    private var hasConverged: Bool { divergence == "" }

    private var divergence: String {
        guard let wanted, let writer = drivers[wanted].writer, !drivers[wanted].isStopped else { return "no writer" }
        // A writer that has appended nothing yet stands at its start, above the last batch.
        guard writer.vdl == writer.end || writer.end == drivers[wanted].firstStart, writer.vdl == oracle.end else {
            return "writer at \(writer.vdl) of \(writer.end)"
        }
        for group in writer.openGroups {
            guard let membership = writer.membership(of: group), membership.sets.count == 1 else {
                return "\(group)'s members are still changing: \(writer.membership(of: group)?.sets ?? [])"
            }
            guard membership.nodes.count == Membership.copies else { return "\(group) has \(membership.nodes)" }
            for node in membership.nodes {
                guard let index = index(of: node), let segment = nodes[index].segments[Int(group.value)] else {
                    return "\(node)/\(group) does not exist"
                }
                let machine = segment.machine
                guard machine.scl == oracle.end(of: group), machine.knownVDL == oracle.end else {
                    return
                        "\(node)/\(group): SCL \(machine.scl) of \(oracle.end(of: group)), VDL \(machine.knownVDL) of \(oracle.end)"
                }
                guard !machine.hasHoles, segment.checked == machine.complete else {
                    return "\(node)/\(group) holds parts beside the history"
                }
            }
        }
        return ""
    }

    /// Puts what everybody has into the trace.
    private func describe() {
        for node in nodes {
            for case let segment? in node.segments {
                let machine = segment.machine
                note(
                    "\(node.id)/\(segment.group) up \(node.isUp) promised \(machine.promised) tenure \(machine.tenure.stamp) "
                        + "\(machine.membership) SCL \(machine.scl) VDL \(machine.knownVDL) floor \(machine.floor.lsn)")
            }
        }
        guard let wanted else { return }
        let driver = drivers[wanted]
        note("driver \(wanted) \(driver.epoch) stopped \(driver.isStopped) writer at \(driver.writer?.vdl ?? .zero)")
        if let recovery = driver.recovery { note("\(recovery)") }
    }
}
