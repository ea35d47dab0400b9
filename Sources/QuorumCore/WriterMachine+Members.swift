// SPDX-License-Identifier: Apache-2.0

package import SegmentCore
package import VolumeModel

/// New groups and changed members, while writing goes on.
///
/// Each change is a new revision of a group's tenure. It is decided once a write quorum has it on disk, counted in the
/// old membership and in the new one, and until then every quorum is counted in both. So whoever claims the volume later
/// under either membership meets the other. Source: Verbitski et al., SIGMOD 2018, section 4.
extension WriterMachine {
    /// Begins to put `new` in the place of `old`; with `new == old` that node's segment, lost, is made again: it is first
    /// taken out (any four of the other five are a quorum of the six as well) and then joins as a new member.
    /// - Returns: nothing if the group is unknown, or already changing, or the nodes are not as described
    package mutating func replace(group: GroupID, _ old: NodeID, by new: NodeID) -> [WriterAction] {
        guard !isFenced, let place = place(of: group), groups[place].plan.isEmpty, groups[place].pending.isEmpty,
            groups[place].tenure.membership.sets.count == 1, let set = groups[place].tenure.membership.sets.first
        else { return [] }
        let others = set.filter { $0 != old }
        if !set.contains(old), new == old, set.count < Membership.copies {
            // Taken out by an earlier change that was reversed half-way.
            groups[place].plan = Self.joining(new, to: set)
        } else if set.contains(old), new == old {
            guard others.count >= rules.writeQuorum else { return [] }
            groups[place].plan = [.init(sets: [others], outcome: .stepped)] + Self.joining(new, to: others)
        } else {
            guard set.contains(old), !set.contains(new) else { return [] }
            groups[place].plan = Self.joining(new, to: set, without: old)
        }
        var actions: [WriterAction] = []
        step(place, into: &actions)
        return actions
    }

    private static func joining(_ new: NodeID, to set: [NodeID], without old: NodeID? = nil) -> [WriterGroup.Step] {
        let next = (set.filter { $0 != old } + [new]).sorted()
        return [
            .init(sets: [set, next], creates: new, outcome: .stepped),
            .init(sets: [next], after: new, outcome: .replaced),
        ]
    }

    /// Gives a change of members up and goes back to the old set. Possible until the last step is proposed.
    package mutating func reverse(group: GroupID) -> [WriterAction] {
        guard !isFenced, let place = place(of: group) else { return [] }
        guard groups[place].tenure.membership.sets.count == 2 else {
            // Nothing has been proposed yet, or only that a lost segment is out, and out it stays.
            groups[place].plan = []
            return []
        }
        let old = groups[place].tenure.membership.sets[0]
        groups[place].plan = [.init(sets: [old], outcome: .reversed)]
        var actions: [WriterAction] = []
        step(place, into: &actions)
        return actions
    }

    /// A membership of two sets, found at takeover, goes on to its second one.
    mutating func resume(_ place: Int) {
        let sets = groups[place].tenure.membership.sets
        guard let new = sets[1].first(where: { !sets[0].contains($0) }) else { return }
        groups[place].plan = [.init(sets: [sets[1]], after: new, outcome: .replaced)]
    }

    /// Adds a group, on six nodes. `opened` follows when batches may name it.
    package mutating func createGroup(_ group: GroupID, nodes: [NodeID]) -> [WriterAction] {
        guard !isFenced, group != .namespace, place(of: group) == nil, let namespace = groups.first,
            Set(nodes).count == Membership.copies
        else { return [] }
        let tenure = Tenure(
            truncations: namespace.tenure.truncations, membership: Membership(epoch: MembershipEpoch(1), sets: [nodes]))
        var added = WriterGroup(.init(group: group, tenure: tenure, end: .zero), isOpen: false)
        for index in added.nodes.indices { added.nodes[index].isFresh = true }
        added.pending = [(tenure.revision, .populated)]
        add(added)
        return added.nodes.map { propose(to: $0, of: added) }
    }

    /// A segment has a tenure with this stamp on disk.
    package mutating func installed(
        group: GroupID, node: NodeID, _ stamp: Tenure.Stamp, scl: LSN
    ) -> (vdl: LSN?, actions: [WriterAction]) {
        guard !isFenced, stamp.epoch == epoch, let place = place(of: group), let index = groups[place].index(of: node)
        else { return (nil, []) }
        groups[place].nodes[index].revision = max(groups[place].nodes[index].revision, stamp.revision)
        groups[place].nodes[index].isFresh = false
        let acknowledged = acknowledged(group: group, node: node, epoch: stamp.epoch, scl: scl)
        var actions: [WriterAction] = []
        conclude(place, into: &actions)
        // Other members may make another quorum of what has been acknowledged already.
        return (advance(place) ?? acknowledged, actions)
    }

