// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// One answer a backend still owes, in the order the requests were sent.
///
/// The rules for which message ends which request are those of
/// <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY>.
package struct Expectation {
    package enum Kind: UInt8 {
        case parse, bind, describe, execute, close, sync, query, functionCall
        /// The client ended its COPY data; produces no answer, but tells which Syncs the server ignored.
        case copyEnd
        /// Nothing comes from the backend: `detail.bytes` go to the client at this place.
        case emit
    }

    package var kind: Kind
    /// The proxy asked for itself; the client sees nothing of the answer, except an error where noted.
    package var swallowed: Bool
    package var detail: ExpectationDetail?

    @inline(__always)
    package init(_ kind: Kind, swallowed: Bool = false, detail: ExpectationDetail? = nil) {
        self.kind = kind
        self.swallowed = swallowed
        self.detail = detail
    }
}

/// What has to be done when an answer comes; most expectations have none.
package final class ExpectationDetail {
    /// Effects of the statements in the request, and how many of them have completed.
    var effects: [StatementEffect] = []
    var completed = 0
    /// A shared statement being prepared, and the client's name for it, if it asked for it.
    var statement: SharedStatement?
    var clientName: [UInt8]?
    /// Sent in place of the backend's error.
    var replacementError: ByteBuffer?
    /// For `emit`.
    var bytes: ByteBuffer?
    /// Rows of a query the proxy asked for itself are kept here.
    var rows: [[String?]]?
    var error: Bool = false

    init() {}
}
