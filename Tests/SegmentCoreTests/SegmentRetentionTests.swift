// SPDX-License-Identifier: Apache-2.0

import SegmentCore
import Testing
import VolumeModel

private typealias F = SegmentFixture

/// A generator that counts.
private struct Counting: RandomNumberGenerator {
    var count: UInt64 = 0

    mutating func next() -> UInt64 {
        count &+= 0x1234_5678_9abc_def1
        return count
    }
}

@Suite struct SegmentRetentionTests {
    /// Four parts of ten bytes, on disk, the first `vdl` bytes known to be history.
    private func filled(vdl: UInt64) -> F {
        var segment = F()
        for start in stride(from: UInt64(0), to: 40, by: 10) {
            _ = segment.append(F.part(1, start, start + 10), vdl: vdl)
        }
        _ = segment.flush()
        _ = segment.tell(.vdl(LSN(vdl), epoch: VolumeEpoch(1)))
        return segment
    }

    @Test func `a read as of an LSN within a part sees that part`() {
        let machine = filled(vdl: 40).machine
        #expect(machine.history(after: .zero, asOf: LSN(20)).map(\.end) == [LSN(10), LSN(20)])
        #expect(machine.history(after: .zero, asOf: LSN(21)).map(\.end) == [LSN(10), LSN(20), LSN(30)])
        #expect(machine.history(after: LSN(10), asOf: LSN(21)).map(\.end) == [LSN(20), LSN(30)])
    }

    // MARK: - Start-up

    @Test(arguments: 0...6)
    func `any beginning of the journal gives a segment that has what was in it`(kept: Int) {
        var segment = filled(vdl: 20)
        _ = segment.tell(.claim(VolumeEpoch(2), claimant: 7))
        _ = segment.flush()
        var restarted = SegmentMachine(volume: F.volume, group: .namespace, node: F.nodes[0])
        for record in segment.journal.prefix(kept) { restarted.replay(record) }
        #expect(restarted.scl == LSN(UInt64(max(0, min(kept - 1, 4))) * 10))
        #expect(restarted.promised == VolumeEpoch(kept == 0 ? 0 : kept == 6 ? 2 : 1))
    }

    @Test func `a checkpoint and the parts above the floor stand for the whole journal`() {
        var segment = filled(vdl: 20)
        var actions: [SegmentAction] = []
        _ = segment.machine.layered(upTo: LSN(20), into: &actions)
        _ = segment.keep(actions)
        _ = segment.flush()
        var restarted = SegmentMachine(volume: F.volume, group: .namespace, node: F.nodes[0])
        for record in segment.machine.checkpoint { restarted.replay(record) }
        for header in segment.machine.retained { restarted.replay(.batch(header, vdl: LSN(20))) }
        #expect(restarted.report() == segment.machine.report())
        #expect(restarted.scl == LSN(40))
    }

    @Test func `a record lost to rot is a hole, and its part is taken again`() {
        let segment = filled(vdl: 40)
        var restarted = SegmentMachine(volume: F.volume, group: .namespace, node: F.nodes[0])
        for (index, record) in segment.journal.enumerated() where index != 2 { restarted.replay(record) }
        #expect(restarted.scl == LSN(10))
        var actions: [SegmentAction] = []
        restarted.receive(.repair(F.part(1, 10, 20)), from: .node(F.nodes[1]), into: &actions)
        restarted.flushed(upTo: 1, into: &actions)
        #expect(restarted.scl == LSN(40))
    }

    @Test func `a part found unreadable while running is a hole too`() {
        var segment = filled(vdl: 40)
        var actions: [SegmentAction] = []
        segment.machine.corrupted(end: LSN(20), into: &actions)
        #expect(actions == [.discard(F.part(1, 10, 20))])
        #expect(segment.machine.scl == LSN(10))
        _ = segment.append(F.part(1, 10, 20))
        #expect(segment.flush() == [F.acknowledged(1, 40)])
    }

    // MARK: - Layers

    @Test func `layers take only what is history`() {
        var segment = filled(vdl: 20)
        var actions: [SegmentAction] = []
        #expect(segment.machine.layered(upTo: LSN(40), into: &actions) == [F.part(1, 0, 10), F.part(1, 10, 20)])
        #expect(segment.machine.floor == Floor(lsn: LSN(20), previous: LSN(20)))
        #expect(segment.machine.retained == [F.part(1, 20, 30), F.part(1, 30, 40)])
        #expect(segment.machine.scl == LSN(40))
    }

