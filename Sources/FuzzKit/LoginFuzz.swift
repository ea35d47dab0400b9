// SPDX-License-Identifier: Apache-2.0

import MySQLWire
import NIOCore
import PostgresWire
import ProxyCore
package import SimulationKit

/// What a log-in made of the bytes it has.
private enum LoginTurn {
    /// It wants more of them, or somebody's word.
    case waits
    /// There may be more in them.
    case goesOn
    case isOver
}

/// Feeds a log-in `bytes` in reads of any size until it is over or refuses them.
private func feed(
    _ bytes: ByteBuffer, _ random: inout SimulationRandom,
    _ turn: (inout ByteBuffer, inout SimulationRandom) throws -> LoginTurn
) -> String? {
    var rest = bytes
    var held = ByteBuffer()
    while rest.readableBytes > 0 {
        held.writeImmutableBuffer(Mutation.read(&rest, &random))
        for turns in 0... {
            guard let outcome = try? turn(&held, &random), outcome != .isOver else { return nil }
            if outcome == .waits { break }
            if turns > 10_000 { return "no end to a log-in" }
        }
    }
    return nil
}

/// Log-ins of both sides under good, damaged and random packets.
package enum PostgresLoginFuzz: FuzzTarget {
    package static let name = "postgres login"

    package static func run(_ random: inout SimulationRandom) -> String? {
        var input = random.chance(1, in: 2) ? client(&random) : server(&random)
        let isServer = random.chance(1, in: 2)
        if random.chance(2, in: 3) { input = Mutation.of(input, &random) }
        return isServer ? feedBackend(input, &random) : feedClient(input, &random)
    }

    /// What a client may begin with.
    private static func client(_ random: inout SimulationRandom) -> ByteBuffer {
        var bytes = ByteBuffer()
        if random.chance(1, in: 4) { StartupPacket.writeSSLRequest(to: &bytes) }
        if random.chance(1, in: 6) { StartupPacket.writeCancel(processID: 1, secret: [1, 2, 3, 4], to: &bytes) }
        let pairs = [("user", "u"), ("database", "d"), ("options", SQLGenerator.anything(&random)), ("_pq_.x", "1")]
        StartupParameters(pairs: Array(pairs.prefix(random.pick(0...4)))).write(to: &bytes)
        let messages = ["SCRAM-SHA-256", "n,,n=,r=abc", "c=biws,r=abcdef,p=AAAA", "md5abc", ""]
        for _ in 0..<random.pick(0...3) {
            bytes.writePostgresMessage(FrontendMessage.password) {
                $0.writePostgresString(random.pick(messages))
                $0.writeInteger(UInt32(random.pick([0, 5, 11, 1 << 20])))
                $0.writeString(random.pick(messages))
            }
        }
        return bytes
    }

    /// What a server may answer to a startup packet.
    private static func server(_ random: inout SimulationRandom) -> ByteBuffer {
        var bytes = ByteBuffer()
        if random.chance(1, in: 4) { bytes.writeInteger(random.pick([UInt8(ascii: "N"), UInt8(ascii: "S")])) }
        for _ in 0..<random.pick(1...5) {
            switch random.pick(0...5) {
            case 0, 1:
                bytes.writePostgresMessage(BackendMessage.authentication) {
                    $0.writeInteger(random.pick([UInt32(0), 3, 5, 10, 11, 12, 7]))
                    $0.writeString(random.pick(["SCRAM-SHA-256\0\0", "salt", "r=abc,s=QUJD,i=4096", "v=AAAA", ""]))
                }
            case 2: bytes.writePostgresParameterStatus("server_version", "15")
            case 3: bytes.writePostgresBackendKey(processID: 7, secret: 9)
            case 4: ServerError(code: "28000", message: "no").write(to: &bytes)
            default: bytes.writePostgresReady(.idle)
            }
        }
        return bytes
    }

    private static func feedClient(_ bytes: ByteBuffer, _ random: inout SimulationRandom) -> String? {
        var login = ClientLogin(
            policy: .init(offersTLS: random.chance(1, in: 2), requiresTLS: random.chance(1, in: 4)))
        let methods: [AuthenticationMethod] = [
            .trust, .refuse, .needsTLS, .md5(stored: "abc"), .cleartext { _ in true },
            .scram(SCRAMVerifier(password: Secret("p"), salt: [1, 2, 3, 4], iterations: 1)),
        ]
        var method = random.pick(methods)
        return feed(bytes, &random) { held, random in
            switch try login.receive(&held, serverNonce: { "nonce" }) {
            case .authenticate:
                _ = login.begin(method, salt: [1, 2, 3, 4])
                method = .refuse
                return .goesOn
            case .check:
                _ = login.checked(random.chance(1, in: 2))
                return .waits
            case .more: return .waits
            case .reply, .startTLS: return .goesOn
            case .fail, .cancel, .accepted: return .isOver
            }
        }
    }

    private static func feedBackend(_ bytes: ByteBuffer, _ random: inout SimulationRandom) -> String? {
        var login = BackendLogin(
            credentials: BackendCredentials(user: "u", password: random.chance(3, in: 4) ? Secret("p") : nil),
            database: "d", tls: random.pick([.disable, .prefer, .require]), clientNonce: "abc")
        _ = login.start()
        return feed(bytes, &random) { held, _ in
            switch try login.receive(&held, salted: { _, _ in [UInt8](repeating: 7, count: 32) }) {
            case .startTLS:
                _ = login.encrypted()
                return .goesOn
            case .more: return .waits
            case .send: return .goesOn
            case .ready, .fail: return .isOver
            }
        }
    }
}

