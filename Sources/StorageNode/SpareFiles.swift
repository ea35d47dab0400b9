// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import NIOCore
internal import Synchronization

/// Journal files that are filled with zeros and ready for use: old ones given back, and one made ahead of need.
final class SpareFiles: Sendable {
    /// More than this many are deleted rather than kept.
    private static let keep = 4
    private let directory: String
    private let fileBytes: Int
    private let state: Mutex<[String]>

    init(directory: String, fileBytes: Int) {
        self.directory = directory
        self.fileBytes = fileBytes
        let found = ((try? listDirectory(directory)) ?? []).filter { $0.hasPrefix("spare-") }
        for name in found where name.hasSuffix(".new") { unlink("\(directory)/\(name)") }
        state = Mutex(found.filter { !$0.hasSuffix(".new") }.map { "\(directory)/\($0)" })
    }

    /// An open file at `path`, of full length and with every block written once.
    func take(as path: String) throws(StorageFailure) -> Int32 {
        var spare: String? = state.withLock { $0.popLast() }
        if spare == nil { spare = try make(path + ".spare") }
        guard let spare else { throw StorageFailure("make a journal file", path: path, errno: ENOSPC) }
        guard rename(spare, path) == 0 else { throw StorageFailure("rename a journal file", path: path, errno: errno) }
        let fd = open(path, O_RDWR | O_CLOEXEC)
        guard fd >= 0 else { throw StorageFailure("open a journal file", path: path, errno: errno) }
        return fd
    }

    /// Takes a file back. Its name changes at once, so that a replay does not read it again.
    func give(_ path: String) {
        let name = "\(directory)/spare-\(path.suffix(16))"
        guard rename(path, name) == 0 else { return }
        let surplus: String? = state.withLock { spares in
            if spares.count >= Self.keep { return name }
            spares.append(name)
            return nil
        }
        if let surplus { unlink(surplus) }
    }

    private func make(_ path: String) throws(StorageFailure) -> String {
        let fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw StorageFailure("create a journal file", path: path, errno: errno) }
        defer { close(fd) }
        let zeros = ByteBuffer(repeating: 0, count: 1 << 20)
        var at = 0
        while at < fileBytes {
            let failure = zeros.withUnsafeReadableBytes { bytes -> Int32 in
                var part: UnsafeRawPointer? = bytes.baseAddress
                var length = min(bytes.count, fileBytes - at)
                return bx_pwritev_all(fd, &part, &length, 1, Int64(at))
            }
            guard failure == 0 else {
                unlink(path)
                throw StorageFailure("fill a journal file", path: path, errno: failure)
            }
            at += zeros.readableBytes
        }
        guard fdatasync(fd) == 0 else { throw StorageFailure("flush a journal file", path: path, errno: errno) }
        return path
    }
}
