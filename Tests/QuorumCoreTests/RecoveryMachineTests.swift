// SPDX-License-Identifier: Apache-2.0

import QuorumCore
import SegmentCore
import Testing
import VolumeModel

@Suite struct RecoveryMachineTests {
    /// A fleet and its first writer.
    private func begun() throws -> (fleet: Fleet, writer: WriterMachine) {
        var fleet = Fleet()
        let volume = try #require(fleet.takeOver(epoch: 1).volume)
        return (fleet, WriterMachine(volume, lal: 100))
    }

    @Test func `the first writer of a volume starts at zero`() throws {
        var fleet = Fleet()
        let volume = try #require(fleet.takeOver(epoch: 1).volume)
        #expect(volume.vdl == LSN(0) && volume.start == LSN(0))
        #expect(volume.truncations == [Truncation(epoch: VolumeEpoch(1), from: LSN(0), bound: LSN(0))])
    }

    @Test(arguments: 0...6)
    func `a takeover needs the promises of four of six`(count: Int) {
        var fleet = Fleet()
        fleet.up = Set(sixNodes.prefix(count))
        let volume = fleet.takeOver(epoch: 1).volume
        #expect((volume != nil) == (count >= 4))
    }

    /// Every way in which four nodes can have a batch and two others be down.
    private static let cases = (0..<6).flatMap { a in
        (a + 1..<6).flatMap { b in
            (0..<6).flatMap { c in (c + 1..<6).map { d in [a, b, c, d] } }
        }
    }

    @Test(arguments: cases)
    func `a batch on four of six is found by any four of six`(absent: [Int]) throws {
        var (fleet, writer) = try begun()
        let holders = sixNodes.indices.filter { $0 != absent[0] && $0 != absent[1] }.map { sixNodes[$0] }
        fleet.write(10, by: &writer, reaching: holders)
        #expect(writer.vdl == LSN(10))
        fleet.up = Set(sixNodes.indices.filter { $0 != absent[2] && $0 != absent[3] }.map { sixNodes[$0] })
        let volume = try #require(fleet.takeOver(epoch: 2).volume)
        #expect(volume.vdl == LSN(10))
        #expect(volume.start == LSN(110), "above all that the first writer can have assigned")
        #expect(volume.groups.map(\.end) == [LSN(10)])
    }

    @Test func `what is found on one node is brought to four before anything is truncated`() throws {
        var (fleet, writer) = try begun()
        fleet.write(10, by: &writer, reaching: [sixNodes[0]])
        let (volume, log) = fleet.takeOver(epoch: 2)
        #expect(volume?.vdl == LSN(10))
        let pushes = log.indices.filter { if case .push = log[$0] { true } else { false } }
        let install = try #require(log.firstIndex { if case .send(_, _, .install) = $0 { true } else { false } })
        #expect(pushes.count >= 3)
        #expect(pushes.prefix(3).allSatisfy { $0 < install })
        #expect(sixNodes.filter { fleet[$0].scl == LSN(10) }.count >= 4)
    }

    @Test func `the log ends at the first hole, and what lies beyond it never comes back`() throws {
        var (fleet, writer) = try begun()
        fleet.write(10, by: &writer, reaching: sixNodes)
        fleet.write(20, by: &writer, reaching: [])
        fleet.write(30, by: &writer, reaching: sixNodes.prefix(3))
        let volume = try #require(fleet.takeOver(epoch: 2).volume)
        #expect(volume.vdl == LSN(10))
        #expect(fleet[sixNodes[0]].retained.map(\.end) == [LSN(10)])
        var second = WriterMachine(volume, lal: 100)
        fleet.write(140, by: &second, reaching: sixNodes)
        #expect(second.vdl == LSN(140))
        let third = try #require(fleet.takeOver(epoch: 3).volume)
        #expect(third.vdl == LSN(140))
        #expect(third.truncations.map(\.from) == [LSN(0), LSN(10), LSN(140)])
    }

    @Test func `several takeovers in a row with nothing written find the same end and start ever higher`() throws {
        var (fleet, writer) = try begun()
        fleet.write(10, by: &writer, reaching: sixNodes)
        var starts: [LSN] = []
        for epoch: UInt32 in 2...5 {
            let volume = try #require(fleet.takeOver(epoch: epoch).volume)
            #expect(volume.vdl == LSN(10))
            starts.append(volume.start)
        }
        #expect(starts == [LSN(110), LSN(210), LSN(310), LSN(410)])
    }

    @Test func `an old writer gets nothing acknowledged after a takeover`() throws {
        var (fleet, writer) = try begun()
        fleet.write(10, by: &writer, reaching: sixNodes)
        fleet.up = Set(sixNodes.prefix(4))
        _ = fleet.takeOver(epoch: 2)
        fleet.up = Set(sixNodes)
        fleet.write(20, by: &writer, reaching: sixNodes)
        #expect(writer.vdl == LSN(10), "the two that have not heard do not make four")
    }

    @Test func `two claimants of one epoch cannot both win`() {
        var fleet = Fleet()
        let first = fleet.takeOver(epoch: 1, claimant: 1)
        let second = fleet.takeOver(epoch: 1, claimant: 2)
        #expect(first.volume != nil && second.volume == nil)
        #expect(second.log.last == .lost(VolumeEpoch(1)))
    }

    @Test func `one refusal of our own epoch is not a lost election`() throws {
        var fleet = Fleet()
        #expect(fleet.tell(sixNodes[0], .claim(VolumeEpoch(1), claimant: 1), by: 1).count == 1)
        let volume = try #require(fleet.takeOver(epoch: 1, claimant: 2).volume)
        #expect(volume.epoch == VolumeEpoch(1))
    }

