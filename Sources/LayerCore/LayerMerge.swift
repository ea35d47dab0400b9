// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
package import VolumeModel

/// Walks layers together, block by block, in key order: the k-way merge beneath every compaction.
package struct LayerMerge {
    /// All that the layers know of one block.
    package struct Group {
        package var key: BlockKey
        /// The image's entries, ascending by LSN.
        package var image: [BlockEntry] = []
        /// The deltas' entries and tombstones within the wanted LSNs, ascending.
        package var deltas: [BlockVersion] = []
    }

    private var image: EntryCursor?
    private var cursors: [EntryCursor]
    private let tombstones: TombstoneSet
    private let after: LSN
    private let through: LSN

    /// - Parameters:
    ///   - deltas: oldest layer first
    ///   - tombstones: of all these deltas
    ///   - after: versions of deltas at or below this are not wanted
    ///   - through: nor are those above this
    package init(image: EntryCursor?, deltas: [EntryCursor], tombstones: TombstoneSet, after: LSN, through: LSN) {
        self.image = image
        self.cursors = deltas
        self.tombstones = tombstones
        self.after = after
        self.through = through
    }

    /// The next block; nil at the end. A block that only tombstones concern does not come: it is zeros.
    package mutating func next() throws -> Group? {
        var lowest = image?.entry?.key
        for cursor in cursors {
            if let key = cursor.entry?.key, lowest.map({ key < $0 }) ?? true { lowest = key }
        }
        guard let key = lowest else { return nil }
        var group = Group(key: key)
        while let entry = image?.entry, entry.key == key {
            group.image.append(entry)
            try image?.advance()
        }
        for index in cursors.indices {
            while let entry = cursors[index].entry, entry.key == key {
                if entry.lsn > after, entry.lsn <= through { group.deltas.append(.entry(entry)) }
                try cursors[index].advance()
            }
        }
        if !tombstones.isEmpty {
            let count = group.deltas.count
            for tombstone in tombstones.of(key.file) where tombstone.lsn > after && tombstone.lsn <= through {
                if let range = tombstone.overlap(block: key.block) {
                    group.deltas.append(.zeros(tombstone.lsn, range))
                }
            }
            if group.deltas.count > count { group.deltas.sort { $0.lsn < $1.lsn } }
        }
        return group
    }
}

/// Makes the chunks of an image from merged blocks.
///
/// The image can be read at its *points*, ascending; the last is the LSN it is made at. Between two neighbouring points
/// nobody can tell one version of a block from the next, so a block gets one entry at most a point: its content there,
/// under the LSN of the last version at or below the point. A block that is zeros gets none, unless it was not zero at an
/// earlier point.
package struct ImageLayerBuilder {
    private let points: [LSN]
    private var chunker = Chunker(.entries)
    private var scratch = BlockOverlay(tracking: false)

    package init(points: [LSN]) { self.points = points }

    /// Adds the next block.
    package mutating func append(_ group: LayerMerge.Group, _ emit: (PlainChunk) throws -> Void) throws {
        if group.deltas.isEmpty, group.image.count == 1 {
            let entry = group.image[0]
            guard entry.ranges > 0 else { return }
            try chunker.append(group.key, emit: emit) { _ = $0.writeImmutableBuffer(entry.bytes) }
            return
        }
        let versions = group.image.map(BlockVersion.entry) + group.deltas
        scratch.reset()
        var at = 0
        var holdsContent = false
        for point in points {
            let before = at
            // Of the versions up to the point, those before the last base are hidden by it.
            var end = at
            while end < versions.count, versions[end].lsn <= point { end += 1 }
            at = versions[at..<end].lastIndex { $0.isBase } ?? at
            while at < end {
                try versions[at].apply(to: &scratch)
                at += 1
            }
            if at == before { continue }
            let isZero = scratch.isZero
            if isZero, !holdsContent { continue }
            holdsContent = !isZero
            let lsn = versions[at - 1].lsn
            try chunker.append(group.key, emit: emit) { BlockEntry.writeBase(group.key, lsn, scratch, to: &$0) }
        }
    }

    /// Ends the chunk that is being filled: before the file ends.
    package mutating func flush(_ emit: (PlainChunk) throws -> Void) throws { try chunker.flush(emit) }
}

/// Makes the entry chunks of one delta from those of several.
///
/// Versions of a block are put together where nobody can tell them apart: between neighbouring points, at or below the
/// last point. Above it every LSN can be asked for, and nothing is touched. A tombstone keeps what lies on its two sides
/// apart.
package struct DeltaThinner {
    private let points: [LSN]
    private var chunker = Chunker(.entries)
    private var scratch = BlockOverlay(tracking: true)

    /// - Parameter points: ascending
    package init(points: [LSN]) { self.points = points }

    package mutating func append(_ group: LayerMerge.Group, _ emit: (PlainChunk) throws -> Void) throws {
        var at = 0
        while at < group.deltas.count {
            guard case .entry(let first) = group.deltas[at] else {
                at += 1
                continue
            }
            let point = points.first { $0 >= first.lsn }
            var end = at + 1
            while let point, end < group.deltas.count, case .entry(let next) = group.deltas[end], next.lsn <= point {
                end += 1
            }
            if end == at + 1 {
                try chunker.append(group.key, emit: emit) { _ = $0.writeImmutableBuffer(first.bytes) }
            } else {
                scratch.reset()
                let start = group.deltas[at..<end].lastIndex { $0.isBase } ?? at
                if group.deltas[start].isBase { scratch.touchAll() }
                for version in group.deltas[start..<end] { try version.apply(to: &scratch) }
                let lsn = group.deltas[end - 1].lsn
                try chunker.append(group.key, emit: emit) { BlockEntry.writeTouched(group.key, lsn, scratch, to: &$0) }
            }
            at = end
        }
    }

    package mutating func flush(_ emit: (PlainChunk) throws -> Void) throws { try chunker.flush(emit) }
}
