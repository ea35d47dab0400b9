// SPDX-License-Identifier: Apache-2.0

package import LayerStore
package import VolumeModel

/// How processes prove who they are to each other.
package enum TransportSecurity: Sendable, Hashable {
    /// No TLS: for tests over loopback only.
    case plain
    /// Both sides show a certificate of the authority. Paths of PEM files.
    case mutual(certificateFile: String, keyFile: String, authorityFile: String)
}

/// Where a storage process listens and which nodes it hosts.
package struct PeerAddress: Sendable, Hashable, Codable {
    package var nodes: [NodeID]
    package var host: String
    package var port: Int

    package init(nodes: [NodeID], host: String, port: Int) {
        self.nodes = nodes
        self.host = host
        self.port = port
    }
}

extension NodeID: Codable {
    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = NodeID(text) else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath, debugDescription: "\(text) is no node; nodes are called a1, b2, ..."
                ))
        }
        self = id
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

package struct StorageHostConfiguration: Sendable {
    /// The host's journal and its nodes' segments live here.
    package var directory: String
    package var nodes: [NodeID]
    /// Every storage process of the region, this one included.
    package var peers: PeerDirectory
    /// Nodes whose segments do not live in `directory`, and where they do.
    package var nodeDirectories: [NodeID: String] = [:]
    package var listenHost: String
    package var listenPort: Int
    package var security: TransportSecurity
    /// Payload bytes of a group that start a layer.
    package var layerBytes = 16 << 20
    /// Payload bytes outside layers beyond which appends wait for the layers.
    package var tailBytesMax = 64 << 20
    /// Everything on disk is authenticated once in this time.
    package var scrubSeconds = 6 * 3600
    /// History older than this many log bytes is merged away, unless a mount reads there.
    package var historyBytes: UInt64 = 1 << 30
    /// Collect from the start on, without waiting for mounts of an earlier run: for tests.
    package var startsWithoutPins = false
    /// Size of one journal file.
    package var journalFileBytes = Journal.fileBytes
    /// More journal files than this are not kept for nodes that are out.
    package var journalFilesMax = 16
    /// For tests.
    package var onLayerStep: LayerStore.StepHook?

    package init(
        directory: String, nodes: [NodeID], peers: PeerDirectory, listenHost: String, listenPort: Int,
        security: TransportSecurity
    ) {
        self.directory = directory
        self.nodes = nodes
        self.peers = peers
        self.listenHost = listenHost
        self.listenPort = listenPort
        self.security = security
    }
}

/// One node's state for status.
package struct NodeStatus: Sendable, Codable {
    package struct Segment: Sendable, Codable {
        package var volume: String
        package var group: UInt32
        package var scl: UInt64
        package var vdl: UInt64
        package var layered: UInt64
        package var layers: Int
        package var bytes: Int64
        package var promised: UInt32
        package var membership: UInt32
        package var isMember: Bool
        /// The group's members as this segment knows them: one set, or two while a node is being replaced.
        package var sets: [[NodeID]]
    }

    package var node: NodeID
    /// `up`, `down`, `full` or `failed`.
    package var state: String
    package var reason: String?
    /// The highest LSN that a segment of the node is complete to.
    package var scl: UInt64
    package var segments: [Segment]
    /// Damage found by scrub or reads since the start, and repaired.
    package var damaged: Int
    package var repaired: Int
}

/// A fault to inject into a storage process.
package enum StorageFault: Sendable, Hashable {
    case killNode(NodeID)
    case startNode(NodeID)
    /// Every flush takes this much longer.
    case slowDisk(milliseconds: Int)
    /// Flips bits in that many blocks of what the node has on disk.
    case corrupt(NodeID, blocks: Int)
    /// Nothing gets in or out over the network.
    case partition(Bool)
    /// The same for some of the nodes only.
    case isolate([NodeID])
    case heal
}
