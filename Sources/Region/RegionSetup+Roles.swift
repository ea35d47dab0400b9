// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import Engines
internal import Foundation
internal import Keyring
internal import VolumeModel

extension RegionSetup {
    /// The settings of every process of the region, storage first.
    func roles() throws -> [RoleConfiguration] {
        var roles: [RoleConfiguration] = []
        let nodes = Dictionary(grouping: try metadata.nodes().filter { $0.state != .leaving }, by: \.role)
        for (role, hosted) in nodes.sorted(by: { $0.key < $1.key }) {
            var configuration = try base(role)
            configuration.storage = RoleConfiguration.Storage(
                directory: directory.storage(role), nodes: hosted.map { "\($0.id)" },
                nodeDirectories: Self.directories(of: hosted), listenHost: hosted[0].host, listenPort: hosted[0].port,
                journalBytes: options.journalBytes)
            try directory.make(directory.storage(role), mode: 0o700)
            roles.append(configuration)
        }
        let running = Set(try clusters().map(\.id))
        for instance in try metadata.instances() where running.contains(instance.cluster) && instance.isRunning {
            guard try mayRun(instance) else { continue }
            let settings = try self.instance(instance)
            switch layout {
            case .compact: roles[0].instances.append(settings)
            case .zones:
                var configuration = try base("instance-\(instance.id)")
                configuration.instances = [settings]
                roles.append(configuration)
            }
        }
        return roles
    }

    /// A reader needs a volume that is filled.
    func mayRun(_ record: InstanceRecord) throws -> Bool {
        guard let cluster = try metadata.clusters().first(where: { $0.id == record.cluster }) else { return false }
        return cluster.writer == record.id || cluster.state == .available
    }

    private static func directories(of nodes: [NodeRecord]) -> [String: String]? {
        let pairs = nodes.compactMap { node in node.directory.map { ("\(node.id)", $0) } }
        return pairs.isEmpty ? nil : Dictionary(uniqueKeysWithValues: pairs)
    }

    /// A process that opens a copy-on-write mount of a cluster's volume.
    func mount(_ order: VolumeOrder, role: String) throws -> RoleConfiguration {
        guard let record = try metadata.instances().first(where: { $0.cluster == order.cluster }),
            let path = order.directory
        else { throw RegionError("there is no cluster \(order.cluster ?? "")", remedy: "see `borealis status`") }
        var settings = try instance(record)
        settings.id = role
        settings.directory = path
        settings.localAt = order.at ?? 0
        settings.mayCreate = false
        settings.engine.directory = "\(path)/engine"
        settings.engine.host = RegionDefaults.host
        settings.engine.otherHosts = nil
        settings.engine.replication = nil
        settings.engine.port = try order.port ?? Ports.choose(except: [])
        guard Ports.isFree(settings.engine.port) else {
            throw RegionError("port \(settings.engine.port) is in use", remedy: "choose another with --port")
        }
        if let account = settings.engine.account, let obstacle = account.obstacle(on: path) {
            throw RegionError(
                "the account \(account.name) cannot enter \(obstacle)", remedy: "choose another --directory")
        }
        try directory.make(path, mode: 0o711)
        var configuration = try base(role)
        configuration.instances = [settings]
        // It runs in the foreground of a command, which says itself what went wrong.
        configuration.logLevel = "critical"
        return configuration
    }

    func base(_ role: String) throws -> RoleConfiguration {
        let nodes = Dictionary(grouping: try metadata.nodes().filter { $0.state != .leaving }, by: \.role)
        let peers = nodes.sorted { $0.key < $1.key }.map { _, hosted in
            RoleConfiguration.Peer(nodes: hosted.map { "\($0.id)" }, host: hosted[0].host, port: hosted[0].port)
        }
        return RoleConfiguration(
            role: role, storage: nil, instances: [], peers: peers,
            tls: try authority.identity(role: role, hosts: [RegionDefaults.host, "localhost"]),
            keyring: directory.keyring,
            keys: try metadata.volumes().map { RoleConfiguration.Key(volume: "\($0.id)", wrapped: $0.dataKey) },
            adminSocket: directory.socket(role), lock: "\(directory.run)/\(role).lock",
            failureFile: directory.failure(role),
            shim: directory.shim, logLevel: options.logLevel ?? "info")
    }

