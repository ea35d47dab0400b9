// SPDX-License-Identifier: Apache-2.0

import CryptoExtras
import Foundation

/// The RSA part of `caching_sha2_password` over connections without TLS.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>: the password,
/// XORed with the challenge, under OAEP.
package enum PasswordEncryption {
    /// For a server whose public key is `publicKey`, PEM as it came.
    package static func encrypt(
        password: [UInt8], challenge: [UInt8], publicKey: String
    ) throws(MySQLWireError) -> [UInt8] {
        do {
            let key = try _RSA.Encryption.PublicKey(pemRepresentation: publicKey)
            return Array(
                try key.encrypt(MySQLScrambles.obscured(password: password, challenge: challenge), padding: .PKCS1_OAEP)
            )
        } catch {
            throw .authentication("the server's public key is not usable: \(error)")
        }
    }

    /// A key pair of the proxy's own, for clients that send it a password without TLS; made once a process.
    package struct KeyPair: Sendable {
        /// The library's key is not `Sendable`, so that it is read again for each use, which is rare.
        private let privateKey: Secret
        package let publicKey: String

        package init() throws {
            let key = try _RSA.Encryption.PrivateKey(keySize: .bits2048)
            privateKey = Secret(key.pemRepresentation)
            publicKey = key.publicKey.pemRepresentation
        }

        /// The password without its final zero; nil when the bytes are not one under this key.
        package func decrypt(_ bytes: [UInt8], challenge: [UInt8]) -> [UInt8]? {
            guard let key = try? _RSA.Encryption.PrivateKey(pemRepresentation: privateKey.text),
                let obscured = try? key.decrypt(bytes, padding: .PKCS1_OAEP), !challenge.isEmpty
            else { return nil }
            let clear = obscured.enumerated().map { $1 ^ challenge[$0 % challenge.count] }
            return clear.last == 0 ? Array(clear.dropLast()) : nil
        }
    }

    /// Prints as nothing, so that no log shows it.
    private struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
        let text: String
        init(_ text: String) { self.text = text }
        var description: String { "<redacted>" }
        var debugDescription: String { "<redacted>" }
        var customMirror: Mirror { Mirror(self, children: []) }
    }
}
