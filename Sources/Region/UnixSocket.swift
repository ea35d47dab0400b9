// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

/// A stream socket on a path, read and written line by line. Blocking; owned by one thread at a time.
final class UnixSocket {
    /// The longest line taken, bytes: a peer that sends more is cut off.
    static let lineBytesMax = 4 << 20

    private let descriptor: Int32
    private var buffered: [UInt8] = []

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Connects to a server. Nil, with errno set, if nobody listens.
    static func connect(_ path: String, timeoutSeconds: Int) -> UnixSocket? {
        let fd = makeSocket()
        guard fd >= 0 else { return nil }
        guard withAddress(path, { Glibc.connect(fd, $0, $1) }) == 0 else {
            let code = errno
            close(fd)
            errno = code
            return nil
        }
        let socket = UnixSocket(descriptor: fd)
        socket.setTimeout(seconds: timeoutSeconds)
        return socket
    }

    /// Listens on a path, mode 0600, after removing what a dead process left there. Returns the descriptor.
    static func listen(_ path: String) throws -> Int32 {
        let fd = makeSocket()
        unlink(path)
        guard fd >= 0, withAddress(path, { bind(fd, $0, $1) }) == 0, chmod(path, 0o600) == 0, Glibc.listen(fd, 64) == 0
        else {
            let code = errno
            if fd >= 0 { close(fd) }
            throw RegionError(
                "cannot listen on \(path): \(String(cString: strerror(code)))",
                remedy: "check the data directory's owner and length")
        }
        return fd
    }

    /// Blocks for the next client; nil once the listening descriptor is shut down.
    static func accept(_ listener: Int32) -> UnixSocket? {
        while true {
            let fd = Glibc.accept(listener, nil, nil)
            if fd >= 0 {
                _ = fcntl(fd, F_SETFD, FD_CLOEXEC)
                return UnixSocket(descriptor: fd)
            }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EMFILE, ENFILE, ENOMEM: usleep(50_000)
            default: return nil
            }
        }
    }

    func setTimeout(seconds: Int) {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
    }

    /// The next line without its end; nil at the end of the stream, after the time limit, or if the line is too long.
    func readLine() -> Data? {
        var chunk = [UInt8](repeating: 0, count: 65536)
        var searched = 0
        while true {
            if let end = buffered[searched...].firstIndex(of: 10) {
                let line = Data(buffered[..<end])
                buffered.removeSubrange(...end)
                return line
            }
            searched = buffered.count
            guard buffered.count <= Self.lineBytesMax else { return nil }
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return nil }
            buffered += chunk[..<count]
        }
    }

    /// Sends a line; false if the peer is gone.
    @discardableResult
    func writeLine(_ data: Data) -> Bool {
        let bytes = [UInt8](data) + [10]
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    private static func makeSocket() -> Int32 {
        socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    }

    private static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            errno = ENAMETOOLONG
            return -1
        }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }
}
