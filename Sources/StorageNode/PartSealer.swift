// SPDX-License-Identifier: Apache-2.0

package import Keyring
package import NIOCore
package import VolumeModel

/// Makes a log part's records the payload that six nodes keep, and back: compressed if that makes them smaller, then sealed.
///
/// A page whose tuples have moved differs in much of its length and yet says little that is new; a bulk load is mostly
/// padding. One LZ4 pass at the driver is paid back in six journals.
///
/// Before sealing, compressed records are
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | magic `BXZ4`; records begin with their length, which is never that large |
/// | 4 | 4 | bytes of the records |
/// | 8 | | an LZ4 block |
///
/// and others are as they are. Little-endian. Whoever may write to the database and can watch the sizes of parts can learn whether
/// what it writes resembles other data of the same batch, as with any compression below encryption.
package struct PartSealer: Sendable {
    private static let magic: UInt32 = 0x345a_5842
    private static let headBytes = 8
    /// Shorter records stay as they are.
    private static let least = 256

    private let sealer: Sealer

    /// - Parameter dataKey: the volume's
    package init(group: GroupID, dataKey: DataKey) { sealer = Sealer(dataKey: dataKey, purpose: "log \(group)") }

    /// - Parameter header: says where the part lies; payload fields are not looked at
    package func seal(_ records: ByteBuffer, _ header: BatchHeader) -> ByteBuffer {
        let plain = Self.compressed(records) ?? records
        var payload = ByteBuffer()
        payload.reserveCapacity(plain.readableBytes + Sealer.tagBytes)
        sealer.seal(plain, nonce: .init(of: header), context: header.sealingContext, into: &payload)
        return payload
    }

    /// The records, or nil if the payload is not what was sealed.
    package func open(_ payload: ByteBuffer, _ header: BatchHeader) -> ByteBuffer? {
        guard var plain = sealer.open(payload, nonce: .init(of: header), context: header.sealingContext) else {
            return nil
        }
        guard plain.getInteger(at: plain.readerIndex, endianness: .little, as: UInt32.self) == Self.magic else {
            return plain
        }
        guard let (_, length) = plain.readMultipleIntegers(endianness: .little, as: (UInt32, UInt32).self),
            length <= JournalEntry.payloadMax
        else { return nil }
        return LZ4Block.expand(plain, to: Int(length))
    }

    private static func compressed(_ records: ByteBuffer) -> ByteBuffer? {
        guard records.readableBytes >= least else { return nil }
        var output = ByteBuffer()
        output.reserveCapacity(headBytes + records.readableBytes)
        output.writeMultipleIntegers(magic, UInt32(records.readableBytes), endianness: .little)
        return LZ4Block.compress(records, into: &output) ? output : nil
    }
}

extension BatchHeader {
    /// What a part's payload is bound to besides its key.
    fileprivate var sealingContext: ByteBuffer {
        var context = ByteBuffer()
        context.writeMultipleIntegers(
            volume.value, group.value, epoch.value, start.value, end.value, endianness: .little)
        return context
    }
}

extension Sealer.Nonce {
    /// Unique for a group's key: one writer an epoch, and it seals each end once.
    fileprivate init(of header: BatchHeader) { self.init(header.epoch.value, header.end.value) }
}
