// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Knocks at a PostgreSQL server as pg_isready does: a startup packet, and a look at the first message that comes back.
///
/// Format: postgresql.org/docs/15/protocol-message-formats.html (StartupMessage, ErrorResponse).
package enum PostgresProbe {
    /// The longest path of a socket, bytes, that an address can hold.
    package static let pathBytesMax = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    /// Blocks for the time limit at most.
    package static func knock(socket path: String, user: String, timeoutMilliseconds: Int) -> EngineReadiness {
        let fd = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { return .silent("no descriptor is left") }
        defer { close(fd) }
        var limit = timeval(tv_sec: timeoutMilliseconds / 1000, tv_usec: timeoutMilliseconds % 1000 * 1000)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        guard connectUnix(fd, path) else { return .silent(String(cString: strerror(errno))) }
        let packet = startupMessage(user: user)
        guard send(fd, packet, packet.count, Int32(MSG_NOSIGNAL)) == packet.count else {
            return .silent("the startup packet was not taken")
        }
        var answer = [UInt8](repeating: 0, count: 1024)
        let count = recv(fd, &answer, answer.count, 0)
        guard count > 0 else { return .silent("no answer to the startup packet") }
        return judge(answer[..<count])
    }

    static func startupMessage(user: String) -> [UInt8] {
        let body: [UInt8] = [0, 3, 0, 0] + zeroEnded("user", user, "database", "postgres") + [0]
        let length = UInt32(body.count + 4)
        return withUnsafeBytes(of: length.bigEndian) { Array($0) } + body
    }

    private static func zeroEnded(_ texts: String...) -> [UInt8] { texts.flatMap { Array($0.utf8) + [0] } }

    /// An authentication request means that connections are accepted, and so does any error but `cannot_connect_now`.
    static func judge(_ answer: ArraySlice<UInt8>) -> EngineReadiness {
        switch answer.first {
        case UInt8(ascii: "R"): return .ready
        case UInt8(ascii: "E"):
            let fields = errorFields(answer)
            return fields[UInt8(ascii: "C")] == "57P03" ? .notYet(fields[UInt8(ascii: "M")] ?? "starting") : .ready
        default: return .silent("the answer is not PostgreSQL's")
        }
    }

    private static func errorFields(_ answer: ArraySlice<UInt8>) -> [UInt8: String] {
        var fields: [UInt8: String] = [:]
        for part in answer.dropFirst(5).split(separator: 0) {
            if let type = part.first { fields[type] = String(decoding: part.dropFirst(), as: UTF8.self) }
        }
        return fields
    }

    private static func connectUnix(_ fd: Int32, _ path: String) -> Bool {
        var address = sockaddr_un()
        guard path.utf8.count <= pathBytesMax else {
            errno = ENAMETOOLONG
            return false
        }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }
}
