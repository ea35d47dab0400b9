// SPDX-License-Identifier: Apache-2.0

import LayerCore
import Testing
import VolumeModel

@Suite struct ReadPinsTests {
    private let volume = VolumeID(7)
    private let other = VolumeID(8)

    @Test func `a lease holds its LSN until it ends`() {
        var pins = ReadPins()
        #expect(pins.hold(LSN(30), of: volume, by: 1, from: 0, for: 100) == true)
        #expect(pins.hold(LSN(10), of: volume, by: 2, from: 0, for: 50) == true)
        #expect(pins.hold(LSN(20), of: other, by: 1, from: 0, for: 100) == true)
        #expect(pins.points(of: volume, now: 49) == [LSN(10), LSN(30)])
        #expect(pins.points(of: volume, now: 50) == [LSN(30)])
        #expect(pins.points(of: volume, now: 100) == [])
    }

    @Test func `a renewal counts from its own time`() {
        var pins = ReadPins()
        #expect(pins.hold(LSN(30), of: volume, by: 1, from: 0, for: 100) == true)
        #expect(pins.hold(LSN(30), of: volume, by: 1, from: 90, for: 100) == true)
        #expect(pins.points(of: volume, now: 189) == [LSN(30)])
        #expect(pins.points(of: volume, now: 190) == [])
    }

    @Test func `two mounts at one LSN hold it until both are gone`() {
        var pins = ReadPins()
        for holder: UInt64 in [1, 2] { #expect(pins.hold(LSN(30), of: volume, by: holder, from: 0, for: 100) == true) }
        pins.release(volume, by: 1)
        #expect(pins.points(of: volume, now: 1) == [LSN(30)])
        pins.release(volume, by: 2)
        #expect(pins.points(of: volume, now: 1) == [])
    }

    @Test func `holders have a maximum, and a dead one makes room`() {
        var pins = ReadPins()
        for holder in 0..<UInt64(ReadPins.holdersMax) {
            #expect(pins.hold(LSN(30), of: volume, by: holder, from: 0, for: 100) == true)
        }
        #expect(pins.hold(LSN(30), of: volume, by: UInt64.max, from: 99, for: 100) == false)
        #expect(pins.hold(LSN(30), of: volume, by: 0, from: 99, for: 100) == true)
        #expect(pins.hold(LSN(30), of: volume, by: UInt64.max, from: 100, for: 100) == true)
    }

    @Test func `no lease is longer than the longest`() {
        var pins = ReadPins()
        #expect(pins.hold(LSN(30), of: volume, by: 1, from: 0, for: Int64.max / 2) == true)
        #expect(pins.points(of: volume, now: ReadPins.leaseMax) == [])
    }
}
