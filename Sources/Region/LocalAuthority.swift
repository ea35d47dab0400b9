// SPDX-License-Identifier: Apache-2.0

internal import Crypto
package import Foundation
internal import Keyring
internal import SwiftASN1
internal import X509

/// The certificate authority of one region: every process gets a certificate, and believes only this authority.
///
/// ECDSA P-256 throughout. Files are PEM, keys 0600. What is missing, unreadable or about to expire is made again at the
/// next start; a new authority means new certificates for all, which is safe because all processes start after it.
package struct LocalAuthority {
    private static let authorityDays = 3650
    private static let certificateDays = 397
    private static let renewalDays = 30

    /// Where the files of one process's identity are.
    package struct Identity: Codable, Hashable, Sendable {
        package var certificate: String
        package var key: String
        package var authority: String
    }

    private let directory: String
    private let certificate: Certificate
    private let key: Certificate.PrivateKey
    private let now: Date

    /// Opens the authority in `directory`, or makes one.
    package init(directory: String, now: Date = Date()) throws {
        self.directory = directory
        self.now = now
        if let found = Self.load("\(directory)/authority", now: now) {
            (certificate, key) = found
            return
        }
        let fresh = P256.Signing.PrivateKey()
        key = Certificate.PrivateKey(fresh)
        certificate = try Self.makeAuthority(key, now: now)
        try Self.save(certificate, fresh, to: "\(directory)/authority")
    }

    /// The identity of a process, made or renewed if it has to be.
    ///
    /// - Parameters:
    ///   - role: the process's name, which becomes the subject and a DNS name
    ///   - hosts: further names and IPv4 addresses under which it is reached
    package func identity(role: String, hosts: [String]) throws -> Identity {
        let base = "\(directory)/\(role)"
        if let (found, _) = Self.load(base, now: now), found.issuer == certificate.subject,
            key.publicKey.isValidSignature(found.signature, for: found)
        {
            return identity(base)
        }
        let fresh = P256.Signing.PrivateKey()
        let made = try issue(role: role, hosts: hosts, key: fresh)
        try Self.save(made, fresh, to: base)
        return identity(base)
    }

    private func identity(_ base: String) -> Identity {
        Identity(certificate: "\(base).pem", key: "\(base).key", authority: "\(directory)/authority.pem")
    }

    /// SHA-1 of the authority's certificate, hexadecimal, as clients compare it.
    func thumbprint() throws -> String {
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return Insecure.SHA1.hash(data: serializer.serializedBytes).map { String(format: "%02x", $0) }.joined()
    }

    var validFrom: Date { certificate.notValidBefore }
    var validTill: Date { certificate.notValidAfter }

    private static func makeAuthority(_ key: Certificate.PrivateKey, now: Date) throws -> Certificate {
        let name = try DistinguishedName {
            OrganizationName("Borealis")
            // A name of its own for each authority, so that a stale certificate never seems to chain to a new one.
            CommonName("local authority \(UUID().uuidString.prefix(8))")
        }
        return try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
            notValidBefore: now.addingTimeInterval(-86400),
            notValidAfter: now.addingTimeInterval(Double(authorityDays) * 86400), issuer: name, subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: key.publicKey)
            }, issuerPrivateKey: key)
    }

    private func issue(role: String, hosts: [String], key fresh: P256.Signing.PrivateKey) throws -> Certificate {
        let subject = try DistinguishedName {
            OrganizationName("Borealis")
            CommonName(role)
        }
        let publicKey = Certificate.PublicKey(fresh.publicKey)
        let names = [GeneralName.dnsName(role)] + hosts.map(Self.generalName)
        return try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: publicKey,
            notValidBefore: now.addingTimeInterval(-86400),
            notValidAfter: now.addingTimeInterval(Double(Self.certificateDays) * 86400), issuer: certificate.subject,
            subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
                SubjectAlternativeNames(names)
                SubjectKeyIdentifier(hash: publicKey)
                AuthorityKeyIdentifier(keyIdentifier: SubjectKeyIdentifier(hash: certificate.publicKey).keyIdentifier)
            }, issuerPrivateKey: key)
    }

    private static func generalName(_ host: String) -> GeneralName {
        let parts = host.split(separator: ".").compactMap { UInt8($0) }
        return parts.count == 4 ? .ipAddress(ASN1OctetString(contentBytes: parts[...])) : .dnsName(host)
    }

    // MARK: - Files

    /// Nil when there is nothing usable for another `renewalDays`.
    private static func load(_ base: String, now: Date) -> (Certificate, Certificate.PrivateKey)? {
        guard let pem = try? String(contentsOfFile: "\(base).pem", encoding: .utf8),
            let keyPEM = try? String(contentsOfFile: "\(base).key", encoding: .utf8),
            let certificate = try? Certificate(pemEncoded: pem),
            let key = try? P256.Signing.PrivateKey(pemRepresentation: keyPEM)
        else { return nil }
        let wrapped = Certificate.PrivateKey(key)
        let ends = now.addingTimeInterval(Double(renewalDays) * 86400)
        guard certificate.publicKey == wrapped.publicKey, certificate.notValidBefore <= now,
            certificate.notValidAfter > ends
        else { return nil }
        return (certificate, wrapped)
    }

    private static func save(_ certificate: Certificate, _ key: P256.Signing.PrivateKey, to base: String) throws {
        try PrivateFile.write(Data(key.pemRepresentation.utf8), to: "\(base).key")
        try PrivateFile.write(Data(try certificate.serializeAsPEM().pemString.utf8), to: "\(base).pem", mode: 0o644)
    }
}
