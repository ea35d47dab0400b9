// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
package import NIOCore
package import SegmentCore
internal import StorageWire
package import VolumeModel

/// Which segment a journal entry is of: one node's copy of one protection group of one volume.
package struct SegmentID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var volume: VolumeID
    package var group: GroupID
    package var node: NodeID

    package init(volume: VolumeID, group: GroupID, node: NodeID) {
        self.volume = volume
        self.group = group
        self.node = node
    }

    package static func < (a: SegmentID, b: SegmentID) -> Bool {
        (a.volume, a.group, a.node) < (b.volume, b.group, b.node)
    }

    package var description: String { "\(volume)/\(group)/\(node)" }
}

/// One node's durable fact in the host's journal.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | magic `BXJ1` |
/// | 4 | 4 | CRC32C of bytes 8 up to the payload |
/// | 8 | 8 | sequence number of the journal file, so that a recycled file's old entries are not taken for new ones |
/// | 16 | 4 | bytes up to the payload |
/// | 20 | 4 | payload bytes (0 but for batches); the batch header in the body has the payload's own CRC |
/// | 24 | 8 | volume |
/// | 32 | 4 | group |
/// | 36 | 2 | node |
/// | 38 | 1 | kind: 1 batch, 2 epoch, 4 tenure, 5 floor |
/// | 39 | 1 | number of the append (mod 256): entries of one append share a flush, so an entry of a later one shows that it was done |
/// | 40 | | body by kind |
///
/// Little-endian; entries start at multiples of 8 bytes.
package struct JournalEntry: Sendable {
    static let magic: UInt32 = 0x314a_5842
    static let frontBytes = 40
    static let alignment = 8
    /// No front is longer: a batch header with the most participants.
    static let frontMax = 64 << 10
    static let payloadMax = 64 << 20

    package var segment: SegmentID
    package var record: Durable
    package var payload: ByteBuffer?

    package init(segment: SegmentID, record: Durable, payload: ByteBuffer? = nil) {
        self.segment = segment
        self.record = record
        self.payload = payload
    }

    /// Appends everything but the payload and the padding after it.
    func writeFront(to buffer: inout ByteBuffer, sequence: UInt64, append: UInt8) {
        let start = buffer.writerIndex
        buffer.writeMultipleIntegers(
            Self.magic, UInt32(0), sequence, UInt32(0), UInt32(payload?.readableBytes ?? 0), segment.volume.value,
            segment.group.value, segment.node.value, record.kind, append, endianness: .little)
        record.writeBody(to: &buffer)
        let length = buffer.writerIndex - start
        buffer.setInteger(UInt32(length), at: start + 16, endianness: .little)
        let crc = buffer.withUnsafeReadableBytes { bytes in
            bx_crc32c(0, bytes.baseAddress! + (start - buffer.readerIndex) + 8, length - 8)
        }
        buffer.setInteger(crc, at: start + 4, endianness: .little)
    }

    /// The next place from `offset` on where an entry could start, or the end.
    static func nextMagic(in file: ByteBuffer, from offset: Int) -> Int {
        file.withUnsafeReadableBytes { bytes in
            var at = offset
            while at + frontBytes <= bytes.count {
                if UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)) == magic { return at }
                at += alignment
            }
            return bytes.count
        }
    }

    enum Parsed {
        /// A whole entry, the number of its append, and the offset after it.
        case entry(JournalEntry, append: UInt8, next: Int)
        /// The front is sound but the payload is not: this batch is lost here; the scan goes on at `next`.
        case damaged(SegmentID, BatchHeader, append: UInt8, next: Int)
        /// No entry of this sequence starts here.
        case nothing
    }

    /// Looks at one place of a journal file.
    static func parse(_ file: ByteBuffer, at offset: Int, sequence: UInt64) -> Parsed {
        guard
            let (magic, crc, found, frontLength, payloadLength, volume, group, node, kind, append) =
                file.getMultipleIntegers(
                    at: offset, endianness: .little,
                    as: (UInt32, UInt32, UInt64, UInt32, UInt32, UInt64, UInt32, UInt16, UInt8, UInt8).self),
            magic == Self.magic, found == sequence, frontLength >= frontBytes, frontLength <= frontMax,
            payloadLength <= payloadMax, let front = file.getSlice(at: offset, length: Int(frontLength))
        else { return .nothing }
        let computed = front.withUnsafeReadableBytes { bx_crc32c(0, $0.baseAddress! + 8, $0.count - 8) }
        guard computed == crc else { return .nothing }
        let segment = SegmentID(volume: VolumeID(volume), group: GroupID(group), node: NodeID(node))
        let end = offset + Int(frontLength) + Int(payloadLength)
        let next = (end + alignment - 1) / alignment * alignment
        var body = front
        body.moveReaderIndex(forwardBy: frontBytes)
        guard let record = Durable(kind: kind, readingFrom: &body) else { return .nothing }
        guard case .batch(let header, _) = record else {
            return .entry(JournalEntry(segment: segment, record: record), append: append, next: next)
        }
        guard let payload = file.getSlice(at: offset + Int(frontLength), length: Int(payloadLength)),
            payload.checksum == header.payloadCRC
        else { return .damaged(segment, header, append: append, next: next) }
        return .entry(JournalEntry(segment: segment, record: record, payload: payload), append: append, next: next)
    }
}

extension ByteBuffer {
    /// CRC32C of the readable bytes.
    package var checksum: UInt32 { withUnsafeReadableBytes { bx_crc32c(0, $0.baseAddress, $0.count) } }
}
