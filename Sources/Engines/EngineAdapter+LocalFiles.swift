// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Files outside the volume that only the engine's account may read.
extension EngineAdapter {
    func makeOwnDirectory(_ path: String) throws {
        if mkdir(path, 0o700) != 0 && errno != EEXIST { throw failure("create \(path)") }
        if let account = settings.account, chown(path, uid_t(account.uid), gid_t(account.gid)) != 0 {
            throw failure("give \(path) to \(account.name)")
        }
        if chmod(path, 0o700) != 0 { throw failure("set the mode of \(path)") }
    }

    /// Replaces a file that only the engine's account may read.
    func writeOwn(_ text: String, to path: String) throws {
        let temporary = path + ".new"
        unlink(temporary)
        let fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw failure("create \(temporary)") }
        defer { close(fd) }
        let bytes = Array(text.utf8)
        guard write(fd, bytes, bytes.count) == bytes.count else { throw failure("write \(temporary)") }
        if let account = settings.account, fchown(fd, uid_t(account.uid), gid_t(account.gid)) != 0 {
            throw failure("give \(path) to \(account.name)")
        }
        guard rename(temporary, path) == 0 else { throw failure("write \(path)") }
    }

    private func failure(_ what: String) -> EngineError {
        let code = errno
        return EngineError(
            "cannot \(what): \(String(cString: strerror(code)))",
            remedy: code == ENOSPC ? "make room on the disk" : "check the owner and mode of the data directory")
    }
}
