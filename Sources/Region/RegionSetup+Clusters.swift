// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import Keyring
internal import VolumeModel

extension RegionSetup {
    /// Makes a cluster of the control plane's, without an instance, at a loopback address of its own.
    func createManagedCluster(
        _ id: String, _ engine: EngineKind, port: Int, superuser: String, password: String
    ) throws -> ClusterRecord {
        let volume = try newVolume(groupBytes: options.groupBytes ?? RegionDefaults.groupBytes)
        let cluster = ClusterRecord(
            id: id, engine: engine, volume: volume.id, state: .creating, host: try chooseClusterHost(id, port: port),
            port: port,
            superuser: superuser,
            password: try keyring.wrap(Secret.key(password), context: Secret.context(cluster: id)), isManaged: true)
        try metadata.insert(cluster, volume: volume)
        return cluster
    }

    /// What a cluster has besides its record. Repeatable.
    func completeManagedCluster(_ cluster: ClusterRecord) throws {
        if try metadata.groups(of: cluster.volume).isEmpty { try saveFirstGroup(cluster.volume) }
        try ensureStandardEndpoints(of: cluster)
    }

    private func chooseClusterHost(_ id: String, port: Int) throws -> String {
        let taken = Set(try metadata.clusters().map(\.host))
        return try LoopbackNetwork.clusters.choose(for: id, region: directory.path, port: port, except: taken)
    }

    func chooseInstanceHost(_ id: String, port: Int) throws -> String {
        let taken = Set(try metadata.instances().map(\.host))
        return try LoopbackNetwork.instances.choose(for: id, region: directory.path, port: port, except: taken)
    }

    /// The zone with the fewest of a cluster's instances, by letter among equals.
    func chooseZone(cluster: String) throws -> String {
        let used = try metadata.instances().filter { $0.cluster == cluster }.map(\.zone)
        let zones = RegionDefaults.zones
        return zones.min { left, right in used.count { $0 == left } < used.count { $0 == right } } ?? zones[0]
    }

    /// Adds to the clusters of `up` the readers that were asked for and are not there yet.
    func addReaders(to kinds: [EngineKind]) throws {
        guard let wanted = options.readers else { return }
        for cluster in try metadata.clusters() where !cluster.isManaged && kinds.contains(cluster.engine) {
            var members = try metadata.instances().filter { $0.cluster == cluster.id }.map(\.id)
            var number = 1
            while members.count <= wanted {
                let id = "\(cluster.id)-\(number)"
                number += 1
                guard !members.contains(id) else { continue }
                var record = InstanceRecord(id: id, cluster: cluster.id)
                try completeNewInstance(&record, zone: nil)
                try metadata.save(record)
                members.append(id)
            }
        }
    }

    /// Gives every instance of an older region what instances have by now: an address and a zone.
    func completeInstances() throws {
        let clusters = try metadata.clusters()
        for var record in try metadata.instances() where record.host.isEmpty || record.zone.isEmpty {
            guard let cluster = clusters.first(where: { $0.id == record.cluster }) else { continue }
            if record.host.isEmpty { record.host = try chooseInstanceHost(record.id, port: cluster.port) }
            if record.zone.isEmpty { record.zone = try chooseZone(cluster: cluster.id) }
            try metadata.save(record)
        }
    }

    func setPassword(_ password: String, of cluster: String) throws {
        let wrapped = try keyring.wrap(Secret.key(password), context: Secret.context(cluster: cluster))
        try metadata.update(password: wrapped, of: cluster)
    }

    /// Checks that a cluster can have another instance, and gives it its zone and its address.
    func completeNewInstance(_ record: inout InstanceRecord, zone: String?) throws {
        let id = record.cluster
        guard let cluster = try metadata.clusters().first(where: { $0.id == id }) else {
            throw RegionError("there is no cluster \(id)", remedy: "see `borealis status`")
        }
        try directory.checkSocketPaths(instance: record.id, port: cluster.port)
        let others = try metadata.instances().filter { $0.cluster == id }
        guard others.count < Self.instancesMax else {
            throw RegionError("\(id) has \(others.count) instances, the most there can be", remedy: "remove one first")
        }
        guard
            others.isEmpty || engines[cluster.engine].map({ cluster.engine.hasReaders(binaries: $0.binaries) }) ?? true
        else {
            throw RegionError(
                "the server of \(id) is MySQL, which has no readers here",
                remedy: "add readers to a MariaDB or PostgreSQL cluster")
        }
        if let zone, !RegionDefaults.zones.contains(zone) {
            throw RegionError("there is no zone \(zone)", remedy: "the zones are a, b and c")
        }
        guard (0...15).contains(record.tier) else {
            throw RegionError("there is no promotion tier \(record.tier)", remedy: "the tiers are 0 to 15")
        }
        record.zone = try zone ?? chooseZone(cluster: id)
        record.host = try chooseInstanceHost(record.id, port: cluster.port)
        record.number = (others.map(\.number).max() ?? 0) + 1
    }

    /// A writer and fifteen readers.
    static let instancesMax = 16

    func volumeKey(_ volume: String) throws -> RoleConfiguration.Key? {
        try metadata.volumes().first { "\($0.id)" == volume }.map {
            RoleConfiguration.Key(volume: volume, wrapped: $0.dataKey)
        }
    }
}
