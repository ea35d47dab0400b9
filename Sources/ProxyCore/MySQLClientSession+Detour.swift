// SPDX-License-Identifier: Apache-2.0

import MySQLWire
import NIOCore

/// As `Detour`, for MySQL, whose clients send one command at a time.
struct MySQLDetour {
    /// The client's packet, as it came, and what waits behind it.
    var request: ByteBuffer
    var rest: ByteBuffer?
    var answer = RelayOutput()
    var isShown = false
}

/// Reads outside transactions may run on a reader that has applied what this session wrote.
///
/// MariaDB tells the GTID of each write along with its answer; a reader is asked to wait for it.
extension MySQLClientSession {
    package var isOnDetour: Bool { detour != nil }

    /// The reader is given so long, in seconds, before the writer is asked.
    private static let patience = 0.03

    /// Whether each statement commits by itself, as far as settings tell.
    private var commitsByItself: Bool { localStatus.contains(.autocommit) }

    /// Looks whether the command at the front, which has `effects`, may run on a reader, and prepares for it.
    func beginDetour(_ text: ByteBuffer, _ effects: MySQLEffects, packet length: Int) -> Bool {
        guard splitsReads, hasReaders, isMarked, !detourRefused, effects.isPlain, length <= Detour.requestLimit,
            commitsByItself,
            let input = pending, let request = input.getSlice(at: input.readerIndex, length: length),
            text.withUnsafeReadableBytes({ ReadText.isRead(mysql: $0, mode: mode) })
        else { return false }
        let rest = input.getSlice(at: input.readerIndex + length, length: input.readableBytes - length)
        detour = MySQLDetour(request: request, rest: rest?.readableBytes == 0 ? nil : rest)
        pending = request
        return true
    }

    var positionQuestion: String { "SELECT MASTER_GTID_WAIT('\(position)', \(MySQLClientSession.patience))" }

    /// Takes what the reader sent into custody; what `out` holds afterwards is for the client.
    package func withhold(_ out: inout RelayOutput, _ outcome: MySQLBackendSession.Outcome) {
        guard detour != nil, detour?.isShown != true else { return }
        if let bytes = out.take() { detour?.answer.append(bytes) }
        guard outcome == .moved, detour?.answer.buffer.map({ $0.readableBytes > Detour.answerLimit }) == true else {
            return
        }
        detour?.isShown = true
        out = detour?.answer ?? RelayOutput()
        detour?.answer = RelayOutput()
    }

    /// The read is over: what waited behind it is next.
    func endDetour(_ out: inout RelayOutput) {
        guard let ended = detour else { return }
        detour = nil
        if let bytes = ended.answer.buffer { out.append(bytes) }
        if let rest = ended.rest { append(rest) }
    }

    /// The reader is no good for this one: as if it had never been asked.
    package func abandonDetour() {
        guard let ended = detour else { return }
        detour = nil
        detourRefused = true
        frontEffects = nil
        current = MySQLEffects()
        currentStatement = nil
        pending = ended.request
        if let rest = ended.rest { append(rest) }
    }

    /// The reader's connection goes back, and with it whatever a function may have left in it.
    func leaveReader() -> Step {
        let isDirty = needsAudit || isPinned || suspicious
        needsAudit = false
        suspicious = false
        pins = []
        guard isDirty else {
            unlink()
            return .release
        }
        abandonBackend()
        return .reset
    }

    /// The reader may go; the writer is to be asked.
    func reroute() -> Step {
        backend?.detach(settings: backend?.settings ?? .none)
        backend = nil
        phase = .unlinked
        abandonDetour()
        return .reroute
    }
}
