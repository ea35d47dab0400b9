// SPDX-License-Identifier: Apache-2.0

/// A position in a volume's log: the byte at which a record ends.
///
/// Monotonic across writers and epochs; 0 is the position before the first record. A truncation leaves a gap that is
/// never filled (Verbitski et al., SIGMOD 2018, section 3.3).
package struct LSN: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var value: UInt64

    @inlinable
    package init(_ value: UInt64) { self.value = value }

    package static let zero = LSN(0)

    @inlinable
    package static func < (a: LSN, b: LSN) -> Bool { a.value < b.value }

    /// The position `bytes` further on.
    @inlinable
    package func advanced(by bytes: Int) -> LSN { LSN(value &+ UInt64(bytes)) }

    /// Hexadecimal in PostgreSQL's `high/low` form.
    package var description: String {
        "\(String(value >> 32, radix: 16, uppercase: true))/\(String(value & 0xffff_ffff, radix: 16, uppercase: true))"
    }
}
