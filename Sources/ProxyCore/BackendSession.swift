// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import PostgresWire

/// The proxy's view of one authenticated backend connection: what it owes, what it holds, and how its bytes are cut.
///
/// Bytes go in by `receive`; those for the client come out, usually as the same buffer. Answers to requests the proxy
/// made itself are kept back. A value of one event loop; not thread-safe.
///
/// Invariants: `queue` lists unanswered requests in the order sent; the connection may be given to another client only
/// when `isQuiet` and `status == .idle`.
package final class BackendSession {
    /// What a turn of `receive` brought about.
    package enum Outcome: Equatable {
        /// Bytes moved, nothing to decide.
        case moved
        /// ReadyForQuery has come and nothing is owed any more.
        case ready
        /// The proxy's own query is done.
        case internalDone
    }

    /// Longest message that is held until it is whole (errors, row descriptions); data is never held.
    package static let heldMessageLimit = 64 << 20
    /// Most statements kept prepared on one backend; the least recently used is closed.
    package static let preparedLimit = 500

    package internal(set) var queue = CircularBuffer<Expectation>(initialCapacity: 8)
    package internal(set) var status = TransactionStatus.idle
    package internal(set) var settings = SessionSettings.none
    package internal(set) var reported: [String: String]
    package internal(set) var fatal: ServerError?
    package let processID: UInt32
    package let secret: [UInt8]
    /// Requests answered and not yet counted.
    private var answered = 0

    /// How far the reader's replay was when it was asked last; bytes of the writer's log.
    var replayed: UInt64 = 0

    /// The client it works for; nil while it is in the pool.
    var client: ClientSession?
    /// After an error the server ignores everything up to the next Sync, and so do we.
    var skipsUntilSync = false
    /// The server takes COPY data.
    var copyIn = false
    /// The client whose unnamed statement was parsed here last, and which of its statements that was.
    var unnamedOwner: ObjectIdentifier?
    var unnamedSerial: UInt64 = 0
    private var prepared: [UInt32: UInt64] = [:]
    private var useCounter: UInt64 = 0

    private var carry = RelayCarry()
    private var internalFinished = false

    package init(reported: [String: String], processID: UInt32, secret: [UInt8]) {
        self.reported = reported
        self.processID = processID
        self.secret = secret
    }

    /// Nothing is owed and no message is half received.
    package var isQuiet: Bool { queue.isEmpty && carry.isEmpty }

    /// The client has been sent the beginning of a message.
    var isMidMessage: Bool { carry.bodyRemaining > 0 && !carry.bodySwallowed }

    /// An error or COPY has the server waiting for something only the client can send.
    package var isMidBatch: Bool { skipsUntilSync || copyIn }

    package var isInRecovery: Bool? { reported["in_hot_standby"].map { $0 == "on" } }

    // MARK: Requests

    /// How many of the client's requests have been answered since this was asked last.
    package func takeAnswered() -> Int {
        defer { answered = 0 }
        return answered
    }

    @inline(__always)
    func expect(_ expectation: Expectation) { queue.append(expectation) }

    /// Whether `statement` is prepared here; counts as a use.
    @inline(__always)
    func has(_ statement: SharedStatement) -> Bool {
        useCounter &+= 1
        guard let index = prepared.index(forKey: statement.id) else { return false }
        prepared.values[index] = useCounter
        return true
    }

    func remember(_ statement: SharedStatement) {
        useCounter &+= 1
        prepared[statement.id] = useCounter
    }

    func forget(_ statement: SharedStatement) { prepared[statement.id] = nil }

    func forgetPrepared() { prepared.removeAll() }

    /// Closes the least recently used statement when there are too many; call only inside an extended-query batch.
    func makeRoomForPreparation(_ out: inout ByteBuffer) {
        guard prepared.count >= BackendSession.preparedLimit,
            let oldest = prepared.min(by: { $0.value < $1.value })?.key
        else { return }
        prepared[oldest] = nil
        out.writePostgresMessage(FrontendMessage.close) {
            $0.writeInteger(UInt8(ascii: "S"))
            $0.writePostgresString("bp\(oldest)")
        }
        expect(Expectation(.close, swallowed: true))
    }

    /// Asks something on the proxy's own account; the answer's rows end up in the detail that `internalDone` announces.
    func beginInternalQuery(_ text: String, capturing: Bool) -> (ByteBuffer, ExpectationDetail) {
        var bytes = ByteBuffer()
        bytes.writePostgresQuery(text)
        let detail = ExpectationDetail()
        if capturing { detail.rows = [] }
        expect(Expectation(.query, swallowed: true, detail: detail))
        return (bytes, detail)
    }

    /// Unlinks the client; returns the settings the connection now runs under.
    package func detach(settings: SessionSettings) {
        client = nil
        self.settings = settings
    }

    /// Bytes that bring a connection a pinned client leaves back to its initial state.
    package func beginReset() -> ByteBuffer {
        forgetPrepared()
        settings = .none
        unnamedOwner = nil
        client = nil
        return beginInternalQuery("DISCARD ALL", capturing: false).0
    }

    /// Runs a statement of the proxy's own with nobody's settings, such as the pool's initial query.
    package func beginStatement(_ text: String) -> ByteBuffer {
        beginInternalQuery(text, capturing: true).0
    }

    /// The error, if any, of the proxy's own query that just finished, and the rows it gave.
    package private(set) var internalError: ServerError?
    package private(set) var internalRows: [[String?]] = []

    // MARK: Answers

    /// Takes bytes from the server; those meant for the client are appended to `out`.
    package func receive(
        _ bytes: ByteBuffer, toClient out: inout RelayOutput
    ) throws(PostgresWireError) -> Outcome {
        var (input, index, run) = carry.take(bytes)
        let end = input.writerIndex
        var sawReady = false
        while index < end {
            guard let header = try input.postgresHeader(at: index) else { break }
            let limit = index + header.total
            // Rows first: there may be millions, and nothing about them matters.
            if header.kind == BackendMessage.dataRow || header.kind == BackendMessage.copyData,
                let front = queue.first, !front.swallowed
            {
                if limit > end { carry.bodyRemaining = limit - end }
                carry.bodySwallowed = false
                index = min(limit, end)
                continue
            }
            if limit > end, BackendSession.isHeldWhole(header.kind) || (queue.first?.swallowed ?? true) {
                guard header.total <= BackendSession.heldMessageLimit else {
                    throw .badLength(kind: header.kind, length: header.total)
                }
                break
            }
            let before = queue.count
            let forwarded = try accept(header, input, index, limit, end, &out, &run)
            if header.kind == BackendMessage.ready { sawReady = true }
            if !forwarded {
                out.append(input, from: run, to: index)
                run = min(limit, end)
            }
            if limit > end {
                carry.bodyRemaining = limit - end
                carry.bodySwallowed = !forwarded
            }
            index = min(limit, end)
            if before != queue.count, let front = queue.first, front.kind == .emit || front.kind == .copyEnd {
                out.append(input, from: run, to: index)
                run = index
                settle(&out)
            }
        }
        carry.keep(input, from: index, run: run, &out)
        if internalFinished, isQuiet {
            internalFinished = false
            return .internalDone
        }
        return sawReady && isQuiet ? .ready : .moved
    }

    /// Messages that end a request, or have to be read, are looked at only when whole.
    @inline(__always)
    private static func isHeldWhole(_ kind: UInt8) -> Bool {
        switch kind {
        case BackendMessage.dataRow, BackendMessage.copyData, BackendMessage.notice, BackendMessage.functionResult,
            BackendMessage.notification, BackendMessage.parameterDescription:
            false
        default: true
        }
    }

    /// Sends what was waiting for its place in the order of answers.
    func settle(_ out: inout RelayOutput) {
        while let front = queue.first, front.kind == .emit || front.kind == .copyEnd {
            if let bytes = front.detail?.bytes { out.append(bytes) }
            queue.removeFirst()
        }
    }

    /// Accounts for one message; says whether the client gets it.
    private func accept(
        _ header: MessageHeader, _ input: ByteBuffer, _ index: Int, _ limit: Int, _ end: Int,
        _ out: inout RelayOutput, _ run: inout Int
    ) throws(PostgresWireError) -> Bool {
        let front = queue.first
        let forwarded = !(front?.swallowed ?? (client == nil))
        switch header.kind {
        case BackendMessage.parseComplete: return try pop(.parse, header)
        case BackendMessage.bindComplete: return try pop(.bind, header)
        case BackendMessage.closeComplete: return try pop(.close, header)
        case BackendMessage.noData, BackendMessage.rowDescription:
            if front?.kind == .describe { return try pop(.describe, header) }
            return forwarded
        case BackendMessage.commandComplete, BackendMessage.emptyQuery, BackendMessage.portalSuspended:
            return commandComplete(header, input, index, limit)
        case BackendMessage.dataRow:
            guard let front else { throw .unexpected(kind: header.kind) }
            if let detail = front.detail, detail.rows != nil, let row = input.postgresTextRow(at: index, limit: limit) {
                detail.rows?.append(row)
            }
            return forwarded
        case BackendMessage.ready: return try readyForQuery(header, input, index)
        case BackendMessage.error: return try errorResponse(header, input, index, limit, &out, &run)
        case BackendMessage.parameterStatus: return try parameterStatus(header, input, index, limit)
        case BackendMessage.notice, BackendMessage.notification: return client != nil && forwarded
        case BackendMessage.copyIn:
            enterCopyIn()
            return forwarded
        case BackendMessage.copyOut, BackendMessage.copyData, BackendMessage.copyDone, BackendMessage.functionResult,
            BackendMessage.parameterDescription:
            guard front != nil else { throw .unexpected(kind: header.kind) }
            return forwarded
        default: throw .unexpected(kind: header.kind)
        }
    }

    /// The front request is answered.
    private func pop(_ kind: Expectation.Kind, _ header: MessageHeader) throws(PostgresWireError) -> Bool {
        guard let front = queue.first, front.kind == kind else { throw .unexpected(kind: header.kind) }
        queue.removeFirst()
        if kind == .parse, let statement = front.detail?.statement { statement.acceptedUnder = client?.settings }
        return !front.swallowed
    }

    private func commandComplete(_ header: MessageHeader, _ input: ByteBuffer, _ index: Int, _ limit: Int) -> Bool {
        guard let front = queue.first else { return client != nil }
        if let detail = front.detail, detail.completed < detail.effects.count,
            header.kind == BackendMessage.commandComplete
        {
            let effect = detail.effects[detail.completed]
            detail.completed += 1
            // COMMIT of a failed transaction answers ROLLBACK.
            let rolledBack = input.getInteger(at: index + 5, as: UInt8.self) == UInt8(ascii: "R")
            client?.completed(effect, rolledBack: rolledBack, detail: detail, on: self)
        }
        if front.kind == .execute { queue.removeFirst() }
        return !front.swallowed
    }

    private func readyForQuery(
        _ header: MessageHeader, _ input: ByteBuffer, _ index: Int
    ) throws(PostgresWireError) -> Bool {
        guard header.total == 6, let byte = input.getInteger(at: index + 5, as: UInt8.self),
            let status = TransactionStatus(rawValue: byte)
        else { throw .malformed(kind: header.kind) }
        guard let front = queue.first, front.kind == .sync || front.kind == .query || front.kind == .functionCall
        else { throw .unexpected(kind: header.kind) }
        queue.removeFirst()
        self.status = status
        copyIn = false
        if front.swallowed {
            if let detail = front.detail {
                internalRows = detail.rows ?? []
                if !detail.error { internalError = nil }
                internalFinished = true
            }
            return false
        }
        answered &+= 1
        client?.readyForQuery(status, on: self)
        return true
    }

    private func errorResponse(
        _ header: MessageHeader, _ input: ByteBuffer, _ index: Int, _ limit: Int, _ out: inout RelayOutput,
        _ run: inout Int
    ) throws(PostgresWireError) -> Bool {
        let error = try ServerError(body: input, from: index + 5, limit: limit)
        if error.severity == "FATAL" || error.severity == "PANIC" {
            fatal = error
            return false
        }
        guard let front = queue.first else { return client != nil }
        copyIn = false
        if front.swallowed, front.kind == .query {
            front.detail?.error = true
            internalError = error
            return false
        }
        client?.failed()
        if front.kind == .query || front.kind == .functionCall {
            if let detail = front.detail { client?.failed(detail) }
            return replaced(front.detail, input, index, &out, &run)
        }
        // Extended protocol: everything up to the next Sync is answered by this error.
        let replacement = front.detail
        while let next = queue.first, next.kind != .sync {
            if let detail = next.detail {
                if let statement = detail.statement { forget(statement) }
                client?.failed(detail)
            }
            queue.removeFirst()
        }
        if queue.isEmpty { skipsUntilSync = true }
        return replaced(replacement, input, index, &out, &run)
    }

    /// Puts the proxy's own wording in the place of an error that would show a server-side statement name.
    private func replaced(
        _ detail: ExpectationDetail?, _ input: ByteBuffer, _ index: Int, _ out: inout RelayOutput, _ run: inout Int
    ) -> Bool {
        guard let bytes = detail?.replacementError else { return true }
        out.append(input, from: run, to: index)
        run = index
        out.append(bytes)
        return false
    }

    private func parameterStatus(
        _ header: MessageHeader, _ input: ByteBuffer, _ index: Int, _ limit: Int
    ) throws(PostgresWireError) -> Bool {
        guard let (name, next) = input.postgresString(at: index + 5, limit: limit),
            let (value, _) = input.postgresString(at: next, limit: limit)
        else { throw .malformed(kind: header.kind) }
        reported[name] = value
        guard let client, !(queue.first?.swallowed ?? false) else { return false }
        client.serverReported(name, value)
        return true
    }

    /// The server ignores Flush and Sync while it takes COPY data, so they will not be answered.
    private func enterCopyIn() {
        guard queue.count > 1 else {
            copyIn = true
            return
        }
        var kept = CircularBuffer<Expectation>(initialCapacity: queue.count)
        var ended = false
        for (offset, expectation) in queue.enumerated() {
            if offset > 0, !ended {
                if expectation.kind == .copyEnd {
                    ended = true
                    continue
                }
                if expectation.kind == .sync { continue }
            }
            kept.append(expectation)
        }
        queue = kept
        copyIn = !ended
    }
}
