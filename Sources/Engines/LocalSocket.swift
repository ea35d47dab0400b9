// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Connections to an engine's Unix socket.
enum LocalSocket {
    /// The longest path, bytes, that an address can hold.
    static let pathBytesMax = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    /// A descriptor that the caller closes; each call on it blocks for the time limit at most. Nil, with errno set, if
    /// nobody listens.
    static func connect(_ path: String, timeoutMilliseconds: Int) -> Int32? {
        let fd = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { return nil }
        var limit = timeval(tv_sec: timeoutMilliseconds / 1000, tv_usec: timeoutMilliseconds % 1000 * 1000)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        guard isConnected(fd, path) else {
            let code = errno
            close(fd)
            errno = code
            return nil
        }
        return fd
    }

    private static func isConnected(_ fd: Int32, _ path: String) -> Bool {
        var address = sockaddr_un()
        guard path.utf8.count <= pathBytesMax else {
            errno = ENAMETOOLONG
            return false
        }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }
}
