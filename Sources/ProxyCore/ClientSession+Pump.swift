// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import PostgresWire

/// Requests on their way to the linked backend.
///
/// Messages nothing in which changes are passed on as slices of what was read. Statement names are replaced by the
/// pool's own; a statement the backend lacks is prepared first, in the same write.
extension ClientSession {
    /// State of one turn: bytes in `run ..< index` go out unchanged.
    private struct Turn {
        let input: ByteBuffer
        var index: Int
        var run: Int
        let end: Int
        var out: RelayOutput

        @inline(__always)
        mutating func cut(to next: Int) {
            out.append(input, from: run, to: index)
            run = next
            index = next
        }
    }

    /// Passes on as many of the pending bytes as possible. Ends early when the client says goodbye (`terminated`).
    package func pump(
        toBackend: inout RelayOutput, toClient: inout RelayOutput
    ) throws(PostgresWireError) {
        guard case .active = phase, let backend, let input = pending else { return }
        var turn = Turn(
            input: input, index: input.readerIndex, run: input.readerIndex, end: input.writerIndex, out: toBackend)
        toBackend = RelayOutput()
        if bodyRemaining > 0 {
            let count = min(bodyRemaining, turn.end - turn.index)
            bodyRemaining -= count
            turn.index += count
            if bodyDropped { turn.run = turn.index }
            if bodyRemaining == 0 { bodyDropped = false }
        }
        while turn.index < turn.end, !terminated, !holdsBehindForget {
            guard let header = try input.postgresHeader(at: turn.index) else { break }
            guard try accept(header, &turn, backend) else { break }
        }
        if turn.run == input.readerIndex, turn.index == turn.end, turn.out.isEmpty {
            turn.out.append(input)
        } else {
            turn.out.append(input, from: turn.run, to: turn.index)
        }
        // What is left is copied: a slice would keep the whole read alive, and grow with each append.
        pending = turn.index < turn.end ? input.getSlice(at: turn.index, length: turn.end - turn.index) : nil
        toBackend = turn.out
        backend.settle(&toClient)
    }

    /// Handles the message at `turn.index`; false when more of it is needed.
    @inline(__always)
    private func accept(
        _ header: MessageHeader, _ turn: inout Turn, _ backend: BackendSession
    ) throws(PostgresWireError) -> Bool {
        let limit = turn.index + header.total
        if backend.skipsUntilSync {
            if header.kind == FrontendMessage.terminate {
                terminated = true
                return false
            }
            if header.kind != FrontendMessage.sync {
                drop(limit, &turn)
                return true
            }
            backend.skipsUntilSync = false
        }
        if limit > turn.end, header.total > ClientSession.heldTextLimit, Self.isShort(header.kind) {
            throw .badLength(kind: header.kind, length: header.total)
        }
        switch header.kind {
        case FrontendMessage.query: return query(header, limit, &turn, backend)
        case FrontendMessage.parse: return try parse(header, limit, &turn, backend)
        case FrontendMessage.bind: return try bind(header, limit, &turn, backend)
        case FrontendMessage.describe: return try describe(header, limit, &turn, backend)
        case FrontendMessage.execute:
            guard limit <= turn.end else { return false }
            let detail = executeDetail(turn.input, turn.index + 5, limit)
            if let detail, detail.effects.contains(where: \.forgetsStatements) { forgetsInBatch = true }
            backend.expect(Expectation(.execute, detail: detail))
            turn.index = limit
        case FrontendMessage.close: return try close(header, limit, &turn, backend)
        case FrontendMessage.sync:
            if !backend.copyIn { backend.expect(Expectation(.sync)) }
            if forgetsInBatch {
                forgetsInBatch = false
                holdsBehindForget = true
            }
            pass(limit, &turn)
        case FrontendMessage.functionCall:
            backend.expect(Expectation(.functionCall))
            pass(limit, &turn)
        case FrontendMessage.copyDone, FrontendMessage.copyFail:
            if backend.copyIn {
                backend.copyIn = false
            } else if !backend.queue.isEmpty {
                backend.expect(Expectation(.copyEnd))
            }
            pass(limit, &turn)
        case FrontendMessage.copyData, FrontendMessage.flush: pass(limit, &turn)
        case FrontendMessage.terminate:
            terminated = true
            return false
        default: throw .unexpected(kind: header.kind)
        }
        return true
    }

