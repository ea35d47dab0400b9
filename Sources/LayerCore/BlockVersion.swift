// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import VolumeModel

/// What one record, or one entry of a layer, does to one block.
package enum BlockVersion: Sendable {
    /// From a layer.
    case entry(BlockEntry)
    /// From a batch that is not in a layer yet: pieces of its payload.
    case pieces(LSN, payload: ByteBuffer, ArraySlice<Piece>)
    /// The block's bytes in the range become zero.
    case zeros(LSN, Range<Int>)

    package var lsn: LSN {
        switch self {
        case .entry(let entry): entry.lsn
        case .pieces(let lsn, _, _), .zeros(let lsn, _): lsn
        }
    }

    /// Whether nothing older matters to the block.
    package var isBase: Bool {
        switch self {
        case .entry(let entry): entry.isBase
        case .pieces(_, _, let pieces): pieces.contains { Int($0.length) == BlockKey.blockBytes }
        case .zeros(_, let range): range.count == BlockKey.blockBytes
        }
    }

    package func apply(to overlay: inout BlockOverlay) throws(LayerCoreError) {
        switch self {
        case .entry(let entry):
            if entry.isBase { overlay.zero(at: 0, count: BlockKey.blockBytes) }
            try entry.applyRanges(to: &overlay)
        case .pieces(_, let payload, let pieces):
            Self.apply(pieces, of: payload, to: &overlay)
        case .zeros(_, let range):
            overlay.zero(at: range.lowerBound, count: range.count)
        }
    }

    /// Applies pieces of a payload, in order.
    static func apply(_ pieces: ArraySlice<Piece>, of payload: ByteBuffer, to overlay: inout BlockOverlay) {
        payload.withUnsafeReadableBytes { raw in
            for piece in pieces {
                if piece.source == Piece.zeros {
                    overlay.zero(at: Int(piece.at), count: Int(piece.length))
                } else {
                    let from = Int(piece.source)
                    overlay.apply(
                        at: Int(piece.at), UnsafeRawBufferPointer(rebasing: raw[from..<(from + Int(piece.length))]))
                }
            }
        }
    }
}

/// The versions of one block that a read has gathered, from the newest source to the oldest.
package struct BlockHistory: Sendable {
    package private(set) var versions: [BlockVersion] = []
    /// A version that hides everything older was found.
    package private(set) var isComplete = false

    package init() {}

    /// Adds what one source knows; a source's versions are all older than those of the sources before it. Sorts them.
    package mutating func add(_ found: [BlockVersion]) {
        guard !found.isEmpty, !isComplete else { return }
        // Newest first; of versions with one LSN (a record whose ranges leave a block and come back) the later first.
        let order = found.indices.sorted { a, b in
            let (left, right) = (found[a].lsn.value, found[b].lsn.value)
            return left != right ? left > right : a > b
        }
        for index in order {
            versions.append(found[index])
            if found[index].isBase {
                isComplete = true
                return
            }
        }
    }

    /// The block; nil if it is all zeros.
    package func content(using scratch: inout BlockOverlay) throws(LayerCoreError) -> ByteBuffer? {
        if versions.isEmpty { return nil }
        scratch.reset()
        for version in versions.reversed() { try version.apply(to: &scratch) }
        return scratch.isZero ? nil : scratch.buffer
    }
}
