// SPDX-License-Identifier: Apache-2.0

/// RFC 8259's JSON. Numbers stay text, so that no digit is lost.
enum JSONValue: Sendable, Equatable {
    case null
    case boolean(Bool)
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])
}

struct JSONParser {
    private static let depthMax = 64

    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    /// The one value of a document. Throws `SerializationException` for anything else.
    mutating func document() throws(AWSError) -> JSONValue {
        let value = try value(depth: 0)
        skipBlanks()
        guard rest.isEmpty else { throw Self.malformed("something follows the document") }
        return value
    }

    private static func malformed(_ what: String) -> AWSError {
        AWSError("SerializationException", "The request is not valid JSON: \(what).")
    }

    private mutating func skipBlanks() {
        while let byte = rest.first, byte == 32 || (9...10).contains(byte) || byte == 13 { rest = rest.dropFirst() }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipBlanks()
        guard rest.first == byte else { return false }
        rest = rest.dropFirst()
        return true
    }

    private mutating func value(depth: Int) throws(AWSError) -> JSONValue {
        guard depth < Self.depthMax else { throw Self.malformed("it is too deep") }
        skipBlanks()
        switch rest.first {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .boolean(true))
        case UInt8(ascii: "f"): return try word("false", .boolean(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func word(_ text: String, _ value: JSONValue) throws(AWSError) -> JSONValue {
        guard rest.starts(with: text.utf8) else { throw Self.malformed("a value is not known") }
        rest = rest.dropFirst(text.utf8.count)
        return value
    }

    private mutating func object(depth: Int) throws(AWSError) -> JSONValue {
        _ = take(UInt8(ascii: "{"))
        var fields: [String: JSONValue] = [:]
        if take(UInt8(ascii: "}")) { return .object(fields) }
        repeat {
            skipBlanks()
            let name = try string()
            guard take(UInt8(ascii: ":")) else { throw Self.malformed("a member has no colon") }
            fields[name] = try value(depth: depth + 1)
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw Self.malformed("an object does not end") }
        return .object(fields)
    }

    private mutating func array(depth: Int) throws(AWSError) -> JSONValue {
        _ = take(UInt8(ascii: "["))
        var items: [JSONValue] = []
        if take(UInt8(ascii: "]")) { return .array(items) }
        repeat { items.append(try value(depth: depth + 1)) } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw Self.malformed("an array does not end") }
        return .array(items)
    }

    private mutating func number() throws(AWSError) -> JSONValue {
        let run = rest.prefix {
            switch $0 {
            case 48...57, 43, 45, 46, 69, 101: true
            default: false
            }
        }
        let text = String(decoding: run, as: UTF8.self)
        let digits = run.first == UInt8(ascii: "-") ? run.dropFirst() : run
        guard let first = digits.first, (48...57).contains(first), digits.last.map({ (48...57).contains($0) }) == true,
            Double(text) != nil, first != 48 || digits.count == 1 || !(48...57).contains(digits[digits.startIndex + 1])
        else { throw Self.malformed("a number was expected") }
        rest = rest.dropFirst(run.count)
        return .number(text)
    }

    private mutating func string() throws(AWSError) -> String {
        guard rest.first == UInt8(ascii: "\"") else { throw Self.malformed("a string was expected") }
        rest = rest.dropFirst()
        var bytes: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: bytes, as: UTF8.self) else {
                    throw Self.malformed("it is not UTF-8")
                }
                return text
            case UInt8(ascii: "\\"): bytes += try escape()
            case 0..<32: throw Self.malformed("a control character is not escaped")
            default: bytes.append(byte)
            }
        }
        throw Self.malformed("a string does not end")
    }

    private mutating func escape() throws(AWSError) -> [UInt8] {
        switch rest.popFirst() {
        case UInt8(ascii: "n"): return [10]
        case UInt8(ascii: "t"): return [9]
        case UInt8(ascii: "r"): return [13]
        case UInt8(ascii: "b"): return [8]
        case UInt8(ascii: "f"): return [12]
        case .some(let byte) where [UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/")].contains(byte):
            return [byte]
        case UInt8(ascii: "u"):
            var unit = try codeUnit()
            if (0xd800..<0xdc00).contains(unit) {
                guard rest.starts(with: "\\u".utf8) else { throw Self.malformed("half of a surrogate pair") }
                rest = rest.dropFirst(2)
                let low = try codeUnit()
                guard (0xdc00..<0xe000).contains(low) else { throw Self.malformed("half of a surrogate pair") }
                unit = 0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = UnicodeScalar(unit) else { throw Self.malformed("half of a surrogate pair") }
            return Array(String(Character(scalar)).utf8)
        default: throw Self.malformed("an escape is not known")
        }
    }

    private mutating func codeUnit() throws(AWSError) -> UInt32 {
        let digits = rest.prefix(4).compactMap(PercentEncoding.digit)
        guard digits.count == 4 else { throw Self.malformed("an escape needs four hexadecimal digits") }
        rest = rest.dropFirst(4)
        return digits.reduce(0) { $0 << 4 | UInt32($1) }
    }
}
