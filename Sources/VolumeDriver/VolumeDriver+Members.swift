// SPDX-License-Identifier: Apache-2.0

internal import QuorumCore
internal import SegmentCore
internal import Synchronization
package import VolumeModel

/// Replacing a storage node in every protection group of the volume, while writing goes on.
///
/// The wish is kept and looked at in each tick, so that a group that comes to exist meanwhile, or one whose change was
/// interrupted by a takeover, is not missed. `WriterMachine` does the steps.
extension VolumeDriver {
    /// One node that is to be taken over by another wherever it is a member.
    struct Replacement: Hashable {
        var old: NodeID
        var new: NodeID
    }

    /// Begins to put `new` in the place of `old`, or goes on with it. The opposite wish, if there is one, ends: groups that
    /// are half-way go back.
    package func replace(_ old: NodeID, by new: NodeID) {
        let actions = core.withLock { core -> [WriterAction] in
            let wish = Replacement(old: old, new: new)
            guard !core.replacements.contains(wish) else { return [] }
            let opposite = Replacement(old: new, new: old)
            var actions: [WriterAction] = []
            if core.replacements.contains(opposite) {
                core.replacements.removeAll { $0 == opposite }
                for group in core.writer?.openGroups ?? [] { actions += core.writer!.reverse(group: group) }
            }
            core.replacements.append(wish)
            return actions
        }
        perform(actions)
    }

    /// Forgets every wish about a node that has left.
    package func forget(_ node: NodeID) {
        core.withLock { $0.replacements.removeAll { $0.old == node || $0.new == node } }
    }

    /// The next steps of the changes of members that are wished for.
    func changeMembers(_ core: inout Core) -> [WriterAction] {
        guard !core.replacements.isEmpty, let writer = core.writer else { return [] }
        var actions: [WriterAction] = []
        for wish in core.replacements {
            for group in writer.openGroups {
                guard let sets = writer.membership(of: group)?.sets, let last = sets.last, last.contains(wish.old)
                else { continue }
                if sets.count == 2 {
                    // A takeover carries a change on that has been called off since.
                    if sets[0].contains(wish.new) { actions += core.writer!.reverse(group: group) }
                } else if !last.contains(wish.new) {
                    actions += core.writer!.replace(group: group, wish.old, by: wish.new)
                }
            }
        }
        return actions
    }
}
