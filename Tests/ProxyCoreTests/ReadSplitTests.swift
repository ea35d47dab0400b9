// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PostgresWire
import ProxyCore
import Testing

/// Reads of a session that splits them: what is one, and what becomes of it on a reader.
@Suite struct ReadSplitTests {
    private let registry = StatementRegistry()

    private func session(_ text: String) -> ClientSession {
        let session = ClientSession(settings: .none, reported: [:], defaults: [:], registry: registry)
        session.splitsReads = true
        var bytes = ByteBuffer()
        bytes.writePostgresQuery(text)
        session.append(bytes)
        return session
    }

    private func backend() -> BackendSession { BackendSession(reported: [:], processID: 1, secret: [1]) }

    private func need(_ session: ClientSession) throws -> ClientSession.Need {
        var out = RelayOutput()
        return try session.need(&out)
    }

    private func pump(_ session: ClientSession) throws -> ByteBuffer {
        var toBackend = RelayOutput()
        var toClient = RelayOutput()
        try session.pump(toBackend: &toBackend, toClient: &toClient)
        return toBackend.take() ?? ByteBuffer()
    }

    @Test(arguments: [
        "SELECT 1", "select * from t;", "(SELECT 1) UNION (SELECT 2)", "VALUES (1)", "TABLE t",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "SELECT now(), count(*) FROM pg_class",
    ])
    func `a plain read may run on a reader`(text: String) throws { #expect(try need(session(text)) == .reader) }

    @Test(arguments: [
        "INSERT INTO t VALUES (1)", "SELECT 1 FOR UPDATE", "SELECT * INTO u FROM t",
        "WITH a AS (DELETE FROM t RETURNING 1) TABLE a",
        "SELECT nextval('s')", "SELECT pg_terminate_backend(1)", "SELECT pg_catalog.pg_advisory_lock(1)",
        "SELECT \"f\"(1)", "BEGIN",
        "SELECT 1; SELECT 2", "SHOW work_mem", "EXPLAIN SELECT 1", "SELECT set_config('a.b', 'c', false)",
    ])
    func `what writes, or is about the server or the session, is the writer's`(text: String) throws {
        #expect(try need(session(text)) == .backend)
    }

    @Test func `a read that a reader refuses runs on the writer, and the client sees only that`() throws {
        let session = session("SELECT f()")
        let (reader, writer) = (backend(), backend())
        #expect(try need(session) == .reader)
        guard case .pump = session.link(reader) else {
            Issue.record("nothing was to be awaited")
            return
        }
        let request = try pump(session)
        var answer = ByteBuffer()
        ServerError(code: "25006", message: "read-only").write(to: &answer)
        answer.writePostgresReady(.idle)
        var out = RelayOutput()
        let outcome = try reader.receive(answer, toClient: &out)
        session.withhold(&out, outcome)
        #expect(out.isEmpty)
        guard case .reroute = session.advance(outcome, toClient: &out) else {
            Issue.record("not rerouted")
            return
        }
        #expect(out.isEmpty)
        #expect(try need(session) == .backend)
        guard case .pump = session.link(writer) else {
            Issue.record("the settings are the same")
            return
        }
        #expect(try pump(session) == request)
    }

    @Test func `after a write a reader that lags is asked, and then the writer`() throws {
        let session = session("INSERT INTO t VALUES (1)")
        let (reader, writer) = (backend(), backend())
        var out = RelayOutput()
        #expect(try need(session) == .backend)
        _ = session.link(writer)
        _ = try pump(session)
        var answer = ByteBuffer()
        answer.writePostgresCommandComplete("INSERT 0 1")
        answer.writePostgresReady(.idle)
        #expect(try writer.receive(answer, toClient: &out) == .ready)
        guard case .sendInternal = session.advance(.ready, toClient: &out) else {
            Issue.record("the position is not asked for")
            return
        }
        #expect(try writer.receive(position("500"), toClient: &out) == .internalDone)
        guard case .release = session.advance(.internalDone, toClient: &out) else {
            Issue.record("kept")
            return
        }

        var query = ByteBuffer()
        query.writePostgresQuery("SELECT 1")
        session.append(query)
        #expect(try need(session) == .reader)
        var step = session.link(reader)
        var asked = 0
        while case .sendInternal = step {
            asked += 1
            #expect(try reader.receive(position("499"), toClient: &out) == .internalDone)
            step = session.advance(.internalDone, toClient: &out)
        }
        guard case .reroute = step else {
            Issue.record("the reader is not left")
            return
        }
        #expect(asked == 6)
        #expect(try need(session) == .backend)
    }

    private func position(_ text: String) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writePostgresTextColumns(["position"])
        bytes.writePostgresTextRow([text])
        bytes.writePostgresCommandComplete("SELECT 1")
        bytes.writePostgresReady(.idle)
        return bytes
    }
}
