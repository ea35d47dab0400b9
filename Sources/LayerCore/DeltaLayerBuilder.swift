// SPDX-License-Identifier: Apache-2.0

internal import LogWire
package import NIOCore
package import VolumeModel

/// Turns the payloads of consecutive batches into the chunks of a delta layer.
///
/// What records do to blocks is sorted by key and LSN; tombstones by file and LSN; namespace records and timestamps stay in
/// log order. Holds references to the payloads and about 40 bytes a touched block range, no copies, until it is done.
package struct DeltaLayerBuilder {
    package struct Summary: Hashable, Sendable {
        /// First and last key of the entries; nil if there are none.
        package var keys: ClosedRange<BlockKey>?
        package var entries = 0
        package var tombstones = 0
        package var namespaceRecords = 0
        package var isEmpty: Bool { entries == 0 && tombstones == 0 && namespaceRecords == 0 && timestamps == 0 }
        package var timestamps = 0
    }

    /// An entry with more ranges than this is stored as its disjoint runs.
    private static let rangesMax = 512

    private var payloads: [ByteBuffer] = []
    private var pieces: [(piece: Piece, order: UInt32)] = []
    private var tombstones: [Tombstone] = []
    private var records: [(batch: Int, place: Range<Int>)] = []
    private var timeline: [TimelinePoint] = []
    private var content = 0

    package init() {}

    /// Payload bytes added so far.
    package var bytes: Int { content }

    /// Adds the next batch; batches come in log order.
    package mutating func add(_ header: BatchHeader, _ payload: ByteBuffer) throws(LayerCoreError) {
        let index = payloads.count
        payloads.append(payload)
        content += payload.readableBytes
        var times: [TimelinePoint] = []
        do throws(RecordError) {
            try BatchScan.scan(
                payload, batch: index, piece: { pieces.append(($0, UInt32(truncatingIfNeeded: pieces.count))) },
                tombstone: { tombstones.append($0) },
                other: { record, place in
                    if record.kind == .timestamp {
                        let at = payload.readerIndex + place.lowerBound + RecordHeader.bytes
                        if let time = payload.getInteger(at: at, endianness: .little, as: UInt64.self) {
                            times.append(TimelinePoint(microseconds: time, lsn: record.lsn))
                        }
                    } else if record.kind != .marker {
                        records.append((index, place))
                    }
                })
        } catch {
            throw .badRecord(RecordTrouble(batchEnd: header.end, what: "\(error)"))
        }
        for time in times
        where timeline.last.map({ time.microseconds >= $0.microseconds &+ TimelinePoint.spacing }) ?? true {
            timeline.append(time)
        }
    }

    /// Emits all chunks, in the order in which a layer holds them. O(n log n).
    package consuming func build(_ emit: (PlainChunk) throws -> Void) throws -> Summary {
        var summary = Summary()
        summary.tombstones = tombstones.count
        summary.namespaceRecords = records.count
        summary.timestamps = timeline.count
        pieces.sort { a, b in
            if a.piece.key != b.piece.key { return a.piece.key < b.piece.key }
            return a.order < b.order
        }
        if let first = pieces.first, let last = pieces.last { summary.keys = first.piece.key...last.piece.key }
        try emitEntries(&summary, emit)
        try ChunkRows.emit(tombstones: &tombstones, emit)
        var chunker = Chunker(.records)
        for record in records {
            let payload = payloads[record.batch]
            try chunker.append(emit: emit) { buffer in
                payload.withUnsafeReadableBytes {
                    _ = buffer.writeBytes(UnsafeRawBufferPointer(rebasing: $0[record.place]))
                }
            }
        }
        try chunker.flush(emit)
        try ChunkRows.emit(timeline: timeline, emit)
        return summary
    }

    private borrowing func emitEntries(_ summary: inout Summary, _ emit: (PlainChunk) throws -> Void) throws {
        var chunker = Chunker(.entries)
        var at = 0
        while at < pieces.count {
            let head = pieces[at].piece
            var end = at + 1
            while end < pieces.count, pieces[end].piece.lsn == head.lsn, pieces[end].piece.key == head.key { end += 1 }
            let group = at..<end
            try chunker.append(head.key, emit: emit) { writeEntry(group, to: &$0) }
            summary.entries += 1
            at = end
        }
        try chunker.flush(emit)
    }

    private borrowing func writeEntry(_ group: Range<Int>, to buffer: inout ByteBuffer) {
        let head = pieces[group.lowerBound].piece
        if group.count > Self.rangesMax {
            var overlay = BlockOverlay(tracking: true)
            for index in group { apply(pieces[index].piece, to: &overlay) }
            return BlockEntry.writeTouched(head.key, head.lsn, overlay, to: &buffer)
        }
        var data = 0
        var isBase = false
        for index in group {
            let piece = pieces[index].piece
            if piece.source != Piece.zeros { data += Int(piece.length) }
            isBase = isBase || Int(piece.length) == BlockKey.blockBytes
        }
        BlockEntry.writeHead(
            head.key, head.lsn, ranges: group.count, flags: isBase ? BlockEntry.base : 0, data: data, to: &buffer)
        for index in group {
            let piece = pieces[index].piece
            let length = piece.source == Piece.zeros ? piece.length | BlockEntry.zeroRange : piece.length
            buffer.writeMultipleIntegers(piece.at, length, endianness: .little)
        }
        for index in group {
            let piece = pieces[index].piece
            guard piece.source != Piece.zeros else { continue }
            let from = Int(piece.source)
            payloads[Int(piece.batch)].withUnsafeReadableBytes {
                _ = buffer.writeBytes(UnsafeRawBufferPointer(rebasing: $0[from..<(from + Int(piece.length))]))
            }
        }
    }

    private borrowing func apply(_ piece: Piece, to overlay: inout BlockOverlay) {
        guard piece.source != Piece.zeros else { return overlay.zero(at: Int(piece.at), count: Int(piece.length)) }
        let from = Int(piece.source)
        payloads[Int(piece.batch)].withUnsafeReadableBytes {
            overlay.apply(at: Int(piece.at), UnsafeRawBufferPointer(rebasing: $0[from..<(from + Int(piece.length))]))
        }
    }
}

/// Emitting the chunks that are rows of a fixed size.
package enum ChunkRows {
    /// Sorts them first.
    package static func emit(tombstones: inout [Tombstone], _ emit: (PlainChunk) throws -> Void) throws {
        tombstones.sort { $0.file != $1.file ? $0.file < $1.file : $0.lsn < $1.lsn }
        var chunker = Chunker(.tombstones)
        for row in tombstones {
            try chunker.append(BlockKey(file: row.file, block: 0), emit: emit) { row.write(to: &$0) }
        }
        try chunker.flush(emit)
    }

    package static func emit(timeline: [TimelinePoint], _ emit: (PlainChunk) throws -> Void) throws {
        var chunker = Chunker(.timeline)
        for point in timeline { try chunker.append(emit: emit) { point.write(to: &$0) } }
        try chunker.flush(emit)
    }

    /// Cuts a namespace snapshot into chunks.
    package static func emit(snapshot: ByteBuffer, _ emit: (PlainChunk) throws -> Void) throws {
        var rest = snapshot
        while rest.readableBytes > 0, let piece = rest.readSlice(length: min(rest.readableBytes, PlainChunk.target)) {
            try emit(PlainChunk(kind: .snapshot, first: .lowest, bytes: piece))
        }
    }
}
