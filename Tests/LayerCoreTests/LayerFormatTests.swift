// SPDX-License-Identifier: Apache-2.0

import Foundation
import LayerCore
import LayerStore
import LogWire
import NIOCore
import Testing
import VolumeModel

private func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}

/// Layouts, byte by byte; and what does not have them.
@Suite struct LayerFormatTests {
    private var log: TestLog {
        var log = TestLog()
        log.write(2, [(8190, [1, 2, 3, 4]), (9000, [9])])
        log.zero(2, offset: 100, length: 50)
        log.zero(3, offset: 4096, length: 0)
        log.name(.create, 2, mode: 0o600, "f")
        log.timestamp(1_700_000_000_000_000)
        log.ship()
        return log
    }

    @Test func `a delta's chunks are these`() throws {
        let log = self.log
        var builder = DeltaLayerBuilder()
        try builder.add(log.batches[0].0, log.batches[0].1)
        var chunks: [String] = []
        let summary = try builder.build { chunks.append("\($0.kind.rawValue) \(hex($0.bytes.readableBytesView))") }
        #expect(summary.entries == 3)
        #expect(
            chunks == [
                "1 020000000000000000000000000000003d000000000000000100000002000000fe1f02000102020000000000"
                    + "000000000000000000007100000000000000010000000000000064003280020000000000000001000000000000"
                    + "003d0000000000000002000000030000000000020028030100030409",
                "2 03000000000000000010000000000000ffffffffffffffffa500000000000000",
                "3 2900000001010000ce00000000000000020000000000000001000000290000005193d5fd8001000066",
                "4 00401e18240a0600fa00000000000000",
            ])
    }

    @Test func `a segment's files are these`() throws {
        let scratch = Scratch()
        let store = try openStore(scratch.path)
        let log = self.log
        try store.cut(batches: log.batches, upTo: log.position)
        #expect(scratch.files == ["MANIFEST", "layer-00000001"])
        let layer = try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/layer-00000001"))
        #expect(
            hex(layer.prefix(128))
                == "42584c41594552310200000001000000010001610000000034120000000000000000000000000000fa00000000000000"
                + "020000000000000000000000000000000200000000000000010000000000000004000000000000000000000000000000"
                + "0000000000000000000000000000000000000000000000000000000015595efe")
        #expect(hex(layer.suffix(32)) == "42584c4159454e448e01000000000000900000000400000001000000d4abf47d")
        // Sealed: the first chunk, which pins key derivation, nonce and context.
        #expect(hex(layer[128..<160]) == "31ac40ae244be35fd13e9327048392ef97ad2927e8bbf8ba7d9d645e62cbf98b")
        let manifest = try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/MANIFEST"))
        #expect(
            hex(manifest)
                == "42584d414e494631010000000000000034120000000000000161000042000000fa00000000000000fa00000000000000"
                + "0000000000000000000000000000000000000000000000000100000001000000010000000000000000000000fa000000"
                + "00000000fa0000000000000002000000000000000000000000000000020000000000000001000000000000003e020000"
                + "0000000000000000ff9d6a8f")
    }

    @Test func `malformed chunks are refused`() throws {
        var builder = DeltaLayerBuilder()
        try builder.add(log.batches[0].0, log.batches[0].1)
        var chunk = ByteBuffer()
        _ = try builder.build { if $0.kind == .entries { chunk = $0.bytes } }
        let all = BlockKey.lowest...BlockKey.highest
        var random = Random(8)
        for trial in 0..<4000 {
            var bad = chunk
            if trial % 2 == 0 {
                bad = chunk.getSlice(at: 0, length: random.below(chunk.readableBytes))!
            } else {
                bad.setInteger(UInt8(truncatingIfNeeded: random.next()), at: random.below(bad.readableBytes))
            }
            var overlay = BlockOverlay(tracking: true)
            var entries: [BlockEntry] = []
            try? BlockEntry.scan(bad, all) { entries.append($0) }
            for entry in entries { try? BlockVersion.entry(entry).apply(to: &overlay) }
            _ = try? Tombstone.decode(bad)
            _ = try? Tombstone.rows(of: FileID(2), in: bad)
            _ = try? TimelinePoint.decode(bad)
        }
    }

    @Test func `malformed batches are refused`() throws {
        let log = self.log
        let (header, payload) = log.batches[0]
        // A cut between two records leaves whole records.
        let boundaries = Set([0] + log.recordEnds.map { Int($0.value) })
        for length in 0..<payload.readableBytes {
            var builder = DeltaLayerBuilder()
            let cut = payload.getSlice(at: 0, length: length)!
            let isWhole = boundaries.contains(length)
            #expect(((try? builder.add(header, cut)) != nil) == isWhole, "cut at \(length)")
        }
        let tail = TailIndex()
        tail.append(header, payload.getSlice(at: 0, length: 20)!)
        #expect(throws: LayerCoreError.self) { try tail.versions(file: FileID(2), blocks: 0..<1, at: header.end) }
        let scratch = Scratch()
        let store = try openStore(scratch.path)
        #expect(throws: LayerStoreError.self) {
            try store.block(BlockKey(file: FileID(2), block: 0), at: header.end, tail: tail)
        }
        #expect(throws: LayerStoreError.self) {
            try store.cut(batches: [(header, payload.getSlice(at: 0, length: 20)!)], upTo: header.end)
        }
        #expect(scratch.files == ["MANIFEST"])
    }
}
