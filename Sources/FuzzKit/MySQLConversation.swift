// SPDX-License-Identifier: Apache-2.0

import MySQLWire
import NIOCore
import SimulationKit

/// What one MySQL client sends, well-formed; each command waits for the answer to the one before it.
struct MySQLConversation {
    /// Nothing in it fails at a sound server.
    let isCalm: Bool
    /// The client's packets, a command each; some have no answer.
    private(set) var commands: [(bytes: ByteBuffer, isAnswered: Bool)] = []
    private var prepared: [UInt32: Int] = [:]
    private var nextStatement: UInt32 = 1

    private static let calm = [
        "SELECT 1", "SELECT 1; SELECT 2", "SET sql_mode=''", "USE app", "INSERT INTO t VALUES (1)",
        "SELECT LAST_INSERT_ID()",
        "SET @a = 1", "SELECT @a := 2", "SHOW WARNINGS", "SET NAMES utf8mb4", "SET autocommit=1", "DO GET_LOCK('a', 1)",
        "LOCK TABLES t READ", "UNLOCK TABLES", "CREATE TEMPORARY TABLE t (a INT)", "DROP TABLE t", "CALL p()", "COMMIT",
        "DO 1 /*! + 1 */", "CREATE TABLE u (a INT)",
    ]
    private static let wild = [
        "BEGIN", "COMMIT", "ROLLBACK", "SELECT fail", "SET autocommit=0", "PREPARE q FROM 'SELECT 1'", "EXECUTE q",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "XA START 'a'", "FLUSH TABLES WITH READ LOCK",
    ]

    init(_ random: inout SimulationRandom) {
        isCalm = random.chance(1, in: 2)
        for _ in 0..<random.pick(1...10) { exchange(&random) }
    }

    private mutating func exchange(_ random: inout SimulationRandom) {
        switch random.pick(0...13) {
        case 0...4: query(random.pick(isCalm || random.chance(1, in: 2) ? Self.calm : Self.wild))
        case 5: command(.ping) { _ in }
        case 6: command(.initDatabase) { $0.writeString("app") }
        case 7: command(.setOption) { $0.writeInteger(UInt16(random.pick(0...1)), endianness: .little) }
        case 8:
            command(.resetConnection) { _ in }
            prepared = [:]
        case 9 where !isCalm: query(SQLGenerator.anything(&random).filter { $0 != "K" && $0 != "k" })
        case 10: command(.statistics) { _ in }
        case 11: command(.fieldList) { $0.writeZeroTerminated("t") }
        default: statement(&random)
        }
    }

    private mutating func command(
        _ command: MySQLCommand, answered: Bool = true, _ body: (inout ByteBuffer) -> Void
    ) {
        var payload = ByteBuffer(integer: command.rawValue)
        body(&payload)
        var bytes = ByteBuffer()
        MySQLPacket.write(payload, sequence: 0, to: &bytes)
        commands.append((bytes, answered))
    }

    private mutating func query(_ text: String) { command(.query) { $0.writeString(text) } }

    private mutating func statement(_ random: inout SimulationRandom) {
        guard let (number, parameters) = prepared.sorted(by: { $0.key < $1.key }).last, random.chance(2, in: 3) else {
            let parameters = random.pick(0...2)
            command(.prepare) { $0.writeString("SELECT 1" + String(repeating: ", ?", count: parameters)) }
            prepared[nextStatement] = parameters
            nextStatement += 1
            return
        }
        switch random.pick(0...5) {
        case 0:
            prepared[number] = nil
            command(.closeStatement, answered: false) { $0.writeInteger(number, endianness: .little) }
        case 1: command(.resetStatement) { $0.writeInteger(number, endianness: .little) }
        case 2 where parameters > 0:
            command(.sendLongData, answered: false) {
                $0.writeInteger(number, endianness: .little)
                $0.writeInteger(UInt16(0))
                $0.writeString("long")
            }
        default:
            command(.execute) {
                $0.writeInteger(number, endianness: .little)
                $0.writeBytes([0, 1, 0, 0, 0])
                guard parameters > 0 else { return }
                $0.writeBytes([0, 1])
                for _ in 0..<parameters { $0.writeBytes([3, 0]) }
                for _ in 0..<parameters { $0.writeBytes([1, 0, 0, 0]) }
            }
        }
    }
}
