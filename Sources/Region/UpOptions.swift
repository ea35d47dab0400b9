// SPDX-License-Identifier: Apache-2.0

/// How the parts of a region are put into processes.
package enum Layout: String, Codable, Sendable, CaseIterable {
    /// Six nodes and the writer in one process: one journal device, one flush a batch, no hop between driver and nodes.
    case compact
    /// A process for each zone's two nodes, and one for the instance.
    case zones
}

/// What `borealis up` was asked for. Nil means: as remembered, or else the default.
package struct UpOptions: Sendable {
    package var directory: String
    package var layout: Layout?
    package var demo = true
    package var port: Int?
    package var settings: [String] = []
    package var groupBytes: UInt64?
    package var cacheBytes: UInt64?
    package var journalBytes: Int?
    package var binaries: String?
    package var engineUser: String?
    package var logLevel: String?

    package init(directory: String) { self.directory = directory }
}

/// Defaults of a new region.
package enum RegionDefaults {
    package static let port = 15432
    package static let host = "127.0.0.1"
    package static let zones = ["a", "b", "c"]
    package static let nodesPerZone = 2
    package static let groupBytes: UInt64 = 10 << 30
    package static let groupBytesMin: UInt64 = 1 << 20
    package static let cluster = "demo"
    package static let instance = "demo-1"
    package static let superuser = "postgres"

    /// The unit in which a file's content is spread over the groups: small enough that tests with small groups cross many.
    package static func chunkBytes(groupBytes: UInt64) -> UInt64 {
        var chunk: UInt64 = 16 << 20
        while chunk > 128 << 10 && chunk * 16 > groupBytes { chunk /= 2 }
        return chunk
    }
}
