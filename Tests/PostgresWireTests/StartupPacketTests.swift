// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PostgresWire
import Testing

@Suite struct StartupPacketTests {
    private func startup() -> ByteBuffer {
        var buffer = ByteBuffer()
        StartupParameters(pairs: [("user", "alice"), ("database", "app"), ("options", "-c a=b")]).write(to: &buffer)
        return buffer
    }

    @Test func `a startup packet reads back whole and byte by byte`() throws {
        var whole = startup()
        let packet = try StartupPacket.read(from: &whole)
        #expect(
            packet
                == .startup(StartupParameters(pairs: [("user", "alice"), ("database", "app"), ("options", "-c a=b")])))
        #expect(whole.readableBytes == 0)
        var partial = ByteBuffer()
        let bytes = Array(startup().readableBytesView)
        for (index, byte) in bytes.enumerated() {
            partial.writeInteger(byte)
            let result = try StartupPacket.read(from: &partial)
            #expect((result != nil) == (index == bytes.count - 1))
        }
    }

    @Test func `a length beyond the server's own limit is refused at once`() {
        var buffer = ByteBuffer(integer: UInt32(10_001))
        #expect(throws: PostgresWireError.badLength(kind: 0, length: 10_001)) { try StartupPacket.read(from: &buffer) }
        var short = ByteBuffer(integer: UInt32(7))
        #expect(throws: PostgresWireError.badLength(kind: 0, length: 7)) { try StartupPacket.read(from: &short) }
    }

    @Test func `a cancel request carries its secret of any length`() throws {
        var buffer = ByteBuffer()
        StartupPacket.writeCancel(processID: 7, secret: Array(1...32), to: &buffer)
        #expect(try StartupPacket.read(from: &buffer) == .cancel(processID: 7, secret: Array(1...32)))
    }

    @Test(arguments: [
        ("-c a=b", [("a", "b")]), ("-ca=b --work-mem=4MB", [("a", "b"), ("work_mem", "4MB")]),
        (#"-c x=a\ b"#, [("x", "a b")]), ("", []),
    ])
    func `options give settings`(text: String, expected: [(String, String)]) {
        let settings = StartupParameters.settings(inOptions: text)
        #expect(settings?.map(\.name) == expected.map(\.0))
        #expect(settings?.map(\.value) == expected.map(\.1))
    }

    @Test func `switches of the server's command line are not options`() {
        #expect(StartupParameters.settings(inOptions: "-d 5") == nil)
        #expect(StartupParameters.settings(inOptions: "-c") == nil)
    }

    @Test func `seeded garbage never traps`() {
        var generator = SeededGenerator(seed: 42)
        for _ in 0..<20_000 {
            var buffer = ByteBuffer()
            for _ in 0..<Int.random(in: 0...40, using: &generator) {
                buffer.writeInteger(UInt8.random(in: 0...255, using: &generator))
            }
            if Bool.random(using: &generator) { buffer.setInteger(UInt32(buffer.readableBytes), at: 0) }
            _ = try? StartupPacket.read(from: &buffer)
        }
    }
}

/// SplitMix64, so that a failure can be repeated from its seed.
struct SeededGenerator: RandomNumberGenerator {
    var seed: UInt64

    mutating func next() -> UInt64 {
        seed &+= 0x9e37_79b9_7f4a_7c15
        var mixed = seed
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
