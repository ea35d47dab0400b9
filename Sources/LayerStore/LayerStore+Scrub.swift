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

extension LayerStore {
    /// Reads every layer from the disk (not from a cache, as far as the kernel goes along) and authenticates every chunk.
    ///
    /// Slow, and meant to be: a background thread at low priority. Layers found damaged are quarantined if it is the layer
    /// as a whole; a damaged chunk fails by itself whenever it is needed.
    package func scrub() throws -> [DamagedLayer] {
        var damaged: [DamagedLayer] = []
        for live in current.all {
            let number = live.layer.number
            let path = directory.file(LayerFormat.name(number))
            if let what = live.file.damage {
                damaged.append(DamagedLayer(layer: live.layer, chunks: [], what: what))
                continue
            }
            live.file.forgetPages()
            do {
                let rows = try LayerFile.readIndex(path, live.layer, identity, sealer)
                guard rows == live.file.rows else {
                    throw LayerStoreError.damaged(layer: number, chunk: nil, what: "index changed")
                }
            } catch {
                // A compaction may have removed it meanwhile.
                guard current.all.contains(where: { $0.layer.number == number }) else { continue }
                live.file.quarantine("\(error)")
                damaged.append(DamagedLayer(layer: live.layer, chunks: [], what: "\(error)"))
                continue
            }
            var chunks: [UInt32] = []
            var what = ""
            for index in live.file.rows.indices {
                do { _ = try live.file.chunk(index, identity, sealer) } catch {
                    chunks.append(UInt32(index))
                    what = "\(error)"
                }
            }
            if !chunks.isEmpty {
                cache.forget(store: cacheNumber, layer: number)
                damaged.append(DamagedLayer(layer: live.layer, chunks: chunks, what: what))
            }
        }
        return damaged
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
