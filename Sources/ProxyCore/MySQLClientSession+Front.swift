// SPDX-License-Identifier: Apache-2.0

package import MySQLWire
import NIOCore

/// The client's commands, one after the other: answered here, or on their way to the backend.
extension MySQLClientSession {
    /// The command at the front of `pending`.
    private struct Front {
        var command: UInt8
        /// Where its payload begins, and how long the first packet of it is.
        var start: Int
        var length: Int
        var sequence: UInt8
        /// Bytes of that packet's payload that are there.
        var available: Int
        var isWhole: Bool { available == length && length < MySQLPacket.largestPayload }
    }

    /// Moves the client's bytes until something is missing; see `Need`.
    package func advanceFront(
        toBackend: inout RelayOutput, toClient: inout RelayOutput
    ) throws(MySQLWireError) -> Need {
        while true {
            if !passBody(&toBackend) { return .bytes }
            if let backend, !backend.queue.isEmpty {
                if backend.takesFile, !fileEnded, try passFile(&toBackend) { continue }
                return .bytes
            }
            switch phase {
            case .unlinked, .active: break
            case .synchronising, .preparing, .settling, .auditing, .following: return .bytes
            }
            guard let front = try readFront() else { return .bytes }
            if let need = try process(front, &toBackend, &toClient) { return need }
        }
    }

    /// The rest of a command that is being passed on, or dropped; false when more has to come.
    private func passBody(_ out: inout RelayOutput) -> Bool {
        while bodyRemaining > 0 || bodyContinues {
            guard var input = pending else { return false }
            if bodyRemaining == 0 {
                guard let header = MySQLPacket.header(input, at: input.readerIndex) else { return false }
                if !bodyDropped { out.append(input, from: input.readerIndex, to: input.readerIndex + 4) }
                input.moveReaderIndex(forwardBy: 4)
                bodyRemaining = header.length
                bodyContinues = header.length == MySQLPacket.largestPayload
                answerSequence = header.sequence &+ 1
            }
            let count = min(bodyRemaining, input.readableBytes)
            if !bodyDropped { out.append(input, from: input.readerIndex, to: input.readerIndex + count) }
            input.moveReaderIndex(forwardBy: count)
            bodyRemaining -= count
            pending = input.readableBytes > 0 ? input : nil
            if bodyRemaining > 0 { return false }
        }
        bodyDropped = false
        return true
    }

    /// One packet of a file the server asked for; the empty one is the last.
    private func passFile(_ out: inout RelayOutput) throws(MySQLWireError) -> Bool {
        guard var input = pending, let header = MySQLPacket.header(input, at: input.readerIndex) else { return false }
        out.append(input, from: input.readerIndex, to: input.readerIndex + 4)
        input.moveReaderIndex(forwardBy: 4)
        pending = input.readableBytes > 0 ? input : nil
        bodyRemaining = header.length
        fileEnded = header.length == 0
        return true
    }

    private func readFront() throws(MySQLWireError) -> Front? {
        guard let pending, let header = MySQLPacket.header(pending, at: pending.readerIndex) else { return nil }
        guard header.length > 0 else { throw .malformed }
        let start = pending.readerIndex + 4
        guard let command = pending.getInteger(at: start, as: UInt8.self) else { return nil }
        let available = min(header.length, pending.writerIndex - start)
        let wanted: Int
        switch MySQLCommand(rawValue: command) {
        case .query, .prepare, .execute: wanted = min(header.length, MySQLClientSession.heldTextLimit)
        case .sendLongData: wanted = min(header.length, 7)
        default:
            guard header.length <= MySQLClientSession.heldCommandLimit else { throw .tooLong(header.length) }
            wanted = header.length
        }
        guard available >= wanted else { return nil }
        return Front(
            command: command, start: start, length: header.length, sequence: header.sequence, available: available)
    }

