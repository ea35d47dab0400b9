// SPDX-License-Identifier: Apache-2.0

internal import LayerStore
internal import NIOCore
internal import SegmentCore
internal import VolumeModel

/// A segment with its disk: the machine, the layers, and the group's shared tail.
struct HostedSegment {
    var machine: SegmentMachine
    let layers: LayerStore
    let tail: GroupTail
    /// A snapshot is being copied from a peer.
    var isCopying = false
    /// Layers are being cut or merged.
    var isLayering = false
}

/// What the host owes others once the lock is released.
enum Outgoing {
    case reply(SegmentID, connection: UInt64, SegmentReply, payload: ByteBuffer?)
    case message(from: SegmentID, to: NodeID, SegmentMessage, payload: ByteBuffer?)
    case copy(SegmentID, from: NodeID)
}
