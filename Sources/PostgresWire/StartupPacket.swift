// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// The untyped packets a client may open with.
///
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>: StartupMessage, SSLRequest,
/// GSSENCRequest, CancelRequest. All share a length field and a 32-bit code.
package enum StartupPacket: Equatable, Sendable {
    case startup(StartupParameters)
    case sslRequest
    case gssRequest
    case cancel(processID: UInt32, secret: [UInt8])

    /// PostgreSQL's own limit, `MAX_STARTUP_PACKET_LENGTH`.
    package static let largest = 10_000

    static let sslCode: UInt32 = 80_877_103
    static let gssCode: UInt32 = 80_877_104
    static let cancelCode: UInt32 = 80_877_102

    /// Takes one packet off the front of `buffer`, or returns nil until all of it has arrived.
    package static func read(from buffer: inout ByteBuffer) throws(PostgresWireError) -> StartupPacket? {
        let start = buffer.readerIndex
        guard let length = buffer.getInteger(at: start, as: UInt32.self) else { return nil }
        guard length >= 8, length <= UInt32(largest) else { throw .badLength(kind: 0, length: Int(length)) }
        guard buffer.readableBytes >= Int(length), let code = buffer.getInteger(at: start + 4, as: UInt32.self) else {
            return nil
        }
        let limit = start + Int(length)
        defer { buffer.moveReaderIndex(to: limit) }
        switch code {
        case sslCode: return .sslRequest
        case gssCode: return .gssRequest
        case cancelCode:
            guard length >= 12, let processID = buffer.getInteger(at: start + 8, as: UInt32.self),
                let secret = buffer.getBytes(at: start + 12, length: Int(length) - 12)
            else { throw .malformed(kind: 0) }
            return .cancel(processID: processID, secret: secret)
        default:
            return .startup(try StartupParameters(code: code, buffer: buffer, from: start + 8, limit: limit))
        }
    }

    package static func writeSSLRequest(to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt32(8))
        buffer.writeInteger(sslCode)
    }

    package static func writeCancel(processID: UInt32, secret: [UInt8], to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt32(12 + secret.count))
        buffer.writeInteger(cancelCode)
        buffer.writeInteger(processID)
        buffer.writeBytes(secret)
    }
}

/// What a StartupMessage says: protocol version and name/value pairs in the order sent.
package struct StartupParameters: Equatable, Sendable {
    package var major: UInt16
    package var minor: UInt16
    package var pairs: [(name: String, value: String)]

    package init(major: UInt16 = 3, minor: UInt16 = 0, pairs: [(name: String, value: String)]) {
        self.major = major
        self.minor = minor
        self.pairs = pairs
    }

    init(code: UInt32, buffer: ByteBuffer, from start: Int, limit: Int) throws(PostgresWireError) {
        self.init(major: UInt16(code >> 16), minor: UInt16(code & 0xffff), pairs: [])
        guard major == 3 else { return }
        var index = start
        while index < limit, let byte = buffer.getInteger(at: index, as: UInt8.self), byte != 0 {
            guard let (name, afterName) = buffer.postgresString(at: index, limit: limit),
                let (value, afterValue) = buffer.postgresString(at: afterName, limit: limit)
            else { throw .malformed(kind: 0) }
            pairs.append((name, value))
            index = afterValue
        }
    }

    package subscript(_ name: String) -> String? { pairs.last { $0.name == name }?.value }

    package func write(to buffer: inout ByteBuffer) {
        let lengthIndex = buffer.writerIndex
        buffer.writeInteger(UInt32(0))
        buffer.writeInteger(UInt32(major) << 16 | UInt32(minor))
        for (name, value) in pairs {
            buffer.writePostgresString(name)
            buffer.writePostgresString(value)
        }
        buffer.writeInteger(UInt8(0))
        buffer.setInteger(UInt32(buffer.writerIndex - lengthIndex), at: lengthIndex)
    }

    package static func == (left: StartupParameters, right: StartupParameters) -> Bool {
        left.major == right.major && left.minor == right.minor
            && left.pairs.elementsEqual(right.pairs, by: { $0.name == $1.name && $0.value == $1.value })
    }

    /// The settings in an `options` value: `-c name=value`, `-cname=value` and `--name=value`; a backslash quotes.
    ///
    /// Nil when a switch is something else, which PostgreSQL would hand to its command line.
    package static func settings(inOptions options: String) -> [(name: String, value: String)]? {
        var words: [String] = []
        var word: String?
        var quoted = false
        for character in options {
            if quoted {
                word = (word ?? "") + String(character)
                quoted = false
            } else if character == "\\" {
                quoted = true
            } else if character == " " || character == "\t" || character == "\n" {
                if let complete = word { words.append(complete) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if let complete = word { words.append(complete) }
        var settings: [(name: String, value: String)] = []
        var index = 0
        while index < words.count {
            var text = words[index]
            if text == "-c" {
                index += 1
                guard index < words.count else { return nil }
                text = words[index]
            } else if text.hasPrefix("--") || text.hasPrefix("-c") {
                text.removeFirst(2)
            } else {
                return nil
            }
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else { return nil }
            let name = text[..<equals].map { $0 == "-" ? "_" : String($0) }.joined()
            settings.append((name, String(text[text.index(after: equals)...])))
            index += 1
        }
        return settings
    }
}
