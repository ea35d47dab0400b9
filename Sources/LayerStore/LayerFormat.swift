// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Keyring
internal import LayerCore
internal import NIOCore
internal import VolumeModel

/// A layer file, little-endian:
///
/// header | sealed chunk 0 | ... | sealed chunk n-1 | sealed index | footer
///
/// Header, 128 bytes:
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | magic `BXLAYER1` |
/// | 8 | 4 | version, 2; 1 had no compressed chunks |
/// | 12 | 4 | layer number |
/// | 16 | 1 | kind (`LayerKind`) |
/// | 17 | 1 | zero |
/// | 18 | 2 | node |
/// | 20 | 4 | group |
/// | 24 | 8 | volume |
/// | 32 | 8 | start LSN |
/// | 40 | 8 | end LSN |
/// | 48 | 16 | first key: file, block |
/// | 64 | 16 | last key: file, block |
/// | 80 | 4 | number of chunks |
/// | 84 | 40 | zero |
/// | 124 | 4 | CRC32C of the 124 bytes before |
///
/// A sealed chunk is AES-256-GCM ciphertext and its 16-byte tag; nonce (layer number, chunk number); authenticated with it
/// are volume u64, group u32, node u16, layer number u32, chunk number u32. The index counts as chunk n, and the header's
/// 128 bytes are authenticated with it too.
///
/// Index, opened: one row of 32 bytes a chunk: u64 file and u64 block of the first key, u64 offset in the file, u32 sealed
/// length, u8 kind (`ChunkKind`), u8 `ChunkFlags`, u16 zero.
///
/// Footer, 32 bytes: u64 magic `BXLAYEND`, u64 offset of the index, u32 its sealed length, u32 number of chunks, u32 layer
/// number, u32 CRC32C of the 28 bytes before.
enum LayerFormat {
    static let magic: UInt64 = 0x3152_4559_414c_5842
    static let endMagic: UInt64 = 0x444e_4559_414c_5842
    static let version: UInt32 = 2
    static let headerBytes = 128
    static let footerBytes = 32
    static let rowBytes = 32
    static let tagBytes = Sealer.tagBytes

    /// A chunk's row of the index.
    struct Row: Hashable, Sendable {
        var file: UInt64
        var block: UInt64
        var offset: UInt64
        var length: UInt32
        var kind: ChunkKind
        var flags: ChunkFlags

        var first: BlockKey { BlockKey(file: FileID(file), block: block) }
    }

    static func name(_ number: UInt32) -> String {
        let digits = String(number, radix: 16)
        return "layer-" + String(repeating: "0", count: 8 - digits.count) + digits
    }

    static func context(_ identity: SegmentIdentity, layer: UInt32, chunk: UInt32, header: ByteBuffer? = nil)
        -> ByteBuffer
    {
        var context = ByteBuffer()
        context.reserveCapacity(22 + (header?.readableBytes ?? 0))
        context.writeMultipleIntegers(
            identity.volume.value, identity.group.value, identity.node.value, layer, chunk, endianness: .little)
        if let header { context.writeImmutableBuffer(header) }
        return context
    }

    static func header(_ layer: LayerDescriptor, _ identity: SegmentIdentity, chunks: Int) -> ByteBuffer {
        var header = ByteBuffer()
        header.writeMultipleIntegers(
            magic, version, layer.number, layer.kind.rawValue, UInt8(0), identity.node.value, identity.group.value,
            identity.volume.value, layer.start.value, layer.end.value, endianness: .little)
        header.writeMultipleIntegers(
            layer.first.file.value, layer.first.block, layer.last.file.value, layer.last.block, UInt32(chunks),
            endianness: .little)
        header.writeRepeatingByte(0, count: headerBytes - 4 - header.readableBytes)
        header.writeInteger(crc(header), endianness: .little)
        return header
    }