    /// Messages of a name or two; a longer one would hold the backend for nothing.
    private static func isShort(_ kind: UInt8) -> Bool {
        kind == FrontendMessage.execute || kind == FrontendMessage.describe || kind == FrontendMessage.close
    }

    @inline(__always)
    private func pass(_ limit: Int, _ turn: inout Turn) {
        if limit > turn.end {
            bodyRemaining = limit - turn.end
            bodyDropped = false
            turn.index = turn.end
        } else {
            turn.index = limit
        }
    }

    private func drop(_ limit: Int, _ turn: inout Turn) {
        if limit > turn.end {
            bodyRemaining = limit - turn.end
            bodyDropped = true
        }
        turn.cut(to: min(limit, turn.end))
    }

    // MARK: Simple query

    private func query(
        _ header: MessageHeader, _ limit: Int, _ turn: inout Turn, _ backend: BackendSession
    ) -> Bool {
        backend.unnamedOwner = nil
        if limit > turn.end {
            guard header.total > ClientSession.heldTextLimit else { return false }
            replaceUnnamed()
            // Too long to read: pass it on, and ask the server afterwards what it did to the session.
            needsAudit = true
            backend.expect(Expectation(.query))
            pass(limit, &turn)
            return true
        }
        replaceUnnamed()
        let effects = frontEffects ?? classify(turn.input, from: turn.index + 5, to: limit - 1)
        frontEffects = nil
        guard case .statements(let list) = effects else {
            backend.expect(Expectation(.query))
            turn.index = limit
            return true
        }
        let detail = ExpectationDetail()
        detail.effects = list
        holdsBehindForget = list.contains(where: \.forgetsStatements)
        if let text = rewritten(list, turn.input, turn.index + 5, limit - 1, detail, &turn, backend, inBatch: false) {
            turn.cut(to: limit)
            turn.out.write { $0.writePostgresQuery(text) }
        } else {
            turn.index = limit
        }
        backend.expect(Expectation(.query, detail: detail))
        return true
    }

    /// The text of a query with SQL-level names of prepared statements replaced; nil when it stays as it is.
    private func rewritten(
        _ effects: [StatementEffect], _ input: ByteBuffer, _ start: Int, _ end: Int, _ detail: ExpectationDetail,
        _ turn: inout Turn, _ backend: BackendSession, inBatch: Bool
    ) -> String? {
        var replacements: [(range: Range<Int>, name: String)] = []
        for (offset, effect) in effects.enumerated() {
            switch effect.kind {
            case .execute(let name, let range), .deallocate(let name, let range):
                guard let statement = statements.find(name) else { continue }
                ensure(statement, &turn, backend, inBatch: inBatch)
                replacements.append((range, statement.serverName))
            case .prepare(let name, let range):
                guard effects.count == 1 else {
                    // One of several statements: leave it as it is, and stay on this backend.
                    detail.effects[offset].pins.insert(.processState)
                    detail.effects[offset].fingerprint = input.withUnsafeReadableBytes {
                        let from = start - input.readerIndex
                        return Fingerprint.of(UnsafeRawBufferPointer(rebasing: $0[from..<(from + end - start)]))
                    }
                    continue
                }
                if statements.find(name) != nil {
                    var error = ByteBuffer()
                    ServerError(code: "42P05", message: "prepared statement \"\(name)\" already exists").write(
                        to: &error)
                    detail.replacementError = error
                    guard let statement = statements.find(name) else { continue }
                    ensure(statement, &turn, backend, inBatch: inBatch)
                    replacements.append((range, statement.serverName))
                    continue
                }
                let text = input.getString(at: start, length: end - start) ?? ""
                let statement = registry.statement { splice(text, [(range, $0)]) }
                statements.insert(Array(name.utf8), statement)
                detail.clientName = Array(name.utf8)
                detail.statement = statement
                backend.remember(statement)
                replacements.append((range, statement.serverName))
            case .plain, .transactionControl, .commit, .rollback, .rollbackToSavepoint, .set, .reset, .resetAll,
                .discardAll, .discardOther, .deallocateAll, .definition:
                continue
            }
        }
        guard !replacements.isEmpty, let text = input.getString(at: start, length: end - start) else { return nil }
        return splice(text, replacements)
    }

