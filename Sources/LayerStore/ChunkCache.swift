// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import Synchronization

/// Opened chunks, least recently used first out: one for all segments of a process. Bounded by bytes. Thread-safe.
package final class ChunkCache: Sendable {
    struct Key: Hashable, Sendable {
        /// Which store of this process.
        var store: UInt64
        var layer: UInt32
        var chunk: UInt32
    }

    fileprivate struct Slot {
        var key: Key
        var bytes: ByteBuffer
        var before: Int
        var after: Int
    }

    fileprivate struct State {
        var places: [Key: Int] = [:]
        var slots: [Slot?] = []
        var free: [Int] = []
        /// -1 when empty.
        var newest = -1
        var oldest = -1
        var bytes = 0
        var hits: UInt64 = 0
        var misses: UInt64 = 0
        var stores: UInt64 = 0
    }

    package let bytesMax: Int
    private let state = Mutex(State())

    package init(bytesMax: Int = 64 << 20) { self.bytesMax = bytesMax }

    package var bytes: Int { state.withLock { $0.bytes } }
    package var hits: UInt64 { state.withLock { $0.hits } }
    package var misses: UInt64 { state.withLock { $0.misses } }

    /// A number that no other store of this cache has.
    func register() -> UInt64 {
        state.withLock {
            $0.stores += 1
            return $0.stores
        }
    }

    func get(_ key: Key) -> ByteBuffer? {
        state.withLock { state in
            guard let place = state.places[key], let bytes = state.slots[place]?.bytes else {
                state.misses += 1
                return nil
            }
            state.hits += 1
            state.unlink(place)
            state.link(place)
            return bytes
        }
    }

    func put(_ key: Key, _ bytes: ByteBuffer) {
        guard bytes.readableBytes <= bytesMax else { return }
        // What was evicted is released after the lock.
        var evicted: [ByteBuffer] = []
        state.withLock { state in
            guard state.places[key] == nil else { return }
            let slot = Slot(key: key, bytes: bytes, before: -1, after: -1)
            let place: Int
            if let reused = state.free.popLast() {
                place = reused
                state.slots[place] = slot
            } else {
                place = state.slots.count
                state.slots.append(slot)
            }
            state.places[key] = place
            state.bytes += bytes.readableBytes
            state.link(place)
            while state.bytes > bytesMax, state.oldest >= 0, state.oldest != place {
                if let gone = state.remove(state.oldest) { evicted.append(gone) }
            }
        }
    }

    /// Forgets a layer's chunks: when it is damaged or gone.
    func forget(store: UInt64, layer: UInt32) {
        var evicted: [ByteBuffer] = []
        state.withLock { state in
            for (key, place) in state.places where key.store == store && key.layer == layer {
                if let gone = state.remove(place) { evicted.append(gone) }
            }
        }
    }
}

extension ChunkCache.State {
    fileprivate mutating func unlink(_ place: Int) {
        guard let slot = slots[place] else { return }
        if slot.before >= 0 { slots[slot.before]?.after = slot.after } else { newest = slot.after }
        if slot.after >= 0 { slots[slot.after]?.before = slot.before } else { oldest = slot.before }
    }

    fileprivate mutating func link(_ place: Int) {
        slots[place]?.before = -1
        slots[place]?.after = newest
        if newest >= 0 { slots[newest]?.before = place } else { oldest = place }
        newest = place
    }

    fileprivate mutating func remove(_ place: Int) -> ByteBuffer? {
        guard let slot = slots[place] else { return nil }
        unlink(place)
        slots[place] = nil
        free.append(place)
        places[slot.key] = nil
        bytes -= slot.bytes.readableBytes
        return slot.bytes
    }
}
