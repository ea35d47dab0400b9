// SPDX-License-Identifier: Apache-2.0

import FuzzKit
import NIOCore
import PostgresWire
import ProxyCore
import Testing

/// A few thousand inputs of `make fuzz`, and in short what it once found.
@Suite struct FuzzTests {
    @Test func `no input breaks the parsers and machines of the proxy`() {
        let failure = FuzzRun.run(1...10_000)
        #expect(failure == nil, "seed \(failure?.seed ?? 0): \(failure?.violation ?? "")")
    }

    @Test func `a seed gives the same input again`() {
        for seed in UInt64(1)...50 { #expect(FuzzRun.run(seed: seed)?.violation == FuzzRun.run(seed: seed)?.violation) }
    }

    // MARK: Found

    private let registry = StatementRegistry()

    private func session() -> ClientSession {
        ClientSession(settings: .none, reported: [:], defaults: [:], registry: registry)
    }

    private func backend() -> BackendSession { BackendSession(reported: [:], processID: 1, secret: [1]) }

    /// What the backend gets of the client's bytes: message types.
    private func pump(_ session: ClientSession) throws -> String {
        var toBackend = RelayOutput()
        var toClient = RelayOutput()
        try session.pump(toBackend: &toBackend, toClient: &toClient)
        var bytes = toBackend.take() ?? ByteBuffer()
        var types = ""
        while let header = try bytes.postgresHeader(at: bytes.readerIndex), header.total <= bytes.readableBytes {
            types.unicodeScalars.append(Unicode.Scalar(header.kind))
            bytes.moveReaderIndex(forwardBy: header.total)
        }
        return types
    }

    @Test func `a Sync that claims to be long ends the connection`() {
        let session = session()
        session.append(ByteBuffer(bytes: [FrontendMessage.sync, 0x3f, 0xff, 0xff, 0xff, 0]))
        var out = RelayOutput()
        #expect(throws: PostgresWireError.self) { try session.need(&out) }
    }

    @Test func `what comes behind DEALLOCATE ALL waits for its answer`() throws {
        let session = session()
        let backend = backend()
        var bytes = ByteBuffer()
        for text in ["DEALLOCATE ALL", "SELECT 1"] { bytes.writePostgresQuery(text) }
        session.append(bytes)
        _ = session.link(backend)
        #expect(try pump(session) == "Q")
        var answer = ByteBuffer()
        answer.writePostgresCommandComplete("DEALLOCATE ALL")
        answer.writePostgresReady(.inTransaction)
        var out = RelayOutput()
        #expect(try backend.receive(answer, toClient: &out) == .ready)
        guard case .pump = session.advance(.ready, toClient: &out) else {
            Issue.record("the rest is forgotten")
            return
        }
        #expect(try pump(session) == "Q")
    }

    @Test func `a client that has got half a row hears no more of a lost backend`() throws {
        let session = session()
        let backend = backend()
        var query = ByteBuffer()
        query.writePostgresQuery("SELECT 1")
        session.append(query)
        _ = session.link(backend)
        _ = try pump(session)
        var row = ByteBuffer()
        row.writePostgresTextRow(["a long value"])
        var out = RelayOutput()
        let beginning = row.readSlice(length: 9)
        let part = try #require(beginning)
        _ = try backend.receive(part, toClient: &out)
        var more = RelayOutput()
        let loss = session.backendLost(ServerError(code: "08006", message: "lost"), toClient: &more)
        #expect(loss == .cut)
        #expect(more.isEmpty)
    }

    @Test func `the proxy asks nothing of its own in the middle of a batch`() throws {
        let session = session()
        let backend = backend()
        var bytes = ByteBuffer()
        bytes.writePostgresQuery("SELECT set_config('a.b', 'c', false)")
        bytes.writePostgresMessage(FrontendMessage.parse) {
            $0.writePostgresString("")
            $0.writePostgresString("nonsense")
            $0.writeInteger(UInt16(0))
        }
        session.append(bytes)
        _ = session.link(backend)
        #expect(try pump(session) == "QP")
        var answer = ByteBuffer()
        answer.writePostgresCommandComplete("SELECT 1")
        answer.writePostgresReady(.idle)
        ServerError(code: "42601", message: "no").write(to: &answer)
        var out = RelayOutput()
        #expect(try backend.receive(answer, toClient: &out) == .ready)
        guard case .pump = session.advance(.ready, toClient: &out) else {
            Issue.record("an audit is sent while the server skips to the next Sync")
            return
        }
    }
}