    private func splice(_ text: String, _ replacements: [(range: Range<Int>, name: String)]) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var at = 0
        for (range, name) in replacements where range.lowerBound >= at && range.upperBound <= bytes.count {
            result += bytes[at..<range.lowerBound]
            result += name.utf8
            at = range.upperBound
        }
        result += bytes[at...]
        return String(decoding: result, as: UTF8.self)
    }

    /// Prepares `statement` on the backend if it lacks it, ahead of what comes next.
    private func ensure(
        _ statement: SharedStatement, _ turn: inout Turn, _ backend: BackendSession, inBatch: Bool = true
    ) {
        if backend.has(statement) { return }
        turn.cut(to: turn.index)
        let detail = ExpectationDetail()
        detail.statement = statement
        turn.out.write {
            if inBatch { backend.makeRoomForPreparation(&$0) }
            statement.writePreparation(to: &$0)
        }
        switch statement.origin {
        case .parse:
            backend.expect(Expectation(.parse, swallowed: true, detail: detail))
            if !inBatch {
                turn.out.write { $0.writePostgresEmpty(FrontendMessage.sync) }
                backend.expect(Expectation(.sync, swallowed: true))
            }
        case .sql: backend.expect(Expectation(.query, swallowed: true))
        }
        backend.remember(statement)
    }

    // MARK: Extended query

    private func parse(
        _ header: MessageHeader, _ limit: Int, _ turn: inout Turn, _ backend: BackendSession
    ) throws(PostgresWireError) -> Bool {
        let start = turn.index + 5
        if limit > turn.end {
            guard header.total > ClientSession.heldTextLimit, start < turn.end else { return false }
            parseLarge(header, isUnnamed: turn.input.getInteger(at: start, as: UInt8.self) == 0, backend)
            pass(limit, &turn)
            return true
        }
        guard let nameEnd = turn.input.indexOfZero(from: start, limit: limit),
            let textEnd = turn.input.indexOfZero(from: nameEnd + 1, limit: limit)
        else { throw .malformed(kind: header.kind) }
        if nameEnd == start {
            parseUnnamed(nameEnd + 1, textEnd, limit, &turn, backend)
            return true
        }
        guard let tail = turn.input.getSlice(at: nameEnd + 1, length: limit - nameEnd - 1),
            let name = turn.input.getBytes(at: start, length: nameEnd - start)
        else { throw .malformed(kind: header.kind) }
        if let existing = statements.find(turn.input, from: start, to: nameEnd) {
            refuseDuplicate(name, existing, limit, &turn, backend)
            return true
        }
        let input = turn.input
        let statement = registry.statement(
            parseTail: tail, effects: self.classify(input, from: nameEnd + 1, to: textEnd))
        statements.insert(name, statement)
        turn.cut(to: limit)
        let detail = ExpectationDetail()
        if backend.has(statement) {
            var answer = ByteBuffer()
            answer.writePostgresEmpty(BackendMessage.parseComplete)
            detail.bytes = answer
            backend.expect(Expectation(.emit, detail: detail))
            return true
        }
        turn.out.write {
            backend.makeRoomForPreparation(&$0)
            statement.writePreparation(to: &$0)
        }
        detail.clientName = name
        detail.statement = statement
        backend.expect(Expectation(.parse, detail: detail))
        backend.remember(statement)
        return true
    }

    /// Too long to keep: it stays on this backend under the client's own name.
    private func parseLarge(_ header: MessageHeader, isUnnamed: Bool, _ backend: BackendSession) {
        if pins.isEmpty { pinnedBy = "Parse of \(header.total) bytes" }
        if isUnnamed {
            pins.insert(.largeUnnamed)
            unnamedParse = nil
            unnamedEffects = .plain
            // Whoever had one here before has it no more.
            backend.unnamedOwner = nil
        } else {
            pins.insert(.largeStatement)
        }
        needsAudit = true
        backend.expect(Expectation(.parse))
    }

    /// The server must refuse the batch; it does when asked for a name it has, and the client reads its own name.
    private func refuseDuplicate(
        _ name: [UInt8], _ existing: SharedStatement, _ limit: Int, _ turn: inout Turn, _ backend: BackendSession
    ) {
        ensure(existing, &turn, backend)
        turn.cut(to: limit)
        turn.out.write { existing.writePreparation(to: &$0) }
        let detail = ExpectationDetail()
        var error = ByteBuffer()
        let text = String(decoding: name, as: UTF8.self)
        ServerError(code: "42P05", message: "prepared statement \"\(text)\" already exists").write(to: &error)
        detail.replacementError = error
        backend.expect(Expectation(.parse, detail: detail))
    }

    private func parseUnnamed(
        _ textStart: Int, _ textEnd: Int, _ limit: Int, _ turn: inout Turn, _ backend: BackendSession
    ) {
        replaceUnnamed()
        let effects = classify(turn.input, from: textStart, to: textEnd)
        unnamedEffects = effects
        unnamedSerial &+= 1
        backend.unnamedOwner = ObjectIdentifier(self)
        backend.unnamedSerial = unnamedSerial
        if case .statements(let list) = effects {
            let detail = ExpectationDetail()
            detail.effects = list
            if let text = rewritten(list, turn.input, textStart, textEnd, detail, &turn, backend, inBatch: true) {
                let types = turn.input.getSlice(at: textEnd + 1, length: limit - textEnd - 1) ?? ByteBuffer()
                var message = ByteBuffer()
                message.writePostgresMessage(FrontendMessage.parse) {
                    $0.writeInteger(UInt8(0))
                    $0.writePostgresString(text)
                    $0.writeImmutableBuffer(types)
                }
                unnamedParse = message
                turn.cut(to: limit)
                turn.out.append(message)
                backend.expect(Expectation(.parse))
                return
            }
        }
        // A copy of its own, so that the whole read is not kept alive by it.
        unnamedParse = turn.input.getSlice(at: turn.index, length: limit - turn.index)
            .map { ByteBuffer(bytes: $0.readableBytesView) }
        backend.expect(Expectation(.parse))
        turn.index = limit
    }

    /// Repeats the client's unnamed Parse if another client's, or none, is on this backend.
    private func ensureUnnamed(_ turn: inout Turn, _ backend: BackendSession) {
        if backend.unnamedOwner == ObjectIdentifier(self), backend.unnamedSerial == unnamedSerial { return }
        guard let message = unnamedParse else { return }
        turn.cut(to: turn.index)
        turn.out.append(message)
        backend.expect(Expectation(.parse, swallowed: true))
        backend.unnamedOwner = ObjectIdentifier(self)
        backend.unnamedSerial = unnamedSerial
    }

    private func bind(
        _ header: MessageHeader, _ limit: Int, _ turn: inout Turn, _ backend: BackendSession
    ) throws(PostgresWireError) -> Bool {
        let start = turn.index + 5
        let available = min(limit, turn.end)
        guard let portalEnd = turn.input.indexOfZero(from: start, limit: available),
            let nameEnd = turn.input.indexOfZero(from: portalEnd + 1, limit: available)
        else {
            guard limit > turn.end, header.total > 0, turn.end - turn.index < 4096 else {
                throw .malformed(kind: header.kind)
            }
            return false
        }
        var effects = ScriptEffects.plain
        if nameEnd == portalEnd + 1 {
            ensureUnnamed(&turn, backend)
            effects = unnamedEffects
            note(effects, portal: start, portalEnd, turn.input)
            backend.expect(Expectation(.bind))
            pass(limit, &turn)
            return true
        }
        guard let statement = statements.find(turn.input, from: portalEnd + 1, to: nameEnd) else {
            note(.plain, portal: start, portalEnd, turn.input)
            backend.expect(Expectation(.bind))
            pass(limit, &turn)
            return true
        }
        effects = statement.effects
        note(effects, portal: start, portalEnd, turn.input)
        ensure(statement, &turn, backend)
        let name = statement.serverName
        let messageStart = turn.index
        turn.cut(to: available)
        let input = turn.input
        turn.out.write { out in
            out.writeInteger(FrontendMessage.bind)
            out.writeInteger(UInt32(header.total - 1 + name.utf8.count - (nameEnd - portalEnd - 1)))
            out.appendView(of: input, from: messageStart + 5, to: portalEnd + 1)
            out.writeString(name)
            out.appendView(of: input, from: nameEnd, to: available)
        }
        if limit > turn.end {
            bodyRemaining = limit - turn.end
            bodyDropped = false
        }
        backend.expect(Expectation(.bind))
        return true
    }

    @inline(__always)
    private func note(_ effects: ScriptEffects, portal start: Int, _ end: Int, _ input: ByteBuffer) {
        if start == end {
            portalEffects = effects
        } else if effects != .plain || !namedPortalEffects.isEmpty,
            let name = input.getString(at: start, length: end - start)
        {
            namedPortalEffects[name] = effects
        }
    }

    @inline(__always)
    private func executeDetail(_ input: ByteBuffer, _ start: Int, _ limit: Int) -> ExpectationDetail? {
        var effects = portalEffects
        if input.getInteger(at: start, as: UInt8.self) != 0 {
            if namedPortalEffects.isEmpty { return nil }
            guard let (name, _) = input.postgresString(at: start, limit: limit) else { return nil }
            effects = namedPortalEffects[name] ?? .plain
        }
        guard case .statements(let list) = effects else { return nil }
        let detail = ExpectationDetail()
        detail.effects = list
        return detail
    }

    private func describe(
        _ header: MessageHeader, _ limit: Int, _ turn: inout Turn, _ backend: BackendSession
    ) throws(PostgresWireError) -> Bool {
        guard limit <= turn.end else { return false }
        let start = turn.index + 6
        if turn.input.getInteger(at: turn.index + 5, as: UInt8.self) == UInt8(ascii: "S") {
            guard let nameEnd = turn.input.indexOfZero(from: start, limit: limit) else {
                throw .malformed(kind: header.kind)
            }
            if nameEnd == start {
                ensureUnnamed(&turn, backend)
            } else if let statement = statements.find(turn.input, from: start, to: nameEnd) {
                ensure(statement, &turn, backend)
                turn.cut(to: limit)
                turn.out.write { out in
                    out.writePostgresMessage(FrontendMessage.describe) {
                        $0.writeInteger(UInt8(ascii: "S"))
                        $0.writePostgresString(statement.serverName)
                    }
                }
                backend.expect(Expectation(.describe))
                return true
            }
        }
        backend.expect(Expectation(.describe))
        turn.index = limit
        return true
    }

    private func close(
        _ header: MessageHeader, _ limit: Int, _ turn: inout Turn, _ backend: BackendSession
    ) throws(PostgresWireError) -> Bool {
        guard limit <= turn.end else { return false }
        guard turn.input.getInteger(at: turn.index + 5, as: UInt8.self) == UInt8(ascii: "S") else {
            backend.expect(Expectation(.close))
            turn.index = limit
            return true
        }
        let start = turn.index + 6
        if pins.contains(.largeStatement), limit - start > 1,
            statements.find(turn.input, from: start, to: limit - 1) == nil
        {
            // It may be one that went by unread, which the server has under the client's own name.
            backend.expect(Expectation(.close))
            turn.index = limit
            return true
        }
        // The statement stays prepared for others; the client hears what it would hear from the server.
        closeStatement(turn.input, from: turn.index + 6, limit: limit)
        turn.cut(to: limit)
        let detail = ExpectationDetail()
        var answer = ByteBuffer()
        answer.writePostgresEmpty(BackendMessage.closeComplete)
        detail.bytes = answer
        backend.expect(Expectation(.emit, detail: detail))
        return true
    }
}

extension ByteBuffer {
    /// Copies `source[start ..< end]` behind what is here.
    @inline(__always)
    fileprivate mutating func appendView(of source: ByteBuffer, from start: Int, to end: Int) {
        guard end > start, let slice = source.getSlice(at: start, length: end - start) else { return }
        writeImmutableBuffer(slice)
    }
}
