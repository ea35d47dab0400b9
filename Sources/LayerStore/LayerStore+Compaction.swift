// SPDX-License-Identifier: Apache-2.0

internal import LayerCore
internal import NIOCore
internal import NamespaceCore
internal import Synchronization
package import VolumeModel

/// What one step of compaction did.
package struct CompactionReport: Hashable, Sendable {
    package enum Work: Hashable, Sendable {
        /// There was nothing to do, or another compaction or import is under way.
        case none
        /// Images of a key range were made anew.
        case image
        /// Deltas that every image includes were dropped.
        case retire
        /// Deltas were put together.
        case merge
    }
    package var work = Work.none
    package var bytesRead: UInt64 = 0
    package var bytesWritten: UInt64 = 0
    package var layersMade = 0
    package var layersRemoved = 0
    /// Call again: there is more to do now.
    package var hasMore: Bool { work != .none }
}

extension LayerStore {
    /// Does at most one unit of work (about `limits.imageBytes` of images at a time) and says what it was.
    ///
    /// Versions that nobody can ask for are dropped: those that lie between two neighbouring read points. Memory: a chunk of
    /// each layer that is merged, and their tombstones.
    /// - Parameters:
    ///   - horizon: every LSN from here on stays readable; never goes back
    ///   - pins: older LSNs that stay readable; a new one must be readable when it is first given
    ///   - force: make images even if there are few deltas
    ///   - peers: other stores of the same group, of which the horizon and the pins hold too. Those with the same layers are
    ///     taken along for the price of sealing and writing (`LayerTwins`).
    /// - Throws: `damaged`, `system`; nothing changed then in this store.
    package func compact(
        horizon: LSN, pins: [LSN], force: Bool = false, with peers: [LayerStore] = []
    ) throws -> CompactionReport {
        guard becomeBusy() else { return CompactionReport() }
        defer { isBusy.withLock { $0 = false } }
        let idle = peers.filter { $0.becomeBusy() }
        defer { for peer in idle { peer.isBusy.withLock { $0 = false } } }
        let set = current
        let twins = LayerTwins(self, set, idle)
        let horizon = min(horizon, set.layeredLSN)
        let plan = try CompactionPlan.next(
            layers: set.all.map(\.layer), horizon: horizon, pins: pins, limits: limits, force: force
        ) { try isTouched($0, by: set.deltas, after: $1, through: $2) }
        switch plan.step {
        case .none: return CompactionReport()
        case .image(let run, let points): return try makeImages(set, twins, run, points, advanced: plan.advanced)
        case .retire(let target, let points): return try retire(set, twins, target, points, advanced: plan.advanced)
        case .merge(let deltas, let points): return try merge(set, twins, deltas, points)
        }
    }

    private func becomeBusy() -> Bool {
        isBusy.withLock { busy in
            defer { busy = true }
            return !busy
        }
    }

    // MARK: - Images

    /// Whether deltas may hold anything for an image's keys. Opens at most one chunk a delta.
    private func isTouched(
        _ image: LayerDescriptor, by deltas: [LiveLayer], after: LSN, through: LSN
    ) throws -> Bool {
        let keys = image.first...image.last
        for live in deltas where live.layer.end > after && live.layer.start < through {
            for index in live.file.chunks(of: .tombstones)
            where live.file.rows[index].first.file <= image.last.file {
                let rows = try Tombstone.decode(try chunk(live.file, index))
                if rows.contains(where: { $0.file >= image.first.file && $0.file <= image.last.file }) { return true }
            }
            for index in live.file.entryChunks(keys) {
                if keys.contains(live.file.rows[index].first) { return true }
                var found = false
                try BlockEntry.scan(try chunk(live.file, index), keys) { _ in found = true }
                if found { return true }
            }
        }
        return false
    }

    private func makeImages(
        _ set: LayerSet, _ twins: LayerTwins, _ run: [LayerDescriptor], _ points: [LSN], advanced: [UInt32]
    ) throws -> CompactionReport {
        guard let target = points.last, let head = run.first, let tail = run.last else { return CompactionReport() }
        let keys = head.first...tail.last
        let old = set.images.filter { live in run.contains { $0.number == live.layer.number } }
        let deltas = set.deltas.filter { $0.layer.end > head.through && $0.layer.start < target }
        // A pin that the images cannot be read at any more is lost already.
        let readable = points.filter { point in run.allSatisfy { $0.answers(point) } }
        var report = CompactionReport()
        report.work = .image
        var merge = LayerMerge(
            image: old.isEmpty ? nil : try cursor(old, keys, &report),
            deltas: try deltas.map { try cursor([$0], keys, &report) }, tombstones: try tombstones(deltas, &report),
            after: head.through, through: target)
        var made: [[LiveLayer]] = []
        do {
            var builder = ImageLayerBuilder(points: readable)
            var writer = try twins.newWriter()
            var first = keys.lowerBound
            func close(_ last: BlockKey) throws {
                try builder.flush { try writer.append($0) }
                let layer = LayerDescriptor(
                    number: 0, kind: .image, start: target, end: target, first: first, last: last,
                    points: Array(readable.dropLast()))
                made.append(try twins.live(writer, layer))
            }
            while let group = try merge.next() {
                if writer.bytes >= limits.imageBytes {
                    try close(group.key.predecessor)
                    writer = try twins.newWriter()
                    first = group.key
                }
                try builder.append(group) { try writer.append($0) }
            }
            try close(keys.upperBound)
        } catch {
            twins.discard(made)
            throw error
        }
        try twins.commit(made) { set, made, own in
            set.remove(own(run.map(\.number)))
            set.images += made
            set.note(advanced: own(advanced), through: target)
            set.sort()
        }
        report.bytesWritten = made.reduce(0) { $0 + $1[0].layer.bytes }
        report.layersMade = made.count
        report.layersRemoved = old.count
        return report
    }

