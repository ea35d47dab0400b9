// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PostgresWire
import SimulationKit

/// A PostgreSQL server as its protocol has it: answers every request in order, knows transactions, COPY and prepared
/// statements. A text with `fail` in it fails.
struct PostgresModelServer {
    /// Nothing fails by chance.
    private let isCalm: Bool
    private(set) var status = TransactionStatus.idle
    /// Something came that a sound relay never sends.
    private(set) var complaint: String?
    private var prepared: Set<String> = []
    private var skips = false
    private var copying = false
    private var input = ByteBuffer()
    /// How far a log is that grows by itself.
    private var log = 1

    init(isCalm: Bool) { self.isCalm = isCalm }

    /// Takes bytes from the relay; answers go to `out`.
    mutating func receive(_ bytes: ByteBuffer, _ random: inout SimulationRandom, _ out: inout ByteBuffer) {
        input.writeImmutableBuffer(bytes)
        while complaint == nil {
            guard let header = try? input.postgresHeader(at: input.readerIndex) else {
                if input.readableBytes >= 5 { complaint = "a message with an impossible length reached the server" }
                return
            }
            guard header.total <= input.readableBytes, let message = input.readSlice(length: header.total) else {
                return
            }
            answer(header.kind, message, &random, &out)
        }
    }

    private mutating func answer(
        _ kind: UInt8, _ message: ByteBuffer, _ random: inout SimulationRandom, _ out: inout ByteBuffer
    ) {
        if copying { return takeCopy(kind, &out) }
        if skips, kind != FrontendMessage.sync { return }
        let start = message.readerIndex + 5
        let end = message.writerIndex
        switch kind {
        case FrontendMessage.query:
            let text = message.postgresString(at: start, limit: end)?.text ?? ""
            script(text, &random, &out)
            if !copying { out.writePostgresReady(status) }
        case FrontendMessage.parse:
            let name = message.postgresString(at: start, limit: end)?.text ?? ""
            if !name.isEmpty, !prepared.insert(name).inserted { return fail("42P05", &out) }
            if name.isEmpty { prepared.insert("") }
            if status == .failed { return fail("25P02", &out) }
            out.writePostgresEmpty(BackendMessage.parseComplete)
        case FrontendMessage.bind:
            let portal = message.postgresString(at: start, limit: end)
            let name = portal.flatMap { message.postgresString(at: $0.next, limit: end)?.text } ?? ""
            guard prepared.contains(name) else { return fail("26000", &out) }
            if status == .failed { return fail("25P02", &out) }
            out.writePostgresEmpty(BackendMessage.bindComplete)
        case FrontendMessage.describe:
            if message.getInteger(at: start, as: UInt8.self) == UInt8(ascii: "S") {
                let name = message.postgresString(at: start + 1, limit: end)?.text ?? ""
                guard prepared.contains(name) else { return fail("26000", &out) }
                out.writePostgresMessage(BackendMessage.parameterDescription) { $0.writeInteger(UInt16(0)) }
            }
            if random.chance(1, in: 2) {
                out.writePostgresEmpty(BackendMessage.noData)
            } else {
                out.writePostgresTextColumns(["a", "b"])
            }
        case FrontendMessage.execute:
            if status == .failed || (!isCalm && random.chance(1, in: 12)) { return fail("22012", &out) }
            rows(&random, &out)
            out.writePostgresCommandComplete("SELECT 1")
        case FrontendMessage.close:
            if let name = message.postgresString(at: start + 1, limit: end)?.text { prepared.remove(name) }
            out.writePostgresEmpty(BackendMessage.closeComplete)
        case FrontendMessage.sync:
            skips = false
            out.writePostgresReady(status)
        case FrontendMessage.functionCall:
            out.writePostgresMessage(BackendMessage.functionResult) { $0.writeInteger(Int32(-1)) }
            out.writePostgresReady(status)
        case FrontendMessage.flush, FrontendMessage.copyData, FrontendMessage.copyDone, FrontendMessage.copyFail: break
        default: complaint = "a message of type \(kind) reached the server"
        }
    }

