// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol

/// What is to be known of the region's certificate authority.
package struct CertificateFacts: Sendable {
    /// SHA-1 of the certificate, hexadecimal.
    package var thumbprint: String
    /// Seconds since 1970.
    package var validFrom: Int64
    package var validTill: Int64

    package init(thumbprint: String, validFrom: Int64, validTill: Int64) {
        self.thumbprint = thumbprint
        self.validFrom = validFrom
        self.validTill = validTill
    }
}

extension RDSService {
    static let certificateHandlers: [String: Handler] = [
        "DescribeCertificates": { try $0.describeCertificates($1) }
    ]

    /// The names that AWS's clients may choose from. The region has one authority, so all of them are that one.
    static let authorities = ["rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"]

    private func describeCertificates(_ input: Input) throws -> AWSValue {
        var names = Self.authorities.sorted()
        if let wanted = input.string("CertificateIdentifier"), !wanted.isEmpty {
            guard names.contains(wanted) else {
                throw fault("CertificateNotFoundFault", "Certificate \(wanted) not found.")
            }
            names = [wanted]
        }
        _ = try Filters<String>(input, [:])
        var answer =
            try Page(input).answer(names, as: "Certificates", key: \.self) { name in
                [
                    "CertificateIdentifier": .string(name), "CertificateType": "CA",
                    "Thumbprint": .string(authority.thumbprint),
                    "ValidFrom": .timestamp(Timestamp(seconds: authority.validFrom)),
                    "ValidTill": .timestamp(Timestamp(seconds: authority.validTill)),
                    "CertificateArn": .string("arn:aws:rds:\(account.region)::cert:\(name)"), "CustomerOverride": false,
                ]
            }.structure ?? [:]
        answer["DefaultCertificateForNewLaunches"] = .string(Self.authorities[0])
        return .structure(answer)
    }
}
