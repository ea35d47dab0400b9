// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import NIOSSL

/// The files, in PEM, with which an etcd is reached through TLS.
package struct EtcdSecurity: Codable, Sendable, Equatable {
    /// Certificates that etcd's is checked against; nil: those of the system.
    package var authority: String?
    /// What this side shows of itself, where etcd asks for it; with its key.
    package var certificate: String?
    package var key: String?

    package init(authority: String?, certificate: String?, key: String?) {
        self.authority = authority
        self.certificate = certificate
        self.key = key
    }

    /// Reads the files. TLS 1.2 is the least.
    func context() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let authority {
            configuration.trustRoots = .certificates(
                try Self.read(authority, "--state-ca") { try NIOSSLCertificate.fromPEMFile($0) })
        }
        switch (certificate, key) {
        case (let certificate?, let key?):
            let chain = try Self.read(certificate, "--state-cert") { try NIOSSLCertificate.fromPEMFile($0) }
            configuration.certificateChain = chain.map { .certificate($0) }
            let secret = try Self.read(key, "--state-key") { try NIOSSLPrivateKey(file: $0, format: .pem) }
            configuration.privateKey = .privateKey(secret)
        case (nil, nil): break
        default:
            throw ControlError("a client's certificate and its key go together", remedy: "give both, or neither")
        }
        do { return try NIOSSLContext(configuration: configuration) } catch {
            throw ControlError(
                "the files for etcd's TLS do not fit together: \(error)",
                remedy: "check that the key is the certificate's")
        }
    }

    private static func read<Value>(_ path: String, _ option: String, _ body: (String) throws -> Value) throws -> Value
    {
        do { return try body(path) } catch {
            throw ControlError("cannot read \(path) as PEM: \(error)", remedy: "correct the file, or \(option)")
        }
    }
}
