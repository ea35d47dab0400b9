// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Connections to an engine's socket.
enum LocalSocket {
    /// The longest path, bytes, that an address can hold.
    static let pathBytesMax = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    /// A descriptor that the caller closes; each call on it blocks for the time limit at most. Nil, with errno set, if
    /// nobody listens.
    static func connect(_ path: String, timeoutMilliseconds: Int) -> Int32? {
        connect(AF_UNIX, timeoutMilliseconds: timeoutMilliseconds) { isConnected($0, path) }
    }

    /// The same over TCP.
    ///
    /// - Parameter host: a numeric IPv4 address
    static func connect(host: String, port: Int, timeoutMilliseconds: Int) -> Int32? {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        guard let port = UInt16(exactly: port), inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
            errno = EINVAL
            return nil
        }
        address.sin_port = port.bigEndian
        return connect(AF_INET, timeoutMilliseconds: timeoutMilliseconds) { fd in
            var now: Int32 = 1
            setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &now, socklen_t(MemoryLayout<Int32>.size))
            return withUnsafePointer(to: address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
        }
    }

    private static func connect(_ family: Int32, timeoutMilliseconds: Int, _ attempt: (Int32) -> Bool) -> Int32? {
        let fd = Glibc.socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { return nil }
        var limit = timeval(tv_sec: timeoutMilliseconds / 1000, tv_usec: timeoutMilliseconds % 1000 * 1000)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        guard attempt(fd) else {
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
