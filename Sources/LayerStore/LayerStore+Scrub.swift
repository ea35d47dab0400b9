// SPDX-License-Identifier: Apache-2.0

package import LayerCore
internal import NIOCore
package import VolumeModel

/// A layer that is not what was written.
package struct DamagedLayer: Hashable, Sendable {
    package var layer: LayerDescriptor
    /// The chunks that do not authenticate; empty if it is the header, the index or the file as a whole.
    package var chunks: [UInt32]
    package var what: String
}

/// Counts of a segment; bytes are those of files.
package struct LayerStatistics: Hashable, Sendable {
    package var bytes: UInt64 = 0
    package var layers = 0
    package var deltas = 0
    package var deltaBytes: UInt64 = 0
    package var images = 0
    package var imageBytes: UInt64 = 0
    package var namespaces = 0
    package var damaged = 0
    /// Sparse indexes in memory.
    package var indexBytes = 0
    package var layeredLSN = LSN.zero
    package var retiredLSN = LSN.zero
}

/// How far a scrub has come: everything before that chunk of that layer.
package struct ScrubPosition: Hashable, Sendable {
    package var layer: UInt32
    package var chunk: UInt32

    package init(layer: UInt32 = 0, chunk: UInt32 = 0) {
        self.layer = layer
        self.chunk = chunk
    }
}

/// What a part of a scrub has found.
package struct ScrubReport: Sendable {
    package var damaged: [DamagedLayer] = []
    package var bytes: UInt64 = 0
    /// Where to go on; nil at the end.
    package var next: ScrubPosition?
}

extension LayerStore {
    /// Reads every layer from the disk and authenticates every chunk.
    package func scrub() throws -> [DamagedLayer] { try scrub(from: ScrubPosition(), bytesMax: .max).damaged }

    /// Reads so many bytes from the disk (not from a cache, as far as the kernel goes along) and authenticates them, in order of
    /// the layers' numbers. A layer that is damaged as a whole is quarantined; a damaged chunk fails by itself whenever it is
    /// needed.
    package func scrub(from start: ScrubPosition, bytesMax: UInt64) throws -> ScrubReport {
        var report = ScrubReport()
        let layers = current.all.filter { $0.layer.number >= start.layer }.sorted { $0.layer.number < $1.layer.number }
        for live in layers {
            let first = live.layer.number == start.layer ? start.chunk : 0
            if first == 0 {
                live.file.forgetPages()
                if let what = wholeDamage(live) {
                    report.damaged.append(DamagedLayer(layer: live.layer, chunks: [], what: what))
                    continue
                }
            }
            if let next = scrub(live, from: first, bytesMax, &report) {
                report.next = ScrubPosition(layer: live.layer.number, chunk: next)
                return report
            }
        }
        return report
    }

    /// What is wrong with a layer's header or index, which makes all of it unreadable.
    private func wholeDamage(_ live: LiveLayer) -> String? {
        if let what = live.file.damage { return what }
        let path = directory.file(LayerFormat.name(live.layer.number))
        do {
            guard try LayerFile.readIndex(path, live.layer, identity, sealer) == live.file.rows else {
                throw LayerStoreError.damaged(layer: live.layer.number, chunk: nil, what: "index changed")
            }
            return nil
        } catch {
            // A compaction may have removed it meanwhile.
            guard current.all.contains(where: { $0.layer.number == live.layer.number }) else { return nil }
            live.file.quarantine("\(error)")
            return "\(error)"
        }
    }

    /// - Returns: the chunk to go on with once enough was read; nil at the end of the layer
    private func scrub(_ live: LiveLayer, from first: UInt32, _ bytesMax: UInt64, _ report: inout ScrubReport)
        -> UInt32?
    {
        var damage = DamagedLayer(layer: live.layer, chunks: [], what: "")
        defer {
            if !damage.chunks.isEmpty {
                cache.forget(store: cacheNumber, layer: live.layer.number)
                report.damaged.append(damage)
            }
        }
        for index in live.file.rows.indices.dropFirst(Int(first)) {
            if report.bytes >= bytesMax { return UInt32(index) }
            report.bytes += UInt64(live.file.rows[index].length)
            do { _ = try live.file.chunk(index, identity, sealer) } catch {
                damage.chunks.append(UInt32(index))
                damage.what = "\(error)"
            }
        }
        return nil
    }

    /// Everything that needs the layer throws `damaged` from now on, until the segment is imported from a peer or opened
    /// again. No error if there is no such layer.
    package func quarantine(layer number: UInt32, because what: String) {
        current.all.first { $0.layer.number == number }?.file.quarantine(what)
        cache.forget(store: cacheNumber, layer: number)
    }

    package var statistics: LayerStatistics {
        let set = current
        var result = LayerStatistics()
        result.layeredLSN = set.layeredLSN
        result.retiredLSN = set.retiredLSN
        for live in set.all {
            result.layers += 1
            result.bytes += live.layer.bytes
            if live.file.damage != nil { result.damaged += 1 }
            result.indexBytes += live.file.rows.count * LayerFormat.rowBytes
            switch live.layer.kind {
            case .delta:
                result.deltas += 1
                result.deltaBytes += live.layer.bytes
            case .image:
                result.images += 1
                result.imageBytes += live.layer.bytes
            case .namespace: result.namespaces += 1
            }
        }
        return result
    }
}
