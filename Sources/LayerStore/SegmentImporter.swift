// SPDX-License-Identifier: Apache-2.0

internal import LayerCore
package import NIOCore
internal import Synchronization
internal import VolumeModel

/// Replaces a segment's layers, all at once, by a peer's: for a new copy, and for one with damage.
///
/// Nodes cut and compact on their own, so a single layer of a peer has no counterpart here; the whole set is exchanged.
/// Until `finish` returns, the old layers answer. Afterwards the layered LSN is the peer's: what the log has above it is to
/// be taken from the tail or from peers, also where this segment had layered further.
///
/// Used by one thread. Dropping it before `finish` removes what was received.
package final class SegmentImporter {
    private let store: LayerStore
    private let description: SegmentDescription
    private var made: [LiveLayer] = []
    private var index = 0
    private var writer: LayerWriter?
    private var received: UInt64 = 0
    private var pending = ByteBuffer()
    private var isFinished = false

    /// - Throws: `badImport` if the description makes no sense, or while a compaction or another import is under way.
    init(_ store: LayerStore, _ description: SegmentDescription) throws {
        self.store = store
        self.description = description
        try Self.check(description)
        let begun = store.isBusy.withLock { busy in
            defer { busy = true }
            return !busy
        }
        guard begun else {
            isFinished = true
            throw LayerStoreError.badImport("the segment is busy")
        }
        try skipEmptyLayers()
    }

    /// Layers without a chunk: images of ranges that are all zeros.
    private func skipEmptyLayers() throws {
        while index < description.layers.count, description.streamBytes[index] == 0 {
            made.append(try store.live(try store.newWriter(), description.layers[index]))
            index += 1
        }
    }

    deinit {
        if isFinished { return }
        store.discard(made)
        store.isBusy.withLock { $0 = false }
    }

    /// The images must tile the key space and nothing may lie above the layered LSN.
    private static func check(_ description: SegmentDescription) throws {
        let images = description.layers.filter { $0.kind == .image }.sorted { $0.first < $1.first }
        for (left, right) in zip(images, images.dropFirst()) where left.last.successor != right.first {
            throw LayerStoreError.badImport("images do not tile")
        }
        if let first = images.first, let last = images.last, first.first != .lowest || last.last != .highest {
            throw LayerStoreError.badImport("images do not tile")
        }
        guard images.allSatisfy({ $0.first <= $0.last }),
            description.layers.allSatisfy({ $0.end <= description.layeredLSN && $0.start <= $0.end }),
            description.layers.count == description.streamBytes.count
        else { throw LayerStoreError.badImport("layers") }
    }

    /// The layer whose plain stream is wanted, from which offset on; nil when all is there.
    package var wanted: (layer: UInt32, offset: UInt64)? {
        guard index < description.layers.count else { return nil }
        return (description.layers[index].number, received)
    }

    /// The next bytes of the wanted layer's stream, cut anywhere.
    /// - Throws: `badImport`, `system`; the importer is of no use then.
    package func append(_ bytes: ByteBuffer) throws {
        guard index < description.layers.count else { throw LayerStoreError.badImport("more than was described") }
        received += UInt64(bytes.readableBytes)
        guard received <= description.streamBytes[index] else {
            throw LayerStoreError.badImport("layer longer than described")
        }
        pending.writeImmutableBuffer(bytes)
        let writer = try self.writer ?? store.newWriter()
        self.writer = writer
        while let chunk = try nextChunk() { try writer.append(chunk) }
        pending.discardReadBytes()
        if received == description.streamBytes[index] { try endLayer() }
    }

    private func nextChunk() throws -> StoredChunk? {
        let at = pending.readerIndex
        guard
            let (kind, flags, _, length, file, block) = pending.getMultipleFront(at: at)
        else { return nil }
        guard let kind = ChunkKind(rawValue: kind), length <= PlainChunk.longest,
            let flags = ChunkFlags(decoding: flags)
        else {
            throw LayerStoreError.badImport("chunk")
        }
        guard pending.readableBytes >= SegmentExport.frontBytes + Int(length) else { return nil }
        pending.moveReaderIndex(forwardBy: SegmentExport.frontBytes)
        guard let bytes = pending.readSlice(length: Int(length)) else { return nil }
        return StoredChunk(
            kind: kind, first: BlockKey(file: FileID(file), block: block), flags: flags, bytes: bytes)
    }

    private func endLayer() throws {
        guard pending.readableBytes == 0, let writer else { throw LayerStoreError.badImport("stream ends in a chunk") }
        made.append(try store.live(writer, description.layers[index]))
        self.writer = nil
        index += 1
        received = 0
        try skipEmptyLayers()
    }

    /// Exchanges the layers; durable on return.
    package func finish() throws {
        guard index == description.layers.count else { throw LayerStoreError.badImport("layers are missing") }
        try store.syncDirectory()
        try store.commit { set in
            set.remove(Set(set.all.map(\.layer.number)))
            for live in made { set.add(live) }
            set.sort()
            set.layeredLSN = description.layeredLSN
            set.previousEnd = description.previousEnd
            set.retiredLSN = description.retiredLSN
            set.timelineBase = description.timelineBase
        }
        store.namespaceCache.withLock { $0 = nil }
        isFinished = true
        store.isBusy.withLock { $0 = false }
    }
}

extension ByteBuffer {
    fileprivate func getMultipleFront(at index: Int) -> (UInt8, UInt8, UInt16, UInt32, UInt64, UInt64)? {
        var copy = self
        copy.moveReaderIndex(to: index)
        return copy.readMultipleIntegers(
            endianness: .little, as: (UInt8, UInt8, UInt16, UInt32, UInt64, UInt64).self)
    }
}

extension LayerStore {
    /// Begins to replace all layers by those of a peer's export. Keeps compaction away until it is finished or dropped.
    package func importer(_ description: SegmentDescription) throws -> SegmentImporter {
        try SegmentImporter(self, description)
    }
}
