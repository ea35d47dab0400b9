// SPDX-License-Identifier: Apache-2.0

internal import Keyring
internal import LayerCore
internal import NIOCore
internal import VolumeModel

/// Writes one layer file: chunks as they come, then index, footer and header; synced once, then renamed into place.
///
/// A writer that is dropped before `finish` has returned removes what it wrote.
final class LayerWriter {
    private let directory: StoreDirectory
    private let identity: SegmentIdentity
    private let sealer: Sealer
    private let onStep: LayerStore.StepHook?
    private let number: UInt32
    private let temporaryName: String
    private let file: StoreFile
    private var rows: [LayerFormat.Row] = []
    private var pending = ByteBuffer()
    private var written = UInt64(LayerFormat.headerBytes)
    private var isFinished = false

    private static let writeBytes = 1 << 20

    init(
        _ number: UInt32, directory: StoreDirectory, identity: SegmentIdentity, sealer: Sealer,
        onStep: LayerStore.StepHook?
    ) throws {
        self.directory = directory
        self.identity = identity
        self.sealer = sealer
        self.onStep = onStep
        self.number = number
        temporaryName = LayerFormat.name(number) + ".tmp"
        file = try StoreFile(directory.file(temporaryName), create: true)
        pending.reserveCapacity(Self.writeBytes + 2 * PlainChunk.target)
        do { try onStep?(.layerCreated) } catch {
            directory.remove(temporaryName)
            throw error
        }
    }

    deinit { if !isFinished { directory.remove(temporaryName) } }

    /// Bytes of the file so far.
    var bytes: UInt64 { written + UInt64(pending.readableBytes) }
    var chunks: Int { rows.count }

    func append(_ chunk: PlainChunk) throws { try append(StoredChunk(chunk)) }

    func append(_ chunk: StoredChunk) throws {
        let offset = bytes
        let index = UInt32(rows.count)
        let before = pending.readableBytes
        sealer.seal(
            chunk.bytes, nonce: Sealer.Nonce(number, UInt64(index)),
            context: LayerFormat.context(identity, layer: number, chunk: index), into: &pending)
        rows.append(
            LayerFormat.Row(
                file: chunk.first.file.value, block: chunk.first.block, offset: offset,
                length: UInt32(pending.readableBytes - before), kind: chunk.kind, flags: chunk.flags))
        if pending.readableBytes >= Self.writeBytes { try flush() }
    }

    private func flush() throws {
        try file.write(pending, at: written)
        written += UInt64(pending.readableBytes)
        pending.clear()
    }

    /// Ends the file; durable under its name once the directory is synced.
    /// - Parameter layer: what the layer holds; its number and bytes are filled in
    func finish(_ layer: LayerDescriptor) throws -> LayerFile {
        var layer = layer
        layer.number = number
        let header = LayerFormat.header(layer, identity, chunks: rows.count)
        let indexAt = bytes
        let before = pending.readableBytes
        let index = UInt32(rows.count)
        sealer.seal(
            LayerFormat.index(rows), nonce: Sealer.Nonce(number, UInt64(index)),
            context: LayerFormat.context(identity, layer: number, chunk: index, header: header), into: &pending)
        let length = pending.readableBytes - before
        pending.writeImmutableBuffer(
            LayerFormat.footer(number: number, chunks: rows.count, indexAt: indexAt, indexLength: length))
        try flush()
        try file.write(header, at: 0)
        layer.bytes = written
        try onStep?(.layerWritten)
        try file.sync()
        if written > 4 << 20 { file.forgetPages() }
        try onStep?(.layerSynced)
        let name = LayerFormat.name(number)
        try directory.rename(temporaryName, to: name)
        do {
            try onStep?(.layerRenamed)
            let result = try LayerFile(directory.file(name), layer, rows)
            isFinished = true
            return result
        } catch {
            directory.remove(name)
            throw error
        }
    }
}
