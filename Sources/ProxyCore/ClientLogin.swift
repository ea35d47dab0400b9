// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import PostgresWire

/// How one client proves who it is; chosen per user by a `ClientAuthenticator`.
package enum AuthenticationMethod: Sendable {
    /// No proof; for tests and for sockets only the same machine reaches.
    case trust
    case scram(SCRAMVerifier)
    /// The digest `pg_authid` holds, without its `md5` prefix.
    case md5(stored: String)
    /// The password comes in clear text, hence only over TLS, and `check` says whether it is good: LDAP, IAM tokens.
    case cleartext(check: @Sendable (Secret) async -> Bool)
    /// The user logs in with tokens, which are for TLS connections only.
    case needsTLS
    /// There is no such user, or not from there: the exchange runs to its end and then fails.
    case refuse
}

/// Decides how clients log in, and with which name and password the proxy does so in their stead.
///
/// A file of users implements it here; the control plane's secrets and IAM tokens are to implement it there.
package protocol ClientAuthenticator: Sendable {
    func method(user: String, database: String, tls: Bool) -> AuthenticationMethod
    /// The same for a MySQL client.
    func mysqlMethod(user: String, tls: Bool) -> MySQLAuthenticationMethod
    /// Nil when the proxy has no credentials for this user.
    func backendCredentials(user: String, database: String) -> BackendCredentials?
}

/// What the proxy logs in with.
package struct BackendCredentials: Sendable, Hashable {
    package var user: String
    package var password: Secret?

    package init(user: String, password: Secret?) {
        self.user = user
        self.password = password
    }
}

