// SPDX-License-Identifier: Apache-2.0

package import SegmentCore
package import VolumeModel

/// What a takeover leaves: all that a ``WriterMachine`` needs to go on.
package struct RecoveredVolume: Hashable, Sendable {
    package var volume: VolumeID
    package var epoch: VolumeEpoch
    /// The end of the last batch that exists.
    package var vdl: LSN
    /// The start of the next batch: at or above every LSN that an older writer can have assigned.
    package var start: LSN
    /// Sorted by group; group 0 comes first.
    package var groups: [Group]

    package struct Group: Hashable, Sendable {
        package var group: GroupID
        /// As installed on a write quorum.
        package var tenure: Tenure
        /// The end of the group's last part; zero before its first.
        package var end: LSN

        package init(group: GroupID, tenure: Tenure, end: LSN) {
            self.group = group
            self.tenure = tenure
            self.end = end
        }
    }

    package init(volume: VolumeID, epoch: VolumeEpoch, vdl: LSN, start: LSN, groups: [Group]) {
        self.volume = volume
        self.epoch = epoch
        self.vdl = vdl
        self.start = start
        self.groups = groups
    }

    package var truncations: [Truncation] { groups.first?.tenure.truncations ?? [] }
}

extension Membership {
    /// Whether as many as the rules call a write quorum hold the predicate, in every set (or, with the rule off, in one).
    package func hasWriteQuorum(_ rules: SafetyRules, _ holds: (NodeID) -> Bool) -> Bool {
        if !rules.bothSetsDuringChange, sets.count == 2 {
            return sets.contains { Membership(epoch: epoch, sets: [$0]).hasQuorum(rules.writeQuorum, holds) }
        }
        return hasQuorum(rules.writeQuorum, holds)
    }
}
