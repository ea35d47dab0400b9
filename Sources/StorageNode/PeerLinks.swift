// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import NIOCore
internal import NIOPosix
internal import SegmentCore
internal import StorageWire
internal import VolumeModel

/// Connections to the other storage processes, for gossip and for copying layers. Messages to a peer that is away are lost.
final class PeerLinks: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let clients: [StorageClient]

    init(_ configuration: StorageHostConfiguration, logger: Logger) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        self.group = group
        let others = configuration.peers.filter { Set($0.nodes).isDisjoint(with: configuration.nodes) }
        clients = try others.map {
            try StorageClient($0, role: .peer, security: configuration.security, loop: group.next(), logger: logger)
        }
    }

    func start() { for client in clients { client.start() } }

    func stop() {
        for client in clients { client.close() }
        try? group.syncShutdownGracefully()
    }

    private func client(of node: NodeID) -> StorageClient? { clients.first { $0.address.nodes.contains(node) } }

    func send(_ message: SegmentMessage, to id: SegmentID, from: NodeID, payload: ByteBuffer?) {
        client(of: id.node)?.send(
            .message(id.volume, id.group, to: id.node, from: from, create: false, message, payload: payload))
    }

    /// Asks a peer's process and waits.
    func call(_ call: ServiceCall, node: NodeID) throws -> ByteBuffer {
        guard let client = client(of: node) else { throw CallFailure("no process hosts \(node)") }
        return try client.call(call)
    }
}
