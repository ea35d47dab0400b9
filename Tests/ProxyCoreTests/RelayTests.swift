// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PostgresWire
import ProxyCore
import Testing

/// Transcripts: what a client sends, what its backends see, what they answer, what the client sees.
@Suite struct RelayTests {
    final class Harness {
        let registry = StatementRegistry()
        var backendSaw = ByteBuffer()
        var clientSaw = ByteBuffer()

        func client() -> ClientSession {
            ClientSession(settings: .none, reported: [:], defaults: [:], registry: registry)
        }

        func backend() -> BackendSession { BackendSession(reported: [:], processID: 1, secret: [1]) }

        func pump(_ session: ClientSession) throws {
            var toBackend = RelayOutput()
            var toClient = RelayOutput()
            try session.pump(toBackend: &toBackend, toClient: &toClient)
            if let bytes = toBackend.take() { backendSaw.writeImmutableBuffer(bytes) }
            if let bytes = toClient.take() { clientSaw.writeImmutableBuffer(bytes) }
        }

        func answer(_ backend: BackendSession, _ bytes: ByteBuffer, chunk: Int = .max) throws -> BackendSession.Outcome
        {
            var rest = bytes
            var outcome = BackendSession.Outcome.moved
            while rest.readableBytes > 0, let slice = rest.readSlice(length: min(chunk, rest.readableBytes)) {
                var out = RelayOutput()
                outcome = try backend.receive(slice, toClient: &out)
                if let bytes = out.take() { clientSaw.writeImmutableBuffer(bytes) }
            }
            return outcome
        }

        func types(_ buffer: ByteBuffer) -> String {
            var rest = buffer
            var types = ""
            while let header = try? rest.postgresHeader(at: rest.readerIndex), header.total <= rest.readableBytes {
                types.unicodeScalars.append(Unicode.Scalar(header.kind))
                rest.moveReaderIndex(forwardBy: header.total)
            }
            return types
        }

        func take(_ buffer: inout ByteBuffer) -> String {
            defer { buffer = ByteBuffer() }
            return types(buffer)
        }
    }

