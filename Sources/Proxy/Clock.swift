// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Monotonic nanoseconds, the form in which `ProxyCore` takes time.
enum Clock {
    @inline(__always)
    static func now() -> Int64 { Int64(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds) }
}
