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
    /// Throws for what is wrong with the files that a configuration names.
    package static func check(_ configuration: ProxyConfiguration) throws {
        for listener in configuration.groups.flatMap(\.listeners) { _ = try ListenerContext.tls(of: listener) }
    }

    /// Serves until the surrounding task is cancelled, then closes everything.
    ///
    /// - Parameters:
    ///   - changes: configurations to go on with; they hold for what begins from then on
    ///   - prometheus: the backend of swift-metrics that the metrics address shows
    package static func run(
        configuration: ProxyConfiguration, changes: AsyncStream<ProxyConfiguration>, prometheus: PrometheusMetrics,
        logger: Logger
    ) async throws {
        let threads = MultiThreadedEventLoopGroup(numberOfThreads: configuration.threads)
        let proxy = RunningProxy(
            configuration: configuration, prometheus: prometheus, logger: logger, threads: threads)
        do {
            try await proxy.start()
            for await changed in changes { await proxy.configure(changed) }
        } catch {
            try? await proxy.stop()
            throw error
        }
        try await proxy.stop()
    }
}

/// A started proxy; call `stop` exactly once.
actor RunningProxy {
    private struct Server {
        let channel: any Channel
        /// What its connections are told from now on.
        let context: NIOLockedValueBox<ListenerContext>
    }

    private struct Place: Hashable {
        var group: Int
        var address: ProxyConfiguration.Address
    }

    private var configuration: ProxyConfiguration
    private let router: ClientRouter
    private let logger: Logger
    private let threads: MultiThreadedEventLoopGroup
    private let state: ProxyState
    private let prometheus: PrometheusMetrics
    private var loops: [NIOLoopBound<LoopContext>] = []
    private var servers: [Place: Server] = [:]
    private var metrics: (any Channel)?

    init(
        configuration: ProxyConfiguration, prometheus: PrometheusMetrics, logger: Logger,
        threads: MultiThreadedEventLoopGroup
    ) {
        self.configuration = configuration
        self.prometheus = prometheus
        self.logger = logger
        self.threads = threads
        state = ProxyState(name: configuration.name)
        router = ClientRouter(configuration, threads: threads)
    }

    func start() async throws {
        let shared = try configuration.groups.map { try GroupShared($0, logger: logger) }
        let settings = configuration.groups.map(GroupSettings.init)
        for (index, eventLoop) in Array(threads.makeIterator()).enumerated() {
            try await attach(eventLoop, index: index, Array(zip(shared, settings)))
        }
        router.attach(loops)
        let loops = self.loops
        // The monitors live on the first loop and tell the others.
        try await loops[0].eventLoop.submit { RunningProxy.startMonitors(loops) }.get()
        for (place, context) in try contexts(configuration) {
            servers[place] = try await bind(NIOLockedValueBox(context), at: place)
        }
        if let address = configuration.metrics { try await bindMetrics(address) }
    }

    private func attach(
        _ eventLoop: any EventLoop, index: Int, _ groups: [(GroupShared, GroupSettings)]
    ) async throws {
        let configuration = self.configuration
        let logger = self.logger
        let bound = try await eventLoop.submit {
            let context = LoopContext(
                eventLoop: eventLoop, index: index, loopCount: configuration.threads, configuration: configuration,
                logger: logger)
            context.groups = groups.map { GroupContext(shared: $0, settings: $1, loop: context) }
            context.start()
            return NIOLoopBound(context, eventLoop: eventLoop)
        }.get()
        loops.append(bound)
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

    // MARK: Listening

    /// What the listeners of a configuration are to tell their connections.
    private func contexts(_ configuration: ProxyConfiguration) throws -> [(place: Place, context: ListenerContext)] {
        try configuration.groups.enumerated().flatMap { index, group in
            try group.listeners.map { listener in
                let context = try ListenerContext(
                    listener, state: state, allowsLocalFiles: group.pool.allowsLocalInfile, router: router)
                return (Place(group: index, address: listener.address), context)
            }
        }
    }

    private func bind(_ context: NIOLockedValueBox<ListenerContext>, at place: Place) async throws -> Server {
        let (listener, groupIndex) = (context.withLockedValue { $0 }, place.group)
        let loops = Dictionary(uniqueKeysWithValues: self.loops.map { (ObjectIdentifier($0.eventLoop), $0) })
        let bootstrap = ServerBootstrap(group: threads)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 32 << 10, high: 128 << 10))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let loop = loops[ObjectIdentifier(channel.eventLoop)]?.value else { return }
                    let group = loop.groups[groupIndex]
                    let listener = context.withLockedValue { $0 }
                    switch group.configuration.engine {
                    case .postgresql:
                        let handler = PostgresClientConnection(listener: listener, group: group, loop: loop)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    case .mysql:
                        let handler = MySQLClientConnection(listener: listener, group: group, loop: loop)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                }
            }
        let channel = try await listen(bootstrap, at: place.address, for: "the listener \(listener.name)")
        logger.notice(
            "listening",
            metadata: [
                "listener": "\(listener.name)", "role": "\(listener.role.rawValue)",
                "port": "\(channel.localAddress?.port ?? place.address.port)",
            ])
        return Server(channel: channel, context: context)
    }

    private func listen(
        _ bootstrap: ServerBootstrap, at address: ProxyConfiguration.Address, for whom: String
    ) async throws -> any Channel {
        do {
            return try await bootstrap.bind(host: address.host, port: address.port).get()
        } catch {
            let attempt =
                "\(whom) cannot listen at \(address.host):\(address.port); end what does, or choose another port"
            throw ProxyError(attempt, error)
        }
    }

    private func bindMetrics(_ address: ProxyConfiguration.Address) async throws {
        let (state, prometheus) = (self.state, self.prometheus)
        let bootstrap = ServerBootstrap(group: threads)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        MetricsEndpoint(state: state, prometheus: prometheus))
                }
            }
        metrics = try await listen(bootstrap, at: address, for: "metrics")
    }

    // MARK: Another configuration

    /// Goes on with another configuration. Clients and connections stay; what is new holds for whoever comes next, time limits
    /// and sizes of pools at once. What would need a restart is left as it is, and said. If a certificate cannot be read, or a
    /// port cannot be had, everything stays as it was.
    func configure(_ wanted: ProxyConfiguration) async {
        let fixed = configuration.differences(needingRestart: wanted)
        if !fixed.isEmpty {
            logger.warning(
                "restart the proxy for these settings", metadata: ["settings": "\(fixed.joined(separator: ", "))"])
        }
        guard wanted.groups.map(\.engine) == configuration.groups.map(\.engine) else { return }
        let places: [(place: Place, context: ListenerContext)]
        do {
            places = try contexts(wanted)
            try await open(places)
        } catch {
            return logger.error("the configuration stays as it was", metadata: ["error": "\(error)"])
        }
        configuration = wanted.keeping(configuration)
        let (configuration, settings) = (configuration, configuration.groups.map(GroupSettings.init))
        state.name = configuration.name
        router.configure(configuration)
        for loop in loops { loop.eventLoop.execute { loop.value.configure(configuration, settings) } }
        for (place, context) in places { servers[place]?.context.withLockedValue { $0 = context } }
        for (index, group) in configuration.groups.enumerated() { await close(allBut: group.listeners, group: index) }
        if fixed.isEmpty { logger.notice("configuration read again") }
    }

    /// Listens where nobody does yet: everywhere, or in no new place.
    private func open(_ places: [(place: Place, context: ListenerContext)]) async throws {
        var opened: [Place: Server] = [:]
        do {
            for (place, context) in places where servers[place] == nil {
                opened[place] = try await bind(NIOLockedValueBox(context), at: place)
            }
        } catch {
            for server in opened.values { try? await server.channel.close() }
            throw error
        }
        servers.merge(opened) { $1 }
    }

    private func close(allBut listeners: [ProxyConfiguration.Listener], group: Int) async {
        let kept = Set(listeners.map { Place(group: group, address: $0.address) })
        var closed: Set<String> = []
        for (place, server) in servers where place.group == group && !kept.contains(place) {
            servers[place] = nil
            closed.insert(server.context.withLockedValue { $0.name })
            try? await server.channel.close()
        }
        let gone = closed.subtracting(listeners.map(\.name))
        guard !gone.isEmpty else { return }
        for loop in loops {
            loop.eventLoop.execute { loop.value.close(listeners: gone, group: loop.value.groups[group]) }
        }
    }

    /// Closes listeners, clients and backends, and ends the threads.
    func stop() async throws {
        for server in servers.values { try? await server.channel.close() }
        try? await metrics?.close()
        for loop in loops {
            try? await loop.eventLoop.submit { loop.value.stop() }.get()
        }
        try await threads.shutdownGracefully()
    }
}
