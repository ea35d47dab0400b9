// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Synchronization

/// Lets a message through a few times a minute and counts the rest, so that an error that repeats cannot fill the disk.
///
/// Messages are constant text with their values in the metadata, so there are few different ones, and an identical text
/// is the same event. The count comes with the next one that is let through. Debugging output is not limited.
struct RepeatLimiter: LogHandler {
    private static let window: Duration = .seconds(60)
    private static let perWindow = 10
    /// More different messages than this are not told apart.
    private static let messagesMax = 1024

    private struct Count {
        var began: ContinuousClock.Instant
        var seen = 0
    }

    private static let counts = Mutex<[String: Count]>([:])

    private var next: StreamLogHandler

    init(_ next: StreamLogHandler) { self.next = next }

    var metadata: Logger.Metadata {
        get { next.metadata }
        set { next.metadata = newValue }
    }

    var logLevel: Logger.Level {
        get { next.logLevel }
        set { next.logLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { next[metadataKey: key] }
        set { next[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        guard event.level > .debug else { return next.log(event: event) }
        guard let suppressed = Self.admit("\(event.message)", now: .now) else { return }
        var event = event
        if suppressed > 0 { event.metadata = (event.metadata ?? [:]).merging(["suppressed": "\(suppressed)"]) { $1 } }
        next.log(event: event)
    }

    /// Nil: not now. Otherwise how many were not let through since the last one that was.
    private static func admit(_ text: String, now: ContinuousClock.Instant) -> Int? {
        counts.withLock { counts in
            let key = counts.count < messagesMax || counts[text] != nil ? text : ""
            var count = counts[key] ?? Count(began: now)
            defer { counts[key] = count }
            guard count.began.duration(to: now) < window else {
                let suppressed = max(0, count.seen - perWindow)
                count = Count(began: now, seen: 1)
                return suppressed
            }
            count.seen += 1
            return count.seen <= perWindow ? 0 : nil
        }
    }
}
