// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What a relay keeps of one read for the next: the beginning of a message, or how much of one is still to come.
struct RelayCarry {
    private var held: ByteBuffer?
    /// Bytes to come of a message whose beginning has been passed on, or has been kept from the client.
    var bodyRemaining = 0
    var bodySwallowed = false

    /// No message is half received.
    var isEmpty: Bool { held == nil && bodyRemaining == 0 }

    /// Puts `bytes` behind what was held. Returns all of it, the index of the first message that begins in it, and that
    /// of the first byte to be passed on.
    @inline(__always)
    mutating func take(_ bytes: ByteBuffer) -> (input: ByteBuffer, index: Int, run: Int) {
        var input = bytes
        if var front = held {
            held = nil
            front.writeImmutableBuffer(bytes)
            input = front
        }
        let start = input.readerIndex
        guard bodyRemaining > 0 else { return (input, start, start) }
        let count = min(bodyRemaining, input.readableBytes)
        bodyRemaining -= count
        return (input, start + count, bodySwallowed ? start + count : start)
    }

    /// Passes on what is left of the run that ends at `index`, and holds what has not been looked at.
    @inline(__always)
    mutating func keep(_ input: ByteBuffer, from index: Int, run: Int, _ out: inout RelayOutput) {
        let end = input.writerIndex
        if run == input.readerIndex, index == end, out.isEmpty {
            if index > run { out.append(input) }
        } else {
            out.append(input, from: run, to: index)
        }
        if index < end { held = input.getSlice(at: index, length: end - index) }
    }
}
