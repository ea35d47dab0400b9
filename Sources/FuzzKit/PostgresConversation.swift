// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PostgresWire
import SimulationKit

/// What one PostgreSQL client sends, well-formed and in a sensible order, and what it may expect.
struct PostgresConversation {
    /// Nothing in it fails at a sound server.
    let isCalm: Bool
    private(set) var bytes = ByteBuffer()
    /// ReadyForQuery messages the client is owed.
    private(set) var readies = 0
    private var names: Set<String> = []
    private var sqlNames: Set<String> = []

    private static let calm = [
        "SELECT 1", "SELECT 1; SELECT 2", "", "SET search_path TO a, b", "SET a.b = 'x'", "RESET ALL", "RESET a.b",
        "LISTEN x", "CREATE TEMP TABLE t (a int)", "SELECT pg_advisory_lock(1)", "SELECT set_config('a.b', 'c', false)",
        "DO $$ BEGIN NULL; END $$", "COPY t TO STDOUT", "UNLISTEN *", "ROLLBACK", "SELECT 'it''s' -- ;\n",
        "DISCARD PLANS",
    ]
    private static let wild = [
        "BEGIN", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "ROLLBACK TO a", "SELECT fail", "SET LOCAL x.y = 1",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "SET ROLE x", "SET SESSION AUTHORIZATION y",
        "PREPARE q AS SELECT fail",
    ]

    init(_ random: inout SimulationRandom) {
        isCalm = random.chance(1, in: 2)
        for _ in 0..<random.pick(1...8) { exchange(&random) }
        if random.chance(1, in: 4) { bytes.writePostgresEmpty(FrontendMessage.terminate) }
    }

    private mutating func exchange(_ random: inout SimulationRandom) {
        switch random.pick(0...11) {
        case 0...3: query(random.pick(isCalm || random.chance(1, in: 2) ? Self.calm : Self.wild))
        case 4: forget(random.pick(["DISCARD ALL", "DEALLOCATE ALL"]))
        case 5: sqlStatement(&random)
        case 6: copy(&random)
        case 7 where !isCalm: query(SQLGenerator.anything(&random).filter { $0 != "C" && $0 != "c" })
        case 8:
            bytes.writePostgresMessage(FrontendMessage.functionCall) { $0.writeBytes([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]) }
            readies += 1
        default: batch(&random)
        }
    }

    private mutating func query(_ text: String) {
        bytes.writePostgresQuery(text)
        readies += 1
    }

    private mutating func forget(_ text: String) {
        query(text)
        names = []
        sqlNames = []
    }

    private mutating func sqlStatement(_ random: inout SimulationRandom) {
        let name = random.pick(["q1", "q2"])
        if sqlNames.insert(name).inserted { return query("PREPARE \(name) AS SELECT 1") }
        guard random.chance(1, in: 2) else { return query("EXECUTE \(name)") }
        sqlNames.remove(name)
        query("DEALLOCATE \(name)")
    }

    private mutating func copy(_ random: inout SimulationRandom) {
        query("COPY t FROM STDIN")
        for _ in 0..<random.pick(0...3) {
            bytes.writePostgresMessage(FrontendMessage.copyData) { $0.writeString("1\t2\n") }
        }
        if isCalm || random.chance(1, in: 2) {
            bytes.writePostgresEmpty(FrontendMessage.copyDone)
        } else {
            bytes.writePostgresMessage(FrontendMessage.copyFail) { $0.writePostgresString("no") }
        }
    }

    /// Extended-protocol messages up to a Sync.
    private mutating func batch(_ random: inout SimulationRandom) {
        for _ in 0..<random.pick(1...3) {
            let name = random.pick(["", "", "s1", "s2", "s3"])
            if name.isEmpty || names.insert(name).inserted {
                let text = random.pick(
                    isCalm ? ["SELECT 1", "SET a.b = 'y'"] : ["SELECT 1", "BEGIN", "COMMIT", "SELECT 2"])
                bytes.writePostgresMessage(FrontendMessage.parse) {
                    $0.writePostgresString(name)
                    $0.writePostgresString(text)
                    $0.writeInteger(UInt16(0))
                }
            }
            if random.chance(1, in: 4) { describe("S", name) }
            bytes.writePostgresMessage(FrontendMessage.bind) {
                $0.writePostgresString("")
                $0.writePostgresString(name)
                $0.writeBytes([0, 0, 0, 0, 0, 0])
            }
            if random.chance(1, in: 4) { describe("P", "") }
            if random.chance(3, in: 4) {
                bytes.writePostgresMessage(FrontendMessage.execute) {
                    $0.writePostgresString("")
                    $0.writeInteger(UInt32(0))
                }
            }
            if !name.isEmpty, random.chance(1, in: 4) {
                names.remove(name)
                bytes.writePostgresMessage(FrontendMessage.close) {
                    $0.writeInteger(UInt8(ascii: "S"))
                    $0.writePostgresString(name)
                }
            }
            if random.chance(1, in: 6) { bytes.writePostgresEmpty(FrontendMessage.flush) }
        }
        bytes.writePostgresEmpty(FrontendMessage.sync)
        readies += 1
    }

    private mutating func describe(_ kind: Unicode.Scalar, _ name: String) {
        bytes.writePostgresMessage(FrontendMessage.describe) {
            $0.writeInteger(UInt8(ascii: kind))
            $0.writePostgresString(name)
        }
    }
}
