// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import PostgresWire

/// Requests of a client without a backend: what can be answered on the spot, and what needs one.
extension ClientSession {
    /// Looks at the front of `pending`; answers the proxy can give by itself are appended to `out`.
    package func need(_ out: inout RelayOutput) throws(PostgresWireError) -> Need {
        let need = try localNeed(&out)
        return need == .backend && splitsReads && beginDetour() ? .reader : need
    }

    private func localNeed(_ out: inout RelayOutput) throws(PostgresWireError) -> Need {
        while let input = pending {
            let index = input.readerIndex
            if bodyRemaining > 0, bodyDropped {
                dropBody()
                continue
            }
            guard let header = try input.postgresHeader(at: index) else { break }
            let isWhole = header.total <= input.readableBytes
            if dropsUntilSync, header.kind != FrontendMessage.sync, header.kind != FrontendMessage.terminate {
                bodyRemaining = header.total
                bodyDropped = true
                continue
            }
            switch header.kind {
            case FrontendMessage.terminate:
                terminated = true
                return .termination
            case FrontendMessage.query:
                guard isWhole else { return header.total > ClientSession.heldTextLimit ? .backend : .bytes }
                let effects = classify(input, from: index + 5, to: index + header.total - 1)
                guard answerLocally(effects, &out) else {
                    frontEffects = effects
                    return .backend
                }
                consume(header.total)
            case FrontendMessage.sync, FrontendMessage.flush:
                guard isWhole else {
                    guard header.total <= ClientSession.heldTextLimit else {
                        throw .badLength(kind: header.kind, length: header.total)
                    }
                    return .bytes
                }
                consume(header.total)
                guard header.kind == FrontendMessage.sync else { continue }
                dropsUntilSync = false
                out.write { $0.writePostgresReady(.idle) }
            case FrontendMessage.copyData, FrontendMessage.copyDone, FrontendMessage.copyFail:
                // Left over from a COPY that failed; the server would ignore them too.
                if isWhole {
                    consume(header.total)
                } else {
                    bodyRemaining = header.total
                    bodyDropped = true
                }
            case FrontendMessage.close:
                guard isWhole else { return header.total > ClientSession.heldTextLimit ? .backend : .bytes }
                guard input.getInteger(at: index + 5, as: UInt8.self) == UInt8(ascii: "S") else { return .backend }
                closeStatement(input, from: index + 6, limit: index + header.total)
                out.write { $0.writePostgresEmpty(BackendMessage.closeComplete) }
                consume(header.total)
            case FrontendMessage.parse:
                guard isWhole else { return header.total > ClientSession.heldTextLimit ? .backend : .bytes }
                guard prepareLocally(input, from: index + 5, limit: index + header.total) else { return .backend }
                out.write { $0.writePostgresEmpty(BackendMessage.parseComplete) }
                consume(header.total)
            case FrontendMessage.bind:
                guard isWhole || header.total > ClientSession.heldTextLimit else { return .bytes }
                return .backend
            default: return .backend
            }
        }
        return .bytes
    }

    private func dropBody() {
        let count = min(bodyRemaining, pending?.readableBytes ?? 0)
        bodyRemaining -= count
        consume(count)
        if bodyRemaining == 0 { bodyDropped = false }
    }

    /// The client asks to cancel what still waits for a backend: possible for a simple query, of which nothing has run.
    package func cancelWaiting(_ out: inout RelayOutput) -> Bool {
        if !isLinked { abandonDetour() }
        guard !isLinked, let input = pending,
            let header = try? input.postgresHeader(at: input.readerIndex),
            header.kind == FrontendMessage.query, header.total <= input.readableBytes
        else { return false }
        frontEffects = nil
        detourRefused = false
        consume(header.total)
        out.write {
            ServerError(code: "57014", message: "canceling statement due to user request").write(to: &$0)
            $0.writePostgresReady(.idle)
        }
        return true
    }

    func consume(_ count: Int) {
        pending?.moveReaderIndex(forwardBy: count)
        if pending?.readableBytes == 0 { pending = nil }
    }

    func classify(_ input: ByteBuffer, from start: Int, to end: Int) -> ScriptEffects {
        let offset = start - input.readerIndex
        return input.withUnsafeReadableBytes {
            let text = UnsafeRawBufferPointer(rebasing: $0[offset..<max(offset, offset + end - start)])
            return classifier.classify(text).marked(with: text)
        }
    }

    /// A named statement that a server has accepted before needs no server to be prepared once more.
    private func prepareLocally(_ input: ByteBuffer, from start: Int, limit: Int) -> Bool {
        guard let nameEnd = input.indexOfZero(from: start, limit: limit), nameEnd > start,
            let tail = input.getSlice(at: nameEnd + 1, length: limit - nameEnd - 1),
            let statement = registry.accepted(parseTail: tail, settings: settings),
            statements.find(input, from: start, to: nameEnd) == nil,
            let name = input.getBytes(at: start, length: nameEnd - start)
        else { return false }
        statements.insert(name, statement)
        return true
    }

    func closeStatement(_ input: ByteBuffer, from start: Int, limit: Int) {
        guard let zero = input.indexOfZero(from: start, limit: limit),
            let name = input.getBytes(at: start, length: zero - start)
        else { return }
        if name.isEmpty { unnamedParse = nil } else { statements.remove(name) }
    }

    /// The server has another unnamed statement from now on, or none, so that a long one is no reason to stay any more.
    @inline(__always)
    func replaceUnnamed() {
        guard pins.contains(.largeUnnamed) else { return }
        pins.remove(.largeUnnamed)
        if pins.isEmpty { pinnedBy = "" }
    }

    /// Reset statements of drivers and pools, outside any transaction: all of the state they clear is ours.
    private func answerLocally(_ effects: ScriptEffects, _ out: inout RelayOutput) -> Bool {
        guard let effect = effects.single, effect.pins.isEmpty else { return false }
        switch effect.kind {
        case .discardAll:
            statements.removeAll()
            unnamedParse = nil
            settings = base
            reportBase(&out)
            complete("DISCARD ALL", &out)
        case .resetAll:
            let kept = settings.values.filter { $0.key == "role" || $0.key == "session_authorization" }
            settings = kept.isEmpty ? base : SessionSettings(base.values.merging(kept) { $1 })
            reportBase(&out)
            complete("RESET", &out)
        case .deallocateAll:
            statements.removeAll()
            complete("DEALLOCATE ALL", &out)
        case .deallocate(let name, _):
            guard statements.find(name) != nil else { return false }
            statements.remove(Array(name.utf8))
            complete("DEALLOCATE", &out)
        case .plain, .transactionControl, .commit, .rollback, .rollbackToSavepoint, .set, .reset, .discardOther,
            .prepare, .execute, .definition:
            return false
        }
        return true
    }

    private func complete(_ tag: String, _ out: inout RelayOutput) {
        out.write {
            $0.writePostgresCommandComplete(tag)
            $0.writePostgresReady(.idle)
        }
    }

    /// Tells the client about parameters that went back to their starting values.
    private func reportBase(_ out: inout RelayOutput) {
        for (name, value) in reported.sorted(by: { $0.key < $1.key }) {
            var initial = defaults[name] ?? value
            if case .value(let own)? = base.values[name.lowercased()] { initial = own }
            guard initial != value else { continue }
            reported[name] = initial
            out.write { $0.writePostgresParameterStatus(name, initial) }
        }
    }
}
