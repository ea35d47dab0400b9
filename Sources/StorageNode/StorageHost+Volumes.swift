// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc
internal import Keyring
internal import LayerCore
internal import LayerStore
internal import Logging
internal import Synchronization
package import VolumeModel

/// Volumes that are gone for good: their space is given back, and nothing brings them back.
///
/// A volume's name is on disk, in the list of those that are gone, before anything of it is removed. From then on its
/// entries in the journal are not replayed and no message makes a segment of it; what a crash has left of its directories, or
/// a disk that was away, goes when the host or the node starts again. A name is never given twice, so the list only grows: by
/// 21 bytes a volume.
extension StorageHost {
    /// Text: one volume a line.
    static func removedVolumes(in path: String) -> Set<VolumeID> {
        let data = FileManager.default.contents(atPath: path) ?? Data()
        let lines = String(decoding: data, as: UTF8.self).split(separator: "\n")
        return Set(lines.compactMap { VolumeID(text: String($0)) })
    }

    var removedVolumesFile: String { "\(configuration.directory)/removed-volumes" }

    /// Lets go of everything that this host's nodes have of a volume, also those that are down. Repeatable.
    ///
    /// - Throws: if something could not be removed yet; the volume does not come back, and it is to be tried again
    package func removeVolume(_ volume: VolumeID) throws {
        try noteRemoval(of: volume)
        state.withLock { state in
            for id in state.segments.keys where id.volume == volume { state.segments[id] = nil }
            for key in state.tails.keys where key.volume == volume { state.tails[key] = nil }
            // These hold files open.
            for node in state.abandoned.keys {
                state.abandoned[node]?.removeAll { $0.identity.volume == volume }
            }
            for (copy, export) in state.exports where export.id.volume == volume { state.exports[copy] = nil }
            state.queue.removeAll { $0.entry.segment.volume == volume }
            state.pins.release(volume)
        }
        recycleJournal()
        for node in nodes {
            let path = volumeDirectory(volume, of: node)
            removeTree(path)
            guard !exists(path) else {
                throw StorageFailure("remove what \(node) has of \(volume)", path: path, errno: ENOTEMPTY)
            }
        }
    }

    private func noteRemoval(of volume: VolumeID) throws {
        try removing.withLock { _ in
            let known = state.withLock { $0.removed }
            guard !known.contains(volume) else { return }
            let text = known.union([volume]).sorted().map { "\($0)\n" }.joined()
            try PrivateFile.write(Data(text.utf8), to: removedVolumesFile)
            state.withLock { _ = $0.removed.insert(volume) }
            logger.notice("volume removed", metadata: ["volume": "\(volume)"])
        }
    }

    /// Removes what is left of volumes that are gone.
    func sweep(_ nodes: [NodeID]) {
        for volume in state.withLock({ $0.removed }) {
            for node in nodes { removeTree(volumeDirectory(volume, of: node)) }
        }
    }

    func isRemoved(_ volume: VolumeID) -> Bool { state.withLock { $0.removed.contains(volume) } }

    private func volumeDirectory(_ volume: VolumeID, of node: NodeID) -> String { "\(nodeDirectory(node))/\(volume)" }

    /// A disk that does not answer may have it still.
    private func exists(_ path: String) -> Bool {
        var info = stat()
        return lstat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR)
    }
}
