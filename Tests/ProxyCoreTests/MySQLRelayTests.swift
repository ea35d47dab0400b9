// SPDX-License-Identifier: Apache-2.0

import MySQLWire
import NIOCore
import ProxyCore
import Testing

/// One client session and one backend session, fed as their peers would feed them.
private final class Relay {
    let client: MySQLClientSession
    let backend: MySQLBackendSession
    var toServer = ByteBuffer()
    var toClient = ByteBuffer()
    var releases = 0
    var needs: [MySQLClientSession.Need] = []

    init(settings: MySQLSettings = .none, registry: MySQLStatementRegistry = .init()) {
        client = MySQLClientSession(settings: settings, defaultStatus: .autocommit, registry: registry)
        backend = MySQLBackendSession(connectionID: 5, status: .autocommit, tracks: true)
    }

    func say(_ command: MySQLCommand, _ text: String = "") throws { try say(command) { $0.writeString(text) } }

    func say(_ command: MySQLCommand, _ body: (inout ByteBuffer) -> Void) throws {
        var payload = ByteBuffer(integer: command.rawValue)
        body(&payload)
        var wire = ByteBuffer()
        MySQLPacket.write(payload, sequence: 0, to: &wire)
        client.append(wire)
        try drive()
    }

    func drive() throws {
        while true {
            var out = RelayOutput()
            var answer = RelayOutput()
            let need = try client.advanceFront(toBackend: &out, toClient: &answer)
            if let bytes = out.take() { toServer.writeImmutableBuffer(bytes) }
            if let bytes = answer.take() { toClient.writeImmutableBuffer(bytes) }
            guard case .backend = need else {
                needs.append(need)
                return
            }
            if !perform(client.link(backend)) { return }
        }
    }

    /// True when the front is to be looked at.
    private func perform(_ step: MySQLClientSession.Step) -> Bool {
        switch step {
        case .pump: return true
        case .sendInternal(let bytes): toServer.writeImmutableBuffer(bytes)
        case .release: releases += 1
        case .none, .linger, .discard: break
        case .reroute, .reset: Issue.record("no read was sent to a reader")
        }
        return false
    }

    /// The server's bytes, `chunk` at a time.
    func answer(_ bytes: ByteBuffer, chunk: Int = .max) throws {
        var rest = bytes
        while let slice = rest.readSlice(length: min(chunk, rest.readableBytes)), slice.readableBytes > 0 {
            var out = RelayOutput()
            let outcome = try backend.receive(slice, toClient: &out)
            if let bytes = out.take() { toClient.writeImmutableBuffer(bytes) }
            guard outcome != .moved else { continue }
            var more = RelayOutput()
            let step = client.advance(outcome, toClient: &more)
            if let bytes = more.take() { toClient.writeImmutableBuffer(bytes) }
            if perform(step) { try drive() }
        }
    }

    func takeSent() -> ByteBuffer {
        defer { toServer = ByteBuffer() }
        return toServer
    }

    func takeGot() -> ByteBuffer {
        defer { toClient = ByteBuffer() }
        return toClient
    }

    func takeSentText() -> String {
        var bytes = takeSent()
        bytes.moveReaderIndex(forwardBy: min(5, bytes.readableBytes))
        return String(buffer: bytes)
    }
}

/// Packets a server would send.
private enum Server {
    static func packets(_ payloads: [[UInt8]], from sequence: UInt8 = 1) -> ByteBuffer {
        var wire = ByteBuffer()
        var sequence = sequence
        for payload in payloads {
            sequence = MySQLPacket.write(ByteBuffer(bytes: payload), sequence: sequence, to: &wire)
        }
        return wire
    }

    static func ok(
        _ status: MySQLStatus = .autocommit, insertID: UInt64 = 0, track: [UInt8] = []
    ) -> [UInt8] {
        var ok = MySQLOK(status: track.isEmpty ? status : status.union(.sessionStateChanged))
        ok.lastInsertID = insertID
        var bytes = ByteBuffer()
        ok.write(to: &bytes)
        if !track.isEmpty {
            bytes.writeLengthEncodedString("")
            bytes.writeLengthEncoded(UInt64(track.count))
            bytes.writeBytes(track)
        }
        return Array(bytes.readableBytesView)
    }

