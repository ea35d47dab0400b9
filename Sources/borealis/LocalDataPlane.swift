// SPDX-License-Identifier: Apache-2.0

internal import ControlPlane
internal import Endpoints
internal import Engines
internal import Foundation
internal import Region

/// The data plane of a region on one machine: its supervisor, behind its admin socket.
struct LocalDataPlane: DataPlane {
    private let client: AdminClient

    init(socket: String) { client = AdminClient(path: socket) }

    func observe() async throws -> [ObservedCluster] {
        guard let report = try await send(AdminRequest(.status)).region else {
            throw RegionError("the answer has no status", remedy: "restart the region with this borealis")
        }
        return report.clusters.compactMap { cluster in
            guard let engine = EngineKind(rawValue: cluster.engine), let host = cluster.host, let port = cluster.port
            else { return nil }
            var writer = cluster.writer.map { Self.observed($0, .writer) }
            writer?.isAvailable = ["available", "waiting"].contains(cluster.status)
            writer?.reason = cluster.reason
            var observed = ObservedCluster(
                id: cluster.id, engine: engine, host: host, port: port, masterUsername: cluster.superuser ?? "",
                instanceIDs: cluster.instances ?? [], writer: writer)
            observed.endpoints = (cluster.endpoints ?? []).map { endpoint in
                ObservedCluster.Endpoint(
                    role: Self.role(of: endpoint), host: endpoint.host, isListening: endpoint.isListening)
            }
            observed.readers = cluster.readers.map { Self.observed($0, .reader) }
            observed.failover = cluster.failover.map {
                ObservedCluster.Failover(
                    number: $0.number, from: $0.from, to: $0.to, reason: $0.reason, isPlanned: $0.isPlanned,
                    isComplete: $0.isComplete)
            }
            return observed
        }
    }

    func metrics() async throws -> String {
        guard let report = try await send(AdminRequest(.status)).region else {
            throw RegionError("the answer has no status", remedy: "restart the region with this borealis")
        }
        return report.metrics
    }

    private static func role(of endpoint: StatusReport.Endpoint) -> ObservedCluster.Endpoint.Role {
        switch EndpointTopology.Kind(rawValue: endpoint.kind) {
        case .writer: .writer
        case .reader: .reader
        case .customReader, .customWriter, .customAny, nil:
            .custom(String(endpoint.id.drop { $0 != ":" }.dropFirst()))
        }
    }

    private static func observed(
        _ instance: StatusReport.Instance, _ role: ObservedCluster.Instance.Role
    ) -> ObservedCluster.Instance {
        var observed = ObservedCluster.Instance(
            id: instance.id, generation: instance.generation ?? 0, isAvailable: instance.state == "available",
            url: instance.url, reason: instance.reason)
        observed.role = role
        observed.host = instance.host ?? ""
        observed.zone = instance.az ?? ""
        observed.promotionTier = instance.tier ?? 1
        observed.lagMilliseconds = instance.lagMs
        observed.phase = instance.state ?? ""
        observed.enginePID = instance.pid
        observed.instanceClass = instance.class
        observed.endedByItself = instance.endedByItself ?? false
        return observed
    }

    func ensureCluster(_ wish: ClusterWish) async throws -> String {
        var order = ClusterOrder(.ensureCluster, cluster: wish.id)
        order.engine = wish.engine
        order.port = wish.port
        order.superuser = wish.masterUsername
        order.password = wish.password
        guard let host = try await perform(order).host else {
            throw RegionError("the answer has no address", remedy: "restart the region with this borealis")
        }
        return host
    }

    func removeCluster(_ id: String) async throws { try await perform(ClusterOrder(.removeCluster, cluster: id)) }

    func ensureInstance(_ wish: InstanceWish) async throws {
        var order = ClusterOrder(.ensureInstance, cluster: wish.cluster, instance: wish.id)
        order.isRunning = wish.isRunning
        order.generation = wish.generation
        order.settings = wish.settings
        order.zone = wish.zone
        order.tier = wish.promotionTier
        order.memoryBytes = wish.memoryBytes
        order.instanceClass = wish.instanceClass
        try await perform(order)
    }

    func retireInstance(_ id: String) async throws { try await perform(ClusterOrder(.retireInstance, instance: id)) }

    func removeInstance(_ id: String) async throws { try await perform(ClusterOrder(.removeInstance, instance: id)) }

    func configureInstance(_ id: String, settings: [String: String]) async throws {
        var order = ClusterOrder(.configureInstance, instance: id)
        order.settings = settings
        try await perform(order)
    }

    func ensureEndpoint(_ wish: EndpointWish) async throws -> String {
        var order = ClusterOrder(.ensureEndpoint)
        let kind: EndpointTopology.Kind =
            switch wish.kind {
            case .reader: .customReader
            case .writer: .customWriter
            case .any: .customAny
            }
        order.endpoint = EndpointOrder(
            name: wish.id, cluster: wish.cluster, kind: kind, members: wish.members, excluded: wish.excluded)
        guard let host = try await perform(order).host else {
            throw RegionError("the answer has no address", remedy: "restart the region with this borealis")
        }
        return host
    }

    func removeEndpoint(_ id: String) async throws {
        var order = ClusterOrder(.removeEndpoint)
        order.endpoint = EndpointOrder(name: id, cluster: "", kind: .customAny)
        try await perform(order)
    }

    func proxyHost(_ id: String, port: Int) async throws -> String {
        var order = ClusterOrder(.proxyHost)
        order.proxy = ProxyOrder(name: id)
        order.port = port
        guard let host = try await perform(order).host else {
            throw RegionError("the answer has no address", remedy: "restart the region with this borealis")
        }
        return host
    }

    func ensureProxy(_ wish: ProxyWish) async throws -> Bool {
        var order = ClusterOrder(.ensureProxy)
        var proxy = ProxyOrder(name: wish.id)
        proxy.configuration = wish.configuration
        proxy.hosts = wish.hosts
        proxy.targets = wish.targets.map { ProxyOrder.Target(host: $0.host, port: $0.port) }
        order.proxy = proxy
        return try await perform(order).host != nil
    }

    func removeProxy(_ id: String) async throws {
        var order = ClusterOrder(.removeProxy)
        order.proxy = ProxyOrder(name: id)
        try await perform(order)
    }

    func setPassword(_ password: String, of cluster: String) async throws {
        var order = ClusterOrder(.setPassword, cluster: cluster)
        order.password = password
        try await perform(order)
    }

    func failover(cluster: String, to target: String?, reason: String) async throws {
        var order = ClusterOrder(.failover, cluster: cluster, instance: target)
        order.reason = reason
        try await perform(order)
    }

    @discardableResult
    private func perform(_ order: ClusterOrder) async throws -> AdminReply {
        var request = AdminRequest(.cluster)
        request.cluster = order
        return try await send(request)
    }

    /// The socket blocks, so it is used away from the threads that serve tasks.
    private func send(_ request: AdminRequest) async throws -> AdminReply {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { [client] in
                continuation.resume(with: Result { try client.send(request, timeoutSeconds: 30) })
            }
        }
    }
}
