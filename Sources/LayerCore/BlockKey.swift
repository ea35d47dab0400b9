// SPDX-License-Identifier: Apache-2.0

package import VolumeModel

/// A block of a file: the unit in which content is versioned. Ordered by file, then by block.
package struct BlockKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Bytes of a block; `BX_BLOCK` of the ring's ABI.
    package static let blockBytes = 8192

    package var file: FileID
    /// The block's first byte is at `block * blockBytes` of the file.
    package var block: UInt64

    @inlinable
    package init(file: FileID, block: UInt64) {
        self.file = file
        self.block = block
    }

    package static let lowest = BlockKey(file: FileID(0), block: 0)
    package static let highest = BlockKey(file: FileID(.max), block: .max)

    @inlinable
    package static func < (a: BlockKey, b: BlockKey) -> Bool {
        a.file.value != b.file.value ? a.file.value < b.file.value : a.block < b.block
    }

    // Written out: the synthesized ones call into another module for each field, and sorting a layer makes millions.
    @inlinable
    package static func == (a: BlockKey, b: BlockKey) -> Bool { a.file.value == b.file.value && a.block == b.block }

    @inlinable
    package func hash(into hasher: inout Hasher) {
        hasher.combine(file.value)
        hasher.combine(block)
    }

    /// The next key; of the highest, itself.
    package var successor: BlockKey {
        if block < .max { return BlockKey(file: file, block: block + 1) }
        return file.value < .max ? BlockKey(file: FileID(file.value + 1), block: 0) : self
    }

    /// The key before; of the lowest, itself.
    package var predecessor: BlockKey {
        if block > 0 { return BlockKey(file: file, block: block - 1) }
        return file.value > 0 ? BlockKey(file: FileID(file.value - 1), block: .max) : self
    }

    package var description: String { "\(file)/\(block)" }
}

/// What goes wrong while layers are read, in the words of whoever has to react.
package enum LayerCoreError: Error, Hashable, Sendable {
    /// Log records that do not decode; a batch is authenticated before it gets here, so the driver wrote them so.
    case badRecord(RecordTrouble)
    /// An opened chunk does not have the documented layout.
    case badChunk
}

/// Which record was malformed, and how.
package struct RecordTrouble: Error, Hashable, Sendable {
    package var batchEnd: LSN
    package var what: String

    package init(batchEnd: LSN, what: String) {
        self.batchEnd = batchEnd
        self.what = what
    }
}
