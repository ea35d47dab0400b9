// SPDX-License-Identifier: Apache-2.0

package import MySQLWire
package import NIOCore
package import PostgresWire

/// How a MySQL client proves who it is.
package enum MySQLAuthenticationMethod: Sendable {
    case trust
    /// The password is known: either challenge plugin will do, or only `plugin`.
    case password(Secret, plugin: String?)
    /// SHA1(SHA1(password)) is known: `mysql_native_password` only.
    case nativeDigest([UInt8])
    /// The password itself comes, over TLS or under the proxy's RSA key, and `check` says whether it is good.
    case check(@Sendable (Secret) async -> Bool)
    /// The user logs in with tokens, which are for TLS connections only.
    case needsTLS
    case refuse
}

/// A MySQL client from the proxy's greeting until it is authenticated; also for COM_CHANGE_USER.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>. The driver sends `start`,
/// feeds bytes to `receive` as long as it returns something other than `more`, and calls `begin` when asked to
/// authenticate.
package struct MySQLClientLogin {
    package struct Policy: Sendable {
        package var offersTLS = false
        package var requiresTLS = false
        package var allowsLocalFiles = false

        package init() {}
    }

    package enum Action {
        case more
        case reply(ByteBuffer)
        /// Put TLS under the connection, then call `encrypted`. Clients do not wait: what is left in the buffer is
        /// TLS already.
        case startTLS
        /// `response` names user and database; call `begin` with the method that is due.
        case authenticate
        /// Find out whether the password is good, then call `checked`.
        case check(Secret, @Sendable (Secret) async -> Bool)
        /// Send the bytes, which may be none; `ok` ends the exchange.
        case accepted(ByteBuffer)
        case fail(ByteBuffer, MySQLServerError)
    }

    private enum State {
        case response
        case choosing
        case answer(plugin: String)
        case fullPassword
        case encryptedPassword
        case checking
        case finished
    }

    /// Longest packet a client may send before it is known: an IAM token may be several kilobytes.
    package static let packetLimit = 64 << 10

    package private(set) var response: MySQLHandshakeResponse?
    package private(set) var isEncrypted = false
    private var state = State.response
    private var reader = MySQLPayloadReader(limit: packetLimit)
    private var sequence: UInt8 = 0
    private let policy: Policy
    private var challenge: [UInt8]
    private let address: String
    private let keyPair: @Sendable () -> PasswordEncryption.KeyPair?
    private var method = MySQLAuthenticationMethod.refuse

    /// `challenge`: twenty random bytes, none of them zero. `address` is the client's, for error messages.
    package init(
        policy: Policy, challenge: [UInt8], address: String,
        keyPair: @escaping @Sendable () -> PasswordEncryption.KeyPair?
    ) {
        self.policy = policy
        self.challenge = challenge
        self.address = address
        self.keyPair = keyPair
    }

    private var offered: MySQLCapabilities {
        var flags = MySQLCapabilities.offered
        if !policy.allowsLocalFiles { flags.remove(.localFiles) }
        if policy.offersTLS { flags.insert(.tls) }
        return flags
    }

    /// The greeting.
    package mutating func start(version: String, connectionID: UInt32, status: MySQLStatus) -> ByteBuffer {
        let handshake = MySQLHandshake(
            serverVersion: version, connectionID: connectionID, challenge: challenge, capabilities: offered,
            status: status, plugin: MySQLScrambles.native)
        return packet { handshake.write(to: &$0) }
    }

    /// As if `response` had come: a client that is known asks to be somebody else. `sequence` is that of its packet.
    package mutating func change(to response: MySQLHandshakeResponse, sequence: UInt8, encrypted: Bool) -> Action {
        self.response = response
        self.sequence = sequence &+ 1
        isEncrypted = encrypted
        state = .choosing
        return .authenticate
    }

    package mutating func encrypted() { isEncrypted = true }

    /// The packet that tells the client it is in.
    package mutating func ok(status: MySQLStatus) -> ByteBuffer { packet { MySQLOK(status: status).write(to: &$0) } }

    package mutating func refusal(_ error: MySQLServerError) -> ByteBuffer { packet { error.write(to: &$0) } }

    private mutating func packet(_ body: (inout ByteBuffer) -> Void) -> ByteBuffer {
        var payload = ByteBuffer()
        body(&payload)
        var bytes = ByteBuffer()
        sequence = MySQLPacket.write(payload, sequence: sequence, to: &bytes)
        return bytes
    }

    package mutating func receive(_ buffer: inout ByteBuffer) throws(MySQLWireError) -> Action {
        switch state {
        case .choosing, .checking, .finished: return .more
        case .response, .answer, .fullPassword, .encryptedPassword: break
        }
        guard let (payload, got) = try reader.read(from: &buffer) else { return .more }
        guard got == sequence else { throw .outOfOrder(expected: sequence, got: got) }
        sequence = got &+ 1
        switch state {
        case .response: return try greeted(payload)
        case .answer(let plugin): return verify(Array(payload.readableBytesView), plugin: plugin)
        case .fullPassword: return fullPassword(payload)
        case .encryptedPassword:
            guard let clear = keyPair()?.decrypt(Array(payload.readableBytesView), challenge: challenge) else {
                return denied()
            }
            return check(clear)
        case .choosing, .checking, .finished: return .more
        }
    }

    private mutating func greeted(_ payload: ByteBuffer) throws(MySQLWireError) -> Action {
        if !isEncrypted, MySQLHandshakeResponse.isTLSRequest(payload) {
            guard policy.offersTLS else { throw .malformed }
            return .startTLS
        }
        let response = try MySQLHandshakeResponse(reading: payload)
        if !response.capabilities.isDisjoint(with: [.compress, .zstd]) {
            return fail(1043, "08S01", "Bad handshake: the proxy does not offer compression")
        }
        if policy.requiresTLS, !isEncrypted {
            return fail(
                3159, "HY000",
                "Connections using insecure transport are prohibited while --require_secure_transport=ON.")
        }
        self.response = response
        state = .choosing
        return .authenticate
    }

    package mutating func begin(_ method: MySQLAuthenticationMethod) -> Action {
        guard case .choosing = state, let response else { return .more }
        self.method = method
        switch method {
        case .trust: return accepted(ByteBuffer())
        case .refuse: return denied()
        case .needsTLS: return fail(1045, "28000", "IAM authentication needs a TLS connection")
        case .nativeDigest:
            if response.plugin == MySQLScrambles.native, response.authentication.count == 20 {
                return verify(response.authentication, plugin: MySQLScrambles.native)
            }
            return switchTo(MySQLScrambles.native)
        case .password(_, let plugin):
            let given = response.plugin ?? MySQLScrambles.native
            let known = given == MySQLScrambles.native || given == MySQLScrambles.cachingSHA2
            if known, plugin == nil || plugin == given, response.authentication.count >= 20 {
                return verify(response.authentication, plugin: given)
            }
            return switchTo(plugin ?? (known ? given : MySQLScrambles.cachingSHA2))
        case .check:
            if isEncrypted { return switchTo(MySQLScrambles.clear) }
            return switchTo(MySQLScrambles.cachingSHA2)
        }
    }

    private mutating func switchTo(_ plugin: String) -> Action {
        state = .answer(plugin: plugin)
        let challenge = plugin == MySQLScrambles.clear ? [] : self.challenge
        return .reply(packet { MySQLAuthSwitch(plugin: plugin, challenge: challenge).write(to: &$0) })
    }

    private mutating func verify(_ answer: [UInt8], plugin: String) -> Action {
        switch method {
        case .password(let secret, _):
            if plugin == MySQLScrambles.native {
                let expected = MySQLScrambles.native(password: secret.bytes, challenge: challenge)
                return MySQLScrambles.equal(answer, expected) ? accepted(ByteBuffer()) : denied()
            }
            // An empty password is sent as one zero byte.
            let given = answer == [0] ? [] : answer
            guard MySQLScrambles.verifyCachingSHA2(given, challenge: challenge, password: secret.bytes) else {
                return denied()
            }
            return accepted(given.isEmpty ? ByteBuffer() : packet { $0.writeBytes([1, 3]) })
        case .nativeDigest(let stored):
            return MySQLScrambles.verifyNative(answer, challenge: challenge, stored: stored)
                ? accepted(ByteBuffer()) : denied()
        case .check:
            if plugin == MySQLScrambles.clear { return check(MySQLClientLogin.withoutZero(answer)) }
            // Full authentication: the digest is of no use without the password.
            state = .fullPassword
            return .reply(packet { $0.writeBytes([1, 4]) })
        case .trust, .refuse, .needsTLS: return denied()
        }
    }

    private mutating func fullPassword(_ payload: ByteBuffer) -> Action {
        let bytes = Array(payload.readableBytesView)
        if isEncrypted { return check(MySQLClientLogin.withoutZero(bytes)) }
        guard bytes == [2], let key = keyPair() else { return denied() }
        state = .encryptedPassword
        return .reply(
            packet {
                $0.writeInteger(UInt8(1))
                $0.writeString(key.publicKey)
            })
    }

    private static func withoutZero(_ bytes: [UInt8]) -> [UInt8] { bytes.last == 0 ? Array(bytes.dropLast()) : bytes }

    private mutating func check(_ password: [UInt8]) -> Action {
        guard case .check(let check) = method else { return denied() }
        state = .checking
        return .check(Secret(String(decoding: password, as: UTF8.self)), check)
    }

    package mutating func checked(_ good: Bool) -> Action {
        guard case .checking = state else { return .more }
        return good ? accepted(ByteBuffer()) : denied()
    }

    private mutating func accepted(_ bytes: ByteBuffer) -> Action {
        state = .finished
        return .accepted(bytes)
    }

    private mutating func denied() -> Action {
        let given = response.map { !$0.authentication.isEmpty } ?? false
        return fail(
            1045, "28000",
            "Access denied for user '\(response?.user ?? "")'@'\(address)' (using password: \(given ? "YES" : "NO"))")
    }

    private mutating func fail(_ code: UInt16, _ state: String, _ message: String) -> Action {
        self.state = .finished
        let error = MySQLServerError(code: code, state: state, message: message)
        return .fail(refusal(error), error)
    }
}
