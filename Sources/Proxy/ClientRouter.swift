// SPDX-License-Identifier: Apache-2.0

import NIOConcurrencyHelpers
import NIOCore

/// Finds the client that a cancel request or a KILL is for, in this process or another.
///
/// The numbers clients are given carry the proxy's own and the loop's, so that no table is shared.
final class ClientRouter: Sendable {
    private let configuration: NIOLockedValueBox<ProxyConfiguration>
    private let loops: NIOLockedValueBox<[NIOLoopBound<LoopContext>]> = .init([])
    private let threads: any EventLoopGroup

    init(_ configuration: ProxyConfiguration, threads: any EventLoopGroup) {
        self.configuration = NIOLockedValueBox(configuration)
        self.threads = threads
    }

    func attach(_ loops: [NIOLoopBound<LoopContext>]) { self.loops.withLockedValue { $0 = loops } }

    func configure(_ configuration: ProxyConfiguration) { self.configuration.withLockedValue { $0 = configuration } }

    private func loop(of number: UInt32) -> NIOLoopBound<LoopContext> {
        loops.withLockedValue { $0[Int(number & (1 << 23 - 1)) % $0.count] }
    }

    /// Takes a cancel request to the client with that number, if the secret is its own.
    func cancel(_ number: UInt32, secret: [UInt8]) {
        let (own, peers) = configuration.withLockedValue { ($0.proxyID, $0.peers) }
        let proxy = Int(number >> 23)
        guard proxy == own else {
            guard let peer = peers[proxy] else { return }
            let loop = threads.next()
            return loop.execute {
                CancelSender.send(to: peer, processID: number, secret: secret, tls: nil, on: loop) {}
            }
        }
        let loop = loop(of: number)
        loop.eventLoop.execute { loop.value.cancel(number, secret: secret) }
    }

    /// The same for a KILL by a MySQL client that is `user`; completes on `eventLoop`.
    func kill(
        _ number: UInt32, user: String, queryOnly: Bool, on eventLoop: any EventLoop
    ) -> EventLoopFuture<KillOutcome> {
        let (own, peers, admins) = configuration.withLockedValue { ($0.proxyID, $0.peers, $0.adminUsers) }
        let proxy = Int(number >> 23)
        guard proxy == own else {
            return eventLoop.makeSucceededFuture(peers[proxy].map { .elsewhere($0) } ?? .unknown)
        }
        let loop = loop(of: number)
        return loop.eventLoop.submit { loop.value.kill(number, user: user, admins: admins, queryOnly: queryOnly) }
            .hop(to: eventLoop)
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
