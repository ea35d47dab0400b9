// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import SegmentCore
internal import StorageNode
internal import StorageWire
package import Synchronization
internal import VolumeModel

/// A switch that cuts a driver off its storage nodes, both ways, as a network does that has failed: nothing arrives, and
/// nobody is told.
package final class NetworkFault: Sendable {
    package let isCut = Atomic(false)
    package init() {}
}

/// A transport with such a switch in it.
final class FaultyTransport: StorageTransport {
    private let fault: NetworkFault
    private let inner: any StorageTransport

    init(_ fault: NetworkFault, _ events: TransportEvents, open: (TransportEvents) throws -> any StorageTransport)
        rethrows
    {
        self.fault = fault
        inner = try open(
            TransportEvents(
                reply: { if !fault.isCut.load(ordering: .relaxed) { events.reply($0) } }, connection: events.connection)
        )
    }

    private var isCut: Bool { fault.isCut.load(ordering: .relaxed) }

    var nodes: [NodeID] { inner.nodes }

    func append(_ parts: [StorageHost.AppendedPart], vdl: LSN) {
        if !isCut { inner.append(parts, vdl: vdl) }
    }

    func send(_ message: SegmentMessage, to id: SegmentID, payload: ByteBuffer?, create: Bool) {
        if !isCut { inner.send(message, to: id, payload: payload, create: create) }
    }

    func call(_ call: ServiceCall, node: NodeID) throws -> ByteBuffer {
        guard !isCut else { throw DriverError("\(node) is cut off by a fault") }
        return try inner.call(call, node: node)
    }

    func isCongested(_ node: NodeID) -> Bool { isCut || inner.isCongested(node) }

    func close() { inner.close() }
}
