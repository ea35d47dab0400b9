// SPDX-License-Identifier: Apache-2.0

package import AWSProtocol

/// A window in UTC that comes every week, as `PreferredMaintenanceWindow` has it (`sun:05:30-sun:06:00`), or every day, as
/// `PreferredBackupWindow` has it (`03:00-03:30`). It may end in the next week, or on the next day.
package struct TimeWindow: Sendable, Equatable {
    private static let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    private static let dayMinutes = 1440
    private static let weekMinutes = 7 * dayMinutes

    /// How long a window may be, in minutes.
    static let lengths = 30...dayMinutes

    package let isWeekly: Bool
    /// Minutes since Monday, 00:00, or since 00:00.
    private let start: Int
    /// In minutes.
    let length: Int

    private var period: Int { isWeekly ? Self.weekMinutes : Self.dayMinutes }

    /// Nil for any other text.
    package init?(_ text: String) {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map(Self.minute)
        guard ends.count == 2, let first = ends[0], let last = ends[1], first.isWeekly == last.isWeekly else {
            return nil
        }
        self.init(isWeekly: first.isWeekly, start: first.minute, end: last.minute)
    }

    private init(isWeekly: Bool, start: Int, end: Int) {
        self.isWeekly = isWeekly
        self.start = start
        let period = isWeekly ? Self.weekMinutes : Self.dayMinutes
        length = (end - start + period) % period
    }

    private static func minute(_ text: Substring) -> (isWeekly: Bool, minute: Int)? {
        guard let match = text.wholeMatch(of: /(?:([a-z]{3}):)?([01][0-9]|2[0-3]):([0-5][0-9])/),
            let hour = Int(match.2), let minute = Int(match.3)
        else { return nil }
        guard let name = match.1 else { return (false, hour * 60 + minute) }
        guard let day = days.firstIndex(of: String(name)) else { return nil }
        return (true, day * dayMinutes + hour * 60 + minute)
    }

    /// The first minute is in it, the last one is not.
    package func contains(_ moment: Timestamp) -> Bool {
        // 1970-01-01 was a Thursday.
        contains(minute: Int(moment.seconds / 60) + 3 * Self.dayMinutes)
    }

    private func contains(minute: Int) -> Bool { ((minute - start) % period + period) % period < length }

    /// Whether there is a minute that is in both.
    package func overlaps(_ other: TimeWindow) -> Bool {
        // Where two windows meet, one of them begins.
        starts.contains(where: other.contains(minute:)) || other.starts.contains(where: contains(minute:))
    }

    /// When it begins in the course of a week.
    private var starts: [Int] { stride(from: start, to: Self.weekMinutes, by: period).map { $0 } }

    /// One of the shortest length and of the other kind that begins when this one ends; a weekly one is on Sunday.
    package var successor: TimeWindow {
        let end = (start + length) % Self.dayMinutes
        let first = isWeekly ? end : 6 * Self.dayMinutes + end
        return TimeWindow(isWeekly: !isWeekly, start: first, end: first + Self.lengths.lowerBound)
    }

    package var text: String { "\(Self.text(start, isWeekly))-\(Self.text((start + length) % period, isWeekly))" }

    private static func text(_ minute: Int, _ isWeekly: Bool) -> String {
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let time = "\(two(minute % dayMinutes / 60)):\(two(minute % 60))"
        return isWeekly ? "\(days[minute / dayMinutes]):\(time)" : time
    }
}
