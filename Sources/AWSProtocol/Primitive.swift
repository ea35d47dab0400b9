// SPDX-License-Identifier: Apache-2.0

/// Primitive values as text, the way forms and XML have them.
enum Primitive {
    /// Throws `MalformedInput`; `path` is the parameter's name for its message.
    static func read(_ text: String, as shape: Shape, at path: String) throws(AWSError) -> AWSValue {
        switch shape {
        case .string: return .string(text)
        case .integer:
            if let value = Int32(text) { return .integer(Int64(value)) }
        case .long:
            if let value = Int64(text) { return .integer(value) }
        case .boolean:
            switch text.lowercased() {
            case "true": return .boolean(true)
            case "false": return .boolean(false)
            default: break
            }
        case .timestamp:
            if let value = Timestamp(iso8601: text) { return .timestamp(value) }
        case .double, .float:
            if let value = Double(text) { return .double(value) }
        case .blob:
            if let value = Base64Codec.decode(text) { return .blob(value) }
        case .structure, .list, .map: break
        }
        throw .malformed("\(path): `\(text.prefix(100))` is not \(expected(shape)).")
    }

    /// Nil when the value does not have the shape, which is a bug of the handler.
    static func write(_ value: AWSValue, as shape: Shape) -> String? {
        switch (shape, value) {
        case (.string, .string(let text)): text
        case (.integer, .integer(let number)), (.long, .integer(let number)): String(number)
        case (.boolean, .boolean(let flag)): flag ? "true" : "false"
        case (.timestamp, .timestamp(let moment)): moment.iso8601
        case (.double, .double(let number)), (.float, .double(let number)): String(number)
        case (.double, .integer(let number)), (.float, .integer(let number)): String(number)
        case (.blob, .blob(let bytes)): Base64Codec.encode(bytes)
        default: nil
        }
    }

    private static func expected(_ shape: Shape) -> String {
        switch shape {
        case .integer: "an integer of 32 bits"
        case .long: "an integer of 64 bits"
        case .boolean: "true or false"
        case .timestamp: "a time, such as 2015-08-30T12:36:00Z"
        case .double, .float: "a number"
        case .blob: "base64"
        case .string, .structure, .list, .map: "what was expected"
        }
    }
}

/// RFC 4648's base64.
enum Base64Codec {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            let bits = part.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - part.count))
            for index in 0..<4 {
                text.append(index <= part.count ? alphabet[bits >> (18 - 6 * index) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil for what is not base64 with its padding.
    static func decode(_ text: String) -> [UInt8]? {
        var digits = Array(text.utf8)
        guard digits.count % 4 == 0 else { return nil }
        let padding = digits.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard padding <= 2 else { return nil }
        digits.removeLast(padding)
        var bytes: [UInt8] = []
        var (bits, count) = (0, 0)
        for digit in digits {
            guard let value = alphabet.firstIndex(of: digit) else { return nil }
            bits = bits << 6 | value
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
                bits &= 1 << count - 1
            }
        }
        return bits == 0 ? bytes : nil
    }
}
