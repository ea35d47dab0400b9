// SPDX-License-Identifier: Apache-2.0

internal import LayerStore
package import NIOCore
package import SegmentCore
internal import VolumeModel

/// A segment with its disk: the machine, the layers, and the group's shared tail.
///
/// A class, so that looking a segment up copies no machine. `layers` and `tail` are thread-safe by themselves; the variables
/// are read and written under the host's state lock only, which is what makes it sendable.
final class HostedSegment: @unchecked Sendable {
    var machine: SegmentMachine
    let layers: LayerStore
    let tail: GroupTail
    /// A snapshot is being copied from a peer.
    var isCopying = false

    /// Layers that the journal counts on are not there. Read and change nothing before they are copied.
    var lacksLayers: Bool { layers.layeredLSN < machine.floor.lsn }

    init(machine: SegmentMachine, layers: LayerStore, tail: GroupTail) {
        self.machine = machine
        self.layers = layers
        self.tail = tail
    }
}

/// What a segment says to a driver.
package struct SegmentAnswer: Sendable {
    package var id: SegmentID
    package var reply: SegmentReply
    /// The part's bytes, if the reply carries one.
    package var payload: ByteBuffer?
}

/// What the host owes others once the lock is released.
enum Outgoing {
    case reply(SegmentID, connection: UInt64, SegmentReply, payload: ByteBuffer?)
    case message(from: SegmentID, to: NodeID, SegmentMessage, payload: ByteBuffer?)
    case copy(SegmentID, from: NodeID)
}
