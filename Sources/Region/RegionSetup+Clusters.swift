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
            id: id, engine: engine, volume: volume.id, state: .creating, host: try chooseHost(port: port), port: port,
            superuser: superuser,
            password: try keyring.wrap(Secret.key(password), context: Secret.context(cluster: id)), isManaged: true)
        try metadata.insert(cluster, volume: volume)
        try saveFirstGroup(volume.id)
        return cluster
    }

    /// An address of 127.66.0.0/16 that no cluster has and nobody listens on.
    ///
    /// Every address of 127.0.0.0/8 is this machine, so each cluster can have its engine's usual port.
    private func chooseHost(port: Int) throws -> String {
        let taken = Set(try metadata.clusters().map(\.host))
        for number in 1..<65_000 where number % 256 != 0 && number % 256 != 255 {
            let host = "127.66.\(number / 256).\(number % 256)"
            if !taken.contains(host) && Ports.isFree(port, host: host) { return host }
        }
        throw RegionError("port \(port) is in use on every loopback address", remedy: "choose another port")
    }

    func setPassword(_ password: String, of cluster: String) throws {
        let wrapped = try keyring.wrap(Secret.key(password), context: Secret.context(cluster: cluster))
        try metadata.update(password: wrapped, of: cluster)
    }

    func checkNewInstance(_ record: InstanceRecord) throws {
        guard let cluster = try metadata.clusters().first(where: { $0.id == record.cluster }) else {
            throw RegionError("there is no cluster \(record.cluster)", remedy: "see `borealis status`")
        }
        try directory.checkSocketPaths(instance: record.id, port: cluster.port)
    }

    func volumeKey(_ volume: String) throws -> RoleConfiguration.Key? {
        try metadata.volumes().first { "\($0.id)" == volume }.map {
            RoleConfiguration.Key(volume: volume, wrapped: $0.dataKey)
        }
    }
}
