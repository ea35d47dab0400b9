// SPDX-License-Identifier: Apache-2.0

internal import Crypto

/// Verification of AWS's Signature Version 4, in the header and presigned.
///
/// What was signed is rebuilt from the request as it came (docs.aws.amazon.com/IAM/latest/UserGuide, "Create a signed AWS
/// API request"); no clock and no store inside.
package struct SignatureV4: Sendable {
    /// Whom a request is from, once its signature is right.
    package struct Signer: Sendable, Equatable {
        package var accessKey: String
        package var region: String
        package var service: String

        package init(accessKey: String, region: String, service: String) {
            self.accessKey = accessKey
            self.region = region
            self.service = service
        }
    }

    /// Clocks may differ by this, seconds.
    package static let skewSecondsMax: Int64 = 15 * 60
    /// A presigned request is good for a week at most.
    package static let expirySecondsMax: Int64 = 7 * 86400
    private static let algorithm = "AWS4-HMAC-SHA256"

    private let region: String
    private let services: Set<String>
    private let secret: @Sendable (String) -> String?

    /// - Parameters:
    ///   - region: the only one that is served
    ///   - services: signing names that are served
    ///   - secret: the secret key of an access key; nil for one that is not known
    package init(region: String, services: Set<String>, secret: @escaping @Sendable (String) -> String?) {
        self.region = region
        self.services = services
        self.secret = secret
    }

    /// Whom the request is from. Throws AWS's error for anything that is not right.
    package func verify(_ request: HTTPRequestMessage, now: Timestamp) throws(AWSError) -> Signer {
        let claim: Claim
        if let header = request.header("authorization") {
            claim = try Claim(header: header, request)
            let difference = now.seconds - claim.signed.seconds
            guard abs(difference) <= Self.skewSecondsMax else { throw Self.expired(claim, now: now) }
        } else if request.query.contains("X-Amz-Signature=") || request.query.contains("X-Amz-Algorithm=") {
            claim = try Claim(presigned: request)
            guard claim.signed.seconds - now.seconds <= Self.skewSecondsMax,
                now.seconds <= claim.signed.seconds + claim.expirySeconds
            else { throw Self.expired(claim, now: now) }
        } else {
            throw AWSError("MissingAuthenticationToken", "Request is missing Authentication Token", status: 403)
        }
        try check(claim, request)
        return Signer(accessKey: claim.accessKey, region: claim.region, service: claim.service)
    }

    private func check(_ claim: Claim, _ request: HTTPRequestMessage) throws(AWSError) {
        guard let secret = secret(claim.accessKey), claim.sessionToken == nil else {
            throw AWSError(
                "InvalidClientTokenId", "The security token included in the request is invalid.", status: 403)
        }
        guard claim.region == region else {
            throw Self.mismatch("Credential should be scoped to a valid region, not '\(claim.region)'.")
        }
        guard services.contains(claim.service) else {
            throw Self.mismatch("Credential should be scoped to a correct service, not '\(claim.service)'.")
        }
        let hash = SHA256.hash(data: request.body).hexadecimal
        if let stated = request.header("x-amz-content-sha256"), stated != hash {
            throw Self.mismatch("The provided x-amz-content-sha256 does not match what was computed of the body.")
        }
        let canonical = Self.canonicalRequest(request, signedHeaders: claim.signedHeaders, bodyHash: hash)
        let text = [
            Self.algorithm, claim.signed.basic, claim.scope, SHA256.hash(data: Array(canonical.utf8)).hexadecimal,
        ].joined(separator: "\n")
        let key = Self.signingKey(secret, claim)
        // Compares in constant time.
        guard
            HMAC<SHA256>.isValidAuthenticationCode(
                claim.signature, authenticating: Array(text.utf8), using: key)
        else {
            throw Self.mismatch(
                "The request signature we calculated does not match the signature you provided. "
                    + "Check your AWS Secret Access Key and signing method.")
        }
    }

    private static func mismatch(_ message: String) -> AWSError {
        AWSError("SignatureDoesNotMatch", message, status: 403)
    }

    private static func expired(_ claim: Claim, now: Timestamp) -> AWSError {
        AWSError(
            "RequestExpired",
            "Request has expired. It is dated \(claim.signed.basic), and the time here is \(now.basic).")
    }

    private static func signingKey(_ secret: String, _ claim: Claim) -> SymmetricKey {
        var key = SymmetricKey(data: Array("AWS4\(secret)".utf8))
        for part in [claim.date, claim.region, claim.service, "aws4_request"] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
        }
        return key
    }

    // MARK: - What was signed

    static func canonicalRequest(
        _ request: HTTPRequestMessage, signedHeaders: [String], bodyHash: String
    ) -> String {
        var lines = [request.method, canonicalPath(request.path), canonicalQuery(request.query)]
        for name in signedHeaders {
            let values = request.headers.filter { $0.name == name }.map { collapse($0.value) }
            lines.append("\(name):\(values.joined(separator: ","))")
        }
        lines += ["", signedHeaders.joined(separator: ";"), bodyHash]
        return lines.joined(separator: "\n")
    }

    /// Without `.`, `..` and doubled slashes; encoded once more than it came.
    private static func canonicalPath(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") {
            switch part {
            case ".": continue
            case "..": _ = parts.popLast()
            default: parts.append(part)
            }
        }
        let text = "/" + parts.joined(separator: "/") + (path.hasSuffix("/") && !parts.isEmpty ? "/" : "")
        return PercentEncoding.encode(text.utf8, keepsSlash: true)
    }

    private static func canonicalQuery(_ query: String) -> String {
        var pairs: [(name: String, value: String)] = []
        for (name, value) in PercentEncoding.form(query.utf8) {
            let name = PercentEncoding.encode(name)
            if name != "X-Amz-Signature" { pairs.append((name, PercentEncoding.encode(value))) }
        }
        pairs.sort { $0.name == $1.name ? $0.value < $1.value : $0.name < $1.name }
        return pairs.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }

    /// Runs of blanks become one, none at the ends.
    private static func collapse(_ value: String) -> String {
        value.split { $0 == " " || $0 == "\t" }.joined(separator: " ")
    }
}

