// SPDX-License-Identifier: Apache-2.0

internal import LayerCore
internal import NIOCore
internal import VolumeModel

/// What a segment's directory holds: written anew to `MANIFEST.tmp`, synced, renamed to `MANIFEST`, directory synced.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | magic `BXMANIF1` |
/// | 8 | 4 | version, 1 |
/// | 12 | 4 | group |
/// | 16 | 8 | volume |
/// | 24 | 2 | node |
/// | 26 | 2 | zero |
/// | 28 | 4 | layer numbers below this may have been used |
/// | 32 | 8 | layered LSN |
/// | 40 | 8 | end of the group's last part in the layers |
/// | 48 | 8 | retired LSN: deltas up to here are gone |
/// | 56 | 8 | time, microseconds, at or before the retired LSN; 0 = none |
/// | 64 | 8 | its LSN |
/// | 72 | 4 | number of layers |
///
/// Then per layer: u32 number, u8 kind, 3 zero bytes, u64 start, end, through, first file, first block, last file, last block,
/// bytes, u32 number of points, u64 each point. Last, the u32 CRC32C of everything before. Little-endian.
struct Manifest: Hashable, Sendable {
    static let name = "MANIFEST"
    static let temporaryName = "MANIFEST.tmp"
    private static let magic: UInt64 = 0x3146_494e_414d_5842
    private static let version: UInt32 = 1

    var numbersBelow: UInt32 = 1
    var layeredLSN = LSN.zero
    var previousEnd = LSN.zero
    var retiredLSN = LSN.zero
    var timelineBase: TimelinePoint?
    var layers: [LayerDescriptor] = []

    func encode(_ identity: SegmentIdentity) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeMultipleIntegers(
            Self.magic, Self.version, identity.group.value, identity.volume.value, identity.node.value, UInt16(0),
            numbersBelow, endianness: .little)
        bytes.writeMultipleIntegers(
            layeredLSN.value, previousEnd.value, retiredLSN.value, timelineBase?.microseconds ?? 0,
            timelineBase?.lsn.value ?? 0, UInt32(layers.count), endianness: .little)
        for layer in layers { layer.encode(into: &bytes) }
        bytes.writeInteger(LayerFormat.crc(bytes), endianness: .little)
        return bytes
    }

    init() {}

    init(decoding bytes: ByteBuffer, _ identity: SegmentIdentity) throws(LayerStoreError) {
        var bytes = bytes
        let length = bytes.readableBytes - 4
        guard length > 0, let front = bytes.getSlice(at: bytes.readerIndex, length: length),
            bytes.getInteger(at: bytes.readerIndex + length, endianness: .little, as: UInt32.self)
                == LayerFormat.crc(front)
        else { throw .badManifest("checksum") }
        guard
            let (magic, version, group, volume, node, _, numbers) = bytes.readMultipleIntegers(
                endianness: .little, as: (UInt64, UInt32, UInt32, UInt64, UInt16, UInt16, UInt32).self),
            let (layered, previous, retired, time, timeLSN, count) = bytes.readMultipleIntegers(
                endianness: .little, as: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt32).self),
            magic == Self.magic, version == Self.version
        else { throw .badManifest("front") }
        guard identity == SegmentIdentity(volume: VolumeID(volume), group: GroupID(group), node: NodeID(node)) else {
            throw .badManifest("another segment's")
        }
        numbersBelow = numbers
        layeredLSN = LSN(layered)
        previousEnd = LSN(previous)
        retiredLSN = LSN(retired)
        timelineBase = time == 0 ? nil : TimelinePoint(microseconds: time, lsn: LSN(timeLSN))
        for _ in 0..<count {
            guard let layer = LayerDescriptor(decoding: &bytes) else { throw .badManifest("layer") }
            layers.append(layer)
        }
        guard bytes.readableBytes == 4 else { throw .badManifest("bytes left over") }
    }
}

extension LayerDescriptor {
    func encode(into bytes: inout ByteBuffer) {
        bytes.writeMultipleIntegers(
            number, kind.rawValue, UInt8(0), UInt16(0), start.value, end.value, through.value, endianness: .little)
        bytes.writeMultipleIntegers(
            first.file.value, first.block, last.file.value, last.block, self.bytes, UInt32(points.count),
            endianness: .little)
        for point in points { bytes.writeInteger(point.value, endianness: .little) }
    }

    init?(decoding bytes: inout ByteBuffer) {
        guard
            let (number, kind, _, _, start, end, through) = bytes.readMultipleIntegers(
                endianness: .little, as: (UInt32, UInt8, UInt8, UInt16, UInt64, UInt64, UInt64).self),
            let (firstFile, firstBlock, lastFile, lastBlock, length, count) = bytes.readMultipleIntegers(
                endianness: .little, as: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt32).self),
            let kind = LayerKind(rawValue: kind), Int(count) * 8 <= bytes.readableBytes
        else { return nil }
        var points: [LSN] = []
        for _ in 0..<count {
            guard let point = bytes.readInteger(endianness: .little, as: UInt64.self) else { return nil }
            points.append(LSN(point))
        }
        self.init(
            number: number, kind: kind, start: LSN(start), end: LSN(end), through: LSN(through),
            first: BlockKey(file: FileID(firstFile), block: firstBlock),
            last: BlockKey(file: FileID(lastFile), block: lastBlock), points: points, bytes: length)
    }
}