    /// Drops the deltas that every image includes. Group 0 gets a namespace snapshot at each point in exchange.
    private func retire(
        _ set: LayerSet, _ twins: LayerTwins, _ target: LSN, _ points: [LSN], advanced: [UInt32]
    ) throws -> CompactionReport {
        let gone = set.deltas.filter { $0.layer.end <= target }
        var report = CompactionReport()
        report.work = .retire
        var base = set.timelineBase
        for live in gone { base = try timeline(live).last ?? base }
        var made: [[LiveLayer]] = []
        var kept: Set<UInt32> = []
        do {
            if identity.group == .namespace {
                for point in points {
                    if let snapshot = set.namespaces.first(where: { $0.layer.end == point }) {
                        kept.insert(snapshot.layer.number)
                        continue
                    }
                    let namespace: Namespace
                    do { namespace = try self.namespace(in: set, at: point).1 } catch LayerStoreError.notRetained {
                        continue
                    }
                    made.append(try writeNamespace(namespace, at: point, twins))
                }
            }
        } catch {
            twins.discard(made)
            throw error
        }
        let old = set.namespaces.map(\.layer.number).filter { !kept.contains($0) }
        try twins.commit(made) { set, made, own in
            set.remove(own(gone.map(\.layer.number) + old))
            set.namespaces += made
            set.retiredLSN = max(set.retiredLSN, target)
            set.timelineBase = base
            set.note(advanced: own(advanced), through: target)
            // Pins that are gone; the entries kept for them go when the image is next rewritten.
            for index in set.images.indices { set.images[index].layer.points.removeAll { !points.contains($0) } }
            set.sort()
        }
        report.layersRemoved = gone.count + old.count
        report.layersMade = made.count
        report.bytesWritten = made.reduce(0) { $0 + $1[0].layer.bytes }
        return report
    }

    // MARK: - Deltas

    private func merge(
        _ set: LayerSet, _ twins: LayerTwins, _ run: [LayerDescriptor], _ points: [LSN]
    ) throws -> CompactionReport {
        guard let head = run.first, let tail = run.last else { return CompactionReport() }
        let old = set.deltas.filter { live in run.contains { $0.number == live.layer.number } }
        let all = BlockKey.lowest...BlockKey.highest
        var report = CompactionReport()
        report.work = .merge
        var zeros = try tombstones(old, &report)
        var merge = LayerMerge(
            image: nil, deltas: try old.map { try cursor([$0], all, &report) }, tombstones: zeros, after: .zero,
            through: LSN(.max))
        let writer = try twins.newWriter()
        var thinner = DeltaThinner(points: points)
        var first: BlockKey?
        var last = BlockKey.lowest
        while let group = try merge.next() {
            if first == nil { first = group.key }
            last = group.key
            try thinner.append(group) { try writer.append($0) }
        }
        try thinner.flush { try writer.append($0) }
        var rows = zeros.sorted
        zeros = TombstoneSet()
        try ChunkRows.emit(tombstones: &rows) { try writer.append($0) }
        for kind in [ChunkKind.records, .timeline] {
            for live in old {
                for index in live.file.chunks(of: kind) {
                    let bytes = try live.file.chunk(index, identity, sealer)
                    try writer.append(PlainChunk(kind: kind, first: .lowest, bytes: bytes))
                }
            }
        }
        let made = try twins.live(
            writer,
            LayerDescriptor(
                number: 0, kind: .delta, start: head.start, end: tail.end, first: first ?? .lowest, last: last))
        try twins.commit([made]) { set, made, own in
            set.remove(own(run.map(\.number)))
            set.deltas += made
            set.sort()
        }
        report.bytesWritten = made[0].layer.bytes
        report.layersMade = 1
        report.layersRemoved = old.count
        return report
    }

    // MARK: - Reading layers through

    /// The entries of layers that follow each other in key order. Goes past the cache.
    private func cursor(
        _ layers: [LiveLayer], _ keys: ClosedRange<BlockKey>, _ report: inout CompactionReport
    ) throws -> EntryCursor {
        var chunks: [(LayerFile, Int)] = []
        for live in layers {
            if let what = live.file.damage {
                throw LayerStoreError.damaged(layer: live.layer.number, chunk: nil, what: what)
            }
            for index in live.file.entryChunks(keys) {
                chunks.append((live.file, index))
                report.bytesRead += UInt64(live.file.rows[index].length)
            }
        }
        var next = chunks.makeIterator()
        let identity = self.identity
        let sealer = self.sealer
        return try EntryCursor(keys) {
            guard let (file, index) = next.next() else { return nil }
            return try file.chunk(index, identity, sealer)
        }
    }

    private func tombstones(_ deltas: [LiveLayer], _ report: inout CompactionReport) throws -> TombstoneSet {
        var set = TombstoneSet()
        for live in deltas {
            for index in live.file.chunks(of: .tombstones) {
                for row in try Tombstone.decode(try live.file.chunk(index, identity, sealer)) { set.insert(row) }
                report.bytesRead += UInt64(live.file.rows[index].length)
            }
        }
        return set
    }
}