extension SignatureV4 {
    /// What a request says about its signature.
    struct Claim {
        var accessKey: String
        /// `YYYYMMDD`
        var date: String
        var region: String
        var service: String
        var signed: Timestamp
        var expirySeconds: Int64 = 0
        var signedHeaders: [String]
        var signature: [UInt8]
        var sessionToken: String?

        var scope: String { "\(date)/\(region)/\(service)/aws4_request" }

        init(header: String, _ request: HTTPRequestMessage) throws(AWSError) {
            guard header.hasPrefix(algorithm + " ") else {
                throw Self.incomplete("Authorization header requires the algorithm \(algorithm).")
            }
            var fields: [String: String] = [:]
            for part in header.dropFirst(algorithm.count + 1).split(separator: ",") {
                let pair = part.split(separator: "=", maxSplits: 1)
                guard pair.count == 2 else { throw Self.incomplete("Authorization header has a part without `=`.") }
                fields[String(pair[0].filter { $0 != " " })] = String(pair[1].filter { $0 != " " })
            }
            for name in ["Credential", "Signature", "SignedHeaders"] where fields[name] == nil {
                throw Self.incomplete("Authorization header requires '\(name)' parameter.")
            }
            guard let date = request.header("x-amz-date") else {
                throw Self.incomplete("Authorization header requires existence of an 'X-Amz-Date' header.")
            }
            try self.init(
                credential: fields["Credential"] ?? "", date: date, headers: fields["SignedHeaders"] ?? "",
                signature: fields["Signature"] ?? "", request)
            sessionToken = request.header("x-amz-security-token")
        }

        init(presigned request: HTTPRequestMessage) throws(AWSError) {
            var fields: [String: String] = [:]
            for (name, value) in PercentEncoding.form(request.query.utf8) {
                let name = String(decoding: name, as: UTF8.self)
                guard
                    fields.updateValue(String(decoding: value, as: UTF8.self), forKey: name) == nil
                        || !name.hasPrefix("X-Amz-")
                else { throw Self.incomplete("The query has \(name) twice.") }
            }
            for name in ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"] {
                guard fields["X-Amz-\(name)"] != nil else {
                    throw Self.incomplete("AWS query-string parameters must include X-Amz-\(name).")
                }
            }
            guard fields["X-Amz-Algorithm"] == algorithm else {
                throw Self.incomplete("X-Amz-Algorithm only supports \(algorithm).")
            }
            try self.init(
                credential: fields["X-Amz-Credential"] ?? "", date: fields["X-Amz-Date"] ?? "",
                headers: fields["X-Amz-SignedHeaders"] ?? "", signature: fields["X-Amz-Signature"] ?? "", request)
            guard let expiry = Int64(fields["X-Amz-Expires"] ?? ""), (0...expirySecondsMax).contains(expiry) else {
                throw Self.incomplete("X-Amz-Expires must be between 0 and \(expirySecondsMax) seconds.")
            }
            expirySeconds = expiry
            sessionToken = fields["X-Amz-Security-Token"]
        }

        private init(
            credential: String, date: String, headers: String, signature: String, _ request: HTTPRequestMessage
        ) throws(AWSError) {
            let parts = credential.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 5, parts[4] == "aws4_request" else {
                throw Self.incomplete("Credential must have exactly 5 slash-delimited elements.")
            }
            guard let signed = Timestamp(basic: date), date.hasPrefix(parts[1]), parts[1].utf8.count == 8 else {
                throw Self.incomplete("Date must be in ISO-8601 'basic format' and agree with Credential's.")
            }
            let hex = Array(signature.utf8)
            let digits = hex.compactMap(PercentEncoding.digit)
            guard hex.count == 64, digits.count == 64 else {
                throw Self.incomplete("Signature must be 64 hexadecimal digits.")
            }
            accessKey = parts[0]
            (self.date, region, service) = (parts[1], parts[2], parts[3])
            self.signed = signed
            self.signature = stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
            signedHeaders = headers.split(separator: ";").map(String.init)
            try checkCoverage(request)
        }

        /// A header that is not signed could be anyone's: the host and all of AWS's own have to be.
        private func checkCoverage(_ request: HTTPRequestMessage) throws(AWSError) {
            guard signedHeaders == signedHeaders.sorted(), signedHeaders.allSatisfy({ $0 == $0.lowercased() }) else {
                throw Self.incomplete("SignedHeaders must be in lower case and sorted.")
            }
            let covered = Set(signedHeaders)
            let own = request.headers.map(\.name).filter { $0 == "host" || $0.hasPrefix("x-amz-") }
            guard covered.contains("host"), covered.isSuperset(of: own) else {
                throw mismatch("'Host' and every 'X-Amz-' header must be a 'SignedHeader' in the AWS Authorization.")
            }
        }

        private static func incomplete(_ message: String) -> AWSError { AWSError("IncompleteSignature", message) }
    }
}

extension SHA256.Digest {
    fileprivate var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
