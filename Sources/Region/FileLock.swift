// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

/// An exclusive flock(2) on a file that holds the owner's process id. Let go when the process ends, however it ends.
package final class FileLock: Sendable {
    private let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    package enum Outcome: Sendable {
        case held(FileLock)
        /// Somebody else holds it; their process id if the file says so.
        case busy(Int32?)
    }

    /// - Parameter waitMilliseconds: how long to wait for another owner to let go
    package static func acquire(_ path: String, waitMilliseconds: Int = 0) throws -> Outcome {
        let fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard fd >= 0 else {
            throw RegionError(
                "cannot open \(path): \(String(cString: strerror(errno)))",
                remedy: "run as the owner of the data directory")
        }
        var waited = 0
        while flock(fd, LOCK_EX | LOCK_NB) != 0 {
            guard waited < waitMilliseconds else {
                let owner = owner(fd)
                close(fd)
                return .busy(owner)
            }
            usleep(20_000)
            waited += 20
        }
        let text = Array("\(getpid())\n".utf8)
        ftruncate(fd, 0)
        _ = pwrite(fd, text, text.count, 0)
        return .held(FileLock(descriptor: fd))
    }

    /// The process that holds the lock now, 0 if it does not say who it is, nil if nobody does.
    package static func holder(_ path: String) -> Int32? {
        let fd = open(path, O_RDWR | O_CLOEXEC)
        guard fd >= 0 else { return nil }
        defer { close(fd) }
        guard flock(fd, LOCK_SH | LOCK_NB) != 0 else { return nil }
        return owner(fd) ?? 0
    }

    private static func owner(_ fd: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = pread(fd, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: bytes[..<count], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
    }
}