    private mutating func takeCopy(_ kind: UInt8, _ out: inout ByteBuffer) {
        switch kind {
        case FrontendMessage.copyData, FrontendMessage.flush, FrontendMessage.sync: return
        case FrontendMessage.copyDone: out.writePostgresCommandComplete("COPY 1")
        default: error("57014", &out)
        }
        copying = false
        out.writePostgresReady(status)
    }

    private mutating func error(_ code: String, _ out: inout ByteBuffer) {
        ServerError(code: code, message: "made up").write(to: &out)
        if status == .inTransaction { status = .failed }
    }

    private mutating func fail(_ code: String, _ out: inout ByteBuffer) {
        error(code, &out)
        skips = true
    }

    private func rows(_ random: inout SimulationRandom, _ out: inout ByteBuffer) {
        for _ in 0..<random.pick(0...3) {
            out.writePostgresTextRow([
                "s", random.pick(["role", "a.b", "search_path"]), random.chance(1, in: 3) ? nil : "x",
            ])
        }
    }

    private mutating func script(_ text: String, _ random: inout SimulationRandom, _ out: inout ByteBuffer) {
        let words = text.split(whereSeparator: { $0 == " " || $0 == ";" })
        if words.isEmpty {
            out.writePostgresEmpty(BackendMessage.emptyQuery)
            return
        }
        let first = words[0].uppercased()
        if text.contains("_wal_") {
            log += random.pick(0...2)
            out.writePostgresTextColumns(["position"])
            out.writePostgresTextRow(["\(log)"])
            out.writePostgresCommandComplete("SELECT 1")
            return
        }
        if text.contains("fail") || (status == .failed && first != "ROLLBACK" && first != "COMMIT") {
            return error("42601", &out)
        }
        if random.chance(1, in: 10) {
            out.writePostgresMessage(BackendMessage.notice) { $0.writeInteger(UInt8(0)) }
        }
        switch first {
        case "BEGIN":
            status = .inTransaction
            out.writePostgresCommandComplete("BEGIN")
        case "COMMIT", "ROLLBACK":
            let tag = status == .failed ? "ROLLBACK" : first
            status = .idle
            out.writePostgresCommandComplete(tag)
        case "DISCARD", "DEALLOCATE":
            if words.count > 1, words[1].uppercased() == "ALL" {
                prepared.removeAll()
            } else if first == "DEALLOCATE", words.count > 1 {
                guard prepared.remove(String(words[1])) != nil else { return error("26000", &out) }
            }
            out.writePostgresCommandComplete(first)
        case "PREPARE":
            guard words.count > 1, prepared.insert(String(words[1])).inserted else { return error("42P05", &out) }
            out.writePostgresCommandComplete(first)
        case "EXECUTE":
            guard words.count > 1, prepared.contains(String(words[1])) else { return error("26000", &out) }
            rows(&random, &out)
            out.writePostgresCommandComplete("SELECT 1")
        case "SET":
            if random.chance(1, in: 2) { out.writePostgresParameterStatus("search_path", random.pick(["a", "b"])) }
            out.writePostgresCommandComplete("SET")
        case "COPY":
            if text.contains("STDIN") {
                out.writePostgresMessage(BackendMessage.copyIn) { $0.writeBytes([0, 0, 0]) }
                copying = true
                return
            }
            out.writePostgresMessage(BackendMessage.copyOut) { $0.writeBytes([0, 0, 0]) }
            for _ in 0..<random.pick(0...3) {
                out.writePostgresMessage(BackendMessage.copyData) { $0.writeString("1\t2\n") }
            }
            out.writePostgresEmpty(BackendMessage.copyDone)
            out.writePostgresCommandComplete("COPY 1")
        default:
            for _ in text.split(separator: ";", omittingEmptySubsequences: true) {
                if random.chance(1, in: 2) {
                    out.writePostgresTextColumns(["kind", "name", "value"])
                    rows(&random, &out)
                }
                out.writePostgresCommandComplete("SELECT 1")
            }
        }
    }
}
