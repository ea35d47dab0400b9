// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import SegmentCore
package import VolumeModel

/// What travels between processes.
///
/// A frame is a u32 length of what follows, a u8 type, and the type's values; little-endian. A payload is the rest of the
/// frame.
///
/// | type | from | values |
/// | --- | --- | --- |
/// | 1 hello | client | u32 version, u8 role |
/// | 2 append | driver | u8 number of nodes, u16 each, message `append`, payload |
/// | 3 message | client | u64 volume, u32 group, u16 node, u16 sending node (0 = a driver), u8 create, message, payload |
/// | 4 call | client | u64 request, call |
/// | 5 reply | host | u64 volume, u32 group, u16 node, reply, payload |
/// | 6 result | host | u64 request, u8 status (0 = fine, 1 = the body is an error text), body |
package enum Frame: Sendable {
    package enum Role: UInt8, Sendable {
        case driver = 1
        case peer = 2
        case tool = 3
    }

    case hello(version: UInt32, Role)
    case append(nodes: [NodeID], BatchHeader, vdl: LSN, membership: MembershipEpoch, payload: ByteBuffer)
    case message(VolumeID, GroupID, to: NodeID, from: NodeID?, create: Bool, SegmentMessage, payload: ByteBuffer?)
    case call(UInt64, ServiceCall)
    case reply(VolumeID, GroupID, NodeID, SegmentReply, payload: ByteBuffer?)
    case result(UInt64, isError: Bool, ByteBuffer)

    package static let version: UInt32 = 1
    /// A longer frame is refused before it is read.
    package static let longest = 96 << 20

    /// Appends the whole frame, length included.
    package func write(to buffer: inout ByteBuffer) {
        let start = buffer.writerIndex
        buffer.writeLittle(UInt32(0))
        switch self {
        case .hello(let version, let role):
            buffer.writeLittle(UInt8(1))
            buffer.writeLittle(version)
            buffer.writeLittle(role.rawValue)
        case .append(let nodes, let header, let vdl, let membership, let payload):
            buffer.writeLittle(UInt8(2))
            buffer.writeLittle(UInt8(nodes.count))
            for node in nodes { buffer.writeLittle(node.value) }
            SegmentMessage.append(header, vdl: vdl, membership: membership).write(to: &buffer)
            buffer.writeImmutableBuffer(payload)
        case .message(let volume, let group, let to, let from, let create, let message, let payload):
            buffer.writeLittle(UInt8(3))
            buffer.writeMultipleIntegers(
                volume.value, group.value, to.value, from?.value ?? 0, UInt8(create ? 1 : 0), endianness: .little)
            message.write(to: &buffer)
            if let payload { buffer.writeImmutableBuffer(payload) }
        case .call(let request, let call):
            buffer.writeLittle(UInt8(4))
            buffer.writeLittle(request)
            call.write(to: &buffer)
        case .reply(let volume, let group, let node, let reply, let payload):
            buffer.writeLittle(UInt8(5))
            buffer.writeMultipleIntegers(volume.value, group.value, node.value, endianness: .little)
            reply.write(to: &buffer)
            if let payload { buffer.writeImmutableBuffer(payload) }
        case .result(let request, let isError, let body):
            buffer.writeLittle(UInt8(6))
            buffer.writeLittle(request)
            buffer.writeLittle(UInt8(isError ? 1 : 0))
            buffer.writeImmutableBuffer(body)
        }
        buffer.setInteger(UInt32(buffer.writerIndex - start - 4), at: start, endianness: .little)
    }

    /// Reads the inside of a frame; nil if it is malformed.
    package init?(readingFrom frame: inout ByteBuffer) {
        guard let type: UInt8 = frame.readLittle() else { return nil }
        switch type {
        case 1:
            guard let version: UInt32 = frame.readLittle(), let role = frame.readLittle(UInt8.self).flatMap(Role.init)
            else { return nil }
            self = .hello(version: version, role)
        case 2:
            guard let count: UInt8 = frame.readLittle() else { return nil }
            var nodes: [NodeID] = []
            for _ in 0..<count {
                guard let node: UInt16 = frame.readLittle() else { return nil }
                nodes.append(NodeID(node))
            }
            guard case .append(let header, let vdl, let membership)? = SegmentMessage(readingFrom: &frame),
                frame.readableBytes == Int(header.payloadBytes)
            else { return nil }
            self = .append(nodes: nodes, header, vdl: vdl, membership: membership, payload: frame)
        case 3:
            guard
                let (volume, group, to, from, create) = frame.readMultipleIntegers(
                    endianness: .little, as: (UInt64, UInt32, UInt16, UInt16, UInt8).self),
                let message = SegmentMessage(readingFrom: &frame)
            else { return nil }
            self = .message(
                VolumeID(volume), GroupID(group), to: NodeID(to), from: from == 0 ? nil : NodeID(from),
                create: create == 1,
                message, payload: frame.readableBytes > 0 ? frame : nil)
        case 4:
            guard let request: UInt64 = frame.readLittle(), let call = ServiceCall(readingFrom: &frame) else {
                return nil
            }
            self = .call(request, call)
        case 5:
            guard
                let (volume, group, node) = frame.readMultipleIntegers(
                    endianness: .little, as: (UInt64, UInt32, UInt16).self),
                let reply = SegmentReply(readingFrom: &frame)
            else { return nil }
            self = .reply(
                VolumeID(volume), GroupID(group), NodeID(node), reply, payload: frame.readableBytes > 0 ? frame : nil)
        case 6:
            guard let (request, status) = frame.readMultipleIntegers(endianness: .little, as: (UInt64, UInt8).self)
            else { return nil }
            self = .result(request, isError: status != 0, frame)
        default: return nil
        }
    }
}
