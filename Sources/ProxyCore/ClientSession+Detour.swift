// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PostgresWire

/// One read of a client that is logged in to the writer, on its way over a reader.
///
/// The answer is withheld until it is whole or `answerLimit` long. Up to then everything can be undone: a reader that
/// refuses the read, fails it, or is lost has shown the client nothing, and the writer is asked instead.
struct Detour {
    /// The client's bytes, as they came, and those behind them that wait for their turn.
    var request: ByteBuffer
    var rest: ByteBuffer?
    /// Statements the request prepares.
    var names: [[UInt8]]
    var answer = RelayOutput()
    /// The client has seen part of the answer.
    var isShown = false
    var failed = false
    /// How often the reader has been asked whether it is as far as the client.
    var asked = 0

    /// Longest answer that is kept back.
    static let answerLimit = 64 << 10
    /// Longest request that takes a detour, as a copy of it is kept.
    static let requestLimit = 64 << 10
    /// The reader is asked so many times, `pause` apart, before the writer is.
    static let askMost = 6
    static let pauseSeconds = 0.005
}

/// Reads outside transactions may run on a reader that has replayed what this session wrote.
extension ClientSession {
    package var isOnDetour: Bool { detour != nil }

    /// Looks whether the front of `pending` is a read, and if so prepares for it to run on a reader, alone.
    func beginDetour() -> Bool {
        guard splitsReads, hasReaders, isMarked, !detourRefused, let input = pending, bodyRemaining == 0,
            !dropsUntilSync,
            let (length, names) = readLength(input), length <= Detour.requestLimit,
            let request = input.getSlice(at: input.readerIndex, length: length)
        else { return false }
        let rest = input.getSlice(at: input.readerIndex + length, length: input.readableBytes - length)
        detour = Detour(request: request, rest: rest?.readableBytes == 0 ? nil : rest, names: names)
        pending = request
        return true
    }

    /// The length of the read at the front of `input`: one Query, or messages up to a Sync. Nil when it is none, or not
    /// whole.
    private func readLength(_ input: ByteBuffer) -> (Int, [[UInt8]])? {
        var index = input.readerIndex
        var parsed: [[UInt8]: Bool] = [:]
        while let header = try? input.postgresHeader(at: index), index + header.total <= input.writerIndex {
            let body = index + 5
            let limit = index + header.total
            switch header.kind {
            case FrontendMessage.query:
                let first = index == input.readerIndex
                return first && isRead(input, from: body, to: limit - 1) ? (header.total, []) : nil
            case FrontendMessage.parse:
                guard let nameEnd = input.indexOfZero(from: body, limit: limit),
                    let textEnd = input.indexOfZero(from: nameEnd + 1, limit: limit),
                    let name = input.getBytes(at: body, length: nameEnd - body),
                    statements.find(input, from: body, to: nameEnd) == nil,
                    isRead(input, from: nameEnd + 1, to: textEnd)
                else { return nil }
                parsed[name] = true
            case FrontendMessage.bind:
                guard let portalEnd = input.indexOfZero(from: body, limit: limit),
                    let nameEnd = input.indexOfZero(from: portalEnd + 1, limit: limit),
                    let name = input.getBytes(at: portalEnd + 1, length: nameEnd - portalEnd - 1),
                    parsed[name] ?? isReadStatement(named: name)
                else { return nil }
            case FrontendMessage.describe:
                guard input.getInteger(at: body, as: UInt8.self) == UInt8(ascii: "P") || !parsed.isEmpty else {
                    return nil
                }
            case FrontendMessage.execute: break
            case FrontendMessage.sync:
                return index > input.readerIndex ? (limit - input.readerIndex, parsed.keys.filter { !$0.isEmpty }) : nil
            default: return nil
            }
            index = limit
        }
        return nil
    }

