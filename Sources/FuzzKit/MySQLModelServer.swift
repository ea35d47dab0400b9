// SPDX-License-Identifier: Apache-2.0

import MySQLWire
import NIOCore
import SimulationKit

/// A MySQL server as its protocol has it: answers every command, knows transactions and prepared statements, tells by
/// session tracking what changed. A text with `fail` in it fails.
struct MySQLModelServer {
    private(set) var status: MySQLStatus = .autocommit
    /// Something came that a sound relay never sends.
    private(set) var complaint: String?
    /// Parameters of each prepared statement.
    private var prepared: [UInt32: Int] = [:]
    private var nextStatement: UInt32 = 1
    private var receivesFile = false
    private var sequence: UInt8 = 0
    private var input = ByteBuffer()

    /// Takes bytes from the relay; answers go to `out`.
    mutating func receive(_ bytes: ByteBuffer, _ random: inout SimulationRandom, _ out: inout ByteBuffer) {
        input.writeImmutableBuffer(bytes)
        while complaint == nil, let header = MySQLPacket.header(input, at: input.readerIndex),
            input.readableBytes >= MySQLPacket.headerLength + header.length
        {
            input.moveReaderIndex(forwardBy: MySQLPacket.headerLength)
            guard let payload = input.readSlice(length: header.length) else { return }
            sequence = header.sequence &+ 1
            if receivesFile {
                guard header.length == 0 else { continue }
                receivesFile = false
                ok(&random, &out)
            } else {
                answer(payload, &random, &out)
            }
        }
    }

    private mutating func answer(_ payload: ByteBuffer, _ random: inout SimulationRandom, _ out: inout ByteBuffer) {
        guard let first = payload.getInteger(at: payload.readerIndex, as: UInt8.self) else {
            complaint = "an empty command reached the server"
            return
        }
        let start = payload.readerIndex + 1
        let number = payload.getInteger(at: start, endianness: .little, as: UInt32.self) ?? 0
        switch MySQLCommand(rawValue: first) {
        case .query: query(payload.getString(at: start, length: payload.readableBytes - 1) ?? "", &random, &out)
        case .prepare:
            let text = payload.getString(at: start, length: payload.readableBytes - 1) ?? ""
            if text.contains("fail") { return error(1064, &out) }
            describe(parameters: text.utf8.count { $0 == UInt8(ascii: "?") }, columns: random.pick(0...2), &out)
        case .execute:
            guard prepared[number] != nil else { return error(1243, &out) }
            if random.chance(1, in: 2) { result(&random, &out) } else { ok(&random, &out) }
        case .fetch, .fieldList: end(&out)
        case .closeStatement: prepared[number] = nil
        case .sendLongData: break
        case .resetStatement:
            if prepared[number] == nil { error(1243, &out) } else { ok(&random, &out) }
        case .setOption: end(&out)
        case .statistics: packet(&out) { $0.writeString("Uptime: 1") }
        case .resetConnection:
            prepared = [:]
            status = .autocommit
            ok(&random, &out)
        case .ping, .initDatabase, .processKill: ok(&random, &out)
        case .quit, .changeUser, nil: complaint = "command \(first) reached the server"
        }
    }

    // MARK: Answers

    private mutating func packet(_ out: inout ByteBuffer, _ body: (inout ByteBuffer) -> Void) {
        var payload = ByteBuffer()
        body(&payload)
        sequence = MySQLPacket.write(payload, sequence: sequence, to: &out)
    }

    private mutating func ok(
        _ random: inout SimulationRandom, _ out: inout ByteBuffer, more: Bool = false, track: ByteBuffer? = nil
    ) {
        var ok = MySQLOK(status: status)
        if more { ok.status.insert(.moreResults) }
        ok.lastInsertID = random.chance(1, in: 4) ? UInt64(random.pick(1...1000)) : 0
        ok.warnings = random.chance(1, in: 8) ? 1 : 0
        if track != nil { ok.status.insert(.sessionStateChanged) }
        packet(&out) {
            ok.write(to: &$0)
            guard let track else { return }
            $0.writeLengthEncodedString("")
            $0.writeLengthEncoded(UInt64(track.readableBytes))
            $0.writeImmutableBuffer(track)
        }
    }

    private mutating func error(_ code: UInt16, _ out: inout ByteBuffer) {
        packet(&out) { MySQLServerError(code: code, state: "HY000", message: "made up").write(to: &$0) }
    }

    private mutating func end(_ out: inout ByteBuffer, more: Bool = false) {
        var status = self.status
        if more { status.insert(.moreResults) }
        packet(&out) {
            $0.writeBytes([0xfe, 0, 0])
            $0.writeInteger(status.rawValue, endianness: .little)
        }
    }

    private mutating func column(_ out: inout ByteBuffer) {
        packet(&out) {
            for text in ["def", "", "", "", "a", "a"] { $0.writeLengthEncodedString(text) }
            $0.writeBytes([12, 45, 0, 0, 1, 0, 0, 253, 0, 0, 0, 0, 0])
        }
    }

    private mutating func result(_ random: inout SimulationRandom, _ out: inout ByteBuffer, more: Bool = false) {
        let columns = random.pick(1...3)
        packet(&out) { $0.writeLengthEncoded(UInt64(columns)) }
        for _ in 0..<columns { column(&out) }
        end(&out)
        for _ in 0..<random.pick(0...3) {
            packet(&out) { row in
                for _ in 0..<columns { row.writeLengthEncodedString("v") }
            }
        }
        end(&out, more: more)
    }

    private mutating func describe(parameters: Int, columns: Int, _ out: inout ByteBuffer) {
        let number = nextStatement
        nextStatement += 1
        prepared[number] = parameters
        packet(&out) {
            $0.writeInteger(UInt8(0))
            $0.writeInteger(number, endianness: .little)
            $0.writeInteger(UInt16(columns), endianness: .little)
            $0.writeInteger(UInt16(parameters), endianness: .little)
            $0.writeBytes([0, 0, 0])
        }
        for count in [parameters, columns] where count > 0 {
            for _ in 0..<count { column(&out) }
            end(&out)
        }
    }

    private mutating func query(_ text: String, _ random: inout SimulationRandom, _ out: inout ByteBuffer) {
        let first = text.split(separator: " ").first?.uppercased() ?? ""
        if text.contains("fail") { return error(1064, &out) }
        switch first {
        case "BEGIN", "START":
            status.insert(.inTransaction)
            ok(&random, &out)
        case "COMMIT", "ROLLBACK":
            status.remove(.inTransaction)
            ok(&random, &out)
        case "LOAD":
            receivesFile = true
            packet(&out) { $0.writeBytes([0xfb, 0x61]) }
        case "SET", "USE":
            var track = ByteBuffer()
            if random.chance(1, in: 2) {
                var pair = ByteBuffer()
                pair.writeLengthEncodedString("sql_mode")
                pair.writeLengthEncodedString(random.pick(["", "ANSI_QUOTES"]))
                track.writeInteger(UInt8(0))
                track.writeLengthEncoded(UInt64(pair.readableBytes))
                track.writeImmutableBuffer(pair)
            }
            ok(&random, &out, track: track.readableBytes > 0 ? track : nil)
        case "SELECT":
            let parts = text.split(separator: ";").count
            for number in 1...max(1, parts) { result(&random, &out, more: number < parts) }
        default: ok(&random, &out)
        }
    }
}
