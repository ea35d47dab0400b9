// SPDX-License-Identifier: Apache-2.0

import LayerCore
import LayerStore
import LogWire
import NIOCore
import Testing
import VolumeModel

/// The store against a model that replays the whole history for every read.
@Suite struct LayerStoreModelTests {
    static let files: [UInt64] = [1, 2, 7, 1 << 40]
    static let blocks = 12

    /// One random record.
    static func step(_ log: inout TestLog, _ random: inout Random) {
        let file = files[random.below(files.count)]
        let size = UInt64(blocks * 8192)
        switch random.below(20) {
        case 0: log.drop(file)
        case 1: log.zero(file, offset: random.next() % size, length: 0)
        case 2: log.zero(file, offset: random.next() % size, length: 1 + random.next() % 20_000)
        case 3: log.zero(file, offset: random.next() % (size / 2), length: 66_000 + random.next() % 30_000)
        case 4: log.write(file, [(random.next() % size / 8192 * 8192, bytes(8192, &random))])
        case 5:
            log.write(file, [(random.next() % (size / 2), bytes(8192 * 3 + random.below(999), &random))])
        case 6:
            // More ranges than an entry stores one by one.
            let base = random.next() % size
            log.write(file, (0..<700).map { (base + UInt64($0 * 9), bytes(1 + $0 % 5, &random)) })
        default:
            var ranges: [(UInt64, [UInt8])] = []
            var at = random.next() % size
            for _ in 0...random.below(4) {
                ranges.append((at, bytes(1 + random.below(200), &random)))
                at += 200 + random.next() % 3000
            }
            log.write(file, ranges)
        }
    }

    static func bytes(_ count: Int, _ random: inout Random) -> [UInt8] {
        let seed = UInt8(truncatingIfNeeded: random.next())
        // Zeros now and then: content that looks like nothing.
        return (0..<count).map { seed < 20 ? 0 : seed &+ UInt8(truncatingIfNeeded: $0) }
    }

    static func check(
        _ store: LayerStore, _ tail: TailIndex, _ log: TestLog, at lsn: LSN, _ random: inout Random,
        _ note: @autoclosure () -> String
    ) throws {
        let file = files[random.below(files.count)]
        let low = UInt64(random.below(blocks + 4))
        let range = low..<(low + 1 + UInt64(random.below(6)))
        let found = try store.blocks(file: FileID(file), range: range, at: lsn, tail: tail)
        for (block, bytes) in zip(range, found) {
            #expect(
                bytes.map { Array($0.readableBytesView) } == log.block(file, block, at: lsn),
                "file \(file) block \(block) at \(lsn): \(note())")
        }
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func `a block read at an LSN is the replay of the log up to it`(seed: UInt64) throws {
        print("seed \(seed)")
        var random = Random(seed)
        let scratch = Scratch()
        let cache = ChunkCache(bytesMax: 300_000)
        var store = try openStore(scratch.path, cache: cache)
        let tail = TailIndex()
        var log = TestLog()
        var pins: [LSN] = []
        var horizon = LSN.zero
        var works: Set<CompactionReport.Work> = []

        for round in 0..<60 {
            for _ in 0...random.below(8) {
                for _ in 0...random.below(12) { Self.step(&log, &random) }
                let (header, payload) = log.ship()
                tail.append(header, payload)
            }
            if random.below(2) == 0 {
                let through = log.batches[log.batches.count - 1 - random.below(min(3, log.batches.count))].0.end
                try store.cut(batches: tail.batches(after: store.previousEnd, through: through), upTo: through)
                if random.below(2) == 0 { tail.drop(through: store.layeredLSN) }
            }
            if random.below(3) == 0 {
                // The horizon moves on, leaving a pin behind now and then; some pins go.
                if random.below(2) == 0 { pins.append(horizon) }
                if pins.count > 3 || random.below(4) == 0, !pins.isEmpty { pins.remove(at: random.below(pins.count)) }
                let reachable = log.recordEnds.filter { $0 >= horizon }
                if let next = reachable.first { horizon = random.below(2) == 0 ? next : reachable[reachable.count / 2] }
                var budget = random.below(8)
                while budget > 0 {
                    let report = try store.compact(horizon: horizon, pins: pins, force: random.below(12) == 0)
                    works.insert(report.work)
                    if !report.hasMore { break }
                    budget -= 1
                }
            }
            if random.below(6) == 0 { store = try openStore(scratch.path, cache: cache) }
            let readable = log.recordEnds.filter { $0 >= horizon } + pins
            for _ in 0..<6 {
                let lsn = readable[random.below(readable.count)]
                try Self.check(store, tail, log, at: lsn, &random, "seed \(seed) round \(round)")
            }
        }
        #expect(works == [.none, .image, .retire, .merge])
        #expect(try store.scrub().isEmpty)
    }

