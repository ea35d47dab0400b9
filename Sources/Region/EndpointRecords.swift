// SPDX-License-Identifier: Apache-2.0

package import Endpoints
internal import Foundation
internal import GRDB

/// An endpoint as the metadata store knows it: where it listens is chosen once and stays.
package struct EndpointRecord: Sendable, Equatable {
    package var id: String
    package var cluster: String
    package var kind: EndpointTopology.Kind
    package var host: String
    /// Instances that it has; nil is all but `excluded`.
    package var members: [String]?
    package var excluded: [String] = []
}

extension EndpointRecord {
    /// The endpoints that every cluster has.
    static let standard: [EndpointTopology.Kind] = [.writer, .reader]

    static func id(_ kind: EndpointTopology.Kind, of cluster: String) -> String { "\(kind.rawValue):\(cluster)" }
    static func id(custom name: String) -> String { "custom:\(name)" }
}

extension MetadataStore {
    static let endpointSchema = """
        CREATE TABLE endpoint (
            id TEXT PRIMARY KEY, cluster TEXT NOT NULL REFERENCES cluster (id) ON DELETE CASCADE, kind TEXT NOT NULL,
            host TEXT NOT NULL, members TEXT, excluded TEXT NOT NULL DEFAULT '[]') STRICT;
        """

    package func endpoints() throws -> [EndpointRecord] {
        try remembered(\.endpoints) { db in
            try Row.fetchAll(db, sql: "SELECT * FROM endpoint ORDER BY id").map { row in
                guard let kind = EndpointTopology.Kind(rawValue: row["kind"]) else {
                    throw Self.damaged("the endpoint \(row["id"] as String)")
                }
                return EndpointRecord(
                    id: row["id"], cluster: row["cluster"], kind: kind, host: row["host"],
                    members: try (row["members"] as String?).map(Self.names),
                    excluded: try Self.names(row["excluded"]))
            }
        }
    }

    package func save(_ endpoint: EndpointRecord) throws {
        func text(_ names: [String]) throws -> String {
            String(decoding: try JSONEncoder().encode(names), as: UTF8.self)
        }
        try database.write {
            try $0.execute(
                sql: """
                    INSERT OR REPLACE INTO endpoint (id, cluster, kind, host, members, excluded) VALUES (?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    endpoint.id, endpoint.cluster, endpoint.kind.rawValue, endpoint.host,
                    try endpoint.members.map(text), try text(endpoint.excluded),
                ])
        }
    }

    package func removeEndpoint(_ id: String) throws {
        try database.write { try $0.execute(sql: "DELETE FROM endpoint WHERE id = ?", arguments: [id]) }
    }

    private static func names(_ text: String) throws -> [String] {
        try JSONDecoder().decode([String].self, from: Data(text.utf8))
    }
}
