// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// How many log-ins a second a client address may begin on one event loop: a bucket of one second's worth an address.
///
/// Remembers at most `capacity` addresses; when there are more, those whose buckets are full again are forgotten, and if
/// that is not enough all are, which errs on the clients' side.
struct LoginRate {
    static let capacity = 10_000

    private struct Bucket {
        var tokens: Double
        var filledAt: Int64
    }

    private let perSecond: Double
    private var buckets: [String: Bucket] = [:]

    /// Nil means no limit.
    init?(perSecond: Double?) {
        guard let perSecond, perSecond > 0 else { return nil }
        self.perSecond = perSecond
    }

    /// Whether one more log-in from `address` may begin at `now`, monotonic nanoseconds.
    mutating func allows(_ address: String, now: Int64) -> Bool {
        let burst = max(1, perSecond)
        var bucket = buckets[address] ?? Bucket(tokens: burst, filledAt: now)
        bucket.tokens = min(burst, bucket.tokens + Double(now - bucket.filledAt) / 1e9 * perSecond)
        bucket.filledAt = now
        let allowed = bucket.tokens >= 1
        if allowed { bucket.tokens -= 1 }
        if buckets.count >= LoginRate.capacity, buckets[address] == nil { forget(now) }
        buckets[address] = bucket
        return allowed
    }

    private mutating func forget(_ now: Int64) {
        buckets = buckets.filter { now - $0.value.filledAt < 1_000_000_000 }
        if buckets.count >= LoginRate.capacity { buckets.removeAll() }
    }
}
