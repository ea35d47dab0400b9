// SPDX-License-Identifier: Apache-2.0

internal import SegmentCore
package import VolumeModel

/// Steps 3 and 4: what was found is made durable, and only then is the rest annulled.
extension RecoveryMachine {
    /// The most parts of a group that are pulled or pushed at once.
    static var repairWindow: Int { 32 }

    /// The payload of a part that was asked for with `.pull`.
    package mutating func pulled(group: GroupID, _ header: BatchHeader) -> [RecoveryAction] {
        guard phase == .repairing, let place = groups.firstIndex(where: { $0.group == group }) else { return [] }
        var actions: [RecoveryAction] = []
        groups[place].pulled(header)
        repair(place, into: &actions)
        return actions
    }

    /// Asks for what is needed next in a group: payloads first, then copies of them.
    mutating func repair(_ place: Int, into actions: inout [RecoveryAction]) {
        guard phase == .repairing else { return }
        let name = groups[place].group
        for index in groups[place].wanted.indices.prefix(Self.repairWindow) {
            let part = groups[place].wanted[index]
            let reports = groups[place].reports
            if !part.hasPayload {
                guard part.askedFrom == nil,
                    let holder = reports.first(where: {
                        part.holders.contains($0.node) && !part.unreadable.contains($0.node)
                    })
                else { continue }
                groups[place].wanted[index].askedFrom = holder.node
                actions.append(.pull(name, holder.node, part.header))
            } else {
                for report in reports where !part.holders.contains(report.node) && !part.pushedTo.contains(report.node)
                {
                    groups[place].wanted[index].pushedTo.append(report.node)
                    actions.append(.push(name, report.node, part.header))
                }
            }
        }
    }

    mutating func pushed(_ place: Int, _ node: NodeID, _ end: LSN, into actions: inout [RecoveryAction]) {
        guard phase == .repairing,
            let index = groups[place].wanted.firstIndex(where: { $0.header.end == end })
        else { return }
        if !groups[place].wanted[index].holders.contains(node) { groups[place].wanted[index].holders.append(node) }
        proceed(into: &actions)
        repair(place, into: &actions)
    }

    /// Drops the parts that are on a write quorum; without any left, goes on to the truncation.
    mutating func proceed(into actions: inout [RecoveryAction]) {
        guard phase == .repairing else { return }
        for place in groups.indices {
            let group = groups[place]
            groups[place].wanted.removeAll { part in
                guard group.isOnWriteQuorum(part, rules) else { return false }
                if part.hasPayload { actions.append(.release(group.group, part.header)) }
                return true
            }
        }
        guard groups.allSatisfy(\.wanted.isEmpty), let end else { return }
        phase = .installing
        let truncation = Truncation(epoch: epoch, from: end.vdl, bound: bound(end))
        for place in groups.indices {
            guard let old = groups[place].tenure else { continue }
            groups[place].proposed = Tenure(
                truncations: end.truncations + [truncation], membership: old.membership,
                groups: place == 0 ? old.groups : [])
            install(place, into: &actions)
        }
        finish(into: &actions)
    }

    /// Above every LSN that an older writer can have assigned.
    private func bound(_ end: RecoveredEnd) -> LSN {
        guard rules.jumpOverAllocations else { return end.vdl }
        let seen = groups.flatMap(\.reports).flatMap(\.report.headers).map(\.end).max() ?? .zero
        let start = max(end.vdl, end.truncations.last?.bound ?? .zero)
        // Before the first writer there is nothing to jump over.
        if end.truncations.isEmpty, seen == .zero, end.vdl == .zero { return .zero }
        return max(start.advanced(by: lal), seen)
    }

    mutating func install(_ place: Int, into actions: inout [RecoveryAction]) {
        guard let tenure = groups[place].proposed else { return }
        for node in tenure.membership.nodes where !groups[place].installed.contains(node) {
            actions.append(.send(groups[place].group, node, .install(tenure)))
        }
    }

    mutating func finish(into actions: inout [RecoveryAction]) {
        guard phase == .installing, let end else { return }
        let isDone = groups.allSatisfy { group in
            group.proposed?.membership.hasWriteQuorum(rules) { group.installed.contains($0) } ?? false
        }
        guard isDone else { return }
        phase = .done
        let recovered = groups.enumerated().compactMap { place, group in
            group.proposed.map { RecoveredVolume.Group(group: group.group, tenure: $0, end: end.ends[place]) }
        }
        let start = recovered.first?.tenure.truncations.last?.bound ?? end.vdl
        actions.append(
            .ready(RecoveredVolume(volume: volume, epoch: epoch, vdl: end.vdl, start: start, groups: recovered)))
    }

    /// The end of the log, once it has been found and made durable; nil before.
    package var decidedVDL: LSN? {
        switch phase {
        case .installing, .done: end?.vdl
        case .claiming, .repairing, .lost: nil
        }
    }
}
