// SPDX-License-Identifier: Apache-2.0

/// Asking the server what state a session has, where the client's words do not tell.
///
/// After a DO block, a CALL, `set_config`, a rollback to a savepoint and the like the proxy runs `script` between two
/// of the client's transactions. The answer replaces guesses: it gives the settings to replay elsewhere, and ends pins
/// whose cause is gone (a dropped temporary table, a released lock).
package enum Audit {
    /// Columns: kind, name, value. Only documented catalogs are read.
    package static let script = """
        SELECT 's', name, setting FROM pg_catalog.pg_settings WHERE source = 'session' \
        AND name NOT LIKE 'transaction\\_%' AND context IN ('user', 'superuser') \
        UNION ALL SELECT 's', 'role', pg_catalog.current_setting('role') \
        WHERE pg_catalog.current_setting('role') <> 'none' \
        UNION ALL SELECT 'p', 'a', NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_locks \
        WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid() AND granted) \
        UNION ALL SELECT 'p', 'l', NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_listening_channels()) \
        UNION ALL SELECT 'p', 'c', NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable) \
        UNION ALL SELECT 'p', 't', NULL WHERE pg_catalog.pg_my_temp_schema() <> 0 AND EXISTS \
        (SELECT FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema())
        """

    /// `script`, asking also for parameters that no catalog lists.
    package static func script(customNames: some Collection<String>) -> String {
        customNames.sorted().reduce(script) { text, name in
            let literal = SQLText.literal(name)
            return text + " UNION ALL SELECT 's', \(literal), pg_catalog.current_setting(\(literal), true)"
                + " WHERE pg_catalog.current_setting(\(literal), true) IS NOT NULL"
        }
    }

    /// Pins that the audit can see and therefore end.
    package static let visiblePins: PinReasons = [.advisoryLock, .listen, .holdCursor, .temporaryObject]

    package struct Finding: Equatable {
        package var settings: [String: String] = [:]
        package var pins: PinReasons = []
    }

    package static func read(_ rows: [[String?]]) -> Finding {
        var finding = Finding()
        for row in rows where row.count == 3 {
            guard let kind = row[0], let name = row[1] else { continue }
            if kind == "s" {
                finding.settings[name.lowercased()] = row[2] ?? ""
                continue
            }
            switch name {
            case "a": finding.pins.insert(.advisoryLock)
            case "l": finding.pins.insert(.listen)
            case "c": finding.pins.insert(.holdCursor)
            case "t": finding.pins.insert(.temporaryObject)
            default: break
            }
        }
        return finding
    }
}
