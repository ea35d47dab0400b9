// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import NIOCore
internal import SegmentCore
internal import Synchronization
internal import VolumeModel

/// Giving journal files back, also while nodes are out.
///
/// A file can go when all its batches are in layers. A node that is out makes none, and what it has promised is in old files
/// only; but what it has is finite, because nothing reaches it. When the journal has become long, that much is repeated at
/// its end, and the files before are not kept for the node any more. A replay takes entries in any order, and twice.
extension StorageHost {
    /// What is repeated for nodes that are out goes in so many bytes at a time, between commits.
    private static let carriedBytes = 256 << 10

    func recycleJournal() {
        recycling.withLock { carried in
            do throws(StorageFailure) { try carryOver(&carried) } catch {
                logger.error("repeat what nodes that are out have in the journal", metadata: ["error": "\(error)"])
            }
            device.withLock { device in
                let (out, floors) = state.withLock { state in
                    let isSettled = !state.queue.contains(where: \.entry.record.isFloor)
                    return (
                        state.nodes.filter { !state.isReady($0) },
                        // A floor counts only once it is on disk.
                        isSettled ? state.segments.mapValues(\.machine.floor.lsn) : nil
                    )
                }
                guard let floors else { return }
                device.journal.recycle(before: out.map { carried[$0] ?? 0 }.min() ?? .max) { floors[$0] }
            }
        }
    }

    private func carryOver(_ carried: inout [NodeID: UInt64]) throws(StorageFailure) {
        let most = UInt64(configuration.journalFilesMax)
        let extents = device.withLock { device in
            device.journal.files > configuration.journalFilesMax ? device.journal.extents.dropLast() : []
        }
        guard let last = extents.last?.sequence else { return }
        let due = state.withLock { state in
            state.nodes.filter { !state.isReady($0) && (carried[$0] ?? 0) + most <= last + 1 }
        }
        guard !due.isEmpty else { return }
        let first = due.map { carried[$0] ?? 0 }.min() ?? 0
        var remains: [SegmentID: Remains] = [:]
        for extent in extents where extent.sequence >= first {
            try Journal.read(extent) { entry in
                if due.contains(entry.segment.node) { remains[entry.segment, default: Remains()].note(entry) }
            }
        }
        var entries = remains.filter { !isRemoved($0.key.volume) }.flatMap(\.value.entries)[...]
        while !entries.isEmpty {
            var bytes = 0
            let some = entries.prefix { entry in
                defer { bytes += entry.payload?.readableBytes ?? 0 }
                return bytes < Self.carriedBytes
            }
            guard device.withLock({ $0.failure == nil && write(Array(some), to: &$0) }) else { return }
            entries = entries.dropFirst(some.count)
        }
        for node in due { carried[node] = last + 1 }
        logger.notice(
            "what nodes that are out have in the journal is repeated at its end", metadata: ["nodes": "\(due)"])
    }
}

/// What still counts of a segment's journal entries.
private struct Remains {
    private var states: [JournalEntry] = []
    private var floor: (entry: JournalEntry, lsn: LSN)?
    private var parts: [BatchHeader: JournalEntry] = [:]

    mutating func note(_ entry: JournalEntry) {
        switch entry.record {
        case .batch(let header, _):
            var entry = entry
            // The file that it is a slice of is not kept for it.
            entry.payload = entry.payload.map { ByteBuffer(bytes: $0.readableBytesView) }
            parts[header] = entry
        case .floor(let found): if found.lsn >= floor?.lsn ?? .zero { floor = (entry, found.lsn) }
        case .epoch, .tenure: if !states.contains(where: { $0.record == entry.record }) { states.append(entry) }
        }
    }

    var entries: [JournalEntry] {
        let known = states + (floor.map { [$0.entry] } ?? [])
        let above = parts.filter { $0.key.end > floor?.lsn ?? .zero }.sorted { $0.key.end < $1.key.end }
        return known.flatMap { repeatElement($0, count: StorageHost.stateCopies) } + above.map(\.value)
    }
}
