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
    /// The engines that clusters can be made of: those that were asked for, and whatever else is installed.
    let engines: [EngineKind: Installation]
    /// Those whose own clusters `borealis up` runs.
    let wanted: Set<EngineKind>
    let metadata: MetadataStore
    let keyring: LocalKeyring
    let authority: LocalAuthority
    let layout: Layout
    /// The copy that lost metadata were restored from.
    private(set) var restoredFrom: String?

    struct Installation {
        /// The account it runs under; nil keeps the caller's.
        let account: EngineAccount?
        let binaries: String
    }

    init(_ options: UpOptions, directory: DataDirectory, executable: String, environment: [String: String]) throws {
        self.options = options
        self.directory = directory
        var isNew = !FileManager.default.fileExists(atPath: directory.metadata)
        if isNew, directory.exists { try directory.checkFormat() }
        if isNew, let copy = try MetadataCopies(directory: directory).restore() {
            restoredFrom = copy
            isNew = false
        }
        // A fresh directory stays as it is when what was asked for cannot be.
        if isNew { _ = try Self.checked(options, known: [], directory: directory, environment: environment) }
        try directory.prepare()
        keyring = try LocalKeyring(path: directory.keyring, create: isNew)
        metadata = try MetadataStore(path: directory.metadata)
        let known = Set(try metadata.clusters().filter { !$0.isManaged }.map(\.engine))
        let kinds =
            try known.isEmpty && options.engine == nil && metadata.setting(Self.removedSetting) != nil
            ? [] : Self.wantedEngines(options, known: known)
        wanted = Set(kinds)
        let settings: [EngineKind: [(name: String, value: String)]]
        let needed: [EngineKind: Installation]
        (needed, settings) = try Self.checked(options, known: known, directory: directory, environment: environment)
        engines = EngineKind.allCases.reduce(into: needed) { engines, kind in
            guard engines[kind] == nil else { return }
            engines[kind] =
                try? Self.install([kind], options, directory: directory, environment: environment)[kind]
        }
        let shim = try ShimLibrary.locate(executable: executable, environment: environment)
        try ShimLibrary.install(from: shim, to: directory.shim)
        authority = try LocalAuthority(directory: directory.tls)
        layout = try Self.layout(options.layout, metadata)
        try chooseNodes()
        for kind in kinds { try prepareCluster(kind, settings[kind] ?? [], isAlone: kinds.count == 1) }
        try completeInstances()
        try addReaders(to: kinds)
        if let bytes = options.prefetchBytes { try metadata.set("prefetchBytes", to: "\(bytes)") }
        if let bytes = options.cacheBytes { try metadata.set("cacheBytes", to: "\(bytes)") }
        try checkPorts()
    }

    /// Set once a cluster that `borealis up` made was removed: it is not made again unasked.
    static let removedSetting = "clustersRemoved"

    /// The clusters that run: the control plane's, and those of `borealis up` whose engines were asked for.
    func clusters() throws -> [ClusterRecord] {
        try metadata.clusters().filter { engines[$0.engine] != nil && ($0.isManaged || wanted.contains($0.engine)) }
    }

    /// Programs, accounts and settings of the engines that are wanted, all of them in order.
    private static func checked(
        _ options: UpOptions, known: Set<EngineKind>, directory: DataDirectory, environment: [String: String]
    ) throws -> ([EngineKind: Installation], [EngineKind: [(name: String, value: String)]]) {
        let kinds = wantedEngines(options, known: known)
        let engines = try install(kinds, options, directory: directory, environment: environment)
        return (engines, try settings(options, kinds))
    }

    private static func wantedEngines(_ options: UpOptions, known: Set<EngineKind>) -> [EngineKind] {
        guard options.demo else { return [] }
        switch options.engine {
        case .postgres: return [.postgres]
        case .mariadb: return [.mariadb]
        case .both: return [.postgres, .mariadb]
        case nil:
            return known.isEmpty ? [.postgres] : EngineKind.allCases.filter(known.contains)
        }
    }

    private static func install(
        _ kinds: [EngineKind], _ options: UpOptions, directory: DataDirectory, environment: [String: String]
    ) throws -> [EngineKind: Installation] {
        var found: [EngineKind: Installation] = [:]
        for kind in kinds {
            let account = try EngineAccount.resolve(requested: options.engineUser, for: kind)
            let requested = kind == .postgres ? options.binaries : options.mariaBinaries
            found[kind] = Installation(
                account: account, binaries: try kind.locateBinaries(requested: requested, environment: environment))
            try directory.checkPassage(of: account)
        }
        return found
    }

    /// What was asked for with --set, by engine; each is checked by its engine's adapter.
    private static func settings(
        _ options: UpOptions, _ kinds: [EngineKind]
    ) throws -> [EngineKind: [(name: String, value: String)]] {
        var settings: [EngineKind: [(name: String, value: String)]] = [:]
        for text in options.settings {
            let prefixed = EngineKind.allCases.first { text.hasPrefix("\($0.rawValue):") }
            guard let kind = prefixed ?? (kinds.count == 1 ? kinds[0] : nil) else {
                throw RegionError(
                    "it is not clear which engine \(text) is for", remedy: "write postgres:\(text) or mariadb:\(text)")
            }
            guard kinds.contains(kind) else {
                throw RegionError(
                    "no \(kind.title) cluster is started here", remedy: "add --engine, or leave \(text) out")
            }
            let bare = prefixed == nil ? text : String(text.dropFirst(kind.rawValue.count + 1))
            settings[kind, default: []].append(try kind.parseSetting(bare))
        }
        return settings
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
            let hosted =
                known[role] ?? nodes.map { NodeRecord(id: $0, role: role, host: RegionDefaults.host, port: port) }
            try metadata.save(
                hosted.map { node in
                    var node = node
                    node.port = port
                    return node
                })
        }
    }

    /// Makes the engine's cluster unless there is one, and notes what was asked for.
    private func prepareCluster(
        _ kind: EngineKind, _ settings: [(name: String, value: String)], isAlone: Bool
    ) throws {
        let known = try metadata.clusters()
        let id: String
        if let cluster = known.first(where: { $0.engine == kind && !$0.isManaged }) {
            id = cluster.id
        } else {
            id = RegionDefaults.cluster + (isAlone && !known.contains { !$0.isManaged } ? "" : kind.clusterSuffix)
            guard !known.contains(where: { $0.id == id }) else {
                throw RegionError("there is a cluster \(id) already", remedy: "leave it alone with --no-demo")
            }
            try directory.checkSocketPaths(instance: "\(id)-1", port: port(kind, isAlone) ?? kind.defaultPort)
            try createCluster(id, kind, port: port(kind, isAlone) ?? kind.defaultPort)
        }
        for (name, value) in settings { try metadata.setEngineSetting(name, to: value, cluster: id) }
        if let port = port(kind, isAlone) { try metadata.setPort(port, cluster: id) }
        guard let cluster = try metadata.clusters().first(where: { $0.id == id }),
            let volume = try metadata.volumes().first(where: { $0.id == cluster.volume })
        else { throw RegionError("the metadata names a volume that is not in it", remedy: "restore it from a backup") }
        try directory.checkSocketPaths(instance: "\(id)-1", port: cluster.port)
        if let wanted = options.groupBytes, wanted != volume.groupBytes {
            throw RegionError(
                "the volume of \(id) has protection groups of \(volume.groupBytes) bytes, which is fixed when it is made",
                remedy: "leave --group-bytes out, or make another region with --data")
        }
    }

    /// The port that was asked for, if one was.
    private func port(_ kind: EngineKind, _ isAlone: Bool) -> Int? {
        switch kind {
        case .postgres: options.port
        case .mariadb: options.mariaPort ?? (isAlone ? options.port : nil)
        }
    }

    private func createCluster(_ id: String, _ kind: EngineKind, port: Int) throws {
        let volume = try newVolume(groupBytes: options.groupBytes ?? RegionDefaults.groupBytes)
        let (random, _) = try keyring.createDataKey(context: "password")
        let password = random.withUnsafeBytes { $0.prefix(12).map { String(format: "%02x", $0) }.joined() }
        try metadata.insert(
            ClusterRecord(
                id: id, engine: kind, volume: volume.id, state: .creating, host: RegionDefaults.host, port: port,
                superuser: kind.defaultSuperuser,
                password: try keyring.wrap(Secret.key(password), context: Secret.context(cluster: id))),
            volume: volume, instance: InstanceRecord(id: "\(id)-1", cluster: id))
        try saveFirstGroup(volume.id)
    }

    /// A volume that nothing was written to yet, with a data key of its own.
    func newVolume(groupBytes: UInt64) throws -> VolumeRecord {
        let id = VolumeID(UInt64.random(in: 1 ... .max))
        let (_, wrapped) = try keyring.createDataKey(context: VolumeKeys.context(id))
        return VolumeRecord(
            id: id, groupBytes: groupBytes, chunkBytes: RegionDefaults.chunkBytes(groupBytes: groupBytes),
            dataKey: wrapped)
    }

    func saveFirstGroup(_ volume: VolumeID) throws {
        let nodes = try metadata.nodes().filter { $0.state == .member }.map(\.id)
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
        var taken: [Int: String] = [:]
        for cluster in try clusters() where cluster.host == RegionDefaults.host {
            if let other = taken.updateValue(cluster.id, forKey: cluster.port) {
                throw RegionError(
                    "\(other) and \(cluster.id) have the same port \(cluster.port)",
                    remedy: "choose another with --port or --mariadb-port")
            }
            guard Ports.isFree(cluster.port, host: cluster.host) else {
                throw RegionError(
                    "port \(cluster.port) is in use",
                    remedy:
                        "stop what uses it, or choose another with \(cluster.engine == .postgres ? "--port" : "--mariadb-port")"
                )
            }
        }
    }
}
