// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import Testing

/// Values of AWS's published examples: key AKIDEXAMPLE, 30 August 2015.
@Suite struct SignatureTests {
    private static let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    private static let signed = Timestamp(basic: "20150830T123600Z")!

    private static func verifier(_ service: String) -> SignatureV4 {
        SignatureV4(region: "us-east-1", services: [service]) { $0 == "AKIDEXAMPLE" ? secret : nil }
    }

    private static func request(
        _ method: String = "GET", query: String = "", service: String = "service",
        headers: [(name: String, value: String)] = [], signedHeaders: String = "host;x-amz-date", signature: String,
        body: String = "", key: String = "AKIDEXAMPLE"
    ) -> HTTPRequestMessage {
        let authorization =
            "AWS4-HMAC-SHA256 Credential=\(key)/20150830/us-east-1/\(service)/aws4_request, "
            + "SignedHeaders=\(signedHeaders), Signature=\(signature)"
        return HTTPRequestMessage(
            method: method, path: "/", query: query,
            headers: headers + [("x-amz-date", "20150830T123600Z"), ("authorization", authorization)],
            body: Array(body.utf8))
    }

    private static let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    private static let host = [(name: "host", value: "example.amazonaws.com")]

    @Test func `a plain GET is verified`() throws {
        let request = Self.request(headers: Self.host, signature: Self.vanilla)
        let signer = try Self.verifier("service").verify(request, now: Self.signed)
        #expect(signer == SignatureV4.Signer(accessKey: "AKIDEXAMPLE", region: "us-east-1", service: "service"))
    }

    @Test func `the query's order does not matter`() throws {
        let signature = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
        for query in ["Param1=value1&Param2=value2", "Param2=value2&Param1=value1"] {
            let request = Self.request(query: query, headers: Self.host, signature: signature)
            _ = try Self.verifier("service").verify(request, now: Self.signed)
        }
    }

    @Test func `IAM's ListUsers is verified`() throws {
        let request = Self.request(
            query: "Action=ListUsers&Version=2010-05-08", service: "iam",
            headers: [
                ("content-type", "application/x-www-form-urlencoded; charset=utf-8"), ("host", "iam.amazonaws.com"),
            ],
            signedHeaders: "content-type;host;x-amz-date",
            signature: "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
        _ = try Self.verifier("iam").verify(request, now: Self.signed)
    }

    @Test func `any change of what was signed is refused`() {
        var changed: [HTTPRequestMessage] = []
        changed.append(Self.request("POST", headers: Self.host, signature: Self.vanilla))
        changed.append(Self.request(query: "a=b", headers: Self.host, signature: Self.vanilla))
        changed.append(Self.request(headers: [("host", "other")], signature: Self.vanilla))
        changed.append(Self.request(headers: Self.host, signature: Self.vanilla, body: "x"))
        changed.append(Self.request(headers: Self.host, signature: String(Self.vanilla.reversed())))
        for request in changed { expect("SignatureDoesNotMatch", 403, request) }
    }

    @Test func `AWS's headers have to be signed`() {
        expect(
            "SignatureDoesNotMatch", 403,
            Self.request(headers: Self.host + [("x-amz-target", "Other.Operation")], signature: Self.vanilla))
        expect(
            "SignatureDoesNotMatch", 403,
            Self.request(headers: Self.host, signedHeaders: "x-amz-date", signature: Self.vanilla))
    }

    @Test(arguments: [
        ("20150830T125100Z", true), ("20150830T122100Z", true), ("20150830T125101Z", false),
        ("20150830T122059Z", false),
    ])
    func `clocks may differ by fifteen minutes`(now: String, isGood: Bool) throws {
        let request = Self.request(headers: Self.host, signature: Self.vanilla)
        let now = try #require(Timestamp(basic: now))
        if isGood {
            _ = try Self.verifier("service").verify(request, now: now)
        } else {
            expect("RequestExpired", 400, request, now: now)
        }
    }

    @Test func `who is not known is refused`() {
        expect(
            "InvalidClientTokenId", 403, Self.request(headers: Self.host, signature: Self.vanilla, key: "AKIDOTHER"))
        expect(
            "InvalidClientTokenId", 403,
            Self.request(
                headers: Self.host + [("x-amz-security-token", "t")],
                signedHeaders: "host;x-amz-date;x-amz-security-token", signature: Self.vanilla))
        expect(
            "MissingAuthenticationToken", 403,
            HTTPRequestMessage(method: "GET", path: "/", query: "", headers: Self.host, body: []))
    }

    @Test func `malformed headers are refused`() {
        let date = (name: "x-amz-date", value: "20150830T123600Z")
        for header in [
            "", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential", "Basic YTpi",
            "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=00",
            "AWS4-HMAC-SHA256 Credential=A/20150830/us-east-1/service/aws4_request, SignedHeaders=host, Signature=zz",
        ] {
            let request = HTTPRequestMessage(
                method: "GET", path: "/", query: "", headers: Self.host + [date, ("authorization", header)], body: [])
            expect("IncompleteSignature", 400, request)
        }
    }

    /// Seeded mutations of a good request: each is refused, and none traps.
    @Test func `no mutation of a good request is let in`() {
        var random = Seeded(state: 0x5eed)
        let good = Self.request(headers: Self.host, signature: Self.vanilla)
        for _ in 0..<5000 {
            var bad = good
            var bytes = Array((bad.header("authorization") ?? "").utf8)
            let place = Int(random.next() % UInt64(bytes.count))
            let byte = UInt8(truncatingIfNeeded: random.next() % 95 + 32)
            // Blanks around the parts mean nothing, and hexadecimal digits may have either case.
            guard bytes[place] != byte, bytes[place] != 32, byte != 32,
                byte | 32 != bytes[place] | 32 || place < bytes.count - 64
            else { continue }
            bytes[place] = byte
            bad.headers[bad.headers.count - 1].value = String(decoding: bytes, as: UTF8.self)
            #expect(throws: AWSError.self) { try Self.verifier("service").verify(bad, now: Self.signed) }
        }
    }

    private func expect(
        _ code: String, _ status: Int, _ request: HTTPRequestMessage, now: Timestamp = Self.signed,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: AWSError.self, sourceLocation: sourceLocation) {
            try Self.verifier("service").verify(request, now: now)
        }
        #expect(error?.code == code, sourceLocation: sourceLocation)
        #expect(error?.status == status, sourceLocation: sourceLocation)
    }
}

/// SplitMix64.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
