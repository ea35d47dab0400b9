// SPDX-License-Identifier: Apache-2.0

internal import LayerStore
internal import Logging
internal import NIOCore
internal import SegmentCore
internal import StorageWire
internal import Synchronization
package import VolumeModel

/// Looks whether a node's journal still has what the node relies on.
///
/// Until a part is in a layer, the journal's copy is the only one that a restart of this node would find. Reads answer from
/// memory meanwhile, so that nobody would notice a copy that has rotted.
extension StorageHost {
    /// What one scrub call reads at most: well within a call's time limit.
    private static let scrubBytes: UInt64 = 128 << 20

    func answerAboutDamage(_ call: ServiceCall) throws -> ByteBuffer {
        var answer = ByteBuffer()
        switch call {
        case .audit(let volume, let node):
            let (sound, missing) = try audit(volume, node)
            answer.writeMultipleIntegers(UInt32(sound), UInt32(missing), endianness: .little)
        case .scrub(let volume, let group, let node, let layer, let chunk):
            let id = SegmentID(volume: volume, group: group, node: node)
            guard
                let report = try scrub(
                    id, from: ScrubPosition(layer: layer, chunk: chunk), bytesMax: Self.scrubBytes)
            else { throw CallFailure("\(id) is out, or being copied from a peer") }
            answer.writeMultipleIntegers(
                report.bytes, UInt32(report.damaged.count), UInt8(report.next == nil ? 0 : 1), report.next?.layer ?? 0,
                report.next?.chunk ?? 0, endianness: .little)
        default: throw CallFailure("not a call about damage")
        }
        return answer
    }

    /// Parts of the volume that the node has acknowledged and that are in no layer: how many its journal holds, sound, and how
    /// many it does not. If it lacks any, they are saved at once: from memory into layers, which need no journal.
    package func audit(_ volume: VolumeID, _ node: NodeID) throws -> (sound: Int, missing: Int) {
        // What is acknowledged now is in the files that there are after this.
        let relied = reliedOn(volume, node)
        guard !relied.isEmpty else { return (0, 0) }
        let extents = device.withLock { $0.journal.extents }
        var found: [SegmentID: Set<LSN>] = [:]
        for extent in extents {
            try Journal.read(extent) { entry in
                guard case .batch(let header, _) = entry.record, entry.segment.node == node,
                    entry.segment.volume == volume
                else { return }
                found[entry.segment, default: []].insert(header.end)
            }
        }
        // A file may have been recycled while we read: what was in it is in layers now.
        let still = reliedOn(volume, node)
        var sound = 0
        var missing = 0
        for (id, ends) in relied {
            let there = found[id] ?? []
            let lacking = ends.subtracting(there).intersection(still[id] ?? [])
            sound += ends.intersection(there).count
            missing += lacking.count
            if !lacking.isEmpty { save(id, lacking) }
        }
        return (sound, missing)
    }

    private func reliedOn(_ volume: VolumeID, _ node: NodeID) -> [SegmentID: Set<LSN>] {
        state.withLock { state in
            guard state.hears(node) else { return [:] }
            var ends: [SegmentID: Set<LSN>] = [:]
            for (id, segment) in state.segments where id.volume == volume && id.node == node {
                let machine = segment.machine
                ends[id] = Set(machine.history(after: machine.floor.lsn, upTo: machine.complete).map(\.end))
            }
            return ends
        }
    }

    private func save(_ id: SegmentID, _ lacking: Set<LSN>) {
        logger.error(
            "parts in the journal are damaged; they go into layers",
            metadata: ["segment": "\(id)", "parts": "\(lacking.count)"])
        state.withLock { $0.damaged[id.node, default: 0] += 1 }
        let key = GroupKey(volume: id.volume, group: id.group)
        func isSaved() -> Bool { reliedOn(id.volume, id.node)[id]?.isDisjoint(with: lacking) ?? true }
        // A layer takes so many bytes; the next one takes what is left.
        while !isSaved(), cutLayers(key) {}
        if isSaved() { state.withLock { $0.repaired[id.node, default: 0] += 1 } }
    }
}
