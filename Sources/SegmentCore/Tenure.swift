// SPDX-License-Identifier: Apache-2.0

package import VolumeModel

/// Where a protection group lives: enough to find its segments, which know the rest.
package struct GroupPlacement: Hashable, Sendable {
    package var group: GroupID
    package var nodes: [NodeID]

    package init(group: GroupID, nodes: [NodeID]) {
        self.group = group
        self.nodes = nodes
    }
}

/// What a writer's term of office fixes for one protection group: the log's annulled ranges, the group's members and,
/// in group 0, the map of all groups.
///
/// A tenure is one register that is replaced as a whole, as an accepted value is in Paxos: a segment takes a tenure iff
/// its epoch is not below what the segment has promised and its (`epoch`, `revision`) is above the one it has; so does a
/// segment that hears of it by gossip. A claim of a write quorum sees every tenure that a write quorum has taken, and a
/// tenure that fewer took is either seen and carried on, or overwritten. That is why the list of truncations is replaced
/// and never merged: the truncation of a takeover that died half-way may be one that its successor did not see.
package struct Tenure: Hashable, Sendable {
    /// Oldest first; the last one is of the tenure's own epoch. Empty only before the first writer.
    package var truncations: [Truncation]
    package var membership: Membership
    /// Group 0 only: every group of the volume, sorted.
    package var groups: [GroupPlacement]
    /// Counts the changes of this register within one epoch.
    package var revision: UInt32

    package init(
        truncations: [Truncation] = [], membership: Membership, groups: [GroupPlacement] = [], revision: UInt32 = 1
    ) {
        self.truncations = truncations
        self.membership = membership
        self.groups = groups
        self.revision = revision
    }

    package var epoch: VolumeEpoch { truncations.last?.epoch ?? .none }
    package var stamp: Stamp { Stamp(epoch: epoch, revision: revision) }

    /// A tenure's place in the order of all tenures of a group.
    package struct Stamp: Hashable, Comparable, Sendable {
        package var epoch: VolumeEpoch
        package var revision: UInt32

        package init(epoch: VolumeEpoch, revision: UInt32) {
            self.epoch = epoch
            self.revision = revision
        }

        package static func < (a: Stamp, b: Stamp) -> Bool {
            a.epoch == b.epoch ? a.revision < b.revision : a.epoch < b.epoch
        }
    }

    /// Whether a batch of `epoch` that ends at `end` is annulled.
    ///
    /// Stricter than ``Truncation/annuls(epoch:end:)``: the upper bound is not looked at, because a writer never assigns
    /// an LSN beyond the bound of the truncation that ended its term. So a wrong allocation limit cannot resurrect a batch.
    package func annuls(epoch: VolumeEpoch, end: LSN) -> Bool {
        // The newest truncation comes last, and `from` never decreases: the first one above the batch's epoch decides.
        for truncation in truncations where truncation.epoch > epoch { return end > truncation.from }
        return false
    }

    /// Whether bytes from the network make a tenure at all.
    package var isWellFormed: Bool {
        guard (1...2).contains(membership.sets.count), membership.sets.allSatisfy({ !$0.isEmpty }) else { return false }
        var last = VolumeEpoch.none
        for truncation in truncations {
            guard truncation.epoch > last, truncation.from <= truncation.bound else { return false }
            last = truncation.epoch
        }
        return true
    }
}
