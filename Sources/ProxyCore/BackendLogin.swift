// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import PostgresWire

/// The proxy logging in to a PostgreSQL server: from the first byte to ReadyForQuery.
///
/// <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>. Cleartext, md5 and
/// SCRAM-SHA-256 are answered.
package struct BackendLogin {
    package enum TLSMode: String, Sendable, Codable, CaseIterable {
        case disable, prefer, require
    }

    package enum Action {
        case more
        case send(ByteBuffer)
        /// Put TLS under the connection, then call `encrypted`.
        case startTLS
        /// Done; the connection is idle.
        case ready(BackendSession)
        case fail(ServerError)
    }

    private enum State {
        case tlsAnswer
        case authenticating
        case scramChallenge(SCRAMClient)
        case scramFinal(SCRAMClient)
        case starting
        case finished
    }

    private var state = State.authenticating
    private let credentials: BackendCredentials
    private let database: String
    private let tls: TLSMode
    private let clientNonce: String
    private var reported: [String: String] = [:]
    private var processID: UInt32 = 0
    private var secret: [UInt8] = []

    package init(credentials: BackendCredentials, database: String, tls: TLSMode, clientNonce: String) {
        self.credentials = credentials
        self.database = database
        self.tls = tls
        self.clientNonce = clientNonce
    }

    /// The bytes to send once connected.
    package mutating func start() -> ByteBuffer {
        var bytes = ByteBuffer()
        if tls == .disable {
            writeStartup(to: &bytes)
        } else {
            state = .tlsAnswer
            StartupPacket.writeSSLRequest(to: &bytes)
        }
        return bytes
    }

    /// The TLS handshake is done.
    package mutating func encrypted() -> ByteBuffer {
        var bytes = ByteBuffer()
        state = .authenticating
        writeStartup(to: &bytes)
        return bytes
    }

    private func writeStartup(to bytes: inout ByteBuffer) {
        StartupParameters(pairs: [("user", credentials.user), ("database", database)]).write(to: &bytes)
    }

    package mutating func receive(
        _ buffer: inout ByteBuffer, salted: (_ salt: [UInt8], _ iterations: Int) -> [UInt8]
    ) throws(PostgresWireError) -> Action {
        if case .tlsAnswer = state {
            guard let answer = buffer.readInteger(as: UInt8.self) else { return .more }
            if answer == UInt8(ascii: "S") {
                guard buffer.readableBytes == 0 else { throw .unexpected(kind: answer) }
                return .startTLS
            }
            guard answer == UInt8(ascii: "N"), tls == .prefer else {
                return .fail(.fatal("08001", "the server does not support TLS"))
            }
            return .send(encrypted())
        }
        let index = buffer.readerIndex
        guard let header = try buffer.postgresHeader(at: index) else { return .more }
        guard header.total <= 1 << 20 else { throw .badLength(kind: header.kind, length: header.total) }
        guard header.total <= buffer.readableBytes else { return .more }
        defer { buffer.moveReaderIndex(forwardBy: header.total) }
        let start = index + 5
        let limit = index + header.total
        switch header.kind {
        case BackendMessage.authentication:
            guard let code = buffer.getInteger(at: start, as: UInt32.self) else { throw .malformed(kind: header.kind) }
            return try authentication(code, buffer, from: start + 4, limit: limit, salted: salted)
        case BackendMessage.parameterStatus:
            guard let (name, next) = buffer.postgresString(at: start, limit: limit),
                let (value, _) = buffer.postgresString(at: next, limit: limit)
            else { throw .malformed(kind: header.kind) }
            reported[name] = value
            return .send(ByteBuffer())
        case BackendMessage.backendKey:
            processID = buffer.getInteger(at: start, as: UInt32.self) ?? 0
            secret = buffer.getBytes(at: start + 4, length: limit - start - 4) ?? []
            return .send(ByteBuffer())
        case BackendMessage.error:
            state = .finished
            return .fail(try ServerError(body: buffer, from: start, limit: limit))
        case BackendMessage.notice, BackendMessage.negotiateVersion: return .send(ByteBuffer())
        case BackendMessage.ready:
            guard case .starting = state else { throw .unexpected(kind: header.kind) }
            state = .finished
            return .ready(BackendSession(reported: reported, processID: processID, secret: secret))
        default: throw .unexpected(kind: header.kind)
        }
    }

    private mutating func authentication(
        _ code: UInt32, _ buffer: ByteBuffer, from start: Int, limit: Int,
        salted: (_ salt: [UInt8], _ iterations: Int) -> [UInt8]
    ) throws(PostgresWireError) -> Action {
        switch code {
        case 0:
            state = .starting
            return .send(ByteBuffer())
        case 3: return try sendPassword { $0.reveal() }
        case 5:
            guard let salt = buffer.getBytes(at: start, length: 4) else {
                throw .malformed(kind: BackendMessage.authentication)
            }
            let user = credentials.user
            return try sendPassword { PasswordDigests.md5(user: user, password: $0, salt: salt) }
        case 10: return try beginSCRAM(buffer, from: start, limit: limit)
        case 11:
            guard case .scramChallenge(var client) = state,
                let text = buffer.getString(at: start, length: limit - start)
            else { throw .authentication("SCRAM message out of order") }
            let answer = try client.receiveChallenge(text, salted: salted)
            state = .scramFinal(client)
            return sendPasswordMessage { $0.writeString(answer) }
        case 12:
            guard case .scramFinal(let client) = state, let text = buffer.getString(at: start, length: limit - start)
            else { throw .authentication("SCRAM message out of order") }
            try client.receiveFinal(text)
            return .send(ByteBuffer())
        default: throw .authentication("the server asks for an authentication method (\(code)) the proxy lacks")
        }
    }

    private mutating func beginSCRAM(_ buffer: ByteBuffer, from start: Int, limit: Int) throws(PostgresWireError)
        -> Action
    {
        guard let password = credentials.password else { throw .authentication("the server asks for a password") }
        var index = start
        while let (mechanism, next) = buffer.postgresString(at: index, limit: limit), !mechanism.isEmpty {
            index = next
            guard mechanism == "SCRAM-SHA-256" else { continue }
            let client = SCRAMClient(password: password, nonce: clientNonce)
            state = .scramChallenge(client)
            return sendPasswordMessage {
                $0.writePostgresString("SCRAM-SHA-256")
                $0.writeInteger(UInt32(client.first.utf8.count))
                $0.writeString(client.first)
            }
        }
        throw .authentication("the server offers no SASL mechanism the proxy has")
    }

    private func sendPassword(_ make: (Secret) -> String) throws(PostgresWireError) -> Action {
        guard let password = credentials.password else { throw .authentication("the server asks for a password") }
        let text = make(password)
        return sendPasswordMessage { $0.writePostgresString(text) }
    }

    private func sendPasswordMessage(_ body: (inout ByteBuffer) -> Void) -> Action {
        var bytes = ByteBuffer()
        bytes.writePostgresMessage(FrontendMessage.password, body)
        return .send(bytes)
    }
}
