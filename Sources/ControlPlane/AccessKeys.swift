// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// What a client needs to reach the region: kept in a file that only its owner can read.
package struct AccessKeys: Codable, Sendable, Equatable {
    package var endpoint: String
    package var accessKeyId: String
    package var secretAccessKey: String
    package var region: String
    package var account: String
    /// Seals secrets of the desired state; 32 bytes.
    package var sealingKey: Data

    package static func make(endpoint: String) -> AccessKeys {
        var random = SystemRandomNumberGenerator()
        let upper = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        let mixed = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        func text(_ letters: [Character], _ count: Int) -> String {
            String((0..<count).map { _ in letters[Int.random(in: 0..<letters.count, using: &random)] })
        }
        let account = Account()
        return AccessKeys(
            endpoint: endpoint, accessKeyId: "AKIA" + text(upper, 16), secretAccessKey: text(mixed, 40),
            region: account.region, account: account.id,
            sealingKey: Data((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }))
    }

    package static func load(_ path: String) throws -> AccessKeys? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        do { return try JSONDecoder().decode(AccessKeys.self, from: data) } catch {
            throw ControlError("\(path) is damaged", remedy: "restore it from a backup, or remove it for new keys")
        }
    }

    /// Name and value, for a shell's `export`.
    package var environment: [(name: String, value: String)] {
        [
            ("AWS_ENDPOINT_URL", endpoint), ("AWS_ACCESS_KEY_ID", accessKeyId),
            ("AWS_SECRET_ACCESS_KEY", secretAccessKey), ("AWS_DEFAULT_REGION", region), ("AWS_REGION", region),
            ("AWS_ACCOUNT_ID", account),
        ]
    }
}
