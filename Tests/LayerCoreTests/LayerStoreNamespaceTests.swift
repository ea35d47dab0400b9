// SPDX-License-Identifier: Apache-2.0

import LayerCore
import LayerStore
import NIOCore
import NamespaceCore
import Testing
import VolumeModel

/// Group 0: names and times.
@Suite struct LayerStoreNamespaceTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func `the namespace at an LSN is the replay of the log up to it`(seed: UInt64) throws {
        print("seed \(seed)")
        var random = Random(seed)
        let scratch = Scratch()
        var store = try openStore(scratch.path)
        let tail = TailIndex()
        var log = TestLog()
        var pins: [LSN] = []
        var horizon = LSN.zero
        var file: UInt64 = 0
        func expected(_ lsn: LSN) throws -> Namespace {
            var names = Namespace()
            for (_, payload) in log.batches { try names.apply(records: payload, through: lsn) }
            return names
        }
        for _ in 0..<50 {
            for _ in 0...random.below(6) {
                for _ in 0...random.below(5) {
                    let path = "p\(random.below(12))"
                    switch random.below(7) {
                    case 0, 1:
                        file += 1
                        log.name(.create, file, mode: 0o600, path)
                    case 2: log.name(.unlink, 0, path)
                    case 3: log.name(.rename, 0, path, "p\(random.below(12))")
                    case 4: log.setSize(UInt64(1 + random.below(Int(file) + 1)), random.next() % 9999)
                    case 5: log.write(1, [(0, [1, 2, 3])])
                    default: log.name(.makeDirectory, 0, mode: 0o700, path)
                    }
                }
                let (header, payload) = log.ship()
                tail.append(header, payload)
            }
            if random.below(2) == 0 {
                try store.cut(
                    batches: tail.batches(after: store.previousEnd, through: log.position), upTo: log.position)
                if random.below(2) == 0 { tail.drop(through: store.layeredLSN) }
            }
            if random.below(3) == 0 {
                pins.append(horizon)
                if pins.count > 3 { pins.removeFirst() }
                horizon = log.recordEnds.filter { $0 >= horizon }.randomElement(using: &random) ?? horizon
                for _ in 0..<3 { _ = try store.compact(horizon: horizon, pins: pins, force: random.below(2) == 0) }
            }
            if random.below(8) == 0 { store = try openStore(scratch.path) }
            let readable = log.recordEnds.filter { $0 >= horizon } + pins
            for _ in 0..<3 {
                let lsn = readable[random.below(readable.count)]
                #expect(try store.namespace(at: lsn, tail: tail) == (try expected(lsn)))
            }
        }
    }

    @Test func `a time leads to the last LSN at or before it, also after compaction`() throws {
        let scratch = Scratch()
        let store = try openStore(scratch.path)
        let tail = TailIndex()
        var log = TestLog()
        var ends: [LSN] = []
        for second in 1...40 {
            log.timestamp(UInt64(second) * 1_000_000)
            log.timestamp(UInt64(second) * 1_000_000 + 10)
            log.write(1, [(0, [UInt8(second)])])
            let (header, payload) = log.ship()
            ends.append(log.recordEnds[log.recordEnds.count - 3])
            tail.append(header, payload)
            if second % 8 == 0 { try store.cut(batches: log.batches, upTo: log.position) }
        }
        #expect(try store.lsn(atMicroseconds: 999_999, tail: tail) == nil)
        #expect(try store.lsn(atMicroseconds: 5_500_000, tail: tail) == ends[4])
        #expect(try store.lsn(atMicroseconds: .max, tail: tail) == ends[39])
        #expect(try store.timeline(tail: tail).map(\.lsn) == ends)
        while try store.compact(horizon: ends[20], pins: [], force: store.retiredLSN == .zero).hasMore {}
        #expect(store.retiredLSN > .zero)
        #expect(try store.lsn(atMicroseconds: 25_000_001, tail: tail) == ends[24])
        #expect(try store.timeline(tail: tail).map(\.lsn) == Array(ends[15...]))
        let again = try openStore(scratch.path)
        #expect(try again.timeline(tail: tail).map(\.lsn) == Array(ends[15...]))
    }
}
