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
    private let directory: PeerDirectory
    /// By index of the directory; nil for this process.
    private let clients: [StorageClient?]

    init(_ configuration: StorageHostConfiguration, logger: Logger) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        self.group = group
        directory = configuration.peers
        clients = try directory.addresses.map { peer in
            guard Set(peer.nodes).isDisjoint(with: configuration.nodes) else { return nil }
            return try StorageClient(
                peer, role: .peer, security: configuration.security, loop: group.next(), logger: logger)
        }
    }

    func start() { for client in clients { client?.start() } }

    func stop() {
        for client in clients { client?.close() }
        try? group.syncShutdownGracefully()
    }

    private func client(of node: NodeID) -> StorageClient? { directory.index(of: node).flatMap { clients[$0] } }

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
