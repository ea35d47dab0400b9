// SPDX-License-Identifier: Apache-2.0

import QuorumCore
import SegmentCore
import VolumeModel

/// Six real segments of group 0 whose disks are instant and whose network is a function call.
struct Fleet {
    var segments: [SegmentMachine]
    var up: Set<NodeID> = Set(sixNodes)
    private var tokens: [UInt64]

    init(rules: SafetyRules = .all) {
        segments = sixNodes.map {
            SegmentMachine(volume: VolumeID(1), group: .namespace, node: $0, rules: rules)
        }
        tokens = Array(repeating: 0, count: sixNodes.count)
        let tenure = Tenure(
            membership: Membership(epoch: MembershipEpoch(1), sets: [sixNodes]),
            groups: [GroupPlacement(group: .namespace, nodes: sixNodes)])
        for node in sixNodes { _ = tell(node, .install(tenure)) }
    }

    subscript(node: NodeID) -> SegmentMachine { segments[sixNodes.firstIndex(of: node) ?? 0] }

    /// Tells a segment something and flushes; returns its answers to the driver.
    mutating func tell(_ node: NodeID, _ message: SegmentMessage, by driver: UInt64 = 1) -> [SegmentReply] {
        guard let index = sixNodes.firstIndex(of: node), up.contains(node) else { return [] }
        var actions: [SegmentAction] = []
        segments[index].receive(message, from: .driver(driver), into: &actions)
        for case .persist(_, let token) in actions { tokens[index] = token }
        segments[index].flushed(upTo: tokens[index], into: &actions)
        return actions.compactMap { action in
            switch action {
            case .reply(_, let reply): reply
            case .sendBatch(_, let header): .batch(header)
            case .persist, .send, .discard, .needSnapshot: nil
            }
        }
    }

    /// A writer appends a batch that reaches only some nodes.
    mutating func write(_ end: UInt64, by writer: inout WriterMachine, reaching nodes: some Sequence<NodeID>) {
        let headers = writer.append(end, 0)
        for node in nodes { send(headers[0], to: node, by: &writer) }
    }

    mutating func send(_ header: BatchHeader, to node: NodeID, by writer: inout WriterMachine) {
        for reply in tell(node, .append(header, vdl: writer.vdl, membership: header.membershipEpoch)) {
            if case .acknowledged(let epoch, let scl) = reply {
                _ = writer.acknowledged(group: .namespace, node: node, epoch: epoch, scl: scl)
            }
        }
    }

    /// Runs a takeover among the nodes that are up, for some rounds of repetition.
    /// - Parameter stop: called with each action; true drops it and everything after it, as if the driver had died
    mutating func takeOver(
        epoch: UInt32, claimant: UInt64 = 7, rules: SafetyRules = .all,
        until stop: (RecoveryAction) -> Bool = { _ in false }
    ) -> (volume: RecoveredVolume?, log: [RecoveryAction]) {
        var machine = RecoveryMachine(
            volume: VolumeID(1), epoch: VolumeEpoch(epoch), claimant: claimant, lal: 100,
            hints: [GroupPlacement(group: .namespace, nodes: sixNodes)], rules: rules)
        var queue = machine.start()
        var log: [RecoveryAction] = []
        for _ in 0..<3 {
            while !queue.isEmpty {
                let action = queue.removeFirst()
                if stop(action) { return (nil, log) }
                log.append(action)
                switch action {
                case .send(_, let node, let message):
                    for reply in tell(node, message, by: claimant) {
                        queue += machine.replied(group: .namespace, node: node, reply)
                    }
                case .pull(_, let node, let header):
                    for reply in tell(node, .pull(end: header.end, epoch: machine.epoch), by: claimant) {
                        if case .batch(let header) = reply {
                            queue += machine.pulled(group: .namespace, header)
                        } else {
                            queue += machine.replied(group: .namespace, node: node, reply)
                        }
                    }
                case .push(_, let node, let header):
                    for reply in tell(node, .push(header, epoch: machine.epoch), by: claimant) {
                        queue += machine.replied(group: .namespace, node: node, reply)
                    }
                case .release, .blocked: break
                case .lost: return (nil, log)
                case .ready(let volume): return (volume, log)
                }
            }
            queue = machine.tick()
        }
        return (nil, log)
    }
}
