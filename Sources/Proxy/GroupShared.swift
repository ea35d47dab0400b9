// SPDX-License-Identifier: Apache-2.0

import Logging
import MySQLWire
import NIOCore
import NIOSSL
import PostgresWire
import ProxyCore
import Synchronization

/// What all event loops know about one group of targets.
final class GroupShared: Sendable {
    let configuration: ProxyConfiguration.Group
    let authenticator: FileAuthenticator
    let targetTLS: NIOSSLContext?
    let logger: Logger
    /// How many connections to a user's database may be open over all loops.
    let budget: ConnectionBudget
    /// What MySQL clients are greeted with; nil until a server has answered.
    private let knownGreeting = Mutex<MySQLGreeting?>(nil)
    /// For MySQL clients that send a password without TLS; made when the first does.
    private let knownKeyPair = Mutex<PasswordEncryption.KeyPair?>(nil)
    private let salted = Mutex<[SaltKey: [UInt8]]>([:])

    private struct SaltKey: Hashable {
        var credentials: BackendCredentials
        var salt: [UInt8]
        var iterations: Int
    }

    init(_ configuration: ProxyConfiguration.Group, logger: Logger) throws {
        self.configuration = configuration
        self.logger = logger
        authenticator = FileAuthenticator(users: configuration.users, iam: configuration.iam)
        budget = ConnectionBudget()
        if configuration.targetTLS == .disable {
            targetTLS = nil
        } else {
            var tls = TLSConfiguration.makeClientConfiguration()
            // As libpq's sslmode=require: encrypted, the certificate not checked against a CA.
            tls.certificateVerification = .none
            targetTLS = try NIOSSLContext(configuration: tls)
        }
    }

    var greeting: MySQLGreeting? { knownGreeting.withLock { $0 } }

    func learn(_ greeting: MySQLGreeting) { knownGreeting.withLock { $0 = greeting } }

    func keyPair() -> PasswordEncryption.KeyPair? {
        knownKeyPair.withLock { known in
            if known == nil { known = try? PasswordEncryption.KeyPair() }
            return known
        }
    }

    /// Hi() of SCRAM costs milliseconds, and servers keep one salt for each role.
    func saltedPassword(_ credentials: BackendCredentials, salt: [UInt8], iterations: Int) -> [UInt8] {
        let key = SaltKey(credentials: credentials, salt: salt, iterations: iterations)
        if let known = salted.withLock({ $0[key] }) { return known }
        let made = PasswordDigests.saltedPassword(
            credentials.password ?? Secret(""), salt: salt, iterations: iterations)
        salted.withLock {
            if $0.count > 1000 { $0.removeAll() }
            $0[key] = made
        }
        return made
    }
}

/// Permits to open backend connections, shared by the loops; a pool that finds none left tries again on its tick, and
/// others give up idle connections while someone starves.
final class ConnectionBudget: Sendable {
    private struct State {
        var used: [String: Int] = [:]
        var starving: [String: Int] = [:]
    }

    private let state = Mutex(State())

    func take(_ key: String, limit: Int) -> Bool {
        state.withLock { state in
            let used = state.used[key, default: 0]
            if used >= limit {
                state.starving[key] = min(state.starving[key, default: 0] + 1, 64)
                return false
            }
            state.used[key] = used + 1
            return true
        }
    }

    func giveBack(_ key: String) {
        state.withLock { state in
            let used = state.used[key, default: 0] - 1
            state.used[key] = used > 0 ? used : nil
        }
    }

    /// Whether another loop wants a permit; asking takes one such wish away.
    func answerStarvation(_ key: String) -> Bool {
        state.withLock { state in
            guard let wishes = state.starving[key], wishes > 0 else { return false }
            state.starving[key] = wishes > 1 ? wishes - 1 : nil
            return true
        }
    }

    func used(_ key: String) -> Int { state.withLock { $0.used[key, default: 0] } }
}