    /// What a header says, and its number of chunks; nil if it is malformed or another segment's.
    static func parseHeader(_ bytes: ByteBuffer, _ identity: SegmentIdentity) -> (LayerDescriptor, chunks: Int)? {
        var bytes = bytes
        guard bytes.readableBytes == headerBytes,
            let front = bytes.getSlice(at: bytes.readerIndex, length: headerBytes - 4),
            bytes.getInteger(at: bytes.readerIndex + headerBytes - 4, endianness: .little, as: UInt32.self)
                == crc(front),
            let (magic, version, number, kind, _, node, group, volume, start, end) = bytes.readMultipleIntegers(
                endianness: .little,
                as: (UInt64, UInt32, UInt32, UInt8, UInt8, UInt16, UInt32, UInt64, UInt64, UInt64).self),
            let (firstFile, firstBlock, lastFile, lastBlock, chunks) = bytes.readMultipleIntegers(
                endianness: .little, as: (UInt64, UInt64, UInt64, UInt64, UInt32).self),
            magic == Self.magic, (1...Self.version).contains(version), let kind = LayerKind(rawValue: kind),
            identity
                == SegmentIdentity(volume: VolumeID(volume), group: GroupID(group), node: NodeID(node))
        else { return nil }
        let layer = LayerDescriptor(
            number: number, kind: kind, start: LSN(start), end: LSN(end),
            first: BlockKey(file: FileID(firstFile), block: firstBlock),
            last: BlockKey(file: FileID(lastFile), block: lastBlock))
        return (layer, Int(chunks))
    }

    static func index(_ rows: [Row]) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.reserveCapacity(rows.count * rowBytes)
        for row in rows {
            bytes.writeMultipleIntegers(
                row.file, row.block, row.offset, row.length, row.kind.rawValue, row.flags.rawValue, UInt16(0),
                endianness: .little)
        }
        return bytes
    }

    static func parseIndex(_ bytes: ByteBuffer) -> [Row]? {
        guard bytes.readableBytes % rowBytes == 0 else { return nil }
        var bytes = bytes
        var rows: [Row] = []
        rows.reserveCapacity(bytes.readableBytes / rowBytes)
        while let (file, block, offset, length, kind, flags, _) = bytes.readMultipleIntegers(
            endianness: .little, as: (UInt64, UInt64, UInt64, UInt32, UInt8, UInt8, UInt16).self)
        {
            guard let kind = ChunkKind(rawValue: kind), length >= UInt32(Sealer.tagBytes),
                length <= UInt32(PlainChunk.longest + Sealer.tagBytes), let flags = ChunkFlags(decoding: flags)
            else { return nil }
            rows.append(
                Row(file: file, block: block, offset: offset, length: length, kind: kind, flags: flags))
        }
        return rows
    }

    static func footer(number: UInt32, chunks: Int, indexAt: UInt64, indexLength: Int) -> ByteBuffer {
        var footer = ByteBuffer()
        footer.writeMultipleIntegers(
            endMagic, indexAt, UInt32(indexLength), UInt32(chunks), number, endianness: .little)
        footer.writeInteger(crc(footer), endianness: .little)
        return footer
    }

    static func parseFooter(_ bytes: ByteBuffer) -> (number: UInt32, chunks: Int, indexAt: UInt64, indexLength: Int)? {
        var bytes = bytes
        guard bytes.readableBytes == footerBytes,
            let front = bytes.getSlice(at: bytes.readerIndex, length: footerBytes - 4),
            let (magic, indexAt, indexLength, chunks, number, sum) = bytes.readMultipleIntegers(
                endianness: .little, as: (UInt64, UInt64, UInt32, UInt32, UInt32, UInt32).self),
            magic == endMagic, sum == crc(front), indexAt < UInt64(Int64.max)
        else { return nil }
        return (number, Int(chunks), indexAt, Int(indexLength))
    }

    static func crc(_ bytes: ByteBuffer) -> UInt32 {
        bytes.withUnsafeReadableBytes { raw in bx_crc32c(0, raw.baseAddress, raw.count) }
    }
}
