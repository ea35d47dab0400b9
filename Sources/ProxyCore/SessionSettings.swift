// SPDX-License-Identifier: Apache-2.0

/// Session parameters that differ from what a fresh backend connection has; an immutable value, shared by identity.
///
/// A backend records which settings it runs under, a client which it wants. Equal objects mean nothing to do;
/// otherwise `script(from:)` is the SQL that turns one into the other
/// (<https://www.postgresql.org/docs/current/sql-set.html>).
package final class SessionSettings: Sendable, Equatable {
    /// How a parameter got its value, and so how it is set again.
    package enum Assignment: Hashable, Sendable {
        /// The client's own words from the parameter's name on, for `SET`.
        case text(String)
        /// The value itself, as the server reports it, for `set_config`.
        case value(String)
    }

    package let values: [String: Assignment]
    private let digest: Int

    package static let none = SessionSettings([:])

    package init(_ values: [String: Assignment]) {
        self.values = values
        // Exclusive or does not depend on the dictionary's order.
        var digest = values.count
        for (name, assignment) in values {
            var hasher = Hasher()
            hasher.combine(name)
            hasher.combine(assignment)
            digest ^= hasher.finalize()
        }
        self.digest = digest
    }

    package static func == (left: SessionSettings, right: SessionSettings) -> Bool {
        left === right || (left.digest == right.digest && left.values == right.values)
    }

    package func setting(_ name: String, _ assignment: Assignment?) -> SessionSettings {
        var copy = values
        copy[name] = assignment
        return SessionSettings(copy)
    }

    /// SQL that brings a connection with `applied` to these settings; empty when there is nothing to do.
    ///
    /// `role` comes last and is given up first, as it may take away the right to set the others.
    package func script(from applied: SessionSettings) -> String {
        var statements: [String] = []
        func order(_ name: String) -> Int { name == "role" ? 2 : name == "session_authorization" ? 1 : 0 }
        func sorted(_ names: some Sequence<String>) -> [String] {
            names.sorted { (order($0), $0) < (order($1), $1) }
        }
        let gone = sorted(applied.values.keys.filter { values[$0] == nil })
        for name in gone.reversed() {
            if name == "session_authorization" {
                statements.append("RESET SESSION AUTHORIZATION")
            } else {
                statements.append("RESET \(SQLText.parameter(name))")
            }
        }
        for name in sorted(values.keys) {
            guard let wanted = values[name], wanted != applied.values[name] else { continue }
            switch wanted {
            case .text(let text): statements.append("SET \(text)")
            case .value(let value):
                statements.append(
                    "SELECT pg_catalog.set_config(\(SQLText.literal(name)),\(SQLText.literal(value)),false)")
            }
        }
        return statements.joined(separator: ";")
    }
}

/// Quoting for SQL text the proxy makes.
package enum SQLText {
    /// A string constant; the E'' form is used where a backslash would mean different things.
    package static func literal(_ text: String) -> String {
        var quoted = ""
        var escapes = false
        for character in text.unicodeScalars {
            if character == "'" { quoted.unicodeScalars.append("'") }
            if character == "\\" {
                quoted.unicodeScalars.append("\\")
                escapes = true
            }
            quoted.unicodeScalars.append(character)
        }
        return (escapes ? " E'" : "'") + quoted + "'"
    }

    package static func identifier(_ name: String) -> String {
        var quoted = "\""
        for character in name.unicodeScalars {
            if character == "\"" { quoted.unicodeScalars.append("\"") }
            quoted.unicodeScalars.append(character)
        }
        return quoted + "\""
    }

    /// A parameter's name, whose parts a dot divides.
    static func parameter(_ name: String) -> String {
        name.split(separator: ".", omittingEmptySubsequences: false).map { identifier(String($0)) }.joined(
            separator: ".")
    }
}
