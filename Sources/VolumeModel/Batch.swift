// SPDX-License-Identifier: Apache-2.0

/// What a protection group is sent of one batch, without the payload.
///
/// A batch is the driver's unit of shipping: the records of the LSN range (`start`, `end`], which never splits an engine
/// call, so every batch end is a consistency point. Each group that has records in the range gets a *part*; group 0 gets
/// one always, and its part lists the other participants. Two chains run through the parts: `start` is the end of the
/// volume's previous batch (or the upper bound of a truncation), `previous` the end of the group's previous part. A hole
/// in either is visible.
package struct BatchHeader: Hashable, Sendable {
    package var volume: VolumeID
    package var group: GroupID
    package var epoch: VolumeEpoch
    package var membershipEpoch: MembershipEpoch
    package var start: LSN
    package var end: LSN
    package var previous: LSN
    /// Group 0's part only: the other groups that have a part ending at `end`, sorted.
    package var participants: [GroupID]
    /// Length of the sealed payload that goes with the header, bytes.
    package var payloadBytes: UInt32
    /// CRC32C of the sealed payload.
    package var payloadCRC: UInt32

    package init(
        volume: VolumeID, group: GroupID, epoch: VolumeEpoch, membershipEpoch: MembershipEpoch, start: LSN, end: LSN,
        previous: LSN, participants: [GroupID] = [], payloadBytes: UInt32 = 0, payloadCRC: UInt32 = 0
    ) {
        self.volume = volume
        self.group = group
        self.epoch = epoch
        self.membershipEpoch = membershipEpoch
        self.start = start
        self.end = end
        self.previous = previous
        self.participants = participants
        self.payloadBytes = payloadBytes
        self.payloadCRC = payloadCRC
    }
}

/// The annulled part of a log after a change of writer: no batch of an epoch before `epoch` that ends in
/// (`from`, `bound`] exists any more, wherever it turns up.
package struct Truncation: Hashable, Sendable {
    package var epoch: VolumeEpoch
    package var from: LSN
    package var bound: LSN

    package init(epoch: VolumeEpoch, from: LSN, bound: LSN) {
        self.epoch = epoch
        self.from = from
        self.bound = bound
    }

    /// Whether this truncation annuls a batch of `epoch` ending at `end`.
    package func annuls(epoch: VolumeEpoch, end: LSN) -> Bool { epoch < self.epoch && end > from && end <= bound }
}
