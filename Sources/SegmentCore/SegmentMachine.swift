// SPDX-License-Identifier: Apache-2.0

package import VolumeModel

/// One segment: a protection group's copy on one storage node, without its disk and its network.
///
/// What must stay true:
/// 1. *Promise.* Once a claim of epoch e is on disk, nothing of an older driver is acknowledged here, and a tenure of an
///    older epoch is not taken.
/// 2. *Chain.* `chain` holds the parts that follow the floor without a hole, by `previous`; the SCL is the end of its
///    durable beginning. Parts beyond a hole wait in `loose`, sorted by end.
/// 3. *Annulment.* Neither holds a part that the tenure's truncations annul.
/// 4. *History.* What ends at or below min(SCL, `knownVDL`) is the volume's history for ever. `knownVDL` is taken only
///    from a teller whose tenure is not newer than ours, because under older truncations an annulled part looks alive.
///
/// Everything that answers "it is on disk" waits in a queue for `flushed`; records reach the disk in token order.
/// The host calls one method at a time and performs the actions in order. Sources: Verbitski et al., SIGMOD 2017 section 3
/// (SCL, gossip) and SIGMOD 2018 sections 2 to 4 (epochs, truncation, membership).
package struct SegmentMachine: Sendable {
    package let volume: VolumeID
    package let group: GroupID
    package let node: NodeID
    package let rules: SafetyRules

    /// The most batches, and the most payload bytes, that one summary is answered with.
    package static let gossipBatches = 64
    package static let gossipBytes = 1 << 20

    package internal(set) var promised = VolumeEpoch.none
    var claimant: UInt64 = 0
    /// Who was promised it, as long as we remember.
    var promisee: Peer?
    package internal(set) var tenure = Tenure(membership: Membership(epoch: MembershipEpoch(0), sets: []), revision: 0)
    package internal(set) var knownVDL = LSN.zero
    package internal(set) var floor = Floor()

    var chain = Window<Entry>()
    /// How many of the chain's entries, from its start, are on disk.
    var durableCount = 0
    var loose: [Entry] = []
    /// Parts that were on this disk and cannot be read any more. They may have been acknowledged, so their place is not
    /// simply empty: a takeover is told (Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018).
    package internal(set) var lost: [BatchHeader] = []

    var lastToken: UInt64 = 0
    var flushedToken: UInt64 = 0
    var waiting = Window<Waiting>()
    /// The connection that the writer of the promised epoch last used, and what it has not been told.
    var writer: (peer: Peer, epoch: VolumeEpoch)?
    var unacknowledged: ClosedRange<UInt64>?
    var toldSCL = LSN.zero
    /// A snapshot's floor, in force once its record is on disk.
    var arrivingFloor: (floor: Floor, token: UInt64)?

    struct Entry: Sendable {
        var header: BatchHeader
        /// The journal record's token; 0 for a record read at start-up.
        var token: UInt64
    }

    /// An answer that is due once everything up to `token` is on disk.
    struct Waiting: Sendable {
        var token: UInt64
        var answer: Answer
        var peer: Peer

        enum Answer: Sendable {
            case pushed(VolumeEpoch, end: LSN)
            case installed
            case report(VolumeEpoch)
        }
    }

    /// A segment with nothing in it and no promise; it takes part once it is given a tenure.
    package init(volume: VolumeID, group: GroupID, node: NodeID, rules: SafetyRules = .all) {
        self.volume = volume
        self.group = group
        self.node = node
        self.rules = rules
    }

    // MARK: - What it has

    package var membership: Membership { tenure.membership }
    package var truncations: [Truncation] { tenure.truncations }
    package var isMember: Bool { tenure.membership.sets.contains { $0.contains(node) } }

    /// The end of the unbroken chain, whether on disk or not.
    var chainEnd: LSN { chain.last?.header.end ?? floor.previous }

    /// The end of the unbroken chain that is on disk: always the end of a part, or zero.
    package var scl: LSN {
        if !rules.stopAtHoles, let end = loose.last(where: { isDurable($0) })?.header.end { return end }
        return durableCount > 0 ? chain[durableCount - 1].header.end : floor.previous
    }

    /// The volume's history is complete here up to this: what a read may ask for and layers may hold.
    package var complete: LSN { max(floor.lsn, min(scl, knownVDL)) }

    /// Headers of the durable parts that end in (`after`, `upTo`] without a hole, ascending. Cost: their number.
    package func history(after: LSN, upTo: LSN) -> [BatchHeader] {
        let start = chain.partition { $0.header.end <= after }
        return chain.suffix(from: min(start, durableCount)).prefix { $0.header.end <= upTo && isDurable($0) }.map(
            \.header)
    }

    /// Headers of the durable parts above the floor and ending after `after` that a read as of `at` has to see, ascending: the
    /// last one may end after `at`, for an LSN lies within a batch more often than at its end. Cost: their number.
    package func history(after: LSN, asOf at: LSN) -> [BatchHeader] {
        let start = chain.partition { $0.header.end <= after }
        return chain.suffix(from: min(start, durableCount)).prefix { $0.header.start < at && isDurable($0) }
            .map(\.header)
    }

    /// Every part held above the floor, on disk or on its way there: the chain, then those beyond holes.
    package var retained: [BatchHeader] { chain.suffix(from: 0).map(\.header) + loose.map(\.header) }

    /// Whether it holds parts beyond a hole.
    package var hasHoles: Bool { !loose.isEmpty }

    func isDurable(_ entry: Entry) -> Bool { entry.token <= flushedToken }

    // MARK: - What it is told

    /// - Parameter actions: what the host has to do, appended in order.
    package mutating func receive(_ message: SegmentMessage, from peer: Peer, into actions: inout [SegmentAction]) {
        switch message {
        case .append(let header, let vdl, let membership):
            append(header, vdl: vdl, under: membership, from: peer, into: &actions)
        case .push(let header, let epoch): push(header, epoch: epoch, from: peer, into: &actions)
        case .repair(let header): _ = store(header, into: &actions)
        case .claim(let epoch, let claimant): claim(epoch, by: claimant, from: peer, into: &actions)
        case .install(let tenure): install(tenure, from: peer, into: &actions)
        case .vdl(let vdl, let epoch): heartbeat(vdl, epoch: epoch, from: peer, into: &actions)
        case .pull(let end, let epoch): pull(end, epoch: epoch, from: peer, into: &actions)
        case .summary(let summary): answer(summary, from: peer, into: &actions)
        case .tooOld(let floor):
            if case .node(let node) = peer, floor > complete { actions.append(.needSnapshot(from: node, after: scl)) }
        }
    }

    @discardableResult
    mutating func persist(_ record: Durable, into actions: inout [SegmentAction]) -> UInt64 {
        lastToken += 1
        actions.append(.persist(record, token: lastToken))
        return lastToken
    }
}
