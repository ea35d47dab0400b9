// SPDX-License-Identifier: Apache-2.0

package import PostgresWire
package import ProxyCore

/// Users from the configuration file. Verifiers are derived once, at start, as each costs milliseconds.
package struct FileAuthenticator: ClientAuthenticator {
    private struct Entry: Sendable {
        var method: AuthenticationMethod
        var credentials: BackendCredentials
        var password: Secret?
    }

    private var entries: [String: Entry] = [:]

    package init(users: [ProxyConfiguration.User]) {
        var generator = SystemRandomNumberGenerator()
        for user in users {
            let method: AuthenticationMethod
            switch (user.method ?? (user.password == nil ? .trust : .scram), user.password) {
            case (.trust, _): method = .trust
            case (_, nil): method = .refuse
            case (.md5, let password?):
                let text = password.reveal()
                let isDigest = text.hasPrefix("md5") && text.utf8.count == 35
                method = .md5(
                    stored: isDigest
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
                password: user.password)
        }
    }

    package func method(user: String, database: String, tls: Bool) -> AuthenticationMethod {
        entries[user]?.method ?? .refuse
    }

    package func backendCredentials(user: String, database: String) -> BackendCredentials? {
        entries[user]?.credentials
    }

    /// The clear password, which MySQL's challenge methods need.
    package func password(user: String) -> Secret? { entries[user]?.password }
}
