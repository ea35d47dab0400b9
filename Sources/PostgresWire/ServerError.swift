// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// The fields of an ErrorResponse or NoticeResponse that a proxy reads or makes itself.
///
/// Field types: <https://www.postgresql.org/docs/current/protocol-error-fields.html>.
package struct ServerError: Error, Equatable, Sendable {
    package var severity: String
    package var code: String
    package var message: String
    package var detail: String?
    package var hint: String?

    package init(
        severity: String = "ERROR", code: String, message: String, detail: String? = nil, hint: String? = nil
    ) {
        self.severity = severity
        self.code = code
        self.message = message
        self.detail = detail
        self.hint = hint
    }

    package static func fatal(_ code: String, _ message: String, hint: String? = nil) -> ServerError {
        ServerError(severity: "FATAL", code: code, message: message, hint: hint)
    }

    /// Reads the body of an ErrorResponse in `start ..< limit`; unknown fields are skipped.
    package init(body buffer: ByteBuffer, from start: Int, limit: Int) throws(PostgresWireError) {
        self.init(severity: "ERROR", code: "XX000", message: "")
        var index = start
        while index < limit, let field = buffer.getInteger(at: index, as: UInt8.self), field != 0 {
            guard let (text, next) = buffer.postgresString(at: index + 1, limit: limit) else {
                throw .malformed(kind: BackendMessage.error)
            }
            switch field {
            case UInt8(ascii: "V"): severity = text
            case UInt8(ascii: "S") where severity == "ERROR": severity = text
            case UInt8(ascii: "C"): code = text
            case UInt8(ascii: "M"): message = text
            case UInt8(ascii: "D"): detail = text
            case UInt8(ascii: "H"): hint = text
            default: break
            }
            index = next
        }
    }

    package func write(to buffer: inout ByteBuffer) {
        buffer.writePostgresMessage(BackendMessage.error) { body in
            func field(_ kind: Character, _ text: String) {
                body.writeInteger(kind.asciiValue ?? 0)
                body.writePostgresString(text)
            }
            field("S", severity)
            field("V", severity)
            field("C", code)
            field("M", message)
            if let detail { field("D", detail) }
            if let hint { field("H", hint) }
            body.writeInteger(UInt8(0))
        }
    }
}