    /// Nil when the front command is dealt with and the next may be looked at.
    private func process(
        _ front: Front, _ toBackend: inout RelayOutput, _ toClient: inout RelayOutput
    ) throws(MySQLWireError) -> Need? {
        answerSequence = front.sequence &+ 1
        switch MySQLCommand(rawValue: front.command) {
        case .quit: return .termination
        case .ping: answerOK(front, &toClient)
        case .query: return query(front, &toBackend, &toClient)
        case .prepare: return prepare(front, &toBackend, &toClient)
        case .execute: return try execute(front, &toBackend, &toClient)
        case .fetch: return try fetch(front, &toBackend, &toClient)
        case .sendLongData: return try sendLongData(front, &toBackend)
        case .closeStatement: try closeStatement(front, &toBackend)
        case .resetStatement: return try resetStatement(front, &toBackend, &toClient)
        case .initDatabase:
            guard isLinked else { return .backend(last: false) }
            currentDatabase = pending?.getString(at: front.start + 1, length: front.length - 1)
            forward(front, .simple, MySQLEffects(), &toBackend)
        case .setOption: setOption(front, &toClient)
        case .resetConnection:
            let dirty = isLinked
            reset(to: base)
            if dirty { abandonBackend() }
            answerOK(front, &toClient)
            if dirty { return .releaseForReset }
        case .changeUser:
            guard let payload = pending?.getSlice(at: front.start, length: front.length) else { return .bytes }
            drop(front)
            return .changeUser(payload)
        case .processKill:
            guard let id = pending?.getInteger(at: front.start + 1, endianness: .little, as: UInt32.self) else {
                throw .malformed
            }
            if !killPassed { return .kill(queryOnly: false, id: UInt64(id)) }
            guard isLinked else { return .backend(last: false) }
            forward(front, .simple, MySQLEffects(), &toBackend)
        case .fieldList, .statistics:
            guard isLinked else { return .backend(last: false) }
            forward(
                front, MySQLCommand(rawValue: front.command) == .statistics ? .text : .fieldList, MySQLEffects(),
                &toBackend)
        case nil:
            answer(MySQLServerError(code: 1047, state: "08S01", message: "Unknown command"), &toClient)
            drop(front)
        }
        return nil
    }

    // MARK: Answers of the proxy's own

    private func drop(_ front: Front) {
        frontEffects = nil
        killPassed = false
        guard var input = pending else { return }
        let end = front.start + front.available
        input.moveReaderIndex(to: end)
        pending = input.readableBytes > 0 ? input : nil
        bodyRemaining = front.length - front.available
        bodyContinues = front.length == MySQLPacket.largestPayload
        bodyDropped = bodyRemaining > 0 || bodyContinues
    }

    private func answerOK(_ front: Front, _ out: inout RelayOutput) {
        var payload = ByteBuffer()
        MySQLOK(status: localStatus).write(to: &payload)
        out.write { MySQLPacket.write(payload, sequence: answerSequence, to: &$0) }
        drop(front)
    }

    func answer(_ error: MySQLServerError, _ out: inout RelayOutput) {
        var payload = ByteBuffer()
        error.write(to: &payload)
        out.write { MySQLPacket.write(payload, sequence: answerSequence, to: &$0) }
    }

    private func setOption(_ front: Front, _ out: inout RelayOutput) {
        let option = pending?.getInteger(at: front.start + 1, endianness: .little, as: UInt16.self) ?? 1
        let wanted = settings.changed { $0.multiStatements = option == 0 }
        settings = wanted
        base = base.changed { $0.multiStatements = option == 0 }
        // A linked backend is told before the next text that could matter.
        if let backend, backend.settings.content.multiStatements != (option == 0) { multiStatementsStale = true }
        var payload = ByteBuffer(integer: UInt8(0xfe))
        payload.writeInteger(UInt16(0))
        payload.writeInteger(localStatus.rawValue, endianness: .little)
        out.write { MySQLPacket.write(payload, sequence: answerSequence, to: &$0) }
        drop(front)
    }

    /// The command at the front will not be carried out: `error` is its answer.
    func refuseFront(_ error: MySQLServerError, _ out: inout RelayOutput) {
        guard let front = try? readFront() else { return }
        answer(error, &out)
        drop(front)
    }

    /// The client waits for a backend no longer.
    package func refuse(_ error: MySQLServerError, toClient out: inout RelayOutput) { refuseFront(error, &out) }

    package func answerKill(_ error: MySQLServerError?, toClient out: inout RelayOutput) {
        guard let front = try? readFront() else { return }
        if let error {
            answer(error, &out)
            drop(front)
        } else {
            answerOK(front, &out)
        }
    }

