// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Foundation
internal import Synchronization

/// Lets threads wait for "something changed" without losing a wake-up: read `value`, look, wait for the value to move.
final class EventSignal: @unchecked Sendable {  // One word, accessed atomically, alive as long as the object.
    private let word: UnsafeMutablePointer<UInt32>
    private let waiters: UnsafeMutablePointer<UInt32>

    init() {
        word = .allocate(capacity: 1)
        word.initialize(to: 0)
        waiters = .allocate(capacity: 1)
        waiters.initialize(to: 0)
    }

    deinit {
        word.deallocate()
        waiters.deallocate()
    }

    var value: UInt32 { bx_load32(word) }

    /// Costs a system call only if somebody waits.
    func signal() {
        _ = bx_add32(word, 1)
        if bx_load32(waiters) > 0 { bx_futex_wake(word, Int32.max) }
    }

    func wait(seen: UInt32, milliseconds: Int32) {
        _ = bx_add32(waiters, 1)
        bx_futex_wait(word, seen, milliseconds)
        _ = bx_add32(waiters, UInt32.max)
    }
}

/// A thread of the driver: started, told to stop, waited for.
final class DriverThread: Sendable {
    private let stopping = Atomic<Bool>(false)
    private let running = Atomic<Bool>(false)
    private let ended = EventSignal()

    var isStopping: Bool { stopping.load(ordering: .acquiring) }

    func start(name: String, _ body: @escaping @Sendable () -> Void) {
        stopping.store(false, ordering: .releasing)
        running.store(true, ordering: .releasing)
        let thread = Thread {
            body()
            self.running.store(false, ordering: .releasing)
            self.ended.signal()
        }
        thread.name = name
        thread.start()
    }

    /// Returns when the thread is through.
    /// - Parameter wake: ends its sleep
    func stop(_ wake: () -> Void) {
        stopping.store(true, ordering: .releasing)
        while running.load(ordering: .acquiring) {
            let seen = ended.value
            wake()
            if running.load(ordering: .acquiring) { ended.wait(seen: seen, milliseconds: 100) }
        }
    }
}

/// A few threads that fetch blocks, so that a slow read holds up neither commits nor other reads.
final class FetchPool: Sendable {
    enum Urgency {
        /// Somebody waits for it.
        case asked
        /// Only while nobody waits for a thread.
        case ahead
    }

    private struct Queue {
        var asked: [@Sendable () -> Void] = []
        var ahead: [@Sendable () -> Void] = []

        mutating func next() -> (@Sendable () -> Void)? {
            if !asked.isEmpty { return asked.removeFirst() }
            return ahead.isEmpty ? nil : ahead.removeFirst()
        }
    }

    private let queue = Mutex(Queue())
    private let arrived = EventSignal()
    private let stopping = Atomic<Bool>(false)

    init(threads: Int) {
        for number in 0..<threads {
            let thread = Thread { [self] in run() }
            thread.name = "fetch-\(number)"
            thread.start()
        }
    }

    /// Whether somebody waits for a thread.
    var isBusy: Bool { queue.withLock { !$0.asked.isEmpty || !$0.ahead.isEmpty } }

    func submit(_ urgency: Urgency, _ work: @escaping @Sendable () -> Void) {
        queue.withLock { queue in
            switch urgency {
            case .asked: queue.asked.append(work)
            case .ahead: queue.ahead.append(work)
            }
        }
        arrived.signal()
    }

    func stop() {
        stopping.store(true, ordering: .releasing)
        arrived.signal()
    }

    private func run() {
        while !stopping.load(ordering: .acquiring) {
            let seen = arrived.value
            if let work = queue.withLock({ $0.next() }) {
                work()
            } else {
                arrived.wait(seen: seen, milliseconds: 1000)
            }
        }
    }
}
