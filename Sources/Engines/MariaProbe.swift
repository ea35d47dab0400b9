// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MySQLWire

/// Knocks at a MariaDB or MySQL server as a client does: a whole login, maybe one query, and a goodbye.
///
/// Format: mariadb.com/kb/en/connection (initial handshake packet, handshake response packet). A packet is its length (3
/// bytes, little-endian), a sequence number (1 byte) and the payload.
package enum MariaProbe {
    /// Longer packets are not part of a login.
    static let packetBytesMax = 4096

    /// CLIENT_LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH.
    private static let capabilities: UInt32 = 1 | 0x200 | 0x8000 | 0x80000

    /// Each call on the socket blocks for the time limit at most.
    package static func knock(
        socket path: String, user: String, password: String, timeoutMilliseconds: Int
    ) -> EngineReadiness {
        guard let fd = LocalSocket.connect(path, timeoutMilliseconds: timeoutMilliseconds) else {
            // It makes its socket last, once its log is replayed.
            return errno == ENOENT || errno == ECONNREFUSED
                ? .silent("it does not listen yet") : .silent(String(cString: strerror(errno)))
        }
        defer { close(fd) }
        let found = logIn(fd, user: user, password: password)
        if found == .ready { leave(fd) }
        return found
    }

    /// The first row of a query's answer, NULL as an empty text; nil if there is none for whatever reason.
    ///
    /// Format: mariadb.com/kb/en/result-set-packets, without CLIENT_DEPRECATE_EOF.
    package static func firstRow(
        of query: String, socket path: String, user: String, password: String, timeoutMilliseconds: Int
    ) -> [String]? {
        guard let fd = LocalSocket.connect(path, timeoutMilliseconds: timeoutMilliseconds) else { return nil }
        defer { close(fd) }
        guard logIn(fd, user: user, password: password) == .ready, transmit(fd, [3] + Array(query.utf8), sequence: 0),
            let head = receive(fd), head.count == 1, (1...250).contains(head[0])
        else { return nil }
        for _ in 0...head[0] where receive(fd) == nil { return nil }  // the columns, and the end of them
        guard let row = receive(fd), let values = values(in: row), values.count == Int(head[0]) else { return nil }
        leave(fd)
        return values
    }

    /// The texts of a row, each after its length in one byte; nil for longer ones.
    package static func values(in row: [UInt8]) -> [String]? {
        var (values, rest): ([String], ArraySlice<UInt8>) = ([], row[...])
        while let length = rest.popFirst() {
            let count = length == 0xfb ? 0 : Int(length)
            guard count < 0xfb, count <= rest.count else { return nil }
            values.append(String(decoding: rest.prefix(count), as: UTF8.self))
            rest = rest.dropFirst(count)
        }
        return values
    }

    /// COM_QUIT: without it the server notes an aborted connection.
    private static func leave(_ fd: Int32) { _ = transmit(fd, [1], sequence: 0) }

    private static func logIn(_ fd: Int32, user: String, password: String) -> EngineReadiness {
        guard let greeting = receive(fd) else { return .silent("no greeting") }
        if greeting.first == 0xff { return judge(error: greeting) }
        guard let challenge = challenge(in: greeting) else { return .silent("the greeting is not MariaDB's") }
        let answer = response(user: user, password: password, challenge: challenge)
        guard transmit(fd, answer, sequence: 1), let first = receive(fd),
            let verdict = first.first == 0xfe ? switchPlugin(fd, request: first, password: password) : first
        else { return .silent("no answer to the login") }
        guard verdict.first != 0xff else { return judge(error: verdict) }
        return .ready
    }

    /// Any error but "shutdown in progress" comes from a server that serves: a changed password, too many connections.
    package static func judge(error packet: [UInt8]) -> EngineReadiness {
        guard packet.count >= 3 else { return .silent("the answer is not MariaDB's") }
        let code = Int(packet[1]) | Int(packet[2]) << 8
        return code == 1053 ? .notYet("the engine shuts down") : .ready
    }

    /// The 20 random bytes of an initial handshake of protocol version 10.
    package static func challenge(in greeting: [UInt8]) -> [UInt8]? {
        guard greeting.first == 10, let end = greeting.firstIndex(of: 0) else { return nil }
        // After the version: connection id (4), challenge (8), filler (1), capabilities, character set, status (7),
        // length of the challenge (1), reserved (10), the rest of the challenge (12).
        let first = end + 5
        let second = first + 27
        guard greeting.count >= second + 12 else { return nil }
        return Array(greeting[first..<first + 8]) + Array(greeting[second..<second + 12])
    }

    package static func response(user: String, password: String, challenge: [UInt8]) -> [UInt8] {
        let proof = MySQLScrambles.native(password: Array(password.utf8), challenge: challenge)
        var packet = (0..<4).map { UInt8(truncatingIfNeeded: capabilities >> (8 * UInt32($0))) }
        packet += [0, 0, 0, 1]  // longest packet: 16 MiB
        packet.append(45)  // utf8mb4_general_ci
        packet += [UInt8](repeating: 0, count: 23)
        packet += Array(user.utf8) + [0]
        packet += [UInt8(proof.count)] + proof
        packet += Array(MySQLScrambles.native.utf8) + [0]
        return packet
    }

    /// MySQL's accounts have another plugin than the one that the answer begins with. Its short way works once the server has
    /// seen the password; over a Unix socket it may be sent as it is.
    private static func switchPlugin(_ fd: Int32, request: [UInt8], password: String) -> [UInt8]? {
        let text = Array(password.utf8)
        guard let challenge = challenge(inSwitch: request),
            transmit(fd, MySQLScrambles.cachingSHA2(password: text, challenge: challenge), sequence: 3),
            let next = receive(fd)
        else { return nil }
        switch (next.first, next.dropFirst().first) {
        case (1, 3): return receive(fd)
        case (1, 4): return transmit(fd, text + [0], sequence: 5) ? receive(fd) : nil
        default: return next
        }
    }

    /// The 20 random bytes of a request to go on with caching_sha2_password; nil if it names another plugin.
    package static func challenge(inSwitch packet: [UInt8]) -> [UInt8]? {
        let head = [0xfe] + Array(MySQLScrambles.cachingSHA2.utf8) + [0]
        let challenge = packet.dropFirst(head.count).prefix { $0 != 0 }
        return packet.starts(with: head) && challenge.count == 20 ? Array(challenge) : nil
    }

    static func transmit(_ fd: Int32, _ payload: [UInt8], sequence: UInt8) -> Bool {
        let count = payload.count
        let packet = [UInt8(count & 0xff), UInt8(count >> 8 & 0xff), UInt8(count >> 16 & 0xff), sequence] + payload
        return send(fd, packet, packet.count, Int32(MSG_NOSIGNAL)) == packet.count
    }

    static func receive(_ fd: Int32, bytesMax: Int = packetBytesMax) -> [UInt8]? {
        guard let header = receive(fd, exactly: 4) else { return nil }
        let count = Int(header[0]) | Int(header[1]) << 8 | Int(header[2]) << 16
        guard (1...bytesMax).contains(count) else { return nil }
        return receive(fd, exactly: count)
    }

    private static func receive(_ fd: Int32, exactly count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { recv(fd, $0.baseAddress! + done, count - done, 0) }
            guard got > 0 else { return nil }
            done += got
        }
        return bytes
    }
}