    /// The number is not one of the proxy's: the server may know it.
    package func passKill() { killPassed = true }

    // MARK: Statements

    /// Passes the front command on; its answer is expected.
    private func forward(
        _ front: Front, _ kind: MySQLBackendSession.Expectation.Kind, _ effects: MySQLEffects,
        _ out: inout RelayOutput, statement: MySQLSharedStatement? = nil, number: UInt32 = 0
    ) {
        guard let backend else { return }
        current = effects
        backend.expect(.init(kind: kind, statement: statement, clientNumber: number))
        send(front, &out)
    }

    /// Moves what is there of the front packet to `out`; the rest follows by `passBody`.
    private func send(_ front: Front, _ out: inout RelayOutput) {
        guard var input = pending else { return }
        let begin = input.readerIndex
        let end = front.start + front.available
        if end == input.writerIndex {
            out.append(input)
            pending = nil
        } else {
            out.append(input, from: begin, to: end)
            input.moveReaderIndex(to: end)
            pending = input
        }
        frontEffects = nil
        killPassed = false
        bodyRemaining = front.length - front.available
        bodyContinues = front.length == MySQLPacket.largestPayload
    }

    private func classify(_ front: Front) -> MySQLEffects {
        if let frontEffects { return frontEffects }
        guard let pending else { return MySQLEffects() }
        let mode = self.mode
        let count = front.available - 1
        let (effects, fingerprint) = pending.withUnsafeReadableBytes { bytes in
            let from = front.start + 1 - pending.readerIndex
            let text = UnsafeRawBufferPointer(rebasing: bytes[from..<(from + count)])
            let effects = MySQLClassifier().effects(of: text, mode: mode, truncated: !front.isWhole)
            let mayPin = !effects.isPlain || front.command != MySQLCommand.query.rawValue
            return (effects, mayPin ? Fingerprint.ofMySQL(text) : "")
        }
        // What pins without words that show it is a procedure.
        frontFingerprint = fingerprint.isEmpty ? "CALL or other statement with effects of its own" : fingerprint
        frontEffects = effects
        return effects
    }

    private func query(_ front: Front, _ toBackend: inout RelayOutput, _ toClient: inout RelayOutput) -> Need? {
        let effects = classify(front)
        if let shortcut = effects.shortcut {
            if case .kill(let queryOnly, let id) = shortcut, !killPassed { return .kill(queryOnly: queryOnly, id: id) }
            if !isLinked, takeShortcut(shortcut, effects) {
                answerOK(front, &toClient)
                return nil
            }
        }
        guard let backend else {
            if splitsReads, front.isWhole, let text = pending?.getSlice(at: front.start + 1, length: front.length - 1),
                beginDetour(text, effects, packet: MySQLPacket.headerLength + front.length)
            {
                return .reader
            }
            return .backend(last: effects.flags.contains(.readsDiagnostics))
        }
        if prepareSession(effects, backend, &toBackend) { return .bytes }
        forward(front, .query, effects, &toBackend)
        return nil
    }

    /// What needs no server: there is no transaction to end, and the setting is made when there is a backend.
    private func takeShortcut(_ shortcut: MySQLEffects.Shortcut, _ effects: MySQLEffects) -> Bool {
        switch shortcut {
        case .commit, .rollback: return true
        case .autocommit(let on):
            settings = settings.changed { content in
                let isDefault = defaultStatus.contains(.autocommit) == on
                content.variables["autocommit"] = isDefault ? nil : on ? "'ON'" : "'OFF'"
            }
            return true
        case .names:
            guard case .names(let text)? = effects.changes.first, effects.changes.count == 1,
                registry.hasAccepted(names: text)
            else { return false }
            settings = settings.changed { $0.set(names: text) }
            return true
        case .kill: return false
        }
    }

    /// What has to be done on the backend before a statement; true when something was sent and its answer is awaited.
    private func prepareSession(
        _ effects: MySQLEffects, _ backend: MySQLBackendSession, _ out: inout RelayOutput
    ) -> Bool {
        if multiStatementsStale {
            multiStatementsStale = false
            phase = .preparing
            out.append(backend.begin([.multiStatements(settings.content.multiStatements)]))
            return true
        }
        guard effects.flags.contains(.readsInsertID) else { return false }
        let home = ObjectIdentifier(backend)
        if insertHome == home, backend.insertOwner == ObjectIdentifier(self) { return false }
        insertHome = home
        backend.insertOwner = ObjectIdentifier(self)
        phase = .preparing
        out.append(backend.begin([.query("SET last_insert_id=\(lastInsertID)")]))
        return true
    }

