// SPDX-License-Identifier: Apache-2.0

package import LayerCore
package import VolumeModel

/// What a layer store throws. Bytes that do not authenticate are never answered.
package enum LayerStoreError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A layer, or one chunk of it, is not what was written: repair from peers.
    case damaged(layer: UInt32, chunk: UInt32?, what: String)
    /// The manifest is unreadable: the whole segment is to be repaired from peers.
    case badManifest(String)
    /// The block can no longer be read at this LSN, or the namespace cannot: it was collected.
    case notRetained(LSN)
    /// The batch does not follow what is in the layers.
    case brokenChain(expected: LSN, found: LSN)
    /// A batch's records do not decode.
    case badRecord(RecordTrouble)
    /// A system call failed; nothing changed.
    case system(call: String, path: String, errno: Int32)
    /// What a peer sent is not a layer.
    case badImport(String)
    /// Layer numbers are used up: import the segment into a new directory.
    case numbersExhausted
    /// The store was closed: its directory may be another store's now.
    case closed

    package var description: String {
        switch self {
        case .damaged(let layer, let chunk, let what):
            "layer \(layer)\(chunk.map { ", chunk \($0)" } ?? "") is damaged: \(what)"
        case .badManifest(let what): "read manifest: \(what)"
        case .notRetained(let lsn): "LSN \(lsn) is no longer readable"
        case .brokenChain(let expected, let found): "batch follows \(found), the layers end at \(expected)"
        case .badRecord(let trouble): "batch ending at \(trouble.batchEnd): \(trouble.what)"
        case .system(let call, let path, let errno): "\(call) \(path): errno \(errno)"
        case .badImport(let what): "import layer: \(what)"
        case .numbersExhausted: "layer numbers are used up"
        case .closed: "the layers were closed"
        }
    }
}

/// Which copy of which protection group a directory holds.
package struct SegmentIdentity: Hashable, Sendable {
    package var volume: VolumeID
    package var group: GroupID
    package var node: NodeID

    package init(volume: VolumeID, group: GroupID, node: NodeID) {
        self.volume = volume
        self.group = group
        self.node = node
    }

    /// What a segment's sealer is to be made with.
    package var sealingPurpose: String { "layer \(group) \(node)" }
}

/// A point in the making of a layer or manifest; tests fail or copy the directory there.
package enum StoreStep: String, Sendable, CaseIterable {
    case layerCreated, layerWritten, layerSynced, layerRenamed, directorySynced
    case manifestWritten, manifestSynced, manifestRenamed, manifestDurable, layerRemoved
}