    @Test func `group 0 remembers every group's last part beyond its floor`() {
        var segment = F()
        for (index, groups) in [[1, 2], [1], []].enumerated() {
            var header = F.part(1, UInt64(index) * 10, UInt64(index) * 10 + 10)
            header.participants = groups.map { GroupID(UInt32($0)) }
            _ = segment.append(header, vdl: 0)
        }
        _ = segment.flush()
        _ = segment.tell(.vdl(LSN(30), epoch: VolumeEpoch(1)))
        var actions: [SegmentAction] = []
        _ = segment.machine.layered(upTo: LSN(10), into: &actions)
        #expect(
            segment.machine.floor.ends == [
                GroupEnd(group: GroupID(1), end: LSN(10)), GroupEnd(group: GroupID(2), end: LSN(10)),
            ])
        let tail = segment.machine.report().tail
        #expect(
            tail
                == Floor(
                    lsn: LSN(30), previous: LSN(30),
                    ends: [GroupEnd(group: GroupID(1), end: LSN(20)), GroupEnd(group: GroupID(2), end: LSN(10))]))
    }

    // MARK: - Gossip

    @Test func `a summary is answered with the parts the peer lacks`() {
        var segment = filled(vdl: 20)
        let summary = SegmentSummary(
            scl: LSN(10), knownVDL: LSN(0), stamp: segment.machine.tenure.stamp, held: [LSN(30)])
        let peer = F.nodes[3]
        #expect(
            segment.tell(.summary(summary), from: .node(peer)) == [
                .sendBatch(.node(peer), F.part(1, 10, 20)), .sendBatch(.node(peer), F.part(1, 30, 40)),
            ])
    }

    @Test func `a peer behind our floor is told so and copies layers`() {
        var segment = filled(vdl: 20)
        var actions: [SegmentAction] = []
        _ = segment.machine.layered(upTo: LSN(20), into: &actions)
        let summary = SegmentSummary(scl: LSN(0), knownVDL: LSN(0), stamp: segment.machine.tenure.stamp, held: [])
        let peer = F.nodes[3]
        #expect(segment.tell(.summary(summary), from: .node(peer)) == [.send(peer, .tooOld(floor: LSN(20)))])
        var laggard = F()
        #expect(laggard.tell(.tooOld(floor: LSN(20)), from: .node(peer)) == [.needSnapshot(from: peer, after: LSN(0))])
        var copied: [SegmentAction] = []
        #expect(laggard.machine.installSnapshot(segment.machine.floor, into: &copied))
        #expect(laggard.machine.scl == LSN(0), "not before the floor is on disk")
        _ = laggard.keep(copied)
        _ = laggard.flush()
        #expect(laggard.machine.scl == LSN(20))
        #expect(laggard.machine.complete == LSN(20))
        #expect(laggard.machine.knownVDL == LSN(0), "its LSN says nothing to peers of the same tenure")
    }

    @Test func `a peer with older truncations is sent ours`() {
        var segment = F(epoch: 2)
        let summary = SegmentSummary(
            scl: LSN(0), knownVDL: LSN(0), stamp: .init(epoch: VolumeEpoch(1), revision: 4), held: [])
        #expect(
            segment.tell(.summary(summary), from: .node(F.nodes[1]))
                == [.send(F.nodes[1], .install(segment.machine.tenure))])
    }

    @Test func `a tick sends a summary to one other member`() {
        var segment = filled(vdl: 20)
        var random = Counting()
        var actions: [SegmentAction] = []
        segment.machine.tick(random: &random, into: &actions)
        guard case .send(let peer, .summary(let summary))? = actions.first else {
            Issue.record("no summary")
            return
        }
        #expect(peer != F.nodes[0] && F.nodes.contains(peer))
        #expect(summary.scl == LSN(40) && summary.knownVDL == LSN(20))
    }
}

@Suite struct SegmentRegressionTests {
    /// Found by the simulator (seed 87): a part read from the journal ahead of the hole before it stayed "not on disk".
    @Test func `parts that reached the journal out of order are on disk after a restart`() {
        var segment = SegmentMachine(volume: F.volume, group: .namespace, node: F.nodes[0])
        segment.replay(.tenure(F.tenure(1)))
        for header in [F.part(1, 20, 30), F.part(1, 10, 20), F.part(1, 0, 10)] {
            segment.replay(.batch(header, vdl: .zero))
        }
        #expect(segment.scl == LSN(30))
        #expect(segment.report().headers.count == 3)
    }

    /// Found by the simulator (seed 1131): a driver met the refusal of its own earlier claim and took it for a rival's.
    @Test func `a driver that claims again above its own claim is not answered for the old one`() {
        var segment = F()
        #expect(segment.tell(.claim(VolumeEpoch(2), claimant: 7)) == [])
        #expect(segment.tell(.claim(VolumeEpoch(4), claimant: 8)) == [])
        let answers = segment.flush()
        #expect(answers == [.reply(F.driver, .report(segment.machine.report()))])
        #expect(segment.tell(.claim(VolumeEpoch(2), claimant: 7)) == [], "nor when it arrives twice")
        #expect(segment.tell(.claim(VolumeEpoch(2), claimant: 9), from: .driver(5)).count == 1)
    }

    /// Found by the simulator (seed 43): the LSN of a copied snapshot was passed on to peers with older truncations.
    @Test func `a snapshot from a peer with newer truncations makes no history of our annulled parts`() {
        var segment = F()
        _ = segment.append(F.part(1, 0, 10))
        _ = segment.append(F.part(1, 200, 210))
        _ = segment.flush()
        var actions: [SegmentAction] = []
        #expect(segment.machine.installSnapshot(Floor(lsn: LSN(100), previous: LSN(90)), into: &actions))
        _ = segment.keep(actions)
        _ = segment.flush()
        #expect(segment.machine.complete == LSN(100))
        #expect(segment.machine.knownVDL == LSN(0))
    }
}
