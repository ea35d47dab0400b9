// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
import ProxyCore

/// What connections of one listener need to know; shared by all loops.
final class ListenerContext: Sendable {
    let name: String
    let role: ProxyConfiguration.Role
    let splitsReads: Bool
    let tls: NIOSSLContext?
    let policy: ClientLogin.Policy
    let mysqlPolicy: MySQLClientLogin.Policy
    let state: ProxyState
    let router: ClientRouter

    init(
        _ listener: ProxyConfiguration.Listener, state: ProxyState, allowsLocalFiles: Bool, router: ClientRouter
    ) throws {
        var mysqlPolicy = MySQLClientLogin.Policy()
        mysqlPolicy.offersTLS = listener.tls != nil
        mysqlPolicy.requiresTLS = listener.requireTLS
        mysqlPolicy.allowsLocalFiles = allowsLocalFiles
        self.mysqlPolicy = mysqlPolicy
        name = listener.name
        role = listener.role
        splitsReads = listener.role == .readWrite && listener.readWriteSplit
        self.state = state
        self.router = router
        tls = try Self.tls(of: listener)
        policy = ClientLogin.Policy(offersTLS: tls != nil, requiresTLS: listener.requireTLS)
    }

    /// Its certificates, read anew.
    static func tls(of listener: ProxyConfiguration.Listener) throws -> NIOSSLContext? {
        guard let files = listener.tls else { return nil }
        do {
            return try NIOSSLContext(configuration: tls(files))
        } catch {
            throw ProxyError("the listener \(listener.name) cannot use its certificate", error)
        }
    }

    private static func tls(_ files: ProxyConfiguration.TLSFiles) throws -> TLSConfiguration {
        let own = ProxyConfiguration.CertificateFiles(certificate: files.certificate, key: files.key)
        let (chain, key) = try identity(own)
        var configuration = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: key)
        configuration.minimumTLSVersion = .tlsv12
        if let authority = files.clientCA {
            configuration.trustRoots = .certificates(try read(authority) { try NIOSSLCertificate.fromPEMFile($0) })
            configuration.certificateVerification = .noHostnameVerification
        }
        guard let hosts = try files.hosts?.mapValues(identity), !hosts.isEmpty else { return configuration }
        configuration.sslContextCallback = { client, promise in
            var wanted = NIOSSLContextConfigurationOverride.noChanges
            let name = client.serverHostname?.lowercased() ?? ""
            if let (chain, key) = hosts[name] ?? hosts["*" + name.drop { $0 != "." }] {
                wanted.certificateChain = chain
                wanted.privateKey = key
            }
            promise.succeed(wanted)
        }
        return configuration
    }

    private static func identity(
        _ files: ProxyConfiguration.CertificateFiles
    ) throws -> ([NIOSSLCertificateSource], NIOSSLPrivateKeySource) {
        (
            try read(files.certificate) { try NIOSSLCertificate.fromPEMFile($0) }.map { .certificate($0) },
            .privateKey(try read(files.key) { try NIOSSLPrivateKey(file: $0, format: .pem) })
        )
    }

    private static func read<Content>(_ path: String, _ content: (String) throws -> Content) throws -> Content {
        do {
            return try content(path)
        } catch {
            throw ProxyError("read \(path), which must be a file in PEM", error)
        }
    }
}

/// What the proxy could not do, and why.
struct ProxyError: Error, CustomStringConvertible {
    let description: String

    init(_ attempt: String, _ cause: any Error) { description = "\(attempt): \(cause)" }
}
