// SPDX-License-Identifier: Apache-2.0

/// A password or key. Printing, interpolating or dumping one shows `<redacted>`.
package struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let text: String

    package init(_ text: String) { self.text = text }

    /// The secret itself; call it only where bytes for a peer or a digest are made.
    package func reveal() -> String { text }

    package var bytes: [UInt8] { Array(text.utf8) }
    package var description: String { "<redacted>" }
    package var debugDescription: String { "<redacted>" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
