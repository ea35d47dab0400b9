// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Knocks at a PostgreSQL server as pg_isready does: a startup packet, and a look at the first message that comes back.
///
/// Format: postgresql.org/docs/15/protocol-message-formats.html (StartupMessage, ErrorResponse).
package enum PostgresProbe {
    /// Blocks for the time limit at most.
    package static func knock(socket path: String, user: String, timeoutMilliseconds: Int) -> EngineReadiness {
        guard let fd = LocalSocket.connect(path, timeoutMilliseconds: timeoutMilliseconds) else {
            return .silent(String(cString: strerror(errno)))
        }
        defer { close(fd) }
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
}
