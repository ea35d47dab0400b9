// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import ControlPlane
import Testing

@Suite struct MaintenanceWindowTests {
    /// Seconds of 2026-11-23, 00:00 UTC, which is a Monday.
    private static let monday: Int64 = 1_795_392_000

    private static func moment(_ day: Int64, _ hour: Int64, _ minute: Int64) -> Timestamp {
        Timestamp(seconds: monday + day * 86400 + hour * 3600 + minute * 60)
    }

    @Test func `it begins with its first minute and ends before its last`() throws {
        #expect(Self.moment(0, 0, 0).iso8601 == "2026-11-23T00:00:00.000Z")
        let window = try #require(MaintenanceWindow("wed:04:00-wed:04:30"))
        #expect(!window.contains(Self.moment(2, 3, 59)))
        #expect(window.contains(Self.moment(2, 4, 0)))
        #expect(window.contains(Self.moment(2, 4, 29)))
        #expect(!window.contains(Self.moment(2, 4, 30)))
        #expect(!window.contains(Self.moment(3, 4, 10)))
        #expect(window.contains(Self.moment(9, 4, 10)))
    }

    @Test func `it may end in the next week`() throws {
        let window = try #require(MaintenanceWindow("sun:23:45-mon:00:15"))
        #expect(window.contains(Self.moment(6, 23, 50)))
        #expect(window.contains(Self.moment(0, 0, 14)))
        #expect(!window.contains(Self.moment(0, 0, 15)))
        #expect(!window.contains(Self.moment(6, 23, 44)))
    }

    @Test(arguments: ["", "wed:04:00", "04:00-04:30", "xyz:04:00-wed:04:30"])
    func `other texts are none`(text: String) { #expect(MaintenanceWindow(text) == nil) }
}
