// SPDX-License-Identifier: Apache-2.0

/// A lexer for PostgreSQL's SQL that knows just enough to find statements and the words in them.
///
/// It follows <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>: quoted strings (standard, E'',
/// dollar-quoted), quoted identifiers, nested comments, numbers, identifiers. It never fails: an unterminated
/// construct runs to the end of the text, as the server will then refuse the text anyway.
package struct SQLScanner: ScannedText {
    package enum Token: Equatable {
        /// An unquoted identifier or keyword.
        case word
        /// A `"quoted"` identifier, quotes included.
        case quotedName
        /// A string constant of any form, quotes included.
        case string
        case number
        /// Any other single byte.
        case symbol(UInt8)
        case end
    }

    package let text: UnsafeRawBufferPointer
    /// Where the token last returned begins and ends.
    package private(set) var tokenStart = 0
    package private(set) var index = 0

    /// The caller keeps `text` alive and unchanged while the scanner is in use.
    package init(_ text: UnsafeRawBufferPointer) { self.text = text }

    package mutating func next() -> Token {
        skipBlank()
        tokenStart = index
        guard index < text.count else { return .end }
        let first = text[index]
        if SQLScanner.startsWord(first) { return wordOrPrefixedString(first) }
        switch first {
        case UInt8(ascii: "'"):
            index = endOfQuoted(from: index, backslashes: false)
            return .string
        case UInt8(ascii: "\""):
            index = endOfQuoted(from: index, backslashes: false)
            return .quotedName
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            while index < text.count, SQLScanner.continuesWord(text[index]) || text[index] == UInt8(ascii: ".") {
                index += 1
            }
            return .number
        case UInt8(ascii: "$"):
            if skipDollarQuoted() { return .string }
            index += 1
            return .symbol(first)
        default:
            index += 1
            return .symbol(first)
        }
    }

    private mutating func wordOrPrefixedString(_ first: UInt8) -> Token {
        let second = byte(index + 1)
        if second == UInt8(ascii: "'") {
            switch first | 0x20 {
            case UInt8(ascii: "e"):
                index = endOfQuoted(from: index + 1, backslashes: true)
                return .string
            case UInt8(ascii: "b"), UInt8(ascii: "x"), UInt8(ascii: "n"):
                index = endOfQuoted(from: index + 1, backslashes: false)
                return .string
            default: break
            }
        }
        var end = index + 1
        while end < text.count, SQLScanner.continuesWord(text[end]) { end += 1 }
        index = end
        return .word
    }

    private mutating func skipBlank() {
        while index < text.count {
            let current = text[index]
            if SQLScanner.isBlank(current) {
                index += 1
            } else if isPair(UInt8(ascii: "-"), UInt8(ascii: "-"), at: index) {
                while index < text.count, text[index] != 0x0a, text[index] != 0x0d { index += 1 }
            } else if isPair(UInt8(ascii: "/"), UInt8(ascii: "*"), at: index) {
                index = endOfComment(from: index, nests: true)
            } else {
                return
            }
        }
    }

    /// A scanner for the text inside the dollar quotes of the token last returned; nil for other strings.
    package func insideDollarQuotes() -> SQLScanner? {
        guard tokenStart < index, text[tokenStart] == UInt8(ascii: "$") else { return nil }
        var tagEnd = tokenStart + 1
        while tagEnd < index, text[tagEnd] != UInt8(ascii: "$") { tagEnd += 1 }
        let length = tagEnd - tokenStart + 1
        guard index - length >= tagEnd + 1 else { return nil }
        return SQLScanner(UnsafeRawBufferPointer(rebasing: text[(tagEnd + 1)..<(index - length)]))
    }

    /// Skips `$tag$ ... $tag$` if one starts here.
    private mutating func skipDollarQuoted() -> Bool {
        var close = index + 1
        if close < text.count, text[close] >= UInt8(ascii: "0"), text[close] <= UInt8(ascii: "9") { return false }
        while close < text.count, text[close] != UInt8(ascii: "$") {
            guard SQLScanner.continuesWord(text[close]) else { return false }
            close += 1
        }
        guard close < text.count else { return false }
        let tagLength = close - index + 1
        let tagStart = index
        var at = close + 1
        while at + tagLength <= text.count {
            if text[at] == UInt8(ascii: "$") {
                var same = 1
                while same < tagLength, text[at + same] == text[tagStart + same] { same += 1 }
                if same == tagLength {
                    index = at + tagLength
                    return true
                }
            }
            at += 1
        }
        index = text.count
        return true
    }

    @inline(__always)
    static func startsWord(_ byte: UInt8) -> Bool { isLetter(byte) }

    @inline(__always)
    static func continuesWord(_ byte: UInt8) -> Bool {
        byte >= 0x80 || (byte < 64 ? dollarAndDigits : letters) &>> UInt64(byte & 63) & 1 == 1
    }

    /// Of ASCII's halves, a bit for each byte that may continue a word: `$` and digits; letters and `_`.
    private static let dollarAndDigits: UInt64 = 0x03ff_0010_0000_0000
    private static let letters: UInt64 = 0x07ff_fffe_87ff_fffe

    @inline(__always)
    package func begins(_ range: Range<Int>, _ prefix: StaticString) -> Bool {
        guard range.count >= prefix.utf8CodeUnitCount else { return false }
        return spells(range.lowerBound..<(range.lowerBound + prefix.utf8CodeUnitCount), prefix)
    }

    /// An identifier as the server folds it: unquoted to lower case, quoted without its quotes.
    package func name(_ range: Range<Int>) -> String {
        let raw = string(range)
        guard raw.hasPrefix("\"") else { return raw.lowercased() }
        var folded = ""
        var quotes = 0
        for character in raw.dropFirst().dropLast() {
            if character == "\"" {
                quotes += 1
                if quotes % 2 == 0 { continue }
            } else {
                quotes = 0
            }
            folded.append(character)
        }
        return folded
    }
}
