// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// What the data plane is to run for a DB proxy.
package struct ProxyWish: Sendable {
    /// The proxy's resource identifier, which stays when it is renamed.
    package var id: String
    /// The configuration of `borealis proxy`, in JSON, without certificates and without targets.
    package var configuration: Data
    /// The addresses it listens on.
    package var hosts: [String]
    /// Where its instances are now; a running proxy takes other ones without being restarted.
    package var targets: [Target]

    package struct Target: Codable, Sendable, Equatable {
        package var host: String
        package var port: Int
    }
}

/// The configuration file of `borealis proxy`, as docs/proxy.md describes it.
struct ProxySettings: Encodable {
    struct Listener: Encodable {
        var name: String
        var host: String
        var port: Int
        var role: String
        var requireTls: Bool
    }
    struct User: Encodable {
        var name: String
        var password: String?
        var method: String?
        var backendPassword: String?
    }
    struct Pool: Encodable {
        var targetMaxConnections: Int
        var maxConnectionsPercent: Int
        var maxIdleConnectionsPercent: Int
        var connectionBorrowTimeoutSeconds: Int
        var idleClientTimeoutSeconds: Int
        var initQuery: String?
        var sessionPinningFilters: [String]
    }
    struct IAM: Encodable {
        struct Key: Encodable {
            var id: String
            var secret: String
        }
        var region: String
        var accessKeys: [Key]
    }
    struct Address: Encodable {
        var host: String
        var port: Int
    }
    struct Health: Encodable {
        var user: String
        var password: String
    }
    struct Group: Encodable {
        var engine: String
        var listeners: [Listener]
        var users: [User]
        var pool: Pool
        var health: Health
        var iam: IAM?
    }

    var name: String
    var metrics: Address
    var adminUsers: [String]
    var groups: [Group]

    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}