    func instance(_ record: InstanceRecord) throws -> RoleConfiguration.Instance {
        guard let cluster = try metadata.clusters().first(where: { $0.id == record.cluster }),
            let volume = try metadata.volumes().first(where: { $0.id == cluster.volume }),
            let installation = engines[cluster.engine]
        else { throw RegionError("the metadata is incomplete", remedy: "restore it from a backup") }
        let path = directory.instance(record.id)
        // Whoever asks about an instance that is being removed must not bring its directory back.
        if record.isRunning { try directory.make(path, mode: 0o711) }
        let password = try keyring.unwrap(cluster.password, context: Secret.context(cluster: cluster.id))
        var engine = EngineSettings(
            engine: cluster.engine, binaries: installation.binaries, account: installation.account,
            directory: "\(path)/engine", host: record.host, port: cluster.port, superuser: cluster.superuser,
            password: Secret.text(password),
            overrides: try metadata.engineSettings(cluster: cluster.id).merging(record.settings) { $1 })
        engine.name = record.id
        let isWriter = cluster.writer == record.id
        if cluster.engine.hasReaders(binaries: installation.binaries) {
            engine.replication = try replication(of: record, in: cluster)
        }
        return RoleConfiguration.Instance(
            id: record.id, cluster: cluster.id, volume: "\(cluster.volume)", directory: path,
            groupBytes: volume.groupBytes, chunkBytes: volume.chunkBytes,
            cacheBytesMax: try metadata.setting("cacheBytes").flatMap { UInt64($0) }.flatMap { $0 == 0 ? nil : $0 },
            prefetchBytes: try metadata.setting("prefetchBytes").flatMap { UInt64($0) },
            nodes: try metadata.nodes().filter { $0.state == .member }.map { "\($0.id)" }, engine: engine,
            localAt: isWriter ? nil : 0, mayCreate: isWriter && cluster.state == .creating,
            generation: record.generation)
    }

    /// Its part in its cluster: whom it follows, and what the others have that it must not be below.
    private func replication(of record: InstanceRecord, in cluster: ClusterRecord) throws -> ReplicationSettings {
        let members = try metadata.instances().filter { $0.cluster == cluster.id }
        let writer = members.first { $0.id == cluster.writer }
        let shared = try metadata.engineSettings(cluster: cluster.id)
        var minimums = cluster.engine.sharedMinimums
        for (name, standard) in minimums {
            let values = members.map { ($0.settings[name] ?? shared[name]).flatMap { Int($0) } ?? standard }
            minimums[name] = values.max()
        }
        return ReplicationSettings(
            source: record.id == cluster.writer
                ? nil : writer.map { ReplicationSource(host: $0.host, port: cluster.port) },
            account: try replicationAccount(of: cluster), hasReaders: members.count > 1, serverNumber: record.number,
            minimums: minimums)
    }

    /// Its password follows from the volume's data key: it needs no place of its own, and it is the same as long as the
    /// volume is.
    private func replicationAccount(of cluster: ClusterRecord) throws -> ReplicationAccount {
        guard let volume = try metadata.volumes().first(where: { $0.id == cluster.volume }) else {
            throw RegionError("the metadata is incomplete", remedy: "restore it from a backup")
        }
        let key = try keyring.unwrap(volume.dataKey, context: VolumeKeys.context(volume.id))
        let secret = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: key, info: Data("replication account".utf8), outputByteCount: 24)
        let text = secret.withUnsafeBytes { $0.map { String(format: "%02x", $0) }.joined() }
        return ReplicationAccount(user: Self.replicationUser, password: text)
    }

    private static let replicationUser = "rdsrepladmin"
}
