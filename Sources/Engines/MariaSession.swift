// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A session with a MariaDB server: one statement at a time, as text. One thread uses it.
///
/// Format: mariadb.com/kb/en/clientserver-protocol, without CLIENT_DEPRECATE_EOF and without TLS.
final class MariaSession {
    enum Address {
        /// The path of a Unix socket.
        case local(String)
        /// A numeric IPv4 address.
        case remote(String, port: Int)
    }

    /// A row's values by the names of its columns; NULL is an empty text.
    typealias Row = [String: String]

    /// Longer packets are not part of an answer to what is asked here.
    private static let packetBytesMax = 1 << 20
    private static let columnsMax = 1024

    private let fd: Int32
    private let title: String

    /// Logs in. Each call on the connection, this one included, blocks for the time limit at most.
    init(_ address: Address, user: String, password: String, timeoutMilliseconds: Int) throws {
        let found: Int32?
        switch address {
        case .local(let path):
            title = "MariaDB"
            found = LocalSocket.connect(path, timeoutMilliseconds: timeoutMilliseconds)
        case .remote(let host, let port):
            title = "MariaDB at \(host):\(port)"
            found = LocalSocket.connect(host: host, port: port, timeoutMilliseconds: timeoutMilliseconds)
        }
        guard let found else { throw EngineSilence("\(title) does not listen: \(String(cString: strerror(errno)))") }
        fd = found
        do { try logIn(user, password) } catch {
            Glibc.close(found)
            throw error
        }
    }

    deinit { Glibc.close(fd) }

    private func logIn(_ user: String, _ password: String) throws {
        let greeting = try receive()
        guard let challenge = MariaProbe.challenge(in: greeting) else { throw refusal(greeting, of: "the connection") }
        try send(MariaProbe.response(user: user, password: password, challenge: challenge), sequence: 1)
        let verdict = try receive()
        guard verdict.first == 0 else { throw refusal(verdict, of: "the login of \(user)") }
    }

    /// The rows of the statement's answer; none for one that has no result.
    @discardableResult
    func run(_ statement: String) throws -> [Row] {
        try send([3] + Array(statement.utf8), sequence: 0)
        let head = try receive()
        // The statement itself may hold a password, so only how it begins is told.
        if head.first == 0xff {
            throw refusal(head, of: statement.split(separator: " ").prefix(2).joined(separator: " "))
        }
        guard head.first != 0 else { return [] }
        var cursor = MariaFields(head)
        guard let count = cursor.integer(), count <= Self.columnsMax else { throw malformed }
        let names = try (0..<count).map { _ in
            // Catalog, schema, table, original table, name.
            var column = MariaFields(try receive())
            for _ in 0..<4 { _ = column.text() }
            guard let name = column.text() else { throw malformed }
            return name
        }
        _ = try receive()
        var rows: [Row] = []
        while true {
            let packet = try receive()
            if packet.first == 0xfe, packet.count < 9 { return rows }
            if packet.first == 0xff { throw refusal(packet, of: "the answer") }
            var fields = MariaFields(packet)
            rows.append(
                try Row(
                    names.map { name in
                        guard let value = fields.text() else { throw malformed }
                        return (name, value)
                    }
                ) { $1 })
        }
    }

    /// COM_QUIT: without it the server notes an aborted connection.
    func leave() { try? send([1], sequence: 0) }

    private func send(_ payload: [UInt8], sequence: UInt8) throws {
        guard MariaProbe.transmit(fd, payload, sequence: sequence) else { throw lost }
    }

    private func receive() throws -> [UInt8] {
        guard let packet = MariaProbe.receive(fd, bytesMax: Self.packetBytesMax) else { throw lost }
        return packet
    }

    private var lost: EngineSilence { EngineSilence("\(title) does not answer in time") }
    private var malformed: EngineError {
        EngineError("\(title) sent what is no answer", remedy: "check what listens there")
    }

    private func refusal(_ packet: [UInt8], of what: String) -> EngineError {
        guard packet.first == 0xff, packet.count > 9 else { return malformed }
        let code = Int(packet[1]) | Int(packet[2]) << 8
        // After the login an error has a marker and five digits of SQLSTATE before its text.
        let text = String(decoding: packet.dropFirst(packet[3] == UInt8(ascii: "#") ? 9 : 3), as: UTF8.self)
        return EngineError("\(title) refused \(what): \(text) [\(code)]", remedy: "see its log")
    }
}

/// Reads length-encoded fields from a packet, front to back. Nil where the packet ends too early.
package struct MariaFields {
    private var rest: ArraySlice<UInt8>

    package init(_ packet: [UInt8]) { rest = packet[...] }

    /// A length-encoded integer; NULL is 0.
    package mutating func integer() -> Int? {
        guard let first = rest.popFirst() else { return nil }
        let bytes: Int
        switch first {
        case 0...0xfa: return Int(first)
        case 0xfb: return 0
        case 0xfc: bytes = 2
        case 0xfd: bytes = 3
        default: bytes = 8
        }
        guard rest.count >= bytes else { return nil }
        defer { rest = rest.dropFirst(bytes) }
        let value = rest.prefix(bytes).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return Int(exactly: value)
    }

    /// A text after its length.
    package mutating func text() -> String? {
        guard let count = integer(), count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return String(decoding: rest.prefix(count), as: UTF8.self)
    }
}
