// SPDX-License-Identifier: Apache-2.0

/// A request as it came, which is how it was signed.
package struct HTTPRequestMessage: Sendable {
    package var method: String
    /// Without the query, percent-encoded as it came.
    package var path: String
    /// After the `?`, as it came.
    package var query: String
    /// Names in lower case, in the order they came; `host` is one of them.
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(
        method: String, path: String, query: String, headers: [(name: String, value: String)], body: [UInt8]
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
    }

    /// The first header of a name in lower case.
    package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

package struct HTTPResponseMessage: Sendable, Equatable {
    package var status: Int
    package var contentType: String
    package var headers: [String: String]
    package var body: [UInt8]

    package init(status: Int, contentType: String, headers: [String: String] = [:], body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.headers = headers
        self.body = body
    }
}
