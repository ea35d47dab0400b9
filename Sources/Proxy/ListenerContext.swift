// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
import ProxyCore

/// What connections of one listener need to know; shared by all loops.
final class ListenerContext: Sendable {
    let name: String
    let role: ProxyConfiguration.Role
    let tls: NIOSSLContext?
    let policy: ClientLogin.Policy
    let state: ProxyState
    /// Takes a cancel request to the client it is for, in this process or another.
    let cancel: @Sendable (_ processID: UInt32, _ secret: [UInt8]) -> Void

    init(
        _ listener: ProxyConfiguration.Listener, state: ProxyState,
        cancel: @escaping @Sendable (_ processID: UInt32, _ secret: [UInt8]) -> Void
    ) throws {
        name = listener.name
        role = listener.role
        self.state = state
        self.cancel = cancel
        guard let files = listener.tls else {
            tls = nil
            policy = ClientLogin.Policy(offersTLS: false, requiresTLS: listener.requireTLS)
            return
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(files.certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: files.key, format: .pem)))
        configuration.minimumTLSVersion = .tlsv12
        if let authority = files.clientCA {
            configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(authority))
            configuration.certificateVerification = .noHostnameVerification
        }
        tls = try NIOSSLContext(configuration: configuration)
        policy = ClientLogin.Policy(offersTLS: true, requiresTLS: listener.requireTLS)
    }
}
