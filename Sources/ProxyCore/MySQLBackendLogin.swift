// SPDX-License-Identifier: Apache-2.0

package import MySQLWire
package import NIOCore
internal import PostgresWire

/// The proxy logging in to a MySQL or MariaDB server: from the server's greeting to OK.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>. Answers
/// mysql_native_password, caching_sha2_password (short way, and in full over TLS or RSA), client_ed25519, and over TLS
/// mysql_clear_password.
package struct MySQLBackendLogin {
    package enum Action {
        case more
        case send(ByteBuffer)
        /// Send the bytes, put TLS under the connection, then call `encrypted`.
        case startTLS(ByteBuffer)
        case ready(MySQLBackendSession, MySQLHandshake)
        case fail(MySQLServerError)
    }

    private enum State {
        case greeting
        case tls
        case authenticating
        case publicKey
        case finished
    }

    private var state = State.greeting
    private let credentials: BackendCredentials
    private let capabilities: MySQLCapabilities
    private let tls: BackendLogin.TLSMode
    private var reader = MySQLPayloadReader(limit: 1 << 20)
    private var handshake: MySQLHandshake?
    private var plugin = ""
    private var challenge: [UInt8] = []
    private var sequence: UInt8 = 0
    private var encrypted = false

    /// `flags`: those of `MySQLCapabilities.significant` that are wanted.
    package init(credentials: BackendCredentials, tls: BackendLogin.TLSMode, flags: MySQLCapabilities) {
        self.credentials = credentials
        self.tls = tls
        capabilities = MySQLCapabilities.wanted.union(flags.intersection(.significant))
    }

    package mutating func receive(_ buffer: inout ByteBuffer) throws(MySQLWireError) -> Action {
        if case .tls = state { return .more }
        guard let (payload, got) = try reader.read(from: &buffer) else { return .more }
        sequence = got &+ 1
        guard let first = payload.getInteger(at: payload.readerIndex, as: UInt8.self) else { throw .malformed }
        if first == 0xff {
            state = .finished
            return .fail(try MySQLServerError(reading: payload))
        }
        switch state {
        case .greeting: return try greeted(payload)
        case .authenticating, .publicKey:
            switch first {
            case 0: return try finished(payload)
            case 1: return try moreData(payload)
            case 0xfe: return try switched(payload)
            default: throw .malformed
            }
        case .tls, .finished: throw .malformed
        }
    }

    private mutating func greeted(_ payload: ByteBuffer) throws(MySQLWireError) -> Action {
        let handshake = try MySQLHandshake(reading: payload)
        guard handshake.capabilities.isSuperset(of: [.protocol41, .pluginAuthentication]) else {
            throw .authentication("the server is too old")
        }
        self.handshake = handshake
        challenge = handshake.challenge
        plugin = handshake.plugin
        guard tls != .disable else { return .send(try response()) }
        guard handshake.capabilities.contains(.tls) else {
            if tls == .prefer { return .send(try response()) }
            throw .authentication("the server does not offer TLS")
        }
        state = .tls
        let request = draft([])
        return .startTLS(packet { request.writeTLSRequest(to: &$0) })
    }

    /// The TLS handshake is done.
    package mutating func encryptedNow() throws(MySQLWireError) -> ByteBuffer {
        encrypted = true
        return try response()
    }

    private func draft(_ authentication: [UInt8]) -> MySQLHandshakeResponse {
        var flags = capabilities.intersection(
            handshake?.capabilities.union([.foundRows, .ignoreSpace, .localFiles]) ?? [])
        // MariaDB shows by the absence of this flag that it is not MySQL.
        flags.insert(.longPassword)
        if tls != .disable, handshake?.capabilities.contains(.tls) == true { flags.insert(.tls) }
        return MySQLHandshakeResponse(
            capabilities: flags, user: credentials.user, authentication: authentication, database: nil, plugin: plugin)
    }

    private mutating func response() throws(MySQLWireError) -> ByteBuffer {
        state = .authenticating
        // A plugin the proxy lacks may be no more than the server's default: let it ask for the user's own.
        let known = [MySQLScrambles.native, MySQLScrambles.cachingSHA2].contains(plugin)
        if !known { plugin = MySQLScrambles.native }
        let answer = try authentication()
        let whole = draft(answer)
        return packet { whole.write(to: &$0) }
    }

    private func authentication() throws(MySQLWireError) -> [UInt8] {
        let password = credentials.password?.bytes ?? []
        switch plugin {
        case MySQLScrambles.native:
            return MySQLScrambles.native(password: password, challenge: Array(challenge.prefix(20)))
        case MySQLScrambles.cachingSHA2:
            return MySQLScrambles.cachingSHA2(password: password, challenge: Array(challenge.prefix(20)))
        case MySQLScrambles.ed25519: return Ed25519.sign(challenge, password: password)
        case MySQLScrambles.clear where encrypted: return password + [0]
        case MySQLScrambles.clear:
            throw .authentication("the server asks for the password in clear, which needs target_tls")
        default: throw .authentication("the server asks for the authentication plugin \(plugin), which the proxy lacks")
        }
    }

    private mutating func switched(_ payload: ByteBuffer) throws(MySQLWireError) -> Action {
        let request = try MySQLAuthSwitch(reading: payload)
        plugin = request.plugin
        challenge = request.challenge
        let answer = try authentication()
        return .send(packet { $0.writeBytes(answer) })
    }

    private mutating func moreData(_ payload: ByteBuffer) throws(MySQLWireError) -> Action {
        let data = Array(payload.readableBytesView.dropFirst())
        let password = credentials.password?.bytes ?? []
        if case .publicKey = state {
            state = .authenticating
            let bytes = try PasswordEncryption.encrypt(
                password: password, challenge: Array(challenge.prefix(20)),
                publicKey: String(decoding: data, as: UTF8.self))
            return .send(packet { $0.writeBytes(bytes) })
        }
        guard plugin == MySQLScrambles.cachingSHA2 else { throw .malformed }
        switch data {
        case [3]: return .send(ByteBuffer())
        case [4]:
            if encrypted { return .send(packet { $0.writeBytes(password + [0]) }) }
            state = .publicKey
            return .send(packet { $0.writeInteger(UInt8(2)) })
        default: throw .malformed
        }
    }

    private mutating func finished(_ payload: ByteBuffer) throws(MySQLWireError) -> Action {
        guard let handshake else { throw .malformed }
        let ok = try MySQLOK(reading: payload)
        state = .finished
        var status = ok.status
        status.remove(.sessionStateChanged)
        return .ready(
            MySQLBackendSession(
                connectionID: handshake.connectionID, status: status,
                tracks: handshake.capabilities.contains(.sessionTrack)),
            handshake)
    }

    private mutating func packet(_ body: (inout ByteBuffer) -> Void) -> ByteBuffer {
        var payload = ByteBuffer()
        body(&payload)
        var bytes = ByteBuffer()
        sequence = MySQLPacket.write(payload, sequence: sequence, to: &bytes)
        return bytes
    }
}
