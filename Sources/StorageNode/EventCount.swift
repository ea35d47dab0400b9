// SPDX-License-Identifier: Apache-2.0

internal import CBorealis

/// Lets threads wait for "something changed" without losing a wake-up: read `value`, look, then wait for the value to move.
final class EventCount: @unchecked Sendable {  // One word, accessed atomically, alive as long as the object.
    private let word: UnsafeMutablePointer<UInt32>

    init() {
        word = .allocate(capacity: 1)
        word.initialize(to: 0)
    }

    deinit { word.deallocate() }

    var value: UInt32 { bx_load32(word) }

    func signal() {
        _ = bx_add32(word, 1)
        bx_futex_wake(word, Int32.max)
    }

    /// Returns when the value differs from `seen`, or after the time.
    func wait(seen: UInt32, milliseconds: Int32) { bx_futex_wait(word, seen, milliseconds) }
}