/// As `PostgresLoginFuzz`, for MySQL.
package enum MySQLLoginFuzz: FuzzTarget {
    package static let name = "mysql login"

    package static func run(_ random: inout SimulationRandom) -> String? {
        var input = random.chance(1, in: 2) ? client(&random) : server(&random)
        let isServer = random.chance(1, in: 2)
        if random.chance(2, in: 3) { input = Mutation.of(input, &random) }
        return isServer ? feedBackend(input, &random) : feedClient(input, &random)
    }

    private static let plugins = [
        "mysql_native_password", "caching_sha2_password", "client_ed25519", "mysql_clear_password", "sha256_password",
        "",
    ]

    private static func packet(_ sequence: Int, _ out: inout ByteBuffer, _ body: (inout ByteBuffer) -> Void) {
        var payload = ByteBuffer()
        body(&payload)
        MySQLPacket.write(payload, sequence: UInt8(sequence), to: &out)
    }

    private static func client(_ random: inout SimulationRandom) -> ByteBuffer {
        var bytes = ByteBuffer()
        var flags = MySQLCapabilities.offered
        if random.chance(1, in: 3) { flags.insert(.tls) }
        if random.chance(1, in: 8) { flags.insert(.compress) }
        if random.chance(1, in: 8) { flags = MySQLCapabilities(rawValue: UInt32(truncatingIfNeeded: random.next())) }
        let response = MySQLHandshakeResponse(
            capabilities: flags, user: random.pick(["u", "", "ä"]),
            authentication: [UInt8](repeating: 1, count: random.pick([0, 1, 20, 32, 40])),
            database: random.chance(1, in: 2) ? "d" : nil, plugin: random.pick(plugins),
            attributes: random.chance(1, in: 2) ? ["_client_name": "x"] : [:])
        packet(1, &bytes) { random.chance(1, in: 5) ? response.writeTLSRequest(to: &$0) : response.write(to: &$0) }
        for number in 0..<random.pick(0...3) {
            packet(2 * number + 3, &bytes) {
                $0.writeBytes([UInt8](repeating: 2, count: random.pick([0, 1, 20, 32, 256])))
            }
        }
        return bytes
    }

    private static func server(_ random: inout SimulationRandom) -> ByteBuffer {
        var bytes = ByteBuffer()
        packet(0, &bytes) {
            MySQLHandshake(
                serverVersion: "5.5.5-10.11", connectionID: 7, challenge: [UInt8](repeating: 65, count: 20),
                capabilities: random.chance(1, in: 2) ? .wanted : .offered, status: .autocommit,
                plugin: random.pick(plugins)
            ).write(to: &$0)
        }
        for number in 0..<random.pick(0...3) {
            packet(2 * number + 2, &bytes) {
                switch random.pick(0...3) {
                case 0: MySQLOK().write(to: &$0)
                case 1: MySQLServerError(code: 1045, state: "28000", message: "no").write(to: &$0)
                case 2:
                    MySQLAuthSwitch(plugin: random.pick(plugins), challenge: [UInt8](repeating: 66, count: 20)).write(
                        to: &$0)
                default: $0.writeBytes([1, UInt8(random.pick(0...5))])
                }
            }
        }
        return bytes
    }

    private static func feedClient(_ bytes: ByteBuffer, _ random: inout SimulationRandom) -> String? {
        var policy = MySQLClientLogin.Policy()
        policy.offersTLS = random.chance(1, in: 2)
        policy.requiresTLS = random.chance(1, in: 4)
        var login = MySQLClientLogin(
            policy: policy, challenge: [UInt8](repeating: 65, count: 20), address: "localhost", keyPair: { nil })
        _ = login.start(version: "10.11", connectionID: 1, status: .autocommit)
        let methods: [MySQLAuthenticationMethod] = [
            .trust, .refuse, .needsTLS, .password(Secret("p"), plugin: nil),
            .nativeDigest([UInt8](repeating: 1, count: 20)),
            .check { _ in true }, .password(Secret(""), plugin: MySQLScrambles.cachingSHA2),
        ]
        let method = random.pick(methods)
        return feed(bytes, &random) { held, random in
            switch try login.receive(&held) {
            case .authenticate: if case .accepted = login.begin(method) { return .isOver } else { return .goesOn }
            case .startTLS:
                login.encrypted()
                return .goesOn
            case .check:
                _ = login.checked(random.chance(1, in: 2))
                return .waits
            case .more: return .waits
            case .reply: return .goesOn
            case .accepted, .fail: return .isOver
            }
        }
    }

    private static func feedBackend(_ bytes: ByteBuffer, _ random: inout SimulationRandom) -> String? {
        var login = MySQLBackendLogin(
            credentials: BackendCredentials(user: "u", password: random.chance(3, in: 4) ? Secret("p") : nil),
            tls: random.pick([.disable, .prefer, .require]), flags: [])
        return feed(bytes, &random) { held, _ in
            switch try login.receive(&held) {
            case .startTLS:
                _ = try login.encryptedNow()
                return .goesOn
            case .more: return .waits
            case .send: return .goesOn
            case .ready, .fail: return .isOver
            }
        }
    }
}
