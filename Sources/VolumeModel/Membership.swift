// SPDX-License-Identifier: Apache-2.0

/// The segments of a protection group and the quorums over them.
///
/// Normally one set of six, two in each of three zones. While a node is being replaced there are two overlapping sets,
/// and a quorum must hold in both (Verbitski et al., SIGMOD 2018, section 4.1): the change can be finished or reversed
/// at any point and I/O never stops.
package struct Membership: Hashable, Sendable {
    package static let copies = 6
    package static let writeQuorum = 4
    package static let readQuorum = 3

    package var epoch: MembershipEpoch
    /// One or two sets of `copies` nodes, each sorted.
    package var sets: [[NodeID]]

    package init(epoch: MembershipEpoch, sets: [[NodeID]]) {
        self.epoch = epoch
        self.sets = sets.map { $0.sorted() }
    }

    /// Every node of any set, sorted.
    package var nodes: [NodeID] { Set(sets.joined()).sorted() }

    package func hasQuorum(_ needed: Int, _ holds: (NodeID) -> Bool) -> Bool {
        sets.allSatisfy { set in set.reduce(0) { $0 + (holds($1) ? 1 : 0) } >= needed }
    }

    /// Whether a write quorum holds the predicate.
    package func writeQuorum(_ holds: (NodeID) -> Bool) -> Bool { hasQuorum(Self.writeQuorum, holds) }

    /// Whether a read quorum holds the predicate.
    package func readQuorum(_ holds: (NodeID) -> Bool) -> Bool { hasQuorum(Self.readQuorum, holds) }
}