/// A PostgreSQL client from its first byte until it is authenticated.
///
/// <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>. The driver feeds bytes to
/// `receive` as long as it returns something other than `more`, and calls `begin` when asked to authenticate.
package struct ClientLogin {
    package enum Action {
        /// Wait for more bytes.
        case more
        case reply(ByteBuffer)
        /// Send `reply`, then put TLS under the connection.
        case startTLS(ByteBuffer)
        case cancel(processID: UInt32, secret: [UInt8])
        /// Choose a method and call `begin`.
        case authenticate(StartupParameters)
        /// Have the password checked, then call `checked`.
        case check(Secret, @Sendable (Secret) async -> Bool)
        /// Proved; `reply` ends with AuthenticationOk.
        case accepted(ByteBuffer)
        case fail(ServerError)
    }

    private enum State {
        case opening
        /// Startup packet read; `begin` is due.
        case choosing
        case scramFirst(SCRAMServer)
        case scramFinal(SCRAMServer)
        case md5(stored: String, salt: [UInt8])
        case cleartext(@Sendable (Secret) async -> Bool)
        case checking
        case finished
    }

    package struct Policy: Sendable {
        package var offersTLS: Bool
        package var requiresTLS: Bool

        package init(offersTLS: Bool, requiresTLS: Bool) {
            self.offersTLS = offersTLS
            self.requiresTLS = requiresTLS
        }
    }

    private var state = State.opening
    private let policy: Policy
    private var tls = false
    private var refused = false
    private var user = ""
    /// Largest message of a client that has not proved who it is.
    private static let largestPassword = 65_536

    package init(policy: Policy) { self.policy = policy }

    package mutating func receive(_ buffer: inout ByteBuffer, serverNonce: () -> String) throws(PostgresWireError)
        -> Action
    {
        switch state {
        case .opening: return try opening(&buffer)
        case .choosing, .checking, .finished: return .more
        case .scramFirst, .scramFinal, .md5, .cleartext: break
        }
        let index = buffer.readerIndex
        guard let header = try buffer.postgresHeader(at: index) else { return .more }
        guard header.kind == FrontendMessage.password else { throw .unexpected(kind: header.kind) }
        guard header.total <= ClientLogin.largestPassword else {
            throw .badLength(kind: header.kind, length: header.total)
        }
        guard header.total <= buffer.readableBytes else { return .more }
        defer { buffer.moveReaderIndex(forwardBy: header.total) }
        return try password(buffer, from: index + 5, limit: index + header.total, serverNonce: serverNonce)
    }

    private mutating func opening(_ buffer: inout ByteBuffer) throws(PostgresWireError) -> Action {
        guard let packet = try StartupPacket.read(from: &buffer) else { return .more }
        switch packet {
        case .sslRequest:
            guard policy.offersTLS, !tls else { return .reply(ByteBuffer(bytes: [UInt8(ascii: "N")])) }
            // Bytes sent before the handshake would be taken for encrypted ones (CVE-2021-23222).
            guard buffer.readableBytes == 0 else {
                return failed(.fatal("08P01", "received unencrypted data after SSL request"))
            }
            tls = true
            return .startTLS(ByteBuffer(bytes: [UInt8(ascii: "S")]))
        case .gssRequest: return .reply(ByteBuffer(bytes: [UInt8(ascii: "N")]))
        case .cancel(let processID, let secret):
            state = .finished
            return .cancel(processID: processID, secret: secret)
        case .startup(let parameters): return startup(parameters)
        }
    }

    private mutating func startup(_ parameters: StartupParameters) -> Action {
        guard parameters.major == 3 else {
            return failed(
                .fatal(
                    "0A000",
                    "unsupported frontend protocol \(parameters.major).\(parameters.minor): the proxy supports 3.0"))
        }
        if policy.requiresTLS, !tls { return failed(.fatal("28000", "This RDS Proxy requires TLS connections")) }
        guard let user = parameters["user"], !user.isEmpty else {
            return failed(.fatal("28000", "no PostgreSQL user name specified in startup packet"))
        }
        if let replication = parameters["replication"], !["false", "off", "no", "0"].contains(replication) {
            return failed(.fatal("0A000", "replication connections are not possible through the proxy"))
        }
        self.user = user
        state = .choosing
        return .authenticate(parameters)
    }

    private mutating func failed(_ error: ServerError) -> Action {
        state = .finished
        return .fail(error)
    }

    /// The method is chosen; `salt` is for md5.
    package mutating func begin(_ method: AuthenticationMethod, salt: [UInt8]) -> Action {
        guard case .choosing = state else { return .more }
        var reply = ByteBuffer()
        switch method {
        case .trust:
            state = .finished
            ClientLogin.writeAuthentication(0, to: &reply)
            return .accepted(reply)
        case .scram(let verifier): state = .scramFirst(SCRAMServer(verifier: verifier))
        case .md5(let stored):
            state = .md5(stored: stored, salt: salt)
            ClientLogin.writeAuthentication(5, to: &reply) { $0.writeBytes(salt) }
            return .reply(reply)
        case .cleartext(let check):
            guard tls || !policy.offersTLS else {
                return failed(.fatal("28000", "password authentication in clear text needs TLS"))
            }
            state = .cleartext(check)
            ClientLogin.writeAuthentication(3, to: &reply)
            return .reply(reply)
        case .needsTLS: return failed(.fatal("28000", "IAM authentication needs a TLS connection"))
        case .refuse:
            // Not worth a key derivation: the exchange only has to look like any other.
            refused = true
            let fake = SCRAMVerifier(password: Secret(""), salt: salt + salt + salt + salt, iterations: 1)
            var verifier = fake
            verifier.iterations = 4096
            state = .scramFirst(SCRAMServer(verifier: verifier))
        }
        ClientLogin.writeAuthentication(10, to: &reply) {
            $0.writePostgresString("SCRAM-SHA-256")
            $0.writeInteger(UInt8(0))
        }
        return .reply(reply)
    }

    private mutating func password(
        _ buffer: ByteBuffer, from start: Int, limit: Int, serverNonce: () -> String
    ) throws(PostgresWireError) -> Action {
        switch state {
        case .scramFirst(var server):
            guard let (mechanism, next) = buffer.postgresString(at: start, limit: limit), mechanism == "SCRAM-SHA-256",
                let length = buffer.getInteger(at: next, as: Int32.self), length >= 0, next + 4 + Int(length) <= limit,
                let message = buffer.getString(at: next + 4, length: Int(length))
            else { throw .malformed(kind: FrontendMessage.password) }
            let challenge = try server.receiveFirst(message, serverNonce: serverNonce())
            state = .scramFinal(server)
            var reply = ByteBuffer()
            ClientLogin.writeAuthentication(11, to: &reply) { $0.writeString(challenge) }
            return .reply(reply)
        case .scramFinal(var server):
            guard let message = buffer.getString(at: start, length: limit - start) else {
                throw .malformed(kind: FrontendMessage.password)
            }
            let answer = try server.receiveFinal(message)
            guard let answer, !refused else { return wrongPassword() }
            state = .finished
            var reply = ByteBuffer()
            ClientLogin.writeAuthentication(12, to: &reply) { $0.writeString(answer) }
            ClientLogin.writeAuthentication(0, to: &reply)
            return .accepted(reply)
        case .md5(let stored, let salt):
            guard let (text, _) = buffer.postgresString(at: start, limit: limit) else {
                throw .malformed(kind: FrontendMessage.password)
            }
            let expected = PasswordDigests.md5(stored: stored, salt: salt)
            return checked(PasswordDigests.equal(Array(text.utf8), Array(expected.utf8)), from: true)
        case .cleartext(let check):
            guard let (text, _) = buffer.postgresString(at: start, limit: limit) else {
                throw .malformed(kind: FrontendMessage.password)
            }
            state = .checking
            return .check(Secret(text), check)
        case .opening, .choosing, .checking, .finished: return .more
        }
    }

    private mutating func wrongPassword() -> Action {
        failed(.fatal("28P01", "password authentication failed for user \"\(user)\""))
    }

    /// The answer to `check`.
    package mutating func checked(_ good: Bool) -> Action { checked(good, from: true) }

    private mutating func checked(_ good: Bool, from: Bool) -> Action {
        guard good else { return wrongPassword() }
        state = .finished
        var reply = ByteBuffer()
        ClientLogin.writeAuthentication(0, to: &reply)
        return .accepted(reply)
    }

    private static func writeAuthentication(
        _ code: UInt32, to buffer: inout ByteBuffer, _ body: (inout ByteBuffer) -> Void = { _ in }
    ) {
        buffer.writePostgresMessage(BackendMessage.authentication) {
            $0.writeInteger(code)
            body(&$0)
        }
    }
}
