// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import Logging
internal import NamespaceCore
internal import Synchronization
internal import VolumeModel

/// Which files are fetched ahead of need, and how much more may be.
///
/// After an attach with a cold cache an engine fetches, one by one, the blocks of the files that it works with. Those files, and no
/// others, are completed in the background: the one touched last first, from the place where it was touched on.
struct PrefetchPlan {
    /// Bytes that may still be fetched.
    private(set) var budget: UInt64 = 0
    /// Files that are not complete, the one touched last at the end, and where to go on in each.
    private var files: [(id: FileID, offset: UInt64, first: UInt64)] = []
    private var complete: Set<FileID> = []
    /// Names that were looked up.
    private var paths: [FileID: String] = [:]

    init(budget: UInt64 = 0) { self.budget = budget }

    mutating func touched(_ file: FileID, at offset: UInt64) {
        guard budget > 0, !complete.contains(file) else { return }
        guard let place = files.lastIndex(where: { $0.id == file }) else {
            files.append((file, offset, offset))
            return
        }
        if place < files.count - 1 { files.append(files.remove(at: place)) }
    }

    /// The file to go on with, and from where.
    var next: (id: FileID, offset: UInt64)? { budget > 0 ? files.last.map { ($0.id, $0.offset) } : nil }

    /// Everything of the file from where `next` said up to `end` is there.
    ///
    /// - Parameters:
    ///   - end: nil at the end of the file: what lies before the place where it was touched first comes next
    mutating func fetched(_ file: FileID, upTo end: UInt64?, bytes: UInt64) {
        budget -= min(budget, bytes)
        guard let place = files.lastIndex(where: { $0.id == file }) else { return }
        let (_, offset, first) = files[place]
        let hasWrapped = offset < first
        if let end, !hasWrapped || end < first {
            files[place].offset = end
        } else if !hasWrapped, first > 0 {
            files[place].offset = 0
        } else {
            forget(file)
        }
    }

    /// The file is complete, or gone.
    mutating func forget(_ file: FileID) {
        files.removeAll { $0.id == file }
        paths[file] = nil
        complete.insert(file)
    }

    /// A name of the file. Kept, because the namespace finds names by walking all of it.
    mutating func path(of file: FileID, in namespace: Namespace?) -> String? {
        if paths[file] == nil { paths[file] = namespace?.paths(of: file).first }
        return paths[file]
    }

    /// The file has another name by now, or none.
    mutating func forgetPath(of file: FileID) { paths[file] = nil }
}

/// What the keeper goes on with.
private struct PrefetchWork: Sendable {
    var ring: Ring
    var file: FileID
    var offset: UInt64
    var path: String?
}

extension VolumeDriver {
    /// Chunks that are locked and fetched at once.
    private static let prefetchChunks = 4

    /// Bytes to fetch ahead after an attach. Under a cap it leaves half of it to what is fetched on demand.
    var prefetchBudget: UInt64 {
        guard configuration.mode == .writer else { return 0 }
        return min(configuration.prefetchBytes, configuration.cacheBytesMax.map { $0 / 2 } ?? .max)
    }

    /// Fetches some chunks, unless somebody waits for a fetch of his own.
    /// - Returns: false if there is nothing to do now
    func prefetchSome() -> Bool {
        let work = core.withLock { core -> PrefetchWork? in
            guard core.phase == .attached, let ring = core.ring, let next = core.prefetch.next else { return nil }
            let path = self.path(of: next.id, &core)
            return PrefetchWork(ring: ring, file: next.id, offset: next.offset, path: path)
        }
        guard let work, !work.ring.fetchesAsked, !fetchers.isBusy else { return false }
        guard let path = work.path, let (fd, inode, size) = openCached(path, work.file, work.ring) else {
            core.withLock { $0.prefetch.forget(work.file) }
            return true
        }
        defer { close(fd) }
        let chunk = UInt64(BX_FETCH_BYTES)
        var wanted: [UInt64] = []
        var at = work.offset / chunk * chunk
        while at < size, wanted.count < Self.prefetchChunks {
            if hasHole(fd, at, min(at + chunk, size)) { wanted.append(at) }
            at += chunk
        }
        var bytes: UInt64 = 0
        var isWell = true
        let isQuiet = withQuietChunks(wanted, inode: inode, work.ring) { locked in
            for offset in locked where isWell {
                if let filled = fill(fd, work.file, offset) { bytes += filled } else { isWell = false }
            }
        }
        isWell = isWell && isQuiet
        let end = at < size ? at : nil
        core.withLock { core in
            core.counters.prefetchedBytes += bytes
            if isWell { core.prefetch.fetched(work.file, upTo: end, bytes: bytes) }
        }
        return isWell
    }

    func path(of file: FileID, _ core: inout Core) -> String? {
        core.prefetch.path(of: file, in: core.builder?.namespace ?? core.namespace)
    }

    private func hasHole(_ fd: Int32, _ from: UInt64, _ to: UInt64) -> Bool { nextHole(fd, from, to) != nil }

    /// The next hole in [from, to).
    private func nextHole(_ fd: Int32, _ from: UInt64, _ to: UInt64) -> Range<UInt64>? {
        let (seekData, seekHole): (Int32, Int32) = (3, 4)  // of linux/fs.h, which Glibc's module lacks
        let hole = lseek(fd, off_t(from), seekHole)
        guard hole >= 0, UInt64(hole) < to else { return nil }
        let data = lseek(fd, hole, seekData)
        return UInt64(hole)..<(data < 0 ? to : min(UInt64(data), to))
    }

    /// Fills the holes of a chunk whose lock is held.
    /// - Returns: bytes filled; nil if the blocks or the room for them cannot be had
    func fill(_ fd: Int32, _ file: FileID, _ offset: UInt64) -> UInt64? {
        var info = stat()
        guard fstat(fd, &info) == 0 else { return nil }
        let limit = min(offset + UInt64(BX_FETCH_BYTES), UInt64(info.st_size))
        guard offset < limit, hasHole(fd, offset, limit) else { return 0 }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(limit - offset), alignment: 16)
        defer { buffer.deallocate() }
        do { try read(file, offset: offset, into: buffer, patience: 0) } catch {
            logger.debug("prefetch", metadata: ["file": "\(file)", "error": "\(error)"])
            return nil
        }
        var bytes: UInt64 = 0
        var at = offset
        while let hole = nextHole(fd, at, limit) {
            let part = UnsafeRawBufferPointer(
                rebasing: buffer[Int(hole.lowerBound - offset)..<Int(hole.upperBound - offset)])
            guard pwrite(fd, part.baseAddress, part.count, off_t(hole.lowerBound)) == part.count else {
                // A block that is there in part would be taken for a whole one.
                _ = bx_punch_hole(fd, Int64(hole.lowerBound), Int64(hole.count))
                return nil
            }
            bytes += UInt64(part.count)
            at = hole.upperBound
        }
        return bytes
    }
}
