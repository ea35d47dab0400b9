// SPDX-License-Identifier: Apache-2.0

import QuorumCore
import SegmentCore
import Testing
import VolumeModel

let sixNodes = ["a1", "a2", "b1", "b2", "c1", "c2"].compactMap { NodeID($0) }
let spareNode = NodeID(zone: 97, number: 3)

func writer(
    epoch: UInt32 = 2, vdl: UInt64 = 0, start: UInt64 = 0, groups: Int = 1, lal: Int = 100, rules: SafetyRules = .all
)
    -> WriterMachine
{
    let truncation = Truncation(epoch: VolumeEpoch(epoch), from: LSN(vdl), bound: LSN(start))
    let placements = (0..<groups).map { GroupPlacement(group: GroupID(UInt32($0)), nodes: sixNodes) }
    return WriterMachine(
        RecoveredVolume(
            volume: VolumeID(1), epoch: VolumeEpoch(epoch), vdl: LSN(vdl), start: LSN(start),
            groups: placements.map { placement in
                .init(
                    group: placement.group,
                    tenure: Tenure(
                        truncations: [truncation], membership: Membership(epoch: MembershipEpoch(1), sets: [sixNodes]),
                        groups: placement.group == .namespace ? placements : []),
                    end: LSN(vdl))
            }), lal: lal, rules: rules)
}

extension WriterMachine {
    /// Appends a batch of empty parts.
    @discardableResult
    mutating func append(_ end: UInt64, _ groups: UInt32...) -> [BatchHeader] {
        append(parts: groups.map { BatchPart(group: GroupID($0), payloadBytes: 1, payloadCRC: 0) }, end: LSN(end))
    }

    /// Some nodes acknowledge; returns the last VDL announced.
    @discardableResult
    mutating func acknowledge(_ group: UInt32, _ scl: UInt64, _ nodes: some Sequence<NodeID>) -> LSN? {
        var vdl: LSN?
        for node in nodes {
            vdl = acknowledged(group: GroupID(group), node: node, epoch: epoch, scl: LSN(scl)) ?? vdl
        }
        return vdl
    }

    /// The nodes have the group's newest tenure.
    mutating func install(_ group: UInt32, _ nodes: [NodeID], scl: UInt64 = 0) -> [WriterAction] {
        guard let tenure = tenure(of: GroupID(group)) else { return [] }
        return nodes.flatMap { installed(group: GroupID(group), node: $0, tenure.stamp, scl: LSN(scl)).actions }
    }
}

@Suite struct WriterMachineTests {
    @Test(arguments: 0...6)
    func `a batch is durable with four of six and not with fewer`(count: Int) {
        var machine = writer()
        machine.append(10, 0)
        machine.acknowledge(0, 10, sixNodes.prefix(count))
        #expect(machine.vdl == LSN(count >= 4 ? 10 : 0))
    }

    @Test func `headers chain by volume and by group, and group 0 always has a part`() {
        var machine = writer(vdl: 5, start: 100, groups: 2)
        let first = machine.append(110, 0)
        let second = machine.append(120, 1)
        let third = machine.append(130, 1, 0)
        #expect(first.map(\.previous) == [LSN(5)])
        #expect(first.map(\.start) == [LSN(100)], "after a takeover the log goes on above the bound")
        #expect(second.map(\.group) == [GroupID(1), .namespace])
        #expect(second.map(\.previous) == [LSN(5), LSN(110)])
        #expect(second[1].participants == [GroupID(1)] && second[1].payloadBytes == 0)
        #expect(third.map(\.previous) == [LSN(120), LSN(120)])
    }

    @Test func `a batch waits for every group and for every batch before it`() {
        var machine = writer(groups: 2)
        machine.append(10, 0, 1)
        machine.append(20, 0)
        #expect(machine.acknowledge(0, 20, sixNodes) == nil)
        #expect(machine.acknowledge(1, 10, sixNodes.prefix(3)) == nil)
        #expect(machine.acknowledge(1, 10, [sixNodes[5]]) == LSN(20))
    }

    @Test func `doubled, late and foreign acknowledgements move nothing`() {
        var machine = writer()
        machine.append(10, 0)
        for _ in 0..<4 { machine.acknowledge(0, 10, [sixNodes[0]]) }
        machine.acknowledge(0, 10, [spareNode])
        for node in sixNodes {
            #expect(machine.acknowledged(group: .namespace, node: node, epoch: VolumeEpoch(1), scl: LSN(10)) == nil)
        }
        #expect(machine.vdl == LSN(0))
        machine.acknowledge(0, 10, sixNodes)
        #expect(machine.acknowledge(0, 5, sixNodes) == nil)
        #expect(machine.vdl == LSN(10))
    }

