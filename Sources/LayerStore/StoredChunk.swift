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
    let continues: Bool
    let isCompressed: Bool
    let bytes: ByteBuffer

    init(kind: ChunkKind, first: BlockKey, continues: Bool, isCompressed: Bool, bytes: ByteBuffer) {
        self.kind = kind
        self.first = first
        self.continues = continues
        self.isCompressed = isCompressed
        self.bytes = bytes
    }

    init(_ chunk: PlainChunk) {
        let packed = Self.compressed(chunk.bytes)
        self.init(
            kind: chunk.kind, first: chunk.first, continues: chunk.continues, isCompressed: packed != nil,
            bytes: packed ?? chunk.bytes)
    }

    /// In the index, and in a segment's export: 1 continues, 2 compressed.
    var flags: UInt8 { Self.flags(continues: continues, isCompressed: isCompressed) }

    static func flags(continues: Bool, isCompressed: Bool) -> UInt8 { (continues ? 1 : 0) | (isCompressed ? 2 : 0) }

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
        guard isCompressed else { return bytes }
        var bytes = bytes
        guard let length = bytes.readInteger(endianness: .little, as: UInt32.self), length <= PlainChunk.longest else {
            return nil
        }
        return LZ4Block.expand(bytes, to: Int(length))
    }
}
