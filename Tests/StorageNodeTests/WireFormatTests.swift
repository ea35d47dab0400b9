// SPDX-License-Identifier: Apache-2.0

import Foundation
import LogWire
import NIOCore
import SegmentCore
import StorageNode
import StorageWire
import Testing
import VolumeModel

private func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}

private func encoded(_ write: (inout ByteBuffer) -> Void) -> String {
    var buffer = ByteBuffer()
    write(&buffer)
    return hex(buffer.readableBytesView)
}

/// Layouts of the log, the journal and the wire, byte by byte: another program of the same version reads them.
@Suite struct WireFormatTests {
    private static let volume = VolumeID(0x1122_3344_5566_7788)
    private static let a1 = NodeID("a1")!
    private static let b2 = NodeID("b2")!
    private static let payload = ByteBuffer(bytes: [0xde, 0xad, 0xbe, 0xef])
    private static let header = BatchHeader(
        volume: volume, group: GroupID(1), epoch: VolumeEpoch(3), membershipEpoch: MembershipEpoch(2),
        start: LSN(0x100), end: LSN(0x180), previous: LSN(0xc0), participants: [GroupID(0), GroupID(1)],
        payloadBytes: 4, payloadCRC: payload.checksum)
    private static let headerBytes =
        "887766554433221101000000030000000200000000010000000000008001000000000000c000000000000000040000008e77dcf1"
        + "020000000000000001000000"

    @Test func `a batch header is these bytes`() {
        #expect(encoded { Self.header.write(to: &$0) } == Self.headerBytes)
    }

    @Test func `a journal file is these bytes`() throws {
        let directory = NSTemporaryDirectory() + "journal-format-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let journal = try Journal(directory: directory, fileBytes: 1 << 20)
        try journal.rotate(checkpoint: [])
        let segment = SegmentID(volume: Self.volume, group: GroupID(1), node: Self.a1)
        try journal.append([
            JournalEntry(segment: segment, record: .batch(Self.header, vdl: LSN(0xc0)), payload: Self.payload),
            JournalEntry(segment: segment, record: .epoch(VolumeEpoch(3), claimant: 0x99)),
        ])
        let file = try Data(contentsOf: URL(fileURLWithPath: directory + "/journal-0000000000000001"))
        #expect(hex(file.prefix(16)) == "42584a31010000000100000000000000")
        let batch =
            "42584a31dea18a500100000000000000700000000400000088776655443322110100000001610102" + Self.headerBytes
            + "c000000000000000deadbeef"
        let epoch =
            "42584a31609699980100000000000000340000000000000088776655443322110100000001610202"
            + "030000009900000000000000"
        #expect(hex(file[4096..<4212]) == batch)
        #expect(hex(file[4212..<4216]) == "00000000", "entries start at multiples of 8")
        #expect(hex(file[4216..<4268]) == epoch)
    }

    @Test func `a tenure is these bytes`() {
        let tenure = Tenure(
            truncations: [Truncation(epoch: VolumeEpoch(3), from: LSN(0x180), bound: LSN(0x1000))],
            membership: Membership(epoch: MembershipEpoch(2), sets: [[Self.a1, Self.b2]]),
            groups: [GroupPlacement(group: .namespace, nodes: [Self.a1, Self.b2])], revision: 4)
        #expect(
            encoded { tenure.write(to: &$0) }
                == "040000000100000003000000800100000000000000100000000000000200000001000000020000000161026201000000"
                + "000000000200000001610262")
    }

    @Test func `frames are these bytes, and are read back`() {
        let claim = SegmentMessage.claim(VolumeEpoch(3), claimant: 0x99)
        let blocks = ServiceCall.blocks(
            volume: Self.volume, group: GroupID(1), node: Self.a1, file: FileID(42), first: 5, count: 16,
            at: LSN(0x180),
            complete: LSN(0x180))
        let frames: [(Frame, String)] = [
            (.hello(version: Frame.version, .peer), "06000000010100000002"),
            (
                .append(
                    nodes: [Self.a1, Self.b2], Self.header, vdl: LSN(0xc0), membership: MembershipEpoch(2),
                    payload: Self.payload),
                "57000000020201610262" + "01" + Self.headerBytes + "c00000000000000002000000deadbeef"
            ),
            (
                .message(Self.volume, GroupID(1), to: Self.b2, from: Self.a1, create: true, claim, payload: nil),
                "1f00000003887766554433221101000000026201610104030000009900000000000000"
            ),
            (
                .call(7, blocks),
                "3c0000000407000000000000000188776655443322110100000001612a00000000000000050000000000000010000000"
                    + "80010000000000008001000000000000"
            ),
            (
                .reply(
                    Self.volume, GroupID(1), Self.a1, .acknowledged(epoch: VolumeEpoch(3), scl: LSN(0x180)),
                    payload: nil), "1c00000005887766554433221101000000016101030000008001000000000000"
            ),
            (.result(7, isError: true, ByteBuffer(string: "no")), "0c000000060700000000000000016e6f"),
        ]
        for (frame, bytes) in frames {
            var buffer = ByteBuffer()
            frame.write(to: &buffer)
            #expect(hex(buffer.readableBytesView) == bytes)
            buffer.moveReaderIndex(forwardBy: 4)
            guard let again = Frame(readingFrom: &buffer) else {
                Issue.record("not read back: \(bytes)")
                continue
            }
            #expect(encoded { again.write(to: &$0) } == bytes)
        }
    }

    @Test func `a frame that was cut short is none`() {
        var buffer = ByteBuffer()
        Frame.message(
            Self.volume, GroupID(1), to: Self.b2, from: nil, create: false, .push(Self.header, epoch: VolumeEpoch(3)),
            payload: nil
        ).write(to: &buffer)
        for length in 0..<buffer.readableBytes - 4 {
            var cut = buffer.getSlice(at: 4, length: length)!
            #expect(Frame(readingFrom: &cut) == nil, "\(length) bytes")
        }
    }

    @Test func `every call is read back`() {
        let v = Self.volume
        let n = Self.a1
        let calls: [ServiceCall] = [
            .blocks(
                volume: v, group: GroupID(2), node: n, file: FileID(3), first: 4, count: 5, at: LSN(6), complete: LSN(7)
            ),
            .namespace(volume: v, node: n, at: LSN(6), complete: LSN(7)),
            .digests(
                volume: v, group: GroupID(2), node: n, file: FileID(3), first: 4, count: 5, at: LSN(6), complete: LSN(7)
            ),
            .log(volume: v, group: GroupID(2), node: n, after: LSN(3), limit: 4), .inventory,
            .layers(volume: v, group: GroupID(2), node: n, atLeast: LSN(3)),
            .layerContent(copy: 1, layer: 2, offset: 3, count: 4), .timeline(volume: v, node: n),
            .pin(volume: v, node: n, holder: 2, at: LSN(3), seconds: 4), .audit(volume: v, node: n),
            .scrub(volume: v, group: GroupID(1), node: n, layer: 9, chunk: 3),
        ]
        for (number, call) in calls.enumerated() {
            var buffer = ByteBuffer()
            call.write(to: &buffer)
            #expect(buffer.getInteger(at: 0, as: UInt8.self) == UInt8(number + 1))
            #expect(ServiceCall(readingFrom: &buffer) == call)
        }
        #expect(
            encoded { calls[10].write(to: &$0) } == "0b88776655443322110100000001610900000003000000")
    }
}