    @Test func `LSNs run ahead of the VDL by the allocation limit at most`() {
        var machine = writer(vdl: 5, start: 1000, lal: 100)
        #expect(machine.canAppend(bytes: 100) && !machine.canAppend(bytes: 101))
        machine.append(1090, 0)
        #expect(!machine.canAppend(bytes: 11))
        machine.acknowledge(0, 1090, sixNodes)
        #expect(machine.canAppend(bytes: 100))
    }

    @Test func `a reconnected segment is sent what it has not acknowledged and is not durable`() {
        var machine = writer()
        for end: UInt64 in [10, 20, 30] { machine.append(end, 0) }
        machine.acknowledge(0, 10, sixNodes.prefix(4))
        machine.acknowledge(0, 20, [sixNodes[0]])
        #expect(machine.undurable(group: .namespace, node: sixNodes[0]).map(\.end) == [LSN(30)])
        #expect(machine.undurable(group: .namespace, node: sixNodes[5]).map(\.end) == [LSN(20), LSN(30)])
        #expect(machine.lagging(group: .namespace).map(\.node) == [sixNodes[4], sixNodes[5]])
    }

    @Test func `a newer epoch fences the writer, and it announces nothing more`() {
        var machine = writer(epoch: 2)
        machine.append(10, 0)
        machine.acknowledge(0, 10, sixNodes.prefix(3))
        #expect(machine.refused(group: .namespace, node: sixNodes[3], .staleEpoch(VolumeEpoch(2))) == [])
        #expect(
            machine.refused(group: .namespace, node: sixNodes[3], .staleEpoch(VolumeEpoch(3))) == [
                .fenced(by: VolumeEpoch(3))
            ])
        #expect(machine.acknowledge(0, 10, sixNodes) == nil)
        #expect(!machine.canAppend(bytes: 1))
    }

    @Test func `a segment without the tenure is brought to it and sent everything again`() throws {
        var machine = writer()
        let tenure = try #require(machine.tenure(of: .namespace))
        let older = Tenure.Stamp(epoch: VolumeEpoch(1), revision: 1)
        #expect(
            machine.refused(group: .namespace, node: sixNodes[0], .needsTenure(older)) == [
                .install(.namespace, sixNodes[0], tenure), .resend(.namespace, sixNodes[0]),
            ])
    }

    // MARK: - Groups

    @Test func `a group is open when a write quorum has its segments and a write quorum of group 0 has the new map`()
        throws
    {
        var machine = writer()
        let name = GroupID(1)
        #expect(machine.createGroup(name, nodes: sixNodes).count == 6)
        #expect(machine.createGroup(name, nodes: sixNodes) == [], "it is under way already")
        #expect(machine.install(1, Array(sixNodes.prefix(3))) == [])
        #expect(machine.install(1, [sixNodes[3]]).count == 6)
        #expect(machine.tenure(of: .namespace)?.groups.map(\.group) == [.namespace, name])
        #expect(!machine.isOpen(name))
        #expect(machine.install(0, Array(sixNodes.prefix(3))) == [])
        #expect(machine.install(0, [sixNodes[3]]) == [.opened(name)])
        #expect(machine.isOpen(name))
    }
}

@Suite struct MembershipChangeTests {
    private static let next = (sixNodes.dropFirst() + [spareNode]).sorted()

    /// A writer whose segments have all been heard of and have all that is durable.
    private func settled(rules: SafetyRules = .all) -> WriterMachine {
        var machine = writer(rules: rules)
        machine.append(10, 0)
        machine.acknowledge(0, 10, sixNodes)
        return machine
    }

    /// Up to both sets being in force.
    private func changing(rules: SafetyRules = .all) -> WriterMachine {
        var machine = settled(rules: rules)
        _ = machine.replace(group: .namespace, sixNodes[0], by: spareNode)
        _ = machine.install(0, [spareNode])
        _ = machine.install(0, sixNodes, scl: 10)
        return machine
    }

