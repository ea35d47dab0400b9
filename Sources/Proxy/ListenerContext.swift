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
    /// Takes a cancel request to the client it is for, in this process or another.
    let cancel: @Sendable (_ processID: UInt32, _ secret: [UInt8]) -> Void
    /// The same for MySQL's KILL; completes on the event loop given.
    let kill: Kill
    typealias Kill =
        @Sendable (_ number: UInt32, _ user: String, _ queryOnly: Bool, _ loop: any EventLoop)
        -> EventLoopFuture<KillOutcome>

    init(
        _ listener: ProxyConfiguration.Listener, state: ProxyState, allowsLocalFiles: Bool,
        cancel: @escaping @Sendable (_ processID: UInt32, _ secret: [UInt8]) -> Void, kill: @escaping Kill
    ) throws {
        self.kill = kill
        var mysqlPolicy = MySQLClientLogin.Policy()
        mysqlPolicy.offersTLS = listener.tls != nil
        mysqlPolicy.requiresTLS = listener.requireTLS
        mysqlPolicy.allowsLocalFiles = allowsLocalFiles
        self.mysqlPolicy = mysqlPolicy
        name = listener.name
        role = listener.role
        splitsReads = listener.role == .readWrite && listener.readWriteSplit
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

/// What came of a KILL for a number that may be one of the proxy's.
enum KillOutcome: Sendable {
    case done
    case forbidden
    /// Not one of ours: the server may know it.
    case unknown
    /// A client of another proxy process.
    case elsewhere(ProxyConfiguration.Address)
}
