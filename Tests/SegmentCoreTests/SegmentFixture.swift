// SPDX-License-Identifier: Apache-2.0

import SegmentCore
import VolumeModel

/// A segment `a1` of group 0 under a tenure, and the few words the transcripts need.
struct SegmentFixture {
    static let volume = VolumeID(1)
    static let nodes = ["a1", "a2", "b1", "b2", "c1", "c2"].compactMap { NodeID($0) }
    static let driver = Peer.driver(1)
    static let members = Membership(epoch: MembershipEpoch(1), sets: [nodes])

    var machine: SegmentMachine
    private var token: UInt64 = 0
    /// Every record persisted, in order: the journal.
    var journal: [Durable] = []

    /// - Parameter epoch: of the tenure in force, from the start of the log
    init(epoch: UInt32 = 1, group: GroupID = .namespace, rules: SafetyRules = .all) {
        machine = SegmentMachine(volume: Self.volume, group: group, node: Self.nodes[0], rules: rules)
        _ = tell(.install(Self.tenure(epoch)))
        _ = flush()
    }

    static func tenure(
        _ epoch: UInt32, from: UInt64 = 0, bound: UInt64 = 0, after: [Truncation] = [], revision: UInt32 = 1
    ) -> Tenure {
        Tenure(
            truncations: after + [Truncation(epoch: VolumeEpoch(epoch), from: LSN(from), bound: LSN(bound))],
            membership: members, revision: revision)
    }

    static func part(_ epoch: UInt32, _ start: UInt64, _ end: UInt64, previous: UInt64? = nil) -> BatchHeader {
        BatchHeader(
            volume: volume, group: .namespace, epoch: VolumeEpoch(epoch), membershipEpoch: MembershipEpoch(1),
            start: LSN(start), end: LSN(end), previous: LSN(previous ?? start), payloadBytes: 10)
    }

    /// Tells the machine; returns what it does beside persisting.
    mutating func tell(_ message: SegmentMessage, from peer: Peer = driver) -> [SegmentAction] {
        var actions: [SegmentAction] = []
        machine.receive(message, from: peer, into: &actions)
        return keep(actions)
    }

    mutating func append(_ header: BatchHeader, vdl: UInt64 = 0) -> [SegmentAction] {
        tell(.append(header, vdl: LSN(vdl), membership: MembershipEpoch(1)))
    }

    /// Everything persisted reaches the disk.
    mutating func flush() -> [SegmentAction] {
        var actions: [SegmentAction] = []
        machine.flushed(upTo: token, into: &actions)
        return keep(actions)
    }

    mutating func keep(_ actions: [SegmentAction]) -> [SegmentAction] {
        actions.filter { action in
            guard case .persist(let record, let token) = action else { return true }
            journal.append(record)
            self.token = token
            return false
        }
    }

    static func acknowledged(_ epoch: UInt32, _ scl: UInt64) -> SegmentAction {
        .reply(driver, .acknowledged(epoch: VolumeEpoch(epoch), scl: LSN(scl)))
    }

    static func refused(_ refusal: Refusal) -> SegmentAction { .reply(driver, .refused(refusal)) }
}