    private func prepare(_ front: Front, _ toBackend: inout RelayOutput, _ toClient: inout RelayOutput) -> Need? {
        guard front.length <= MySQLClientSession.heldTextLimit,
            let text = pending?.getSlice(at: front.start + 1, length: front.length - 1)
        else {
            answer(
                MySQLServerError(
                    code: 1105, state: "HY000",
                    message: "The proxy prepares statements of up to \(MySQLClientSession.heldTextLimit) bytes"),
                &toClient)
            drop(front)
            return nil
        }
        let number = nextStatement
        if !isPinned, let known = registry.find(text, under: settings), var answer = known.answer {
            answer.setInteger(
                number, at: answer.readerIndex + MySQLSharedStatement.numberOffset, endianness: .little)
            toClient.append(answer)
            add(known)
            drop(front)
            return nil
        }
        guard let backend else { return .backend(last: false) }
        let shared = registry.add(text, under: settings, effects: classify(front))
        if backend.number(of: shared) != nil, isPinned { backend.forget(shared) }
        toBackend.append(backend.closeOldest())
        forward(front, .prepare, MySQLEffects(), &toBackend, statement: shared, number: number)
        add(shared)
        return nil
    }

    private func add(_ shared: MySQLSharedStatement) {
        statements[nextStatement] = MySQLClientStatement(id: nextStatement, shared: shared)
        nextStatement = nextStatement == UInt32.max >> 1 ? 1 : nextStatement + 1
    }

    private func unknownStatement(_ front: Front, _ name: String, _ out: inout RelayOutput) -> Need? {
        let number = statementNumber(front) ?? 0
        answer(
            MySQLServerError(
                code: 1243, state: "HY000",
                message: "Unknown prepared statement handler (\(number)) given to \(name)"), &out)
        drop(front)
        return nil
    }

    private func statementNumber(_ front: Front) -> UInt32? {
        front.available >= 5 ? pending?.getInteger(at: front.start + 1, endianness: .little, as: UInt32.self) : nil
    }

    /// The backend's number for a statement; nil while it is being prepared there, which has been begun.
    private func serverNumber(
        _ statement: MySQLClientStatement, _ backend: MySQLBackendSession, _ out: inout RelayOutput
    ) -> UInt32? {
        if let number = backend.number(of: statement.shared) { return number }
        phase = .preparing
        out.append(backend.beginPreparation(statement.shared))
        return nil
    }

    private func setNumber(_ number: UInt32, _ front: Front) {
        pending?.setInteger(number, at: front.start + 1, endianness: .little)
    }

    private func execute(
        _ front: Front, _ toBackend: inout RelayOutput, _ toClient: inout RelayOutput
    ) throws(MySQLWireError) -> Need? {
        guard let id = statementNumber(front), front.available >= 10 else { throw .malformed }
        guard let statement = statements[id] else { return unknownStatement(front, "mysqld_stmt_execute", &toClient) }
        let effects = statement.shared.effects
        guard let backend else {
            // Not with a cursor, which would stay open on the reader.
            let isWithoutCursor = pending?.getInteger(at: front.start + 5, as: UInt8.self) == 0
            if splitsReads, front.isWhole, isWithoutCursor, !longData.contains(id),
                beginDetour(statement.shared.text, effects, packet: MySQLPacket.headerLength + front.length)
            {
                return .reader
            }
            return .backend(last: effects.flags.contains(.readsDiagnostics))
        }
        if prepareSession(effects, backend, &toBackend) { return .bytes }
        guard let number = serverNumber(statement, backend, &toBackend) else { return .bytes }
        var front = front
        try bindTypes(statement, backend, &front)
        setNumber(number, front)
        currentStatement = statement
        if !effects.pins.isEmpty || !effects.flags.isEmpty {
            frontFingerprint = statement.shared.text.withUnsafeReadableBytes { Fingerprint.ofMySQL($0) }
        }
        forward(front, .query, effects, &toBackend)
        return nil
    }

