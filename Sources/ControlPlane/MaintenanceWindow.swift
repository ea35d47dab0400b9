// SPDX-License-Identifier: Apache-2.0

package import AWSProtocol

/// A weekly window in UTC, as `PreferredMaintenanceWindow` has it: `sun:05:30-sun:06:00`. It may end in the next week.
package struct MaintenanceWindow: Sendable, Equatable {
    private static let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    private static let weekMinutes = 7 * 1440

    /// Minutes since Monday, 00:00.
    private let start: Int
    private let end: Int

    /// Nil for any other text.
    package init?(_ text: String) {
        let ends = text.split(separator: "-").compactMap(Self.minute)
        guard ends.count == 2 else { return nil }
        (start, end) = (ends[0], ends[1])
    }

    private static func minute(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":")
        guard parts.count == 3, let day = days.firstIndex(of: String(parts[0])), let hour = Int(parts[1]),
            let minute = Int(parts[2])
        else { return nil }
        return day * 1440 + hour * 60 + minute
    }

    /// The first minute is in it, the last one is not.
    package func contains(_ moment: Timestamp) -> Bool {
        // 1970-01-01 was a Thursday.
        let days = Int(moment.seconds / 86400) + 3
        let minute = (days % 7) * 1440 + Int(moment.seconds % 86400) / 60
        let length = (end - start + Self.weekMinutes) % Self.weekMinutes
        return (minute - start + Self.weekMinutes) % Self.weekMinutes < length
    }
}
