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

    /// What to sort: a piece's key, and its place in the log order.
    private struct Place {
        var file: UInt64
        var block: UInt64
        var index: UInt32
    }

    private var payloads: [ByteBuffer] = []
    private var scan = BatchScan()
    private var timeline: [TimelinePoint] = []
    private var timed = 0

    package init() {}

    /// Payload bytes added so far.
    package private(set) var bytes = 0

    /// Adds the next batch; batches come in log order.
    package mutating func add(_ header: BatchHeader, _ payload: ByteBuffer) throws(LayerCoreError) {
        let index = payloads.count
        payloads.append(payload)
        bytes += payload.readableBytes
        do throws(RecordError) { try scan.add(payload, batch: index) } catch {
            throw .badRecord(RecordTrouble(batchEnd: header.end, what: "\(error)"))
        }
        for other in scan.others[timed...] where other.kind == .timestamp {
            let at = payload.readerIndex + other.place.lowerBound + RecordHeader.bytes
            guard other.place.count >= RecordHeader.bytes + 8,
                let time = payload.getInteger(at: at, endianness: .little, as: UInt64.self)
            else { throw .badRecord(RecordTrouble(batchEnd: header.end, what: "timestamp")) }
            if timeline.last.map({ time >= $0.microseconds &+ TimelinePoint.spacing }) ?? true {
                timeline.append(TimelinePoint(microseconds: time, lsn: other.lsn))
            }
        }
        timed = scan.others.count
    }

    /// Emits all chunks, in the order in which a layer holds them. O(n log n).
    package consuming func build(_ emit: (PlainChunk) throws -> Void) throws -> Summary {
        var summary = Summary()
        let records = scan.others.filter { $0.kind != .timestamp && $0.kind != .marker }
        summary.tombstones = scan.tombstones.count
        summary.namespaceRecords = records.count
        summary.timestamps = timeline.count
        try emitEntries(&summary, emit)
        var tombstones = scan.tombstones
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
        let pieces = scan.pieces
        var places: [Place] = []
        places.reserveCapacity(pieces.count)
        for index in pieces.indices {
            let key = pieces[index].key
            places.append(Place(file: key.file.value, block: key.block, index: UInt32(truncatingIfNeeded: index)))
        }
        places.sort { a, b in
            if a.file != b.file { return a.file < b.file }
            if a.block != b.block { return a.block < b.block }
            return a.index < b.index
        }
        var chunker = Chunker(.entries)
        var group: [Piece] = []
        var at = 0
        while at < places.count {
            let head = pieces[Int(places[at].index)]
            group.removeAll(keepingCapacity: true)
            while at < places.count {
                let piece = pieces[Int(places[at].index)]
                guard piece.lsn.value == head.lsn.value, piece.key == head.key else { break }
                group.append(piece)
                at += 1
            }
            try chunker.append(head.key, emit: emit) { Self.write(group, payloads, to: &$0) }
            summary.entries += 1
        }
        try chunker.flush(emit)
        if let first = places.first, let last = places.last {
            summary.keys = pieces[Int(first.index)].key...pieces[Int(last.index)].key
        }
    }

    /// One entry from the pieces of one record in one block.
    private static func write(_ group: [Piece], _ payloads: [ByteBuffer], to buffer: inout ByteBuffer) {
        let head = group[0]
        let payload = payloads[Int(head.batch)]
        if group.count > rangesMax {
            var overlay = BlockOverlay(tracking: true)
            BlockVersion.apply(group[...], of: payload, to: &overlay)
            return BlockEntry.writeTouched(head.key, head.lsn, overlay, to: &buffer)
        }
        var data = 0
        var isBase = false
        for piece in group {
            if piece.source != Piece.zeros { data += Int(piece.length) }
            isBase = isBase || Int(piece.length) == BlockKey.blockBytes
        }
        BlockEntry.writeHead(
            head.key, head.lsn, ranges: group.count, flags: isBase ? BlockEntry.base : 0, data: data, to: &buffer)
        let bytes = group.count * 4 + data
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bytes) { space in
            var table = 0
            var at = group.count * 4
            payload.withUnsafeReadableBytes { raw in
                for piece in group {
                    let isZero = piece.source == Piece.zeros
                    let length = isZero ? piece.length | BlockEntry.zeroRange : piece.length
                    space.storeBytes(of: piece.at.littleEndian, toByteOffset: table, as: UInt16.self)
                    space.storeBytes(of: length.littleEndian, toByteOffset: table + 2, as: UInt16.self)
                    table += 4
                    if isZero { continue }
                    let from = Int(piece.source)
                    UnsafeMutableRawBufferPointer(rebasing: space[at...]).copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: raw[from..<(from + Int(piece.length))]))
                    at += Int(piece.length)
                }
            }
            return bytes
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
