// SPDX-License-Identifier: Apache-2.0

package import Keyring
package import LayerCore
internal import NIOCore
internal import NamespaceCore
internal import Synchronization
package import VolumeModel

/// A segment's layers: one directory, one protection group, one node.
///
/// Everything at or below `layeredLSN` is here, durable and immutable; what is newer is in a `TailIndex` beside it. Layers
/// are made by `cut` and rearranged by `compact`; the manifest says which ones count, and is replaced atomically, so that a
/// crash leaves either the old set or the new one. Files that the manifest does not list are removed when the store opens.
///
/// Thread-safe. Reads take a lock only to copy the set of layers; a cut or a compaction may run beside them and beside one
/// another. One compaction runs at a time.
package final class LayerStore: Sendable {
    package typealias StepHook = @Sendable (StoreStep) throws -> Void

    /// Layer numbers are reserved in the manifest this many at a time: one that was ever used is never used again, and
    /// with it no nonce.
    private static let numbersAhead: UInt32 = 64

    package let identity: SegmentIdentity
    package let limits: CompactionLimits
    let directory: StoreDirectory
    let sealer: Sealer
    let cache: ChunkCache
    let cacheNumber: UInt64
    let onStep: StepHook?

    private struct State {
        var set: LayerSet
        var nextNumber: UInt32
        var numbersBelow: UInt32
        /// A manifest was renamed into place and then the directory could not be synced: nobody knows which one a crash
        /// would leave, so nothing is changed or removed until the store is opened again. Or it was closed.
        var failure: LayerStoreError?
    }
    private let state: Mutex<State>
    /// Held while the manifest is written; never by reads.
    private let manifestLock = Mutex(())
    /// Whether a compaction or an import is under way.
    let isBusy = Mutex(false)
    /// The namespace at some LSN at or below the layered one.
    let namespaceCache = Mutex<(lsn: LSN, namespace: Namespace)?>(nil)

    /// Opens the segment in a directory, or makes an empty one.
    ///
    /// Reads the index of every layer (32 bytes a 64 KiB chunk). A layer that is missing or unreadable does not keep the
    /// store from opening: what needs it throws `damaged`.
    /// - Parameters:
    ///   - sealer: made with `identity.sealingPurpose`
    ///   - cache: shared by the stores of a process
    ///   - onStep: for tests
    /// - Throws: `badManifest`, `system`
    package init(
        directory path: String, identity: SegmentIdentity, sealer: Sealer, cache: ChunkCache,
        limits: CompactionLimits = CompactionLimits(), onStep: StepHook? = nil
    ) throws {
        self.identity = identity
        self.limits = limits
        self.sealer = sealer
        self.cache = cache
        self.onStep = onStep
        cacheNumber = cache.register()
        let directory = try StoreDirectory(path)
        self.directory = directory
        var manifest = Manifest()
        let isNew = !directory.exists(Manifest.name)
        if !isNew {
            let file = try StoreFile(directory.file(Manifest.name))
            guard let bytes = try file.read(at: 0, count: Int(try file.length)) else {
                throw LayerStoreError.badManifest("ends early")
            }
            manifest = try Manifest(decoding: bytes, identity)
        }
        let listed = Set(manifest.layers.map { LayerFormat.name($0.number) })
        for name in try directory.names() {
            let isLayer = name.hasPrefix("layer-") && !listed.contains(name)
            if isLayer || name == Manifest.temporaryName { directory.remove(name) }
        }
        let set = LayerSet(manifest) { LayerFile.open($0, directory, identity, sealer) }
        state = Mutex(State(set: set, nextNumber: manifest.numbersBelow, numbersBelow: manifest.numbersBelow))
        if isNew { try commit { _ in } }
    }

    // MARK: - What there is

    /// The file without which a directory is not a store.
    package static let manifestName = Manifest.name

    var current: LayerSet { state.withLock { $0.set } }

    /// Everything at or below is in the layers.
    package var layeredLSN: LSN { current.layeredLSN }
    /// End of the group's last part in the layers.
    package var previousEnd: LSN { current.previousEnd }
    /// Deltas up to here are gone: below it, only pinned LSNs can be read.
    package var retiredLSN: LSN { current.retiredLSN }
    package var layers: [LayerDescriptor] { current.all.map(\.layer) }

    // MARK: - Changing the set

    /// Ends all change, so that the directory can be opened again: two stores would give the same layer numbers, and so the
    /// same nonces. A change under way is waited for, later ones throw `closed`. Reads go on with what was there.
    package func close() {
        manifestLock.withLock { _ in state.withLock { $0.failure = .closed } }
    }

    /// Changes the set of layers, durably; what the change took out is unlinked.
    /// - Throws: the manifest could not be written; the set is as it was (a crash may leave the new one, which is as good).
    func commit(_ change: (inout LayerSet) throws -> Void) throws {
        let removed = try manifestLock.withLock { _ in
            let (old, next, failure) = state.withLock { ($0.set, $0.nextNumber, $0.failure) }
            if let failure { throw failure }
            var new = old
            try change(&new)
            let below = next.addingReportingOverflow(Self.numbersAhead)
            let numbersBelow = below.overflow ? UInt32.max : below.partialValue
            try write(new.manifest(numbersBelow: numbersBelow))
            state.withLock {
                $0.set = new
                $0.numbersBelow = max($0.numbersBelow, numbersBelow)
            }
            let kept = Set(new.all.map(\.layer.number))
            return old.all.map(\.layer.number).filter { !kept.contains($0) }
        }
        for number in removed {
            cache.forget(store: cacheNumber, layer: number)
            directory.remove(LayerFormat.name(number))
        }
        if !removed.isEmpty { try? onStep?(.layerRemoved) }
    }

    private func write(_ manifest: Manifest) throws {
        do {
            let file = try StoreFile(directory.file(Manifest.temporaryName), create: true)
            try file.write(manifest.encode(identity), at: 0)
            try onStep?(.manifestWritten)
            try file.sync()
            try onStep?(.manifestSynced)
            try directory.rename(Manifest.temporaryName, to: Manifest.name)
        } catch {
            directory.remove(Manifest.temporaryName)
            throw error
        }
        try? onStep?(.manifestRenamed)
        do throws(LayerStoreError) { try directory.sync() } catch {
            state.withLock { $0.failure = error }
            throw error
        }
        try? onStep?(.manifestDurable)
    }

    /// A number for a new layer, never given before.
    func newNumber() throws -> UInt32 {
        if let number = try takeNumber() { return number }
        try commit { _ in }
        guard let number = try takeNumber() else { throw LayerStoreError.numbersExhausted }
        return number
    }

    private func takeNumber() throws -> UInt32? {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            guard state.nextNumber < state.numbersBelow else { return nil }
            defer { state.nextNumber += 1 }
            return state.nextNumber
        }
    }

    func newWriter() throws -> LayerWriter {
        try LayerWriter(try newNumber(), directory: directory, identity: identity, sealer: sealer, onStep: onStep)
    }

    /// Makes the names of new layer files durable: before a manifest may list them.
    func syncDirectory() throws {
        try directory.sync()
        try onStep?(.directorySynced)
    }

    /// Removes layers that were written and will not be listed.
    func discard(_ made: [LiveLayer]) {
        // A closed store's numbers are its own still.
        guard [nil, .closed].contains(state.withLock({ $0.failure })) else { return }
        for live in made { directory.remove(LayerFormat.name(live.layer.number)) }
    }

    // MARK: - Chunks

    /// An opened chunk, from the cache or from disk.
    func chunk(_ file: LayerFile, _ index: Int) throws(LayerStoreError) -> ByteBuffer {
        let key = ChunkCache.Key(store: cacheNumber, layer: file.number, chunk: UInt32(index))
        if file.damage == nil, let bytes = cache.get(key) { return bytes }
        let bytes = try file.chunk(index, identity, sealer)
        cache.put(key, bytes)
        return bytes
    }
}
