// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import Logging
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Listens at the region's endpoints and passes each connection on to an instance. It knows TCP only.
///
/// What the region looks like is asked of the supervisor: every `calmPause`, and every `alarmedPause` for a while after a
/// connection was lost or could not be made. While the supervisor does not answer, the last answer goes on being true.
package final class EndpointService: Sendable {
    /// A client waits this long for an instance: twice the longest unplanned failover (10 s), and less than the 30 s after
    /// which connection pools commonly give up.
    package static let holdSeconds: Int64 = 20
    /// More clients that wait are turned away.
    static let waitingMax = 5000
    static let waterMarks = ChannelOptions.Types.WriteBufferWaterMark(low: 64 << 10, high: 256 << 10)

    private static let calmPause = TimeAmount.milliseconds(250)
    private static let alarmedPause: Duration = .milliseconds(25)
    private static let alarmDuration: Duration = .seconds(2)

    private struct Listener {
        var endpoint: EndpointTopology.Endpoint
        var channel: (any Channel)?
        var reason: String?
    }

    let state = EndpointState()
    private let group: MultiThreadedEventLoopGroup
    private let logger: Logger
    private let listeners = Mutex<[String: Listener]>([:])
    private let alert = Mutex(Alert())

    private struct Alert {
        var until = ContinuousClock.now
        /// Ends the rest between two calm questions.
        var bell: EventLoopPromise<Void>?
    }

    package init(threads: Int, logger: Logger) {
        group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        self.logger = logger
    }

    /// Asks and serves until the task is cancelled.
    ///
    /// - Parameter ask: hands the report over, and gives what the region looks like
    package func run(ask: @escaping @Sendable (EndpointReport) async throws -> EndpointTopology) async throws {
        var isAnswered = true
        while !Task.isCancelled {
            do {
                try await apply(try await ask(report))
                if !isAnswered { logger.info("the supervisor answers again") }
                isAnswered = true
            } catch {
                if isAnswered {
                    logger.warning(
                        "the supervisor does not answer; what it said last stays", metadata: ["error": "\(error)"])
                }
                isAnswered = false
            }
            await pause()
        }
        for listener in listeners.withLock({ $0 }).values { try? await listener.channel?.close() }
        try await group.shutdownGracefully()
    }

    /// Something went wrong with a connection: look more often for a while.
    func alarm() {
        let bell = alert.withLock { alert in
            alert.until = .now + Self.alarmDuration
            return alert.bell.take()
        }
        bell?.succeed()
    }

    private func pause() async {
        let bell = alert.withLock { alert -> EventLoopPromise<Void>? in
            guard alert.until < .now, !state.isAnybodyWaiting else { return nil }
            alert.bell = group.next().makePromise()
            return alert.bell
        }
        guard let bell else {
            try? await Task.sleep(for: Self.alarmedPause)
            return
        }
        // A timer of the loop, and not short sleeps: they would wake several threads of an idle region forty times a second.
        bell.futureResult.eventLoop.scheduleTask(in: Self.calmPause) { [self] in
            alert.withLock { $0.bell.take() }?.succeed()
        }
        try? await bell.futureResult.get()
    }

    // MARK: - Listening

    /// Takes what the region looks like: first the connections, so that no endpoint leads to an instance that lost its role.
    package func apply(_ topology: EndpointTopology) async throws {
        state.update(topology)
        let wanted = Dictionary(topology.clusters.flatMap(\.endpoints).map { ($0.id, $0) }) { first, _ in first }
        for (id, listener) in listeners.withLock({ $0 }) {
            let now = wanted[id]
            guard now?.host != listener.endpoint.host || now?.port != listener.endpoint.port else { continue }
            try? await listener.channel?.close()
            listeners.withLock { $0[id] = nil }
        }
        for endpoint in wanted.values.sorted(by: { $0.id < $1.id }) {
            guard listeners.withLock({ $0[endpoint.id]?.channel == nil }) else { continue }
            await listen(endpoint)
        }
    }

    private func listen(_ endpoint: EndpointTopology.Endpoint) async {
        var listener = Listener(endpoint: endpoint)
        let before = listeners.withLock { $0[endpoint.id]?.reason }
        do {
            listener.channel = try await bind(endpoint)
            logger.info("listening", metadata: ["endpoint": "\(endpoint.id)", "host": "\(endpoint.host)"])
        } catch {
            listener.reason = "cannot listen on \(endpoint.host):\(endpoint.port): \(error)"
            if before == nil {
                logger.error("cannot listen", metadata: ["endpoint": "\(endpoint.id)", "error": "\(error)"])
            }
        }
        let made = listener
        listeners.withLock { $0[endpoint.id] = made }
    }

    private func bind(_ endpoint: EndpointTopology.Endpoint) async throws -> any Channel {
        let id = endpoint.id
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: Self.waterMarks)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ClientHandler(endpoint: id, service: self))
                }
            }
            .bind(host: endpoint.host, port: endpoint.port).get()
    }

    // MARK: - Report

    package var report: EndpointReport {
        let known = listeners.withLock { $0 }
        return EndpointReport(
            endpoints: known.values.sorted { $0.endpoint.id < $1.endpoint.id }.map { listener in
                let (connected, waiting) = state.connections(at: listener.endpoint.id)
                return EndpointReport.Endpoint(
                    id: listener.endpoint.id, isListening: listener.channel != nil, reason: listener.reason,
                    connections: connected, waiting: waiting)
            })
    }
}
