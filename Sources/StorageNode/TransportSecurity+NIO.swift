// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOSSL

extension TransportSecurity {
    /// The TLS handler of an accepted connection; nil for plain.
    func serverHandler() throws -> (any ChannelHandler)? {
        guard let context = try serverContext() else { return nil }
        return NIOSSLServerHandler(context: context)
    }

    func serverContext() throws -> NIOSSLContext? {
        guard case .mutual(let certificate, let key, let authority) = self else { return nil }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
        configuration.trustRoots = .file(authority)
        configuration.certificateVerification = .noHostnameVerification
        configuration.minimumTLSVersion = .tlsv13
        return try NIOSSLContext(configuration: configuration)
    }

    func clientContext() throws -> NIOSSLContext? {
        guard case .mutual(let certificate, let key, let authority) = self else { return nil }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) }
        configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
        configuration.trustRoots = .file(authority)
        // Names are checked against the authority alone: a process may move between addresses.
        configuration.certificateVerification = .noHostnameVerification
        configuration.minimumTLSVersion = .tlsv13
        return try NIOSSLContext(configuration: configuration)
    }
}
