// SPDX-License-Identifier: Apache-2.0

internal import SegmentCore
internal import VolumeModel

/// The end of the log, as the reports of a write quorum of every group show it.
///
/// Each report has a point `complete` up to which its segment holds all history; the group's walk begins at the highest
/// such point. History is the same for all who know it, so nothing at or below a `complete` depends on who reports. Above
/// it the newest truncations reported say which headers are alive, and among those the chain by `previous` is unique:
/// a writer chains on all the history before it, and later writers' LSNs lie above everything annulled. Where the chain
/// ends, nothing can have been durable beyond, unless copies have been lost: so a part that some report as lost, and that
/// they and those who have not reported can have had on a write quorum, ends nothing but the service.
struct RecoveredEnd: Sendable {
    var vdl: LSN
    /// By group: the end of its last part at or below `vdl`, and the parts above the highest VDL reported, ascending.
    var ends: [LSN]
    var parts: [[RecoveringGroup.Part]]
    var truncations: [Truncation]

    struct Blocked: Error {
        var obstacle: RecoveryObstacle
    }

    /// One group's headers as the chain needs them.
    fileprivate struct Chain {
        /// By `previous`. Looked up, never walked: the order of a dictionary must not matter.
        var next: [LSN: BatchHeader] = [:]
        /// By end.
        var parts: [LSN: BatchHeader] = [:]
        var tail = Floor()

        init(_ group: RecoveringGroup, _ tenure: Tenure) {
            for (_, report) in group.reports where report.complete >= tail.lsn { tail = report.tail }
            for (_, report) in group.reports {
                for header in report.headers
                where header.end > tail.lsn && !tenure.annuls(epoch: header.epoch, end: header.end) {
                    // Two live headers at one place would be two histories; the later writer's is the one that was told.
                    if let other = next[header.previous], other.epoch >= header.epoch { continue }
                    next[header.previous] = header
                    parts[header.end] = header
                }
            }
        }

        func holds(_ end: LSN, of epoch: VolumeEpoch) -> Bool { end <= tail.lsn || parts[end]?.epoch == epoch }
    }

    static func find(in groups: [RecoveringGroup], _ rules: SafetyRules) -> Result<RecoveredEnd, Blocked> {
        // Truncations are the same for all groups of one epoch, so any group's newest tenure will do.
        guard let newest = groups.compactMap(\.tenure).max(by: { $0.epoch < $1.epoch }) else {
            return .failure(Blocked(obstacle: .missing(.namespace, after: .zero)))
        }
        let base = groups.flatMap(\.reports).map(\.report.knownVDL).max() ?? .zero
        let chains = groups.map { Chain($0, newest) }
        var ends = chains[0].tail.ends
        var vdl = chains[0].tail.previous
        walk: while let header = chains[0].next[vdl] {
            for name in header.participants {
                guard let place = groups.firstIndex(where: { $0.group == name }) else {
                    if header.end > base { break walk }
                    return .failure(Blocked(obstacle: .unmapped(name)))
                }
                guard chains[place].holds(header.end, of: header.epoch) else {
                    if header.end > base, !groups[place].mayHaveBeenDurable(newest, rules, { $0.end == header.end }) {
                        break walk
                    }
                    return .failure(Blocked(obstacle: .missing(name, after: ends.end(of: name))))
                }
            }
            ends.note(header)
            vdl = header.end
        }
        let next = chains[0].next[vdl]
        guard next != nil || !groups[0].mayHaveBeenDurable(newest, rules, { $0.previous == vdl }) else {
            return .failure(Blocked(obstacle: .missing(.namespace, after: vdl)))
        }
        guard vdl >= base else { return .failure(Blocked(obstacle: .missing(.namespace, after: vdl))) }
        var found = RecoveredEnd(vdl: vdl, ends: [], parts: [], truncations: newest.truncations)
        for (place, group) in groups.enumerated() {
            let end = place == 0 ? vdl : ends.end(of: group.group)
            guard let parts = chains[place].path(to: end) else {
                return .failure(Blocked(obstacle: .missing(group.group, after: chains[place].tail.previous)))
            }
            found.ends.append(end)
            found.parts.append(parts.filter { $0.end > base }.map { group.part($0) })
        }
        return .success(found)
    }
}

extension RecoveredEnd.Chain {
    /// The parts from the tail to `end` without a hole; nil if there is one.
    func path(to end: LSN) -> [BatchHeader]? {
        var path: [BatchHeader] = []
        var position = tail.previous
        while position < end {
            guard let header = next[position] else { return nil }
            path.append(header)
            position = header.end
        }
        return path
    }
}
