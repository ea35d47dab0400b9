// SPDX-License-Identifier: Apache-2.0

import MySQLWire
import NIOCore

/// What completed statements leave in the session: settings to replay, and reasons to keep the backend.
extension MySQLClientSession {
    func apply(_ effects: MySQLEffects, _ report: MySQLBackendSession.Report, on backend: MySQLBackendSession) {
        let succeeded = report.error == nil
        // A failed text may have got far enough: pins hold until the server or a drop says otherwise.
        pin(effects.pins.subtracting(succeeded ? [] : .largeStatement))
        if effects.flags.contains(.changesTracking) { pin(.unknownSetting) }
        if effects.flags.contains(.setsSystemVariable), !backend.tracks { pin(.unknownSetting) }
        if effects.flags.contains(.truncated), report.track.stateChanged { pin(.largeStatement) }
        if effects.flags.contains(.definition) { registry.forgetAll() }
        if effects.flags.contains(.dropsDatabase) { droppedDatabase = true }
        if effects.flags.contains(.oneShot), succeeded { oneShot = true }
        if !effects.flags.isDisjoint(with: [.assignsVariables, .releasesLock]) { needsAudit = true }
        let before = settings
        noteTrack(backend, ignoringNames: effects.changes.contains { if case .names = $0 { true } else { false } })
        if succeeded {
            settings = settings.changed { content in
                if let database = currentDatabase, report.track.schema == nil { content.database = database }
                for change in effects.changes { record(change, in: &content) }
            }
            for change in effects.changes { note(change) }
            if effects.flags.contains(.unlocksTables) { pins.remove(.tableLock) }
            if effects.flags.contains(.endsXA) { pins.remove(.distributedTransaction) }
        }
        noteNamelessPins(effects)
        let explained =
            !effects.changes.isEmpty || !effects.pins.isEmpty || settings != before
            || effects.flags.contains(.setsSystemVariable) || report.track.schema != nil
            || report.track.variables.contains { !MySQLClientSession.isNotReplayed($0.name) }
        let shown =
            !effects.changes.isEmpty || effects.flags.contains(.setsSystemVariable) || report.track.schema != nil
        if report.track.stateChanged, !shown {
            // A procedure did something: variables can be asked for, temporary tables cannot.
            needsAudit = true
            suspicious = !explained && !effects.flags.contains(.assignsVariables)
        }
        // The server knows whether the lock was given.
        if effects.pins.contains(.advisoryLock) { needsAudit = true }
    }

    private func record(_ change: MySQLEffects.Change, in content: inout MySQLSettings.Content) {
        switch change {
        case .names(let text):
            registry.accept(names: text)
            content.set(names: text)
        case .userVariable(let name, let constant):
            content.variables["@" + name] = constant.lowercased() == "null" ? nil : constant
        case .forget(let name): content.variables[name] = nil
        case .prepare(let name, let text): content.prepared[name] = text
        case .deallocate(let name): content.prepared[name] = nil
        case .lock, .unlockAll, .createTemporary, .drop: break
        }
    }

    private func note(_ change: MySQLEffects.Change) {
        switch change {
        case .lock(let name): lockNames.insert(name)
        case .unlockAll:
            lockNames = []
            unknownLock = false
            pins.remove(.advisoryLock)
        case .createTemporary(let name): temporaryTables.insert(name)
        case .drop(let name):
            temporaryTables.remove(name)
            if temporaryTables.isEmpty, !unknownTemporary { pins.remove(.temporaryObject) }
        case .names, .userVariable, .forget, .prepare, .deallocate: break
        }
    }

    /// Locks and temporary tables whose names the text does not show end only with the session.
    private func noteNamelessPins(_ effects: MySQLEffects) {
        if effects.pins.contains(.advisoryLock),
            !effects.changes.contains(where: { if case .lock = $0 { true } else { false } })
        {
            unknownLock = true
        }
        if effects.pins.contains(.temporaryObject),
            !effects.changes.contains(where: { if case .createTemporary = $0 { true } else { false } })
        {
            unknownTemporary = true
        }
    }

