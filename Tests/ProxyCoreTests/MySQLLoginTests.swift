// SPDX-License-Identifier: Apache-2.0

import MySQLWire
import NIOCore
import PostgresWire
import ProxyCore
import Testing

/// The proxy's two ends of a login, talking to each other.
@Suite struct MySQLLoginTests {
    enum End: Equatable {
        case loggedIn
        case denied(UInt16)
    }

    /// Carries bytes between the machines, `chunk` at a time, until both are through.
    private func run(
        _ method: MySQLAuthenticationMethod, password: String?, tls: Bool = false, chunk: Int = .max,
        policy: MySQLClientLogin.Policy? = nil
    ) throws -> End {
        var policy = policy ?? MySQLClientLogin.Policy()
        policy.offersTLS = policy.offersTLS || tls
        let pair = try PasswordEncryption.KeyPair()
        var front = MySQLClientLogin(policy: policy, challenge: Array(50..<70), address: "10.0.0.9", keyPair: { pair })
        var back = MySQLBackendLogin(
            credentials: BackendCredentials(user: "app", password: password.map { Secret($0) }),
            tls: tls ? .require : .disable, flags: [.foundRows])
        var toBack = front.start(version: "8.0.36", connectionID: 9, status: .autocommit)
        var toFront = ByteBuffer()
        var heldBack = ByteBuffer()
        var heldFront = ByteBuffer()
        for _ in 0..<10_000 {
            if let slice = toBack.readSlice(length: min(chunk, toBack.readableBytes)) {
                heldBack.writeImmutableBuffer(slice)
            }
            switch try back.receive(&heldBack) {
            case .more: break
            case .send(let bytes): toFront.writeImmutableBuffer(bytes)
            case .startTLS(let bytes): toFront.writeImmutableBuffer(bytes)
            case .ready(let session, _):
                #expect(session.connectionID == 9)
                return .loggedIn
            case .fail(let error): return .denied(error.code)
            }
            if let slice = toFront.readSlice(length: min(chunk, toFront.readableBytes)) {
                heldFront.writeImmutableBuffer(slice)
            }
            var action = try front.receive(&heldFront)
            while true {
                switch action {
                case .more: break
                case .reply(let bytes): toBack.writeImmutableBuffer(bytes)
                case .startTLS:
                    front.encrypted()
                    toFront.writeImmutableBuffer(try back.encryptedNow())
                case .authenticate:
                    #expect(front.response?.user == "app")
                    action = front.begin(method)
                    continue
                case .check(let secret, _):
                    action = front.checked(secret.reveal() == "secret")
                    continue
                case .accepted(let bytes):
                    toBack.writeImmutableBuffer(bytes)
                    toBack.writeImmutableBuffer(front.ok(status: .autocommit))
                case .fail(let bytes, _): toBack.writeImmutableBuffer(bytes)
                }
                break
            }
        }
        Issue.record("the two never came to an end")
        return .denied(0)
    }

    @Test(arguments: [1, 3, Int.max], [nil, MySQLScrambles.native, MySQLScrambles.cachingSHA2])
    func `the right password gets in by either challenge`(chunk: Int, plugin: String?) throws {
        #expect(try run(.password(Secret("secret"), plugin: plugin), password: "secret", chunk: chunk) == .loggedIn)
        #expect(try run(.password(Secret("secret"), plugin: plugin), password: "other", chunk: chunk) == .denied(1045))
        #expect(try run(.password(Secret(""), plugin: plugin), password: "", chunk: chunk) == .loggedIn)
        #expect(try run(.password(Secret("secret"), plugin: plugin), password: "", chunk: chunk) == .denied(1045))
        #expect(try run(.password(Secret("secret"), plugin: plugin), password: "secret", tls: true) == .loggedIn)
    }

    @Test(arguments: [1, Int.max])
    func `full authentication passes the password under RSA, or in clear under TLS`(chunk: Int) throws {
        let check = MySQLAuthenticationMethod.check { _ in true }
        #expect(try run(check, password: "secret", chunk: chunk) == .loggedIn)
        #expect(try run(check, password: "other", chunk: chunk) == .denied(1045))
        #expect(try run(check, password: "secret", tls: true, chunk: chunk) == .loggedIn)
    }

    @Test func `a stored digest is enough for mysql_native_password`() throws {
        let digest: [UInt8] = [
            0x14, 0xe6, 0x55, 0x67, 0xab, 0xdb, 0x51, 0x35, 0xd0, 0xcf, 0xd9, 0xa7, 0x0b, 0x30, 0x32, 0xc1, 0x79, 0xa4,
            0x9e, 0xe7,
        ]
        #expect(try run(.nativeDigest(digest), password: "secret") == .loggedIn)
        #expect(try run(.nativeDigest(digest), password: "wrong") == .denied(1045))
    }

    @Test func `refusals name their reason`() throws {
        #expect(try run(.refuse, password: "secret") == .denied(1045))
        var policy = MySQLClientLogin.Policy()
        policy.requiresTLS = true
        #expect(try run(.trust, password: nil, policy: policy) == .denied(3159))
        #expect(try run(.trust, password: nil) == .loggedIn)
    }

    @Test func `a client that insists on compression is told`() throws {
        var front = MySQLClientLogin(policy: .init(), challenge: Array(50..<70), address: "x", keyPair: { nil })
        _ = front.start(version: "8", connectionID: 1, status: .autocommit)
        var payload = ByteBuffer()
        MySQLHandshakeResponse(
            capabilities: [.protocol41, .compress, .secureConnection], user: "u", authentication: [], database: nil,
            plugin: nil
        ).write(to: &payload)
        var wire = ByteBuffer()
        MySQLPacket.write(payload, sequence: 1, to: &wire)
        guard case .fail(_, let error) = try front.receive(&wire) else {
            Issue.record("it was let in")
            return
        }
        #expect(error.code == 1043 && error.message.contains("compression"))
    }

    @Test func `what follows a request for TLS is left to TLS`() throws {
        var policy = MySQLClientLogin.Policy()
        policy.offersTLS = true
        var front = MySQLClientLogin(policy: policy, challenge: Array(50..<70), address: "x", keyPair: { nil })
        _ = front.start(version: "8", connectionID: 1, status: .autocommit)
        var payload = ByteBuffer()
        MySQLHandshakeResponse(
            capabilities: [.protocol41, .tls], user: "", authentication: [], database: nil, plugin: nil
        ).writeTLSRequest(to: &payload)
        var wire = ByteBuffer()
        MySQLPacket.write(payload, sequence: 1, to: &wire)
        wire.writeString("ClientHello")
        guard case .startTLS = try front.receive(&wire) else {
            Issue.record("it did not ask for TLS")
            return
        }
        #expect(String(buffer: wire) == "ClientHello")
    }
}
