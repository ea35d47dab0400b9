// SPDX-License-Identifier: Apache-2.0

/// Message types of the PostgreSQL frontend/backend protocol 3.0.
///
/// The numbers are those of <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
/// A type byte means different things in the two directions, hence two namespaces.
package enum FrontendMessage {
    package static let bind = UInt8(ascii: "B")
    package static let close = UInt8(ascii: "C")
    package static let describe = UInt8(ascii: "D")
    package static let execute = UInt8(ascii: "E")
    package static let functionCall = UInt8(ascii: "F")
    package static let flush = UInt8(ascii: "H")
    package static let parse = UInt8(ascii: "P")
    package static let query = UInt8(ascii: "Q")
    package static let sync = UInt8(ascii: "S")
    package static let terminate = UInt8(ascii: "X")
    package static let copyDone = UInt8(ascii: "c")
    package static let copyData = UInt8(ascii: "d")
    package static let copyFail = UInt8(ascii: "f")
    package static let password = UInt8(ascii: "p")
}

/// Types of messages a server sends.
package enum BackendMessage {
    package static let notification = UInt8(ascii: "A")
    package static let commandComplete = UInt8(ascii: "C")
    package static let dataRow = UInt8(ascii: "D")
    package static let error = UInt8(ascii: "E")
    package static let copyIn = UInt8(ascii: "G")
    package static let copyOut = UInt8(ascii: "H")
    package static let emptyQuery = UInt8(ascii: "I")
    package static let backendKey = UInt8(ascii: "K")
    package static let notice = UInt8(ascii: "N")
    package static let authentication = UInt8(ascii: "R")
    package static let parameterStatus = UInt8(ascii: "S")
    package static let rowDescription = UInt8(ascii: "T")
    package static let functionResult = UInt8(ascii: "V")
    package static let copyBoth = UInt8(ascii: "W")
    package static let ready = UInt8(ascii: "Z")
    package static let copyDone = UInt8(ascii: "c")
    package static let copyData = UInt8(ascii: "d")
    package static let noData = UInt8(ascii: "n")
    package static let portalSuspended = UInt8(ascii: "s")
    package static let parameterDescription = UInt8(ascii: "t")
    package static let negotiateVersion = UInt8(ascii: "v")
    package static let parseComplete = UInt8(ascii: "1")
    package static let bindComplete = UInt8(ascii: "2")
    package static let closeComplete = UInt8(ascii: "3")
}

/// The status byte of ReadyForQuery.
package enum TransactionStatus: UInt8, Sendable, Equatable {
    case idle = 0x49  // I
    case inTransaction = 0x54  // T
    case failed = 0x45  // E
}

/// What can be wrong with bytes from a peer; each case ends the connection.
package enum PostgresWireError: Error, Equatable {
    /// A length field is below its minimum or above the limit for this message.
    case badLength(kind: UInt8, length: Int)
    /// The body does not have the fields its type promises.
    case malformed(kind: UInt8)
    /// A message that may not appear in this state.
    case unexpected(kind: UInt8)
    /// Authentication could not be completed; the text is fit for a log, not secret.
    case authentication(String)
}

/// Type and size of one message; `total` counts the type byte and the length field too.
package struct MessageHeader: Equatable, Sendable {
    package var kind: UInt8
    package var total: Int

    /// Largest message PostgreSQL itself accepts (`PQ_LARGE_MESSAGE_LIMIT`, 1 GiB - 1).
    package static let largest = 0x3fff_ffff

    package init(kind: UInt8, total: Int) {
        self.kind = kind
        self.total = total
    }
}
