// SPDX-License-Identifier: Apache-2.0

import Crypto
package import PostgresWire

/// Who an access key belongs to is somebody else's business; the proxy only needs what signs.
package protocol AccessKeyProvider: Sendable {
    /// The secret of an access key that may log in as `user`; nil when there is none. `sessionToken` comes with
    /// temporary keys, and has to be the one they were given out with.
    func secretKey(id: String, sessionToken: String?, user: String) async -> Secret?
}

/// The token that `aws rds generate-db-auth-token` makes: a presigned request for `rds-db:connect`, given as password.
///
/// `HOST:PORT/?Action=connect&DBUser=...&X-Amz-...&X-Amz-Signature=...`, signed by Signature Version 4 in its query form
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>). It is good for fifteen
/// minutes, at login only.
package struct IAMToken: Sendable {
    package enum Refusal: Error, Equatable {
        case malformed
        /// For another user, region or service.
        case misdirected
        case expired
        /// The key is not known, or not for this user.
        case unknownKey
        case badSignature
    }

    /// A token may carry a session token of some kilobytes.
    package static let lengthLimit = 32 << 10
    package static let validity: Int64 = 900
    /// How far the clocks of signer and proxy may differ.
    package static let skew: Int64 = 300

    package let host: String
    package let user: String
    package let accessKeyID: String
    package let sessionToken: String?
    package let signedAt: Int64
    package let region: String
    private let expires: Int64
    private let date: String
    private let timestamp: String
    private let canonicalQuery: String
    private let signature: String

    /// Reads a token; its signature is not checked yet.
    package init(parsing text: String) throws(Refusal) {
        guard text.utf8.count <= IAMToken.lengthLimit, let slash = text.firstIndex(of: "/"),
            text[slash...].hasPrefix("/?")
        else { throw .malformed }
        host = String(text[..<slash])
        var raw: [(name: Substring, value: Substring)] = []
        for pair in text[slash...].dropFirst(2).split(separator: "&", omittingEmptySubsequences: false) {
            guard let equals = pair.firstIndex(of: "=") else { throw .malformed }
            raw.append((pair[..<equals], pair[pair.index(after: equals)...]))
        }
        guard Set(raw.map(\.name)).count == raw.count else { throw .malformed }
        func value(_ name: Substring) -> String? {
            raw.first { $0.name == name }.flatMap { IAMToken.decoded($0.value) }
        }
        guard value("Action") == "connect", let user = value("DBUser"),
            value("X-Amz-Algorithm") == "AWS4-HMAC-SHA256", let credential = value("X-Amz-Credential"),
            let timestamp = value("X-Amz-Date"), let expires = value("X-Amz-Expires").flatMap({ Int64($0) }),
            value("X-Amz-SignedHeaders") == "host", let signature = value("X-Amz-Signature"),
            let signedAt = IAMToken.seconds(timestamp)
        else { throw .malformed }
        let scope = credential.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard scope.count == 5, scope[4] == "aws4_request", timestamp.hasPrefix(scope[1]) else { throw .malformed }
        guard scope[3] == "rds-db" else { throw .misdirected }
        self.user = user
        accessKeyID = scope[0]
        date = scope[1]
        region = scope[2]
        sessionToken = value("X-Amz-Security-Token")
        self.timestamp = timestamp
        self.signedAt = signedAt
        self.expires = expires
        self.signature = signature
        // The signer's own spelling is kept: what was signed is what came.
        canonicalQuery = raw.filter { $0.name != "X-Amz-Signature" }.map { "\($0.name)=\($0.value)" }
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.joined(separator: "&")
    }

    /// Throws unless the token lets `user` in at `now`, seconds since 1970. `region` nil takes any, and so does `hosts`, which
    /// are as a signer is told them: `HOST:PORT`.
    package func verify(
        user: String, region: String?, hosts: Set<String>?, now: Int64, keys: any AccessKeyProvider
    ) async throws(Refusal) {
        guard self.user == user, region == nil || region == self.region, hosts?.contains(host) ?? true else {
            throw .misdirected
        }
        guard now >= signedAt - IAMToken.skew, expires > 0,
            now < signedAt + min(expires, IAMToken.validity)
        else { throw .expired }
        guard let secret = await keys.secretKey(id: accessKeyID, sessionToken: sessionToken, user: user) else {
            throw .unknownKey
        }
        guard PasswordDigests.equal(Array(signature.utf8), Array(sign(secret).utf8)) else { throw .badSignature }
    }

    private func sign(_ secret: Secret) -> String {
        let emptyBody = IAMToken.hex(SHA256.hash(data: [UInt8]()))
        let request = "GET\n/\n\(canonicalQuery)\nhost:\(host)\n\nhost\n\(emptyBody)"
        let scope = "\(date)/\(region)/rds-db/aws4_request"
        let digest = IAMToken.hex(SHA256.hash(data: Array(request.utf8)))
        var key = SymmetricKey(data: Array("AWS4".utf8) + secret.bytes)
        for part in [date, region, "rds-db", "aws4_request"] { key = SymmetricKey(data: IAMToken.mac(part, key)) }
        return IAMToken.hex(IAMToken.mac("AWS4-HMAC-SHA256\n\(timestamp)\n\(scope)\n\(digest)", key))
    }

    private static func mac(_ text: String, _ key: SymmetricKey) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key))
    }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }),
                let low = rest.popFirst().flatMap({ Character(Unicode.Scalar($0)).hexDigitValue })
            else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Seconds since 1970 of `20260102T030405Z`.
    static func seconds(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count == 16, bytes[8] == UInt8(ascii: "T"), bytes[15] == UInt8(ascii: "Z") else { return nil }
        func number(_ range: Range<Int>) -> Int64? {
            guard bytes[range].allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
            return bytes[range].reduce(0) { $0 * 10 + Int64($1 - 0x30) }
        }
        guard let year = number(0..<4), let month = number(4..<6), let day = number(6..<8), let hour = number(9..<11),
            let minute = number(11..<13), let second = number(13..<15), (1...12).contains(month),
            (1...31).contains(day),
            hour < 24, minute < 60, second < 61
        else { return nil }
        // Days from civil: the year begins in March, so that the leap day is its last.
        let shifted = month > 2 ? year : year - 1
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
        return ((days * 24 + hour) * 60 + minute) * 60 + second
    }
}
