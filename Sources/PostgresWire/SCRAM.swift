// SPDX-License-Identifier: Apache-2.0

/// SCRAM-SHA-256 (RFC 5802 and 7677) as PostgreSQL speaks it, both sides, without channel binding.
///
/// <https://www.postgresql.org/docs/current/sasl-authentication.html>. Nonces come in as arguments.
package struct SCRAMVerifier: Sendable, Equatable {
    package var iterations: Int
    package var salt: [UInt8]
    package var storedKey: [UInt8]
    package var serverKey: [UInt8]

    /// Costs `iterations` HMACs, some milliseconds; keep the result.
    package init(password: Secret, salt: [UInt8], iterations: Int = 4096) {
        let salted = PasswordDigests.saltedPassword(password, salt: salt, iterations: iterations)
        self.init(salted: salted, salt: salt, iterations: iterations)
    }

    init(salted: [UInt8], salt: [UInt8], iterations: Int) {
        self.iterations = iterations
        self.salt = salt
        storedKey = PasswordDigests.sha256(PasswordDigests.hmac(salted, "Client Key".utf8))
        serverKey = PasswordDigests.hmac(salted, "Server Key".utf8)
    }

    /// Reads `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, the form `pg_authid` holds.
    package init?(parsing text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "SCRAM-SHA-256" else { return nil }
        let cost = parts[1].split(separator: ":")
        let keys = parts[2].split(separator: ":")
        guard cost.count == 2, keys.count == 2, let iterations = Int(cost[0]), iterations > 0,
            let salt = Base64.decode(cost[1]), let stored = Base64.decode(keys[0]), let server = Base64.decode(keys[1]),
            stored.count == 32, server.count == 32
        else { return nil }
        self.iterations = iterations
        self.salt = salt
        storedKey = stored
        serverKey = server
    }
}

/// The server's half: first message in, challenge out; final message in, signature out.
package struct SCRAMServer: Sendable {
    private enum State {
        case awaitingFirst
        case awaitingFinal(gs2: String, bare: String, challenge: String, nonce: String)
        case finished
    }

    private var state = State.awaitingFirst
    private let verifier: SCRAMVerifier

    package init(verifier: SCRAMVerifier) { self.verifier = verifier }

    package mutating func receiveFirst(_ message: String, serverNonce: String) throws(PostgresWireError) -> String {
        guard case .awaitingFirst = state else { throw .authentication("SCRAM message out of order") }
        guard let firstComma = message.firstIndex(of: ","),
            let secondComma = message[message.index(after: firstComma)...].firstIndex(of: ",")
        else { throw .authentication("malformed SCRAM message") }
        let flag = message[..<firstComma]
        guard flag == "n" || flag == "y" else { throw .authentication("SCRAM channel binding not offered") }
        let gs2 = String(message[...secondComma])
        let bare = String(message[message.index(after: secondComma)...])
        guard let clientNonce = SCRAMText.attribute("r", in: bare), !clientNonce.isEmpty else {
            throw .authentication("malformed SCRAM message")
        }
        let nonce = clientNonce + serverNonce
        let challenge = "r=\(nonce),s=\(Base64.encode(verifier.salt)),i=\(verifier.iterations)"
        state = .awaitingFinal(gs2: gs2, bare: bare, challenge: challenge, nonce: nonce)
        return challenge
    }

    /// Returns the server's final message, or nil when the proof does not fit the verifier.
    package mutating func receiveFinal(_ message: String) throws(PostgresWireError) -> String? {
        guard case .awaitingFinal(let gs2, let bare, let challenge, let nonce) = state else {
            throw .authentication("SCRAM message out of order")
        }
        state = .finished
        guard let binding = SCRAMText.attribute("c", in: message), binding == Base64.encode(Array(gs2.utf8)),
            SCRAMText.attribute("r", in: message) == nonce,
            let proofText = SCRAMText.attribute("p", in: message), let proof = Base64.decode(proofText),
            proof.count == 32
        else { throw .authentication("malformed SCRAM message") }
        let authMessage = Array("\(bare),\(challenge),\(SCRAMText.withoutProof(message))".utf8)
        let signature = PasswordDigests.hmac(verifier.storedKey, authMessage)
        let clientKey = zip(proof, signature).map { $0 ^ $1 }
        guard PasswordDigests.equal(PasswordDigests.sha256(clientKey), verifier.storedKey) else { return nil }
        return "v=" + Base64.encode(PasswordDigests.hmac(verifier.serverKey, authMessage))
    }
}

/// The client's half, for connections to a backend.
package struct SCRAMClient: Sendable {
    private let password: Secret
    private let bare: String
    private let nonce: String
    private var expected: [UInt8] = []

    package init(password: Secret, nonce: String) {
        self.password = password
        self.nonce = nonce
        bare = "n=,r=\(nonce)"
    }

    package var first: String { "n,,\(bare)" }

    /// `salted` may hold earlier results of Hi(), which costs milliseconds; it returns the salted password.
    package mutating func receiveChallenge(
        _ challenge: String, salted: (_ salt: [UInt8], _ iterations: Int) -> [UInt8]
    ) throws(PostgresWireError) -> String {
        guard let serverNonce = SCRAMText.attribute("r", in: challenge), serverNonce.hasPrefix(nonce),
            serverNonce.utf8.count > nonce.utf8.count,
            let saltText = SCRAMText.attribute("s", in: challenge), let salt = Base64.decode(saltText),
            let iterations = SCRAMText.attribute("i", in: challenge).flatMap({ Int($0) }),
            iterations > 0, iterations <= 1_000_000
        else { throw .authentication("malformed SCRAM challenge") }
        let saltedPassword = salted(salt, iterations)
        let clientKey = PasswordDigests.hmac(saltedPassword, "Client Key".utf8)
        let withoutProof = "c=biws,r=\(serverNonce)"
        let authMessage = Array("\(bare),\(challenge),\(withoutProof)".utf8)
        let signature = PasswordDigests.hmac(PasswordDigests.sha256(clientKey), authMessage)
        expected = PasswordDigests.hmac(PasswordDigests.hmac(saltedPassword, "Server Key".utf8), authMessage)
        return withoutProof + ",p=" + Base64.encode(zip(clientKey, signature).map { $0 ^ $1 })
    }

    package func receiveFinal(_ message: String) throws(PostgresWireError) {
        guard let text = SCRAMText.attribute("v", in: message), let signature = Base64.decode(text),
            !expected.isEmpty, PasswordDigests.equal(signature, expected)
        else { throw .authentication("server's SCRAM signature is wrong") }
    }
}

/// Attribute lists of the form `r=...,s=...`.
enum SCRAMText {
    static func attribute(_ name: Character, in message: String) -> String? {
        for part in message.split(separator: ",", omittingEmptySubsequences: false) {
            guard part.first == name, part.dropFirst().first == "=" else { continue }
            return String(part.dropFirst(2))
        }
        return nil
    }

    static func withoutProof(_ message: String) -> String {
        guard let proof = message.range(of: ",p=") else { return message }
        return String(message[..<proof])
    }
}

extension String {
    /// Index of the first occurrence of `needle`; Foundation's is not available here.
    fileprivate func range(of needle: String) -> Index? {
        var index = startIndex
        while index < endIndex {
            if self[index...].hasPrefix(needle) { return index }
            index = self.index(after: index)
        }
        return nil
    }
}