    private func query(_ text: String) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writePostgresQuery(text)
        return bytes
    }

    private func result(_ tag: String, _ status: TransactionStatus = .idle) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writePostgresTextColumns(["a"])
        bytes.writePostgresTextRow(["value"])
        bytes.writePostgresCommandComplete(tag)
        bytes.writePostgresReady(status)
        return bytes
    }

    private func prepare(_ name: String, _ text: String) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writePostgresMessage(FrontendMessage.parse) {
            $0.writePostgresString(name)
            $0.writePostgresString(text)
            $0.writeInteger(UInt16(0))
        }
        bytes.writePostgresEmpty(FrontendMessage.sync)
        return bytes
    }

    private func bind(_ name: String) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writePostgresMessage(FrontendMessage.bind) {
            $0.writePostgresString("")
            $0.writePostgresString(name)
            $0.writeInteger(UInt16(0))
            $0.writeInteger(UInt16(0))
            $0.writeInteger(UInt16(0))
        }
        bytes.writePostgresMessage(FrontendMessage.execute) {
            $0.writePostgresString("")
            $0.writeInteger(UInt32(0))
        }
        bytes.writePostgresEmpty(FrontendMessage.sync)
        return bytes
    }

    private func messages(_ kinds: String) -> ByteBuffer {
        var bytes = ByteBuffer()
        for kind in kinds.utf8 {
            switch kind {
            case UInt8(ascii: "Z"): bytes.writePostgresReady(.idle)
            case UInt8(ascii: "C"): bytes.writePostgresCommandComplete("SELECT 1")
            case UInt8(ascii: "E"): ServerError(code: "42601", message: "no").write(to: &bytes)
            default: bytes.writePostgresEmpty(kind)
            }
        }
        return bytes
    }

    @Test(arguments: [1, 2, 3, 5, 7, 64, 4096]) func `a query goes there and back however the bytes are cut`(chunk: Int)
        throws
    {
        let harness = Harness()
        let client = harness.client()
        let backend = harness.backend()
        var request = query("SELECT 'something'")
        var out = RelayOutput()
        while let slice = request.readSlice(length: min(chunk, request.readableBytes)), slice.readableBytes > 0 {
            client.append(slice)
            if !client.isLinked, try client.need(&out) == .backend { _ = client.link(backend) }
            if client.isLinked { try harness.pump(client) }
        }
        #expect(harness.backendSaw == query("SELECT 'something'"))
        #expect(try harness.answer(backend, result("SELECT 1"), chunk: chunk) == .ready)
        #expect(harness.clientSaw == result("SELECT 1"))
        guard case .release = client.advance(.ready, toClient: &out) else {
            Issue.record("the backend is not given back")
            return
        }
        #expect(!client.isLinked)
    }

    @Test func `a transaction keeps its backend`() throws {
        let harness = Harness()
        let client = harness.client()
        let backend = harness.backend()
        var out = RelayOutput()
        client.append(query("BEGIN"))
        _ = client.link(backend)
        try harness.pump(client)
        #expect(try harness.answer(backend, result("BEGIN", .inTransaction)) == .ready)
        guard case .none = client.advance(.ready, toClient: &out) else {
            Issue.record("given back inside a transaction")
            return
        }
        #expect(client.isInTransaction)
    }

    @Test func `a statement is prepared where it is missing and only there`() throws {
        let harness = Harness()
        let client = harness.client()
        let first = harness.backend()
        let second = harness.backend()
        var out = RelayOutput()
        client.append(prepare("mine", "SELECT $1"))
        _ = client.link(first)
        try harness.pump(client)
        #expect(harness.take(&harness.backendSaw) == "PS")
        #expect(try harness.answer(first, messages("1Z")) == .ready)
        #expect(harness.take(&harness.clientSaw) == "1Z")
        _ = client.advance(.ready, toClient: &out)

        client.append(bind("mine"))
        _ = client.link(second)
        try harness.pump(client)
        #expect(harness.take(&harness.backendSaw) == "PBES")
        #expect(try harness.answer(second, messages("12CZ")) == .ready)
        #expect(harness.take(&harness.clientSaw) == "2CZ")
        _ = client.advance(.ready, toClient: &out)

        client.append(bind("mine"))
        _ = client.link(first)
        try harness.pump(client)
        #expect(harness.take(&harness.backendSaw) == "BES")
    }

    @Test func `another client's equal statement costs no preparation`() throws {
        let harness = Harness()
        let backend = harness.backend()
        var out = RelayOutput()
        let one = harness.client()
        one.append(prepare("a", "SELECT $1"))
        _ = one.link(backend)
        try harness.pump(one)
        _ = try harness.answer(backend, messages("1Z"))
        _ = one.advance(.ready, toClient: &out)
        let two = harness.client()
        two.append(prepare("b", "SELECT $1"))
        #expect(try two.need(&out) == .bytes)
        #expect(harness.types(out.take() ?? ByteBuffer()) == "1Z")
    }

    @Test func `after an error the batch is over, as the server sees it`() throws {
        let harness = Harness()
        let client = harness.client()
        let backend = harness.backend()
        var out = RelayOutput()
        var batch = prepare("x", "SELECT broken")
        batch.moveWriterIndex(to: batch.writerIndex - 5)  // without its Sync
        client.append(batch)
        _ = client.link(backend)
        try harness.pump(client)
        #expect(try harness.answer(backend, messages("E")) == .moved)
        client.append(bind("x"))
        try harness.pump(client)
        #expect(harness.types(harness.backendSaw) == "PS")
        #expect(try harness.answer(backend, messages("Z")) == .ready)
        #expect(harness.take(&harness.clientSaw) == "EZ")
        guard case .release = client.advance(.ready, toClient: &out) else {
            Issue.record("the backend is not given back")
            return
        }
    }

    @Test func `settings are replayed before anything else runs`() throws {
        let harness = Harness()
        let client = harness.client()
        let first = harness.backend()
        let second = harness.backend()
        var out = RelayOutput()
        client.append(query("SET work_mem = '1MB'"))
        _ = client.link(first)
        try harness.pump(client)
        var done = ByteBuffer()
        done.writePostgresCommandComplete("SET")
        done.writePostgresReady(.idle)
        _ = try harness.answer(first, done)
        _ = client.advance(.ready, toClient: &out)
        #expect(first.settings == client.settings)
        client.append(query("SELECT 1"))
        guard case .sendInternal(let script) = client.link(second) else {
            Issue.record("settings are not replayed")
            return
        }
        #expect(String(buffer: script).contains("SET work_mem = '1MB'"))
        #expect(try harness.answer(second, done) == .internalDone)
        guard case .pump = client.advance(.internalDone, toClient: &out) else {
            Issue.record("requests do not go on")
            return
        }
    }

    @Test func `a DISCARD ALL needs no backend`() throws {
        let harness = Harness()
        let client = harness.client()
        client.append(query("DISCARD ALL"))
        var out = RelayOutput()
        #expect(try client.need(&out) == .bytes)
        #expect(harness.types(out.take() ?? ByteBuffer()) == "CZ")
    }

    @Test func `a lost backend answers what was owed and keeps the client`() throws {
        let harness = Harness()
        let client = harness.client()
        let backend = harness.backend()
        var out = RelayOutput()
        client.append(query("SELECT 1"))
        _ = client.link(backend)
        try harness.pump(client)
        #expect(client.backendLost(ServerError(code: "08006", message: "gone"), toClient: &out) == .answered)
        #expect(harness.types(out.take() ?? ByteBuffer()) == "EZ")
    }

    @Test(arguments: ["", "named"]) func `a pin by the extended protocol tells the statement`(name: String) throws {
        let harness = Harness()
        let client = harness.client()
        let backend = harness.backend()
        var batch = prepare(name, "LISTEN news; -- of today")
        batch.moveWriterIndex(to: batch.writerIndex - 5)
        batch.writeImmutableBuffer(bind(name))
        client.append(batch)
        _ = client.link(backend)
        try harness.pump(client)
        #expect(try harness.answer(backend, messages("12CZ")) == .ready)
        #expect(client.pins == .listen)
        #expect(client.pinnedBy.hasPrefix("LISTEN news"))
    }

    /// A Parse that is too long to be held, as it comes: in two parts.
    private func parseLarge(_ name: String, _ client: ClientSession, _ harness: Harness) throws {
        var large = prepare(name, "SELECT '\(String(repeating: "x", count: ClientSession.heldTextLimit))'")
        if let head = large.readSlice(length: 100) { client.append(head) }
        try harness.pump(client)
        client.append(large)
        try harness.pump(client)
    }

    private func audited(_ backend: BackendSession, _ client: ClientSession, _ harness: Harness) throws
        -> ClientSession.Step
    {
        var out = RelayOutput()
        guard case .sendInternal = client.advance(.ready, toClient: &out) else { return .none }
        #expect(try harness.answer(backend, messages("CZ")) == .internalDone)
        return client.advance(.internalDone, toClient: &out)
    }

    @Test func `closing a statement that went by unread reaches the server`() throws {
        let harness = Harness()
        let client = harness.client()
        let backend = harness.backend()
        _ = client.link(backend)
        try parseLarge("mine", client, harness)
        #expect(try harness.answer(backend, messages("1Z")) == .ready)
        _ = try audited(backend, client, harness)
        #expect(client.pins == .largeStatement)
        _ = harness.take(&harness.backendSaw)
        _ = harness.take(&harness.clientSaw)
        var close = ByteBuffer()
        close.writePostgresMessage(FrontendMessage.close) {
            $0.writeInteger(UInt8(ascii: "S"))
            $0.writePostgresString("mine")
        }
        close.writePostgresEmpty(FrontendMessage.sync)
        client.append(close)
        try harness.pump(client)
        #expect(harness.take(&harness.backendSaw) == "CS")
        #expect(try harness.answer(backend, messages("3Z")) == .ready)
        #expect(harness.take(&harness.clientSaw) == "3Z")
    }

    @Test(arguments: [true, false]) func `a long unnamed statement pins until the next one`(bySimpleQuery: Bool) throws
    {
        let harness = Harness()
        let client = harness.client()
        let backend = harness.backend()
        _ = client.link(backend)
        try parseLarge("", client, harness)
        #expect(try harness.answer(backend, messages("1Z")) == .ready)
        _ = try audited(backend, client, harness)
        #expect(client.pins == .largeUnnamed)
        client.append(bySimpleQuery ? query("SELECT 1") : prepare("", "SELECT 1"))
        try harness.pump(client)
        #expect(try harness.answer(backend, messages(bySimpleQuery ? "CZ" : "1Z")) == .ready)
        #expect(!client.isPinned)
        #expect(client.pinnedBy.isEmpty)
        var out = RelayOutput()
        guard case .release = client.advance(.ready, toClient: &out) else {
            Issue.record("the backend is not given back")
            return
        }
    }

    @Test func `seeded garbage from either side is an error, never a trap`() {
        var generator = SeededGenerator(seed: 2026)
        for _ in 0..<20_000 {
            let harness = Harness()
            let client = harness.client()
            let backend = harness.backend()
            client.append(random(&generator, kinds: "QPBDECSHdcfFXp?"))
            _ = client.link(backend)
            try? harness.pump(client)
            _ = try? harness.answer(
                backend, random(&generator, kinds: "123CDEGHIKNRSTVZcdnst?"),
                chunk: Int.random(in: 1...50, using: &generator))
            try? harness.pump(client)
        }
    }

    private func random(_ generator: inout SeededGenerator, kinds: String) -> ByteBuffer {
        var bytes = ByteBuffer()
        let kinds = Array(kinds.utf8)
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
            let body = Int.random(in: 0...24, using: &generator)
            bytes.writeInteger(kinds.randomElement(using: &generator) ?? 0)
            let lie = Int.random(in: 0...9, using: &generator) == 0
            bytes.writeInteger(UInt32(lie ? Int.random(in: 0...1 << 31, using: &generator) : body + 4))
            for _ in 0..<body {
                bytes.writeInteger(
                    Bool.random(using: &generator) ? UInt8(0) : UInt8.random(in: 0...255, using: &generator))
            }
        }
        return bytes
    }
}
