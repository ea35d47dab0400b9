// SPDX-License-Identifier: Apache-2.0

import SimulationKit

/// Texts of SQL: sound statements that matter to a proxy, and soups of what lexers stumble over.
enum SQLGenerator {
    private static let pieces = [
        "'", "''", "\"", "`", "\\", "\\'", "$$", "$a$", "$", "$1", "E'", "x'", "--", "-- ", "#", "/*", "*/", "/*!",
        "/*!50000",
        "/*M!", "(", ")", ";", ",", "=", ":=", "@", "@@", "@@session.", "@a", "?", ".", "::", "\u{0}", "\n", "\r", "\t",
        " ",
        "ä", "\u{1F600}", "0x1F", "1e5", "SET", "RESET", "SELECT", "PREPARE", "EXECUTE", "DEALLOCATE", "DISCARD", "ALL",
        "LOCAL", "SESSION", "GLOBAL", "NAMES", "TO", "DEFAULT", "AS", "FROM", "BEGIN", "COMMIT", "ROLLBACK",
        "SAVEPOINT",
        "DECLARE", "CURSOR", "WITH", "HOLD", "LISTEN", "CREATE", "TEMP", "TABLE", "LOCK", "TABLES", "GET_LOCK", "KILL",
        "QUERY", "USE", "CALL", "DO", "INTO", "search_path", "autocommit", "sql_mode", "nextval", "pg_advisory_lock",
        "set_config", "last_insert_id", "row_count", "x", "t", "1", "0", "on", "off", "null", "DELIMITER", "XA", "END",
    ]

    static func soup(_ random: inout SimulationRandom, longest: Int = 40) -> String {
        var text = ""
        for _ in 0..<random.pick(0...longest) {
            text += random.pick(pieces)
            if random.chance(1, in: 2) { text += " " }
        }
        return text
    }

    /// A text without zero bytes, as a message may carry it.
    static func anything(_ random: inout SimulationRandom) -> String {
        soup(&random).filter { $0 != "\u{0}" }
    }
}
