// SPDX-License-Identifier: Apache-2.0

import SegmentCore
import Testing
import VolumeModel

private typealias F = SegmentFixture

@Suite struct SegmentMachineTests {
    // MARK: - Appending

    @Test func `a part is acknowledged only once it is on disk`() {
        var segment = F()
        #expect(segment.append(F.part(1, 0, 10)) == [])
        #expect(segment.machine.scl == LSN(0))
        #expect(segment.flush() == [F.acknowledged(1, 10)])
        #expect(segment.machine.scl == LSN(10))
    }

    @Test func `one flush is answered once for all parts before it`() {
        var segment = F()
        _ = segment.append(F.part(1, 0, 10))
        _ = segment.append(F.part(1, 10, 20))
        #expect(segment.flush() == [F.acknowledged(1, 20)])
    }

    @Test func `the SCL stops at a hole and jumps over it when it is filled`() {
        var segment = F()
        _ = segment.append(F.part(1, 0, 10))
        _ = segment.append(F.part(1, 20, 30))
        _ = segment.append(F.part(1, 30, 40))
        #expect(segment.flush() == [F.acknowledged(1, 10)])
        #expect(segment.machine.hasHoles)
        #expect(segment.tell(.repair(F.part(1, 10, 20)), from: .node(F.nodes[1])) == [])
        #expect(segment.flush() == [F.acknowledged(1, 40)], "the writer hears of holes that gossip has closed")
        #expect(!segment.machine.hasHoles)
    }

    @Test func `a doubled part is stored once and acknowledged again`() {
        var segment = F()
        _ = segment.append(F.part(1, 0, 10))
        #expect(segment.append(F.part(1, 0, 10)) == [], "the first one's flush answers both")
        _ = segment.flush()
        #expect(segment.append(F.part(1, 0, 10)) == [F.acknowledged(1, 10)])
        #expect(segment.journal.count == 2)
    }

    @Test func `a part that comes again while it waits behind a fork is not thrown away`() {
        // Found by the simulator, seed 197: the host dropped the payload of a part that the chain had taken.
        var segment = F()
        _ = segment.append(F.part(1, 10, 50))
        _ = segment.append(F.part(1, 50, 60))
        _ = segment.tell(.repair(F.part(2, 70, 80, previous: 20)), from: .node(F.nodes[1]))
        _ = segment.append(F.part(1, 0, 10))
        #expect(!segment.append(F.part(1, 10, 50)).contains(.discard(F.part(1, 10, 50))))
        _ = segment.flush()
        #expect(segment.machine.history(after: LSN(0), upTo: LSN(60)).count == 3)
    }

    @Test(arguments: [
        BatchHeader(
            volume: VolumeID(2), group: .namespace, epoch: VolumeEpoch(1), membershipEpoch: MembershipEpoch(1),
            start: LSN(0), end: LSN(10), previous: LSN(0)),
        BatchHeader(
            volume: VolumeID(1), group: GroupID(3), epoch: VolumeEpoch(1), membershipEpoch: MembershipEpoch(1),
            start: LSN(0), end: LSN(10), previous: LSN(0)),
        F.part(1, 10, 10), F.part(1, 0, 10, previous: 10),
    ])
    func `a part that makes no sense is refused and traps nothing`(header: BatchHeader) {
        var segment = F()
        #expect(segment.append(header) == [F.refused(.malformed)])
        #expect(segment.journal.count == 1)
    }

    // MARK: - Epochs and members

    @Test
    func `a writer of an older epoch is refused once a newer one is promised, though the promise is not on disk yet`() {
        var segment = F()
        #expect(segment.tell(.claim(VolumeEpoch(2), claimant: 7)) == [])
        #expect(segment.append(F.part(1, 0, 10)) == [F.refused(.staleEpoch(VolumeEpoch(2)))])
    }

    @Test func `a segment that has promised takes nothing from the new writer before it knows the truncation`() {
        var segment = F()
        _ = segment.tell(.claim(VolumeEpoch(2), claimant: 7))
        _ = segment.flush()
        let stamp = Tenure.Stamp(epoch: VolumeEpoch(1), revision: 1)
        #expect(segment.append(F.part(2, 100, 110, previous: 0)) == [F.refused(.needsTenure(stamp))])
    }

