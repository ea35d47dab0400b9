// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A session with a PostgreSQL server over its Unix socket: simple queries, one at a time, text results.
///
/// The server knows us by the account of our process (`peer`), so there is no password that a user could change. Format:
/// postgresql.org/docs/15/protocol-message-formats.html.
package final class PostgresLink: EngineLink {
    /// A result of one of our queries is far shorter.
    private static let messageBytesMax = 1 << 20
    /// Sent to readers; says what it is in a dump of the WAL.
    private static let beatPrefix = "borealis"

    private let fd: Int32
    private var isOpen = true

    /// Each call on the socket blocks for the time limit at most.
    package init(socket path: String, user: String, database: String, timeoutMilliseconds: Int) throws {
        guard let fd = LocalSocket.connect(path, timeoutMilliseconds: timeoutMilliseconds) else {
            throw EngineSilence("it does not listen: \(String(cString: strerror(errno)))")
        }
        self.fd = fd
        do {
            try transmit(
                nil,
                [0, 3, 0, 0] + Self.zeroEnded(["user", user, "database", database, "application_name", "borealis"])
                    + [0])
            _ = try answer()
            // A beat is to be durable whatever a user has set, and waits for nobody's standby.
            _ = try query("SET synchronous_commit = local")
        } catch {
            Glibc.close(fd)
            isOpen = false
            throw error
        }
    }

    deinit { close() }

    package func close() {
        guard isOpen else { return }
        isOpen = false
        try? transmit(UInt8(ascii: "X"), [])
        Glibc.close(fd)
    }

    /// The first row of a statement's result, NULL as nil; empty if there is no row.
    @discardableResult
    package func query(_ text: String) throws -> [String?] {
        try transmit(UInt8(ascii: "Q"), Array(text.utf8) + [0])
        return try answer()
    }

    // MARK: - EngineLink

    package func admitReaders(_ account: ReplicationAccount) throws {
        let (name, password) = (Self.identifier(account.user), Self.literal(account.password))
        let exists = try !query("SELECT 1 FROM pg_roles WHERE rolname = \(Self.literal(account.user))").isEmpty
        try query("\(exists ? "ALTER" : "CREATE") ROLE \(name) LOGIN REPLICATION PASSWORD \(password)")
    }

    package func beat() throws -> UInt64? {
        let row = try query(
            "SELECT pg_logical_emit_message(true, '\(Self.beatPrefix)', ''), pg_current_wal_insert_lsn()")
        return row.last.flatMap { $0 }.flatMap(Self.position)
    }

    package func settle() throws { try query("CHECKPOINT") }

    package func follow(_ replication: ReplicationSettings) throws {
        // It is in the configuration, which the server reads again on its signal.
    }

    package func replicaState() throws -> ReplicaState {
        let row = try query(
            """
            SELECT (extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000000)::bigint,
                (SELECT status FROM pg_stat_wal_receiver), pg_last_wal_replay_lsn(), pg_get_wal_replay_pause_state()
            """)
        guard row.count == 4 else { throw EngineSilence("it does not say how far it is") }
        // Nobody can ask for a pause here: the server pauses when its limits are below the writer's.
        let isPaused = row[3] == "paused"
        return ReplicaState(
            replayedMicroseconds: row[0].flatMap { Int64($0) }, isReceiving: row[1] == "streaming",
            position: row[2].flatMap(Self.position),
            dead: isPaused ? "replay is paused: a limit such as max_connections is lower than the writer's" : nil)
    }

    // MARK: - Messages

    /// `0/16B3740` as a number.
    static func position(_ text: String) -> UInt64? {
        let parts = text.split(separator: "/")
        guard parts.count == 2, let high = UInt64(parts[0], radix: 16), let low = UInt64(parts[1], radix: 16) else {
            return nil
        }
        return high << 32 | low
    }

    private static func zeroEnded(_ texts: [String]) -> [UInt8] { texts.flatMap { Array($0.utf8) + [0] } }
    private static func literal(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }
    private static func identifier(_ text: String) -> String { "\"" + text.replacing("\"", with: "\"\"") + "\"" }

    /// - Parameter type: nil for the first message, which has none
    private func transmit(_ type: UInt8?, _ body: [UInt8]) throws {
        let length = withUnsafeBytes(of: UInt32(body.count + 4).bigEndian) { Array($0) }
        let packet = (type.map { [$0] } ?? []) + length + body
        guard send(fd, packet, packet.count, Int32(MSG_NOSIGNAL)) == packet.count else {
            throw EngineSilence("it takes no message: \(String(cString: strerror(errno)))")
        }
    }

    /// Reads up to ReadyForQuery. Throws the first error that the server reports.
    private func answer() throws -> [String?] {
        var row: [String?]?
        var failure: String?
        while true {
            let (type, body) = try receive()
            switch type {
            case UInt8(ascii: "Z"):
                if let failure { throw EngineError("PostgreSQL says: \(failure)", remedy: "see its log") }
                return row ?? []
            case UInt8(ascii: "D") where row == nil: row = Self.values(in: body)
            case UInt8(ascii: "E"):
                failure = failure ?? Self.message(in: body)
                // A fatal error ends the session without ReadyForQuery; so does one during the login.
                if Self.field(UInt8(ascii: "S"), in: body) != "ERROR" {
                    throw EngineError("PostgreSQL says: \(failure ?? "")", remedy: "see its log")
                }
            case UInt8(ascii: "R") where body.prefix(4) != [0, 0, 0, 0]:
                throw EngineError("PostgreSQL asks for a password", remedy: "restart the instance")
            default: break
            }
        }
    }

    private func receive() throws -> (type: UInt8, body: [UInt8]) {
        let head = try receive(exactly: 5)
        let length = head[1...].reduce(0) { $0 << 8 | Int($1) }
        guard (4...Self.messageBytesMax).contains(length) else { throw EngineSilence("the answer is not PostgreSQL's") }
        return (head[0], try receive(exactly: length - 4))
    }

    private func receive(exactly count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { recv(fd, $0.baseAddress! + done, count - done, 0) }
            if got < 0 && errno == EINTR { continue }
            guard got > 0 else { throw EngineSilence(got == 0 ? "it hung up" : "it does not answer in time") }
            done += got
        }
        return bytes
    }

    /// DataRow: a count of 2 bytes, then each value after its length of 4 bytes, -1 for NULL.
    static func values(in row: [UInt8]) -> [String?] {
        var values: [String?] = []
        var rest = row.dropFirst(2)
        while rest.count >= 4 {
            let length = Int32(bitPattern: rest.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
            rest = rest.dropFirst(4)
            guard length >= 0 else {
                values.append(nil)
                continue
            }
            values.append(String(decoding: rest.prefix(Int(length)), as: UTF8.self))
            rest = rest.dropFirst(Int(length))
        }
        return values
    }

    private static func message(in body: [UInt8]) -> String { field(UInt8(ascii: "M"), in: body) ?? "an error" }

    private static func field(_ type: UInt8, in body: [UInt8]) -> String? {
        body.split(separator: 0).first { $0.first == type }.map { String(decoding: $0.dropFirst(), as: UTF8.self) }
    }
}
