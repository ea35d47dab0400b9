// SPDX-License-Identifier: Apache-2.0

/// Reads a statement text of MySQL or MariaDB for what it does to its session.
///
/// It reads words, not grammar: what it takes for an effect by mistake costs a question to the server, and what words
/// do not tell (procedures, triggers) is found by the server's session tracking.
package struct MySQLClassifier: Sendable {
    package init() {}

    /// The effects of all statements in `text` together. `truncated`: the client sends more than is in `text`.
    package func effects(
        of text: UnsafeRawBufferPointer, mode: MySQLScanner.Mode = .init(), truncated: Bool = false
    ) -> MySQLEffects {
        var effects = MySQLEffects()
        if truncated { effects.flags.insert(.truncated) }
        var scanner = MySQLScanner(text, mode: mode)
        var statements = 0
        while true {
            var token = scanner.next()
            while token == .symbol(UInt8(ascii: ";")) || token == .symbol(UInt8(ascii: "(")) { token = scanner.next() }
            if token == .end { break }
            statements += 1
            statement(token, &scanner, &effects)
        }
        if statements != 1 || truncated { effects.shortcut = nil }
        return effects
    }

    private func statement(_ token: MySQLScanner.Token, _ scanner: inout MySQLScanner, _ effects: inout MySQLEffects) {
        guard token == .word else { return body(&scanner, &effects) }
        switch scanner.lowercasedFirst(scanner.tokenStart) {
        case UInt8(ascii: "s"):
            if scanner.isWord("select") { return body(&scanner, &effects) }
            if scanner.isWord("set") { return set(&scanner, &effects) }
            if scanner.isWord("show") { return show(&scanner, &effects) }
        case UInt8(ascii: "c"):
            if scanner.isWord("commit") { return transactionEnd(.commit, &scanner, &effects) }
            if scanner.isWord("create") { return create(&scanner, &effects) }
        case UInt8(ascii: "r"):
            if scanner.isWord("rollback") { return transactionEnd(.rollback, &scanner, &effects) }
            if scanner.isWord("rename") { effects.flags.insert(.definition) }
        case UInt8(ascii: "d"):
            if scanner.isWord("drop") { return drop(&scanner, &effects) }
            if scanner.isWord("deallocate") { return deallocate(&scanner, &effects) }
        case UInt8(ascii: "a"):
            if scanner.isWord("alter") { effects.flags.insert(.definition) }
        case UInt8(ascii: "l"):
            if scanner.isWord("lock") { return lock(&scanner, &effects) }
        case UInt8(ascii: "u"):
            if scanner.isWord("unlock") { effects.flags.insert(.unlocksTables) }
        case UInt8(ascii: "f"):
            if scanner.isWord("flush") { return flush(&scanner, &effects) }
        case UInt8(ascii: "h"):
            if scanner.isWord("handler") { effects.pins.insert(.processState) }
        case UInt8(ascii: "b"):
            if scanner.isWord("backup") { effects.pins.insert(.tableLock) }
        case UInt8(ascii: "x"):
            if scanner.isWord("xa") { return xa(&scanner, &effects) }
        case UInt8(ascii: "k"):
            if scanner.isWord("kill") { return kill(&scanner, &effects) }
        case UInt8(ascii: "p"):
            if scanner.isWord("prepare") { return prepare(&scanner, &effects) }
        case UInt8(ascii: "g"):
            if scanner.isWord("get") { effects.flags.insert(.readsDiagnostics) }
        default: break
        }
        body(&scanner, &effects)
    }

    private static let semicolon = MySQLScanner.Token.symbol(UInt8(ascii: ";"))

    /// Reads the rest of a statement for words that matter wherever they stand.
    private func body(_ scanner: inout MySQLScanner, _ effects: inout MySQLEffects) {
        var previousInto = false
        var sawVariable = false
        while true {
            let token = scanner.next()
            switch token {
            case .end, MySQLClassifier.semicolon: return
            case .word:
                previousInto = scanner.isWord("into")
                word(scanner, &effects)
            case .assign: if sawVariable { effects.flags.insert(.assignsVariables) }
            case .userVariable:
                sawVariable = true
                if previousInto { effects.flags.insert(.assignsVariables) }
            case .systemVariable:
                systemVariable(scanner, &effects)
            case .quotedName, .string, .number, .symbol: break
            }
        }
    }

    private func systemVariable(_ scanner: MySQLScanner, _ effects: inout MySQLEffects) {
        let name = MySQLClassifier.bareName(scanner.string(scanner.token))
        if name == "identity" || name == "last_insert_id" { effects.flags.insert(.readsInsertID) }
        if name == "warning_count" || name == "error_count" { effects.flags.insert(.readsDiagnostics) }
    }

    @inline(__always)
    private func word(_ scanner: MySQLScanner, _ effects: inout MySQLEffects) {
        let range = scanner.token
        guard range.count >= 8 else { return }
        switch scanner.lowercasedFirst(range.lowerBound) {
        case UInt8(ascii: "g") where scanner.isWord("get_lock"): lockFunction(scanner, &effects)
        case UInt8(ascii: "l") where scanner.isWord("last_insert_id"): effects.flags.insert(.readsInsertID)
        case UInt8(ascii: "f") where scanner.isWord("found_rows"), UInt8(ascii: "r") where scanner.isWord("row_count"):
            effects.flags.insert(.readsDiagnostics)
        case UInt8(ascii: "s") where scanner.isWord("sql_calc_found_rows"): effects.flags.insert(.leavesDiagnostics)
        case UInt8(ascii: "r") where scanner.isWord("release_lock"): effects.flags.insert(.releasesLock)
        case UInt8(ascii: "r") where scanner.isWord("release_all_locks"): effects.changes.append(.unlockAll)
        default: break
        }
    }

    private func lockFunction(_ scanner: MySQLScanner, _ effects: inout MySQLEffects) {
        effects.pins.insert(.advisoryLock)
        var probe = scanner
        guard probe.next() == .symbol(UInt8(ascii: "(")), probe.next() == .string else { return }
        let name = probe.string(probe.token)
        if probe.next() == .symbol(UInt8(ascii: ",")) { effects.changes.append(.lock(name)) }
    }

    private func transactionEnd(
        _ shortcut: MySQLEffects.Shortcut, _ scanner: inout MySQLScanner, _ effects: inout MySQLEffects
    ) {
        let token = scanner.next()
        if token == .end || token == MySQLClassifier.semicolon {
            effects.shortcut = shortcut
        } else {
            body(&scanner, &effects)
        }
    }

    private func show(_ scanner: inout MySQLScanner, _ effects: inout MySQLEffects) {
        let token = scanner.next()
        if token == MySQLClassifier.semicolon { return }
        if scanner.isWord("warnings") || scanner.isWord("errors") || scanner.isWord("count") {
            effects.flags.insert(.readsDiagnostics)
        }
        body(&scanner, &effects)
    }

    private func create(_ scanner: inout MySQLScanner, _ effects: inout MySQLEffects) {
        effects.flags.insert(.definition)
        var temporary = false
        var routine = false
        for _ in 0..<12 {
            let token = scanner.next()
            if token == .end || token == MySQLClassifier.semicolon { return }
            if token == .word, scanner.isWord("temporary") { temporary = true }
            if token == .word,
                scanner.isWord("procedure") || scanner.isWord("function") || scanner.isWord("trigger")
                    || scanner.isWord("event") || scanner.isWord("package")
            {
                routine = true
                break
            }
            if temporary, token == .word, scanner.isWord("table") || scanner.isWord("sequence") {
                effects.pins.insert(.temporaryObject)
                if let name = objectName(&scanner) { effects.changes.append(.createTemporary(name)) }
                break
            }
            if token == .word, scanner.isWord("table") || scanner.isWord("view") || scanner.isWord("index") { break }
        }
        guard routine else { return body(&scanner, &effects) }
        // A routine's body is not executed now, and the semicolons in it divide nothing.
        while scanner.next() != .end {}
    }

    /// A table's name behind IF [NOT] EXISTS, without its database.
    private func objectName(_ scanner: inout MySQLScanner) -> String? {
        var token = scanner.next()
        while token == .word, scanner.isWord("if") || scanner.isWord("not") || scanner.isWord("exists") {
            token = scanner.next()
        }
        guard token == .word || token == .quotedName else { return nil }
        var name = scanner.name(scanner.token)
        var probe = scanner
        if probe.next() == .symbol(UInt8(ascii: ".")) {
            let next = probe.next()
            guard next == .word || next == .quotedName else { return nil }
            name = probe.name(probe.token)
            scanner = probe
        }
        return name
    }

    private func drop(_ scanner: inout MySQLScanner, _ effects: inout MySQLEffects) {
        effects.flags.insert(.definition)
        var token = scanner.next()
        if token == .word, scanner.isWord("prepare") {
            token = scanner.next()
            if token == .word || token == .quotedName {
                effects.changes.append(.deallocate(scanner.name(scanner.token)))
            }
            return body(&scanner, &effects)
        }
        if token == .word, scanner.isWord("temporary") { token = scanner.next() }
        if token == .word, scanner.isWord("database") || scanner.isWord("schema") {
            effects.flags.insert(.dropsDatabase)
        }
        guard token == .word, scanner.isWord("table") || scanner.isWord("tables") || scanner.isWord("sequence") else {
            if token != MySQLClassifier.semicolon { body(&scanner, &effects) }
            return
        }
        while let name = objectName(&scanner) {
            effects.changes.append(.drop(name))
            var probe = scanner
            guard probe.next() == .symbol(UInt8(ascii: ",")) else { break }
            scanner = probe
        }
        body(&scanner, &effects)
    }

    private func lock(_ scanner: inout MySQLScanner, _ effects: inout MySQLEffects) {
        let token = scanner.next()
        if token == .word, scanner.isWord("table") || scanner.isWord("tables") { effects.pins.insert(.tableLock) }
        if token != MySQLClassifier.semicolon { body(&scanner, &effects) }
    }

    private func flush(_ scanner: inout MySQLScanner, _ effects: inout MySQLEffects) {
        var tables = false
        while true {
            let token = scanner.next()
            if token == .end || token == MySQLClassifier.semicolon { return }
            if token == .word, scanner.isWord("table") || scanner.isWord("tables") { tables = true }
            if tables, token == .word, scanner.isWord("lock") || scanner.isWord("export") {
                effects.pins.insert(.tableLock)
            }
        }
    }

    private func xa(_ scanner: inout MySQLScanner, _ effects: inout MySQLEffects) {
        let token = scanner.next()
        if token == .word, scanner.isWord("start") || scanner.isWord("begin") {
            effects.pins.insert(.distributedTransaction)
        }
        if token == .word, scanner.isWord("commit") || scanner.isWord("rollback") { effects.flags.insert(.endsXA) }
        if token != MySQLClassifier.semicolon { body(&scanner, &effects) }
    }

    private func kill(_ scanner: inout MySQLScanner, _ effects: inout MySQLEffects) {
        var queryOnly = false
        var token = scanner.next()
        while token == .word {
            if scanner.isWord("query") { queryOnly = true }
            token = scanner.next()
        }
        guard token == .number, let id = UInt64(scanner.string(scanner.token)) else {
            if token != MySQLClassifier.semicolon { body(&scanner, &effects) }
            return
        }
        token = scanner.next()
        if token == .end || token == MySQLClassifier.semicolon {
            effects.shortcut = .kill(queryOnly: queryOnly, id: id)
        } else {
            body(&scanner, &effects)
        }
    }

    private func prepare(_ scanner: inout MySQLScanner, _ effects: inout MySQLEffects) {
        let start = scanner.tokenStart
        var token = scanner.next()
        guard token == .word || token == .quotedName else { return body(&scanner, &effects) }
        let name = scanner.name(scanner.token)
        token = scanner.next()
        guard token == .word, scanner.isWord("from") else { return body(&scanner, &effects) }
        token = scanner.next()
        let end = scanner.index
        var probe = scanner
        let after = probe.next()
        if token == .string, after == .end || after == MySQLClassifier.semicolon {
            effects.changes.append(.prepare(name, scanner.string(start..<end)))
            // What the text inside does happens at EXECUTE.
            body(&scanner, &effects)
        } else {
            effects.pins.insert(.processState)
            body(&scanner, &effects)
        }
    }

    private func deallocate(_ scanner: inout MySQLScanner, _ effects: inout MySQLEffects) {
        var token = scanner.next()
        if token == .word, scanner.isWord("prepare") { token = scanner.next() }
        if token == .word || token == .quotedName { effects.changes.append(.deallocate(scanner.name(scanner.token))) }
        if token != MySQLClassifier.semicolon { body(&scanner, &effects) }
    }

    /// `@@session.sql_mode`, `session.sql_mode` and the like without what stands before the name.
    private static func bareName(_ text: String) -> String {
        let lower = text.lowercased().drop { $0 == "@" }
        return String(lower.split(separator: ".").last ?? lower).filter { $0 != "`" }
    }
}

