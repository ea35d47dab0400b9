// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import Synchronization
internal import VolumeModel

/// Chunks of which the engine has said that it will read some blocks, oldest first, each once.
///
/// A hint may be lost: what is not fetched ahead is fetched when it is read. A chunk is fetched whole, because looking up its
/// first block costs a storage node as much as all others together.
struct Hints {
    struct Chunk: Hashable, Sendable {
        var file: FileID
        /// Bytes from the file's start, a multiple of `BX_FETCH_BYTES`.
        var offset: UInt64

        init(file: FileID, holding byte: UInt64) {
            self.file = file
            offset = byte / UInt64(BX_FETCH_BYTES) * UInt64(BX_FETCH_BYTES)
        }
    }

    /// More than this would be fetched long after it was read.
    static let most = 512

    private var waiting: [Chunk] = []
    private var known: Set<Chunk> = []

    /// - Returns: whether somebody has to come for it
    mutating func add(_ chunk: Chunk) -> Bool {
        guard waiting.count < Self.most, known.insert(chunk).inserted else { return false }
        waiting.append(chunk)
        return true
    }

    mutating func next() -> Chunk? {
        guard !waiting.isEmpty else { return nil }
        let chunk = waiting.removeFirst()
        known.remove(chunk)
        return chunk
    }
}

extension VolumeDriver {
    /// An engine that recovers, or reads by a bitmap, says some blocks ahead what it will read. These are fetched beside each
    /// other, where it would wait for one after the other.
    func take(_ hints: [Hints.Chunk]) {
        guard !hints.isEmpty else { return }
        let count = core.withLock { core in hints.reduce(0) { $0 + (core.hints.add($1) ? 1 : 0) } }
        for _ in 0..<count { fetchers.submit(.ahead) { [self] in fetchHinted() } }
    }

    private func fetchHinted() {
        let work = core.withLock { core -> (ring: Ring, chunk: Hints.Chunk, path: String)? in
            guard let chunk = core.hints.next(), core.phase == .attached, let ring = core.ring,
                let path = path(of: chunk.file, &core)
            else { return nil }
            return (ring, chunk, path)
        }
        guard let (ring, chunk, path) = work else { return }
        guard let (fd, inode, _) = openCached(path, chunk.file, ring) else {
            core.withLock { $0.prefetch.forgetPath(of: chunk.file) }
            return
        }
        defer { close(fd) }
        var bytes: UInt64 = 0
        _ = withQuietChunks([chunk.offset], inode: inode, ring) { locked in
            for offset in locked { bytes = fill(fd, chunk.file, offset) ?? 0 }
        }
        guard bytes > 0 else { return }
        core.withLock { core in
            core.counters.hintedBytes += bytes
            core.prefetch.touched(chunk.file, at: chunk.offset)
        }
    }
}
