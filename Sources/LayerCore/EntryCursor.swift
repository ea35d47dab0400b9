// SPDX-License-Identifier: Apache-2.0

package import NIOCore
internal import VolumeModel

/// Reads the entries of a layer in order, within a range of keys.
package struct EntryCursor {
    private let range: ClosedRange<BlockKey>
    private let nextChunk: () throws -> ByteBuffer?
    private var chunk = ByteBuffer()
    private var offset = 0
    /// The entry at the cursor; nil at the end.
    package private(set) var entry: BlockEntry?

    /// - Parameter nextChunk: the layer's opened entry chunks in order, beginning at or before the one with the range's
    ///   first key; nil at the end
    package init(_ range: ClosedRange<BlockKey>, nextChunk: @escaping () throws -> ByteBuffer?) throws {
        self.range = range
        self.nextChunk = nextChunk
        try advance()
    }

    package mutating func advance() throws {
        while true {
            if let next = try BlockEntry.read(chunk, at: offset) {
                offset += next.bytes.readableBytes
                if next.key < range.lowerBound { continue }
                entry = next.key <= range.upperBound ? next : nil
                return
            }
            guard let more = try nextChunk() else {
                entry = nil
                return
            }
            chunk = more
            offset = 0
        }
    }
}
