// SPDX-License-Identifier: Apache-2.0

import ControlPlane
import Engines

/// A data plane whose instances do at once what they are told, and on which tests make happen what seldom does.
actor ScriptedPlane: DataPlane {
    private struct Refusal: Error {}

    private var clusters: [String: ClusterWish] = [:]
    private var instances: [InstanceWish] = []
    private var failovers: [String: ObservedCluster.Failover] = [:]
    private var refusesFailovers = false
    /// The master passwords that it was told, by cluster.
    private(set) var passwords: [String: String] = [:]

    func refuseFailovers() { refusesFailovers = true }

    /// The writer was lost, and is back as what it was.
    func promoteAgain(_ instance: String, in cluster: String) {
        failovers[cluster] = ObservedCluster.Failover(
            number: 1, from: instance, to: instance, reason: "lost", isPlanned: false, isComplete: true)
    }

    func observe() async throws -> [ObservedCluster] {
        clusters.values.map { cluster in
            let members = instances.filter { $0.cluster == cluster.id }
            var seen = members.map { wish in
                var instance = ObservedCluster.Instance(
                    id: wish.id, generation: wish.generation, isAvailable: wish.isRunning,
                    url: "postgresql://app:\(passwords[cluster.id] ?? "")@127.0.0.1:1/postgres", reason: nil)
                instance.role = wish.id == members.first?.id ? .writer : .reader
                instance.phase = wish.isRunning ? "available" : "stopped"
                instance.promotionTier = wish.promotionTier
                return instance
            }
            let writer = seen.isEmpty ? nil : seen.removeFirst()
            var found = ObservedCluster(
                id: cluster.id, engine: cluster.engine, host: "127.0.0.1", port: cluster.port,
                masterUsername: cluster.masterUsername, instanceIDs: members.map(\.id), writer: writer)
            found.readers = seen
            found.failover = failovers[cluster.id]
            return found
        }
    }

    func metrics() async throws -> String { "" }

    func ensureCluster(_ wish: ClusterWish) async throws -> String {
        clusters[wish.id] = wish
        passwords[wish.id] = wish.password
        return "127.0.0.1"
    }

    func removeCluster(_ id: String) async throws { clusters[id] = nil }

    func ensureInstance(_ wish: InstanceWish) async throws {
        if let index = instances.firstIndex(where: { $0.id == wish.id }) {
            instances[index] = wish
        } else {
            instances.append(wish)
        }
    }

    func retireInstance(_ id: String) async throws {}
    func removeInstance(_ id: String) async throws { instances.removeAll { $0.id == id } }
    func configureInstance(_ id: String, settings: [String: String]) async throws {}
    func setPassword(_ password: String, of cluster: String) async throws { passwords[cluster] = password }

    func failover(cluster: String, to target: String?, reason: String) async throws {
        guard !refusesFailovers else { throw Refusal() }
    }

    func ensureEndpoint(_ wish: EndpointWish) async throws -> String { "127.0.0.2" }
    func removeEndpoint(_ id: String) async throws {}
    func proxyHost(_ id: String, port: Int) async throws -> String { "127.0.0.3" }
    func ensureProxy(_ wish: ProxyWish) async throws -> Bool { true }
    func removeProxy(_ id: String) async throws {}
}