// MARK: SET

extension MySQLClassifier {
    /// One assignment of a SET statement.
    private struct Assignment {
        var isGlobal = false
        var name = ""
        var isUserVariable = false
        /// The value when it is one token, or a signed number: repeatable.
        var constant: String?
        var tokens = 0
    }

    private func set(_ scanner: inout MySQLScanner, _ effects: inout MySQLEffects) {
        var assignments = 0
        var autocommit: Bool?
        while true {
            var assignment = Assignment()
            var token = scanner.next()
            if token == .end || token == .symbol(UInt8(ascii: ";")) { return }
            assignments += 1
            if token == .word {
                if scanner.isWord("names") || scanner.isWord("charset") || scanner.isWord("character") {
                    if names(&scanner, &effects) { continue }
                    if assignments == 1 { effects.shortcut = .names }
                    return
                }
                if scanner.isWord("statement") || scanner.isWord("password") || scanner.isWord("default") {
                    return body(&scanner, &effects)
                }
                if scanner.isWord("role") {
                    // What it was before cannot be set again where a role was the account's default.
                    effects.pins.insert(.unknownSetting)
                    return body(&scanner, &effects)
                }
                if scanner.isWord("transaction") {
                    effects.flags.insert(.oneShot)
                    return body(&scanner, &effects)
                }
                let isScope =
                    scanner.isWord("session") || scanner.isWord("local") || scanner.isWord("global")
                    || scanner.isWord("persist") || scanner.isWord("persist_only")
                if isScope {
                    var probe = scanner
                    let after = probe.next()
                    if after == .word || after == .quotedName {
                        assignment.isGlobal = !(scanner.isWord("session") || scanner.isWord("local"))
                        token = after
                        scanner = probe
                    }
                }
                if scanner.isWord("transaction") {
                    // With a scope it is a variable the server reports; readers of the next word would mistake it.
                    if !assignment.isGlobal { effects.flags.insert(.setsSystemVariable) }
                    return body(&scanner, &effects)
                }
            }
            assignment.isUserVariable = token == .userVariable
            assignment.name =
                assignment.isUserVariable
                ? scanner.variableName(scanner.token) : MySQLClassifier.bareName(scanner.string(scanner.token))
            if token == .systemVariable {
                let text = scanner.string(scanner.token).lowercased()
                assignment.isGlobal = text.hasPrefix("@@global.") || text.hasPrefix("@@persist")
            } else if token == .word || token == .quotedName {
                qualified(&scanner, &assignment)
            }
            let more = value(&scanner, &assignment, &effects)
            note(assignment, &effects)
            if assignment.name == "autocommit", !assignment.isUserVariable, !assignment.isGlobal {
                autocommit = MySQLClassifier.boolean(assignment.constant)
            }
            guard more else { break }
        }
        if assignments == 1, let autocommit { effects.shortcut = .autocommit(autocommit) }
    }

