// SPDX-License-Identifier: Apache-2.0

import LayerCore
import LayerStore
import Synchronization
import Testing
import VolumeModel

/// Stores that are compacted along with another that holds the same layers.
@Suite struct LayerTwinsTests {
    private struct Injected: Error {}

    private static func layers(_ store: LayerStore) -> [LayerDescriptor] {
        store.layers.map { layer in
            var layer = layer
            layer.number = 0
            return layer
        }
    }

    /// Three nodes' stores that take in the same log. One of them may be closed, refuse to write, or go its own way for a while.
    @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func `each store answers by itself, whoever was compacted with whom`(seed: UInt64) throws {
        print("seed \(seed)")
        var random = Random(seed)
        let scratches = [Scratch(), Scratch(), Scratch()]
        let broken = Mutex<Int?>(nil)
        func open(_ place: Int) throws -> LayerStore {
            try openStore(scratches[place].path, identity: .test(node: ["a1", "a2", "b1"][place])) { step in
                if step == .layerSynced, broken.withLock({ $0 == place }) { throw Injected() }
            }
        }
        var stores = try (0..<3).map(open)
        let tail = TailIndex()
        var log = TestLog()
        var together = 0
        for round in 0..<40 {
            for _ in 0...random.below(8) {
                for _ in 0...random.below(12) { LayerStoreModelTests.step(&log, &random) }
                let (header, payload) = log.ship()
                tail.append(header, payload)
            }
            broken.withLock { $0 = random.below(10) == 0 ? random.below(3) : nil }
            for store in stores where random.below(60) > 0 {
                try? store.cut(
                    batches: tail.batches(after: store.previousEnd, through: log.position), upTo: log.position)
            }
            let horizon = stores.map(\.layeredLSN).min() ?? .zero
            let first = random.below(3)
            let others = stores.indices.filter { $0 != first && random.below(5) > 0 }
            let force = random.below(5) == 0
            let before = others.filter { Self.layers(stores[$0]) == Self.layers(stores[first]) }
            if let work = try? stores[first].compact(
                horizon: horizon, pins: [], force: force, with: others.map { stores[$0] }
            ).work, work != .none {
                for other in before where broken.withLock({ $0 == nil }) {
                    #expect(Self.layers(stores[other]) == Self.layers(stores[first]), "seed \(seed) round \(round)")
                    together += 1
                }
            }
            if random.below(6) == 0 {
                let place = random.below(3)
                stores[place] = try open(place)
            }
            broken.withLock { $0 = nil }
            for store in stores {
                #expect(try store.scrub().isEmpty)
                for _ in 0..<3 {
                    let readable = log.recordEnds.filter { $0 >= horizon }
                    let lsn = readable[random.below(readable.count)]
                    try LayerStoreModelTests.check(store, tail, log, at: lsn, &random, "seed \(seed) round \(round)")
                }
            }
        }
        #expect(together > 0)
        for (place, scratch) in scratches.enumerated() {
            #expect(scratch.files.count == stores[place].layers.count + 1, "no file is left over")
        }
    }
}
