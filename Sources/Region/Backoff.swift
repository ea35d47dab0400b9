// SPDX-License-Identifier: Apache-2.0

/// How long to wait before something that ended is started again: 100 ms doubling to 10 s, from the start again after
/// 30 s of health. The first restart after health comes at once.
package struct Backoff: Sendable {
    package static let first: Duration = .milliseconds(100)
    package static let longest: Duration = .seconds(10)
    package static let healthy: Duration = .seconds(30)

    private let longest: Duration
    private var next: Duration = .zero

    package init(longest: Duration = Self.longest) { self.longest = longest }

    /// The delay before the next start, given how long the last run was.
    package mutating func delay(afterRunOf run: Duration) -> Duration {
        if run >= Self.healthy { next = .zero }
        let delay = next
        next = min(max(Self.first, next * 2), longest)
        return delay
    }
}
