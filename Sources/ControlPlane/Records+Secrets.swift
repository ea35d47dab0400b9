// SPDX-License-Identifier: Apache-2.0

package import AWSProtocol
package import Foundation

/// A secret of Secrets Manager: its newest value and the one before, both sealed.
package struct SecretRecord: StateRecord {
    package static let kind = "secret"

    package struct Version: Codable, Equatable, Sendable {
        /// As `VersionId`; whoever writes may choose it.
        package var id: String
        /// Sealed text, or Base64 of what was not text.
        package var value: Data
        package var isBinary: Bool
        package var created: Timestamp
    }

    /// The name, in the case it was given in.
    package var id: String
    /// The six letters behind the name in its ARN, so that a secret made anew is another one.
    package var suffix: String
    package var description: String?
    /// `AWSCURRENT`; nil until a value was put.
    package var current: Version?
    /// `AWSPREVIOUS`.
    package var previous: Version?
    package var created: Timestamp
    package var changed: Timestamp
    /// When it will be gone; it cannot be read from the moment somebody asked for that.
    package var deletion: Timestamp?
    package var tags: [Tag]

    func arn(_ account: Account) -> String {
        "arn:aws:secretsmanager:\(account.region):\(account.id):secret:\(id)-\(suffix)"
    }
}

extension DesiredState {
    /// A secret by its name or its ARN, with or without the letters at its end.
    func secret(_ name: String, _ account: Account) -> SecretRecord? {
        if let found = secrets[name] { return found }
        return secrets.values.first {
            let arn = $0.arn(account)
            return arn == name || arn.dropLast($0.suffix.utf8.count + 1) == name
        }
    }

    /// Takes out what was to be gone by now.
    mutating func forgetSecrets(now: Timestamp) {
        for secret in secrets.values where secret.deletion.map({ $0 <= now }) ?? false { secrets[secret.id] = nil }
    }
}

/// The user that a secret is about, as RDS writes it: a JSON object with `username` and `password`.
struct SecretLogin: Decodable, Equatable {
    var username: String
    var password: String

    init?(_ secret: SecretRecord, _ box: SecretBox, _ account: Account) {
        guard secret.deletion == nil, let version = secret.current,
            let text = try? box.open(version.value, context: secret.arn(account)),
            let login = try? JSONDecoder().decode(SecretLogin.self, from: Data(text.utf8)), !login.username.isEmpty
        else { return nil }
        self = login
    }
}
