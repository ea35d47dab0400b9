// SPDX-License-Identifier: Apache-2.0

package import Foundation
internal import Glibc

/// Files that replace themselves as a whole and that, by default, only their owner can read.
package enum PrivateFile {
    /// Writes a new file beside `path`, makes it durable and renames it over `path`.
    ///
    /// - Parameter mode: permission bits; the umask does not apply
    package static func write(_ data: Data, to path: String, mode: mode_t = 0o600) throws {
        let temporary = "\(path).\(getpid()).new"
        unlink(temporary)
        let fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw failure("create \(temporary)") }
        defer { close(fd) }
        do {
            try data.withUnsafeBytes { try writeAll($0, to: fd, path: temporary) }
            guard fchmod(fd, mode) == 0, fsync(fd) == 0, rename(temporary, path) == 0 else {
                throw failure("write \(path)")
            }
        } catch {
            unlink(temporary)
            throw error
        }
        syncDirectory(of: path)
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to fd: Int32, path: String) throws {
        var rest = bytes
        while let base = rest.baseAddress, !rest.isEmpty {
            let count = Glibc.write(fd, base, rest.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw failure("write \(path)") }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    private static func syncDirectory(of path: String) {
        let fd = open((path as NSString).deletingLastPathComponent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard fd >= 0 else { return }
        fsync(fd)
        close(fd)
    }

    private static func failure(_ what: String) -> KeyringError {
        let code = errno
        return KeyringError(
            "cannot \(what): \(String(cString: strerror(code)))",
            remedy: code == ENOSPC ? "make room on the disk" : "check the owner and mode of its directory")
    }
}
