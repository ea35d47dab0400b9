// SPDX-License-Identifier: Apache-2.0

/// What the index of a layer, and the stream of an export, say of a chunk besides its kind. Bits are on disk: never reuse one.
struct ChunkFlags: OptionSet, Hashable, Sendable {
    let rawValue: UInt8

    /// `PlainChunk.continues`
    static let continues = ChunkFlags(rawValue: 1)
    /// See `StoredChunk`.
    static let compressed = ChunkFlags(rawValue: 2)

    init(rawValue: UInt8) { self.rawValue = rawValue }

    init(continues: Bool, isCompressed: Bool) {
        self = []
        if continues { insert(.continues) }
        if isCompressed { insert(.compressed) }
    }

    /// Nil for bits that nobody writes.
    init?(decoding bits: UInt8) {
        guard bits <= 3 else { return nil }
        rawValue = bits
    }
}
