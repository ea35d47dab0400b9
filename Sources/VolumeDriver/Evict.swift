// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import Logging
internal import NamespaceCore
internal import Synchronization
internal import VolumeModel

/// Keeping the local cache under its cap.
///
/// A hand goes round the files, chunk by chunk, and punches out what it passes, as a clock without reference bits: the
/// engine's own buffers keep what is hot, so what is evicted too early costs one fetch.
extension VolumeDriver {
    /// Evict down to this share of the cap, so that the hand does not move at every round.
    private static let targetPercent: UInt64 = 90
    /// Chunks that are locked at once: one wait for durability serves them all.
    private static let chunksAtOnce = 64

    /// Where the hand is.
    struct EvictionHand {
        var file = FileID.none
        var offset: UInt64 = 0
    }

    func evictIfNeeded() {
        guard let cap = configuration.cacheBytesMax, configuration.mode == .writer else { return }
        let (ring, namespace, start) = core.withLock { ($0.ring, $0.builder?.namespace, $0.hand) }
        guard let ring, let namespace else { return }
        var used = localBytes(namespace)
        guard used > cap else { return }
        let target = cap * Self.targetPercent / 100
        let files = evictable(namespace)
        guard !files.isEmpty else { return }
        var turn = files.firstIndex { $0.id >= start.file } ?? 0
        var offset = files[turn].id == start.file ? start.offset : 0
        var turns = 0
        while used > target, turns <= files.count, !keeper.isStopping {
            guard let (freed, next) = evict(files[turn].path, files[turn].id, from: offset, most: used - target, ring)
            else { break }
            used -= min(used, freed)
            if let next {
                offset = next
            } else {
                turn = (turn + 1) % files.count
                offset = 0
                turns += 1
            }
        }
        let hand = EvictionHand(file: files[turn].id, offset: offset)
        core.withLock { $0.hand = hand }
        logger.debug("evicted", metadata: ["bytes": "\(used)"])
    }

    /// By id.
    private func evictable(_ namespace: Namespace) -> [(path: String, id: FileID)] {
        var files: [(path: String, id: FileID)] = []
        namespace.forEachItem { item in
            guard case .file(let id) = item.entry,
                !configuration.unevicted.contains(where: { fnmatch($0, item.path, 0) == 0 })
            else { return }
            files.append((item.path, id))
        }
        return files.sorted { $0.id < $1.id }
    }

    /// Bytes that the volume's files take on the local disk.
    func localBytes(_ namespace: Namespace) -> UInt64 {
        var bytes: UInt64 = 0
        namespace.forEachItem { item in
            var info = stat()
            if case .file = item.entry, lstat("\(root)/\(item.path)", &info) == 0 {
                bytes += UInt64(info.st_blocks) * 512
            }
        }
        return bytes
    }

    /// Punches some chunks out of one file.
    /// - Returns: bytes freed, and where to go on in the file, nil at its end; nil if nothing can be evicted now
    private func evict(
        _ path: String, _ file: FileID, from start: UInt64, most: UInt64, _ ring: Ring
    ) -> (freed: UInt64, next: UInt64?)? {
        guard let (fd, inode, size) = openCached(path, file, ring) else { return (0, nil) }
        defer { close(fd) }
        var chunks: [UInt64] = []
        var at = start
        while chunks.count < Self.chunksAtOnce, UInt64(chunks.count) * UInt64(BX_FETCH_BYTES) < most {
            guard let data = Self.nextData(fd, at), data < size else {
                at = size
                break
            }
            at = data / UInt64(BX_FETCH_BYTES) * UInt64(BX_FETCH_BYTES)
            chunks.append(at)
            at += UInt64(BX_FETCH_BYTES)
        }
        let next = at < size ? at : nil
        guard !chunks.isEmpty else { return (0, next) }
        let before = Self.blocksBytes(fd)
        let isQuiet = withQuietChunks(chunks, inode: inode, ring) { locked in
            guard ring.beginEviction(inode: inode) else { return }
            defer { ring.endEviction(inode: inode) }
            for offset in locked { _ = bx_punch_hole(fd, Int64(offset), Int64(BX_FETCH_BYTES)) }
        }
        guard isQuiet else { return nil }
        let after = Self.blocksBytes(fd)
        let freed = before - min(before, after)
        core.withLock { $0.counters.evictedBytes += freed }
        return (freed, next)
    }

    private static func blocksBytes(_ fd: Int32) -> UInt64 {
        var info = stat()
        return fstat(fd, &info) == 0 ? UInt64(info.st_blocks) * 512 : 0
    }

    /// Where data begins at or after an offset; nil if there is none.
    private static func nextData(_ fd: Int32, _ offset: UInt64) -> UInt64? {
        let seekData: Int32 = 3  // SEEK_DATA of linux/fs.h, which Glibc's module lacks
        let found = lseek(fd, off_t(offset), seekData)
        return found < 0 ? nil : UInt64(found)
    }
}

extension Ring {
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