    func pin(_ reasons: PinReasons) {
        let reasons = reasons.subtracting(excusedPins)
        if reasons.isEmpty { return }
        if pins.isEmpty { pinnedBy = frontFingerprint }
        pins.formUnion(reasons)
    }

    /// Variables and schema the server reported.
    func noteTrack(_ backend: MySQLBackendSession, ignoringNames: Bool = false) {
        let track = backend.report.track
        if track.variables.isEmpty, track.schema == nil { return }
        settings = settings.changed { content in
            if let schema = track.schema { content.database = schema.isEmpty ? nil : schema }
            for (name, value) in track.variables {
                if name == "last_gtid", detour == nil {
                    position = value.filter { $0.isNumber || $0 == "-" || $0 == "," }
                    isMarked = true
                }
                if MySQLClientSession.isNotReplayed(name) || (ignoringNames && MySQLSettings.isCoveredByNames(name)) {
                    continue
                }
                content.variables[name] = MySQLText.value(value, of: name)
            }
        }
        backend.clearTrack()
    }

    /// Values that belong to one statement, or to the proxy.
    private static func isNotReplayed(_ name: String) -> Bool {
        switch name {
        case "last_insert_id", "identity", "insert_id", "rand_seed1", "rand_seed2", "gtid_seq_no", "last_gtid": true
        default: name.hasPrefix("session_track")
        }
    }

    // MARK: Audit

    /// User variables with their types, and which of the named locks this connection holds.
    var auditText: String {
        var text = """
            SELECT 'v',HEX(VARIABLE_NAME),HEX(VARIABLE_VALUE),VARIABLE_TYPE,CHARACTER_SET_NAME \
            FROM information_schema.USER_VARIABLES
            """
        for name in lockNames.sorted() {
            text += " UNION ALL SELECT 'l',HEX(\(name)),IS_USED_LOCK(\(name))<=>CONNECTION_ID(),'',''"
        }
        return text
    }

    func readAudit(_ backend: MySQLBackendSession) {
        guard backend.internalError == nil else {
            // MySQL has no such table.
            pin(suspicious ? .processState : .userVariable)
            suspicious = false
            return
        }
        var variables: [String: String] = [:]
        var held = false
        for row in backend.internalRows where row.count == 5 {
            if row[0] == "l" {
                held = held || row[2] == "1"
            } else if let name = row[1].flatMap(MySQLText.unhex), let value = row[2] {
                if let literal = MySQLText.literal(hex: value, type: row[3] ?? "", characterSet: row[4] ?? "") {
                    variables["@" + name.lowercased()] = literal
                } else {
                    pin(.userVariable)
                }
            }
        }
        if pins.contains(.advisoryLock), !unknownLock, !held {
            pins.remove(.advisoryLock)
            lockNames = []
        }
        let before = settings
        settings = settings.changed { content in
            content.variables = content.variables.filter { !$0.key.hasPrefix("@") }
                .merging(variables) { $1 }
        }
        if suspicious, settings == before { pin(.processState) }
        if variables.reduce(0, { $0 + $1.value.utf8.count }) > 64 << 10 { pin(.userVariable) }
        suspicious = false
    }
}

extension MySQLText {
    static func unhex(_ text: String) -> String? {
        var bytes: [UInt8] = []
        var rest = Substring(text)
        while let high = rest.popFirst()?.hexDigitValue {
            guard let low = rest.popFirst()?.hexDigitValue else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// An expression that has the variable's value and type again; nil when there is none that is sure to.
    static func literal(hex: String, type: String, characterSet: String) -> String? {
        guard let text = unhex(hex) else { return nil }
        let isNumber = !text.isEmpty && text.utf8.allSatisfy { "+-.0123456789eE".utf8.contains($0) }
        switch type.uppercased() {
        case "INT", "INT UNSIGNED", "DECIMAL": return isNumber ? text : nil
        case "DOUBLE": return isNumber ? (text.lowercased().contains("e") ? text : text + "e0") : nil
        default:
            // The table shows text as three-byte UTF-8, and a question mark for what that cannot hold.
            let name = characterSet.lowercased()
            guard name != "binary", !name.isEmpty, !text.contains("?") else { return nil }
            return "CONVERT(_utf8mb3 x'\(hex)' USING \(name))"
        }
    }
}
