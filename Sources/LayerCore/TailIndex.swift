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
        /// What the batch does, once a lookup has asked; its key in `State.indexed`.
        var number: UInt64?
    }

    fileprivate struct IndexedBatch {
        var payload: ByteBuffer
        var pieces: [Piece]
        var keys: Set<BlockKey>
        var files: Set<FileID>
    }

    /// A record's pieces in one block: a plain value, so that lists of them are cheap to cut.
    fileprivate struct Version {
        var lsn: LSN
        var batch: UInt64
        var first: UInt32
        var count: UInt32
    }

    fileprivate struct State {
        /// Ascending by end.
        var batches: [Batch] = []
        var unindexed = 0
        var bytes = 0
        var dropped = LSN.zero
        var indexed: [UInt64: IndexedBatch] = [:]
        var numbers: UInt64 = 0
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
            state.forget(gone, upTo: lsn)
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
                        guard let batch = state.indexed[version.batch] else { continue }
                        let pieces = batch.pieces[Int(version.first)..<Int(version.first + version.count)]
                        found.append(.pieces(version.lsn, payload: batch.payload, pieces))
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

    /// Takes batches out of the index; O(what they and their blocks' lists hold).
    /// - Parameter upTo: everything at or below goes; nil: look at each version
    fileprivate mutating func forget(_ gone: [TailIndex.Batch], upTo lsn: LSN? = nil) {
        var keys: Set<BlockKey> = []
        var files: Set<FileID> = []
        var numbers: Set<UInt64> = []
        for batch in gone {
            bytes -= batch.payload.readableBytes
            guard let number = batch.number, let index = indexed.removeValue(forKey: number) else {
                unindexed -= 1
                continue
            }
            numbers.insert(number)
            keys.formUnion(index.keys)
            files.formUnion(index.files)
        }
        if batches.isEmpty {
            versions.removeAll(keepingCapacity: true)
            tombstones = TombstoneSet()
            return
        }
        for key in keys {
            if let lsn {
                let kept = versions[key]?.firstIndex { $0.lsn.value > lsn.value } ?? versions[key]?.count ?? 0
                versions[key]?.removeFirst(kept)
            } else {
                versions[key]?.removeAll { numbers.contains($0.batch) }
            }
            if versions[key]?.isEmpty ?? true { versions[key] = nil }
        }
        let intervals = gone.map { ($0.header.start, $0.header.end) }
        tombstones.remove(
            where: { row in
                if let lsn { return row.lsn <= lsn }
                return intervals.contains { row.lsn > $0.0 && row.lsn <= $0.1 }
            }, files: files)
    }

    /// Decodes what was appended since the last lookup.
    fileprivate mutating func index() throws(LayerCoreError) {
        guard unindexed > 0 else { return }
        // The batches that are not indexed are nearly always the last ones.
        var at = batches.count
        var left = unindexed
        while at > 0, left > 0 {
            at -= 1
            if batches[at].number == nil { left -= 1 }
        }
        for place in at..<batches.count where batches[place].number == nil { try index(batch: place) }
    }

    private mutating func index(batch place: Int) throws(LayerCoreError) {
        let payload = batches[place].payload
        var scan = BatchScan()
        do throws(RecordError) { try scan.add(payload, batch: 0) } catch {
            throw .badRecord(RecordTrouble(batchEnd: batches[place].header.end, what: "\(error)"))
        }
        let number = numbers
        numbers += 1
        let pieces = scan.pieces
        var keys: Set<BlockKey> = []
        var at = 0
        while at < pieces.count {
            let head = pieces[at]
            var end = at + 1
            while end < pieces.count, pieces[end].lsn.value == head.lsn.value, pieces[end].key == head.key { end += 1 }
            insert(
                TailIndex.Version(lsn: head.lsn, batch: number, first: UInt32(at), count: UInt32(end - at)), head.key)
            keys.insert(head.key)
            at = end
        }
        for tombstone in scan.tombstones { tombstones.insert(tombstone) }
        indexed[number] = TailIndex.IndexedBatch(
            payload: payload, pieces: pieces, keys: keys, files: Set(scan.tombstones.map(\.file)))
        batches[place].number = number
        unindexed -= 1
    }

    /// At its place by LSN: nearly always the end.
    private mutating func insert(_ version: TailIndex.Version, _ key: BlockKey) {
        var at = versions[key]?.count ?? 0
        while at > 0, let lsn = versions[key]?[at - 1].lsn, lsn.value > version.lsn.value { at -= 1 }
        versions[key, default: []].insert(version, at: at)
    }
}
