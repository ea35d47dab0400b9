// SPDX-License-Identifier: Apache-2.0

internal import Keyring
internal import LayerCore
internal import NIOCore
internal import Synchronization
internal import VolumeModel

/// An open layer: its sparse index in memory (32 bytes a chunk), its chunks on disk.
///
/// The descriptor stays open while anybody reads, so a layer can be unlinked at any time.
final class LayerFile: Sendable {
    let number: UInt32
    /// All chunks, in file order: grouped by kind, and within a kind by key.
    let rows: [LayerFormat.Row]
    private let entryCount: Int
    /// The chunks of each kind, in the order of `ChunkKind.allCases`.
    private let ranges: [Range<Int>]
    /// Nil if the file could not be opened.
    private let file: Holder?
    private let trouble: Mutex<String?>

    /// A class, since a Swift class cannot hold an optional of a non-copyable type in a `let` that is `Sendable`.
    private final class Holder: Sendable {
        let file: StoreFile
        init(_ file: consuming StoreFile) { self.file = file }
    }

    /// A layer just written.
    init(_ path: String, _ layer: LayerDescriptor, _ rows: [LayerFormat.Row]) throws {
        number = layer.number
        self.rows = rows
        entryCount = rows.prefix { $0.kind == .entries }.count
        ranges = ChunkKind.allCases.map { kind in
            let first = rows.firstIndex { $0.kind == kind } ?? rows.count
            return first..<(rows[first...].firstIndex { $0.kind != kind } ?? rows.count)
        }
        file = Holder(try StoreFile(path))
        trouble = Mutex(nil)
    }

    /// A layer that cannot be read: whatever needs it throws `damaged`.
    init(damaged number: UInt32, _ what: String) {
        self.number = number
        rows = []
        ranges = ChunkKind.allCases.map { _ in 0..<0 }
        entryCount = 0
        file = nil
        trouble = Mutex(what)
    }

    /// Opens a layer of the manifest: reads and checks header, footer and index.
    static func open(
        _ layer: LayerDescriptor, _ directory: StoreDirectory, _ identity: SegmentIdentity, _ sealer: Sealer
    ) -> LayerFile {
        let path = directory.file(LayerFormat.name(layer.number))
        do {
            let rows = try readIndex(path, layer, identity, sealer)
            return try LayerFile(path, layer, rows)
        } catch LayerStoreError.damaged(_, _, let what) {
            return LayerFile(damaged: layer.number, what)
        } catch {
            return LayerFile(damaged: layer.number, "\(error)")
        }
    }

    /// Header, footer and index as they are on disk now.
    static func readIndex(
        _ path: String, _ layer: LayerDescriptor, _ identity: SegmentIdentity, _ sealer: Sealer
    ) throws -> [LayerFormat.Row] {
        func damaged(_ what: String) -> LayerStoreError { .damaged(layer: layer.number, chunk: nil, what: what) }
        let file = try StoreFile(path)
        let length = try file.length
        guard length == layer.bytes, length >= UInt64(LayerFormat.headerBytes + LayerFormat.footerBytes) else {
            throw damaged("length \(length)")
        }
        guard let header = try file.read(at: 0, count: LayerFormat.headerBytes),
            let (found, chunks) = LayerFormat.parseHeader(header, identity), found.number == layer.number,
            found.kind == layer.kind, found.start == layer.start, found.end == layer.end, found.first == layer.first,
            found.last == layer.last
        else { throw damaged("header") }
        let footerAt = length - UInt64(LayerFormat.footerBytes)
        guard let bytes = try file.read(at: footerAt, count: LayerFormat.footerBytes),
            let footer = LayerFormat.parseFooter(bytes), footer.number == layer.number, footer.chunks == chunks,
            footer.indexAt + UInt64(footer.indexLength) == footerAt
        else { throw damaged("footer") }
        let context = LayerFormat.context(identity, layer: layer.number, chunk: UInt32(chunks), header: header)
        guard let sealed = try file.read(at: footer.indexAt, count: footer.indexLength),
            let plain = sealer.open(sealed, nonce: Sealer.Nonce(layer.number, UInt64(chunks)), context: context),
            let rows = LayerFormat.parseIndex(plain), rows.count == chunks
        else { throw damaged("index") }
        return rows
    }

    // MARK: - Chunks

    /// Whether something is known to be wrong with the layer as a whole.
    var damage: String? { trouble.withLock { $0 } }

    /// Everything that needs the layer throws `damaged` from now on.
    func quarantine(_ what: String) { trouble.withLock { $0 = $0 ?? what } }

    /// Reads and opens a chunk. Throws `damaged` if it does not authenticate or cannot be read.
    func chunk(_ index: Int, _ identity: SegmentIdentity, _ sealer: Sealer) throws(LayerStoreError) -> ByteBuffer {
        guard let plain = try storedChunk(index, identity, sealer).expanded else {
            throw .damaged(layer: number, chunk: UInt32(index), what: "does not expand")
        }
        return plain
    }

    /// The same, compressed if it is stored so.
    func storedChunk(
        _ index: Int, _ identity: SegmentIdentity, _ sealer: Sealer
    ) throws(LayerStoreError) -> StoredChunk {
        if let what = damage { throw .damaged(layer: number, chunk: nil, what: what) }
        guard let file else { throw .damaged(layer: number, chunk: nil, what: "not open") }
        let row = rows[index]
        let sealed: ByteBuffer?
        do throws(LayerStoreError) {
            sealed = try file.file.read(at: row.offset, count: Int(row.length))
        } catch {
            throw .damaged(layer: number, chunk: UInt32(index), what: "\(error)")
        }
        guard let sealed,
            let plain = sealer.open(
                sealed, nonce: Sealer.Nonce(number, UInt64(index)),
                context: LayerFormat.context(identity, layer: number, chunk: UInt32(index)))
        else { throw .damaged(layer: number, chunk: UInt32(index), what: "does not authenticate") }
        return StoredChunk(
            kind: row.kind, first: row.first, flags: row.flags, bytes: plain)
    }

    func forgetPages() { file?.file.forgetPages() }

    // MARK: - The sparse index

    /// The entry chunks that may hold keys of the range.
    func entryChunks(_ range: ClosedRange<BlockKey>) -> Range<Int> {
        // The last chunk that begins at or before the range, or the chunks before it that its first block began in.
        var low = firstEntryChunk { $0 > range.lowerBound }
        if low > 0 { low -= 1 }
        while low > 0, rows[low].flags.contains(.continues), rows[low].first >= range.lowerBound { low -= 1 }
        let high = firstEntryChunk { $0 > range.upperBound }
        return low..<max(low, high)
    }

    /// The first entry chunk whose first key passes the test, which all later ones pass too.
    private func firstEntryChunk(_ test: (BlockKey) -> Bool) -> Int {
        var low = 0
        var high = entryCount
        while low < high {
            let middle = (low + high) / 2
            if test(rows[middle].first) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    func chunks(of kind: ChunkKind) -> Range<Int> { ranges[Int(kind.rawValue) - 1] }

    /// The tombstone chunks that may hold rows of the file.
    func tombstoneChunks(_ file: FileID) -> Range<Int> {
        let all = chunks(of: .tombstones)
        let end = all.first { rows[$0].file > file.value } ?? all.upperBound
        let start = all.last { rows[$0].file < file.value } ?? all.lowerBound
        return start..<max(start, end)
    }
}
