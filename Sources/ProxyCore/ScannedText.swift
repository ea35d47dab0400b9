// SPDX-License-Identifier: Apache-2.0

/// The text a lexer goes over, and the rules that all dialects of SQL share.
package protocol ScannedText {
    var text: UnsafeRawBufferPointer { get }
}

extension ScannedText {
    /// The byte there; 0 behind the end.
    @inline(__always)
    func byte(_ at: Int) -> UInt8 { at < text.count ? text[at] : 0 }

    @inline(__always)
    func isPair(_ first: UInt8, _ second: UInt8, at index: Int) -> Bool {
        text[index] == first && byte(index + 1) == second
    }

    /// The index behind the closing quote of what opens at `start`; a doubled quote, or one behind a backslash where
    /// those escape, does not close it.
    func endOfQuoted(from start: Int, backslashes: Bool) -> Int {
        let quote = text[start]
        var index = start + 1
        while index < text.count {
            let current = text[index]
            if backslashes, current == UInt8(ascii: "\\") {
                index += 2
            } else if current == quote {
                index += 1
                guard byte(index) == quote else { return index }
                index += 1
            } else {
                index += 1
            }
        }
        return text.count
    }

    /// The index behind the end of the comment that opens at `start`.
    func endOfComment(from start: Int, nests: Bool) -> Int {
        var depth = 1
        var index = start + 2
        while index < text.count {
            if nests, isPair(UInt8(ascii: "/"), UInt8(ascii: "*"), at: index) {
                depth += 1
                index += 2
            } else if isPair(UInt8(ascii: "*"), UInt8(ascii: "/"), at: index) {
                depth -= 1
                index += 2
                if depth == 0 { return index }
            } else {
                index += 1
            }
        }
        return text.count
    }

    @inline(__always)
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) || byte == 0 }

    @inline(__always)
    static func isLetter(_ byte: UInt8) -> Bool {
        let lower = byte | 0x20
        return (lower >= 0x61 && lower <= 0x7a) || byte == UInt8(ascii: "_") || byte >= 0x80
    }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    /// Whether the bytes `range` spell `word` (lower case ASCII), without regard to case.
    @inline(__always)
    package func spells(_ range: Range<Int>, _ word: StaticString) -> Bool {
        guard range.count == word.utf8CodeUnitCount else { return false }
        let expected = word.utf8Start
        for offset in 0..<range.count {
            var byte = text[range.lowerBound + offset]
            if byte >= 0x41, byte <= 0x5a { byte |= 0x20 }
            if byte != expected[offset] { return false }
        }
        return true
    }

    package func string(_ range: Range<Int>) -> String {
        String(decoding: UnsafeRawBufferPointer(rebasing: text[range]), as: UTF8.self)
    }

    @inline(__always)
    package func lowercasedFirst(_ at: Int) -> UInt8 { text[at] | 0x20 }
}