    /// `session.name` and `global.name` without the at signs.
    private func qualified(_ scanner: inout MySQLScanner, _ assignment: inout Assignment) {
        var probe = scanner
        guard probe.next() == .symbol(UInt8(ascii: ".")) else { return }
        let next = probe.next()
        guard next == .word || next == .quotedName else { return }
        if assignment.name == "global" { assignment.isGlobal = true }
        assignment.name = probe.name(probe.token)
        scanner = probe
    }

    /// Reads `= expression`; true when a comma and another assignment follow.
    private func value(
        _ scanner: inout MySQLScanner, _ assignment: inout Assignment, _ effects: inout MySQLEffects
    ) -> Bool {
        var depth = 0
        var sign = ""
        while true {
            let token = scanner.next()
            switch token {
            case .end, .symbol(UInt8(ascii: ";")): return false
            case .symbol(UInt8(ascii: ",")) where depth == 0: return true
            case .assign, .symbol(UInt8(ascii: "=")):
                if assignment.tokens == 0, sign.isEmpty { continue }
                if token == .assign { effects.flags.insert(.assignsVariables) }
                assignment.tokens += 2
            case .symbol(UInt8(ascii: "-")), .symbol(UInt8(ascii: "+")):
                sign = scanner.string(scanner.token)
                if assignment.tokens > 0 { assignment.tokens += 2 }
            case .symbol(UInt8(ascii: "(")):
                depth += 1
                assignment.tokens += 2
            case .symbol(UInt8(ascii: ")")): depth -= 1
            case .number, .string, .word:
                assignment.tokens += 1
                assignment.constant = sign + scanner.string(scanner.token)
                if token == .word { word(scanner, &effects) }
            default:
                if token == .systemVariable { systemVariable(scanner, &effects) }
                assignment.tokens += 2
            }
            if assignment.tokens > 1 { assignment.constant = nil }
        }
    }

