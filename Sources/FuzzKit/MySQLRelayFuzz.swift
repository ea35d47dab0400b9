// SPDX-License-Identifier: Apache-2.0

import MySQLWire
import NIOCore
import ProxyCore
package import SimulationKit

/// `MySQLClientSession` and `MySQLBackendSession` between a generated client and a model of the server.
///
/// As `PostgresRelayFuzz`: one input in three is left as it is, and then every command must be answered.
package enum MySQLRelayFuzz: FuzzTarget {
    package static let name = "mysql relay"

    package static func run(_ random: inout SimulationRandom) -> String? {
        var relay = Relay(&random)
        relay.run(&random)
        return relay.violation
    }

    private struct Relay {
        private enum Damage {
            case none, client, server
        }

        private let conversation: MySQLConversation
        private let damage: Damage
        private let session: MySQLClientSession
        private var next = 0
        private var input = ByteBuffer()
        private var backend: MySQLBackendSession?
        private var servers: [(session: MySQLBackendSession, model: MySQLModelServer)] = []
        private var current = 0
        private var last = 0
        private var toServer = ByteBuffer()
        private var fromServer = ByteBuffer()
        private var answer = ByteBuffer()
        private var received = 0
        private var sent = 0
        private var isWaiting = false
        private var isBusy = false
        private var isClosed = false
        private var losses = 0
        private(set) var violation: String?

        init(_ random: inout SimulationRandom) {
            conversation = MySQLConversation(&random)
            damage = random.pick([.none, .client, .server])
            session = MySQLClientSession(
                settings: .none, defaultStatus: .autocommit, registry: MySQLStatementRegistry())
            session.splitsReads = random.chance(1, in: 3)
            // The last one is a reader.
            for _ in 0..<3 { servers.append((Self.backend(), MySQLModelServer())) }
        }

        private static func backend() -> MySQLBackendSession {
            MySQLBackendSession(connectionID: 1, status: .autocommit, tracks: true)
        }

        mutating func run(_ random: inout SimulationRandom) {
            for _ in 0..<100_000 {
                guard step(&random) else { return judge() }
                if session.pendingBytes > received { violation = "more is held than was sent" }
                if sent > 64 * received + 65_536 { violation = "\(sent) bytes for the server out of \(received)" }
                if violation != nil { return }
            }
            violation = "no end"
        }

        private mutating func step(_ random: inout SimulationRandom) -> Bool {
            if isClosed { return false }
            if losses == 0, backend != nil, random.chance(1, in: 200) {
                lose()
                return true
            }
            if !isBusy, input.readableBytes == 0, next < conversation.commands.count { begin(&random) }
            switch random.pick(0...3) {
            case 0 where input.readableBytes > 0:
                let bytes = Mutation.read(&input, &random)
                received += bytes.readableBytes
                session.append(bytes)
                drive()
            case 1 where isWaiting: lend(&random)
            case 2 where toServer.readableBytes > 0:
                var answers = ByteBuffer()
                servers[current].model.receive(Mutation.read(&toServer, &random), &random, &answers)
                violation = violation ?? servers[current].model.complaint
                if damage == .server, answers.readableBytes > 0, random.chance(1, in: 3) {
                    answers = Mutation.of(answers, &random)
                }
                fromServer.writeImmutableBuffer(answers)
            case 3 where fromServer.readableBytes > 0: deliver(Mutation.read(&fromServer, &random))
            default: return isMoving
            }
            return true
        }

        private var isMoving: Bool {
            input.readableBytes > 0 || isWaiting || toServer.readableBytes > 0 || fromServer.readableBytes > 0
                || (!isBusy && next < conversation.commands.count)
        }

        /// The client sends its next command; a damaged one is followed by the others at once.
        private mutating func begin(_ random: inout SimulationRandom) {
            let command = conversation.commands[next]
            next += 1
            answer = ByteBuffer()
            isBusy = command.isAnswered && damage == .none
            input.writeImmutableBuffer(
                damage == .client && random.chance(1, in: 3) ? Mutation.of(command.bytes, &random) : command.bytes)
        }

        // MARK: As the driver does it

        private mutating func drive() {
            while !isClosed, !isWaiting {
                var forServer = RelayOutput()
                var forClient = RelayOutput()
                let need: MySQLClientSession.Need
                do {
                    need = try session.advanceFront(toBackend: &forServer, toClient: &forClient)
                } catch {
                    isClosed = true
                    return
                }
                send(forServer.take())
                collect(&forClient)
                switch need {
                case .bytes: return
                case .backend(let sameAgain):
                    isWaiting = true
                    if !sameAgain { last = -1 }
                case .reader: isWaiting = true
                case .termination: isClosed = true
                case .kill: session.passKill()
                case .changeUser: session.reset(to: .none)
                case .releaseForReset: replaceServer()
                }
            }
        }

        private mutating func send(_ bytes: ByteBuffer?) {
            guard let bytes else { return }
            sent += bytes.readableBytes
            toServer.writeImmutableBuffer(bytes)
        }

        private mutating func collect(_ out: inout RelayOutput) {
            if let bytes = out.take() { answer.writeImmutableBuffer(bytes) }
            // Any whole packet is an answer's beginning; the client's next command may follow once nothing is owed.
            if isBusy, backend?.isQuiet ?? true, answer.readableBytes > 0 { isBusy = false }
        }

        private mutating func lend(_ random: inout SimulationRandom) {
            isWaiting = false
            if session.isOnDetour, random.chance(1, in: 10) {
                // No reader is to be had.
                session.abandonDetour()
                return drive()
            }
            current = session.isOnDetour ? 2 : last >= 0 ? last : random.pick(0...1)
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

        private mutating func perform(_ step: MySQLClientSession.Step) {
            switch step {
            case .none: break
            case .pump: drive()
            case .sendInternal(let bytes): send(bytes)
            case .release, .reroute:
                backend = nil
                if current < 2 { last = current }
                drive()
            case .reset:
                replaceServer()
                drive()
            case .linger:
                if session.endLinger() {
                    backend = nil
                    last = current
                }
            case .discard:
                session.abandonBackend()
                if session.isOnDetour {
                    session.abandonDetour()
                    replaceServer()
                    drive()
                } else {
                    isClosed = true
                }
            }
        }

        private mutating func replaceServer() {
            backend = nil
            last = -1
            toServer = ByteBuffer()
            fromServer = ByteBuffer()
            servers[current] = (Self.backend(), MySQLModelServer())
        }

        private mutating func lose() {
            losses += 1
            replaceServer()
            var out = RelayOutput()
            let loss = session.backendLost(
                MySQLServerError(code: 2013, state: "HY000", message: "lost"), toClient: &out)
            collect(&out)
            if loss == .fatal { isClosed = true } else { drive() }
        }

        // MARK: Checks

        private mutating func judge() {
            guard violation == nil, damage == .none, !isClosed else { return }
            if isBusy || next < conversation.commands.count {
                violation = "command \(next - 1) was never answered"
            } else if session.pendingBytes > 0 {
                violation = "\(session.pendingBytes) bytes were never passed on"
            }
            while violation == nil, answer.readableBytes > 0 {
                guard let header = MySQLPacket.header(answer, at: answer.readerIndex),
                    answer.readableBytes >= MySQLPacket.headerLength + header.length
                else {
                    violation = "the client got part of a packet"
                    return
                }
                answer.moveReaderIndex(forwardBy: MySQLPacket.headerLength + header.length)
            }
        }
    }
}
