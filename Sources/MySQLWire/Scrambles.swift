// SPDX-License-Identifier: Apache-2.0

import Crypto

/// The digests of the password plugins.
///
/// mysql_native_password: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods_native_password_authentication.html>;
/// caching_sha2_password: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>.
package enum MySQLScrambles {
    package static let native = "mysql_native_password"
    package static let cachingSHA2 = "caching_sha2_password"
    package static let clear = "mysql_clear_password"
    package static let ed25519 = "client_ed25519"

    /// `SHA1(password) XOR SHA1(challenge + SHA1(SHA1(password)))`; empty for an empty password.
    package static func native(password: [UInt8], challenge: [UInt8]) -> [UInt8] {
        if password.isEmpty { return [] }
        let once = Array(Insecure.SHA1.hash(data: password))
        let twice = Array(Insecure.SHA1.hash(data: once))
        return exclusiveOr(once, Array(Insecure.SHA1.hash(data: challenge + twice)))
    }

    /// Whether a client's answer fits the `SHA1(SHA1(password))` a server stores.
    package static func verifyNative(_ answer: [UInt8], challenge: [UInt8], stored: [UInt8]) -> Bool {
        guard answer.count == 20 else { return false }
        let once = exclusiveOr(answer, Array(Insecure.SHA1.hash(data: challenge + stored)))
        return equal(Array(Insecure.SHA1.hash(data: once)), stored)
    }

    /// `SHA256(password) XOR SHA256(SHA256(SHA256(password)) + challenge)`; empty for an empty password.
    package static func cachingSHA2(password: [UInt8], challenge: [UInt8]) -> [UInt8] {
        if password.isEmpty { return [] }
        let once = Array(SHA256.hash(data: password))
        let twice = Array(SHA256.hash(data: once))
        return exclusiveOr(once, Array(SHA256.hash(data: twice + challenge)))
    }

    /// Whether a client's answer fits the password.
    package static func verifyCachingSHA2(_ answer: [UInt8], challenge: [UInt8], password: [UInt8]) -> Bool {
        equal(answer, cachingSHA2(password: password, challenge: challenge))
    }

    /// The password, zero-terminated, as it is put under RSA when there is no TLS: XOR with the challenge, repeated.
    package static func obscured(password: [UInt8], challenge: [UInt8]) -> [UInt8] {
        guard !challenge.isEmpty else { return password + [0] }
        return (password + [0]).enumerated().map { $1 ^ challenge[$0 % challenge.count] }
    }

    /// Compares without stopping at the first difference.
    package static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private static func exclusiveOr(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] { zip(left, right).map { $0 ^ $1 } }
}
