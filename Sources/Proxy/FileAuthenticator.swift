// SPDX-License-Identifier: Apache-2.0

import Glibc
import MySQLWire
package import PostgresWire
package import ProxyCore

/// Users from the configuration file. Verifiers are derived once, at start, as each costs milliseconds.
package struct FileAuthenticator: ClientAuthenticator {
    private struct Entry: Sendable {
        var method: AuthenticationMethod
        var credentials: BackendCredentials
        var password: Secret?
        var mysql: MySQLAuthenticationMethod
    }

    private var entries: [String: Entry] = [:]
    private let iam: ProxyConfiguration.IAM
    private let iamUsers: Set<String>

    package init(users: [ProxyConfiguration.User], iam: ProxyConfiguration.IAM) {
        self.iam = iam
        iamUsers = Set(users.filter { $0.method == .iam }.map(\.name))
        var generator = SystemRandomNumberGenerator()
        for user in users {
            let method: AuthenticationMethod
            switch (user.method ?? .scram, user.password) {
            case (.trust, _): method = .trust
            case (.iam, _), (_, nil): method = .refuse
            case (.md5, let password?):
                let text = password.reveal()
                method = .md5(
                    stored: PasswordDigests.isMD5(text)
                        ? String(text.dropFirst(3)) : PasswordDigests.storedMD5(user: user.name, password: password))
            case (.cleartext, let password?):
                method = .cleartext { PasswordDigests.equal($0.bytes, password.bytes) }
            case (.scram, let password?), (.native, let password?), (.cachingSHA2, let password?):
                let salt = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
                method = .scram(
                    SCRAMVerifier(parsing: password.reveal()) ?? SCRAMVerifier(password: password, salt: salt))
            }
            entries[user.name] = Entry(
                method: method,
                credentials: BackendCredentials(
                    user: user.backendUser ?? user.name, password: user.backendPassword ?? user.password),
                password: user.password, mysql: Self.mysqlMethod(user))
        }
    }

    package func method(user: String, database: String, tls: Bool) -> AuthenticationMethod {
        if iamUsers.contains(user) { return tls ? .cleartext(check: tokenCheck(user)) : .needsTLS }
        return entries[user]?.method ?? .refuse
    }

    /// Tokens are for TLS connections only.
    private func tokenCheck(_ user: String) -> @Sendable (Secret) async -> Bool {
        let (region, hosts, keys) = (iam.region, iam.hosts, ConfiguredKeys(keys: iam.keys))
        return { secret in
            do throws(IAMToken.Refusal) {
                let token = try IAMToken(parsing: secret.reveal())
                try await token.verify(user: user, region: region, hosts: hosts, now: Int64(time(nil)), keys: keys)
                return true
            } catch {
                return false
            }
        }
    }

    package func mysqlMethod(user: String, tls: Bool) -> MySQLAuthenticationMethod {
        if iamUsers.contains(user) { return tls ? .check(tokenCheck(user)) : .needsTLS }
        return entries[user]?.mysql ?? .refuse
    }

    private static func mysqlMethod(_ user: ProxyConfiguration.User) -> MySQLAuthenticationMethod {
        guard let password = user.password else { return user.method == .trust ? .trust : .refuse }
        switch user.method {
        case .trust: return .trust
        case .iam: return .refuse
        case .cleartext: return .check { PasswordDigests.equal($0.bytes, password.bytes) }
        case .cachingSHA2: return .password(password, plugin: MySQLScrambles.cachingSHA2)
        case .native, nil, .md5, .scram:
            if let digest = nativeDigest(password.reveal()) { return .nativeDigest(digest) }
            return .password(password, plugin: user.method == .native ? MySQLScrambles.native : nil)
        }
    }

    /// Of what SELECT PASSWORD('...') gives.
    static func nativeDigest(_ text: String) -> [UInt8]? {
        text.utf8.count == 41 && text.hasPrefix("*") ? bytes(hex: text.dropFirst()) : nil
    }

    private static func bytes(hex: Substring) -> [UInt8]? {
        let digits = hex.compactMap(\.hexDigitValue)
        guard digits.count == hex.count, digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    package func backendCredentials(user: String, database: String) -> BackendCredentials? {
        entries[user]?.credentials
    }

    /// The password a client logs in with, for asking another proxy in its name.
    package func password(user: String) -> Secret? { entries[user]?.password }
}

/// Access keys from the configuration file. Temporary keys are not known here: a session token is refused.
private struct ConfiguredKeys: AccessKeyProvider {
    let keys: [String: ProxyConfiguration.IAM.Key]

    func secretKey(id: String, sessionToken: String?, user: String) async -> Secret? {
        guard sessionToken == nil, let key = keys[id], key.users?.contains(user) ?? true else { return nil }
        return key.secret
    }
}
