// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import Logging
internal import NamespaceCore
internal import Synchronization
internal import VolumeModel

/// Keeping the local cache under its cap.
///
/// A hand goes round the files in chunks of one fetch and punches out what it passes, as a clock without reference bits:
/// the engine's own buffers keep what is hot, so what is evicted too early costs one fetch. A chunk goes only under its
/// range lock, when all that was ever written to it is durable.
extension VolumeDriver {
    /// Evict down to this share of the cap, so that the hand does not move at every tick.
    private static let targetPercent: UInt64 = 90

    func evictIfNeeded() {
        guard let cap = configuration.cacheBytesMax, configuration.mode == .writer else { return }
        let (ring, namespace) = core.withLock { ($0.ring, $0.builder?.namespace) }
        guard let ring, let namespace else { return }
        var used = localBytes(namespace)
        guard used > cap else { return }
        let target = cap * Self.targetPercent / 100
        let items = namespace.items.filter { if case .file = $0.entry { true } else { false } }
        guard !items.isEmpty else { return }
        var turns = 0
        while used > target, turns <= items.count {
            let at = core.withLock { core in
                core.hand += 1
                return Int(core.hand % UInt64(items.count))
            }
            turns += 1
            // A WAL file is read once more at most; its blocks go with the file.
            guard !items[at].path.contains("pg_wal/") else { continue }
            used -= min(used, evict(items[at].path, ring, most: used - target))
        }
        logger.debug("evicted", metadata: ["bytes": "\(used)"])
    }

    /// Bytes that the volume's files take on the local disk.
    private func localBytes(_ namespace: Namespace) -> UInt64 {
        var bytes: UInt64 = 0
        namespace.forEachItem { item in
            var info = stat()
            if case .file = item.entry, lstat("\(root)/\(item.path)", &info) == 0 {
                bytes += UInt64(info.st_blocks) * 512
            }
        }
        return bytes
    }

    /// Punches chunks out of one file.
    /// - Returns: bytes freed
    private func evict(_ path: String, _ ring: Ring, most: UInt64) -> UInt64 {
        let fd = open("\(root)/\(path)", O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard fd >= 0 else { return 0 }
        defer { close(fd) }
        var info = stat()
        guard fstat(fd, &info) == 0, info.st_blocks > 0 else { return 0 }
        let inode = UInt64(info.st_ino)
        let before = UInt64(info.st_blocks) * 512
        var freed: UInt64 = 0
        var at: UInt64 = 0
        while at < UInt64(info.st_size), freed < most {
            if punch(fd, inode, at, ring) { freed += UInt64(BX_FETCH_BYTES) }
            at += UInt64(BX_FETCH_BYTES)
        }
        guard fstat(fd, &info) == 0 else { return 0 }
        let gone = before - min(before, UInt64(info.st_blocks) * 512)
        core.withLock { $0.counters.evictedBytes += gone }
        return gone
    }

    private func punch(_ fd: Int32, _ inode: UInt64, _ offset: UInt64, _ ring: Ring) -> Bool {
        guard ring.tryLock(inode: inode, offset: offset) else { return false }
        defer { ring.unlock(inode: inode, offset: offset) }
        // Whoever writes here needs the lock: nothing that comes into the ring from now on concerns this chunk.
        let tail = ring.tail
        while pumpOnce() {}
        let isDurable = core.withLock { $0.inFlight.isEmpty && $0.phase == .attached }
        guard ring.head >= tail, isDurable, ring.beginEviction(inode: inode) else { return false }
        defer { ring.endEviction(inode: inode) }
        return bx_punch_hole(fd, Int64(offset), Int64(BX_FETCH_BYTES)) == 0
    }
}

extension Ring {
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

    /// From here until `endEviction` readers of the file try again. False if the file is gone, or read through a mapping.
    func beginEviction(inode: UInt64) -> Bool {
        guard let slot = slot(inode: inode) else { return false }
        // Marked first, looked at then: the shim sets its flag first and looks for the mark then.
        _ = bx_add32(&files[slot].evictions, 1)
        guard bx_load32(&files[slot].flags) & UInt32(BX_FILE_MAPPED) == 0 else {
            endEviction(inode: inode)
            return false
        }
        bx_or32(&files[slot].flags, UInt32(BX_FILE_HOLES))
        return true
    }

    func endEviction(inode: UInt64) {
        guard let slot = slot(inode: inode) else { return }
        _ = bx_add32(&files[slot].evictions, 1)
    }
}
