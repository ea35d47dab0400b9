// SPDX-License-Identifier: Apache-2.0

internal import LayerCore
internal import LogWire
package import NIOCore
package import VolumeModel

extension LayerStore {
    /// Makes layers of the next batches; on return they are durable, and what the journal and the tail hold of them may go.
    ///
    /// Batches must be final: at or below what a write quorum is known to hold, never something a recovery could annul.
    /// - Parameters:
    ///   - batches: the group's parts in order, opened; those that the layers have already are skipped
    ///   - upTo: the LSN that the group is complete to; it may lie above the last batch's end, since other groups advance the
    ///     log too. Ignored if it is below what is layered.
    /// - Throws: `brokenChain`, `badRecord`, `system`; nothing changed then, and no file is left.
    package func cut(batches: [(BatchHeader, ByteBuffer)], upTo: LSN) throws {
        let before = current
        var previous = before.previousEnd
        var start = before.layeredLSN
        var made: [LiveLayer] = []
        do {
            var builder = DeltaLayerBuilder()
            func close(_ end: LSN) throws {
                if let live = try writeDelta(builder, start: start, end: end) { made.append(live) }
                builder = DeltaLayerBuilder()
                start = end
            }
            for (header, payload) in batches where header.end > before.previousEnd {
                guard header.previous == previous else {
                    throw LayerStoreError.brokenChain(expected: previous, found: header.previous)
                }
                if header.end > upTo { break }
                try builder.add(header, payload)
                previous = header.end
                if UInt64(builder.bytes) >= limits.deltaBytes { try close(header.end) }
            }
            let end = max(upTo, before.layeredLSN)
            if builder.bytes > 0 { try close(end) }
            guard end > before.layeredLSN else { return }
            if !made.isEmpty { try syncDirectory() }
            try commit { set in
                guard set.previousEnd == before.previousEnd, set.layeredLSN == before.layeredLSN else {
                    throw LayerStoreError.brokenChain(expected: set.previousEnd, found: before.previousEnd)
                }
                set.deltas += made
                set.layeredLSN = end
                set.previousEnd = previous
            }
        } catch {
            discard(made)
            switch error {
            case LayerCoreError.badRecord(let trouble): throw LayerStoreError.badRecord(trouble)
            default: throw error
            }
        }
    }

    /// A durable delta layer, or nil if the batches hold nothing for one.
    private func writeDelta(_ builder: consuming DeltaLayerBuilder, start: LSN, end: LSN) throws -> LiveLayer? {
        let writer = try newWriter()
        let summary = try builder.build { try writer.append($0) }
        if summary.isEmpty { return nil }
        let keys = summary.keys ?? BlockKey.lowest...BlockKey.lowest
        let layer = LayerDescriptor(
            number: 0, kind: .delta, start: start, end: end, first: keys.lowerBound, last: keys.upperBound)
        return try live(writer, layer)
    }

    func live(_ writer: LayerWriter, _ layer: LayerDescriptor) throws -> LiveLayer {
        let file = try writer.finish(layer)
        var layer = layer
        layer.number = file.number
        layer.bytes = writer.bytes
        return LiveLayer(layer: layer, file: file)
    }
}
