// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// What can be wrong with bytes from a MySQL peer; each case ends the connection.
package enum MySQLWireError: Error, Equatable {
    /// The body ends before its fields do, or a length in it is impossible.
    case malformed
    /// A packet number that does not follow its predecessor's.
    case outOfOrder(expected: UInt8, got: UInt8)
    case tooLong(Int)
    case authentication(String)
}

/// Packets: three bytes of length, one of sequence, payload.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>. A payload of 2^24 - 1 bytes
/// or more is cut into packets of that size, the last of which is shorter and may be empty.
package enum MySQLPacket {
    package static let headerLength = 4
    package static let largestPayload = 0xff_ffff

    /// Length and sequence number at `index`; nil when fewer than four bytes are there.
    @inline(__always)
    package static func header(_ buffer: ByteBuffer, at index: Int) -> (length: Int, sequence: UInt8)? {
        guard buffer.writerIndex - index >= 4,
            let word = buffer.getInteger(at: index, endianness: .little, as: UInt32.self)
        else { return nil }
        return (Int(word & 0xff_ffff), UInt8(word >> 24))
    }

    /// Writes `payload` in as many packets as it takes; returns the number of the next packet.
    @discardableResult
    package static func write(_ payload: ByteBuffer, sequence: UInt8, to out: inout ByteBuffer) -> UInt8 {
        var rest = payload
        var sequence = sequence
        while true {
            let count = min(rest.readableBytes, largestPayload)
            out.writeInteger(UInt32(sequence) << 24 | UInt32(count), endianness: .little)
            if let slice = rest.readSlice(length: count) { out.writeImmutableBuffer(slice) }
            sequence &+= 1
            if count < largestPayload { return sequence }
        }
    }
}

/// Puts payloads together from packets, for the few that have to be read whole; rows are not put through this.
package struct MySQLPayloadReader {
    private var partial: ByteBuffer?
    private var expected: UInt8?
    private let limit: Int

    /// `limit` is the longest payload accepted.
    package init(limit: Int) { self.limit = limit }

    /// Takes one payload off the front of `buffer`; `sequence` is that of its last packet. Nil until it is complete.
    package mutating func read(
        from buffer: inout ByteBuffer
    ) throws(MySQLWireError) -> (payload: ByteBuffer, sequence: UInt8)? {
        while let (length, sequence) = MySQLPacket.header(buffer, at: buffer.readerIndex) {
            if let expected, expected != sequence { throw .outOfOrder(expected: expected, got: sequence) }
            let total = (partial?.readableBytes ?? 0) + length
            guard total <= limit else { throw .tooLong(total) }
            guard buffer.readableBytes >= MySQLPacket.headerLength + length else { return nil }
            buffer.moveReaderIndex(forwardBy: MySQLPacket.headerLength)
            guard let slice = buffer.readSlice(length: length) else { throw .malformed }
            if length == MySQLPacket.largestPayload {
                if partial == nil { partial = slice } else { partial?.writeImmutableBuffer(slice) }
                expected = sequence &+ 1
                continue
            }
            defer {
                partial = nil
                expected = nil
            }
            guard var whole = partial else { return (slice, sequence) }
            whole.writeImmutableBuffer(slice)
            return (whole, sequence)
        }
        return nil
    }
}

/// Field types of payloads.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html>.
extension ByteBuffer {
    /// A length-encoded integer; nil when it is cut off or the byte does not begin one.
    package mutating func readLengthEncoded() -> UInt64? {
        guard let first = getInteger(at: readerIndex, as: UInt8.self) else { return nil }
        let width: Int
        switch first {
        case 0...0xfa:
            moveReaderIndex(forwardBy: 1)
            return UInt64(first)
        case 0xfc: width = 2
        case 0xfd: width = 3
        case 0xfe: width = 8
        default: return nil
        }
        guard readableBytes >= 1 + width else { return nil }
        var value: UInt64 = 0
        for offset in 0..<width {
            guard let byte = getInteger(at: readerIndex + 1 + offset, as: UInt8.self) else { return nil }
            value |= UInt64(byte) << (8 * UInt64(offset))
        }
        moveReaderIndex(forwardBy: 1 + width)
        return value
    }

    package mutating func writeLengthEncoded(_ value: UInt64) {
        switch value {
        case 0...0xfa: writeInteger(UInt8(value))
        case 0...0xffff:
            writeInteger(UInt8(0xfc))
            writeInteger(UInt16(value), endianness: .little)
        case 0...0xff_ffff:
            writeInteger(UInt8(0xfd))
            for shift in [0, 8, 16] as [UInt64] { writeInteger(UInt8(value >> shift & 255)) }
        default:
            writeInteger(UInt8(0xfe))
            writeInteger(value, endianness: .little)
        }
    }

    /// Bytes behind a length-encoded length.
    package mutating func readLengthEncodedBytes() -> ByteBuffer? {
        let start = readerIndex
        guard let length = readLengthEncoded(), length <= UInt64(readableBytes) else {
            moveReaderIndex(to: start)
            return nil
        }
        return readSlice(length: Int(length))
    }

    package mutating func readLengthEncodedString() -> String? { readLengthEncodedBytes().map { String(buffer: $0) } }

    package mutating func writeLengthEncodedString(_ text: String) {
        writeLengthEncoded(UInt64(text.utf8.count))
        writeString(text)
    }

    /// A string that ends with a zero byte.
    package mutating func readZeroTerminated() -> String? {
        guard let zero = readableBytesView.firstIndex(of: 0) else { return nil }
        let text = readString(length: zero - readerIndex)
        moveReaderIndex(forwardBy: 1)
        return text
    }

    package mutating func writeZeroTerminated(_ text: String) {
        writeString(text)
        writeInteger(UInt8(0))
    }
}
