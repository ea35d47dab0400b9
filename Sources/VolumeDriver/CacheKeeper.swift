// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import Logging
internal import NamespaceCore
internal import Synchronization
internal import VolumeModel

/// Looks after a writer's local cache on a thread of its own, at low priority: keeps it under its cap, and fills it with what
/// the engine is about to touch.
///
/// It changes a file as the shim does: in chunks of one fetch, under the chunk's range lock. Whoever writes there needs that
/// lock, so what comes into the ring from then on does not concern the chunk; once all that came before is durable, the
/// storage nodes have the chunk as it is, and its blocks may go, or come from there.
extension VolumeDriver {
    private static let roundMilliseconds: Int32 = 200
    private static let patienceMilliseconds: Int64 = 100

    func startKeeper() { keeper.start(name: "keeper") { [self] in runKeeper() } }

    private func runKeeper() {
        bx_thread_is_background()
        var due: Int64 = 0
        while !keeper.isStopping {
            let seen = keeperBell.value
            let now = bx_monotonic_ns()
            if now >= due {
                due = now + Int64(Self.roundMilliseconds) * 1_000_000
                evictIfNeeded()
            }
            if !prefetchSome() { keeperBell.wait(seen: seen, milliseconds: Self.roundMilliseconds) }
        }
    }

    /// Before the pump stops: the keeper waits for durability now and then.
    func stopKeeper() { keeper.stop { keeperBell.signal() } }

    /// Runs `body` with those of a file's chunks locked whose locks are free, once all that was ever written to them is
    /// durable. Not at all if that takes longer than a moment.
    ///
    /// Never waits for a lock: its holder may be waiting for the driver.
    func withQuietChunks(_ offsets: [UInt64], inode: UInt64, _ ring: Ring, _ body: ([UInt64]) -> Void) -> Bool {
        let locked = offsets.filter { ring.tryLock(inode: inode, offset: $0) }
        defer { for offset in locked { ring.unlock(inode: inode, offset: offset) } }
        guard !locked.isEmpty else { return true }
        guard awaitRing(ring), core.withLock({ $0.phase == .attached && $0.ring === ring }) else { return false }
        body(locked)
        return true
    }

    /// Waits as a sync does, for all that is in the ring now.
    private func awaitRing(_ ring: Ring) -> Bool {
        let tail = ring.tail
        let deadline = bx_monotonic_ns() + Self.patienceMilliseconds * 1_000_000
        while ring.durable < tail {
            guard !keeper.isStopping, bx_monotonic_ns() < deadline else { return false }
            let seen = changes.value
            ring.want(tail)
            bx_eventfd_ring(doorbell)
            if ring.durable < tail { changes.wait(seen: seen, milliseconds: 10) }
        }
        return true
    }

    /// A file of the cache, open; nil if the path is another file's by now.
    func openCached(_ path: String, _ file: FileID, _ ring: Ring) -> (descriptor: Int32, inode: UInt64, size: UInt64)? {
        let fd = open("\(root)/\(path)", O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard fd >= 0 else { return nil }
        var info = stat()
        guard fstat(fd, &info) == 0, let slot = ring.slot(inode: UInt64(info.st_ino)),
            bx_load64(&ring.files[slot].id) == file.value
        else {
            close(fd)
            return nil
        }
        return (fd, UInt64(info.st_ino), UInt64(info.st_size))
    }
}

extension Ring {
    var durable: UInt64 { bx_load64(durableField) }

    /// Somebody waits for this position; see `borealis_ring.h`.
    func want(_ position: UInt64) { bx_max64(wantedField, position) }

    /// Takes a chunk's range lock if it is free. Never waits: its holder may be waiting for the consumer.
    func tryLock(inode: UInt64, offset: UInt64) -> Bool {
        bx_compare_exchange32(lockWord(inode, offset), 0, UInt32(getpid()))
    }

    func unlock(inode: UInt64, offset: UInt64) {
        let word = lockWord(inode, offset)
        if bx_exchange32(word, 0) & 0x8000_0000 != 0 { bx_futex_wake(word, 1) }
    }

    private func lockWord(_ inode: UInt64, _ offset: UInt64) -> UnsafeMutablePointer<UInt32> {
        locks + Int(bx_lock_index(inode, offset))
    }
}
