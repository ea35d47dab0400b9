// SPDX-License-Identifier: Apache-2.0

import Crypto

/// The digests PostgreSQL's password methods are made of.
///
/// md5: <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>; the rest is RFC 5802.
package enum PasswordDigests {
    /// `"md5" + md5hex(md5hex(password + user) + salt)`.
    package static func md5(user: String, password: Secret, salt: [UInt8]) -> String {
        md5(stored: storedMD5(user: user, password: password), salt: salt)
    }

    /// The hexadecimal part of what `pg_authid.rolpassword` holds for an md5 password.
    package static func storedMD5(user: String, password: Secret) -> String {
        hex(Insecure.MD5.hash(data: password.bytes + Array(user.utf8)))
    }

    /// Whether `text` is all of what `pg_authid.rolpassword` holds for such a password.
    package static func isMD5(_ text: String) -> Bool { text.hasPrefix("md5") && text.utf8.count == 35 }

    package static func md5(stored: String, salt: [UInt8]) -> String {
        "md5" + hex(Insecure.MD5.hash(data: Array(stored.utf8) + salt))
    }

    /// Hi() of RFC 5802: PBKDF2-HMAC-SHA-256 of one block.
    package static func saltedPassword(_ password: Secret, salt: [UInt8], iterations: Int) -> [UInt8] {
        let keyed = HMAC<SHA256>(key: SymmetricKey(data: password.bytes))
        var first = keyed
        first.update(data: salt + [0, 0, 0, 1])
        var previous = Array(first.finalize())
        var result = previous
        for _ in 1..<max(iterations, 1) {
            var next = keyed
            next.update(data: previous)
            previous = Array(next.finalize())
            for index in 0..<result.count { result[index] ^= previous[index] }
        }
        return result
    }

    package static func hmac(_ key: [UInt8], _ data: some Sequence<UInt8>) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(data), using: SymmetricKey(data: key)))
    }

    package static func sha256(_ data: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: data)) }

    /// Compares without stopping at the first difference.
    package static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in 0..<left.count { difference |= left[index] ^ right[index] }
        return difference == 0
    }

    static func hex(_ digest: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in digest {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
