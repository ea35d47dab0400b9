// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import VolumeModel

/// A question to a storage process that is answered once: reads, inspection, copying of layers. Not on the commit path.
package enum ServiceCall: Hashable, Sendable {
    /// Blocks of a file as of an LSN, from a node whose chain is complete to `complete`.
    case blocks(
        volume: VolumeID, group: GroupID, node: NodeID, file: FileID, first: UInt64, count: UInt32, at: LSN,
        complete: LSN)
    /// The namespace as of an LSN.
    case namespace(volume: VolumeID, node: NodeID, at: LSN, complete: LSN)
    /// CRC32C of each block, to compare copies without moving them; answered with u32s, 0 for an all-zero block.
    case digests(
        volume: VolumeID, group: GroupID, node: NodeID, file: FileID, first: UInt64, count: UInt32, at: LSN,
        complete: LSN)
    /// The log parts that a node retains after an LSN, oldest first, opened.
    case log(volume: VolumeID, group: GroupID, node: NodeID, after: LSN, limit: UInt32)
    /// JSON about the process's nodes and segments.
    case inventory
    /// Begins to copy a segment's layers, which must hold everything up to `atLeast`: answered with a u64 number for the
    /// copy, the segment's floor, and the description of its layers.
    case layers(volume: VolumeID, group: GroupID, node: NodeID, atLeast: LSN)
    /// Opened content of a layer of a copy that was begun.
    case layerContent(copy: UInt64, layer: UInt32, offset: UInt64, count: UInt32)
    /// (microseconds, LSN) pairs of the volume's timestamps, u64s.
    case timeline(volume: VolumeID, node: NodeID)
    /// A mount's lease on an LSN that it reads at; 0 seconds give it up. Answered with nothing.
    case pin(volume: VolumeID, node: NodeID, holder: UInt64, at: LSN, seconds: UInt32)
    /// Reads what the node's journal has to have of a volume because no layer has it yet: answered with a u32 number of parts
    /// that are there and sound, and a u32 number of those that are not.
    case audit(volume: VolumeID, node: NodeID)
    /// Authenticates some of a segment's layers as they are on disk, from a chunk of a layer on: answered with a u64 number of
    /// bytes, a u32 number of damaged layers, a u8 (1: there is more), and the u32 layer and u32 chunk to go on with.
    case scrub(volume: VolumeID, group: GroupID, node: NodeID, layer: UInt32, chunk: UInt32)

    private var code: UInt8 {
        switch self {
        case .blocks: 1
        case .namespace: 2
        case .digests: 3
        case .log: 4
        case .inventory: 5
        case .layers: 6
        case .layerContent: 7
        case .timeline: 8
        case .pin: 9
        case .audit: 10
        case .scrub: 11
        }
    }

    /// Layout: u8 code, then the case's values in order, little-endian: u64 for volumes, files, LSNs and block numbers, u32
    /// for groups and counts, u16 for nodes.
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(code)
        switch self {
        case .blocks(let volume, let group, let node, let file, let first, let count, let at, let complete),
            .digests(let volume, let group, let node, let file, let first, let count, let at, let complete):
            buffer.writeMultipleIntegers(
                volume.value, group.value, node.value, file.value, first, count, at.value, complete.value,
                endianness: .little)
        case .namespace(let volume, let node, let at, let complete):
            buffer.writeMultipleIntegers(volume.value, node.value, at.value, complete.value, endianness: .little)
        case .log(let volume, let group, let node, let after, let limit):
            buffer.writeMultipleIntegers(volume.value, group.value, node.value, after.value, limit, endianness: .little)
        case .inventory: break
        case .layers(let volume, let group, let node, let atLeast):
            buffer.writeMultipleIntegers(volume.value, group.value, node.value, atLeast.value, endianness: .little)
        case .layerContent(let copy, let layer, let offset, let count):
            buffer.writeMultipleIntegers(copy, layer, offset, count, endianness: .little)
        case .timeline(let volume, let node), .audit(let volume, let node):
            buffer.writeMultipleIntegers(volume.value, node.value, endianness: .little)
        case .scrub(let volume, let group, let node, let layer, let chunk):
            buffer.writeMultipleIntegers(volume.value, group.value, node.value, layer, chunk, endianness: .little)
        case .pin(let volume, let node, let holder, let at, let seconds):
            buffer.writeMultipleIntegers(volume.value, node.value, holder, at.value, seconds, endianness: .little)
        }
    }

    /// Nil if the bytes are not a call.
    package init?(readingFrom buffer: inout ByteBuffer) {
        guard let code: UInt8 = buffer.readInteger() else { return nil }
        switch code {
        case 1, 3:
            guard
                let (volume, group, node, file, first, count, at, complete) = buffer.readMultipleIntegers(
                    endianness: .little, as: (UInt64, UInt32, UInt16, UInt64, UInt64, UInt32, UInt64, UInt64).self)
            else { return nil }
            let v = VolumeID(volume)
            let g = GroupID(group)
            let n = NodeID(node)
            self =
                code == 1
                ? .blocks(
                    volume: v, group: g, node: n, file: FileID(file), first: first, count: count, at: LSN(at),
                    complete: LSN(complete))
                : .digests(
                    volume: v, group: g, node: n, file: FileID(file), first: first, count: count, at: LSN(at),
                    complete: LSN(complete))
        case 2:
            guard
                let (volume, node, at, complete) = buffer.readMultipleIntegers(
                    endianness: .little, as: (UInt64, UInt16, UInt64, UInt64).self)
            else { return nil }
            self = .namespace(volume: VolumeID(volume), node: NodeID(node), at: LSN(at), complete: LSN(complete))
        case 4:
            guard
                let (volume, group, node, after, limit) = buffer.readMultipleIntegers(
                    endianness: .little, as: (UInt64, UInt32, UInt16, UInt64, UInt32).self)
            else { return nil }
            self = .log(
                volume: VolumeID(volume), group: GroupID(group), node: NodeID(node), after: LSN(after), limit: limit)
        case 5: self = .inventory
        case 6:
            guard
                let (volume, group, node, atLeast) = buffer.readMultipleIntegers(
                    endianness: .little, as: (UInt64, UInt32, UInt16, UInt64).self)
            else { return nil }
            self = .layers(
                volume: VolumeID(volume), group: GroupID(group), node: NodeID(node), atLeast: LSN(atLeast))
        case 7:
            guard
                let (copy, layer, offset, count) = buffer.readMultipleIntegers(
                    endianness: .little, as: (UInt64, UInt32, UInt64, UInt32).self)
            else { return nil }
            self = .layerContent(copy: copy, layer: layer, offset: offset, count: count)
        case 8, 10:
            guard let (volume, node) = buffer.readMultipleIntegers(endianness: .little, as: (UInt64, UInt16).self)
            else { return nil }
            let v = VolumeID(volume)
            let n = NodeID(node)
            self = code == 8 ? .timeline(volume: v, node: n) : .audit(volume: v, node: n)
        case 9:
            guard
                let (volume, node, holder, at, seconds) = buffer.readMultipleIntegers(
                    endianness: .little, as: (UInt64, UInt16, UInt64, UInt64, UInt32).self)
            else { return nil }
            self = .pin(
                volume: VolumeID(volume), node: NodeID(node), holder: holder, at: LSN(at), seconds: seconds)
        case 11:
            guard
                let (volume, group, node, layer, chunk) = buffer.readMultipleIntegers(
                    endianness: .little, as: (UInt64, UInt32, UInt16, UInt32, UInt32).self)
            else { return nil }
            self = .scrub(
                volume: VolumeID(volume), group: GroupID(group), node: NodeID(node), layer: layer, chunk: chunk)
        default: return nil
        }
    }
}

/// Blocks in an answer: for each a u32 CRC32C (0 = all zeros, no bytes follow), then 8,192 bytes.
package enum BlockAnswer {
    package static let blockBytes = 8192

    package static func write(_ block: ByteBuffer?, checksum: UInt32, to buffer: inout ByteBuffer) {
        guard let block else {
            buffer.writeInteger(UInt32(0), endianness: .little)
            return
        }
        // A block whose CRC happens to be 0 is sent as 1 with no check lost elsewhere: the reader maps 0 to 1 too.
        buffer.writeInteger(max(1, checksum), endianness: .little)
        buffer.writeImmutableBuffer(block)
    }
}
