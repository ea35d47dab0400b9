// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import Engines
internal import Foundation
internal import Keyring
internal import VolumeModel

/// Brings a data directory to where its processes can be started: everything that can go wrong for a reason that the user
/// can mend goes wrong here, before anything runs.
///
/// The caller holds the directory's lock. Repeatable.
struct RegionSetup {
    let options: UpOptions
    let directory: DataDirectory
    let account: EngineAccount?
    let binaries: String
    let metadata: MetadataStore
    let keyring: LocalKeyring
    let authority: LocalAuthority
    let layout: Layout

    init(_ options: UpOptions, directory: DataDirectory, executable: String, environment: [String: String]) throws {
        self.options = options
        self.directory = directory
        account = options.demo ? try EngineAccount.resolve(requested: options.engineUser) : nil
        binaries =
            options.demo ? try PostgresEngine.locateBinaries(requested: options.binaries, environment: environment) : ""
        let settings = try options.settings.map(PostgresConfiguration.parse)
        try directory.prepare(engineAccount: account)
        try directory.checkSocketPaths(instance: RegionDefaults.instance, port: options.port ?? RegionDefaults.port)
        let shim = try ShimLibrary.locate(executable: executable, environment: environment)
        try ShimLibrary.install(from: shim, to: directory.shim)
        let isNew = !FileManager.default.fileExists(atPath: directory.metadata)
        keyring = try LocalKeyring(path: directory.keyring, create: isNew)
        metadata = try MetadataStore(path: directory.metadata)
        authority = try LocalAuthority(directory: directory.tls)
        layout = try Self.layout(options.layout, metadata)
        try chooseNodes()
        if options.demo { try prepareDemo(settings) }
        try checkPorts()
    }

    /// The processes of the layout and the nodes they host.
    private static func storageRoles(_ layout: Layout) -> [(role: String, nodes: [NodeID])] {
        let zones = RegionDefaults.zones.map { zone in
            (zone, (1...RegionDefaults.nodesPerZone).compactMap { NodeID("\(zone)\($0)") })
        }
        switch layout {
        case .compact: return [("storage", zones.flatMap(\.1))]
        case .zones: return zones.map { ("storage-\($0.0)", $0.1) }
        }
    }

    private static func layout(_ wanted: Layout?, _ metadata: MetadataStore) throws -> Layout {
        let known = try metadata.setting("layout").flatMap(Layout.init(rawValue:))
        if let known, let wanted, known != wanted {
            throw RegionError(
                "this region has the layout \(known.rawValue), which is fixed when it is made",
                remedy: "leave --layout out, or make another region with --data")
        }
        let layout = known ?? wanted ?? .compact
        try metadata.set("layout", to: layout.rawValue)
        return layout
    }

    /// Gives each storage process a port of its own, once; again if somebody has taken it since.
    private func chooseNodes() throws {
        let known = Dictionary(grouping: try metadata.nodes(), by: \.role)
        var taken: Set<Int> = []
        for (role, nodes) in Self.storageRoles(layout) {
            var port = known[role]?.first?.port ?? 0
            if port == 0 || taken.contains(port) || !Ports.isFree(port) { port = try Ports.choose(except: taken) }
            taken.insert(port)
            try metadata.save(nodes.map { NodeRecord(id: $0, role: role, host: RegionDefaults.host, port: port) })
        }
    }

    private func prepareDemo(_ settings: [(name: String, value: String)]) throws {
        if try !metadata.clusters().contains(where: { $0.id == RegionDefaults.cluster }) { try createDemo() }
        for (name, value) in settings {
            try metadata.setEngineSetting(name, to: value, cluster: RegionDefaults.cluster)
        }
        if let port = options.port { try metadata.setPort(port, cluster: RegionDefaults.cluster) }
        if let bytes = options.cacheBytes { try metadata.set("cacheBytes", to: "\(bytes)") }
        let volumes = Dictionary(uniqueKeysWithValues: try metadata.volumes().map { ($0.id, $0) })
        guard let cluster = try metadata.clusters().first(where: { $0.id == RegionDefaults.cluster }),
            let volume = volumes[cluster.volume]
        else { throw RegionError("the metadata names a volume that is not in it", remedy: "restore it from a backup") }
        if let wanted = options.groupBytes, wanted != volume.groupBytes {
            throw RegionError(
                "the volume has protection groups of \(volume.groupBytes) bytes, which is fixed when it is made",
                remedy: "leave --group-bytes out, or make another region with --data")
        }
    }

    private func createDemo() throws {
        let volume = try newVolume(groupBytes: options.groupBytes ?? RegionDefaults.groupBytes)
        let (random, _) = try keyring.createDataKey(context: "password")
        let password = random.withUnsafeBytes { $0.prefix(12).map { String(format: "%02x", $0) }.joined() }
        try metadata.insert(
            ClusterRecord(
                id: RegionDefaults.cluster, engine: "postgres", volume: volume.id, state: .creating,
                host: RegionDefaults.host, port: options.port ?? RegionDefaults.port,
                superuser: RegionDefaults.superuser,
                password: try keyring.wrap(
                    Secret.key(password), context: Secret.context(cluster: RegionDefaults.cluster))),
            volume: volume, instance: InstanceRecord(id: RegionDefaults.instance, cluster: RegionDefaults.cluster))
        try saveFirstGroup(volume.id)
    }

    /// A volume that nothing was written to yet, with a data key of its own.
    private func newVolume(groupBytes: UInt64) throws -> VolumeRecord {
        let id = VolumeID(UInt64.random(in: 1 ... .max))
        let (_, wrapped) = try keyring.createDataKey(context: VolumeKeys.context(id))
        return VolumeRecord(
            id: id, groupBytes: groupBytes, chunkBytes: RegionDefaults.chunkBytes(groupBytes: groupBytes),
            dataKey: wrapped)
    }

    private func saveFirstGroup(_ volume: VolumeID) throws {
        let nodes = Self.storageRoles(layout).flatMap(\.nodes)
        let membership = Membership(epoch: MembershipEpoch(1), sets: [nodes])
        try metadata.save(GroupRecord(volume: volume, group: .namespace, membership: membership))
    }

    /// Points a cluster whose creation was interrupted at a fresh volume.
    func replaceIncompleteVolume(of cluster: String) throws {
        let old = try metadata.clusters().first { $0.id == cluster }?.volume
        let groupBytes = try metadata.volumes().first { $0.id == old }?.groupBytes ?? RegionDefaults.groupBytes
        let volume = try newVolume(groupBytes: groupBytes)
        try metadata.replaceVolume(of: cluster, with: volume)
        try saveFirstGroup(volume.id)
    }

    /// New version of the master key, and every data key and password wrapped under it.
    func rotateKeys() throws -> Int {
        let version = try keyring.rotate()
        for volume in try metadata.volumes() {
            let wrapped = try keyring.rewrap(volume.dataKey, context: VolumeKeys.context(volume.id))
            try metadata.update(dataKey: wrapped, of: volume.id)
        }
        for cluster in try metadata.clusters() {
            let wrapped = try keyring.rewrap(cluster.password, context: Secret.context(cluster: cluster.id))
            try metadata.update(password: wrapped, of: cluster.id)
        }
        return version
    }

    private func checkPorts() throws {
        guard options.demo else { return }
        for cluster in try metadata.clusters() where !Ports.isFree(cluster.port, host: cluster.host) {
            throw RegionError(
                "port \(cluster.port) is in use", remedy: "stop what uses it, or choose another with --port")
        }
    }
}
