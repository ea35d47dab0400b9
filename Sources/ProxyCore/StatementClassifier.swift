// SPDX-License-Identifier: Apache-2.0

/// What one SQL statement does to its session, as far as its text tells.
package struct StatementEffect: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case plain
        /// BEGIN, START TRANSACTION, SAVEPOINT, RELEASE.
        case transactionControl
        case commit
        case rollback
        /// ROLLBACK TO: settings made since the savepoint are gone.
        case rollbackToSavepoint
        /// `assignment` is the statement's text from the parameter's name on; it is replayed behind `SET`.
        case set(name: String, assignment: String)
        case reset(name: String)
        case resetAll
        case discardAll
        /// DISCARD PLANS, SEQUENCES or TEMP.
        case discardOther
        /// SQL-level prepared statements; the name's place in the text lets it be replaced.
        case prepare(name: String, at: Range<Int>)
        case execute(name: String, at: Range<Int>)
        case deallocate(name: String, at: Range<Int>)
        case deallocateAll
        /// CREATE, ALTER, DROP and the like: result types of prepared statements may change.
        case definition
    }

    package var kind: Kind
    /// Reasons for which the session must keep its backend once this has run.
    package var pins: PinReasons = []
    /// The statement may have changed settings in ways its text does not show, or may have ended a pin.
    package var needsAudit = false
    /// Parameters with a dot in their name that `set_config` is given; the server lists them nowhere, so that an
    /// audit has to ask for them by name.
    package var customNames: [String] = []
    /// The text it is in, without constants, if it pins: for when that has happened, and the text is gone.
    package var fingerprint = ""

    package init(_ kind: Kind, pins: PinReasons = [], needsAudit: Bool = false) {
        self.kind = kind
        self.pins = pins
        self.needsAudit = needsAudit
    }

    var isPlain: Bool { kind == .plain && pins.isEmpty && !needsAudit }

    /// The server has no prepared statements behind it.
    var forgetsStatements: Bool { kind == .discardAll || kind == .deallocateAll }
}

/// The effects of all statements of one query text.
package enum ScriptEffects: Equatable, Sendable {
    /// Nothing the proxy has to remember; by far the usual case.
    case plain
    /// One effect for each statement, in order, at least one of them not plain.
    case statements([StatementEffect])

    package var single: StatementEffect? {
        if case .statements(let effects) = self, effects.count == 1 { return effects[0] }
        return nil
    }

    /// With the fingerprint of `text` on all that pins.
    func marked(with text: UnsafeRawBufferPointer) -> ScriptEffects {
        guard case .statements(var effects) = self, effects.contains(where: { !$0.pins.isEmpty }) else { return self }
        let fingerprint = Fingerprint.of(text)
        for index in effects.indices where !effects[index].pins.isEmpty { effects[index].fingerprint = fingerprint }
        return .statements(effects)
    }
}