    /// Draws the consequences of the revisions that have been decided.
    private mutating func conclude(_ place: Int, into actions: inout [WriterAction]) {
        while let first = groups[place].pending.first, groups[place].isDecided(first.revision, rules) {
            groups[place].pending.removeFirst()
            if groups[place].pending.isEmpty { settle(place) }
            let membership = groups[place].tenure.membership
            switch first.outcome {
            case .stepped: break
            case .replaced:
                actions.append(.replaced(groups[place].group, membership))
                remap(into: &actions)
            case .reversed: actions.append(.reversed(groups[place].group, membership))
            case .populated: remap(into: &actions)
            case .mapped(let names):
                for name in names {
                    guard let opened = self.place(of: name), !groups[opened].isOpen else { continue }
                    groups[opened].isOpen = true
                    actions.append(.opened(name))
                }
            }
        }
        if groups[place].pending.isEmpty { step(place, into: &actions) }
    }

    /// The newest membership stands alone: those who left do not count any more.
    private mutating func settle(_ place: Int) {
        let membership = groups[place].tenure.membership
        groups[place].memberships = [membership]
        let members = membership.nodes
        groups[place].nodes.removeAll { !members.contains($0.node) }
        groups[place].indexSets()
    }

    /// Proposes a map of all groups whose segments exist.
    private mutating func remap(into actions: inout [WriterAction]) {
        var tenure = groups[0].tenure
        let populated = groups.filter { !$0.pending.contains { $0.outcome == .populated } }
        tenure.groups = populated.map { GroupPlacement(group: $0.group, nodes: $0.tenure.membership.nodes) }
            .sorted { $0.group < $1.group }
        guard tenure.groups != groups[0].tenure.groups || populated.contains(where: { !$0.isOpen }) else { return }
        propose(tenure, at: 0, .mapped(tenure.groups.map(\.group)), into: &actions)
    }

    /// Takes the next step of a change of members, if its time has come.
    /// - Parameter repeating: ask again for a segment that has been asked for
    mutating func step(_ place: Int, repeating: Bool = false, into actions: inout [WriterAction]) {
        guard groups[place].pending.isEmpty, let next = groups[place].plan.first else { return }
        if let node = next.creates, !prepare(node, at: place, repeating: repeating, into: &actions) { return }
        if let node = next.after, rules.catchUpBeforeFinish,
            !groups[place].hasCaughtUp(node, for: next.sets, rules)
        {
            return
        }
        // A proposal binds whoever takes over, decided or not: one that its members cannot decide would end the service.
        guard groups[place].canDecide(next.sets, rules) else { return }
        groups[place].plan.removeFirst()
        var tenure = groups[place].tenure
        tenure.membership = Membership(epoch: tenure.membership.epoch.next, sets: next.sets)
        propose(tenure, at: place, next.outcome, into: &actions)
    }

    /// Has a segment made, outside the membership, and says whether it is there.
    private mutating func prepare(
        _ node: NodeID, at place: Int, repeating: Bool, into actions: inout [WriterAction]
    ) -> Bool {
        let isNew = groups[place].index(of: node) == nil
        if isNew {
            groups[place].nodes.append(.init(node: node, isFresh: true))
            groups[place].nodes.sort { $0.node < $1.node }
            groups[place].indexSets()
        }
        guard let index = groups[place].index(of: node), !groups[place].nodes[index].isKnown else { return true }
        if isNew || repeating { actions.append(propose(to: groups[place].nodes[index], of: groups[place])) }
        return false
    }

    private mutating func propose(
        _ tenure: Tenure, at place: Int, _ outcome: WriterGroup.Outcome, into actions: inout [WriterAction]
    ) {
        var tenure = tenure
        tenure.revision = groups[place].tenure.revision + 1
        groups[place].tenure = tenure
        groups[place].memberships.append(tenure.membership)
        groups[place].indexSets()
        groups[place].pending.append((tenure.revision, outcome))
        for member in groups[place].nodes { actions.append(propose(to: member, of: groups[place])) }
    }

    func propose(to member: WriterGroup.Member, of group: WriterGroup) -> WriterAction {
        member.isFresh
            ? .create(group.group, member.node, group.tenure) : .install(group.group, member.node, group.tenure)
    }
}
