// SPDX-License-Identifier: Apache-2.0

/// A statement's text with its constants replaced by `?`, for showing what pinned a session.
///
/// At most `limit` bytes; what a client typed as data does not appear in it.
package enum Fingerprint {
    package static let limit = 160

    package static func of(_ text: UnsafeRawBufferPointer) -> String {
        var scanner = SQLScanner(text)
        var result = ""
        var previousWord = false
        while result.utf8.count < limit {
            let token = scanner.next()
            let range = scanner.tokenStart..<scanner.index
            switch token {
            case .end: return result
            case .string, .number:
                result += previousWord ? " ?" : "?"
                previousWord = true
            case .word, .quotedName:
                result += (previousWord ? " " : "") + scanner.string(range)
                previousWord = true
            case .symbol(let byte):
                result.unicodeScalars.append(Unicode.Scalar(byte))
                previousWord = byte == UInt8(ascii: ",") || byte == UInt8(ascii: ";")
            }
        }
        return result
    }

    /// The same for MySQL's language, where double quotes hold data.
    package static func ofMySQL(_ text: UnsafeRawBufferPointer) -> String {
        var scanner = MySQLScanner(text)
        var result = ""
        var previousWord = false
        while result.utf8.count < limit {
            switch scanner.next() {
            case .end: return result
            case .string, .number:
                result += previousWord ? " ?" : "?"
                previousWord = true
            case .word, .quotedName, .userVariable, .systemVariable:
                result += (previousWord ? " " : "") + scanner.string(scanner.token)
                previousWord = true
            case .assign:
                result += ":="
                previousWord = false
            case .symbol(let byte):
                result.unicodeScalars.append(Unicode.Scalar(byte))
                previousWord = byte == UInt8(ascii: ",") || byte == UInt8(ascii: ";")
            }
        }
        return result
    }
}
