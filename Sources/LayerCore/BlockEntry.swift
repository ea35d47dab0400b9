// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import VolumeModel

/// A version of a block as it lies in a chunk of a layer; little-endian:
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | file |
/// | 8 | 8 | block |
/// | 16 | 8 | LSN |
/// | 24 | 2 | number of ranges |
/// | 26 | 1 | flags: 1 = base: what the ranges do not cover is zero, whatever came before |
/// | 27 | 1 | zero |
/// | 28 | 4 | bytes of data |
/// | 32 | 4 each | ranges: u16 offset in the block, u16 length; the length's top bit set = zeros, no data |
/// | | | data of the ranges, back to back |
///
/// Ranges apply in order; a later one wins. A chunk is entries back to back, ordered by key, then LSN.
package struct BlockEntry: Sendable {
    package static let headBytes = 32
    package static let base: UInt8 = 1
    static let zeroRange: UInt16 = 0x8000

    package var key: BlockKey
    package var lsn: LSN
    package var flags: UInt8
    package var ranges: Int
    /// The whole entry, head included.
    package var bytes: ByteBuffer

    package var isBase: Bool { flags & Self.base != 0 }

    /// The entry at `offset` of a chunk's readable bytes; nil at the end. Checks all lengths, so that applying cannot trap.
    package static func read(_ chunk: ByteBuffer, at offset: Int) throws(LayerCoreError) -> BlockEntry? {
        let left = chunk.readableBytes - offset
        if left == 0 { return nil }
        let start = chunk.readerIndex + offset
        guard left >= headBytes,
            let (file, block, lsn, ranges, flags, _, data) = chunk.getMultiple(at: start)
        else { throw .badChunk }
        let length = headBytes + Int(ranges) * 4 + Int(data)
        guard length <= left, let bytes = chunk.getSlice(at: start, length: length) else { throw .badChunk }
        return BlockEntry(
            key: BlockKey(file: FileID(file), block: block), lsn: LSN(lsn), flags: flags, ranges: Int(ranges),
            bytes: bytes)
    }

    /// Calls `body` with the entries whose keys are in the range, in order; the others cost a look at their heads.
    package static func scan(
        _ chunk: ByteBuffer, _ range: ClosedRange<BlockKey>, _ body: (BlockEntry) -> Void
    ) throws(LayerCoreError) {
        var offset = 0
        let end = chunk.readableBytes
        while offset < end {
            let head = chunk.withUnsafeReadableBytes { raw -> (key: BlockKey, length: Int)? in
                guard raw.count - offset >= headBytes else { return nil }
                let file = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                let block = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
                let ranges = UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: offset + 24, as: UInt16.self))
                let data = UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: offset + 28, as: UInt32.self))
                return (BlockKey(file: FileID(file), block: block), headBytes + Int(ranges) * 4 + Int(data))
            }
            guard let head, head.length <= end - offset else { throw .badChunk }
            if head.key > range.upperBound { return }
            if head.key >= range.lowerBound {
                guard let entry = try read(chunk, at: offset) else { throw .badChunk }
                body(entry)
            }
            offset += head.length
        }
    }

    /// Applies the ranges to a block (and not the base flag: see `BlockVersion.apply`).
    package func applyRanges(to overlay: inout BlockOverlay) throws(LayerCoreError) {
        let good = bytes.withUnsafeReadableBytes { raw -> Bool in
            var data = Self.headBytes + ranges * 4
            for index in 0..<ranges {
                let row = Self.headBytes + index * 4
                let at = Int(UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: row, as: UInt16.self)))
                let field = UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: row + 2, as: UInt16.self))
                let length = Int(field & ~Self.zeroRange)
                guard at + length <= BlockKey.blockBytes else { return false }
                if field & Self.zeroRange != 0 {
                    overlay.zero(at: at, count: length)
                } else {
                    guard data + length <= raw.count else { return false }
                    overlay.apply(at: at, UnsafeRawBufferPointer(rebasing: raw[data..<(data + length)]))
                    data += length
                }
            }
            return true
        }
        guard good else { throw .badChunk }
    }

    static func writeHead(
        _ key: BlockKey, _ lsn: LSN, ranges: Int, flags: UInt8, data: Int, to buffer: inout ByteBuffer
    ) {
        buffer.writeMultipleIntegers(
            key.file.value, key.block, lsn.value, UInt16(ranges), flags, UInt8(0), UInt32(data), endianness: .little)
    }

    /// A base entry: the block's whole content, zeros left out.
    package static func writeBase(_ key: BlockKey, _ lsn: LSN, _ content: BlockOverlay, to buffer: inout ByteBuffer) {
        write(key, lsn, content, runs: content.nonZeroRuns, flags: base, to: &buffer)
    }

    /// What was touched of the overlay; a base entry if that is all of it.
    package static func writeTouched(_ key: BlockKey, _ lsn: LSN, _ content: BlockOverlay, to buffer: inout ByteBuffer)
    {
        if content.isWhollyTouched { return writeBase(key, lsn, content, to: &buffer) }
        write(key, lsn, content, runs: content.touchedRuns, flags: 0, to: &buffer)
    }

    private static func write(
        _ key: BlockKey, _ lsn: LSN, _ content: BlockOverlay, runs: [Range<Int>], flags: UInt8,
        to buffer: inout ByteBuffer
    ) {
        writeHead(key, lsn, ranges: runs.count, flags: flags, data: runs.reduce(0) { $0 + $1.count }, to: &buffer)
        for run in runs {
            buffer.writeMultipleIntegers(UInt16(run.lowerBound), UInt16(run.count), endianness: .little)
        }
        content.withUnsafeBytes { bytes in
            for run in runs { buffer.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[run])) }
        }
    }
}

extension ByteBuffer {
    /// The head of an entry, read in place.
    fileprivate func getMultiple(at index: Int) -> (UInt64, UInt64, UInt64, UInt16, UInt8, UInt8, UInt32)? {
        let offset = index - readerIndex
        return withUnsafeReadableBytes { raw in
            guard offset >= 0, offset + BlockEntry.headBytes <= raw.count else { return nil }
            return (
                UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)),
                UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)),
                UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self)),
                UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: offset + 24, as: UInt16.self)),
                raw[offset + 26], raw[offset + 27],
                UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: offset + 28, as: UInt32.self))
            )
        }
    }
}