    @Test func `the new segment is made first, then both sets are proposed, then the new one alone`() throws {
        var machine = settled()
        let before = try #require(machine.tenure(of: .namespace))
        #expect(
            machine.replace(group: .namespace, sixNodes[0], by: spareNode) == [.create(.namespace, spareNode, before)])
        #expect(machine.membership(of: .namespace)?.sets == [sixNodes])
        #expect(machine.install(0, [spareNode]).count == 7)
        #expect(machine.membership(of: .namespace)?.sets == [sixNodes, Self.next])
        #expect(machine.install(0, sixNodes, scl: 10) == [], "the new segment has nothing yet")
        machine.acknowledge(0, 10, [spareNode])
        #expect(machine.tick().count == 7)
        #expect(machine.membership(of: .namespace)?.sets == [Self.next])
        let end = machine.install(0, sixNodes + [spareNode], scl: 10)
        #expect(end.contains(.replaced(.namespace, Membership(epoch: MembershipEpoch(3), sets: [Self.next]))))
    }

    @Test(arguments: [true, false])
    func `while two sets are in force a batch needs four of each`(ruleIsOn: Bool) {
        var rules = SafetyRules.all
        rules.bothSetsDuringChange = ruleIsOn
        var machine = changing(rules: rules)
        machine.append(20, 0)
        machine.acknowledge(0, 20, sixNodes.prefix(4))
        #expect(machine.vdl == LSN(ruleIsOn ? 10 : 20), "four of the old set, three of the new one")
        machine.acknowledge(0, 20, [sixNodes[4]])
        #expect(machine.vdl == LSN(20))
    }

    @Test(arguments: [true, false])
    func `the old set is given up only when the new segment has caught up`(ruleIsOn: Bool) {
        var rules = SafetyRules.all
        rules.catchUpBeforeFinish = ruleIsOn
        let machine = changing(rules: rules)
        #expect(machine.membership(of: .namespace)?.sets.count == (ruleIsOn ? 2 : 1))
    }

    @Test func `a change goes back to the old set when asked`() {
        var machine = changing()
        #expect(machine.reverse(group: .namespace).count == 7)
        let old = Membership(epoch: MembershipEpoch(3), sets: [sixNodes])
        #expect(machine.install(0, sixNodes, scl: 10) == [.reversed(.namespace, old)])
        #expect(machine.membership(of: .namespace) == old)
    }

    @Test func `a change is not proposed to sets that could not decide it`() {
        var machine = writer()
        machine.append(10, 0)
        // Two of the old set have never answered, and one of the answering four is to go.
        machine.acknowledge(0, 10, sixNodes.prefix(4))
        machine.disconnected(group: .namespace, node: sixNodes[3])
        _ = machine.replace(group: .namespace, sixNodes[0], by: spareNode)
        _ = machine.install(0, [spareNode])
        #expect(machine.membership(of: .namespace)?.sets == [sixNodes])
    }

    @Test func `a lost segment is taken out before it is made again`() {
        var machine = settled()
        let lost = sixNodes[0]
        let others = Array(sixNodes.dropFirst())
        #expect(machine.refused(group: .namespace, node: lost, .noSegment) == [], "it has forgotten its promises")
        #expect(machine.replace(group: .namespace, lost, by: lost).count == 6)
        #expect(machine.membership(of: .namespace)?.sets == [others])
        let made = machine.install(0, others, scl: 10)
        #expect(made.count == 1)
        #expect(made.allSatisfy { if case .create(_, lost, _) = $0 { true } else { false } })
        _ = machine.install(0, [lost])
        #expect(machine.membership(of: .namespace)?.sets == [others, sixNodes])
        _ = machine.install(0, sixNodes, scl: 10)
        #expect(machine.membership(of: .namespace)?.sets == [sixNodes])
    }

    @Test(arguments: [true, false])
    func `a member that says it has no segment is not given a new one`(ruleIsOn: Bool) {
        var rules = SafetyRules.all
        rules.forgetfulNodesStayOut = ruleIsOn
        var machine = settled(rules: rules)
        #expect(machine.refused(group: .namespace, node: sixNodes[0], .noSegment).isEmpty == ruleIsOn)
    }

    @Test func `a change left half-way by the last writer is carried on`() throws {
        let tenure = Tenure(
            truncations: [Truncation(epoch: VolumeEpoch(3), from: LSN(10), bound: LSN(100))],
            membership: Membership(epoch: MembershipEpoch(2), sets: [sixNodes, Self.next]))
        var machine = WriterMachine(
            RecoveredVolume(
                volume: VolumeID(1), epoch: VolumeEpoch(3), vdl: LSN(10), start: LSN(100),
                groups: [.init(group: .namespace, tenure: tenure, end: LSN(10))]), lal: 100)
        machine.acknowledge(0, 10, sixNodes)
        #expect(machine.tick() == [])
        machine.acknowledge(0, 10, [spareNode])
        #expect(machine.tick().count == 7)
        #expect(machine.membership(of: .namespace)?.sets == [Self.next])
    }
}
