// SPDX-License-Identifier: Apache-2.0

internal import LayerCore
internal import LogWire
package import NIOCore
package import VolumeModel

/// Delta layers before they are sealed and written.
///
/// The nodes of a host that stand at the same place share one, for the work is the same; each seals it under its own key.
package struct LayerDraft {
    fileprivate struct Layer {
        var start: LSN
        var end: LSN
        var summary: DeltaLayerBuilder.Summary
        var chunks: [StoredChunk]
    }

    /// Where a store has to stand to take it.
    fileprivate let layeredLSN: LSN
    fileprivate let previousEnd: LSN
    fileprivate var layers: [Layer] = []
    /// Where the store stands afterwards.
    package fileprivate(set) var end: LSN
    fileprivate var lastEnd: LSN
}

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
        try cut(draft(batches: batches, upTo: upTo))
    }

    /// Whether the draft goes on where this store's layers end.
    package func takes(_ draft: LayerDraft) -> Bool {
        let now = current
        return draft.layeredLSN == now.layeredLSN && draft.previousEnd == now.previousEnd
    }

    /// Sorts the batches into layers; see `cut(batches:upTo:)`. Writes nothing.
    package func draft(batches: [(BatchHeader, ByteBuffer)], upTo: LSN) throws -> LayerDraft {
        let now = current
        var draft = LayerDraft(
            layeredLSN: now.layeredLSN, previousEnd: now.previousEnd, end: max(upTo, now.layeredLSN),
            lastEnd: now.previousEnd)
        var start = now.layeredLSN
        var builder = DeltaLayerBuilder()
        func close(_ end: LSN) throws {
            var chunks: [StoredChunk] = []
            let summary = try builder.build { chunks.append(StoredChunk($0)) }
            if !summary.isEmpty { draft.layers.append(.init(start: start, end: end, summary: summary, chunks: chunks)) }
            builder = DeltaLayerBuilder()
            start = end
        }
        do {
            for (header, payload) in batches where header.end > now.previousEnd {
                guard header.previous == draft.lastEnd else {
                    throw LayerStoreError.brokenChain(expected: draft.lastEnd, found: header.previous)
                }
                if header.end > upTo { break }
                try builder.add(header, payload)
                draft.lastEnd = header.end
                if UInt64(builder.bytes) >= limits.deltaBytes { try close(header.end) }
            }
            if builder.bytes > 0 { try close(draft.end) }
        } catch LayerCoreError.badRecord(let trouble) {
            throw LayerStoreError.badRecord(trouble)
        }
        return draft
    }

    /// Writes the layers of a draft; durable on return.
    /// - Throws: `brokenChain` if the store stands elsewhere, `system`; nothing changed then, and no file is left.
    package func cut(_ draft: LayerDraft) throws {
        var made: [LiveLayer] = []
        do {
            for layer in draft.layers { made.append(try write(layer)) }
            guard draft.end > draft.layeredLSN else { return }
            if !made.isEmpty { try syncDirectory() }
            try commit { set in
                guard set.previousEnd == draft.previousEnd, set.layeredLSN == draft.layeredLSN else {
                    throw LayerStoreError.brokenChain(expected: set.previousEnd, found: draft.previousEnd)
                }
                set.deltas += made
                set.layeredLSN = draft.end
                set.previousEnd = draft.lastEnd
            }
        } catch {
            discard(made)
            throw error
        }
    }

    private func write(_ draft: LayerDraft.Layer) throws -> LiveLayer {
        let writer = try newWriter()
        for chunk in draft.chunks { try writer.append(chunk) }
        let keys = draft.summary.keys ?? BlockKey.lowest...BlockKey.lowest
        let layer = LayerDescriptor(
            number: 0, kind: .delta, start: draft.start, end: draft.end, first: keys.lowerBound, last: keys.upperBound)
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
