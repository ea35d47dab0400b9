// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import VolumeModel

/// What a chunk holds. Raw values are on disk: never reuse one. A layer's chunks are ordered by kind.
package enum ChunkKind: UInt8, Sendable, CaseIterable {
    /// `BlockEntry` back to back, ordered by key, then LSN.
    case entries = 1
    /// `Tombstone` rows.
    case tombstones = 2
    /// Namespace records as they are in the log, in LSN order.
    case records = 3
    /// `TimelinePoint` rows.
    case timeline = 4
    /// A piece of a namespace snapshot; the pieces in order are the snapshot.
    case snapshot = 5
}

/// A chunk before it is sealed, or after it was opened.
package struct PlainChunk: Sendable {
    /// Chunks are cut at about this size; one with a single large entry may be longer.
    package static let target = 64 << 10
    /// No chunk is longer: the target, and the longest record or entry on top.
    package static let longest = 8 << 20

    package var kind: ChunkKind
    /// Key of the first entry; of the first tombstone's file; the lowest key for other kinds.
    package var first: BlockKey
    /// Whether the chunk before ends with a version of the same block.
    package var continues: Bool
    package var bytes: ByteBuffer

    package init(kind: ChunkKind, first: BlockKey, continues: Bool = false, bytes: ByteBuffer) {
        self.kind = kind
        self.first = first
        self.continues = continues
        self.bytes = bytes
    }
}

/// Collects entries, rows or records of one kind and hands on a chunk whenever it is full.
///
/// Entries must come in order. A block's versions stay in one chunk unless they alone are longer than a chunk.
package struct Chunker {
    private let kind: ChunkKind
    private var first: BlockKey?
    private var last: BlockKey?
    private var continues = false
    private var bytes = ByteBuffer()

    package init(_ kind: ChunkKind) {
        self.kind = kind
        bytes.reserveCapacity(PlainChunk.target + 16384)
    }

    /// - Parameter write: appends one entry
    package mutating func append(
        _ key: BlockKey = .lowest, emit: (PlainChunk) throws -> Void, write: (inout ByteBuffer) -> Void
    ) throws {
        let size = bytes.readableBytes
        if size >= PlainChunk.target, last != key || size >= 4 * PlainChunk.target || kind != .entries {
            try flush(emit)
            continues = kind == .entries && last == key
        }
        if first == nil { first = key }
        last = key
        write(&bytes)
    }

    package mutating func flush(_ emit: (PlainChunk) throws -> Void) throws {
        guard let start = first else { return }
        try emit(PlainChunk(kind: kind, first: start, continues: continues, bytes: bytes))
        first = nil
        continues = false
        bytes = ByteBuffer()
        bytes.reserveCapacity(PlainChunk.target + 16384)
    }
}

/// A wall-clock time and the log position it belongs to.
///
/// In a chunk: u64 microseconds since 1970, u64 LSN, little-endian, ascending by LSN.
package struct TimelinePoint: Hashable, Sendable {
    package static let bytes = 16
    /// Points nearer to each other than this are not kept, microseconds.
    package static let spacing: UInt64 = 1_000_000

    package var microseconds: UInt64
    package var lsn: LSN

    package init(microseconds: UInt64, lsn: LSN) {
        self.microseconds = microseconds
        self.lsn = lsn
    }

    package func write(to buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(microseconds, lsn.value, endianness: .little)
    }

    package static func decode(_ chunk: ByteBuffer) throws(LayerCoreError) -> [TimelinePoint] {
        guard chunk.readableBytes % bytes == 0 else { throw .badChunk }
        var chunk = chunk
        var result: [TimelinePoint] = []
        while let (time, lsn) = chunk.readMultipleIntegers(endianness: .little, as: (UInt64, UInt64).self) {
            result.append(TimelinePoint(microseconds: time, lsn: LSN(lsn)))
        }
        return result
    }
}
