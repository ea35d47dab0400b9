// SPDX-License-Identifier: Apache-2.0

internal import Endpoints
internal import Engines
internal import Foundation
internal import Glibc
package import Logging
internal import Synchronization
internal import VolumeModel

/// Runs a region on one machine: sets the directory up, keeps the processes of the layout running, answers on the admin
/// socket.
///
/// It owns the directory's lock and the metadata; it is on no data path. When it dies, its processes die with it.
package final class Supervisor: Sendable {
    /// A cluster's instance may have to write a last checkpoint.
    private static let instanceStopSeconds = 90
    private static let storageStopSeconds = 30

    let directory: DataDirectory
    let setup: RegionSetup
    /// The processes of the region; instances that are made later add theirs.
    private let children: Mutex<[ChildKeeper]>
    var keepers: [ChildKeeper] { children.withLock { $0 } }
    /// Those that host storage nodes or instances, and answer on a socket.
    var volumeKeepers: [ChildKeeper] {
        keepers.filter { $0.role.hasPrefix("storage") || $0.role.hasPrefix("instance") }
    }
    /// What the endpoints' process said last.
    let endpointReport = Mutex(EndpointReport(endpoints: []))
    /// Serialises the control plane's orders.
    let ordering = Mutex<Void>(())
    /// Serialises failovers.
    let failing = Mutex<Void>(())
    let memory = Mutex(Memory())
    /// Signalled when an instance has news.
    let clusterNews = DispatchSemaphore(value: 0)
    /// Instances that a fault keeps frozen.
    let frozen = Mutex<Set<String>>([])
    /// Instances that endpoints lead nobody new to: they are about to be removed.
    let retired = Mutex<Set<String>>([])
    private let executable: String
    private let environment: [String: String]
    let logger: Logger
    /// Faults in force, as text, and the nodes they keep down.
    let faults = Mutex(Faults())
    private let lock: FileLock
    private let server: Mutex<AdminServer?> = Mutex(nil)
    private let started = ContinuousClock.now
    private let isStopping = Atomic<Bool>(false)
    private let mounts = Atomic<Int>(0)
    /// Wakes the thread that looks after the nodes.
    let nodeOrders = Atomic<Int>(0)
    /// Why a replacement does not get on.
    let replacementTrouble = Mutex<String?>(nil)

    struct Faults {
        var texts: [String] = []
        var nodesDown: [String] = []
        var instancesDown: [String] = []
    }

    /// Takes the directory and prepares it. Throws an error that says what to do.
    package init(
        _ options: UpOptions, executable: String, environment: [String: String], logger: Logger
    ) throws {
        directory = DataDirectory(path: options.directory)
        self.logger = logger
        if !FileManager.default.fileExists(atPath: directory.path) { try directory.make(directory.path, mode: 0o711) }
        switch try FileLock.acquire(directory.lock) {
        case .held(let lock): self.lock = lock
        case .busy(let pid):
            throw RegionError(
                "already running (pid \(pid.map(String.init) ?? "unknown"))",
                remedy: "stop it with `borealis down`, or choose another directory with --data")
        }
        setup = try RegionSetup(options, directory: directory, executable: executable, environment: environment)
        if let copy = setup.restoredFrom {
            logger.warning("the metadata were gone and are restored from a copy", metadata: ["copy": "\(copy)"])
        }
        self.executable = executable
        self.environment = environment
        children = Mutex([])
        let endpoints = try setup.prepareEndpoints()
        let control = try setup.prepareControl()
        var keepers = try setup.roles().map(keeper)
        keepers.append(serviceKeeper(EndpointConfiguration.role, failureFile: endpoints.failureFile))
        if let control { keepers.append(serviceKeeper(ControlConfiguration.role, failureFile: control.failureFile)) }
        children.withLock { $0 = keepers }
    }

    private func keeper(_ role: RoleConfiguration) throws -> ChildKeeper {
        try role.save(to: setup.directory.configuration(role.role))
        let launch = launch(role.role, subcommand: role.storage == nil ? "instance" : "storage")
        let (setup, logger) = (setup, logger)
        return ChildKeeper(role: role.role, launch: launch, failureFile: role.failureFile, logger: logger) {
            [weak self] exit in
            self?.awaitVerdict(role: role.role)
            guard exit == .code(RoleProcess.ExitCode.incomplete) else { return }
            do {
                // Another instance of the process may have filled its volume without this being noted yet.
                let instances = try setup.roles().first { $0.role == role.role }?.instances ?? []
                for instance in instances where instance.mayCreate && !Milestone.volumeFilled.isReached(by: instance) {
                    try setup.replaceIncompleteVolume(of: instance.cluster)
                }
                try setup.saveRoles()
            } catch {
                logger.error("cannot replace an incomplete volume", metadata: ["error": "\(error)"])
            }
        }
    }

    /// A process that has neither nodes nor instances; it is named like its subcommand unless there may be several.
    private func serviceKeeper(_ role: String, subcommand: String? = nil, failureFile: String) -> ChildKeeper {
        ChildKeeper(
            role: role, launch: launch(role, subcommand: subcommand ?? role), failureFile: failureFile,
            longestPause: .seconds(1),
            logger: logger
        ) { _ in }
    }

    /// Starts one of several processes of a kind.
    func startService(_ role: String, subcommand: String) {
        let keeper = serviceKeeper(role, subcommand: subcommand, failureFile: directory.failure(role))
        children.withLock { $0.append(keeper) }
        keeper.start()
    }

    /// A process has ended for good.
    func forget(_ keeper: ChildKeeper) { children.withLock { $0.removeAll { $0 === keeper } } }

    private func launch(_ role: String, subcommand: String) -> Launch {
        var launch = Launch(
            path: executable, arguments: [subcommand, "--config", directory.configuration(role)],
            environment: environment.filter { !$0.key.hasPrefix("PG") })
        launch.outputFile = directory.log(role)
        launch.directory = directory.path
        return launch
    }

    /// Starts the process of an instance that has one of its own, unless it runs.
    func startProcess(_ role: RoleConfiguration) throws {
        guard !keepers.contains(where: { $0.role == role.role }) else { return }
        let keeper = try keeper(role)
        children.withLock { $0.append(keeper) }
        keeper.start()
        watchProcess(keeper)
    }

    /// Ends the process of an instance, in the background; its keeper is there until it has.
    func endProcess(_ role: String) {
        guard let keeper = keepers.first(where: { $0.role == role }), keeper.beginEnd() else { return }
        Thread.detachNewThread { [self] in
            keeper.stop(timeoutSeconds: Self.instanceStopSeconds)
            children.withLock { $0.removeAll { $0 === keeper } }
        }
    }

    /// Starts every process and the admin socket.
    package func start() throws {
        let server = try AdminServer(path: directory.regionSocket) { [self] request, emit in
            try answer(request, emit: emit)
        }
        self.server.withLock { $0 = server }
        try setup.saveCopies()
        for keeper in keepers { keeper.start() }
        for keeper in volumeKeepers { watchProcess(keeper) }
        Thread.detachNewThread { [self] in watchClusters() }
        Thread.detachNewThread { [self] in noteCreation() }
        Thread.detachNewThread { [self] in watchNodes() }
        Thread.detachNewThread { [self] in watchVolumes() }
    }

    /// Stops the instances, then the storage processes, then the socket.
    package func stop() {
        isStopping.store(true, ordering: .releasing)
        // First, so that nobody asks for anything any more.
        Self.each(
            keepers.filter {
                [ControlConfiguration.role, EndpointConfiguration.role].contains($0.role) || $0.role.hasPrefix("proxy-")
            }
        ) {
            $0.stop(timeoutSeconds: Self.storageStopSeconds)
        }
        let instances = keepers.filter { $0.role.hasPrefix("instance") }
        Self.each(instances) { $0.stop(timeoutSeconds: Self.instanceStopSeconds) }
        let seconds = setup.layout == .compact ? Self.instanceStopSeconds : Self.storageStopSeconds
        Self.each(keepers.filter { $0.role.hasPrefix("storage") }) { $0.stop(timeoutSeconds: seconds) }
        server.withLock { $0 }?.stop()
    }

    private static func each(_ keepers: [ChildKeeper], _ body: @escaping @Sendable (ChildKeeper) -> Void) {
        let done = DispatchGroup()
        for keeper in keepers {
            done.enter()
            Thread.detachNewThread {
                body(keeper)
                done.leave()
            }
        }
        done.wait()
    }

    var isEnding: Bool { isStopping.load(ordering: .acquiring) }

    var uptime: Duration { started.duration(to: .now) }

    /// Moves the fact that a volume was filled from the instance into the metadata.
    private func noteCreation() {
        while !isStopping.load(ordering: .acquiring) {
            do {
                let waiting = try setup.clusters().filter { $0.state == .creating }
                for cluster in waiting
                where instances().contains(where: { $0.cluster == cluster.id && $0.part == .writer && $0.created }) {
                    CrashPoint.pass("volume-filled")
                    try setup.metadata.setState(.available, cluster: cluster.id)
                    CrashPoint.pass("cluster-filled")
                    try setup.saveRoles()
                    for reader in try setup.metadata.instances()
                    where reader.cluster == cluster.id && reader.id != cluster.writer && reader.isRunning {
                        try adopt(reader)
                    }
                }
            } catch {
                logger.error("cannot note that a cluster was created", metadata: ["error": "\(error)"])
            }
            usleep(500_000)
        }
    }

    // MARK: - Requests

    private func answer(_ request: AdminRequest, emit: (AdminReply) -> Bool) throws -> AdminReply {
        var reply = AdminReply(ok: true)
        switch request.command {
        case .status: reply.region = status()
        case .stop: kill(getpid(), SIGTERM)
        case .fault:
            guard let fault = request.fault else { throw Self.unclear }
            reply.note = try inject(fault)
        case .volume:
            guard var order = request.volume else { throw Self.unclear }
            let cluster = try clusterID(order.cluster)
            order.cluster = cluster
            reply.note = try client(forInstanceOf: cluster)
                .send(AdminRequest(.volume, volume: order), timeoutSeconds: 3600) { _ = emit($0) }.note
        case .rotateKeys:
            let version = try setup.rotateKeys()
            try setup.saveRoles()
            reply.note = "the master key has version \(version) now; all data keys are wrapped under it"
        case .cluster:
            guard let order = request.cluster else { throw Self.unclear }
            if order.action == .failover {
                reply.instance = try failOver(order)
            } else {
                reply.host = try ordering.withLock { _ in try perform(order) }
            }
        case .adopt, .release, .watch, .mark, .settle, .removeVolume: throw Self.unclear
        case .endpoints:
            if let report = request.endpoints { endpointReport.withLock { $0 = report } }
            reply.topology = try topology()
        case .mount:
            guard var order = request.volume else { throw Self.unclear }
            order.cluster = try clusterID(order.cluster)
            let role = "mount-\(mounts.add(1, ordering: .relaxed).newValue)-\(getpid())"
            let configuration = try setup.mount(order, role: role)
            let path = directory.configuration(role)
            try configuration.save(to: path)
            reply.path = path
        case .replaceNode:
            guard let order = request.node else { throw Self.unclear }
            let (note, node) = try replace(order, emit: emit)
            (reply.note, reply.node) = (note, node)
        case .removeNode: throw Self.unclear
        }
        return reply
    }

    private static let unclear = RegionError(
        "the request lacks what it is about", remedy: "use the same borealis on both sides")

    /// The cluster a request is about: the one it names, the only one, or `demo`.
    func clusterID(_ named: String?) throws -> String {
        let known = try setup.clusters().map(\.id)
        if let named {
            guard known.contains(named) else {
                throw RegionError(
                    "no cluster \(named) runs here",
                    remedy: "see `borealis status`; \(known.joined(separator: ", ")) do")
            }
            return named
        }
        if known.count == 1 { return known[0] }
        guard known.contains(RegionDefaults.cluster) else {
            throw known.isEmpty
                ? RegionError("no cluster runs here", remedy: "start one with `borealis up`")
                : RegionError(
                    "several clusters run here", remedy: "name one with --cluster: \(known.joined(separator: ", "))")
        }
        return RegionDefaults.cluster
    }

    func client(forInstanceOf cluster: String) throws -> AdminClient {
        for keeper in volumeKeepers where keeper.pid != nil {
            let client = AdminClient(path: directory.socket(keeper.role))
            let process = try? client.send(AdminRequest(.status), timeoutSeconds: 2).process
            if let process, process.instances.contains(where: { $0.cluster == cluster && $0.part == .writer }) {
                return client
            }
        }
        throw RegionError("no running process has the cluster \(cluster)", remedy: "see `borealis status`")
    }
}

extension RegionSetup {
    /// Writes the settings of every process, for its next start.
    func saveRoles() throws {
        try writeRoles()
        try saveCopies()
    }

    /// Without the copies of the metadata.
    func writeRoles() throws {
        try metadata.writing.withLock { _ in
            for role in try roles() { try role.save(to: directory.configuration(role.role)) }
        }
    }

    /// Copies the metadata to the storage processes' directories.
    func saveCopies() throws {
        try metadata.writing.withLock { _ in try MetadataCopies(directory: directory).save(metadata) }
    }
}
