// SPDX-License-Identifier: Apache-2.0

internal import SegmentCore
internal import VolumeModel

/// The writer's view of one protection group: who has what, and which changes are under way.
struct WriterGroup: Sendable {
    let group: GroupID
    /// The newest tenure proposed, decided or not.
    var tenure: Tenure
    /// Every segment the group has had since the writer began that may still count, sorted.
    var nodes: [Member]
    /// The sets of every membership from the last decided one to the newest: a quorum is needed in each.
    var sets: [[Int]] = []
    var memberships: [Membership]
    /// End of the group's last part, of its last durable part, and the highest LSN on its write quorum.
    var end: LSN
    var durableEnd: LSN
    var pgcl: LSN
    /// Parts that are not durable yet.
    var parts = Window<BatchHeader>()
    /// What becomes true once a revision is decided, ascending.
    var pending: [(revision: UInt32, outcome: Outcome)] = []
    /// Steps of a change of members still to come.
    var plan: [Step] = []
    /// Batches may name it.
    var isOpen: Bool

    struct Member: Sendable {
        let node: NodeID
        var scl = LSN.zero
        /// The newest revision of this epoch that it has on disk.
        var revision: UInt32 = 0
        /// It has answered this writer, so it exists and has the writer's tenure.
        var isKnown = false
        /// Made by this writer and not heard of yet: the only segments that may be created.
        var isFresh = false
    }

    enum Outcome: Hashable, Sendable {
        case stepped
        case replaced
        case reversed
        case populated
        case mapped([GroupID])
    }

    /// One change of the membership.
    struct Step: Hashable, Sendable {
        var sets: [[NodeID]]
        /// A segment to make first.
        var creates: NodeID?
        /// A segment whose catching up the step waits for.
        var after: NodeID?
        var outcome: Outcome
    }

    init(_ recovered: RecoveredVolume.Group, isOpen: Bool = true) {
        group = recovered.group
        tenure = recovered.tenure
        nodes = recovered.tenure.membership.nodes.map { Member(node: $0) }
        memberships = [recovered.tenure.membership]
        (end, durableEnd, pgcl) = (recovered.end, recovered.end, recovered.end)
        self.isOpen = isOpen
        indexSets()
    }

    func index(of node: NodeID) -> Int? { nodes.firstIndex { $0.node == node } }

    /// Sets as indices into `nodes`.
    mutating func indexSets() {
        var seen: [[NodeID]] = []
        for set in memberships.flatMap(\.sets) where !seen.contains(set) { seen.append(set) }
        sets = seen.map { set in set.compactMap { index(of: $0) } }
    }

    /// The highest LSN that a write quorum of every set has reached.
    func quorumLSN(_ rules: SafetyRules) -> LSN {
        var lowest = LSN(.max)
        var highest = LSN.zero
        for set in sets {
            let reached = quorumLSN(of: set, rules.writeQuorum)
            lowest = min(lowest, reached)
            highest = max(highest, reached)
        }
        return rules.bothSetsDuringChange ? lowest : highest
    }

    /// The `quorum`-th highest SCL of a set. Sets are of six: counting beats sorting.
    private func quorumLSN(of set: [Int], _ quorum: Int) -> LSN {
        var best = LSN.zero
        for candidate in set where nodes[candidate].scl > best {
            let scl = nodes[candidate].scl
            var count = 0
            for other in set where nodes[other].scl >= scl { count += 1 }
            if count >= quorum { best = scl }
        }
        return best
    }

    /// Whether a write quorum of every membership from the last decided one to `revision`'s has `revision`.
    func isDecided(_ revision: UInt32, _ rules: SafetyRules) -> Bool {
        memberships.allSatisfy { membership in
            membership.hasWriteQuorum(rules) { node in index(of: node).map { nodes[$0].revision >= revision } ?? false }
        }
    }

    /// Whether `node` and a write quorum of the sets to come have all that is durable.
    func hasCaughtUp(_ node: NodeID, for sets: [[NodeID]], _ rules: SafetyRules) -> Bool {
        func has(_ node: NodeID) -> Bool {
            index(of: node).map { nodes[$0].isKnown && nodes[$0].scl >= durableEnd } ?? false
        }
        return has(node) && Membership(epoch: tenure.membership.epoch, sets: sets).hasQuorum(rules.writeQuorum, has)
    }

    /// Whether a write quorum of each set has been heard of.
    func canDecide(_ sets: [[NodeID]], _ rules: SafetyRules) -> Bool {
        Membership(epoch: tenure.membership.epoch, sets: sets).hasQuorum(rules.writeQuorum) { node in
            index(of: node).map { nodes[$0].isKnown } ?? false
        }
    }
}
