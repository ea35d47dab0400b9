// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import VolumeModel

/// A batch header's bytes, the same on the wire and in the journal; little-endian.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | volume |
/// | 8 | 4 | group |
/// | 12 | 4 | volume epoch |
/// | 16 | 4 | membership epoch |
/// | 20 | 8 | start |
/// | 28 | 8 | end |
/// | 36 | 8 | end of the group's previous part |
/// | 44 | 4 | sealed payload, bytes |
/// | 48 | 4 | CRC32C of the sealed payload |
/// | 52 | 4 | number of participants |
/// | 56 | 4 each | participants |
extension BatchHeader {
    package static let fixedBytes = 56
    /// A batch touches fewer groups than this; a larger count is a malformed header.
    package static let participantsMax = 4096

    package func write(to buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(
            volume.value, group.value, epoch.value, membershipEpoch.value, start.value, end.value, previous.value,
            payloadBytes, payloadCRC, UInt32(participants.count), endianness: .little)
        for group in participants { buffer.writeInteger(group.value, endianness: .little) }
    }

    /// Nil if the bytes are too few or the participant count is absurd.
    package init?(readingFrom buffer: inout ByteBuffer) {
        guard
            let (volume, group, epoch, membership, start, end, previous, bytes, crc, count) =
                buffer.readMultipleIntegers(
                    endianness: .little,
                    as: (UInt64, UInt32, UInt32, UInt32, UInt64, UInt64, UInt64, UInt32, UInt32, UInt32).self),
            count <= Self.participantsMax, buffer.readableBytes >= Int(count) * 4
        else { return nil }
        var participants: [GroupID] = []
        for _ in 0..<count {
            guard let value = buffer.readInteger(endianness: .little, as: UInt32.self) else { return nil }
            participants.append(GroupID(value))
        }
        self.init(
            volume: VolumeID(volume), group: GroupID(group), epoch: VolumeEpoch(epoch),
            membershipEpoch: MembershipEpoch(membership), start: LSN(start), end: LSN(end), previous: LSN(previous),
            participants: participants, payloadBytes: bytes, payloadCRC: crc)
    }
}