    /// Parameter types are sent once and remembered by the server, which may be another one now: put them back.
    private func bindTypes(
        _ statement: MySQLClientStatement, _ backend: MySQLBackendSession, _ front: inout Front
    ) throws(MySQLWireError) {
        let count = statement.shared.parameterCount
        if count == 0 { return }
        let flag = front.start + 10 + (count + 7) / 8
        guard let input = pending, flag < front.start + front.available,
            let bound = input.getInteger(at: flag, as: UInt8.self)
        else { throw .malformed }
        if bound == 1 {
            guard flag + 1 + 2 * count <= front.start + front.available,
                let types = input.getSlice(at: flag + 1, length: 2 * count)
            else { throw .malformed }
            // A copy of its own: the slice would keep the whole read alive.
            let kept = ByteBuffer(bytes: types.readableBytesView)
            statement.types = kept
            backend.setTypes(kept, of: statement.shared)
            return
        }
        guard let types = statement.types, backend.types(of: statement.shared) != types else { return }
        let length = front.length + types.readableBytes
        guard length < MySQLPacket.largestPayload else { throw .tooLong(length) }
        var packet = ByteBuffer()
        packet.writeInteger(UInt32(front.sequence) << 24 | UInt32(length), endianness: .little)
        packet.writeImmutableBuffer(input.getSlice(at: front.start, length: flag - front.start) ?? ByteBuffer())
        packet.writeInteger(UInt8(1))
        packet.writeImmutableBuffer(types)
        packet.writeImmutableBuffer(
            input.getSlice(at: flag + 1, length: input.writerIndex - flag - 1) ?? ByteBuffer())
        backend.setTypes(types, of: statement.shared)
        pending = packet
        front.start = packet.readerIndex + 4
        front.length = length
        front.available += types.readableBytes
    }

    private func fetch(
        _ front: Front, _ toBackend: inout RelayOutput, _ toClient: inout RelayOutput
    ) throws(MySQLWireError) -> Need? {
        guard let id = statementNumber(front) else { throw .malformed }
        guard let statement = statements[id], let backend, let number = backend.number(of: statement.shared) else {
            return unknownStatement(front, "mysqld_stmt_fetch", &toClient)
        }
        setNumber(number, front)
        currentStatement = statement
        forward(front, .fetch, MySQLEffects(), &toBackend)
        return nil
    }

    private func sendLongData(_ front: Front, _ toBackend: inout RelayOutput) throws(MySQLWireError) -> Need? {
        guard let id = statementNumber(front) else { throw .malformed }
        guard let statement = statements[id] else {
            // It has no answer, not even an error.
            drop(front)
            return nil
        }
        guard let backend else { return .backend(last: false) }
        guard let number = serverNumber(statement, backend, &toBackend) else { return .bytes }
        setNumber(number, front)
        longData.insert(id)
        send(front, &toBackend)
        return nil
    }

    private func closeStatement(_ front: Front, _ toBackend: inout RelayOutput) throws(MySQLWireError) {
        guard let id = statementNumber(front) else { throw .malformed }
        if let statement = statements.removeValue(forKey: id), openCursor == id || longData.contains(id),
            let backend, let number = backend.number(of: statement.shared)
        {
            // The statement stays prepared for others, without what this client left in it.
            backend.forget(statement.shared)
            toBackend.append(
                MySQLBackendSession.command(.closeStatement) { $0.writeInteger(number, endianness: .little) })
        }
        if openCursor == id { openCursor = nil }
        longData.remove(id)
        drop(front)
    }

    private func resetStatement(
        _ front: Front, _ toBackend: inout RelayOutput, _ toClient: inout RelayOutput
    ) throws(MySQLWireError) -> Need? {
        guard let id = statementNumber(front) else { throw .malformed }
        guard let statement = statements[id] else { return unknownStatement(front, "mysqld_stmt_reset", &toClient) }
        guard let backend, let number = backend.number(of: statement.shared) else {
            answerOK(front, &toClient)
            return nil
        }
        setNumber(number, front)
        currentStatement = statement
        forward(front, .simple, MySQLEffects(), &toBackend)
        return nil
    }
}
