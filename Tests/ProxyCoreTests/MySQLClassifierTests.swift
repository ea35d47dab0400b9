// SPDX-License-Identifier: Apache-2.0

import ProxyCore
import Testing

@Suite struct MySQLClassifierTests {
    private func effects(_ text: String, mode: MySQLScanner.Mode = .init()) -> MySQLEffects {
        var text = text
        return text.withUTF8 { MySQLClassifier().effects(of: UnsafeRawBufferPointer($0), mode: mode) }
    }

    @Test(arguments: [
        "SELECT 1", "select * from t where a = 'GET_LOCK(1)'", "INSERT INTO t VALUES (1, \"LOCK TABLES\")",
        "UPDATE t SET a = 1 -- SET NAMES x", "# SET @a = 1\nSELECT 2", "BEGIN", "START TRANSACTION",
        "SELECT @a, @@sql_mode",
        "SELECT 'it''s \\' @a := 1'", "SELECT `a``b` FROM `LOCK`", "SHOW TABLES", "SET GLOBAL max_connections = 5",
        "ROLLBACK TO SAVEPOINT s", "SELECT a INTO OUTFILE '/x' FROM t", "SELECT 1 -1",
    ])
    func `statements without effects are plain`(text: String) {
        #expect(effects(text).isPlain)
    }

    @Test(arguments: [
        ("COMMIT", MySQLEffects.Shortcut.commit), (" rollback ; ", .rollback), ("SET autocommit=0", .autocommit(false)),
        ("set @@session.autocommit = ON", .autocommit(true)), ("SET NAMES utf8mb4", .names),
        ("KILL QUERY 17", .kill(queryOnly: true, id: 17)), ("kill connection 18", .kill(queryOnly: false, id: 18)),
    ])
    func `some the proxy can answer itself`(text: String, shortcut: MySQLEffects.Shortcut) {
        #expect(effects(text).shortcut == shortcut)
    }

    @Test(arguments: [
        "COMMIT AND CHAIN", "SET autocommit=0, sql_mode=''", "COMMIT; SELECT 1", "SET autocommit=@x",
        "SET GLOBAL autocommit=0",
        "SET NAMES utf8, @a = 1", "KILL 1 + 1", "ROLLBACK TO s",
    ])
    func `but not these`(text: String) {
        #expect(effects(text).shortcut == nil)
    }

    @Test(arguments: [
        ("SET @a = 5", [MySQLEffects.Change.userVariable("a", "5")]),
        ("SET @a := -1.5, @`B c` = 'x''y'", [.userVariable("a", "-1.5"), .userVariable("b c", "'x''y'")]),
        ("SET NAMES latin1 COLLATE latin1_bin", [.names("NAMES latin1 COLLATE latin1_bin")]),
        ("/*!40101 SET NAMES utf8 */", [.names("NAMES utf8")]),
        ("SET timestamp = DEFAULT", [.forget("timestamp")]),
        ("PREPARE `S` FROM 'SELECT ?'", [.prepare("s", "PREPARE `S` FROM 'SELECT ?'")]),
        ("DEALLOCATE PREPARE s", [.deallocate("s")]),
        ("SELECT GET_LOCK('x', 10)", [.lock("'x'")]),
        ("CREATE TEMPORARY TABLE IF NOT EXISTS db.`T` (x int)", [.createTemporary("t")]),
        ("DROP TEMPORARY TABLE IF EXISTS a, b.c", [.drop("a"), .drop("c")]),
    ])
    func `changes are found`(text: String, changes: [MySQLEffects.Change]) {
        #expect(effects(text).changes == changes)
    }

    @Test(arguments: [
        ("SELECT @a := b FROM t", MySQLEffects.Flags.assignsVariables), ("SELECT 1 INTO @a", .assignsVariables),
        ("SET @a = (SELECT 1)", .assignsVariables), ("SET @a = @b", .assignsVariables),
        ("INSERT INTO t SELECT LAST_INSERT_ID()", .readsInsertID), ("SELECT @@identity", .readsInsertID),
        ("SHOW WARNINGS", .readsDiagnostics), ("SELECT ROW_COUNT()", .readsDiagnostics),
        ("SELECT SQL_CALC_FOUND_ROWS 1", .leavesDiagnostics), ("SET TRANSACTION READ ONLY", .oneShot),
        ("ALTER TABLE t ADD b int", .definition), ("UNLOCK TABLES", .unlocksTables),
        ("SET sql_mode = ''", .setsSystemVariable),
        ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", .setsSystemVariable),
        ("DROP DATABASE d", .dropsDatabase),
        ("SELECT RELEASE_LOCK('x')", .releasesLock), ("SET session_track_schema = OFF", .changesTracking),
    ])
    func `flags are found`(text: String, flag: MySQLEffects.Flags) {
        #expect(effects(text).flags.contains(flag))
        #expect(effects("SELECT 1; " + text).flags.contains(flag))
    }

    @Test(arguments: [
        ("LOCK TABLES t READ", PinReasons.tableLock), ("FLUSH TABLES WITH READ LOCK", .tableLock),
        ("CREATE TEMPORARY TABLE t (x int)", .temporaryObject), ("SELECT GET_LOCK(?, 1)", .advisoryLock),
        ("XA START 'a'", .distributedTransaction), ("HANDLER t OPEN", .processState), ("SET ROLE r", .unknownSetting),
        ("PREPARE s FROM @text", .processState), ("CREATE /*!50000 TEMPORARY */ TABLE t (x int)", .temporaryObject),
    ])
    func `pins are found`(text: String, pins: PinReasons) {
        #expect(effects(text).pins == pins)
    }

    @Test func `quotes follow sql_mode`() {
        var mode = MySQLScanner.Mode()
        #expect(effects("SELECT 'a\\'; LOCK TABLES t READ; '").pins.isEmpty)
        mode.noBackslashEscapes = true
        #expect(effects("SELECT 'a\\'; LOCK TABLES t READ; '", mode: mode).pins == .tableLock)
        mode = .init()
        mode.ansiQuotes = true
        #expect(effects("CREATE TEMPORARY TABLE \"My\" (x int)", mode: mode).changes == [.createTemporary("my")])
    }

    @Test func `a routine's body does nothing when it is made`() {
        let made = effects(
            "CREATE PROCEDURE p() BEGIN SET NAMES utf8; LOCK TABLES t READ; SELECT GET_LOCK('a', 1); END")
        #expect(made.pins.isEmpty && made.changes.isEmpty && made.flags == .definition)
    }

    @Test func `seeded garbage never traps`() {
        let pieces = [
            "SET", "@a", ":=", "'", "\"", "`", "/*!", "*/", ",", ";", "(", "GET_LOCK", "TEMPORARY", "TABLE", "CREATE",
            "DROP", "x", "1", "\\", "--", " ", "#", "\n", "@@", ".", "PREPARE", "FROM", "NAMES", "XA", "KILL", "é",
        ]
        var state: UInt64 = 11
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for _ in 0..<20_000 {
            let text = (0..<next(12)).map { _ in pieces[next(pieces.count)] + (next(2) == 0 ? " " : "") }.joined()
            _ = effects(text)
        }
    }
}
