// SPDX-License-Identifier: Apache-2.0

package import Foundation
internal import Synchronization

/// What a client needs to reach the region: kept in a file that only its owner can read.
package struct AccessKeys: Codable, Sendable, Equatable {
    package var endpoint: String
    package var accessKeyId: String
    package var secretAccessKey: String
    package var region: String
    package var account: String
    /// Seals secrets of the desired state; 32 bytes.
    package var sealingKey: Data
    /// Keys beside the first one; each may do the same.
    package var users: [User]?

    /// A further access key and who has it.
    package struct User: Codable, Sendable, Equatable {
        package var name: String
        package var accessKeyId: String
        package var secretAccessKey: String
    }

    package static func make(endpoint: String) -> AccessKeys {
        let (id, secret, account) = (makeID(), makeSecret(), Account())
        return AccessKeys(
            endpoint: endpoint, accessKeyId: id, secretAccessKey: secret, region: account.region, account: account.id,
            sealingKey: Data((0..<32).map { _ in UInt8.random(in: .min ... .max) }), users: nil)
    }

    private static func makeID() -> String { "AKIA" + text(Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 16) }

    private static func makeSecret() -> String {
        text(Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"), 40)
    }

    private static func text(_ letters: [Character], _ count: Int) -> String {
        String((0..<count).map { _ in letters[Int.random(in: 0..<letters.count)] })
    }

    /// Makes another key.
    package mutating func add(user name: String) -> User {
        let user = User(name: name, accessKeyId: Self.makeID(), secretAccessKey: Self.makeSecret())
        users = (users ?? []) + [user]
        return user
    }

    /// Whether there was such a key; the first one stays.
    package mutating func remove(_ id: String) -> Bool {
        guard let index = users?.firstIndex(where: { $0.accessKeyId == id }) else { return false }
        users?.remove(at: index)
        return true
    }

    func secret(of id: String) -> String? {
        id == accessKeyId ? secretAccessKey : users?.first { $0.accessKeyId == id }?.secretAccessKey
    }

    /// Who signs with a key: `root`, or `user/NAME`.
    func principal(of id: String) -> String {
        users?.first { $0.accessKeyId == id }.map { "user/\($0.name)" } ?? "root"
    }

    package func save(_ path: String, write: (Data, String) throws -> Void) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try write(try encoder.encode(self), path)
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

/// The access keys as they are in their file now: what is added or taken away there holds from the next request on.
package final class AccessKeyFile: Sendable {
    private struct State {
        var keys: AccessKeys
        var written: Date?
    }

    private let path: String
    private let state: Mutex<State>

    package init(path: String) throws {
        guard let keys = try AccessKeys.load(path) else {
            throw ControlError("there are no access keys in \(path)", remedy: "start the region with `borealis up`")
        }
        self.path = path
        state = Mutex(State(keys: keys, written: Self.written(path)))
    }

    package var current: AccessKeys {
        let written = Self.written(path)
        return state.withLock { state in
            // A file that cannot be read, or is not complete, changes nothing.
            if written != state.written, let keys = try? AccessKeys.load(path) {
                state = State(keys: keys, written: written)
            }
            return state.keys
        }
    }

    private static func written(_ path: String) -> Date? {
        try? FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
    }
}
