// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PostgresWire
import ProxyCore
package import SimulationKit

/// `ClientSession` and `BackendSession` between a generated client and a model of the server.
///
/// One input in three is left as it is: then the client must get every answer it is owed and the server nothing that a
/// sound client would not send. In the others the client's bytes, or the server's, are mutated, and only what holds for
/// any bytes is asked for: no trap, an end, and no more memory than was sent.
package enum PostgresRelayFuzz: FuzzTarget {
    package static let name = "postgres relay"

    package static func run(_ random: inout SimulationRandom) -> String? {
        var relay = Relay(&random)
        relay.run(&random)
        return relay.violation
    }

    private struct Relay {
        private enum Damage {
            case none, client, server
        }

        private let conversation: PostgresConversation
        private let damage: Damage
        private let session: ClientSession
        private var input: ByteBuffer
        private var backend: BackendSession?
        private var servers: [(session: BackendSession, model: PostgresModelServer)] = []
        private var current = 0
        private var toServer = ByteBuffer()
        private var fromServer = ByteBuffer()
        private var toClient = ByteBuffer()
        private var sent = 0
        private var isWaiting = false
        private var isClosed = false
        private var losses = 0
        private(set) var violation: String?

        init(_ random: inout SimulationRandom) {
            conversation = PostgresConversation(&random)
            damage = random.pick([.none, .client, .server])
            input = damage == .client ? Mutation.of(conversation.bytes, &random) : conversation.bytes
            session = ClientSession(settings: .none, reported: [:], defaults: [:], registry: StatementRegistry())
            session.splitsReads = random.chance(1, in: 3)
            // The last one is a reader.
            for number in 0..<3 {
                servers.append(
                    (Self.backend(), PostgresModelServer(isCalm: conversation.isCalm && number < 2)))
            }
        }

        private static func backend() -> BackendSession { BackendSession(reported: [:], processID: 1, secret: [1]) }

        mutating func run(_ random: inout SimulationRandom) {
            let total = input.readableBytes
            for _ in 0..<100_000 {
                guard step(&random) else { return judge(total) }
                if session.pendingBytes > total { violation = "more is held than was sent" }
                if sent > 64 * total + 65_536 { violation = "\(sent) bytes for the server out of \(total)" }
                if violation != nil { return }
            }
            violation = "no end"
        }

        /// Does one of the things that may happen next; false when nothing can.
        private mutating func step(_ random: inout SimulationRandom) -> Bool {
            if isClosed { return false }
            if losses == 0, backend != nil, random.chance(1, in: 200) {
                lose()
                return true
            }
            switch random.pick(0...3) {
            case 0 where input.readableBytes > 0:
                session.append(Mutation.read(&input, &random))
                drive()
            case 1 where isWaiting:
                if !conversation.isCalm, random.chance(1, in: 20) { cancel() } else { lend(&random) }
            case 2 where toServer.readableBytes > 0:
                var answers = ByteBuffer()
                servers[current].model.receive(Mutation.read(&toServer, &random), &random, &answers)
                violation = violation ?? servers[current].model.complaint
                if damage == .server, answers.readableBytes > 0, random.chance(1, in: 3) {
                    answers = Mutation.of(answers, &random)
                }
                fromServer.writeImmutableBuffer(answers)
            case 3 where fromServer.readableBytes > 0: deliver(Mutation.read(&fromServer, &random))
            default:
                return input.readableBytes > 0 || isWaiting || toServer.readableBytes > 0
                    || fromServer.readableBytes > 0
            }
            return true
        }

        // MARK: As the driver does it

        private mutating func drive() {
            if isClosed { return }
            if session.isLinked { return pump() }
            guard !isWaiting, session.pending != nil else { return }
            var out = RelayOutput()
            do {
                let need = try session.need(&out)
                collect(&out)
                switch need {
                case .bytes: break
                case .termination: isClosed = true
                case .backend: isWaiting = true
                case .reader: isWaiting = true
                }
            } catch {
                isClosed = true
            }
        }

        private mutating func pump() {
            guard backend != nil else { return }
            var forServer = RelayOutput()
            var forClient = RelayOutput()
            do { try session.pump(toBackend: &forServer, toClient: &forClient) } catch { isClosed = true }
            send(forServer.take())
            collect(&forClient)
            if session.terminated { isClosed = true }
        }

        private mutating func send(_ bytes: ByteBuffer?) {
            guard let bytes else { return }
            sent += bytes.readableBytes
            toServer.writeImmutableBuffer(bytes)
        }

        private mutating func collect(_ out: inout RelayOutput) {
            if let bytes = out.take() { toClient.writeImmutableBuffer(bytes) }
        }

        private mutating func lend(_ random: inout SimulationRandom) {
            isWaiting = false
            if session.isOnDetour, random.chance(1, in: 10) {
                // No reader is to be had.
                session.abandonDetour()
                return drive()
            }
            current = session.isOnDetour ? 2 : random.pick(0...1)
            backend = servers[current].session
            perform(session.link(servers[current].session))
        }

        private mutating func deliver(_ bytes: ByteBuffer) {
            guard let backend else { return }
            var out = RelayOutput()
            guard let outcome = try? backend.receive(bytes, toClient: &out) else { return lose() }
            if session.isOnDetour { session.withhold(&out, outcome) }
            if outcome == .moved { return collect(&out) }
            let step = session.advance(outcome, toClient: &out)
            collect(&out)
            perform(step)
        }

        private mutating func perform(_ step: ClientSession.Step) {
            switch step {
            case .none: break
            case .pump: pump()
            case .sendInternal(let bytes): send(bytes)
            case .release, .reroute:
                backend = nil
                drive()
            case .fail: isClosed = true
            }
        }

        private mutating func cancel() {
            var out = RelayOutput()
            guard session.cancelWaiting(&out) else { return }
            isWaiting = false
            collect(&out)
            drive()
        }

        /// The connection to the server breaks; another takes its place.
        private mutating func lose() {
            losses += 1
            backend = nil
            toServer = ByteBuffer()
            fromServer = ByteBuffer()
            servers[current] = (Self.backend(), PostgresModelServer(isCalm: conversation.isCalm && current < 2))
            var out = RelayOutput()
            let loss = session.backendLost(ServerError(code: "08006", message: "lost"), toClient: &out)
            collect(&out)
            if loss == .fatal || loss == .cut { isClosed = true } else { drive() }
        }

        // MARK: Checks

        /// Messages in readable form: type, and what of the body is printable.
        private static func words(_ bytes: ByteBuffer) -> String {
            var rest = bytes
            var words: [String] = []
            while let header = try? rest.postgresHeader(at: rest.readerIndex),
                let message = rest.readBytes(length: header.total)
            {
                let body = message.dropFirst(5).map { $0 >= 32 && $0 < 127 ? Character(Unicode.Scalar($0)) : "." }
                words.append("\(Unicode.Scalar(header.kind))\(body.isEmpty ? "" : "(\(String(body)))")")
            }
            return words.joined(separator: " ")
        }

        private mutating func judge(_ total: Int) {
            guard violation == nil, damage == .none, !isClosed else { return }
            var readies = 0
            var errors = 0
            let transcript = "\nclient: \(Self.words(conversation.bytes))\nanswer: \(Self.words(toClient))"
            defer { violation = violation.map { $0 + transcript } }
            while toClient.readableBytes > 0 {
                guard let header = try? toClient.postgresHeader(at: toClient.readerIndex),
                    header.total <= toClient.readableBytes
                else {
                    violation = "the client got part of a message"
                    return
                }
                if header.kind == BackendMessage.ready { readies += 1 }
                if header.kind == BackendMessage.error { errors += 1 }
                toClient.moveReaderIndex(forwardBy: header.total)
            }
            if readies != conversation.readies {
                violation = "the client got \(readies) of \(conversation.readies) ReadyForQuery"
            } else if conversation.isCalm, losses == 0, errors > 0 {
                violation = "the client got an error where nothing fails"
            } else if session.pendingBytes > 0 {
                violation = "\(session.pendingBytes) bytes were never passed on"
            } else if session.isLinked, !session.isPinned, !session.isInTransaction {
                violation = "the backend is kept for nothing"
            }
        }
    }
}
