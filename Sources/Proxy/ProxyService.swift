// SPDX-License-Identifier: Apache-2.0

package import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL
import PostgresWire
import ProxyCore

/// The proxy as a service: `run` listens, serves, and returns when its task is cancelled.
///
/// Standalone use reads a YAML file (`ProxyConfiguration(yaml:)`); the control plane makes the configuration itself.
package enum ProxyService {
    /// Serves until the surrounding task is cancelled, then closes everything.
    package static func run(configuration: ProxyConfiguration, logger: Logger) async throws {
        let running = try await start(configuration: configuration, logger: logger)
        do {
            while true { try await Task.sleep(for: .seconds(3600)) }
        } catch {
            try await running.stop()
        }
    }

    /// Starts and returns once every listener is bound.
    package static func start(configuration: ProxyConfiguration, logger: Logger) async throws -> RunningProxy {
        let threads = MultiThreadedEventLoopGroup(numberOfThreads: configuration.threads)
        let proxy = RunningProxy(configuration: configuration, logger: logger, threads: threads)
        do {
            try await proxy.start()
        } catch {
            try? await proxy.stop()
            throw error
        }
        return proxy
    }
}

/// A started proxy; call `stop` exactly once.
package final class RunningProxy: Sendable {
    private let configuration: ProxyConfiguration
    private let logger: Logger
    private let threads: MultiThreadedEventLoopGroup
    private let state: ProxyState
    private let contexts: NIOLockedValueBox<[ObjectIdentifier: NIOLoopBound<LoopContext>]> = .init([:])
    private let ordered: NIOLockedValueBox<[NIOLoopBound<LoopContext>]> = .init([])
    private let servers: NIOLockedValueBox<[any Channel]> = .init([])

    init(configuration: ProxyConfiguration, logger: Logger, threads: MultiThreadedEventLoopGroup) {
        self.configuration = configuration
        self.logger = logger
        self.threads = threads
        state = ProxyState()
    }

    func start() async throws {
        let groups = try configuration.groups.map { try GroupShared($0, logger: logger) }
        for (index, eventLoop) in Array(threads.makeIterator()).enumerated() {
            try await attach(eventLoop, index: index, groups: groups)
        }
        let loops = ordered.withLockedValue { $0 }
        // The monitors live on the first loop and tell the others.
        try await loops[0].eventLoop.submit { RunningProxy.startMonitors(loops) }.get()
        for (index, group) in groups.enumerated() {
            for listener in group.configuration.listeners { try await bind(listener, groupIndex: index) }
        }
        if let metrics = configuration.metrics { try await bindMetrics(metrics) }
    }

    private func attach(_ eventLoop: any EventLoop, index: Int, groups: [GroupShared]) async throws {
        let configuration = self.configuration
        let logger = self.logger
        let bound = try await eventLoop.submit {
            let context = LoopContext(
                eventLoop: eventLoop, index: index, loopCount: configuration.threads, configuration: configuration,
                logger: logger)
            context.groups = groups.map { GroupContext(shared: $0, loop: context) }
            context.start()
            return NIOLoopBound(context, eventLoop: eventLoop)
        }.get()
        contexts.withLockedValue { $0[ObjectIdentifier(eventLoop)] = bound }
        ordered.withLockedValue { $0.append(bound) }
        state.attach(bound)
    }

    private static func startMonitors(_ loops: [NIOLoopBound<LoopContext>]) {
        let first = loops[0]
        for (index, group) in first.value.groups.enumerated() {
            let publish: (Topology) -> Void = { topology in
                for loop in loops {
                    if loop.eventLoop.inEventLoop {
                        loop.value.groups[index].update(topology)
                    } else {
                        loop.eventLoop.execute { loop.value.groups[index].update(topology) }
                    }
                }
            }
            let monitor: any TopologyWatch =
                switch group.configuration.engine {
                case .postgresql:
                    TopologyMonitor<BackendConnection>(group: group, loop: first.eventLoop, publish: publish)
                case .mysql:
                    TopologyMonitor<MySQLBackendConnection>(group: group, loop: first.eventLoop, publish: publish)
                }
            group.monitor = monitor
            for loop in loops.dropFirst() {
                loop.eventLoop.execute {
                    loop.value.groups[index].alarm = {
                        first.eventLoop.execute { first.value.groups[index].monitor?.alarm() }
                    }
                }
            }
            group.alarm = { [weak monitor] in monitor?.alarm() }
            monitor.start()
        }
    }

    private func bind(_ listener: ProxyConfiguration.Listener, groupIndex: Int) async throws {
        let context = try ListenerContext(
            listener, state: state, allowsLocalFiles: configuration.groups[groupIndex].pool.allowsLocalInfile,
            cancel: { [self] in cancel($0, secret: $1) },
            kill: { [self] in kill($0, user: $1, queryOnly: $2, on: $3) })
        let contexts = self.contexts.withLockedValue { $0 }
        let channel = try await ServerBootstrap(group: threads)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 32 << 10, high: 128 << 10))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let loop = contexts[ObjectIdentifier(channel.eventLoop)]?.value else { return }
                    let group = loop.groups[groupIndex]
                    switch group.configuration.engine {
                    case .postgresql:
                        let handler = PostgresClientConnection(listener: context, group: group, loop: loop)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    case .mysql:
                        let handler = MySQLClientConnection(listener: context, group: group, loop: loop)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                }
            }
            .bind(host: listener.host, port: listener.port).get()
        servers.withLockedValue { $0.append(channel) }
        logger.notice(
            "listening",
            metadata: [
                "listener": "\(listener.name)", "role": "\(listener.role.rawValue)",
                "port": "\(channel.localAddress?.port ?? listener.port)",
            ])
    }

    private func bindMetrics(_ address: ProxyConfiguration.Address) async throws {
        let state = self.state
        let name = configuration.name
        let channel = try await ServerBootstrap(group: threads)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(MetricsEndpoint(state: state, proxyName: name))
                }
            }
            .bind(host: address.host, port: address.port).get()
        servers.withLockedValue { $0.append(channel) }
    }

    /// Process ids carry the proxy's number and the loop's, so that a cancel finds its way without a shared table.
    private func cancel(_ processID: UInt32, secret: [UInt8]) {
        let proxy = Int(processID >> 23)
        guard proxy == configuration.proxyID else {
            if let peer = configuration.peers[proxy] {
                let loop = threads.next()
                loop.execute {
                    CancelSender.send(to: peer, processID: processID, secret: secret, tls: nil, on: loop) {}
                }
            }
            return
        }
        let loops = ordered.withLockedValue { $0 }
        let loop = loops[Int(processID & (1 << 23 - 1)) % loops.count]
        loop.eventLoop.execute { loop.value.cancel(processID, secret: secret) }
    }

    /// Whether a MySQL client number belongs to this proxy, and whether that client was hit.
    private func kill(
        _ number: UInt32, user: String, queryOnly: Bool, on eventLoop: any EventLoop
    ) -> EventLoopFuture<KillOutcome> {
        let proxy = Int(number >> 23)
        guard proxy == configuration.proxyID else {
            guard let peer = configuration.peers[proxy] else { return eventLoop.makeSucceededFuture(.unknown) }
            return eventLoop.makeSucceededFuture(.elsewhere(peer))
        }
        let loops = ordered.withLockedValue { $0 }
        let loop = loops[Int(number & (1 << 23 - 1)) % loops.count]
        let admins = configuration.adminUsers
        return loop.eventLoop.submit { loop.value.kill(number, user: user, admins: admins, queryOnly: queryOnly) }
            .hop(to: eventLoop)
    }

    /// Closes listeners, clients and backends, and ends the threads.
    package func stop() async throws {
        for server in servers.withLockedValue({ $0 }) { try? await server.close() }
        for loop in ordered.withLockedValue({ $0 }) {
            try? await loop.eventLoop.submit { loop.value.stop() }.get()
        }
        try await threads.shutdownGracefully()
    }
}
