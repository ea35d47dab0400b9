// SPDX-License-Identifier: Apache-2.0

import ProxyCore
import Testing

@Suite struct StatementClassifierTests {
    private func effects(_ text: String) -> [StatementEffect] {
        if case .statements(let list) = StatementClassifier().classify(text) { return list }
        return []
    }

    @Test(arguments: [
        "SELECT 1", "select * from t where a = 'SET x = 1'", "INSERT INTO t VALUES ($$ LISTEN $$)", "", ";;",
        "-- SET a = 1\nSELECT 1", "/* /* nested */ SET */ SELECT 1", "UPDATE t SET a = 1", "SELECT \"set\" FROM t",
        "SELECT nextval('s')", "SELECT pg_advisory_xact_lock(1)", "SET LOCAL a = 1", "SET TRANSACTION READ ONLY",
        "EXPLAIN SELECT 1", "VACUUM t", "NOTIFY a", "SELECT E'\\' SET'", "FETCH 10 FROM c",
        "DECLARE c CURSOR FOR SELECT 1",
    ])
    func `a statement without effects on the session is plain`(text: String) {
        #expect(StatementClassifier().classify(text) == .plain)
    }

    @Test func `settings are found with the words to repeat them`() {
        #expect(
            effects("set search_path to a, b") == [
                StatementEffect(.set(name: "search_path", assignment: "search_path to a, b"))
            ])
        #expect(
            effects("SET SESSION my.x = 'a;b' ;") == [StatementEffect(.set(name: "my.x", assignment: "my.x = 'a;b'"))])
        #expect(
            effects("SET TIME ZONE 'UTC'") == [StatementEffect(.set(name: "timezone", assignment: "TIME ZONE 'UTC'"))])
        #expect(effects("SET x TO DEFAULT") == [StatementEffect(.reset(name: "x"))])
        #expect(effects("RESET x") == [StatementEffect(.reset(name: "x"))])
        #expect(effects("RESET ALL") == [StatementEffect(.resetAll)])
        #expect(
            effects("SET SESSION AUTHORIZATION bob") == [
                StatementEffect(.set(name: "session_authorization", assignment: "SESSION AUTHORIZATION bob"))
            ])
    }

    @Test func `each statement of a script has its effect in its place`() {
        let list = effects("SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;")
        #expect(list.map(\.kind) == [.plain, .plain, .plain, .resetAll])
        #expect(list.map(\.needsAudit) == [true, true, true, false])
        #expect(effects("SELECT 1; SELECT 2; DISCARD ALL").map(\.kind) == [.plain, .plain, .discardAll])
    }

    @Test(arguments: [
        ("CREATE TEMP TABLE t (a int)", PinReasons.temporaryObject), ("create temporary sequence s", .temporaryObject),
        ("SELECT pg_advisory_lock(1)", .advisoryLock), ("SELECT pg_try_advisory_lock_shared(1)", .advisoryLock),
        ("LISTEN a", .listen), ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", .holdCursor), ("LOAD 'x'", .processState),
        ("WITH x AS (SELECT pg_advisory_lock(1)) SELECT 1", .advisoryLock),
    ])
    func `state that cannot be replayed pins`(text: String, reason: PinReasons) {
        #expect(effects(text).first?.pins == reason)
    }

    @Test func `a temporary table that ends with its transaction does not pin`() {
        #expect(effects("CREATE TEMP TABLE t (a int) ON COMMIT DROP").first?.pins == [])
    }

    @Test func `names of prepared statements are found where they stand`() {
        #expect(effects("EXECUTE foo(1)") == [StatementEffect(.execute(name: "foo", at: 8..<11))])
        #expect(effects("DEALLOCATE PREPARE \"Foo\"") == [StatementEffect(.deallocate(name: "Foo", at: 19..<24))])
        #expect(effects("PREPARE p AS SELECT 1") == [StatementEffect(.prepare(name: "p", at: 8..<9))])
        #expect(effects("DEALLOCATE ALL") == [StatementEffect(.deallocateAll)])
    }

    @Test func `a parameter set in a block is asked for by name`() {
        let effect = effects("DO $x$ BEGIN PERFORM set_config('my.a', 'b', false); END $x$").first
        #expect(effect?.needsAudit == true)
        #expect(effect?.customNames == ["my.a"])
    }

    @Test func `a fingerprint holds no constants`() {
        var text = "INSERT INTO t VALUES (42, 'secret', E'x\\'y', $$z$$)"
        let print = text.withUTF8 { Fingerprint.of(UnsafeRawBufferPointer($0)) }
        #expect(!print.contains("secret") && !print.contains("42") && !print.contains("z"))
        #expect(print.hasPrefix("INSERT INTO t VALUES"))
    }

    @Test func `seeded garbage never traps`() {
        var generator = SeededGenerator(seed: 7)
        let pieces = [
            "SET", "select", "'", "\"", "$$", "$a$", "--", "/*", "*/", ";", "(", "E'", "\\", "\n", "temp", "x", "1.5",
            "PREPARE", "TO", "=", ".", "\u{0}", "é",
        ]
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...14, using: &generator)).map { _ in
                pieces.randomElement(using: &generator) ?? ""
            }
            .joined(separator: Bool.random(using: &generator) ? " " : "")
            _ = StatementClassifier().classify(text)
            var copy = text
            _ = copy.withUTF8 { Fingerprint.of(UnsafeRawBufferPointer($0)) }
        }
    }
}

/// SplitMix64, so that a failure can be repeated from its seed.
struct SeededGenerator: RandomNumberGenerator {
    var seed: UInt64

    mutating func next() -> UInt64 {
        seed &+= 0x9e37_79b9_7f4a_7c15
        var mixed = seed
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
