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

/// Walks a batch's payload and says what it does to blocks. Malformed bytes throw, never trap.
package struct BatchScan {
    /// A zero range of at most this many bytes becomes pieces, a longer one a tombstone.
    package static let zeroPiecesMax = UInt64(8 * BlockKey.blockBytes)

    /// - Parameters:
    ///   - batch: goes into each piece
    ///   - piece: in the order of the log
    ///   - other: a namespace, timestamp or marker record: its header and its place in the payload's readable bytes
    package static func scan(
        _ payload: ByteBuffer, batch: Int, piece: (Piece) -> Void, tombstone: (Tombstone) -> Void,
        other: (RecordHeader, Range<Int>) -> Void
    ) throws(RecordError) {
        guard payload.readableBytes < Int(UInt32.max) else { throw .badLength(UInt32.max) }
        var decoder = RecordDecoder(payload)
        var position = 0
        while let (header, body) = try decoder.nextRaw() {
            let next = position + Int(header.length)
            switch header.kind {
            case .write:
                try write(header, body, at: position + RecordHeader.bytes, batch, piece)
            case .zero:
                guard let offset = body.getInteger(at: body.readerIndex, endianness: .little, as: UInt64.self),
                    let length = body.getInteger(at: body.readerIndex + 8, endianness: .little, as: UInt64.self)
                else { throw .badBody(.zero) }
                let (end, overflow) = offset.addingReportingOverflow(length)
                if length == 0 || overflow {
                    tombstone(Tombstone(file: header.file, from: offset, to: Tombstone.endless, lsn: header.lsn))
                } else if length > zeroPiecesMax {
                    tombstone(Tombstone(file: header.file, from: offset, to: end, lsn: header.lsn))
                } else {
                    split(header, batch, offset, length, Piece.zeros, piece)
                }
            case .drop:
                tombstone(Tombstone(file: header.file, from: 0, to: Tombstone.endless, lsn: header.lsn))
            default:
                other(header, position..<next)
            }
            position = next
        }
    }

    /// The layout is that of `RecordEncoder.write`; ranges are looked at in place, without a slice for each.
    private static func write(
        _ header: RecordHeader, _ body: ByteBuffer, at base: Int, _ batch: Int, _ piece: (Piece) -> Void
    ) throws(RecordError) {
        let start = body.readerIndex
        guard let offset = body.getInteger(at: start, endianness: .little, as: UInt64.self),
            let count = body.getInteger(at: start + 8, endianness: .little, as: UInt32.self)
        else { throw .badBody(.write) }
        let narrow = header.flags & RecordHeader.narrowRanges != 0
        let width = narrow ? 4 : 8
        var data = 12 + Int(count) * width
        guard data <= body.readableBytes else { throw .badBody(.write) }
        for index in 0..<Int(count) {
            let row = start + 12 + index * width
            let at: UInt64
            let length: Int
            if narrow {
                at = UInt64(body.getInteger(at: row, endianness: .little, as: UInt16.self) ?? 0)
                length = Int(body.getInteger(at: row + 2, endianness: .little, as: UInt16.self) ?? 0)
            } else {
                at = UInt64(body.getInteger(at: row, endianness: .little, as: UInt32.self) ?? 0)
                length = Int(body.getInteger(at: row + 4, endianness: .little, as: UInt32.self) ?? 0)
            }
            let (from, overflow) = offset.addingReportingOverflow(at)
            guard !overflow, !from.addingReportingOverflow(UInt64(length)).overflow,
                data + length <= body.readableBytes
            else { throw .badBody(.write) }
            split(header, batch, from, UInt64(length), UInt32(base + data), piece)
            data += length
        }
        guard data == body.readableBytes else { throw .badBody(.write) }
    }

    private static func split(
        _ header: RecordHeader, _ batch: Int, _ offset: UInt64, _ length: UInt64, _ source: UInt32, _ piece: (Piece) -> Void
    ) {
        let size = UInt64(BlockKey.blockBytes)
        var offset = offset
        var left = length
        var source = source
        while left > 0 {
            let at = offset % size
            let count = min(left, size - at)
            piece(
                Piece(
                    key: BlockKey(file: header.file, block: offset / size), lsn: header.lsn, batch: UInt32(batch),
                    source: source, at: UInt16(at), length: UInt16(count)))
            if source != Piece.zeros { source += UInt32(count) }
            offset &+= count
            left -= count
        }
    }
}
