// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// Journal files that are filled with zeros and ready for use: old ones given back, and one made ahead of need.
final class SpareFiles: Sendable {
    /// More than this many are deleted rather than kept.
    private static let keep = 8
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

    /// Puts a file at `path`, of full length and with every block written once.
    func take(as path: String) throws(StorageFailure) {
        var spare: String? = state.withLock { $0.popLast() }
        if spare == nil { spare = try make(path + ".spare") }
        guard let spare else { throw StorageFailure("make a journal file", path: path, errno: ENOSPC) }
        guard rename(spare, path) == 0 else { throw StorageFailure("rename a journal file", path: path, errno: errno) }
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
        var failure: Int32 = ftruncate(fd, off_t(fileBytes)) == 0 && fsync(fd) == 0 ? 0 : errno
        if failure == 0 {
            let file = try JournalFile(path)
            file.begin(at: 0)
            file.addZeros(fileBytes)
            failure = file.finish()
        }
        guard failure == 0 else {
            unlink(path)
            throw StorageFailure("fill a journal file", path: path, errno: failure)
        }
        return path
    }
}
