// SPDX-License-Identifier: Apache-2.0

import Foundation
import LayerCore
import LayerStore
import NIOCore
import NamespaceCore
import Synchronization
import Testing
import VolumeModel

/// A crash or a failing disk at every step of a cut and of a compaction.
@Suite struct LayerStoreCrashTests {
    private struct Injected: Error {}

    /// A store with a little of everything, and its log; the last batches are in no layer yet.
    private func prepared(_ path: String, onStep: LayerStore.StepHook?) throws -> (LayerStore, TestLog, TailIndex) {
        var random = Random(5)
        let store = try openStore(path, onStep: onStep)
        var log = TestLog()
        let tail = TailIndex()
        log.name(.create, 1, mode: 0o600, "base")
        for _ in 0..<8 {
            for _ in 0..<9 { LayerStoreModelTests.step(&log, &random) }
            log.setSize(1, random.next() % 1000)
            let (header, payload) = log.ship()
            tail.append(header, payload)
        }
        return (store, log, tail)
    }

    /// Cuts and compacts everything; every kind of work comes up.
    private func work(_ store: LayerStore, _ log: TestLog, pin: LSN) throws {
        for (at, batch) in log.batches.enumerated() {
            try store.cut(batches: [batch], upTo: batch.0.end)
            if at == 3 || at == 7 {
                while try store.compact(horizon: store.layeredLSN, pins: [pin], force: store.statistics.deltas > 0)
                    .hasMore
                {}
            }
        }
    }

    private func check(_ path: String, _ log: TestLog, _ tail: TailIndex, pin: LSN) throws {
        let store = try openStore(path)
        let ends = log.batches.map(\.0.end)
        #expect(([LSN.zero] + ends).contains(store.layeredLSN))
        let listed = store.layers.count + 1
        #expect(try FileManager.default.contentsOfDirectory(atPath: path).count == listed)
        #expect(try store.scrub().isEmpty)
        var random = Random(9)
        // At the horizon of the time there are the newest LSN, and the pin.
        for lsn in [log.position, pin] where lsn == pin || lsn >= store.layeredLSN {
            for _ in 0..<4 { try LayerStoreModelTests.check(store, tail, log, at: lsn, &random, "after a crash") }
            _ = try store.namespace(at: lsn, tail: tail)
        }
    }

    @Test func `a crash at any step leaves the old layers or the new`() throws {
        let scratch = Scratch()
        let copies = Mutex<[(StoreStep, Scratch)]>([])
        let (store, log, tail) = try prepared(scratch.path) { step in
            copies.withLock { $0.append((step, scratch.copy())) }
        }
        let pin = log.recordEnds[20]
        try work(store, log, pin: pin)
        let all = copies.withLock { $0 }
        #expect(Set(all.map(\.0)) == Set(StoreStep.allCases))
        for (_, copy) in all { try check(copy.path, log, tail, pin: pin) }
    }

    @Test func `a failing disk changes nothing and leaves no file`() throws {
        let steps: [StoreStep] = [
            .layerCreated, .layerWritten, .layerSynced, .layerRenamed, .directorySynced, .manifestWritten,
            .manifestSynced,
        ]
        for step in steps {
            let scratch = Scratch()
            let fail = Mutex(false)
            let (store, log, tail) = try prepared(scratch.path) { at in
                if at == step, fail.withLock({ $0 }) { throw Injected() }
            }
            let half = Array(log.batches[..<4])
            fail.withLock { $0 = true }
            #expect(throws: Injected.self) { try store.cut(batches: half, upTo: half[3].0.end) }
            #expect(store.layeredLSN == .zero)
            #expect(scratch.files == ["MANIFEST"])
            fail.withLock { $0 = false }
            try store.cut(batches: half, upTo: half[3].0.end)
            let layers = store.layers
            let files = scratch.files
            fail.withLock { $0 = true }
            #expect(throws: Injected.self) { try store.compact(horizon: store.layeredLSN, pins: [], force: true) }
            #expect(store.layers == layers)
            #expect(scratch.files == files)
            fail.withLock { $0 = false }
            let pin = log.recordEnds[20]
            while try store.compact(horizon: store.layeredLSN, pins: [pin], force: store.statistics.deltas > 0).hasMore
            {}
            try work(store, log, pin: pin)
            try check(scratch.path, log, tail, pin: pin)
        }
    }

    @Test func `a layer number is never used twice, whatever crashes`() throws {
        let scratch = Scratch()
        var seen: Set<UInt32> = []
        var log = TestLog()
        for _ in 0..<5 {
            let store = try openStore(scratch.path)
            log.write(1, [(0, [1, 2, 3])])
            log.ship()
            try store.cut(batches: log.batches, upTo: log.position)
            let number = try #require(store.layers.map(\.number).max())
            #expect(seen.insert(number).inserted)
        }
    }

    /// cut: | writes the manifest ......... renames it |
    /// close:          | waits ........................... ends |
    @Test func `a closed store changes nothing more, and a change under way ends first`() throws {
        let scratch = Scratch()
        let reached = DispatchSemaphore(value: 0)
        let (closed, ended) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let isArmed = Mutex(false)
        let (store, log, _) = try prepared(scratch.path) { step in
            guard step == .manifestSynced, isArmed.withLock({ $0 }) else { return }
            reached.signal()
            #expect(closed.wait(timeout: .now() + 0.05) == .timedOut)
        }
        isArmed.withLock { $0 = true }
        let first = log.batches[0]
        Thread.detachNewThread {
            #expect(throws: Never.self) { try store.cut(batches: [first], upTo: first.0.end) }
            ended.signal()
        }
        reached.wait()
        store.close()
        closed.signal()
        ended.wait()
        #expect(throws: LayerStoreError.closed) {
            try store.cut(batches: [log.batches[1]], upTo: log.batches[1].0.end)
        }
        let next = try openStore(scratch.path)
        #expect(next.layeredLSN == first.0.end)
        let old = try #require(store.layers.map(\.number).max())
        try next.cut(batches: [log.batches[1]], upTo: log.batches[1].0.end)
        #expect(try #require(next.layers.map(\.number).max()) > old)
    }
}
