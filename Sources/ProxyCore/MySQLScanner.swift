// SPDX-License-Identifier: Apache-2.0

/// A lexer for the SQL of MySQL and MariaDB that knows just enough to find statements and the words in them.
///
/// It follows <https://dev.mysql.com/doc/refman/8.0/en/language-structure.html>. What stands in an executable comment
/// (`/*! ... */`, `/*M! ... */`) is read as if there were no comment. It never fails: an unterminated construct runs to
/// the end of the text, as the server will then refuse the text anyway.
package struct MySQLScanner: ScannedText {
    package enum Token: Equatable {
        /// An unquoted identifier or keyword.
        case word
        /// A quoted identifier, quotes included.
        case quotedName
        /// A string constant, quotes included.
        case string
        case number
        /// `@name`, in any of its forms.
        case userVariable
        /// `@@name`, `@@session.name`.
        case systemVariable
        /// `:=`
        case assign
        /// Any other single byte.
        case symbol(UInt8)
        case end
    }

    /// The parts of `sql_mode` that change where a token ends.
    package struct Mode: Sendable, Equatable {
        package var ansiQuotes = false
        package var noBackslashEscapes = false

        package init() {}
    }

    package let text: UnsafeRawBufferPointer
    private let mode: Mode
    private var inExecutableComment = false
    /// Where the token last returned begins and ends.
    package private(set) var tokenStart = 0
    package private(set) var index = 0

    /// The caller keeps `text` alive and unchanged while the scanner is in use.
    package init(_ text: UnsafeRawBufferPointer, mode: Mode = Mode()) {
        self.text = text
        self.mode = mode
    }

    package var token: Range<Int> { tokenStart..<index }

    package mutating func next() -> Token {
        skipBlank()
        tokenStart = index
        guard index < text.count else { return .end }
        let first = text[index]
        if MySQLScanner.startsWord(first) { return wordOrPrefixedString(first) }
        switch first {
        case UInt8(ascii: "'"):
            index = endOfQuoted(from: index, backslashes: !mode.noBackslashEscapes)
            return .string
        case UInt8(ascii: "\""):
            index = endOfQuoted(from: index, backslashes: !mode.ansiQuotes && !mode.noBackslashEscapes)
            return mode.ansiQuotes ? .quotedName : .string
        case UInt8(ascii: "`"):
            index = endOfQuoted(from: index, backslashes: false)
            return .quotedName
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            // 1e5 and 0x1F are numbers, and so is a name that begins with a digit, which does no harm here.
            while MySQLScanner.continuesWord(byte(index)) || byte(index) == UInt8(ascii: ".") { index += 1 }
            return .number
        case UInt8(ascii: "@"): return variable()
        case UInt8(ascii: ":") where byte(index + 1) == UInt8(ascii: "="):
            index += 2
            return .assign
        default:
            index += 1
            return .symbol(first)
        }
    }

    private mutating func wordOrPrefixedString(_ first: UInt8) -> Token {
        if byte(index + 1) == UInt8(ascii: "'"), first | 0x20 == UInt8(ascii: "x") || first | 0x20 == UInt8(ascii: "b")
        {
            index = endOfQuoted(from: index + 1, backslashes: false)
            return .string
        }
        index += 1
        while index < text.count, MySQLScanner.continuesWord(text[index]) { index += 1 }
        return .word
    }

    private mutating func variable() -> Token {
        index += 1
        let system = byte(index) == UInt8(ascii: "@")
        if system { index += 1 }
        switch byte(index) {
        case UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "`"):
            index = endOfQuoted(from: index, backslashes: false)
        default:
            while MySQLScanner.continuesWord(byte(index)) || byte(index) == UInt8(ascii: ".") { index += 1 }
        }
        return system ? .systemVariable : .userVariable
    }

    private mutating func skipBlank() {
        while index < text.count {
            let current = text[index]
            if MySQLScanner.isBlank(current) {
                index += 1
            } else if current == UInt8(ascii: "#")
                || (current == UInt8(ascii: "-") && byte(index + 1) == current && byte(index + 2) <= 0x20)
            {
                while index < text.count, text[index] != 0x0a { index += 1 }
            } else if isPair(UInt8(ascii: "/"), UInt8(ascii: "*"), at: index) {
                skipComment()
            } else if inExecutableComment, isPair(UInt8(ascii: "*"), UInt8(ascii: "/"), at: index) {
                inExecutableComment = false
                index += 2
            } else {
                return
            }
        }
    }

    private mutating func skipComment() {
        var at = index + 2
        if byte(at) == UInt8(ascii: "M"), byte(at + 1) == UInt8(ascii: "!") { at += 1 }
        if byte(at) == UInt8(ascii: "!") {
            at += 1
            while MySQLScanner.isDigit(byte(at)) { at += 1 }
            index = min(at, text.count)
            inExecutableComment = true
            return
        }
        index = endOfComment(from: index, nests: false)
    }

    @inline(__always)
    static func startsWord(_ byte: UInt8) -> Bool { isLetter(byte) || byte == UInt8(ascii: "$") }

    @inline(__always)
    static func continuesWord(_ byte: UInt8) -> Bool { startsWord(byte) || isDigit(byte) }

    /// Whether the token last returned spells `word`.
    @inline(__always)
    package func isWord(_ word: StaticString) -> Bool { spells(tokenStart..<index, word) }

    /// An identifier without its quotes, in lower case: names of tables differ in case only on some servers.
    package func name(_ range: Range<Int>) -> String {
        let raw = string(range)
        guard let quote = raw.utf8.first, quote == UInt8(ascii: "`") || quote == UInt8(ascii: "\"") else {
            return raw.lowercased()
        }
        let mark = quote == UInt8(ascii: "`") ? "`" : "\""
        return raw.dropFirst().dropLast().lowercased().split(separator: mark + mark, omittingEmptySubsequences: false)
            .joined(separator: mark)
    }

    /// A user variable's name without `@` and quotes.
    package func variableName(_ range: Range<Int>) -> String {
        var raw = Substring(string(range)).dropFirst()
        if let first = raw.first, "'\"`".contains(first) { raw = raw.dropFirst().dropLast() }
        return raw.lowercased()
    }
}