    static func variable(_ name: String, _ value: String) -> [UInt8] {
        let data = [UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
        return [0, UInt8(data.count)] + data + [2, 1, UInt8(ascii: "1")]
    }

    static func eof(_ status: MySQLStatus = .autocommit) -> [UInt8] {
        [0xfe, 0, 0, UInt8(status.rawValue & 255), UInt8(status.rawValue >> 8)]
    }

    static func error(_ code: UInt16) -> [UInt8] {
        var bytes = ByteBuffer()
        MySQLServerError(code: code, state: "HY000", message: "no").write(to: &bytes)
        return Array(bytes.readableBytesView)
    }

    static func rows(_ rows: [[UInt8]], status: MySQLStatus = .autocommit) -> ByteBuffer {
        packets([[1], Array("def....".utf8), eof()] + rows + [eof(status)])
    }
}

@Suite struct MySQLRelayTests {
    @Test(arguments: [1, 2, 5, 7, Int.max])
    func `a result set passes unchanged, cut anywhere`(chunk: Int) throws {
        let relay = Relay()
        try relay.say(.query, "SELECT 1")
        #expect(relay.takeSentText() == "SELECT 1")
        let long = [UInt8](repeating: 3, count: 300)
        let answer = Server.rows([[1, 0x31], [0xfb], long, [0xfe] + long])
        try relay.answer(answer, chunk: chunk)
        #expect(relay.takeGot() == answer)
        #expect(relay.releases == 1)
    }

    @Test func `a transaction holds the backend until the status flag falls`() throws {
        let relay = Relay()
        try relay.say(.query, "BEGIN")
        try relay.answer(Server.packets([Server.ok([.inTransaction, .autocommit])]))
        #expect(relay.releases == 0 && relay.client.isInTransaction)
        try relay.say(.query, "COMMIT")
        try relay.answer(Server.packets([Server.ok()]))
        #expect(relay.releases == 1)
    }

    @Test func `an error is followed by a question about the transaction`() throws {
        let relay = Relay()
        try relay.say(.query, "INSERT INTO t VALUES (1)")
        _ = relay.takeSent()
        try relay.answer(Server.packets([Server.error(1062)]))
        #expect(relay.takeGot() == Server.packets([Server.error(1062)]))
        #expect(relay.takeSent() == ByteBuffer(bytes: [1, 0, 0, 0, MySQLCommand.ping.rawValue]))
        try relay.answer(Server.packets([Server.ok([.inTransaction])]))
        #expect(relay.releases == 0 && relay.toClient.readableBytes == 0)
    }

    @Test func `several results are one answer`() throws {
        let relay = Relay()
        try relay.say(.query, "CALL p()")
        var answer = Server.rows([[1, 0x31]], status: [.autocommit, .moreResults])
        try relay.answer(answer)
        #expect(relay.releases == 0)
        let last = Server.packets([Server.ok()], from: 6)
        try relay.answer(last)
        answer.writeImmutableBuffer(last)
        #expect(relay.takeGot() == answer)
        #expect(relay.releases == 1)
    }

    @Test func `reported variables are kept from the client and replayed on the next backend`() throws {
        let relay = Relay()
        try relay.say(.query, "SET sql_mode='ANSI'")
        try relay.answer(Server.packets([Server.ok(track: Server.variable("sql_mode", "ANSI_QUOTES"))]))
        #expect(relay.takeGot() == Server.packets([Server.ok()]))
        #expect(relay.client.settings.content.variables == ["sql_mode": "'ANSI_QUOTES'"])
        #expect(
            relay.client.settings.steps(from: .none) == [.query("SET SESSION `sql_mode`='ANSI_QUOTES'")])
        #expect(MySQLSettings.none.steps(from: relay.client.settings) == [.query("SET SESSION `sql_mode`=DEFAULT")])
    }

    @Test(arguments: [true, false])
    func `a variable that cannot be replayed pins, unless that is excused`(isExcused: Bool) throws {
        let relay = Relay()
        if isExcused { relay.client.excusedPins = .variableSets }
        try relay.say(.query, "SET session_track_schema = 1")
        try relay.answer(Server.packets([Server.ok()]))
        #expect(relay.client.pins == (isExcused ? [] : .unknownSetting))
        try relay.say(.query, "LOCK TABLES t READ")
        try relay.answer(Server.packets([Server.ok()]))
        #expect(relay.client.pins.contains(.tableLock))
    }

    @Test func `commit and rollback without a transaction need no backend`() throws {
        let relay = Relay()
        try relay.say(.query, "ROLLBACK")
        #expect(relay.takeGot() == Server.packets([Server.ok()]))
        try relay.say(.query, "SET AUTOCOMMIT = 0")
        #expect(relay.takeGot() == Server.packets([Server.ok([])]))
        try relay.say(.ping)
        #expect(relay.takeGot() == Server.packets([Server.ok([])]))
        #expect(!relay.client.isLinked && relay.toServer.readableBytes == 0)
        #expect(relay.client.settings.content.variables == ["autocommit": "'OFF'"])
    }