    private func isRead(_ input: ByteBuffer, from start: Int, to end: Int) -> Bool {
        guard end >= start, classify(input, from: start, to: end) == .plain else { return false }
        let offset = start - input.readerIndex
        return input.withUnsafeReadableBytes {
            ReadText.isRead(postgres: UnsafeRawBufferPointer(rebasing: $0[offset..<(offset + end - start)]))
        }
    }

    private func isReadStatement(named name: [UInt8]) -> Bool {
        if name.isEmpty {
            // Type, length, and the zero that ends the empty name.
            guard let message = unnamedParse,
                let end = message.indexOfZero(from: message.readerIndex + 6, limit: message.writerIndex)
            else { return false }
            return isRead(message, from: message.readerIndex + 6, to: end)
        }
        guard let statement = name.withUnsafeBytes({ statements.find($0) }), case .parse(let tail) = statement.origin,
            let end = tail.indexOfZero(from: tail.readerIndex, limit: tail.writerIndex)
        else { return false }
        return isRead(tail, from: tail.readerIndex, to: end)
    }

    // MARK: How far the reader is

    /// Whether `backend` is known to have replayed what this session wrote.
    func isCaughtUp(_ backend: BackendSession) -> Bool { backend.replayed >= position }

    /// The question that brings `isCaughtUp` up to date; the second time and later it gives the reader a moment first.
    func positionQuestion(_ backend: BackendSession) -> ByteBuffer {
        let pause = (detour?.asked ?? 0) > 0 ? ", pg_catalog.pg_sleep(\(Detour.pauseSeconds))" : ""
        detour?.asked += 1
        // The sleep's column comes first in evaluation, the position is read behind it.
        let text =
            "SELECT (SELECT pg_catalog.pg_last_wal_replay_lsn() - '0/0'::pg_catalog.pg_lsn FROM (SELECT 1\(pause)) pause)"
        return backend.beginInternalQuery(text, capturing: true).0
    }

    /// Where the last record ends. The insert position alone may be behind the header of a page that has no record yet,
    /// where no replay ever gets.
    static let writerPositionQuestion = """
        SELECT lsn - '0/0'::pg_catalog.pg_lsn - CASE WHEN o = 40 THEN 40 WHEN o % 8192 = 24 THEN 24 ELSE 0 END FROM \
        (SELECT lsn, (pg_catalog.pg_walfile_name_offset(lsn)).file_offset AS o \
        FROM pg_catalog.pg_current_wal_insert_lsn() lsn) p
        """

    static func position(_ backend: BackendSession) -> UInt64? {
        guard backend.internalError == nil else { return nil }
        return backend.internalRows.first?.first.flatMap { $0 }.flatMap { UInt64($0) }
    }

    // MARK: The answer

    /// Takes what the reader sent into custody; what `out` holds afterwards is for the client.
    package func withhold(_ out: inout RelayOutput, _ outcome: BackendSession.Outcome) {
        guard detour != nil, detour?.isShown != true else { return }
        if let bytes = out.take() { detour?.answer.append(bytes) }
        guard outcome == .moved, detour?.failed != true,
            detour?.answer.buffer.map({ $0.readableBytes > Detour.answerLimit }) == true
        else { return }
        detour?.isShown = true
        out = detour?.answer ?? RelayOutput()
        detour?.answer = RelayOutput()
    }

    /// The read is over, or has been shown in part: what waited behind it is next.
    func endDetour(_ out: inout RelayOutput) {
        guard let ended = detour else { return }
        detour = nil
        if let bytes = ended.answer.buffer { out.append(bytes) }
        rejoin(ended.rest)
    }

    /// The reader is no good for this one: as if it had never been asked.
    package func abandonDetour() {
        guard let ended = detour else { return }
        detour = nil
        detourRefused = true
        frontEffects = nil
        for name in ended.names { statements.remove(name) }
        pending = ended.request
        rejoin(ended.rest)
    }

    private func rejoin(_ rest: ByteBuffer?) {
        guard let rest else { return }
        if pending == nil { pending = rest } else { pending!.writeImmutableBuffer(rest) }
    }
}