    @Test(arguments: 1...40)
    func `a takeover that dies after any number of messages leaves a volume that the next one can take`(messages: Int)
        throws
    {
        var (fleet, writer) = try begun()
        fleet.write(10, by: &writer, reaching: sixNodes.prefix(4))
        fleet.write(20, by: &writer, reaching: sixNodes.prefix(1))
        var left = messages
        fleet.up = Set(sixNodes.dropFirst(messages % 3))
        _ = fleet.takeOver(epoch: 2) { _ in
            left -= 1
            return left < 0
        }
        let known = sixNodes.map { fleet[$0].knownVDL }.max() ?? LSN(0)
        fleet.up = Set(sixNodes.dropLast(messages % 2 + 1))
        let volume = try #require(fleet.takeOver(epoch: 3).volume)
        #expect(volume.vdl >= known && volume.vdl >= writer.vdl)
        let end = fleet[sixNodes[1]].retained.last?.end
        fleet.up = Set(sixNodes.suffix(5))
        let again = try #require(fleet.takeOver(epoch: 4).volume)
        #expect(again.vdl == volume.vdl && end == volume.vdl)
    }

    @Test func `a truncation that one node took from a dead takeover does not annul what its successor found`() throws {
        var (fleet, writer) = try begun()
        fleet.write(10, by: &writer, reaching: sixNodes)
        fleet.write(20, by: &writer, reaching: [sixNodes[5]])
        // Epoch 2 does not reach the only holder, and dies when one node has its truncation at 10.
        fleet.up = Set(sixNodes.prefix(5))
        var installs = 0
        _ = fleet.takeOver(epoch: 2) { action in
            if case .send(_, _, .install) = action { installs += 1 }
            return installs == 2
        }
        #expect(fleet[sixNodes[0]].tenure.epoch == VolumeEpoch(2))
        // Epoch 3 reaches the holder and not that node.
        fleet.up = Set(sixNodes[1...3] + [sixNodes[5]])
        let volume = try #require(fleet.takeOver(epoch: 3).volume)
        #expect(volume.vdl == LSN(20))
        #expect(volume.truncations.map(\.epoch) == [VolumeEpoch(1), VolumeEpoch(3)])
        fleet.up = Set(sixNodes)
        let last = try #require(fleet.takeOver(epoch: 4).volume)
        #expect(last.vdl == LSN(20))
        #expect(fleet[sixNodes[0]].tenure.truncations.map(\.epoch) == [VolumeEpoch(1), VolumeEpoch(3), VolumeEpoch(4)])
    }

    @Test func `service is refused while nobody can show what was durable`() throws {
        var (fleet, writer) = try begun()
        for end: UInt64 in [10, 20, 30] { fleet.write(end, by: &writer, reaching: sixNodes) }
        #expect(writer.vdl == LSN(30))
        for node in sixNodes { _ = fleet.tell(node, .vdl(LSN(30), epoch: VolumeEpoch(1))) }
        var ignored: [SegmentAction] = []
        for index in 0..<5 { fleet.segments[index].corrupted(end: LSN(20), into: &ignored) }
        fleet.up = Set(sixNodes.prefix(5))
        let (volume, log) = fleet.takeOver(epoch: 2)
        #expect(volume == nil)
        #expect(log.contains(.blocked(.missing(.namespace, after: LSN(10)))))
        fleet.up = Set(sixNodes)
        let served = fleet.takeOver(epoch: 3).volume
        #expect(served?.vdl == LSN(30), "the last copy is enough")
    }

    @Test(arguments: [(1, true), (2, false)])
    func `a part that some have lost ends the log only if it cannot have been on four`(lost: Int, isServed: Bool) throws
    {
        var (fleet, writer) = try begun()
        fleet.write(10, by: &writer, reaching: sixNodes)
        fleet.write(20, by: &writer, reaching: sixNodes.prefix(lost))
        var ignored: [SegmentAction] = []
        for index in 0..<lost { fleet.segments[index].corrupted(end: LSN(20), into: &ignored) }
        fleet.up = Set(sixNodes.prefix(4))
        let (volume, log) = fleet.takeOver(epoch: 2)
        #expect(volume?.vdl == (isServed ? LSN(10) : nil))
        #expect(log.contains(.blocked(.missing(.namespace, after: LSN(10)))) != isServed)
        fleet.up = Set(sixNodes)
        let later = fleet.takeOver(epoch: 3).volume
        #expect(later?.vdl == LSN(10), "the other two never had it")
    }

    @Test func `hints are addresses only`() throws {
        var (fleet, _) = try begun()
        var machine = RecoveryMachine(
            volume: VolumeID(1), epoch: VolumeEpoch(2), claimant: 7, lal: 100,
            hints: [
                GroupPlacement(group: .namespace, nodes: [sixNodes[0], spareNode]),
                GroupPlacement(group: GroupID(9), nodes: [spareNode]),
            ])
        #expect(machine.start().count == 2, "group 9 may not exist")
        #expect(machine.replied(group: .namespace, node: spareNode, .refused(.noSegment)) == [])
        let answers = fleet.tell(sixNodes[0], .claim(VolumeEpoch(2), claimant: 7))
        let more = machine.replied(group: .namespace, node: sixNodes[0], answers[0])
        #expect(more == sixNodes.dropFirst().map { .send(.namespace, $0, .claim(VolumeEpoch(2), claimant: 7)) })
    }
}
