// SPDX-License-Identifier: Apache-2.0

import Engines
import Testing

@Suite struct MariaProbeTests {
    @Test func `a row is texts after their lengths`() {
        #expect(MariaProbe.values(in: [1, 49, 0, 0xfb, 2, 50, 51]) == ["1", "", "", "23"])
        #expect(MariaProbe.values(in: []) == [])
        #expect(MariaProbe.values(in: [2, 49]) == nil)
        #expect(MariaProbe.values(in: [0xfc, 1, 0, 49]) == nil)
    }

    /// Recorded from MariaDB 10.11.
    private static let greeting: [UInt8] =
        [10] + Array("5.5.5-10.11.19-MariaDB-0+deb12u1".utf8) + [0, 4, 0, 0, 0] + Array("+O/;wj.E".utf8)
        + [0, 0xfe, 0xf7, 0x08, 0x02, 0x00, 0xff, 0x81, 0x15, 0, 0, 0, 0, 0, 0, 0x1d, 0, 0, 0]
        + Array("N;{{u\\J?<NVB".utf8) + [0] + Array("mysql_native_password".utf8) + [0]

    @Test func `the challenge is both parts of it`() {
        #expect(MariaProbe.challenge(in: Self.greeting) == Array("+O/;wj.EN;{{u\\J?<NVB".utf8))
    }

    @Test func `a greeting that is cut off or of another protocol has none`() {
        let shortest = Self.greeting.count - 23  // the name of the method is not needed
        for count in 0..<shortest { #expect(MariaProbe.challenge(in: Array(Self.greeting[..<count])) == nil) }
        #expect(MariaProbe.challenge(in: [9] + Self.greeting.dropFirst()) == nil)
    }

    @Test func `MySQL asks for its own plugin with a new challenge`() {
        let challenge = Array("abcdefghijklmnopqrst".utf8)
        let request = [0xfe] + Array("caching_sha2_password".utf8) + [0] + challenge + [0]
        #expect(MariaProbe.challenge(inSwitch: request) == challenge)
        for count in 0..<request.count - 1 {
            #expect(MariaProbe.challenge(inSwitch: Array(request[..<count])) == nil)
        }
        let other = [0xfe] + Array("sha256_password".utf8) + [0] + challenge + [0]
        #expect(MariaProbe.challenge(inSwitch: other) == nil)
    }

    @Test func `only a server that shuts down is not ready`() {
        #expect(MariaProbe.judge(error: [0xff, 0x1d, 0x04]) == .notYet("the engine shuts down"))  // 1053
        #expect(MariaProbe.judge(error: [0xff, 0x10, 0x04]) == .ready)  // 1040, too many connections
        #expect(MariaProbe.judge(error: [0xff]) == .silent("the answer is not MariaDB's"))
    }
}
