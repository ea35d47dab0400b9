// SPDX-License-Identifier: Apache-2.0

import MySQLWire
import NIOCore
import ProxyCore
import Testing

/// As `ReadSplitTests`, for MySQL's protocol and MariaDB's GTIDs.
@Suite struct MySQLReadSplitTests {
    private let registry = MySQLStatementRegistry()

    private func session(_ text: String) -> MySQLClientSession {
        let session = MySQLClientSession(settings: .none, defaultStatus: .autocommit, registry: registry)
        session.splitsReads = true
        session.append(query(text))
        return session
    }

    private func query(_ text: String) -> ByteBuffer {
        var payload = ByteBuffer(integer: MySQLCommand.query.rawValue)
        payload.writeString(text)
        return wire([payload], from: 0)
    }

    private func wire(_ payloads: [ByteBuffer], from first: UInt8 = 1) -> ByteBuffer {
        var bytes = ByteBuffer()
        var sequence = first
        for payload in payloads { sequence = MySQLPacket.write(payload, sequence: sequence, to: &bytes) }
        return bytes
    }

    private func backend() -> MySQLBackendSession {
        MySQLBackendSession(connectionID: 5, status: .autocommit, tracks: true)
    }

    /// An OK packet that tells the position behind the write.
    private func written(_ position: String) -> ByteBuffer {
        var payload = ByteBuffer()
        MySQLOK(status: [.autocommit, .sessionStateChanged]).write(to: &payload)
        var pair = ByteBuffer()
        pair.writeLengthEncodedString("last_gtid")
        pair.writeLengthEncodedString(position)
        payload.writeLengthEncodedString("")
        payload.writeLengthEncoded(UInt64(pair.readableBytes + 2))
        payload.writeInteger(UInt8(0))
        payload.writeLengthEncoded(UInt64(pair.readableBytes))
        payload.writeImmutableBuffer(pair)
        return wire([payload])
    }

    private func row(_ value: String) -> ByteBuffer {
        var cell = ByteBuffer()
        cell.writeLengthEncodedString(value)
        let end = ByteBuffer(bytes: [0xfe, 0, 0, 2, 0])
        return wire([ByteBuffer(bytes: [1]), ByteBuffer(string: "def...."), end, cell, end])
    }

    private func need(_ session: MySQLClientSession) throws -> MySQLClientSession.Need {
        var (sent, said) = (RelayOutput(), RelayOutput())
        return try session.advanceFront(toBackend: &sent, toClient: &said)
    }

    /// Links, and has what the client asked go out: whatever was to be awaited before has been.
    private func sent(_ session: MySQLClientSession) throws -> ByteBuffer? {
        var (sent, said) = (RelayOutput(), RelayOutput())
        _ = try session.advanceFront(toBackend: &sent, toClient: &said)
        return sent.take()
    }

    @Test(arguments: [
        "SELECT 1", "select * from t;", "(SELECT 1) UNION (SELECT 2)", "VALUES (1)",
        "WITH a AS (SELECT 1) SELECT * FROM a", "SELECT NOW(), COUNT(*) FROM t",
    ])
    func `a plain read may run on a reader`(text: String) throws {
        guard case .reader = try need(session(text)) else {
            Issue.record("the writer is asked")
            return
        }
    }

    @Test(arguments: [
        "INSERT INTO t VALUES (1)", "SELECT 1 FOR UPDATE", "SELECT 1 LOCK IN SHARE MODE", "SELECT 1 INTO @a",
        "SELECT LAST_INSERT_ID()", "SELECT CONNECTION_ID()", "SELECT @@server_id", "SELECT @a := 1",
        "SELECT NEXTVAL(s)", "SELECT 1; SELECT 2", "SHOW TABLES", "BEGIN", "SELECT GET_LOCK('a', 1)",
    ])
    func `what writes, or is about the server or the session, is the writer's`(text: String) throws {
        guard case .backend = try need(session(text)) else {
            Issue.record("a reader is asked")
            return
        }
    }

    @Test func `a read that a reader refuses runs on the writer, and the client sees only that`() throws {
        let session = session("SELECT f()")
        let (reader, writer) = (backend(), backend())
        guard case .reader = try need(session), case .pump = session.link(reader) else {
            Issue.record("not sent to a reader at once")
            return
        }
        #expect(try sent(session) == query("SELECT f()"))
        var refusal = ByteBuffer()
        MySQLServerError(code: 1290, state: "HY000", message: "read-only").write(to: &refusal)
        var out = RelayOutput()
        let outcome = try reader.receive(wire([refusal]), toClient: &out)
        session.withhold(&out, outcome)
        guard case .reroute = session.advance(outcome, toClient: &out) else {
            Issue.record("not rerouted")
            return
        }
        #expect(out.isEmpty)
        guard case .backend = try need(session), case .pump = session.link(writer) else {
            Issue.record("the writer is not asked")
            return
        }
        #expect(try sent(session) == query("SELECT f()"))
    }

    @Test(arguments: [("0", true), ("-1", false)])
    func `after a write a reader is waited for, and if that is in vain the writer is asked`(
        answer: String, isThere: Bool
    ) throws {
        let session = session("INSERT INTO t VALUES (1)")
        let (reader, writer) = (backend(), backend())
        _ = try need(session)
        _ = session.link(writer)
        _ = try sent(session)
        var out = RelayOutput()
        let ready = try writer.receive(written("0-1-5"), toClient: &out)
        guard case .release = session.advance(ready, toClient: &out) else {
            Issue.record("the writer is kept")
            return
        }
        #expect(session.position == "0-1-5")

        session.append(query("SELECT 1"))
        guard case .reader = try need(session), case .sendInternal(let question) = session.link(reader) else {
            Issue.record("the reader is not asked how far it is")
            return
        }
        #expect(String(buffer: question).contains("MASTER_GTID_WAIT('0-1-5', 0.03)"))
        let step = session.advance(try reader.receive(row(answer), toClient: &out), toClient: &out)
        if isThere {
            guard case .pump = step else {
                Issue.record("the reader has it and is not asked")
                return
            }
            #expect(try sent(session) == query("SELECT 1"))
        } else {
            guard case .reroute = step, case .backend = try need(session) else {
                Issue.record("the reader is not left")
                return
            }
        }
    }
}
