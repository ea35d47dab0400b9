// SPDX-License-Identifier: Apache-2.0

package import LogWire
package import NIOCore
package import VolumeModel

/// A part of a record that falls into one block: `length` bytes at `at` of the block become those at `source` of the
/// batch's payload, or zeros.
package struct Piece: Sendable {
    /// `source` of a piece that is zeros.
    package static let zeros = UInt32.max

    package var key: BlockKey
    package var lsn: LSN
    /// Which batch of the caller's list.
    package var batch: UInt32
    /// Offset in the payload's readable bytes.
    package var source: UInt32
    package var at: UInt16
    package var length: UInt16
}

/// What the records of one or more payloads do, sorted out by kind of record. Malformed bytes throw, never trap.
package struct BatchScan: Sendable {
    /// A zero range of at most this many bytes becomes pieces, a longer one a tombstone.
    package static let zeroPiecesMax = UInt64(8 * BlockKey.blockBytes)

    /// A namespace, timestamp or marker record, and its place in its payload's readable bytes.
    package struct Other: Sendable {
        package var kind: RecordKind
        package var lsn: LSN
        package var batch: Int
        package var place: Range<Int>
    }

    /// All three in the order of the log.
    package private(set) var pieces: [Piece] = []
    package private(set) var tombstones: [Tombstone] = []
    package private(set) var others: [Other] = []

    package init() {}

    /// Adds a payload's records.
    /// - Parameter batch: goes into each piece
    package mutating func add(_ payload: ByteBuffer, batch: Int) throws(RecordError) {
        guard payload.readableBytes < Int(UInt32.max) else { throw .badLength(UInt32.max) }
        var decoder = RecordDecoder(payload)
        var position = 0
        while let (header, body) = try decoder.nextRaw() {
            let next = position + Int(header.length)
            switch header.kind {
            case .write:
                let source = position + RecordHeader.bytes
                guard body.withUnsafeReadableBytes({ write(header, $0, at: source, batch) }) else {
                    throw .badBody(.write)
                }
            case .zero:
                guard let offset = body.getInteger(at: body.readerIndex, endianness: .little, as: UInt64.self),
                    let length = body.getInteger(at: body.readerIndex + 8, endianness: .little, as: UInt64.self)
                else { throw .badBody(.zero) }
                let (end, overflow) = offset.addingReportingOverflow(length)
                if length == 0 || overflow {
                    tombstones.append(
                        Tombstone(file: header.file, from: offset, to: Tombstone.endless, lsn: header.lsn))
                } else if length > Self.zeroPiecesMax {
                    tombstones.append(Tombstone(file: header.file, from: offset, to: end, lsn: header.lsn))
                } else {
                    split(header, batch, offset, length, Piece.zeros)
                }
            case .drop:
                tombstones.append(Tombstone(file: header.file, from: 0, to: Tombstone.endless, lsn: header.lsn))
            default:
                others.append(Other(kind: header.kind, lsn: header.lsn, batch: batch, place: position..<next))
            }
            position = next
        }
    }

    /// The layout is that of `RecordEncoder.write`; ranges are looked at in place. False if the body is malformed.
    private mutating func write(
        _ header: RecordHeader, _ body: UnsafeRawBufferPointer, at base: Int, _ batch: Int
    ) -> Bool {
        guard body.count >= 12 else { return false }
        let offset = UInt64(littleEndian: body.loadUnaligned(as: UInt64.self))
        let count = Int(UInt32(littleEndian: body.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
        let narrow = header.flags & RecordHeader.narrowRanges != 0
        let width = narrow ? 4 : 8
        var data = 12 + count * width
        guard data <= body.count else { return false }
        for index in 0..<count {
            let row = 12 + index * width
            let at: UInt64
            let length: Int
            if narrow {
                at = UInt64(UInt16(littleEndian: body.loadUnaligned(fromByteOffset: row, as: UInt16.self)))
                length = Int(UInt16(littleEndian: body.loadUnaligned(fromByteOffset: row + 2, as: UInt16.self)))
            } else {
                at = UInt64(UInt32(littleEndian: body.loadUnaligned(fromByteOffset: row, as: UInt32.self)))
                length = Int(UInt32(littleEndian: body.loadUnaligned(fromByteOffset: row + 4, as: UInt32.self)))
            }
            let (from, overflow) = offset.addingReportingOverflow(at)
            guard !overflow, !from.addingReportingOverflow(UInt64(length)).overflow, data + length <= body.count else {
                return false
            }
            split(header, batch, from, UInt64(length), UInt32(base + data))
            data += length
        }
        return data == body.count
    }

    private mutating func split(
        _ header: RecordHeader, _ batch: Int, _ offset: UInt64, _ length: UInt64, _ source: UInt32
    ) {
        let size = UInt64(BlockKey.blockBytes)
        var offset = offset
        var left = length
        var source = source
        while left > 0 {
            let at = offset % size
            let count = min(left, size - at)
            pieces.append(
                Piece(
                    key: BlockKey(file: header.file, block: offset / size), lsn: header.lsn, batch: UInt32(batch),
                    source: source, at: UInt16(at), length: UInt16(count)))
            if source != Piece.zeros { source += UInt32(count) }
            offset &+= count
            left -= count
        }
    }
}
