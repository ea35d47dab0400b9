// SPDX-License-Identifier: Apache-2.0

package import MySQLWire
package import NIOCore

/// The proxy's view of one authenticated MySQL backend connection: what it owes, what it holds, and how its bytes are cut.
///
/// Bytes go in by `receive`; those for the client come out, usually as the same buffer. Answers to commands the proxy
/// made itself are kept back. Response formats:
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html>, without CLIENT_DEPRECATE_EOF,
/// which the proxy never agrees on. A value of one event loop; not thread-safe.
package final class MySQLBackendSession {
    package enum Outcome: Equatable {
        /// Bytes moved, nothing to decide.
        case moved
        /// The client's command is answered.
        case ready
        /// The last of the proxy's own commands is done.
        case internalDone
    }

    /// What the answer to one command told.
    package struct Report {
        package var error: MySQLServerError?
        package var insertID: UInt64 = 0
        package var warnings = 0
        package var track = MySQLSessionTrack()
        /// An EOF said that the session changed; the next OK tells what.
        package var owesTrack = false
        package var cursorOpen = false
    }

    struct Expectation {
        enum Kind: Equatable {
            /// OK, EOF or ERR.
            case simple
            /// OK, ERR, a result set, or several of them.
            case query
            case prepare
            case fetch
            case fieldList
            /// One packet of any content.
            case text
        }

        var kind: Kind
        var swallowed = false
        /// Rows of a query of the proxy's own are kept.
        var captures = false
        var statement: MySQLSharedStatement?
        /// The client's number for a statement it prepares.
        var clientNumber: UInt32 = 0
    }

    private enum Phase {
        case first
        /// Column definitions and the EOF behind them: how many packets are left.
        case columns(Int)
        case rows
        /// Packets of a prepared statement's description.
        case definitions(Int)
        /// The client sends a file; an empty packet ends it.
        case file
    }

    private struct Prepared {
        var number: UInt32
        var lastUse: UInt64
        var types: ByteBuffer?
    }

    /// Longest packet that is held until it is whole; rows are never held.
    package static let heldPacketLimit = 16 << 20
    package static let preparedLimit = 500
    package static let setup =
        "SET SESSION session_track_system_variables='*', session_track_schema=ON, session_track_state_change=ON"

    package let connectionID: UInt32
    package let tracks: Bool
    package internal(set) var status: MySQLStatus
    package internal(set) var settings = MySQLSettings.none
    var queue = CircularBuffer<Expectation>(initialCapacity: 4)
    /// Of the client's command being answered.
    package internal(set) var report = Report()
    package private(set) var internalError: MySQLServerError?
    package private(set) var internalRows: [[String?]] = []
    package private(set) var internalColumns: [String] = []
    /// The GTID this reader was last seen to have.
    var followed = ""
    /// Transactions may not write: functions of a read that takes a detour must not.
    package var isReadOnly = false
    /// The client whose last insert id the server has.
    var insertOwner: ObjectIdentifier?
    var client: MySQLClientSession?
    /// Number of the packet the client got last, for an error in the middle of an answer.
    private(set) var lastSequence: UInt8 = 0
    /// The client has got the beginning of its answer.
    private(set) var answerStarted = false
    private var phase = Phase.first
    private var prepared: [UInt32: Prepared] = [:]
    private var useCounter: UInt64 = 0
    private var carry = RelayCarry()
    /// The packet before was of the largest size: the next one goes on with its payload.
    private var continues = false
    private var internalFinished = false
    private var capturedAnswer: ByteBuffer?

    package init(connectionID: UInt32, status: MySQLStatus, tracks: Bool) {
        self.connectionID = connectionID
        self.status = status
        self.tracks = tracks
    }

    package var isQuiet: Bool { queue.isEmpty && carry.isEmpty }
    package var isInTransaction: Bool { status.contains(.inTransaction) }
    var takesFile: Bool { if case .file = phase { true } else { false } }

    // MARK: Commands

    func expect(_ expectation: Expectation) {
        queue.append(expectation)
        if !expectation.swallowed {
            report = Report()
            answerStarted = false
        }
    }

    private func begin(_ kind: Expectation.Kind, captures: Bool = false) {
        internalError = nil
        internalRows = []
        internalColumns = []
        queue.append(Expectation(kind: kind, swallowed: true, captures: captures))
    }

    /// A statement of the proxy's own, whose rows end up in `internalRows`.
    package func beginStatement(_ text: String) -> ByteBuffer {
        begin(.query, captures: true)
        return MySQLBackendSession.command(.query) { $0.writeString(text) }
    }

    package func beginPing() -> ByteBuffer {
        begin(.simple)
        return MySQLBackendSession.command(.ping) { _ in }
    }

    /// Commands for all `steps`, to be sent in one go; `internalError` tells whether one failed.
    func begin(_ steps: [MySQLSettings.Step]) -> ByteBuffer {
        var bytes = ByteBuffer()
        for step in steps {
            switch step {
            case .initDatabase(let name):
                begin(.simple)
                bytes.writeImmutableBuffer(MySQLBackendSession.command(.initDatabase) { $0.writeString(name) })
            case .multiStatements(let allowed):
                begin(.simple)
                bytes.writeImmutableBuffer(
                    MySQLBackendSession.command(.setOption) {
                        $0.writeInteger(UInt16(allowed ? 0 : 1), endianness: .little)
                    })
            case .query(let text):
                begin(.query)
                bytes.writeImmutableBuffer(MySQLBackendSession.command(.query) { $0.writeString(text) })
            }
        }
        return bytes
    }

    /// Bytes that bring a connection back to its initial state, open transaction, locks, temporary tables and all.
    package func beginReset() -> ByteBuffer {
        prepared.removeAll()
        settings = .none
        insertOwner = nil
        client = nil
        begin(.simple)
        var bytes = MySQLBackendSession.command(.resetConnection) { _ in }
        bytes.writeImmutableBuffer(beginSetup())
        return bytes
    }

    /// The statement every connection starts with, and starts again with after a reset. A reset may have left a
    /// default database behind: the settings say none, and whoever gets the connection sets one.
    package func beginSetup() -> ByteBuffer {
        let text =
            tracks ? MySQLBackendSession.setup + ", NAMES utf8mb4 COLLATE utf8mb4_general_ci" : "SET NAMES utf8mb4"
        let guarded: [MySQLSettings.Step] = isReadOnly ? [.query("SET SESSION TRANSACTION READ ONLY")] : []
        return begin([.multiStatements(true), .query(text)] + guarded)
    }

    func beginPreparation(_ statement: MySQLSharedStatement) -> ByteBuffer {
        begin(.prepare)
        queue[queue.index(before: queue.endIndex)].statement = statement
        var bytes = closeOldest()
        bytes.writeImmutableBuffer(
            MySQLBackendSession.command(.prepare) { $0.writeImmutableBuffer(statement.text) })
        return bytes
    }

    static func command(_ command: MySQLCommand, _ body: (inout ByteBuffer) -> Void) -> ByteBuffer {
        var payload = ByteBuffer(integer: command.rawValue)
        body(&payload)
        var bytes = ByteBuffer()
        MySQLPacket.write(payload, sequence: 0, to: &bytes)
        return bytes
    }

    // MARK: Prepared statements

    /// The server's number for `statement`; counts as a use.
    func number(of statement: MySQLSharedStatement) -> UInt32? {
        useCounter &+= 1
        guard let index = prepared.index(forKey: statement.id) else { return nil }
        prepared.values[index].lastUse = useCounter
        return prepared.values[index].number
    }

    func types(of statement: MySQLSharedStatement) -> ByteBuffer? { prepared[statement.id]?.types }

    func setTypes(_ types: ByteBuffer?, of statement: MySQLSharedStatement) { prepared[statement.id]?.types = types }

    func forget(_ statement: MySQLSharedStatement) { prepared[statement.id] = nil }

    func clearTrack() { report.track = MySQLSessionTrack() }

    /// Whether an error could be put in the place of what is still to come.
    var isAtPacketBoundary: Bool { carry.bodyRemaining == 0 && !continues }

    /// COM_STMT_CLOSE, which has no answer, for the least recently used statement when there are too many.
    func closeOldest() -> ByteBuffer {
        guard prepared.count >= MySQLBackendSession.preparedLimit,
            let oldest = prepared.min(by: { $0.value.lastUse < $1.value.lastUse })
        else { return ByteBuffer() }
        prepared[oldest.key] = nil
        return MySQLBackendSession.command(.closeStatement) {
            $0.writeInteger(oldest.value.number, endianness: .little)
        }
    }

    package func detach(settings: MySQLSettings) {
        client = nil
        self.settings = settings
    }

    // MARK: Answers

    /// Takes bytes from the server; those meant for the client are appended to `out`.
    package func receive(_ bytes: ByteBuffer, toClient out: inout RelayOutput) throws(MySQLWireError) -> Outcome {
        var (input, index, run) = carry.take(bytes)
        let end = input.writerIndex
        var finished = false
        while index < end {
            guard let header = MySQLPacket.header(input, at: index) else { break }
            let limit = index + MySQLPacket.headerLength + header.length
            let front = queue.first
            if streams(header, input, at: index) {
                // Rows, and what goes on with one: there may be millions, and nothing about them matters.
                if limit > end, index + 5 > end { break }
                let swallowed = front?.swallowed ?? true
                if front?.captures == true {
                    if limit > end { break }
                    capture(input, index, limit)
                }
                if swallowed {
                    out.append(input, from: run, to: index)
                    run = min(limit, end)
                }
                continues = header.length == MySQLPacket.largestPayload
                lastSequence = header.sequence
                if limit > end { carry.bodyRemaining = limit - end }
                carry.bodySwallowed = swallowed
                index = min(limit, end)
                continue
            }
            guard header.length <= MySQLBackendSession.heldPacketLimit else { throw .tooLong(header.length) }
            guard limit <= end else { break }
            guard front != nil else {
                try unexpected(input, index, limit)
                run = limit
                index = limit
                continue
            }
            lastSequence = header.sequence
            var replacement: ByteBuffer?
            let forwarded = try accept(input, index, limit, &replacement, &finished)
            if !forwarded || replacement != nil {
                out.append(input, from: run, to: index)
                run = limit
            }
            if forwarded, let replacement { out.append(replacement) }
            index = limit
        }
        carry.keep(input, from: index, run: run, &out)
        if internalFinished, queue.isEmpty {
            internalFinished = false
            return .internalDone
        }
        return finished && isQuiet ? .ready : .moved
    }

    /// Whether the packet is a row, or continues one: passed on without being whole.
    @inline(__always)
    private func streams(_ header: (length: Int, sequence: UInt8), _ input: ByteBuffer, at index: Int) -> Bool {
        if continues { return true }
        guard case .rows = phase, !queue.isEmpty, header.length > 0 else { return false }
        guard let first = input.getInteger(at: index + 4, as: UInt8.self) else { return header.length >= 9 }
        return first != 0xff && (first != 0xfe || header.length >= 9)
    }

    /// A server says why it hangs up by an error nobody asked for.
    private func unexpected(_ input: ByteBuffer, _ index: Int, _ limit: Int) throws(MySQLWireError) {
        guard let payload = input.getSlice(at: index + 4, length: limit - index - 4),
            payload.getInteger(at: payload.readerIndex, as: UInt8.self) == 0xff
        else { throw .malformed }
        parting = try MySQLServerError(reading: payload)
    }

    /// What the server said when it closed the connection of its own accord.
    package private(set) var parting: MySQLServerError?

    /// Accounts for one whole packet; says whether the client gets it, or `replacement` instead of it.
    private func accept(
        _ input: ByteBuffer, _ index: Int, _ limit: Int, _ replacement: inout ByteBuffer?, _ finished: inout Bool
    ) throws(MySQLWireError) -> Bool {
        guard let front = queue.first, let payload = input.getSlice(at: index + 4, length: limit - index - 4) else {
            throw .malformed
        }
        let forwarded = !front.swallowed
        switch phase {
        case .first, .file:
            phase = .first
            try firstPacket(front, payload, input, index, &replacement)
        case .columns(let left):
            if front.captures, left > 1 { internalColumns.append(MySQLBackendSession.columnName(payload)) }
            if left > 1 {
                phase = .columns(left - 1)
            } else {
                try endOfColumns(payload)
            }
        case .rows: try endOfRows(front, payload)
        case .definitions(let left):
            if forwarded { capturedAnswer?.writeImmutableBuffer(MySQLBackendSession.packet(input, index, limit)) }
            if left > 1 { phase = .definitions(left - 1) } else { endPreparation(front) }
        }
        if !forwarded { return false }
        answerStarted = true
        if queue.isEmpty { finished = true }
        return true
    }

    private static func packet(_ input: ByteBuffer, _ index: Int, _ limit: Int) -> ByteBuffer {
        input.getSlice(at: index, length: limit - index) ?? ByteBuffer()
    }

    private func firstPacket(
        _ front: Expectation, _ payload: ByteBuffer, _ input: ByteBuffer, _ index: Int,
        _ replacement: inout ByteBuffer?
    ) throws(MySQLWireError) {
        guard let first = payload.getInteger(at: payload.readerIndex, as: UInt8.self) else { throw .malformed }
        if first == 0xff { return failed(front, try MySQLServerError(reading: payload)) }
        switch front.kind {
        case .text: finish(front)
        case .prepare: try prepareAnswer(front, payload, input, index, &replacement)
        case .fetch, .fieldList:
            // A first row, or a definition, is like any other; the end may come at once.
            if first == 0xfe, payload.readableBytes < 9 {
                try endOfRows(front, payload)
            } else {
                phase = .rows
            }
        case .simple, .query:
            if first == 0 { return try ok(front, payload, input, index, &replacement) }
            if first == 0xfe, payload.readableBytes < 9 { return try endOfRows(front, payload) }
            guard front.kind == .query else { throw .malformed }
            if first == 0xfb {
                phase = .file
                return
            }
            var rest = payload
            guard let columns = rest.readLengthEncoded(), columns > 0, columns <= 0xffff else { throw .malformed }
            phase = .columns(Int(columns) + 1)
        }
    }

    private func ok(
        _ front: Expectation, _ payload: ByteBuffer, _ input: ByteBuffer, _ index: Int,
        _ replacement: inout ByteBuffer?
    ) throws(MySQLWireError) {
        var track = MySQLSessionTrack()
        var end = payload.writerIndex
        var ok = try MySQLOK(reading: payload, track: &track, end: &end)
        status = ok.status
        status.remove([.sessionStateChanged, .moreResults])
        // What an earlier answer owed comes with the proxy's own ping.
        report.track.variables += track.variables
        if let schema = track.schema { report.track.schema = schema }
        if track.stateChanged { report.track.stateChanged = true }
        if !front.swallowed {
            if ok.lastInsertID != 0 { report.insertID = ok.lastInsertID }
            report.warnings = Int(ok.warnings)
            report.owesTrack = false
        }
        if ok.status.contains(.sessionStateChanged), !front.swallowed {
            ok.status.remove(.sessionStateChanged)
            var plain = ByteBuffer()
            ok.write(to: &plain)
            let fixed = plain.readableBytes
            if let info = payload.getSlice(at: payload.readerIndex + fixed, length: end - payload.readerIndex - fixed),
                info.readableBytes > 1
            {
                plain.writeImmutableBuffer(info)
            }
            var packet = ByteBuffer()
            MySQLPacket.write(plain, sequence: lastSequence, to: &packet)
            replacement = packet
            ok.status.insert(.sessionStateChanged)
        }
        if !ok.status.contains(.moreResults) { finish(front) }
    }

    private func endOfColumns(_ payload: ByteBuffer) throws(MySQLWireError) {
        let eof = try MySQLBackendSession.eof(payload)
        if eof.status.contains(.cursorExists) {
            status = eof.status
            report.cursorOpen = true
            if let front = queue.first { finish(front) }
        } else {
            phase = .rows
        }
    }

    private func endOfRows(_ front: Expectation, _ payload: ByteBuffer) throws(MySQLWireError) {
        if payload.getInteger(at: payload.readerIndex, as: UInt8.self) == 0xff {
            return failed(front, try MySQLServerError(reading: payload))
        }
        let eof = try MySQLBackendSession.eof(payload)
        status = eof.status
        status.remove([.moreResults, .sessionStateChanged, .lastRowSent, .cursorExists])
        if !front.swallowed {
            report.warnings = Int(eof.warnings)
            if eof.status.contains(.sessionStateChanged) { report.owesTrack = true }
            report.cursorOpen = front.kind == .fetch && !eof.status.contains(.lastRowSent)
        }
        phase = .first
        if !eof.status.contains(.moreResults) { finish(front) }
    }

    private static func eof(_ payload: ByteBuffer) throws(MySQLWireError) -> (warnings: UInt16, status: MySQLStatus) {
        var rest = payload
        guard rest.readInteger(as: UInt8.self) == 0xfe,
            let warnings = rest.readInteger(endianness: .little, as: UInt16.self),
            let status = rest.readInteger(endianness: .little, as: UInt16.self)
        else { throw .malformed }
        return (warnings, MySQLStatus(rawValue: status))
    }

    private func prepareAnswer(
        _ front: Expectation, _ payload: ByteBuffer, _ input: ByteBuffer, _ index: Int,
        _ replacement: inout ByteBuffer?
    ) throws(MySQLWireError) {
        var rest = payload
        guard rest.readInteger(as: UInt8.self) == 0,
            let number = rest.readInteger(endianness: .little, as: UInt32.self),
            let columns = rest.readInteger(endianness: .little, as: UInt16.self),
            let parameters = rest.readInteger(endianness: .little, as: UInt16.self)
        else { throw .malformed }
        if let statement = front.statement {
            statement.parameterCount = Int(parameters)
            useCounter &+= 1
            prepared[statement.id] = Prepared(number: number, lastUse: useCounter)
        }
        if !front.swallowed {
            var packet = MySQLBackendSession.packet(input, index, payload.writerIndex - payload.readerIndex + index + 4)
            packet.setInteger(
                front.clientNumber, at: packet.readerIndex + MySQLSharedStatement.numberOffset, endianness: .little)
            replacement = packet
            capturedAnswer = packet
        }
        let packets = (columns > 0 ? Int(columns) + 1 : 0) + (parameters > 0 ? Int(parameters) + 1 : 0)
        if packets == 0 { endPreparation(front) } else { phase = .definitions(packets) }
    }

    private func endPreparation(_ front: Expectation) {
        if !front.swallowed, let answer = capturedAnswer, answer.readableBytes <= MySQLSharedStatement.longestAnswer,
            client?.isPinned != true
        {
            front.statement?.answer = answer
        }
        capturedAnswer = nil
        finish(front)
    }

    private func failed(_ front: Expectation, _ error: MySQLServerError) {
        if front.swallowed { internalError = internalError ?? error } else { report.error = error }
        finish(front)
    }

    private func finish(_ front: Expectation) {
        phase = .first
        queue.removeFirst()
        if front.swallowed { internalFinished = true }
    }

    // MARK: Rows of the proxy's own queries

    private func capture(_ input: ByteBuffer, _ index: Int, _ limit: Int) {
        guard var rest = input.getSlice(at: index + 4, length: limit - index - 4), internalRows.count < 10_000 else {
            return
        }
        var row: [String?] = []
        while rest.readableBytes > 0 {
            if rest.getInteger(at: rest.readerIndex, as: UInt8.self) == 0xfb {
                rest.moveReaderIndex(forwardBy: 1)
                row.append(nil)
            } else {
                guard let text = rest.readLengthEncodedString() else { return }
                row.append(text)
            }
        }
        internalRows.append(row)
    }

    /// The fifth string of a column definition.
    private static func columnName(_ payload: ByteBuffer) -> String {
        var rest = payload
        for _ in 0..<4 where rest.readLengthEncodedBytes() == nil { return "" }
        return rest.readLengthEncodedString() ?? ""
    }
}
