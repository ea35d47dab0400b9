// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import VolumeModel

/// From `lsn` on, bytes [`from`, `to`) of a file are zero until written again.
///
/// A long zero range or the end of a file is one of these rather than a version of every block. `to` = `UInt64.max` means
/// to the end of time; `drop` is [0, end of time).
///
/// In a layer's chunk: four u64 (file, from, to, lsn), little-endian, ordered by file, then LSN.
package struct Tombstone: Hashable, Sendable {
    package static let bytes = 32
    package static let endless = UInt64.max

    package var file: FileID
    package var from: UInt64
    package var to: UInt64
    package var lsn: LSN

    package init(file: FileID, from: UInt64, to: UInt64, lsn: LSN) {
        self.file = file
        self.from = from
        self.to = to
        self.lsn = lsn
    }

    /// The bytes of the block that it zeroes, relative to the block; nil if none.
    package func overlap(block: UInt64) -> Range<Int>? {
        let (start, overflow) = block.multipliedReportingOverflow(by: UInt64(BlockKey.blockBytes))
        guard !overflow, start < to else { return nil }
        let low = from <= start ? 0 : from - start
        let high = min(to - start, UInt64(BlockKey.blockBytes))
        guard low < high else { return nil }
        return Int(low)..<Int(high)
    }

    func write(to buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(file.value, from, to, lsn.value, endianness: .little)
    }

    /// A file's rows of a chunk. O(log rows) and what is found.
    package static func rows(of file: FileID, in chunk: ByteBuffer) throws(LayerCoreError) -> [Tombstone] {
        let count = chunk.readableBytes / bytes
        guard count * bytes == chunk.readableBytes else { throw .badChunk }
        func number(_ row: Int, _ field: Int) -> UInt64 {
            chunk.getInteger(at: chunk.readerIndex + row * bytes + field, endianness: .little, as: UInt64.self) ?? 0
        }
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if number(middle, 0) < file.value { low = middle + 1 } else { high = middle }
        }
        var result: [Tombstone] = []
        while low < count, number(low, 0) == file.value {
            result.append(Tombstone(file: file, from: number(low, 8), to: number(low, 16), lsn: LSN(number(low, 24))))
            low += 1
        }
        return result
    }

    /// All rows of a chunk.
    package static func decode(_ chunk: ByteBuffer) throws(LayerCoreError) -> [Tombstone] {
        guard chunk.readableBytes % bytes == 0 else { throw .badChunk }
        var chunk = chunk
        var result: [Tombstone] = []
        result.reserveCapacity(chunk.readableBytes / bytes)
        while let (file, from, to, lsn) = chunk.readMultipleIntegers(
            endianness: .little, as: (UInt64, UInt64, UInt64, UInt64).self)
        {
            result.append(Tombstone(file: FileID(file), from: from, to: to, lsn: LSN(lsn)))
        }
        return result
    }
}

/// Tombstones by file, each file's ascending by LSN.
package struct TombstoneSet: Sendable {
    private var byFile: [FileID: [Tombstone]] = [:]

    package init() {}

    package var isEmpty: Bool { byFile.isEmpty }

    /// Appending in LSN order is O(1).
    package mutating func insert(_ tombstone: Tombstone) {
        var at = byFile[tombstone.file]?.count ?? 0
        while at > 0, let lsn = byFile[tombstone.file]?[at - 1].lsn, lsn > tombstone.lsn { at -= 1 }
        byFile[tombstone.file, default: []].insert(tombstone, at: at)
    }

    package mutating func remove(where unwanted: (Tombstone) -> Bool, files: Set<FileID>) {
        for file in files {
            byFile[file]?.removeAll(where: unwanted)
            if byFile[file]?.isEmpty == true { byFile[file] = nil }
        }
    }

    package func of(_ file: FileID) -> [Tombstone] { byFile[file] ?? [] }

    /// Every tombstone, by file, then LSN.
    package var sorted: [Tombstone] { byFile.keys.sorted().flatMap { byFile[$0] ?? [] } }
}
