// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StorageWire
internal import Synchronization
internal import VolumeModel

/// Copying a segment's layers from a peer: for a node too far behind for gossip, and for damaged layers.
extension StorageHost {
    func startCopy(_ id: SegmentID, from node: NodeID) {
        state.withLock { $0.segments[id]?.isCopying = false }
    }

    func answerAboutLayers(_ call: ServiceCall) throws -> ByteBuffer { throw CallFailure("not yet") }
}