    @Test func `a prepared statement is prepared again where it is missing, with its types`() throws {
        let registry = MySQLStatementRegistry()
        let first = Relay(registry: registry)
        try first.say(.prepare, "SELECT ?")
        // Number 77, one column, one parameter.
        let description: [[UInt8]] = [
            [0, 77, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0], Array("def".utf8), Server.eof(), Array("def".utf8), Server.eof(),
        ]
        try first.answer(Server.packets(description))
        var got = first.takeGot()
        #expect(got.getInteger(at: got.readerIndex + 5, endianness: .little, as: UInt32.self) == 1)
        got.setInteger(UInt32(77), at: got.readerIndex + 5, endianness: .little)
        #expect(got == Server.packets(description))
        // Executed with types, then without, on a backend that has never seen it.
        let typed: [UInt8] = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 8, 0, 9, 0, 0, 0, 0, 0, 0, 0]
        try first.say(.execute) { $0.writeBytes(typed) }
        try first.answer(Server.rows([[0, 0, 9]]))
        first.takeSent().withUnsafeReadableBytes { #expect($0.last == 0) }

        let second = Relay(registry: registry)
        try second.say(.prepare, "SELECT ?")
        #expect(second.toServer.readableBytes == 0, "the answer is known")
        try second.say(.execute) { $0.writeBytes(typed) }
        #expect(second.takeSentText() == "SELECT ?")
        try second.answer(Server.packets([[0, 9, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], Array("def".utf8), Server.eof()]))
        var sent = second.takeSent()
        #expect(sent.readBytes(length: 9) == [22, 0, 0, 0, 0x17, 9, 0, 0, 0])
        try second.answer(Server.rows([[0, 0, 9]]))
        #expect(second.releases == 1)
    }

    @Test func `a lost backend is an error in its place, or the end of a transaction`() throws {
        let relay = Relay()
        try relay.say(.query, "SELECT 1")
        var out = RelayOutput()
        let error = MySQLServerError(code: 2013, state: "08S01", message: "lost")
        #expect(relay.client.backendLost(error, toClient: &out) == .answered)
        #expect(out.take().flatMap { MySQLPacket.header($0, at: 0)?.sequence } == 1)
        let other = Relay()
        try other.say(.query, "BEGIN")
        try other.answer(Server.packets([Server.ok([.inTransaction])]))
        #expect(other.client.backendLost(error, toClient: &out) == .fatal)
    }

    @Test func `settings are made and unmade in the right order`() {
        let wanted = MySQLSettings.none.changed {
            $0.database = "app"
            $0.multiStatements = false
            $0.names = "NAMES latin1"
            $0.variables = ["@a": "5", "character_set_results": "NULL", "sql_mode": "''"]
            $0.prepared = ["p": "PREPARE p FROM 'SELECT 1'"]
        }
        #expect(
            wanted.steps(from: .none) == [
                .initDatabase("app"), .multiStatements(false),
                .query("SET NAMES latin1,@`a`=5,SESSION `character_set_results`=NULL,SESSION `sql_mode`=''"),
                .query("PREPARE p FROM 'SELECT 1'"),
            ])
        #expect(
            MySQLSettings.none.steps(from: wanted) == [
                .multiStatements(true),
                .query("SET NAMES utf8mb4 COLLATE utf8mb4_general_ci,@`a`=NULL,SESSION `sql_mode`=DEFAULT"),
                .query("DEALLOCATE PREPARE `p`"),
            ])
        #expect(wanted.steps(from: wanted).isEmpty)
    }

    @Test(arguments: [100, 1 << 16, Int.max])
    func `a statement that is too long to be prepared is refused, however it comes`(chunk: Int) throws {
        let relay = Relay()
        var payload = ByteBuffer(integer: MySQLCommand.prepare.rawValue)
        payload.writeRepeatingByte(UInt8(ascii: "x"), count: MySQLClientSession.heldTextLimit)
        var wire = ByteBuffer()
        MySQLPacket.write(payload, sequence: 0, to: &wire)
        while let slice = wire.readSlice(length: min(chunk, wire.readableBytes)), slice.readableBytes > 0 {
            relay.client.append(slice)
            try relay.drive()
        }
        #expect(relay.takeSent().readableBytes == 0)
        let answer = String(buffer: relay.takeGot())
        #expect(answer.contains("prepares statements of up to 262144 bytes"))
        // The rest of it is nobody's command.
        try relay.say(.ping)
        #expect(relay.takeGot() == Server.packets([Server.ok()]))
        #expect(relay.takeSent().readableBytes == 0)
    }
}
