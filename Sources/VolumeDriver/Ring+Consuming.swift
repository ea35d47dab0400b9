// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import VolumeModel

/// Reading entries, telling who waits, and sleeping.
extension Ring {
    // MARK: Positions

    var tail: UInt64 { bx_load64(tailField) }
    var wanted: UInt64 { bx_load64(wantedField) }
    var nextFileID: UInt64 { bx_load64(nextFileField) }

    /// Counters of the shim, for status.
    var counters: (writes: UInt64, writeBytes: UInt64, syncs: UInt64, wakes: UInt64) {
        let c = control.pointee
        return (c.writes, c.write_bytes, c.syncs, c.wakes)
    }

    // MARK: Entries

    /// What lies at the consumer's position.
    enum Next {
        case empty
        /// Reserved by a producer that has not finished: in doubt if it is dead.
        case reserved(UnsafeMutablePointer<bx_entry>)
        case committed(UnsafeMutablePointer<bx_entry>)
        /// Nothing happened, or padding.
        case nothing(UnsafeMutablePointer<bx_entry>)
    }

    @inline(__always)
    func next() -> Next {
        let entry = (log + Int(head & mask)).assumingMemoryBound(to: bx_entry.self)
        switch Int(bx_load32(&entry.pointee.state)) {
        case BX_EMPTY: return .empty
        case BX_RESERVED: return .reserved(entry)
        case BX_ABANDONED: return .nothing(entry)
        default: return Int(entry.pointee.op) == BX_OP_PAD ? .nothing(entry) : .committed(entry)
        }
    }

    /// Goes past the entry and clears its place.
    @inline(__always)
    func advance(past entry: UnsafeMutablePointer<bx_entry>) {
        let size = Int(entry.pointee.size)
        memset(entry, 0, size)
        head += UInt64(size)
    }

    /// Gives the space of consumed entries back to producers.
    func release() {
        bx_store64(headField, head)
        bx_fence()
        if bx_load32(spaceWaiters) > 0 {
            _ = bx_add32(spaceSequence, 1)
            bx_futex_wake(spaceSequence, Int32.max)
        }
    }

    // MARK: Durability

    /// Everything that ended at or below `position` is durable: whoever waits for it goes on.
    func publish(durable position: UInt64) {
        bx_store64(durableField, position)
        _ = bx_add32(durableSequence, 1)
        if bx_load32(durableWaiters) > 0 { bx_futex_wake(durableSequence, Int32.max) }
    }

    /// Somebody has called `fail`, or a process of the engine could not undo a write: its file is not what the log says.
    var isFailed: Bool { bx_load32(stateField) == UInt32(BX_FAILED) }

    /// Every later operation and every wait ends with EIO: the engine stops.
    func fail() {
        bx_store32(stateField, UInt32(BX_FAILED))
        _ = bx_add32(durableSequence, 1)
        _ = bx_add32(spaceSequence, 1)
        bx_futex_wake(durableSequence, Int32.max)
        bx_futex_wake(spaceSequence, Int32.max)
        for slot in 0..<Self.fetchSlots where Int(bx_load32(&fetches[slot].state)) == BX_FETCH_ASKED {
            finishFetch(slot, error: EIO)
        }
    }

    // MARK: Sleeping

    /// Announces that the consumer is about to sleep. Afterwards look once more for work, then wait on the doorbell.
    func announceSleep(wakeForAny: Bool) {
        bx_store32(asleepField, wakeForAny ? 2 : 1)
        bx_fence()
    }

    func announceAwake() { bx_store32(asleepField, 0) }

    // MARK: Fetches

    var fetchesAsked: Bool { bx_load32(fetchAsked) > 0 }

    struct Fetch: Sendable {
        var slot: Int
        var file: FileID
        var offset: UInt64
        var length: Int
    }

    /// Takes every request that nobody works on yet, and every hint, whose slot is free again then.
    func takeFetches() -> (asked: [Fetch], hints: [Hints.Chunk]) {
        var (asked, hints): ([Fetch], [Hints.Chunk]) = ([], [])
        for slot in 0..<Self.fetchSlots {
            let state = Int(bx_load32(&fetches[slot].state))
            // `reserved` marks a request as taken until it is finished.
            guard state == BX_FETCH_HINTED || state == BX_FETCH_ASKED && fetches[slot].reserved.0 == 0 else { continue }
            let (file, offset) = (FileID(fetches[slot].file), fetches[slot].offset)
            if state == BX_FETCH_HINTED {
                hints.append(Hints.Chunk(file: file, holding: offset))
                bx_store32(&fetches[slot].state, UInt32(BX_FETCH_FREE))
            } else {
                let length = min(Int(fetches[slot].length), Int(BX_FETCH_BYTES))
                asked.append(Fetch(slot: slot, file: file, offset: offset, length: length))
                fetches[slot].reserved.0 = 1
            }
            _ = bx_add32(fetchAsked, UInt32.max)
        }
        return (asked, hints)
    }

    /// The buffer to fill for a taken request, `BX_FETCH_BYTES` long.
    func fetchBuffer(_ slot: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: fetchData + slot * Int(BX_FETCH_BYTES), count: Int(BX_FETCH_BYTES))
    }

    func finishFetch(_ slot: Int, error: Int32 = 0) {
        fetches[slot].error = UInt32(error)
        fetches[slot].reserved.0 = 0
        bx_store32(&fetches[slot].state, UInt32(error == 0 ? BX_FETCH_DONE : BX_FETCH_ERROR))
        bx_futex_wake(&fetches[slot].state, Int32.max)
    }
}
