// SPDX-License-Identifier: Apache-2.0

import Logging
import MySQLWire
import NIOCore
import NIOSSL
import PostgresWire
import ProxyCore
import Synchronization

/// What a group's part of the configuration says, with what is derived from it once for all loops; replaced as a whole when
/// the file is read again.
struct GroupSettings: Sendable {
    let configuration: ProxyConfiguration.Group
    let authenticator: FileAuthenticator

    init(_ configuration: ProxyConfiguration.Group) {
        self.configuration = configuration
        authenticator = FileAuthenticator(users: configuration.users, iam: configuration.iam)
    }
}

/// What all event loops know about one group of targets.
final class GroupShared: Sendable {
    let targetTLS: NIOSSLContext?
    let logger: Logger
    /// How many connections may be open over all loops.
    let budget = ConnectionBudget()
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
        self.logger = logger
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
