// SPDX-License-Identifier: Apache-2.0

/// Events by (virtual time, sequence number): those of one instant happen in the order in which they were scheduled.
struct EventQueue<Event> {
    private struct Key {
        var time: UInt64
        var sequence: UInt64
        var slot: Int

        static func < (a: Key, b: Key) -> Bool { a.time == b.time ? a.sequence < b.sequence : a.time < b.time }
    }

    /// The heap moves small keys; the events stay in their slots.
    private var heap: [Key] = []
    private var slots: [Event?] = []
    private var free: [Int] = []
    private var sequence: UInt64 = 0

    var count: Int { heap.count }

    mutating func schedule(_ event: Event, at time: UInt64) {
        sequence += 1
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
            slots[slot] = event
        } else {
            slot = slots.count
            slots.append(event)
        }
        heap.append(Key(time: time, sequence: sequence, slot: slot))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child] < heap[parent] else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func next() -> (time: UInt64, event: Event)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        guard let event = slots[first.slot].take() else { return nil }
        free.append(first.slot)
        return (first.time, event)
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var child = parent * 2 + 1
            guard child < heap.count else { return }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < heap[parent] else { return }
            heap.swapAt(child, parent)
            parent = child
        }
    }
}