/// Reads a PostgreSQL query text and says what it does to the session.
///
/// One pass, no allocation for plain statements. Functions are recognised by name only: a user's function that
/// takes a session lock or sets a parameter is not seen, but a changed parameter that the server reports is (see
/// `ClientSession`). The words looked for in a statement's body are listed in `bodyWord`.
package struct StatementClassifier {
    /// With this on, `nextval`, `currval` and `lastval` pin, so that sequence functions answer as without a proxy.
    package var pinsSequences = false

    package init(pinsSequences: Bool = false) { self.pinsSequences = pinsSequences }

    package func classify(_ text: UnsafeRawBufferPointer) -> ScriptEffects {
        var scanner = SQLScanner(text)
        var effects: [StatementEffect] = []
        var plain = 0
        while true {
            let token = scanner.next()
            if token == .end { break }
            if token == .symbol(UInt8(ascii: ";")) { continue }
            let effect = statement(&scanner, first: token)
            if effect.isPlain && effects.isEmpty {
                plain += 1
                continue
            }
            while plain > 0 {
                effects.append(StatementEffect(.plain))
                plain -= 1
            }
            effects.append(effect)
        }
        return effects.isEmpty ? .plain : .statements(effects)
    }

    package func classify(_ text: String) -> ScriptEffects {
        var copy = text
        return copy.withUTF8 { classify(UnsafeRawBufferPointer($0)) }
    }

    // MARK: One statement

    /// Reads up to and including the statement's semicolon.
    private func statement(_ scanner: inout SQLScanner, first: SQLScanner.Token) -> StatementEffect {
        guard first == .word else { return body(&scanner, StatementEffect(.plain)) }
        let verb = scanner.tokenStart..<scanner.index
        switch scanner.lowercasedFirst(verb.lowerBound) {
        case UInt8(ascii: "s"):
            if scanner.spells(verb, "select") { return body(&scanner, StatementEffect(.plain)) }
            if scanner.spells(verb, "set") { return set(&scanner) }
            if scanner.spells(verb, "start") || scanner.spells(verb, "savepoint") {
                return finish(&scanner, .transactionControl)
            }
        case UInt8(ascii: "r"):
            if scanner.spells(verb, "reset") { return reset(&scanner) }
            if scanner.spells(verb, "rollback") { return rollback(&scanner) }
            if scanner.spells(verb, "release") { return finish(&scanner, .transactionControl) }
        case UInt8(ascii: "b"):
            if scanner.spells(verb, "begin") { return finish(&scanner, .transactionControl) }
        case UInt8(ascii: "e"):
            if scanner.spells(verb, "end") { return finish(&scanner, .commit) }
            if scanner.spells(verb, "execute") { return named(&scanner) { .execute(name: $0, at: $1) } }
        case UInt8(ascii: "c"):
            if scanner.spells(verb, "commit") { return finish(&scanner, .commit) }
            if scanner.spells(verb, "create") { return create(&scanner) }
            if scanner.spells(verb, "call") { return body(&scanner, StatementEffect(.plain, needsAudit: true)) }
            if scanner.spells(verb, "close") { return finish(&scanner, .plain, needsAudit: true) }
        case UInt8(ascii: "a"):
            if scanner.spells(verb, "abort") { return rollback(&scanner) }
            if scanner.spells(verb, "alter") { return finish(&scanner, .definition) }
        case UInt8(ascii: "d"):
            if scanner.spells(verb, "delete") { return body(&scanner, StatementEffect(.plain)) }
            if scanner.spells(verb, "discard") { return discard(&scanner) }
            if scanner.spells(verb, "deallocate") { return deallocate(&scanner) }
            if scanner.spells(verb, "declare") { return declare(&scanner) }
            if scanner.spells(verb, "drop") { return finish(&scanner, .definition, needsAudit: true) }
            if scanner.spells(verb, "do") { return anonymousBlock(&scanner) }
        case UInt8(ascii: "l"):
            if scanner.spells(verb, "listen") { return finish(&scanner, .plain, pins: .listen) }
            if scanner.spells(verb, "load") { return finish(&scanner, .plain, pins: .processState) }
        case UInt8(ascii: "u"):
            if scanner.spells(verb, "unlisten") { return finish(&scanner, .plain, needsAudit: true) }
        case UInt8(ascii: "p"):
            if scanner.spells(verb, "prepare") { return prepare(&scanner) }
        default: break
        }
        return body(&scanner, StatementEffect(.plain))
    }

    /// Skips to the end of the statement without looking at its words.
    private func finish(
        _ scanner: inout SQLScanner, _ kind: StatementEffect.Kind, pins: PinReasons = [], needsAudit: Bool = false
    ) -> StatementEffect {
        while true {
            let token = scanner.next()
            if token == .end || token == .symbol(UInt8(ascii: ";")) { break }
        }
        return StatementEffect(kind, pins: pins, needsAudit: needsAudit)
    }

    /// Reads the rest of a statement, adding what words in it do.
    private func body(_ scanner: inout SQLScanner, _ start: StatementEffect) -> StatementEffect {
        var effect = start
        while true {
            let token = scanner.next()
            switch token {
            case .end, .symbol(UInt8(ascii: ";")): return effect
            case .word:
                let first = scanner.lowercasedFirst(scanner.tokenStart)
                if StatementClassifier.interesting(first) {
                    bodyWord(scanner, scanner.tokenStart..<scanner.index, &effect)
                }
            case .quotedName, .string, .number, .symbol: continue
            }
        }
    }

    @inline(__always)
    private static func interesting(_ lower: UInt8) -> Bool {
        // c: currval; d: dblink_connect; i: into; l: lastval; n: nextval; p: pg_...; s: set_config, setval; t: temp
        switch lower {
        case 0x63, 0x64, 0x6c, 0x6e, 0x70, 0x73, 0x74: true
        default: false
        }
    }

    private func bodyWord(_ scanner: SQLScanner, _ word: Range<Int>, _ effect: inout StatementEffect) {
        switch word.count {
        case 4 where scanner.spells(word, "temp"), 9 where scanner.spells(word, "temporary"):
            // SELECT ... INTO TEMP; as a column name it costs one audit.
            effect.needsAudit = true
        case 6 where pinsSequences && scanner.spells(word, "setval"),
            7
        where pinsSequences
            && (scanner.spells(word, "nextval") || scanner.spells(word, "currval") || scanner.spells(word, "lastval")):
            effect.pins.insert(.sequence)
        case 7 where scanner.spells(word, "pg_temp"):
            effect.needsAudit = true
        case 10 where scanner.spells(word, "set_config"):
            effect.needsAudit = true
            if let name = StatementClassifier.customName(behind: scanner) { effect.customNames.append(name) }
        case 14... where scanner.spells(word, "dblink_connect"):
            effect.pins.insert(.processState)
        case 14... where scanner.begins(word, "dblink_connect"):
            effect.pins.insert(.processState)
        case 16...:
            guard scanner.begins(word, "pg_advisory_") || scanner.begins(word, "pg_try_advisory_") else { return }
            if scanner.begins(word, "pg_advisory_unlock") {
                effect.needsAudit = true
            } else if !scanner.begins(word, "pg_advisory_xact") && !scanner.begins(word, "pg_try_advisory_xact") {
                effect.pins.insert(.advisoryLock)
            }
        default: break
        }
    }

    // MARK: SET and RESET

    private func set(_ scanner: inout SQLScanner) -> StatementEffect {
        var token = scanner.next()
        var word = scanner.tokenStart..<scanner.index
        if token == .word, scanner.spells(word, "local") { return finish(&scanner, .plain) }
        if token == .word, scanner.spells(word, "session") {
            token = scanner.next()
            word = scanner.tokenStart..<scanner.index
            if token == .word, scanner.spells(word, "characteristics") {
                return finish(&scanner, .plain, needsAudit: true)
            }
        }
        guard token == .word || token == .quotedName else { return ended(token, &scanner) }
        if scanner.spells(word, "transaction") || scanner.spells(word, "constraints") {
            return finish(&scanner, .plain)
        }
        let start = word.lowerBound
        var name = scanner.name(word)
        if name == "authorization" {
            return assignment(&scanner, from: start, name: "session_authorization", prefix: "SESSION ")
        }
        if name == "time" { name = "timezone" }
        if name == "names" { name = "client_encoding" }
        if name == "schema" { name = "search_path" }
        if name == "role" { return assignment(&scanner, from: start, name: "role") }
        token = scanner.next()
        if token == .symbol(UInt8(ascii: ".")) {
            token = scanner.next()
            name += "." + scanner.name(scanner.tokenStart..<scanner.index)
            token = scanner.next()
        }
        if token == .end || token == .symbol(UInt8(ascii: ";")) { return StatementEffect(.plain) }
        // SET x TO DEFAULT is RESET x.
        let afterFirst = scanner.tokenStart..<scanner.index
        var probe = scanner
        var value = probe.next()
        var valueRange = probe.tokenStart..<probe.index
        if !(token == .symbol(UInt8(ascii: "=")) || scanner.spells(afterFirst, "to")
            || scanner.spells(afterFirst, "zone"))
        {
            value = token
            valueRange = afterFirst
        }
        if value == .word,
            scanner.spells(valueRange, "default") || (name == "timezone" && scanner.spells(valueRange, "local"))
        {
            return finish(&scanner, .reset(name: name))
        }
        return assignment(&scanner, from: start, name: name)
    }

    private func ended(_ token: SQLScanner.Token, _ scanner: inout SQLScanner) -> StatementEffect {
        if token == .end || token == .symbol(UInt8(ascii: ";")) { return StatementEffect(.plain) }
        return finish(&scanner, .plain)
    }

    private func assignment(
        _ scanner: inout SQLScanner, from start: Int, name: String, prefix: String = ""
    ) -> StatementEffect {
        var end = scanner.index
        while true {
            let token = scanner.next()
            if token == .end || token == .symbol(UInt8(ascii: ";")) { break }
            end = scanner.index
        }
        return StatementEffect(.set(name: name, assignment: prefix + scanner.string(start..<end)))
    }

    private func reset(_ scanner: inout SQLScanner) -> StatementEffect {
        let token = scanner.next()
        guard token == .word || token == .quotedName else { return ended(token, &scanner) }
        var name = scanner.name(scanner.tokenStart..<scanner.index)
        if name == "all" { return finish(&scanner, .resetAll) }
        if name == "time" { name = "timezone" }
        if name == "session" { name = "session_authorization" }
        if name == "transaction" { return finish(&scanner, .plain) }
        let next = scanner.next()
        if next == .symbol(UInt8(ascii: ".")) {
            _ = scanner.next()
            name += "." + scanner.name(scanner.tokenStart..<scanner.index)
            return finish(&scanner, .reset(name: name))
        }
        if next == .end || next == .symbol(UInt8(ascii: ";")) { return StatementEffect(.reset(name: name)) }
        return finish(&scanner, .reset(name: name))
    }

    // MARK: Other statements with a grammar of interest

    private func rollback(_ scanner: inout SQLScanner) -> StatementEffect {
        var kind = StatementEffect.Kind.rollback
        while true {
            let token = scanner.next()
            if token == .end || token == .symbol(UInt8(ascii: ";")) { return StatementEffect(kind) }
            if token == .word {
                let word = scanner.tokenStart..<scanner.index
                if scanner.spells(word, "to") { kind = .rollbackToSavepoint }
                if scanner.spells(word, "prepared") { kind = .transactionControl }
            }
        }
    }

    private func create(_ scanner: inout SQLScanner) -> StatementEffect {
        var effect = StatementEffect(.definition)
        var words = 0
        while true {
            let token = scanner.next()
            if token == .end || token == .symbol(UInt8(ascii: ";")) { return effect }
            guard token == .word else { continue }
            words += 1
            let word = scanner.tokenStart..<scanner.index
            if words <= 4,
                scanner.spells(word, "temp") || scanner.spells(word, "temporary") || scanner.spells(word, "pg_temp")
            {
                effect.pins.insert(.temporaryObject)
            }
            // ON COMMIT DROP: gone with the transaction.
            if !effect.pins.isEmpty, scanner.spells(word, "commit") {
                var probe = scanner
                if probe.next() == .word, probe.spells(probe.tokenStart..<probe.index, "drop") {
                    effect.pins = []
                }
            }
            // A function's body may be several statements only inside quotes or BEGIN ATOMIC.
            if scanner.spells(word, "atomic") { return atomicBody(&scanner, effect) }
        }
    }

    private func atomicBody(_ scanner: inout SQLScanner, _ effect: StatementEffect) -> StatementEffect {
        var depth = 1
        while true {
            let token = scanner.next()
            if token == .end { return effect }
            if token == .symbol(UInt8(ascii: ";")), depth <= 0 { return effect }
            guard token == .word else { continue }
            let word = scanner.tokenStart..<scanner.index
            if scanner.spells(word, "case") { depth += 1 }
            if scanner.spells(word, "end") { depth -= 1 }
        }
    }

    private func declare(_ scanner: inout SQLScanner) -> StatementEffect {
        var previousWith = false
        var effect = StatementEffect(.plain)
        while true {
            let token = scanner.next()
            if token == .end || token == .symbol(UInt8(ascii: ";")) { return effect }
            let word = scanner.tokenStart..<scanner.index
            if token == .word, previousWith, scanner.spells(word, "hold") { effect.pins.insert(.holdCursor) }
            previousWith = token == .word && scanner.spells(word, "with")
            if token == .word, StatementClassifier.interesting(scanner.lowercasedFirst(word.lowerBound)) {
                bodyWord(scanner, word, &effect)
            }
        }
    }

    private func discard(_ scanner: inout SQLScanner) -> StatementEffect {
        let token = scanner.next()
        guard token == .word else { return ended(token, &scanner) }
        let all = scanner.spells(scanner.tokenStart..<scanner.index, "all")
        return finish(&scanner, all ? .discardAll : .discardOther, needsAudit: !all)
    }

    /// A DO block's code is a string; what it does is found by asking the server afterwards.
    private func anonymousBlock(_ scanner: inout SQLScanner) -> StatementEffect {
        var effect = StatementEffect(.plain, needsAudit: true)
        while true {
            let token = scanner.next()
            if token == .end || token == .symbol(UInt8(ascii: ";")) { return effect }
            guard token == .string, var inner = scanner.insideDollarQuotes() else { continue }
            var next = inner.next()
            while next != .end {
                if next == .word { bodyWord(inner, inner.tokenStart..<inner.index, &effect) }
                next = inner.next()
            }
        }
    }

    /// The first argument of a call, if it is a constant with a dot in it.
    private static func customName(behind scanner: SQLScanner) -> String? {
        var probe = scanner
        guard probe.next() == .symbol(UInt8(ascii: "(")), probe.next() == .string else { return nil }
        let text = probe.string(probe.tokenStart..<probe.index)
        guard text.hasPrefix("'"), text.hasSuffix("'"), text.contains(".") else { return nil }
        let name = text.dropFirst().dropLast().lowercased()
        return name.contains("'") ? nil : name
    }

    private func named(
        _ scanner: inout SQLScanner, _ kind: (String, Range<Int>) -> StatementEffect.Kind
    ) -> StatementEffect {
        let token = scanner.next()
        guard token == .word || token == .quotedName else { return ended(token, &scanner) }
        let range = scanner.tokenStart..<scanner.index
        return body(&scanner, StatementEffect(kind(scanner.name(range), range)))
    }

    private func prepare(_ scanner: inout SQLScanner) -> StatementEffect {
        let token = scanner.next()
        guard token == .word || token == .quotedName else { return ended(token, &scanner) }
        let range = scanner.tokenStart..<scanner.index
        if scanner.spells(range, "transaction") { return finish(&scanner, .commit) }
        // What the body does happens at EXECUTE; remembering it there is the session's business.
        return body(&scanner, StatementEffect(.prepare(name: scanner.name(range), at: range)))
    }

    private func deallocate(_ scanner: inout SQLScanner) -> StatementEffect {
        var token = scanner.next()
        if token == .word, scanner.spells(scanner.tokenStart..<scanner.index, "prepare") { token = scanner.next() }
        guard token == .word || token == .quotedName else { return ended(token, &scanner) }
        let range = scanner.tokenStart..<scanner.index
        if token == .word, scanner.spells(range, "all") { return finish(&scanner, .deallocateAll) }
        return finish(&scanner, .deallocate(name: scanner.name(range), at: range))
    }
}
