// SPDX-License-Identifier: Apache-2.0

/// The database engines there are adapters for; the raw value is what configurations and the metadata say.
package enum EngineKind: String, Codable, Hashable, Sendable, CaseIterable {
    case postgres
    case mariadb

    /// As people write it.
    package var title: String {
        switch self {
        case .postgres: "PostgreSQL"
        case .mariadb: "MariaDB"
        }
    }

    /// The account it runs under when root starts it, which its Debian package makes.
    package var standardAccount: String {
        switch self {
        case .postgres: "postgres"
        case .mariadb: "mysql"
        }
    }

    /// The Debian package with its server.
    package var package: String {
        switch self {
        case .postgres: "postgresql-15"
        case .mariadb: "mariadb-server"
        }
    }

    /// Finds the directory of its programs: what was asked for, or else the environment's, or else where packages put it.
    package func locateBinaries(requested: String?, environment: [String: String]) throws -> String {
        switch self {
        case .postgres: try PostgresEngine.locateBinaries(requested: requested, environment: environment)
        case .mariadb: try MariaEngine.locateBinaries(requested: requested, environment: environment)
        }
    }

    /// Reads `name=value`. Throws, with the reason, for a name that durability rests on.
    package func parseSetting(_ text: String) throws -> (name: String, value: String) {
        switch self {
        case .postgres: try PostgresConfiguration.parse(text)
        case .mariadb: try MariaConfiguration.parse(text)
        }
    }
}

extension EngineSettings {
    /// The adapter of the engine that the settings name.
    package var adapter: any EngineAdapter {
        switch engine {
        case .postgres: PostgresEngine(self)
        case .mariadb: MariaEngine(self)
        }
    }
}
