// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Bytes collected for one peer during one turn of a relay.
///
/// The first slice is kept as it is, without a copy, so that a read nothing in which had to be changed goes out as the
/// very buffer it came in. Whatever follows is appended to it.
package struct RelayOutput {
    package private(set) var buffer: ByteBuffer?

    package init() {}

    package var isEmpty: Bool { buffer == nil }

    @inline(__always)
    package mutating func append(_ slice: ByteBuffer) {
        if slice.readableBytes == 0 { return }
        if buffer == nil {
            buffer = slice
        } else {
            buffer!.writeImmutableBuffer(slice)
        }
    }

    /// Appends `input[start ..< end]` if there is anything in it.
    @inline(__always)
    package mutating func append(_ input: ByteBuffer, from start: Int, to end: Int) {
        guard end > start, let slice = input.getSlice(at: start, length: end - start) else { return }
        append(slice)
    }

    /// Lets `body` write to the end; the capacity hint serves a first use.
    @inline(__always)
    package mutating func write(_ body: (inout ByteBuffer) -> Void) {
        if buffer == nil { buffer = ByteBuffer() }
        body(&buffer!)
    }

    @inline(__always)
    package mutating func take() -> ByteBuffer? {
        defer { buffer = nil }
        return buffer
    }
}
