// SPDX-License-Identifier: Apache-2.0

import CBorealis
import LogWire
import NIOCore
import Testing
import VolumeModel

/// Two records: a size, then a write of two ranges. Computed independently of the code under test, field by field.
private let golden: [UInt8] = [
    0x2c, 0x00, 0x00, 0x00, 0x04, 0x01, 0x00, 0x00, 0x90, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x88, 0xa5, 0x2b, 0x2f, 0x00, 0x20,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x3d, 0x00, 0x00, 0x00, 0x02, 0x03, 0x00, 0x00, 0xcd, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x3d, 0x00, 0x00, 0x00, 0x3c, 0x42, 0xd1, 0x7e, 0x00, 0x20,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x10, 0x00, 0x03, 0x00, 0x64, 0x00, 0x02, 0x00, 0x61,
    0x62, 0x63, 0x64, 0x65,
]

private func encoded() -> ByteBuffer {
    var encoder = RecordEncoder(reusing: ByteBuffer())
    var position = encoder.setSize(
        file: FileID(7), size: 8192, flags: RecordHeader.consistencyPoint, epoch: VolumeEpoch(3), position: LSN(100))
    let ranges = [bx_range(at: 16, length: 3), bx_range(at: 100, length: 2)]
    let data = Array("abcde".utf8)
    position = ranges.withUnsafeBufferPointer { ranges in
        data.withUnsafeBytes { data in
            encoder.write(
                file: FileID(9), offset: 8192, ranges: ranges, data: data, flags: RecordHeader.consistencyPoint,
                epoch: VolumeEpoch(3), position: position)
        }
    }
    return encoder.finished()
}

@Suite struct RecordTests {
    @Test func `records are these bytes`() {
        #expect(Array(encoded().readableBytesView) == golden)
    }

    @Test func `what is written is read`() throws {
        var decoder = RecordDecoder(ByteBuffer(bytes: golden))
        let size = try #require(try decoder.next())
        #expect(size.header.lsn == LSN(144) && size.header.file == FileID(7) && size.header.isConsistencyPoint)
        #expect(size.body == .setSize(8192))
        let write = try #require(try decoder.next())
        #expect(write.header.lsn == LSN(205) && write.header.distance == 61)
        #expect(
            write.body
                == .write([
                    WrittenRange(offset: 8208, data: ByteBuffer(string: "abc")),
                    WrittenRange(offset: 8292, data: ByteBuffer(string: "de")),
                ]))
        #expect(try decoder.next() == nil)
    }

    @Test func `a flipped bit anywhere is noticed`() {
        for byte in golden.indices {
            for bit in 0..<8 {
                var bytes = golden
                bytes[byte] ^= 1 << bit
                var decoder = RecordDecoder(ByteBuffer(bytes: bytes))
                #expect(throws: RecordError.self) { while try decoder.next() != nil {} }
            }
        }
    }

    @Test func `a cut anywhere but between records is noticed`() {
        for length in golden.indices where length != 0 && length != 44 {
            var decoder = RecordDecoder(ByteBuffer(bytes: golden[..<length]))
            #expect(throws: RecordError.self) { while try decoder.next() != nil {} }
        }
    }

    @Test func `garbage never traps`() {
        var random = SplitMix(state: 7)
        for _ in 0..<20_000 {
            let bytes = (0..<Int(random.next() % 96)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            var decoder = RecordDecoder(ByteBuffer(bytes: bytes))
            _ = try? decoder.next()
            var header = ByteBuffer(bytes: bytes)
            _ = BatchHeader(readingFrom: &header)
        }
    }
}

@Suite struct BatchHeaderTests {
    @Test func `a header survives the wire`() {
        let header = BatchHeader(
            volume: VolumeID(0x1122_3344_5566_7788), group: .namespace, epoch: VolumeEpoch(4),
            membershipEpoch: MembershipEpoch(2), start: LSN(100), end: LSN(205), previous: LSN(90),
            participants: [GroupID(1), GroupID(3)], payloadBytes: 121, payloadCRC: 0xdead_beef)
        var buffer = ByteBuffer()
        header.write(to: &buffer)
        #expect(buffer.readableBytes == BatchHeader.fixedBytes + 8)
        #expect(Array(buffer.readableBytesView.prefix(8)) == [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11])
        for length in 0..<buffer.readableBytes {
            var cut = buffer.getSlice(at: 0, length: length) ?? ByteBuffer()
            #expect(BatchHeader(readingFrom: &cut) == nil)
        }
        #expect(BatchHeader(readingFrom: &buffer) == header)
    }
}

/// A seeded generator: the same garbage in every run.
private struct SplitMix {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
