// SPDX-License-Identifier: Apache-2.0

internal import VolumeModel

/// Peers tell each other what they have and send what the other lacks.
extension SegmentMachine {
    /// Time to gossip: a summary to one other member.
    package mutating func tick(random: inout some RandomNumberGenerator, into actions: inout [SegmentAction]) {
        guard isMember else { return }
        let peers = tenure.membership.nodes.filter { $0 != node }
        guard let peer = peers.randomElement(using: &random) else { return }
        actions.append(.send(peer, .summary(summary())))
    }

    func summary() -> SegmentSummary {
        SegmentSummary(
            scl: scl, knownVDL: knownVDL, stamp: tenure.stamp,
            held: loose.prefix(Self.gossipBatches).map(\.header.end))
    }

    mutating func answer(_ summary: SegmentSummary, from peer: Peer, into actions: inout [SegmentAction]) {
        guard case .node(let node) = peer, tenure.revision > 0 else { return }
        if summary.stamp < tenure.stamp {
            actions.append(.send(node, .install(tenure)))
        } else if summary.stamp > tenure.stamp {
            // It will send its tenure, and what we lack, in answer to ours.
            actions.append(.send(node, .summary(self.summary())))
        }
        learn(vdl: summary.knownVDL, under: summary.stamp.epoch)
        if summary.scl < floor.previous {
            return actions.append(.send(node, .tooOld(floor: floor.lsn)))
        }
        sendMissing(summary, to: node, into: &actions)
    }

    private func sendMissing(_ summary: SegmentSummary, to node: NodeID, into actions: inout [SegmentAction]) {
        var bytes = 0
        var count = 0
        var held = summary.held[...]
        let start = chain.partition { $0.header.end <= summary.scl }
        for entry in chain.suffix(from: start) + loose where entry.header.end > summary.scl {
            guard count < Self.gossipBatches, bytes < Self.gossipBytes else { return }
            while let first = held.first, first < entry.header.end { held.removeFirst() }
            // What it has, and what may still be lost here, is not sent.
            guard held.first != entry.header.end, isDurable(entry) else { continue }
            actions.append(.sendBatch(.node(node), entry.header))
            count += 1
            bytes += Int(entry.header.payloadBytes)
        }
    }
}
