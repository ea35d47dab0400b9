// SPDX-License-Identifier: Apache-2.0

/// What makes a MySQL session differ from a fresh connection, as far as it can be replayed; immutable, shared by identity.
///
/// A backend records which settings it runs under, a client which it wants. Equal objects mean nothing to do;
/// otherwise `steps(from:)` turn one into the other.
package final class MySQLSettings: Sendable, Equatable {
    package struct Content: Sendable, Hashable {
        package var database: String?
        /// The client may put several statements into one text.
        package var multiStatements = false
        /// `NAMES utf8mb4 COLLATE ...` as it was said; nil is the proxy's own choice at login, utf8mb4_general_ci.
        package var names: String?
        /// System variables, and user variables with `@` before them, and the expression that sets each.
        package var variables: [String: String] = [:]
        /// SQL-level prepared statements: the whole PREPARE statement.
        package var prepared: [String: String] = [:]

        package init() {}

        /// NAMES and the four variables it stands for overrule each other.
        mutating func set(names text: String) {
            names = text
            variables = variables.filter { !MySQLSettings.isCoveredByNames($0.key) }
        }
    }

    /// One command that changes a backend's session.
    package enum Step: Equatable {
        case initDatabase(String)
        case multiStatements(Bool)
        case query(String)
    }

    package let content: Content
    private let digest: Int

    /// What a connection has after login and the set-up statement.
    package static let none: MySQLSettings = {
        var content = Content()
        // The proxy logs in with multi-statements allowed.
        content.multiStatements = true
        return MySQLSettings(content)
    }()

    package init(_ content: Content) {
        self.content = content
        digest = content.hashValue
    }

    package static func == (left: MySQLSettings, right: MySQLSettings) -> Bool {
        left === right || (left.digest == right.digest && left.content == right.content)
    }

    package func changed(_ change: (inout Content) -> Void) -> MySQLSettings {
        var copy = content
        change(&copy)
        return copy == content ? self : MySQLSettings(copy)
    }

    /// What a prepared statement's meaning depends on besides its text.
    package var parsingKey: String {
        "\(content.database ?? "")\u{0}\(content.names ?? "")\u{0}\(content.variables["sql_mode"] ?? "")"
    }

    /// Commands that bring a connection with `applied` to these settings. Nobody can give up a default database, so
    /// connections with one are not lent to clients without (`BackendPool` sees to that).
    package func steps(from applied: MySQLSettings) -> [Step] {
        var steps: [Step] = []
        let (old, new) = (applied.content, content)
        if let database = new.database, database != old.database { steps.append(.initDatabase(database)) }
        if new.multiStatements != old.multiStatements { steps.append(.multiStatements(new.multiStatements)) }
        var parts: [String] = []
        if new.names != old.names { parts.append(new.names ?? "NAMES utf8mb4 COLLATE utf8mb4_general_ci") }
        // NAMES resets the four variables it stands for.
        let renamed = !parts.isEmpty
        for name in old.variables.keys.sorted() where new.variables[name] == nil {
            if renamed, MySQLSettings.isCoveredByNames(name) { continue }
            parts.append("\(MySQLSettings.target(name))=\(name.hasPrefix("@") ? "NULL" : "DEFAULT")")
        }
        for name in new.variables.keys.sorted() {
            guard let value = new.variables[name] else { continue }
            if value == old.variables[name], !(renamed && MySQLSettings.isCoveredByNames(name)) { continue }
            parts.append("\(MySQLSettings.target(name))=\(value)")
        }
        if !parts.isEmpty { steps.append(.query("SET " + parts.joined(separator: ","))) }
        for name in old.prepared.keys.sorted() where new.prepared[name] != old.prepared[name] {
            steps.append(.query("DEALLOCATE PREPARE \(MySQLText.identifier(name))"))
        }
        for name in new.prepared.keys.sorted() where new.prepared[name] != old.prepared[name] {
            if let text = new.prepared[name] { steps.append(.query(text)) }
        }
        return steps
    }

    package static func isCoveredByNames(_ name: String) -> Bool {
        switch name {
        case "character_set_client", "character_set_results", "character_set_connection", "collation_connection": true
        default: false
        }
    }

    private static func target(_ name: String) -> String {
        name.hasPrefix("@")
            ? "@" + MySQLText.identifier(String(name.dropFirst())) : "SESSION " + MySQLText.identifier(name)
    }
}

/// Quoting for SQL text the proxy makes.
package enum MySQLText {
    package static func identifier(_ name: String) -> String {
        "`" + name.split(separator: "`", omittingEmptySubsequences: false).joined(separator: "``") + "`"
    }

    /// A system variable's value, as the server reports it, in a form SET takes: numbers bare, everything else as a
    /// string without characters that would need escapes.
    package static func value(_ reported: String, of name: String) -> String {
        if reported.isEmpty, name == "character_set_results" { return "NULL" }
        let digits = reported.utf8.drop { $0 == UInt8(ascii: "-") }
        if !digits.isEmpty, digits.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || $0 == UInt8(ascii: ".") }) {
            return reported
        }
        let plain = reported.utf8.allSatisfy { $0 >= 0x20 && $0 != UInt8(ascii: "'") && $0 != UInt8(ascii: "\\") }
        return plain ? "'\(reported)'" : "x'\(hex(reported.utf8))'"
    }

    package static func hex(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789ABCDEF".unicodeScalars)
        var text = String.UnicodeScalarView()
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(text)
    }
}