    private func note(_ assignment: Assignment, _ effects: inout MySQLEffects) {
        if assignment.isUserVariable {
            guard let constant = assignment.constant, MySQLClassifier.isRepeatable(constant) else {
                effects.flags.insert(.assignsVariables)
                return
            }
            effects.changes.append(.userVariable(assignment.name, constant))
            return
        }
        if assignment.isGlobal { return }
        effects.flags.insert(.setsSystemVariable)
        switch assignment.name {
        case "timestamp":
            let constant = assignment.constant?.lowercased()
            if constant == "default" || constant == "0" { effects.changes.append(.forget("timestamp")) }
        case "insert_id", "rand_seed1", "rand_seed2", "gtid_seq_no": effects.flags.insert(.oneShot)
        case "character_set_client", "character_set_results", "character_set_connection", "collation_connection": break
        default:
            if assignment.name.hasPrefix("session_track") { effects.flags.insert(.changesTracking) }
        }
    }

    /// A constant of one token: a number, a string, NULL, TRUE or FALSE. Other words are names.
    private static func isRepeatable(_ constant: String) -> Bool {
        guard let first = constant.utf8.first else { return false }
        if first == UInt8(ascii: "'") || first == UInt8(ascii: "\"") { return true }
        if "+-0123456789".utf8.contains(first) { return true }
        return ["null", "true", "false"].contains(constant.lowercased())
    }

    private static func boolean(_ constant: String?) -> Bool? {
        switch constant?.lowercased() {
        case "1", "on", "true", "'on'": true
        case "0", "off", "false", "'off'": false
        default: nil
        }
    }

    /// `SET NAMES x [COLLATE y]`, `SET CHARACTER SET x`; true when another assignment follows.
    private func names(_ scanner: inout MySQLScanner, _ effects: inout MySQLEffects) -> Bool {
        let start = scanner.tokenStart
        var end = scanner.index
        while true {
            let token = scanner.next()
            let more = token == .symbol(UInt8(ascii: ","))
            if more || token == .end || token == .symbol(UInt8(ascii: ";")) {
                effects.changes.append(.names(scanner.string(start..<end)))
                return more
            }
            end = scanner.index
        }
    }
}
