// SPDX-License-Identifier: Apache-2.0

internal import Engines

/// How the parts of a region are put into processes.
package enum Layout: String, Codable, Sendable, CaseIterable {
    /// Six nodes and the writer in one process: one journal device, one flush a batch, no hop between driver and nodes.
    case compact
    /// A process for each zone's two nodes, and one for the instance.
    case zones
}

/// Which engines a region runs a cluster of.
package enum EngineChoice: String, Sendable, CaseIterable {
    case postgres
    case mariadb
    case both
}

/// What `borealis up` was asked for. Nil means: as remembered, or else the default.
package struct UpOptions: Sendable {
    package var directory: String
    package var layout: Layout?
    package var demo = true
    /// Whether the AWS API is served, and where; nil is the remembered port or the default.
    package var api = true
    package var apiPort: Int?
    /// Where the control plane keeps what was asked for: nil is the remembered place, or `sqlite`.
    package var state: String?
    /// For an etcd with TLS; nil ones are as they were.
    package var stateFiles = ControlConfiguration.StoreFiles()
    /// Nil: the clusters there are already, or else PostgreSQL.
    package var engine: EngineChoice?
    /// Of the first cluster, and of the MariaDB cluster.
    package var port: Int?
    package var mariaPort: Int?
    /// `name=value`, or `mariadb:name=value` where more than one engine runs.
    package var settings: [String] = []
    /// The least number of readers of each cluster that `up` runs; nil is as many as there are.
    package var readers: Int?
    package var groupBytes: UInt64?
    package var cacheBytes: UInt64?
    package var prefetchBytes: UInt64?
    package var journalBytes: Int?
    package var binaries: String?
    package var mariaBinaries: String?
    package var engineUser: String?
    package var logLevel: String?

    package init(directory: String) { self.directory = directory }
}

/// Defaults of a new region.
package enum RegionDefaults {
    package static let host = "127.0.0.1"
    package static let zones = ["a", "b", "c"]
    package static let nodesPerZone = 2
    package static let groupBytes: UInt64 = 10 << 30
    package static let groupBytesMin: UInt64 = 1 << 20
    /// A cluster that is alone; with two, each has its engine's suffix.
    package static let cluster = "demo"

    /// The unit in which a file's content is spread over the groups: small enough that tests with small groups cross many.
    package static func chunkBytes(groupBytes: UInt64) -> UInt64 {
        var chunk: UInt64 = 16 << 20
        while chunk > 128 << 10 && chunk * 16 > groupBytes { chunk /= 2 }
        return chunk
    }
}

/// Defaults of a new cluster.
extension EngineKind {
    var defaultPort: Int {
        switch self {
        case .postgres: 15432
        case .mariadb: 13306
        }
    }

    /// As in Aurora, MariaDB's administrator is not `root`.
    var defaultSuperuser: String {
        switch self {
        case .postgres: "postgres"
        case .mariadb: "admin"
        }
    }

    var clusterSuffix: String {
        switch self {
        case .postgres: "-pg"
        case .mariadb: "-my"
        }
    }
}
