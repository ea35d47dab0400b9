// SPDX-License-Identifier: Apache-2.0

/// Whether a statement may run on a reader, as far as its words tell.
///
/// Wrong in one direction only: what is taken for a read and writes nevertheless, by a function, is refused by the
/// reader, and runs on the writer then. What would act on the server it happens to be on (signals, locks, sequences'
/// session values) must not be taken for one.
enum ReadText {
    private static let verbs: [StaticString] = ["select", "values", "with", "table"]
    private static let writingWords: [StaticString] = ["into", "update", "share", "insert", "delete", "merge", "lock"]

    static func isRead(postgres text: UnsafeRawBufferPointer) -> Bool {
        var scanner = SQLScanner(text)
        var token = scanner.next()
        while token == .symbol(UInt8(ascii: "(")) { token = scanner.next() }
        guard token == .word, spells(scanner, scanner.tokenStart..<scanner.index, verbs) else { return false }
        var name: Range<Int>?
        while true {
            token = scanner.next()
            let range = scanner.tokenStart..<scanner.index
            switch token {
            case .end: return true
            case .symbol(UInt8(ascii: ";")): return scanner.next() == .end
            case .symbol(UInt8(ascii: "(")):
                if let name, isLocal(scanner, name) { return false }
                name = nil
            case .word:
                if spells(scanner, range, writingWords) { return false }
                name = range
            case .quotedName: name = range
            case .string, .number, .symbol: name = nil
            }
        }
    }

    /// PostgreSQL's functions about the server itself, and those that depend on the session.
    private static func isLocal(_ scanner: SQLScanner, _ name: Range<Int>) -> Bool {
        scanner.byte(name.lowerBound) == UInt8(ascii: "\"") || scanner.begins(name, "pg_")
            || scanner.begins(name, "lo_") || scanner.begins(name, "dblink") || scanner.begins(name, "txid_")
            || spells(scanner, name, ["nextval", "setval", "currval", "lastval", "set_config"])
    }

    static func isRead(mysql text: UnsafeRawBufferPointer, mode: MySQLScanner.Mode) -> Bool {
        var scanner = MySQLScanner(text, mode: mode)
        var token = scanner.next()
        while token == .symbol(UInt8(ascii: "(")) { token = scanner.next() }
        guard token == .word, spells(scanner, scanner.token, verbs) else { return false }
        var name: Range<Int>?
        while true {
            token = scanner.next()
            switch token {
            case .end: return true
            case .symbol(UInt8(ascii: ";")): return scanner.next() == .end
            case .symbol(UInt8(ascii: "(")):
                if let name, spells(scanner, name, sessionFunctions) { return false }
                name = nil
            case .word:
                if spells(scanner, scanner.token, writingWords) { return false }
                name = scanner.token
            case .systemVariable, .assign: return false
            case .quotedName, .string, .number, .symbol, .userVariable: name = nil
            }
        }
    }

    private static let sessionFunctions: [StaticString] = [
        "last_insert_id", "row_count", "found_rows", "connection_id", "nextval", "setval", "lastval", "get_lock",
        "release_lock", "release_all_locks", "is_used_lock", "is_free_lock", "master_gtid_wait", "master_pos_wait",
    ]

    private static func spells(_ scanner: some ScannedText, _ range: Range<Int>, _ words: [StaticString]) -> Bool {
        words.contains { scanner.spells(range, $0) }
    }
}
