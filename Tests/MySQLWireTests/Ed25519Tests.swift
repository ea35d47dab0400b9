// SPDX-License-Identifier: Apache-2.0

import Crypto
import MySQLWire
import Testing

@Suite struct Ed25519Tests {
    /// A password of 32 bytes is an ordinary seed, for which libraries make the same signature.
    @Test(arguments: 0..<20)
    func `a signature is the one of RFC 8032`(round: Int) throws {
        var state = UInt64(round) &* 0x9e37_79b9_7f4a_7c15 &+ 1
        func byte() -> UInt8 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 40)
        }
        let seed = round == 0 ? [UInt8](repeating: 0xff, count: 32) : (0..<32).map { _ in byte() }
        let message = (0..<32).map { _ in byte() }
        let key = try Curve25519.Signing.PrivateKey(rawRepresentation: seed)
        let signature = Ed25519.sign(message, password: seed)
        #expect(key.publicKey.isValidSignature(signature, for: message))
    }

    @Test func `it depends on every byte of a password of any length`() {
        let challenge = [UInt8](repeating: 7, count: 32)
        let signatures = ["", "a", "ab", String(repeating: "x", count: 100)].map {
            Ed25519.sign(challenge, password: Array($0.utf8))
        }
        #expect(Set(signatures).count == 4)
        #expect(signatures.allSatisfy { $0.count == 64 })
    }
}
