// SPDX-License-Identifier: Apache-2.0

import MySQLWire
import NIOCore
import Testing

@Suite struct MySQLWireTests {
    @Test(arguments: [0, 1, 0xfa, 0xfb, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000, UInt64.max])
    func `a length-encoded integer goes there and back, and not when cut`(value: UInt64) {
        var buffer = ByteBuffer()
        buffer.writeLengthEncoded(value)
        for length in 0..<buffer.readableBytes {
            var cut = buffer.getSlice(at: 0, length: length) ?? ByteBuffer()
            #expect(cut.readLengthEncoded() == nil)
        }
        #expect(buffer.readLengthEncoded() == value)
        #expect(buffer.readableBytes == 0)
    }

    @Test(arguments: [0, 5, 0xff_fffe, 0xff_ffff, 0x100_0000, 0x1ff_fffe])
    func `a payload of any length is cut and put together`(length: Int) throws {
        let payload = ByteBuffer(repeating: 7, count: length)
        var wire = ByteBuffer()
        let next = MySQLPacket.write(payload, sequence: 250, to: &wire)
        #expect(next == UInt8(truncatingIfNeeded: 250 + length / 0xff_ffff + 1))
        var reader = MySQLPayloadReader(limit: 1 << 26)
        var fed = ByteBuffer()
        var result: ByteBuffer?
        while result == nil, let slice = wire.readSlice(length: min(1 << 20, wire.readableBytes)),
            slice.readableBytes > 0
        {
            fed.writeImmutableBuffer(slice)
            result = try reader.read(from: &fed)?.payload
        }
        #expect(result == payload)
    }

    @Test func `a payload above the limit is refused before it is read`() {
        var wire = ByteBuffer(integer: UInt32(1000), endianness: .little)
        var reader = MySQLPayloadReader(limit: 999)
        #expect(throws: MySQLWireError.tooLong(1000)) { try reader.read(from: &wire) }
    }

    @Test func `handshake packets read back`() throws {
        let handshake = MySQLHandshake(
            serverVersion: "8.0.36", connectionID: 77, challenge: Array(1...20), capabilities: .offered,
            plugin: MySQLScrambles.cachingSHA2)
        var payload = ByteBuffer()
        handshake.write(to: &payload)
        #expect(try MySQLHandshake(reading: payload) == handshake)
        let response = MySQLHandshakeResponse(
            capabilities: .offered, user: "alice", authentication: [1, 2, 3], database: "app",
            plugin: MySQLScrambles.native, attributes: ["_client_name": "test"])
        var answer = ByteBuffer()
        response.write(to: &answer)
        #expect(try MySQLHandshakeResponse(reading: answer) == response)
        for length in 0..<answer.readableBytes {
            _ = try? MySQLHandshakeResponse(reading: answer.getSlice(at: 0, length: length) ?? ByteBuffer())
        }
        #expect(!MySQLHandshakeResponse.isTLSRequest(answer))
        var tls = ByteBuffer()
        MySQLHandshakeResponse(
            capabilities: [.tls, .protocol41], user: "", authentication: [], database: nil, plugin: nil
        )
        .writeTLSRequest(to: &tls)
        #expect(MySQLHandshakeResponse.isTLSRequest(tls))
    }

    @Test func `compression is not on offer`() {
        #expect(!MySQLCapabilities.offered.contains(.compress) && !MySQLCapabilities.offered.contains(.zstd))
    }

    @Test func `native answers fit what the server stores`() {
        let challenge: [UInt8] = Array(1...20)
        // SHA1(SHA1("secret")): SELECT PASSWORD('secret') in MariaDB.
        let stored: [UInt8] = [
            0x14, 0xe6, 0x55, 0x67, 0xab, 0xdb, 0x51, 0x35, 0xd0, 0xcf, 0xd9, 0xa7, 0x0b, 0x30, 0x32, 0xc1, 0x79, 0xa4,
            0x9e, 0xe7,
        ]
        let answer = MySQLScrambles.native(password: Array("secret".utf8), challenge: challenge)
        #expect(MySQLScrambles.verifyNative(answer, challenge: challenge, stored: stored))
        #expect(!MySQLScrambles.verifyNative(answer, challenge: Array(2...21), stored: stored))
        #expect(MySQLScrambles.native(password: [], challenge: challenge).isEmpty)
        #expect(MySQLScrambles.cachingSHA2(password: Array("secret".utf8), challenge: challenge).count == 32)
    }

    @Test func `seeded garbage never traps`() {
        var state: UInt64 = 99
        func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        for _ in 0..<50_000 {
            var buffer = ByteBuffer()
            if next() % 2 == 0 { buffer.writeInteger(UInt8([0, 10, 0xfe, 0xff][Int(next() % 4)])) }
            for _ in 0..<next() % 80 { buffer.writeInteger(UInt8(truncatingIfNeeded: next())) }
            _ = try? MySQLHandshake(reading: buffer)
            _ = try? MySQLHandshakeResponse(reading: buffer)
            _ = try? MySQLOK(reading: buffer)
            _ = try? MySQLServerError(reading: buffer)
            _ = try? MySQLAuthSwitch(reading: buffer)
            var reader = MySQLPayloadReader(limit: 1 << 16)
            _ = try? reader.read(from: &buffer)
        }
    }
}
