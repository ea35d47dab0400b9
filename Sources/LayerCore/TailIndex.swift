// SPDX-License-Identifier: Apache-2.0

internal import LogWire
package import NIOCore
internal import Synchronization
package import VolumeModel

/// The batches of one protection group that are journaled but not in layers yet, and what they do to blocks.
///
/// Appending only keeps the payload; records are decoded when a lookup first needs them, once for all nodes that share the
/// index (the payloads that a host's nodes hold are the same). Batches may arrive in any order and twice.
///
/// A read looks here first and into the layers after, and a batch is dropped only after the layers have it: so no moment
/// exists at which a batch is in neither.
///
/// Thread-safe. Bounded by whoever appends (`bytes`): a storage node cuts a layer before its tail grows too long.
package final class TailIndex: Sendable {
    fileprivate struct Batch {
        var header: BatchHeader
        var payload: ByteBuffer
        /// Nil until indexed.
        var keys: Set<BlockKey>?
        var files: Set<FileID> = []
    }

    fileprivate struct Version {
        var lsn: LSN
        var payload: ByteBuffer
        var pieces: [Piece]
    }

    fileprivate struct State {
        /// Ascending by end.
        var batches: [Batch] = []
        var unindexed = 0
        var bytes = 0
        var dropped = LSN.zero
        /// Each ascending by LSN.
        var versions: [BlockKey: [Version]] = [:]
        var tombstones = TombstoneSet()
    }

    private let state: Mutex<State>

    package init() { state = Mutex(State()) }

    // MARK: - Batches

    /// Keeps a batch. O(1) when batches come in order.
    /// - Parameter payload: opened, the records of the group's part
    /// - Returns: false if it was there already or lies below what was dropped.
    @discardableResult
    package func append(_ header: BatchHeader, _ payload: ByteBuffer) -> Bool {
        state.withLock { state in
            guard header.end > state.dropped else { return false }
            var at = state.batches.count
            while at > 0, state.batches[at - 1].header.end >= header.end {
                if state.batches[at - 1].header.end == header.end { return false }
                at -= 1
            }
            state.batches.insert(Batch(header: header, payload: payload), at: at)
            state.unindexed += 1
            state.bytes += payload.readableBytes
            return true
        }
    }

    /// The batches that end in (`after`, `through`], ascending: what a layer is cut from.
    package func batches(after: LSN, through: LSN) -> [(BatchHeader, ByteBuffer)] {
        state.withLock { state in
            let first = state.firstBatch(endingAfter: after)
            return state.batches[first...].prefix { $0.header.end <= through }.map { ($0.header, $0.payload) }
        }
    }

    /// Forgets the batches that end at or below `lsn`: every node that shares the index has them in layers.
    package func drop(through lsn: LSN) {
        state.withLock { state in
            state.dropped = max(state.dropped, lsn)
            let count = state.firstBatch(endingAfter: lsn)
            let gone = Array(state.batches[..<count])
            state.batches.removeFirst(count)
            state.forget(gone)
        }
    }

    /// Forgets the batches that a truncation annuls.
    package func truncate(_ truncation: Truncation) {
        state.withLock { state in
            let isGone = { (batch: Batch) in truncation.annuls(epoch: batch.header.epoch, end: batch.header.end) }
            let gone = state.batches.filter(isGone)
            state.batches.removeAll(where: isGone)
            state.forget(gone)
        }
    }

    /// Payload bytes held.
    package var bytes: Int { state.withLock { $0.bytes } }
    package var count: Int { state.withLock { $0.batches.count } }
    /// End of the newest batch; nil if there is none.
    package var end: LSN? { state.withLock { $0.batches.last?.header.end } }
    /// What was dropped so far: the layers of whoever reads reach at least here.
    package var dropped: LSN { state.withLock { $0.dropped } }

    // MARK: - Lookups

    /// What the batches do to some blocks of a file up to `at`: one list a block.
    ///
    /// The first lookup after an append decodes what was appended, under the lock.
    package func versions(
        file: FileID, blocks: Range<UInt64>, at: LSN
    ) throws(LayerCoreError) -> [[BlockVersion]] {
        let result: Result<[[BlockVersion]], LayerCoreError> = state.withLock { state in
            do throws(LayerCoreError) { try state.index() } catch { return .failure(error) }
            let tombstones = state.tombstones.of(file)
            return .success(
                blocks.map { block in
                    var found: [BlockVersion] = []
                    for version in state.versions[BlockKey(file: file, block: block)] ?? [] {
                        if version.lsn > at { break }
                        found.append(.pieces(version.lsn, payload: version.payload, version.pieces))
                    }
                    for tombstone in tombstones where tombstone.lsn <= at {
                        if let range = tombstone.overlap(block: block) { found.append(.zeros(tombstone.lsn, range)) }
                    }
                    return found
                })
        }
        return try result.get()
    }
}

extension TailIndex.State {
    fileprivate func firstBatch(endingAfter lsn: LSN) -> Int {
        var low = 0
        var high = batches.count
        while low < high {
            let middle = (low + high) / 2
            if batches[middle].header.end <= lsn { low = middle + 1 } else { high = middle }
        }
        return low
    }

    fileprivate mutating func forget(_ gone: [TailIndex.Batch]) {
        for batch in gone {
            bytes -= batch.payload.readableBytes
            guard let keys = batch.keys else {
                unindexed -= 1
                continue
            }
            let start = batch.header.start
            let end = batch.header.end
            for key in keys {
                versions[key]?.removeAll { $0.lsn > start && $0.lsn <= end }
                if versions[key]?.isEmpty == true { versions[key] = nil }
            }
            tombstones.remove(where: { $0.lsn > start && $0.lsn <= end }, files: batch.files)
        }
    }

    /// Decodes what was appended since the last lookup.
    fileprivate mutating func index() throws(LayerCoreError) {
        guard unindexed > 0 else { return }
        // The batches that are not indexed are nearly always the last ones.
        var at = batches.count
        var left = unindexed
        while at > 0, left > 0 {
            at -= 1
            if batches[at].keys == nil { left -= 1 }
        }
        for place in at..<batches.count where batches[place].keys == nil { try index(batch: place) }
    }

    private mutating func index(batch place: Int) throws(LayerCoreError) {
        let payload = batches[place].payload
        var found: [BlockKey: [TailIndex.Version]] = [:]
        var zeros: [Tombstone] = []
        do throws(RecordError) {
            try BatchScan.scan(
                payload, batch: 0,
                piece: { piece in
                    var list = found[piece.key, default: []]
                    found[piece.key] = nil
                    if let last = list.indices.last, list[last].lsn == piece.lsn {
                        list[last].pieces.append(piece)
                    } else {
                        list.append(TailIndex.Version(lsn: piece.lsn, payload: payload, pieces: [piece]))
                    }
                    found[piece.key] = list
                },
                tombstone: { zeros.append($0) }, other: { _, _ in })
        } catch {
            throw .badRecord(RecordTrouble(batchEnd: batches[place].header.end, what: "\(error)"))
        }
        for (key, list) in found {
            var at = versions[key]?.count ?? 0
            while at > 0, let lsn = versions[key]?[at - 1].lsn, lsn > list[0].lsn { at -= 1 }
            versions[key, default: []].insert(contentsOf: list, at: at)
        }
        for tombstone in zeros { tombstones.insert(tombstone) }
        batches[place].keys = Set(found.keys)
        batches[place].files = Set(zeros.map(\.file))
        unindexed -= 1
    }
}
