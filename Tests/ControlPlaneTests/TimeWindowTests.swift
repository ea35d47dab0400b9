// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import ControlPlane
import Testing

@Suite struct TimeWindowTests {
    /// Seconds of 2026-11-23, 00:00 UTC, which is a Monday.
    private static let monday: Int64 = 1_795_392_000

    private static func moment(_ day: Int64, _ hour: Int64, _ minute: Int64) -> Timestamp {
        Timestamp(seconds: monday + day * 86400 + hour * 3600 + minute * 60)
    }

    @Test func `it begins with its first minute and ends before its last`() throws {
        #expect(Self.moment(0, 0, 0).iso8601 == "2026-11-23T00:00:00.000Z")
        let window = try #require(TimeWindow("wed:04:00-wed:04:30"))
        #expect(!window.contains(Self.moment(2, 3, 59)))
        #expect(window.contains(Self.moment(2, 4, 0)))
        #expect(window.contains(Self.moment(2, 4, 29)))
        #expect(!window.contains(Self.moment(2, 4, 30)))
        #expect(!window.contains(Self.moment(3, 4, 10)))
        #expect(window.contains(Self.moment(9, 4, 10)))
    }

    @Test func `it may end in the next week`() throws {
        let window = try #require(TimeWindow("sun:23:45-mon:00:15"))
        #expect(window.contains(Self.moment(6, 23, 50)))
        #expect(window.contains(Self.moment(0, 0, 14)))
        #expect(!window.contains(Self.moment(0, 0, 15)))
        #expect(!window.contains(Self.moment(6, 23, 44)))
    }

    @Test func `a daily one comes every day`() throws {
        let window = try #require(TimeWindow("23:45-00:15"))
        #expect(!window.isWeekly)
        for day: Int64 in 0...7 {
            #expect(window.contains(Self.moment(day, 23, 45)) && window.contains(Self.moment(day, 0, 14)))
            #expect(!window.contains(Self.moment(day, 0, 15)) && !window.contains(Self.moment(day, 12, 0)))
        }
    }

    @Test(arguments: [
        ("05:00-05:30", "sun:05:00-sun:05:30", true), ("05:00-05:30", "sun:05:30-sun:06:00", false),
        ("04:30-05:01", "sun:05:00-sun:05:30", true), ("05:30-06:00", "sun:05:00-sun:05:30", false),
        ("05:10-05:40", "mon:05:00-mon:06:00", true), ("04:00-07:00", "wed:05:00-wed:06:00", true),
        ("23:30-00:30", "mon:00:00-mon:00:30", true), ("23:30-00:30", "mon:00:30-mon:01:00", false),
        ("00:00-00:30", "sun:23:45-mon:00:15", true), ("23:00-23:45", "sun:23:45-mon:00:15", false),
        ("12:00-12:30", "mon:13:00-tue:12:00", false), ("12:00-12:30", "mon:13:00-tue:12:01", true),
    ])
    func `two overlap where a minute is in both`(daily: String, weekly: String, expected: Bool) throws {
        let (one, other) = (try #require(TimeWindow(daily)), try #require(TimeWindow(weekly)))
        #expect(one.overlaps(other) == expected && other.overlaps(one) == expected)
        #expect(one.text == daily && other.text == weekly)
    }

    @Test(arguments: ["03:00-03:30", "00:10-23:40", "23:30-00:30", "sun:23:45-mon:00:15", "mon:05:00-tue:04:30"])
    func `there is room behind a window of up to 23 hours and a half`(text: String) throws {
        let window = try #require(TimeWindow(text))
        #expect(!window.overlaps(window.successor) && window.successor.isWeekly != window.isWeekly)
    }

    @Test(arguments: [
        "", "wed:04:00", "mon:04:00-04:30", "xyz:04:00-wed:04:30", "04:00-24:00", "4:00-04:30", "-04:00-04:30",
    ])
    func `other texts are none`(text: String) { #expect(TimeWindow(text) == nil) }
}
