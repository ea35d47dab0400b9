// SPDX-License-Identifier: Apache-2.0

import PostgresWire
import Testing

@Suite struct PasswordTests {
    @Test func `SCRAM proves a right password to both sides`() throws {
        let verifier = SCRAMVerifier(password: Secret("secret"), salt: Array(1...16))
        var server = SCRAMServer(verifier: verifier)
        var client = SCRAMClient(password: Secret("secret"), nonce: "abc")
        let challenge = try server.receiveFirst(client.first, serverNonce: "xyz")
        let proof = try client.receiveChallenge(challenge) {
            PasswordDigests.saltedPassword(Secret("secret"), salt: $0, iterations: $1)
        }
        let signature = try #require(try server.receiveFinal(proof))
        try client.receiveFinal(signature)
    }

    @Test func `SCRAM refuses a wrong password`() throws {
        var server = SCRAMServer(verifier: SCRAMVerifier(password: Secret("secret"), salt: Array(1...16)))
        var client = SCRAMClient(password: Secret("wrong"), nonce: "abc")
        let challenge = try server.receiveFirst(client.first, serverNonce: "xyz")
        let proof = try client.receiveChallenge(challenge) {
            PasswordDigests.saltedPassword(Secret("wrong"), salt: $0, iterations: $1)
        }
        #expect(try server.receiveFinal(proof) == nil)
    }

    @Test func `the published example of RFC 7677 verifies`() throws {
        var client = SCRAMClient(password: Secret("pencil"), nonce: "rOprNGfwEbeRWgbNEkqO")
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        let final = try client.receiveChallenge(challenge) {
            PasswordDigests.saltedPassword(Secret("pencil"), salt: $0, iterations: $1)
        }
        #expect(final.hasPrefix("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="))
    }

    @Test func `md5 matches what the server stores`() {
        // printf 'secretalice' | md5sum
        #expect(
            PasswordDigests.storedMD5(user: "alice", password: Secret("secret")) == "4a0a68b43b6cd5cf266fa02f196e2371")
        #expect(PasswordDigests.md5(user: "a", password: Secret("b"), salt: [1, 2, 3, 4]).hasPrefix("md5"))
    }

    @Test func `a secret never prints`() {
        let secret = Secret("hunter2")
        var dumped = ""
        dump(secret, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), String(describing: [secret]), dumped] {
            #expect(!text.contains("hunter2"))
        }
    }

    @Test(arguments: [[], [1], [1, 2], [1, 2, 3], Array(0...255)] as [[UInt8]])
    func `base64 goes there and back`(bytes: [UInt8]) {
        #expect(Base64.decode(Base64.encode(bytes)) == bytes)
    }

    @Test(arguments: ["a", "ab", "a===", "ab=c", "*aaa"]) func `broken base64 is refused`(text: String) {
        #expect(Base64.decode(text) == nil)
    }
}