    @Test func `an epoch is promised to one claimant, who may ask again`() {
        var segment = F()
        _ = segment.tell(.claim(VolumeEpoch(2), claimant: 7))
        _ = segment.flush()
        #expect(segment.tell(.claim(VolumeEpoch(2), claimant: 8)) == [F.refused(.staleEpoch(VolumeEpoch(2)))])
        #expect(
            segment.tell(.claim(VolumeEpoch(2), claimant: 7)) == [.reply(F.driver, .report(segment.machine.report()))])
    }

    @Test func `a report shows all that was taken before the promise, and is sent when both are on disk`() throws {
        var segment = F()
        _ = segment.append(F.part(1, 0, 10))
        _ = segment.append(F.part(1, 20, 30))
        #expect(segment.tell(.claim(VolumeEpoch(2), claimant: 7)) == [])
        let report = try #require(
            segment.flush().compactMap { action -> SegmentReport? in
                if case .reply(_, .report(let report)) = action { report } else { nil }
            }.first)
        #expect(report.headers == [F.part(1, 0, 10), F.part(1, 20, 30)])
        #expect(report.promised == VolumeEpoch(2))
        #expect(report.complete == LSN(0), "no VDL was told, so nothing is known to be history")
    }

    @Test func `a claim overtaken by another before its flush is refused, not reported`() {
        var segment = F()
        _ = segment.tell(.claim(VolumeEpoch(2), claimant: 7))
        _ = segment.tell(.claim(VolumeEpoch(3), claimant: 8), from: .driver(2))
        let answers = segment.flush()
        #expect(answers.first == F.refused(.staleEpoch(VolumeEpoch(3))))
        #expect(answers.count == 2)
    }

    @Test func `a request under an older membership is refused with the newer one`() {
        var segment = F()
        var tenure = F.tenure(1, revision: 2)
        tenure.membership = Membership(epoch: MembershipEpoch(2), sets: [F.nodes])
        _ = segment.tell(.install(tenure))
        #expect(segment.append(F.part(1, 0, 10)) == [F.refused(.staleMembership(tenure.membership))])
    }

    @Test func `a segment that has left the membership refuses`() {
        var segment = F()
        var tenure = F.tenure(1, revision: 2)
        tenure.membership = Membership(epoch: MembershipEpoch(2), sets: [Array(F.nodes.dropFirst())])
        _ = segment.tell(.install(tenure))
        #expect(
            segment.tell(.append(F.part(1, 0, 10), vdl: .zero, membership: MembershipEpoch(2)))
                == [F.refused(.notMember(tenure.membership))])
    }

    // MARK: - Truncation

    @Test func `a tenure annuls what older writers left above its truncation, for good`() {
        var segment = F()
        _ = segment.append(F.part(1, 0, 10))
        _ = segment.append(F.part(1, 10, 20))
        _ = segment.append(F.part(1, 30, 40))
        _ = segment.flush()
        let tenure = F.tenure(2, from: 10, bound: 100, after: segment.machine.truncations)
        #expect(
            Set(segment.tell(.install(tenure))) == [.discard(F.part(1, 10, 20)), .discard(F.part(1, 30, 40))])
        #expect(segment.flush() == [.reply(F.driver, .installed(tenure.stamp, scl: LSN(10)))])
        #expect(segment.tell(.repair(F.part(1, 10, 20)), from: .node(F.nodes[1])) == [])
        #expect(segment.machine.retained == [F.part(1, 0, 10)])
        _ = segment.append(F.part(2, 100, 110, previous: 10))
        #expect(segment.flush() == [F.acknowledged(2, 110)])
    }

    @Test func `a newer tenure without a dead takeover's truncation replaces it`() {
        var segment = F()
        _ = segment.append(F.part(1, 0, 10))
        _ = segment.append(F.part(1, 10, 20))
        _ = segment.flush()
        // Epoch 2 did not see the second part and died; epoch 3 saw the part and not epoch 2's truncation.
        _ = segment.tell(.install(F.tenure(2, from: 10, bound: 100, after: F.tenure(1).truncations)))
        #expect(segment.machine.retained.count == 1)
        _ = segment.tell(.install(F.tenure(3, from: 20, bound: 200, after: F.tenure(1).truncations)))
        #expect(segment.tell(.repair(F.part(1, 10, 20)), from: .node(F.nodes[1])) == [])
        #expect(segment.machine.retained.count == 2)
    }

    @Test func `gossip brings no tenure below the promise`() {
        var segment = F()
        _ = segment.append(F.part(1, 0, 10))
        _ = segment.append(F.part(1, 10, 20))
        _ = segment.tell(.claim(VolumeEpoch(3), claimant: 7))
        let tenure = F.tenure(2, from: 10, bound: 100, after: F.tenure(1).truncations)
        #expect(segment.tell(.install(tenure), from: .node(F.nodes[1])) == [])
        #expect(segment.machine.retained.count == 2, "epoch 3 has been told of the second part and counts on it")
    }

    @Test func `a repair is refused once a newer driver has claimed`() {
        var segment = F()
        _ = segment.tell(.claim(VolumeEpoch(3), claimant: 7))
        #expect(
            segment.tell(.push(F.part(1, 0, 10), epoch: VolumeEpoch(2))) == [F.refused(.staleEpoch(VolumeEpoch(3)))])
        #expect(segment.tell(.push(F.part(1, 0, 10), epoch: VolumeEpoch(3))) == [])
        #expect(segment.flush().contains(.reply(F.driver, .pushed(epoch: VolumeEpoch(3), end: LSN(10)))))
    }

    @Test func `a VDL told under newer truncations does not make history of annulled parts`() {
        var segment = F()
        _ = segment.append(F.part(1, 0, 10))
        _ = segment.flush()
        let summary = SegmentSummary(
            scl: LSN(0), knownVDL: LSN(500), stamp: .init(epoch: VolumeEpoch(2), revision: 1), held: [])
        _ = segment.tell(.summary(summary), from: .node(F.nodes[1]))
        #expect(segment.machine.knownVDL == LSN(0))
        #expect(segment.machine.complete == LSN(0))
    }

    @Test(arguments: [
        Tenure(membership: Membership(epoch: MembershipEpoch(9), sets: []), revision: 9),
        F.tenure(5, from: 10, bound: 5),
        F.tenure(2, after: F.tenure(5).truncations),
    ])
    func `a tenure that makes no sense is refused`(tenure: Tenure) {
        var segment = F()
        #expect(segment.tell(.install(tenure)) == [F.refused(.malformed)])
        #expect(segment.machine.tenure == F.tenure(1))
    }
}
