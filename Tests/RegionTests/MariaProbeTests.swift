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

    /// FIPS 180-4's examples, and lengths around the end of a block.
    @Test(arguments: [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"), ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
        ),
        (String(repeating: "a", count: 64), "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
    ])
    func `SHA-1 of known texts`(text: String, digest: String) {
        let hex = SHA1.hash(Array(text.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(hex == digest)
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

    @Test func `only a server that shuts down is not ready`() {
        #expect(MariaProbe.judge(error: [0xff, 0x1d, 0x04]) == .notYet("the engine shuts down"))  // 1053
        #expect(MariaProbe.judge(error: [0xff, 0x10, 0x04]) == .ready)  // 1040, too many connections
        #expect(MariaProbe.judge(error: [0xff]) == .silent("the answer is not MariaDB's"))
    }
}