    @Test func `the tail alone answers`() throws {
        var random = Random(11)
        let scratch = Scratch()
        let store = try openStore(scratch.path)
        let tail = TailIndex()
        var log = TestLog()
        for _ in 0..<40 {
            for _ in 0..<5 { Self.step(&log, &random) }
            log.ship()
        }
        // Out of order, and each twice.
        for (header, payload) in (log.batches + log.batches).shuffled(using: &random) { tail.append(header, payload) }
        #expect(tail.count == 40)
        for lsn in log.recordEnds { try Self.check(store, tail, log, at: lsn, &random, "tail") }
        // What a truncation annuls is gone, also from the index.
        let keep = log.batches[20].0.end
        tail.truncate(Truncation(epoch: VolumeEpoch(2), from: keep, bound: LSN(1 << 40)))
        #expect(tail.end == keep)
        for _ in 0..<50 { try Self.check(store, tail, log, at: keep, &random, "truncated") }
        let end = log.position
        for block in 0..<16 as Range<UInt64> {
            let found = try store.block(BlockKey(file: FileID(1), block: block), at: end, tail: tail)
            #expect(found.map { Array($0.readableBytesView) } == log.block(1, block, at: keep))
        }
    }

    @Test func `a segment that has never seen a block answers zeros`() throws {
        let scratch = Scratch()
        let store = try openStore(scratch.path)
        #expect(try store.block(BlockKey(file: FileID(9), block: 4), at: LSN(1), tail: TailIndex()) == nil)
        #expect(try store.block(BlockKey(file: FileID(9), block: .max), at: LSN(1), tail: TailIndex()) == nil)
    }

    @Test func `what was collected is refused, not answered`() throws {
        let scratch = Scratch()
        let store = try openStore(scratch.path)
        let tail = TailIndex()
        var log = TestLog()
        for i in 0..<30 {
            log.write(1, [(0, [UInt8](repeating: UInt8(i + 1), count: 100))])
            log.ship()
        }
        try store.cut(batches: log.batches, upTo: log.position)
        let pin = log.recordEnds[9]
        while try store.compact(horizon: log.position, pins: [pin], force: store.retiredLSN < log.position).hasMore {}
        let key = BlockKey(file: FileID(1), block: 0)
        #expect(store.statistics.deltas == 0)
        #expect(try store.block(key, at: pin, tail: tail)?.getInteger(at: 0, as: UInt8.self) == 10)
        #expect(try store.block(key, at: log.position, tail: tail)?.getInteger(at: 0, as: UInt8.self) == 30)
        #expect(throws: LayerStoreError.notRetained(log.recordEnds[10])) {
            try store.block(key, at: log.recordEnds[10], tail: tail)
        }
    }

    @Test func `a batch that does not follow is refused and nothing changes`() throws {
        let scratch = Scratch()
        let store = try openStore(scratch.path)
        var log = TestLog()
        for _ in 0..<3 {
            log.write(1, [(0, [1])])
            log.ship()
        }
        #expect(throws: LayerStoreError.brokenChain(expected: .zero, found: log.batches[0].0.end)) {
            try store.cut(batches: Array(log.batches[1...]), upTo: log.position)
        }
        #expect(scratch.files == ["MANIFEST"])
        try store.cut(batches: log.batches, upTo: log.position.advanced(by: 1000))
        #expect(store.layeredLSN == log.position.advanced(by: 1000))
        #expect(store.previousEnd == log.position)
    }

    @Test func `an endless history of one block costs one entry a read point`() throws {
        let scratch = Scratch()
        let store = try openStore(scratch.path)
        let tail = TailIndex()
        var log = TestLog()
        for i in 0..<3000 {
            log.write(3, [(UInt64(i % 8000), [UInt8(truncatingIfNeeded: i) | 1]), (8191, [UInt8(1 + i % 255)])])
            if i % 100 == 99 {
                let (header, payload) = log.ship()
                try store.cut(batches: [(header, payload)], upTo: header.end)
                while try store.compact(horizon: header.end, pins: []).hasMore {}
            }
        }
        // Rounds of images do not come before there are too many deltas.
        #expect(store.statistics.bytes < 60_000)
        for lsn in [log.position] {
            let found = try store.block(BlockKey(file: FileID(3), block: 0), at: lsn, tail: tail)
            #expect(found.map { Array($0.readableBytesView) } == log.block(3, 0, at: lsn))
        }
    }
}
