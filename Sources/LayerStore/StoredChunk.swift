// SPDX-License-Identifier: Apache-2.0

internal import Keyring
internal import LayerCore
internal import NIOCore

/// A chunk as it is sealed: compressed if that makes it shorter. Made once for all nodes that write it.
///
/// Compressed bytes are the length that they expand to, u32 little-endian, and an LZ4 block.
struct StoredChunk: Sendable {
    private static let headBytes = 4
    /// Shorter chunks stay as they are.
    private static let least = 256

    let kind: ChunkKind
    let first: BlockKey
    let flags: ChunkFlags
    let bytes: ByteBuffer

    init(kind: ChunkKind, first: BlockKey, flags: ChunkFlags, bytes: ByteBuffer) {
        self.kind = kind
        self.first = first
        self.flags = flags
        self.bytes = bytes
    }

    init(_ chunk: PlainChunk) {
        let packed = Self.compressed(chunk.bytes)
        self.init(
            kind: chunk.kind, first: chunk.first,
            flags: ChunkFlags(continues: chunk.continues, isCompressed: packed != nil), bytes: packed ?? chunk.bytes)
    }

    private static func compressed(_ plain: ByteBuffer) -> ByteBuffer? {
        precondition(plain.readableBytes <= PlainChunk.longest)
        guard plain.readableBytes >= least else { return nil }
        var output = ByteBuffer()
        output.reserveCapacity(headBytes + plain.readableBytes)
        output.writeInteger(UInt32(plain.readableBytes), endianness: .little)
        return LZ4Block.compress(plain, into: &output) ? output : nil
    }

    /// The bytes before they were compressed; nil if they are malformed.
    var expanded: ByteBuffer? {
        guard flags.contains(.compressed) else { return bytes }
        var bytes = bytes
        guard let length = bytes.readInteger(endianness: .little, as: UInt32.self), length <= PlainChunk.longest else {
            return nil
        }
        return LZ4Block.expand(bytes, to: Int(length))
    }
}
