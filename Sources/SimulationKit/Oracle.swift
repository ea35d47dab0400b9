// SPDX-License-Identifier: Apache-2.0

internal import SegmentCore
internal import VolumeModel

/// The judge: knows every batch that was ever made and what was ever called durable, and nothing of how the machines work.
///
/// It keeps one history, the batches that some driver has announced or found durable, and it only ever grows at its end.
/// - Whatever a driver announces is in the history or extends it; only the newest driver may extend it.
/// - A takeover's end is at or beyond the history's end, and its own past is that history (nothing lost, prefix order).
/// - No LSN is used twice; no epoch has two writers.
/// - What a segment calls complete is, part for part and byte for byte, the history of its group (nothing annulled is seen).
final class Oracle {
    struct Part {
        var header: BatchHeader
        var payload: UInt64
    }

    /// A batch as its writer made it.
    struct Batch {
        var epoch: VolumeEpoch
        var end: LSN
        /// The end of the batch before it in its writer's past.
        var past: LSN
        var parts: [Part]
    }

    private(set) var violation: String?
    /// Looked up by end, never walked.
    private var batches: [LSN: Batch] = [:]
    private(set) var history: [LSN] = []
    /// By group: the parts of the history, ascending.
    private(set) var parts: [[Part]] = []
    private var writers: [VolumeEpoch: LSN] = [:]
    private(set) var newestDecided = VolumeEpoch.none

    var end: LSN { history.last ?? .zero }
    func batch(_ end: LSN) -> Batch? { batches[end] }

    func fail(_ text: @autoclosure () -> String) { if violation == nil { violation = text() } }

    // MARK: - Drivers

    func made(_ batch: Batch) {
        guard batches[batch.end] == nil else { return fail("LSN \(batch.end) assigned twice, again by \(batch.epoch)") }
        batches[batch.end] = batch
    }

    /// A driver has found the log's end and made it durable; it may tell segments of it from now on.
    func decided(_ epoch: VolumeEpoch, end found: LSN) {
        if epoch < newestDecided { return announced(epoch, found) }
        newestDecided = epoch
        guard found >= end else { return fail("takeover \(epoch) found the end at \(found), but \(end) was durable") }
        extend(to: found, by: epoch)
    }

    func began(_ epoch: VolumeEpoch, at vdl: LSN) {
        guard writers[epoch] == nil else { return fail("two writers of \(epoch)") }
        writers[epoch] = vdl
    }

    /// A writer calls everything up to `vdl` durable.
    func announced(_ epoch: VolumeEpoch, _ vdl: LSN) {
        if vdl <= end {
            let index = position(after: vdl, in: history) { $0 }
            guard vdl == .zero || (index > 0 && history[index - 1] == vdl) else {
                return fail("\(epoch) announced \(vdl), which is not in the history")
            }
        } else if epoch < newestDecided {
            fail("\(epoch) announced \(vdl) although \(newestDecided) had taken over at or before \(end)")
        } else {
            extend(to: vdl, by: epoch)
        }
    }

    private func extend(to new: LSN, by epoch: VolumeEpoch) {
        var added: [Batch] = []
        var position = new
        while position > end {
            guard let batch = batches[position] else { return fail("\(epoch): no batch ends at \(position)") }
            added.append(batch)
            position = batch.past
        }
        guard position == end else { return fail("\(epoch): the past of \(new) leaves out \(end), which was durable") }
        for batch in added.reversed() {
            history.append(batch.end)
            for part in batch.parts {
                let group = Int(part.header.group.value)
                while parts.count <= group { parts.append([]) }
                parts[group].append(part)
            }
        }
    }

    // MARK: - Segments

    /// Compares what a segment calls complete in (`after`, `upTo`] with the history.
    func check(
        _ found: [Part], of group: GroupID, at node: NodeID, after: LSN, upTo: LSN, isReadable: (LSN) -> Bool
    ) {
        guard upTo <= end else { return fail("\(node)/\(group) calls \(upTo) durable, the history ends at \(end)") }
        let known = Int(group.value) < parts.count ? parts[Int(group.value)] : []
        let expected = known[
            position(after: after, in: known) { $0.header.end }..<position(after: upTo, in: known) { $0.header.end }]
        guard found.count == expected.count else {
            return fail(
                "\(node)/\(group) has \(found.count) parts in (\(after), \(upTo)], the history \(expected.count)")
        }
        for (part, expected) in zip(found, expected) {
            guard part.header == expected.header else {
                return fail(
                    "\(node)/\(group) shows a part ending at \(part.header.end) of \(part.header.epoch) that is not history"
                )
            }
            guard part.payload == expected.payload || !isReadable(part.header.end) else {
                return fail("\(node)/\(group) has other bytes at \(part.header.end)")
            }
        }
    }

    /// The index of the first item beyond `lsn`.
    func position<T>(after lsn: LSN, in items: [T], _ end: (T) -> LSN) -> Int {
        var low = 0
        var high = items.count
        while low < high {
            let middle = (low + high) / 2
            if end(items[middle]) <= lsn { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The end of a group's last part in the history.
    func end(of group: GroupID) -> LSN {
        Int(group.value) < parts.count ? parts[Int(group.value)].last?.header.end ?? .zero : .zero
    }
}
