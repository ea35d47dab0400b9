// SPDX-License-Identifier: Apache-2.0

package import SegmentCore
package import VolumeModel

/// What a recovering driver's host is to do.
package enum RecoveryAction: Hashable, Sendable {
    /// Send the message; report the answer with `replied`.
    case send(GroupID, NodeID, SegmentMessage)
    /// Ask the segment for the part's payload (`.pull`); report it with `pulled`.
    case pull(GroupID, NodeID, BatchHeader)
    /// Send the part, with the payload that was pulled, as `.push`.
    case push(GroupID, NodeID, BatchHeader)
    /// The part is on a write quorum: forget its payload.
    case release(GroupID, BatchHeader)
    /// No answer so far has something that was durable, as far as can be told. Service is refused until one has.
    case blocked(RecoveryObstacle)
    case ready(RecoveredVolume)
    /// Another driver has claimed this epoch or a higher one: begin again above it, or leave it the volume.
    case lost(VolumeEpoch)
}

/// Durable history that nobody who has answered can show.
package enum RecoveryObstacle: Hashable, Sendable {
    /// A part of the group that follows the one ending at `after`.
    case missing(GroupID, after: LSN)
    /// A group that the log names and the map of groups does not.
    case unmapped(GroupID)
}

/// A takeover: claim, find the log's end, repair, truncate.
///
/// 1. *Claim* the epoch at every segment of group 0 and of the groups in its map, until a write quorum of each group's
///    newest membership has promised and reported. From then on no older writer can get anything acknowledged, and all
///    that one did get is in the reports: a write quorum and a write quorum share a segment, even if one copy was lost.
/// 2. *Find the end.* What is at or below the highest VDL reported is history; from there the log goes on as long as
///    the next batch, by group 0's chain and the newest truncations reported, has every part on some segment.
/// 3. *Repair.* Each part above the highest VDL reported goes onto a write quorum. Only now is the end found durable.
/// 4. *Truncate.* The tenure with the truncation goes onto a write quorum of every group, and the writer starts above all
///    that an older one can have assigned.
///
/// Whoever claims after step 3 finds at least this end, and whoever claims earlier may find another one, which is as good:
/// nothing beyond the highest VDL was ever acknowledged unless it is in every write quorum's reports. So the machine may
/// die at any point and any number of them may run at once. Messages may be lost, late or doubled; `tick` repeats them.
package struct RecoveryMachine: Sendable {
    package let volume: VolumeID
    package let epoch: VolumeEpoch
    package let claimant: UInt64
    package let lal: Int
    package let rules: SafetyRules

    var phase = Phase.claiming
    /// Group 0 first, then those of its map, sorted.
    var groups: [RecoveringGroup]
    var hints: [GroupPlacement]
    var obstacle: RecoveryObstacle?
    /// Counts the ticks.
    var round = 0
    var end: RecoveredEnd?

    enum Phase: Hashable, Sendable {
        /// Exits: `repairing` when the log's end is found, `lost`.
        case claiming
        /// Exits: `installing` when all parts are on a write quorum, `lost`.
        case repairing
        /// Exits: `done` when the tenure is on a write quorum of each group, `lost`.
        case installing
        case done
        case lost
    }

    /// - Parameters:
    ///   - claimant: a fresh random number
    ///   - lal: the log allocation limit, at least that of every writer before
    ///   - hints: where the groups are thought to be; group 0 must be among them. Only addresses: nodes that have nothing
    ///     of a group, and groups that group 0 does not know, have no influence.
    package init(
        volume: VolumeID, epoch: VolumeEpoch, claimant: UInt64, lal: Int, hints: [GroupPlacement],
        rules: SafetyRules = .all
    ) {
        self.volume = volume
        self.epoch = epoch
        self.claimant = claimant
        self.lal = lal
        self.hints = hints
        self.rules = rules
        groups = [RecoveringGroup(group: .namespace, asked: [])]
    }

    package mutating func start() -> [RecoveryAction] {
        var actions: [RecoveryAction] = []
        ask(0, hints.first { $0.group == .namespace }?.nodes ?? [], into: &actions)
        return actions
    }

    /// A segment's answer to anything that was sent.
    package mutating func replied(group: GroupID, node: NodeID, _ reply: SegmentReply) -> [RecoveryAction] {
        guard phase != .lost, phase != .done, let place = groups.firstIndex(where: { $0.group == group }) else {
            return []
        }
        var actions: [RecoveryAction] = []
        switch reply {
        case .report(let report):
            guard report.promised == epoch, report.claimant == claimant else { return [] }
            self.reported(place, node, report, into: &actions)
        case .pushed(let epoch, let end):
            guard epoch == self.epoch else { return [] }
            pushed(place, node, end, into: &actions)
        case .installed(let stamp, _):
            guard stamp.epoch == epoch, phase == .installing else { return [] }
            if !groups[place].installed.contains(node) { groups[place].installed.append(node) }
            finish(into: &actions)
        case .refused(let refusal): refused(place, node, refusal, into: &actions)
        case .acknowledged, .batch: break
        }
        return actions
    }

    private mutating func refused(
        _ place: Int, _ node: NodeID, _ refusal: Refusal, into actions: inout [RecoveryAction]
    ) {
        switch refusal {
        case .staleEpoch(let promised):
            if promised > epoch {
                phase = .lost
                return actions.append(.lost(promised))
            }
            // Our own epoch comes back from a rival's segment, or late, in answer to an earlier claim of ours.
            guard promised == epoch, phase == .claiming, groups[place].refused(by: node, round: round, rules)
            else { return }
            phase = .lost
            actions.append(.lost(promised))
        case .missing(let end):
            groups[place].unreadable(end, at: node)
            repair(place, into: &actions)
        case .needsTenure, .staleMembership, .notMember, .noSegment, .malformed: break
        }
    }

    /// Called every now and then: repeats what has not been answered.
    package mutating func tick() -> [RecoveryAction] {
        var actions: [RecoveryAction] = []
        round += 1
        switch phase {
        case .claiming:
            for place in groups.indices {
                for node in groups[place].asked where groups[place].report(of: node) == nil {
                    actions.append(claim(at: place, node))
                }
            }
        case .repairing:
            for place in groups.indices {
                // A late promise is one more segment to repair.
                for node in groups[place].asked where groups[place].report(of: node) == nil {
                    actions.append(claim(at: place, node))
                }
                groups[place].forgetRequests()
                repair(place, into: &actions)
            }
            proceed(into: &actions)
        case .installing:
            for place in groups.indices { install(place, into: &actions) }
        case .done, .lost: break
        }
        return actions
    }

    // MARK: - Claiming

    /// Asks those of the nodes that have not been asked.
    mutating func ask(_ place: Int, _ nodes: [NodeID], into actions: inout [RecoveryAction]) {
        for node in nodes where !groups[place].asked.contains(node) {
            groups[place].asked.append(node)
            actions.append(claim(at: place, node))
        }
    }

    private func claim(at place: Int, _ node: NodeID) -> RecoveryAction {
        .send(groups[place].group, node, .claim(epoch, claimant: claimant))
    }

    private mutating func reported(
        _ place: Int, _ node: NodeID, _ report: SegmentReport, into actions: inout [RecoveryAction]
    ) {
        groups[place].note(report, of: node, isDecided: phase != .claiming)
        switch phase {
        case .claiming:
            // A newer membership than the one the hint was made of leads on to its nodes.
            ask(place, groups[place].tenure?.membership.nodes ?? [], into: &actions)
            if place == 0 { discover(into: &actions) }
            guard groups.allSatisfy({ $0.hasQuorum(rules) { _ in true } }) else { return }
            findEnd(into: &actions)
        case .repairing: repair(place, into: &actions)
        case .installing, .done, .lost: break
        }
    }

    /// Group 0's newest map says which groups there are: a group is entered there before any batch names it.
    private mutating func discover(into actions: inout [RecoveryAction]) {
        guard groups[0].hasQuorum(rules, { _ in true }) else { return }
        for placement in groups[0].tenure?.groups ?? [] where placement.group != .namespace {
            let place = groups.firstIndex { $0.group >= placement.group } ?? groups.count
            if place == groups.count || groups[place].group != placement.group {
                groups.insert(RecoveringGroup(group: placement.group, asked: []), at: place)
            }
            let hint = hints.first { $0.group == placement.group }?.nodes ?? []
            ask(place, placement.nodes + hint.filter { !placement.nodes.contains($0) }, into: &actions)
        }
    }

    private mutating func findEnd(into actions: inout [RecoveryAction]) {
        switch RecoveredEnd.find(in: groups, rules) {
        case .success(let end):
            obstacle = nil
            self.end = end
            phase = .repairing
            for place in groups.indices {
                groups[place].wanted = rules.repairBeforeTruncation ? end.parts[place] : []
                repair(place, into: &actions)
            }
            proceed(into: &actions)
        case .failure(let found):
            if obstacle != found.obstacle { actions.append(.blocked(found.obstacle)) }
            obstacle = found.obstacle
        }
    }
}
