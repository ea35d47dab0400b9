// SPDX-License-Identifier: Apache-2.0

package import LayerCore
package import NIOCore
package import VolumeModel

extension LayerStore {
    /// A block as of an LSN: 8192 bytes; nil if it is all zeros (or was never written).
    ///
    /// The node must be complete to the LSN. Costs one chunk of each layer that may know the block, from the newest to the
    /// first that holds all of it.
    /// - Throws: `damaged`, `notRetained`, `badRecord`
    package func block(_ key: BlockKey, at lsn: LSN, tail: TailIndex) throws -> ByteBuffer? {
        let (next, overflow) = key.block.addingReportingOverflow(1)
        if overflow { return nil }
        return try blocks(file: key.file, range: key.block..<next, at: lsn, tail: tail)[0]
    }

    /// Consecutive blocks of a file, one result each; see `block`.
    package func blocks(
        file: FileID, range: Range<UInt64>, at lsn: LSN, tail: TailIndex
    ) throws -> [ByteBuffer?] {
        guard !range.isEmpty else { return [] }
        do {
            // The tail first: what is dropped from it is in the set that is copied after.
            let newest = try tail.versions(file: file, blocks: range, at: lsn)
            var read = BlocksRead(file: file, range: range, lsn: lsn, set: current)
            try read.begin(newest)
            try read.lookInDeltas(self)
            try read.lookInImages(self)
            return try read.content()
        } catch LayerCoreError.badRecord(let trouble) {
            throw LayerStoreError.badRecord(trouble)
        }
    }
}

/// One read on its way down through the layers.
private struct BlocksRead {
    let file: FileID
    let range: Range<UInt64>
    let lsn: LSN
    let set: LayerSet
    /// One a block.
    var histories: [BlockHistory]
    /// Deltas up to here have nothing to say of the block; nil if the image alone answers.
    var deltasAfter: [LSN?]

    init(file: FileID, range: Range<UInt64>, lsn: LSN, set: LayerSet) {
        self.file = file
        self.range = range
        self.lsn = lsn
        self.set = set
        histories = Array(repeating: BlockHistory(), count: range.count)
        deltasAfter = Array(repeating: LSN.zero, count: range.count)
    }

    var keys: ClosedRange<BlockKey> {
        BlockKey(file: file, block: range.lowerBound)...BlockKey(file: file, block: range.upperBound - 1)
    }

    mutating func begin(_ newest: [[BlockVersion]]) throws {
        for live in set.images(in: keys) {
            guard live.layer.answers(lsn) else { throw LayerStoreError.notRetained(lsn) }
            for place in places(live.layer) { deltasAfter[place] = lsn >= live.layer.end ? live.layer.through : nil }
        }
        for place in histories.indices {
            histories[place].add(newest[place].filter { $0.lsn > set.layeredLSN })
        }
    }

    /// Which of the blocks an image is responsible for.
    private func places(_ image: LayerDescriptor) -> Range<Int> {
        let low = image.first.file < file ? range.lowerBound : max(range.lowerBound, image.first.block)
        let high = image.last.file > file ? range.upperBound - 1 : min(range.upperBound - 1, image.last.block)
        return Int(low - range.lowerBound)..<Int(high - range.lowerBound) + 1
    }

    var isComplete: Bool { histories.allSatisfy(\.isComplete) }

    mutating func lookInDeltas(_ store: LayerStore) throws {
        for live in set.deltas.reversed() where live.layer.start < lsn {
            let open = histories.indices.filter { place in
                !histories[place].isComplete && deltasAfter[place].map { live.layer.end > $0 } ?? false
            }
            if open.isEmpty {
                if isComplete { return }
                continue
            }
            if let what = live.file.damage {
                throw LayerStoreError.damaged(layer: live.layer.number, chunk: nil, what: what)
            }
            var found = [[BlockVersion]](repeating: [], count: histories.count)
            for index in live.file.entryChunks(keys) {
                let chunk = try store.chunk(live.file, index)
                try checked(live, index) { () throws(LayerCoreError) in
                    try BlockEntry.scan(chunk, keys) { entry in
                        let place = Int(entry.key.block - range.lowerBound)
                        if entry.lsn <= lsn, let after = deltasAfter[place], entry.lsn > after {
                            found[place].append(.entry(entry))
                        }
                    }
                }
            }
            for index in live.file.tombstoneChunks(file) {
                let chunk = try store.chunk(live.file, index)
                let rows = try checked(live, index) { () throws(LayerCoreError) in
                    try Tombstone.rows(of: file, in: chunk)
                }
                for row in rows where row.lsn <= lsn {
                    for place in open {
                        guard let after = deltasAfter[place], row.lsn > after,
                            let bytes = row.overlap(block: range.lowerBound + UInt64(place))
                        else { continue }
                        found[place].append(.zeros(row.lsn, bytes))
                    }
                }
            }
            for place in open { histories[place].add(found[place]) }
        }
    }

    mutating func lookInImages(_ store: LayerStore) throws {
        if isComplete { return }
        for live in set.images(in: keys) {
            if let what = live.file.damage {
                throw LayerStoreError.damaged(layer: live.layer.number, chunk: nil, what: what)
            }
            var found = [BlockEntry?](repeating: nil, count: histories.count)
            for index in live.file.entryChunks(keys) {
                let chunk = try store.chunk(live.file, index)
                try checked(live, index) { () throws(LayerCoreError) in
                    try BlockEntry.scan(chunk, keys) { entry in
                        if entry.lsn <= lsn { found[Int(entry.key.block - range.lowerBound)] = entry }
                    }
                }
            }
            for place in places(live.layer) { if let entry = found[place] { histories[place].add([.entry(entry)]) } }
        }
    }

    func content() throws -> [ByteBuffer?] {
        var scratch = BlockOverlay(tracking: false)
        return try histories.map { try $0.content(using: &scratch) }
    }

    private func checked<R>(
        _ live: LiveLayer, _ chunk: Int, _ body: () throws(LayerCoreError) -> R
    ) throws(LayerStoreError) -> R {
        do { return try body() } catch {
            throw .damaged(layer: live.layer.number, chunk: UInt32(chunk), what: "malformed")
        }
    }
}
