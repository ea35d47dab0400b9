// SPDX-License-Identifier: Apache-2.0

package import LayerCore
package import NIOCore
package import VolumeModel

/// A segment's layers at one moment, to be copied to a peer.
///
/// While the export is held its layers stay readable, whatever is compacted meanwhile. A peer seals with another key, so a
/// layer travels as a *plain stream*, over a channel that encrypts: per chunk a front of 24 bytes, little-endian (u8 kind,
/// u8 flags as in the index, u16 zero, u32 length, u64 file and u64 block of the first key), then the opened bytes, compressed if
/// they are stored so.
package final class SegmentExport: Sendable {
    static let frontBytes = 24

    /// What the importer is to be made with.
    package let description: SegmentDescription
    private let store: LayerStore
    private let live: [UInt32: LiveLayer]
    /// Per layer, where each chunk begins in the plain stream, and the end.
    private let offsets: [UInt32: [UInt64]]

    init(_ store: LayerStore, _ set: LayerSet) {
        self.store = store
        var offsets: [UInt32: [UInt64]] = [:]
        var lengths: [UInt64] = []
        for live in set.all {
            var at: [UInt64] = [0]
            for row in live.file.rows {
                at.append(
                    at[at.count - 1] + UInt64(Self.frontBytes) + UInt64(row.length) - UInt64(LayerFormat.tagBytes))
            }
            offsets[live.layer.number] = at
            lengths.append(at[at.count - 1])
        }
        self.offsets = offsets
        live = Dictionary(uniqueKeysWithValues: set.all.map { ($0.layer.number, $0) })
        description = SegmentDescription(
            layeredLSN: set.layeredLSN, previousEnd: set.previousEnd, retiredLSN: set.retiredLSN,
            timelineBase: set.timelineBase, layers: set.all.map(\.layer), streamBytes: lengths)
    }

    /// A part of a layer's plain stream; shorter than `count` only at its end, empty behind it.
    /// - Throws: `damaged`; `badImport` if there is no such layer
    package func read(layer number: UInt32, offset: UInt64, count: Int) throws -> ByteBuffer {
        guard let live = live[number], let offsets = offsets[number] else {
            throw LayerStoreError.badImport("no layer \(number)")
        }
        if let what = live.file.damage { throw LayerStoreError.damaged(layer: number, chunk: nil, what: what) }
        var result = ByteBuffer()
        var at = offset
        let end = min(offset.addingReportingOverflow(UInt64(max(count, 0))).partialValue, offsets[offsets.count - 1])
        var index = (offsets.firstIndex { $0 > offset } ?? offsets.count) - 1
        while at < end, index < live.file.rows.count {
            let chunk = try live.file.storedChunk(index, store.identity, store.sealer)
            var frame = ByteBuffer()
            frame.reserveCapacity(Self.frontBytes + chunk.bytes.readableBytes)
            frame.writeMultipleIntegers(
                chunk.kind.rawValue, chunk.flags.rawValue, UInt16(0), UInt32(chunk.bytes.readableBytes),
                chunk.first.file.value,
                chunk.first.block, endianness: .little)
            frame.writeImmutableBuffer(chunk.bytes)
            frame.moveReaderIndex(forwardBy: Int(at - offsets[index]))
            let wanted = min(frame.readableBytes, Int(end - at))
            if let part = frame.readSlice(length: wanted) { result.writeImmutableBuffer(part) }
            at += UInt64(wanted)
            index += 1
        }
        return result
    }
}

/// What an exported segment consists of; small enough for one message. Layer numbers are the exporter's.
package struct SegmentDescription: Hashable, Sendable {
    package var layeredLSN: LSN
    package var previousEnd: LSN
    package var retiredLSN: LSN
    package var timelineBase: TimelinePoint?
    package var layers: [LayerDescriptor]
    /// Length of each layer's plain stream.
    package var streamBytes: [UInt64]

    private static let magic: UInt64 = 0x3154_524f_5058_4542

    /// u64 magic `BEXPORT1`, u64 layered LSN, previous end, retired LSN, timeline base's microseconds and LSN, u32 number of
    /// layers; per layer the manifest's row and u64 length of the plain stream. Little-endian.
    package func encode(into bytes: inout ByteBuffer) {
        bytes.writeMultipleIntegers(
            Self.magic, layeredLSN.value, previousEnd.value, retiredLSN.value, timelineBase?.microseconds ?? 0,
            timelineBase?.lsn.value ?? 0, UInt32(layers.count), endianness: .little)
        for (layer, length) in zip(layers, streamBytes) {
            layer.encode(into: &bytes)
            bytes.writeInteger(length, endianness: .little)
        }
    }

    /// - Throws: `badImport`
    package init(decoding bytes: inout ByteBuffer) throws(LayerStoreError) {
        guard
            let (magic, layered, previous, retired, time, timeLSN, count) = bytes.readMultipleIntegers(
                endianness: .little, as: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt32).self),
            magic == Self.magic
        else { throw .badImport("front") }
        var layers: [LayerDescriptor] = []
        var lengths: [UInt64] = []
        for _ in 0..<count {
            guard let layer = LayerDescriptor(decoding: &bytes),
                let length = bytes.readInteger(endianness: .little, as: UInt64.self)
            else { throw .badImport("layer row") }
            layers.append(layer)
            lengths.append(length)
        }
        self.init(
            layeredLSN: LSN(layered), previousEnd: LSN(previous), retiredLSN: LSN(retired),
            timelineBase: time == 0 ? nil : TimelinePoint(microseconds: time, lsn: LSN(timeLSN)), layers: layers,
            streamBytes: lengths)
    }

    init(
        layeredLSN: LSN, previousEnd: LSN, retiredLSN: LSN, timelineBase: TimelinePoint?, layers: [LayerDescriptor],
        streamBytes: [UInt64]
    ) {
        self.layeredLSN = layeredLSN
        self.previousEnd = previousEnd
        self.retiredLSN = retiredLSN
        self.timelineBase = timelineBase
        self.layers = layers
        self.streamBytes = streamBytes
    }
}

extension LayerStore {
    /// The segment as it is now, to be copied to a peer.
    package func export() -> SegmentExport { SegmentExport(self, current) }
}
