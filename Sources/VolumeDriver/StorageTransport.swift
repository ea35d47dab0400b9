// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import SegmentCore
package import StorageNode
internal import StorageWire
internal import VolumeModel

/// Where a driver finds its storage nodes.
package enum StorageAccess: Sendable {
    /// In this process: no hop between driver and nodes.
    case inProcess(StorageHost)
    /// Behind sockets.
    case remote(PeerDirectory, TransportSecurity)
}

/// The one interface between a driver and its storage nodes, whichever process those are in.
///
/// Messages may be lost; what repeats them is above. Replies come on any thread.
protocol StorageTransport: Sendable {
    /// Nodes that there are, whether reachable or not.
    var nodes: [NodeID] { get }
    /// The commit path: one batch's parts, each to all nodes that it names.
    func append(_ parts: [StorageHost.AppendedPart], vdl: LSN)
    func send(_ message: SegmentMessage, to id: SegmentID, payload: ByteBuffer?, create: Bool)
    /// Asks and waits; not on the commit path.
    func call(_ call: ServiceCall, node: NodeID) throws -> ByteBuffer
    /// Whether more is under way to the node than it takes.
    func isCongested(_ node: NodeID) -> Bool
    func close()
}

/// What a transport tells its driver.
struct TransportEvents: Sendable {
    var reply: StorageHost.ReplySink
    var connection: @Sendable (_ nodes: [NodeID], _ isUp: Bool) -> Void
}

extension StorageAccess {
    func open(_ events: TransportEvents, logger: Logger) throws -> any StorageTransport {
        switch self {
        case .inProcess(let host): LocalTransport(host, events)
        case .remote(let peers, let security): try RemoteTransport(peers, security, events, logger)
        }
    }
}

/// Calls the host's functions: an append returns when the batch is on the device.
final class LocalTransport: StorageTransport {
    private let host: StorageHost
    private let connection: UInt64

    init(_ host: StorageHost, _ events: TransportEvents) {
        self.host = host
        connection = host.connect(events.reply)
        events.connection(host.nodes, true)
    }

    var nodes: [NodeID] { host.nodes }

    func append(_ parts: [StorageHost.AppendedPart], vdl: LSN) { host.append(parts, vdl: vdl, connection: connection) }

    func send(_ message: SegmentMessage, to id: SegmentID, payload: ByteBuffer?, create: Bool) {
        host.deliver(message, to: id, from: .driver(connection), payload: payload, create: create)
    }

    func call(_ call: ServiceCall, node: NodeID) throws -> ByteBuffer { try host.answer(call) }

    func isCongested(_ node: NodeID) -> Bool { false }

    func close() { host.disconnect(connection) }
}

/// One connection a storage process; a batch is sent to each process once, for all its nodes.
final class RemoteTransport: StorageTransport {
    private let group: MultiThreadedEventLoopGroup
    private let directory: PeerDirectory
    /// By index of the directory.
    private let clients: [StorageClient]

    init(_ peers: PeerDirectory, _ security: TransportSecurity, _ events: TransportEvents, _ logger: Logger) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        self.group = group
        group.next().execute { bx_thread_is_commit_path() }
        directory = peers
        clients = try peers.addresses.enumerated().map { index, peer in
            try StorageClient(
                peer, role: .driver, security: security, loop: group.next(), logger: logger,
                onConnect: { events.connection(peers.nodes(at: index), $0) }, onReply: events.reply)
        }
        for client in clients { client.start() }
    }

    var nodes: [NodeID] { directory.nodes }

    func append(_ parts: [StorageHost.AppendedPart], vdl: LSN) {
        // One task on the loop for all connections: one wake-up a batch.
        let clients = self.clients
        let addresses = directory.addresses
        group.next().execute {
            for (client, address) in zip(clients, addresses) {
                var isUsed = false
                for part in parts {
                    let nodes = part.nodes.filter { address.nodes.contains($0) }
                    guard !nodes.isEmpty else { continue }
                    isUsed = true
                    client.write(
                        .append(
                            nodes: nodes, part.header, vdl: vdl, membership: part.membership, payload: part.payload))
                }
                if isUsed { client.flush() }
            }
        }
    }

    private func client(of node: NodeID) -> StorageClient? { directory.index(of: node).map { clients[$0] } }

    func send(_ message: SegmentMessage, to id: SegmentID, payload: ByteBuffer?, create: Bool) {
        client(of: id.node)?.send(
            .message(id.volume, id.group, to: id.node, from: nil, create: create, message, payload: payload))
    }

    func call(_ call: ServiceCall, node: NodeID) throws -> ByteBuffer {
        guard let client = client(of: node) else { throw DriverError("no storage process hosts \(node)") }
        return try client.call(call)
    }

    func isCongested(_ node: NodeID) -> Bool { !(client(of: node)?.isWritable ?? false) }

    func close() {
        for client in clients { client.close() }
        try? group.syncShutdownGracefully()
    }
}
