// SPDX-License-Identifier: Apache-2.0

import Foundation
import LayerCore
import LayerStore
import NIOCore
import Testing
import VolumeModel

/// Bytes that are not what was written are never answered.
@Suite struct LayerStoreDamageTests {
    private func prepared(_ path: String) throws -> (LayerStore, TestLog, TailIndex) {
        var random = Random(21)
        let store = try openStore(path)
        var log = TestLog()
        for _ in 0..<30 {
            for _ in 0..<8 { LayerStoreModelTests.step(&log, &random) }
            log.ship()
        }
        try store.cut(batches: Array(log.batches[..<20]), upTo: log.batches[19].0.end)
        while try store.compact(horizon: store.layeredLSN, pins: [], force: store.statistics.deltas > 0).hasMore {}
        try store.cut(batches: Array(log.batches[20...]), upTo: log.position)
        return (store, log, TailIndex())
    }

    private func flip(_ path: String, at offset: Int) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        data[offset] ^= 0x10
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.seek(toOffset: UInt64(offset))
        try file.write(contentsOf: data[offset...offset])
        try file.close()
    }

    @Test func `a flipped bit anywhere is damage, never other bytes`() throws {
        let origin = Scratch()
        let (_, log, tail) = try prepared(origin.path)
        var random = Random(3)
        var found = 0
        for trial in 0..<60 {
            let scratch = origin.copy()
            let files = scratch.files.filter { $0.hasPrefix("layer") }
            let name = files[random.below(files.count)]
            let path = scratch.path + "/" + name
            let length = try FileManager.default.attributesOfItem(atPath: path)[.size] as! Int
            try flip(path, at: random.below(length))
            let store = try openStore(scratch.path)
            #expect(try !store.scrub().isEmpty, "trial \(trial): \(name)")
            for file in LayerStoreModelTests.files {
                for block in 0..<14 as Range<UInt64> {
                    do {
                        let key = BlockKey(file: FileID(file), block: block)
                        let bytes = try store.block(key, at: log.position, tail: tail)
                        #expect(bytes.map { Array($0.readableBytesView) } == log.block(file, block, at: log.position))
                    } catch LayerStoreError.damaged {
                        found += 1
                    }
                }
            }
        }
        #expect(found > 0)
    }

    @Test func `a missing, cut or exchanged file is damage`() throws {
        let origin = Scratch()
        let (_, log, tail) = try prepared(origin.path)
        let layers = origin.files.filter { $0.hasPrefix("layer") }
        for what in 0..<3 {
            let scratch = origin.copy()
            let path = scratch.path + "/" + layers[0]
            switch what {
            case 0: try FileManager.default.removeItem(atPath: path)
            case 1: #expect(truncate(path, 1000) == 0)
            default:
                try FileManager.default.removeItem(atPath: path)
                try FileManager.default.copyItem(atPath: scratch.path + "/" + layers[1], toPath: path)
            }
            let store = try openStore(scratch.path)
            #expect(store.statistics.damaged == 1)
            #expect(try store.scrub().count == 1)
            var damaged = 0
            for file in LayerStoreModelTests.files {
                for block in 0..<14 as Range<UInt64> {
                    do {
                        let bytes = try store.block(
                            BlockKey(file: FileID(file), block: block), at: log.position, tail: tail)
                        #expect(bytes.map { Array($0.readableBytesView) } == log.block(file, block, at: log.position))
                    } catch LayerStoreError.damaged { damaged += 1 }
                }
            }
            #expect(damaged > 0)
        }
    }

    @Test func `a damaged manifest is refused`() throws {
        let origin = Scratch()
        _ = try prepared(origin.path)
        let length = try Data(contentsOf: URL(fileURLWithPath: origin.path + "/MANIFEST")).count
        for offset in stride(from: 0, to: length, by: 7) {
            let scratch = origin.copy()
            try flip(scratch.path + "/MANIFEST", at: offset)
            #expect(throws: LayerStoreError.badManifest("checksum")) { try openStore(scratch.path) }
        }
        #expect(throws: LayerStoreError.badManifest("another segment's")) {
            try openStore(origin.path, identity: .test(GroupID(1)))
        }
    }

    @Test func `a segment imported from a peer answers as the peer`() throws {
        let origin = Scratch()
        let (peer, log, tail) = try prepared(origin.path)
        let scratch = Scratch()
        let store = try openStore(scratch.path, identity: .test(node: "b2"))
        // This copy has damage and is behind.
        try store.cut(batches: Array(log.batches[..<5]), upTo: log.batches[4].0.end)
        store.quarantine(layer: store.layers[0].number, because: "test")
        #expect(throws: LayerStoreError.self) { try store.namespace(at: store.layeredLSN, tail: tail) }

        let export = peer.export()
        var bytes = ByteBuffer()
        export.description.encode(into: &bytes)
        var copy = bytes
        let description = try SegmentDescription(decoding: &copy)
        #expect(description == export.description)
        // The peer compacts meanwhile; the export stays readable.
        while try peer.compact(horizon: peer.layeredLSN, pins: [], force: peer.statistics.deltas > 0).hasMore {}
        do {
            let abandoned = try store.importer(description)
            let wanted = try #require(abandoned.wanted)
            try abandoned.append(try export.read(layer: wanted.layer, offset: 0, count: 5000))
            #expect(throws: LayerStoreError.self) { try abandoned.finish() }
        }
        #expect(store.layeredLSN == log.batches[4].0.end)
        #expect(scratch.files.count == store.layers.count + 1)
        let importer = try store.importer(description)
        var random = Random(1)
        while let (layer, offset) = importer.wanted {
            try importer.append(try export.read(layer: layer, offset: offset, count: 1 + random.below(30_000)))
        }
        try importer.finish()
        #expect(store.layeredLSN == log.position)
        #expect(store.previousEnd == peer.previousEnd)
        #expect(try store.scrub().isEmpty)
        for again in [store, try openStore(scratch.path, identity: .test(node: "b2"))] {
            for _ in 0..<40 {
                try LayerStoreModelTests.check(again, tail, log, at: log.position, &random, "imported")
            }
        }
        #expect(scratch.files.count == store.layers.count + 1)
        // And damaged bytes of a peer are no layer.
        for cut in 0..<bytes.readableBytes {
            var short = bytes.getSlice(at: 0, length: cut)!
            #expect(throws: LayerStoreError.self) { try SegmentDescription(decoding: &short) }
        }
    }
}
