// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc
internal import Keyring
package import Logging
internal import StorageNode
internal import Synchronization
internal import VolumeDriver
internal import VolumeModel

/// One process of a region: storage nodes, DB instances, or (layout compact) both, as its configuration says.
///
/// Start: lock, keys, storage nodes, instances, admin socket. Stop, on SIGTERM, SIGINT or the command `stop`: instances
/// first, because their engines still need the nodes, then the nodes.
package final class RoleProcess: Sendable {
    /// Exit codes that mean something to the supervisor; any other means: try again.
    package enum ExitCode {
        /// A volume's creation was interrupted: it needs a fresh one.
        package static let incomplete: Int32 = 79
    }

    private let configuration: RoleConfiguration
    private let logger: Logger
    private let host: StorageHost?
    private let peers: PeerDirectory
    private let hosted: Mutex<[InstanceRunner]>
    /// Settings of instances that come in the place of one that is on its way out, by name.
    private let successors = Mutex<[String: RoleConfiguration.Instance]>([:])
    /// Signalled when something has happened that a watcher wants to know at once.
    private let changed = DispatchSemaphore(value: 0)
    /// By instance, for the life of the process.
    private let networkFaults = Mutex<[String: NetworkFault]>([:])
    private var instances: [InstanceRunner] { hosted.withLock { $0 } }
    private let keys: VolumeKeys
    private let access: StorageAccess
    private let started = ContinuousClock.now
    private let exitCode = Atomic<Int32>(0)

    /// Runs until told to stop. Returns the exit code.
    ///
    /// - Parameter started: called once the admin socket answers
    package static func run(
        configurationPath: String, logger: Logger, started: () -> Void = {}
    ) throws -> Int32 {
        // Blocked in the first thread before there is a second, so that all inherit it and only `sigwait` takes them.
        let signals = SignalWaiter([SIGTERM, SIGINT])
        let configuration = try RoleConfiguration.load(configurationPath)
        unlink(configuration.failureFile)
        do {
            return try serve(configuration, logger: logger, until: signals, started: started)
        } catch {
            try? PrivateFile.write(Data("\(error)".utf8), to: configuration.failureFile)
            throw error
        }
    }

    private static func serve(
        _ configuration: RoleConfiguration, logger: Logger, until signals: SignalWaiter, started: () -> Void
    ) throws -> Int32 {
        // A process of this role that was killed a moment ago may still be on its way out.
        guard case .held(let lock) = try FileLock.acquire(configuration.lock, waitMilliseconds: 10_000) else {
            throw RegionError("another process has the role \(configuration.role)", remedy: "stop it first")
        }
        var logger = logger
        logger.logLevel = Logger.Level(rawValue: configuration.logLevel) ?? .info
        logger[metadataKey: "role"] = "\(configuration.role)"
        let process = try RoleProcess(configuration, logger: logger)
        // An engine that a predecessor left may not run beside new storage nodes, nor keep anything they need.
        for instance in process.instances { try instance.killLeftovers() }
        try process.host?.start()
        for instance in process.instances { instance.start() }
        let server = try AdminServer(path: configuration.adminSocket) { [process] request, emit in
            try process.answer(request, emit: emit)
        }
        logger.info("started")
        started()
        let signal = signals.wait()
        logger.info("stopping", metadata: ["signal": "\(signal)"])
        process.stop()
        server.stop()
        return withExtendedLifetime(lock) { process.exitCode.load(ordering: .acquiring) }
    }

    private init(_ configuration: RoleConfiguration, logger: Logger) throws {
        self.configuration = configuration
        self.logger = logger
        let keys = try configuration.volumeKeys()
        let peers = PeerDirectory(try configuration.peerAddresses())
        self.peers = peers
        var host: StorageHost?
        if let storage = configuration.storage {
            var settings = StorageHostConfiguration(
                directory: storage.directory, nodes: try storage.nodes.map(RoleConfiguration.node), peers: peers,
                listenHost: storage.listenHost, listenPort: storage.listenPort, security: configuration.security)
            for (node, path) in storage.nodeDirectories ?? [:] {
                settings.nodeDirectories[try RoleConfiguration.node(node)] = path
            }
            if let bytes = storage.journalBytes { settings.tailBytesMax = bytes }
            host = try StorageHost(settings, keys: keys, logger: logger)
        }
        self.host = host
        self.keys = keys
        // With every node in this process there is no network between the driver and its six copies.
        let nodes = Set(peers.nodes)
        let hosted = Set(try configuration.storage?.nodes.map(RoleConfiguration.node) ?? [])
        let access: StorageAccess =
            if let host, hosted == nodes { .inProcess(host) } else { .remote(peers, configuration.security) }
        self.access = access
        self.hosted = Mutex([])
        let runners = configuration.instances.map(runner)
        self.hosted.withLock { $0 = runners }
    }

    private func runner(_ role: RoleConfiguration.Instance) -> InstanceRunner {
        InstanceRunner(
            role: role, access: access, keys: keys, shim: configuration.shim, logger: logger,
            networkFault: networkFault(of: role.id), onChange: { [changed] in changed.signal() },
            onIncomplete: { kill(getpid(), SIGTERM) })
    }

    private func networkFault(of instance: String) -> NetworkFault {
        networkFaults.withLock { faults in
            let fault = faults[instance] ?? NetworkFault()
            faults[instance] = fault
            return fault
        }
    }

    private func stop() {
        let done = DispatchGroup()
        for instance in instances {
            done.enter()
            Thread.detachNewThread {
                instance.stop()
                done.leave()
            }
        }
        done.wait()
        for instance in instances where instance.isIncomplete {
            exitCode.store(ExitCode.incomplete, ordering: .releasing)
            let reason = instance.status().reason ?? ""
            try? PrivateFile.write(Data(reason.utf8), to: configuration.failureFile)
        }
        host?.stop()
    }

    // MARK: - Requests

    private func answer(_ request: AdminRequest, emit: (AdminReply) -> Bool) throws -> AdminReply {
        var reply = AdminReply(ok: true)
        switch request.command {
        case .status: reply.process = status()
        case .stop: kill(getpid(), SIGTERM)
        case .fault:
            guard let fault = request.fault else { throw Self.unclear }
            reply.note = try inject(fault)
        case .volume:
            guard let order = request.volume else { throw Self.unclear }
            reply.note = try perform(order, emit: emit)
        case .replaceNode, .removeNode:
            guard let order = request.node else { throw Self.unclear }
            try changeNodes(request.command, order)
        case .adopt:
            guard let adoption = request.adoption else { throw Self.unclear }
            try adopt(adoption)
        case .release:
            guard let id = request.instance else { throw Self.unclear }
            release(id, request.release?.milliseconds, of: request.release?.part)
        case .watch: watch(emit)
        case .mark:
            guard let mark = request.mark else { throw Self.unclear }
            for instance in instances where instance.role.cluster == mark.cluster && instance.role.part == .reader {
                instance.take(mark.mark)
            }
        case .removeVolume:
            guard let volume = request.removedVolume else { throw Self.unclear }
            try removeVolume(volume)
        case .settle:
            guard let id = request.instance, let instance = instances.first(where: { $0.role.id == id }) else {
                throw Self.unclear
            }
            try instance.settle()
        case .rotateKeys, .mount, .cluster, .endpoints: throw Self.unclear
        }
        return reply
    }

    /// Runs an instance, in place of one of an older generation or with another part; gives one that runs its settings.
    ///
    /// Returns at once: what is in the way is stopped in the background, and its successor starts when it is gone.
    private func adopt(_ adoption: Adoption) throws {
        keys.add(adoption.key.wrapped, of: try RoleConfiguration.volume(adoption.key.volume))
        guard let role = adoption.instance else { return }
        guard let current = instances.first(where: { $0.role.id == role.id }) else { return start(role) }
        let isSame = current.role.part == role.part && current.role.generation ?? 0 >= role.generation ?? 0
        if isSame && !current.isStopping { return try current.reconfigure(role.engine) }
        successors.withLock { $0[role.id] = role }
        // A reader's files are thrown away, and a writer that is to be a reader has a successor already.
        let isKilled = current.role.part != .writer || role.part != .writer
        remove(current, isKilled ? .atOnce : nil)
    }

    /// - Parameter old: makes room for it in the same moment: whoever watches never finds neither, which would be a loss
    private func start(_ role: RoleConfiguration.Instance, replacing old: InstanceRunner? = nil) {
        let runner = runner(role)
        let isNew = hosted.withLock { list in
            list.removeAll { $0 === old }
            guard !list.contains(where: { $0.role.id == role.id }) else { return false }
            list.append(runner)
            return true
        }
        if isNew { runner.start() }
    }

    /// Returns at once; the instance's status is there until it has stopped.
    ///
    /// - Parameter part: whoever has another one stays, and so does a successor with another one
    private func release(_ id: String, _ milliseconds: Int?, of part: RoleConfiguration.Part? = nil) {
        successors.withLock { if part == nil || $0[id]?.part == part { $0[id] = nil } }
        guard let runner = instances.first(where: { $0.role.id == id }), part == nil || runner.role.part == part else {
            return
        }
        remove(runner, milliseconds.map { $0 == 0 ? .atOnce : .cleanly(milliseconds: $0) })
    }

    /// - Parameter how: nil: as it usually is
    private func remove(_ runner: InstanceRunner, _ how: InstanceRunner.Stop?) {
        guard runner.beginRelease() else {
            if how == .atOnce { runner.hurry() }
            return
        }
        Thread.detachNewThread { [self] in
            if let how { runner.stop(how) } else { runner.stop() }
            if let next = takeSuccessor(of: runner) {
                start(next, replacing: runner)
            } else {
                hosted.withLock { $0.removeAll { $0 === runner } }
                // One that came meanwhile.
                if let next = takeSuccessor(of: runner) { start(next) }
            }
            changed.signal()
        }
    }

    private func takeSuccessor(of runner: InstanceRunner) -> RoleConfiguration.Instance? {
        successors.withLock { $0.removeValue(forKey: runner.role.id) }
    }

    // MARK: - Being watched

    /// How often a watcher hears from us if nothing happens.
    private static let watchMilliseconds = 500

    private func watch(_ emit: (AdminReply) -> Bool) {
        var reply = AdminReply()
        repeat {
            reply.process = status(isBrief: true)
            guard emit(reply) else { return }
            _ = changed.wait(timeout: .now() + .milliseconds(Self.watchMilliseconds))
        } while true
    }

    private static let unclear = RegionError("the request is not for this process", remedy: "ask the region's socket")

    /// - Parameter isBrief: without storage nodes and drivers
    private func status(isBrief: Bool = false) -> ProcessStatus {
        ProcessStatus(
            role: configuration.role, pid: getpid(), uptimeSeconds: started.duration(to: .now) / .seconds(1),
            nodes: isBrief ? [] : host?.status() ?? [], instances: instances.map { $0.status(isBrief: isBrief) })
    }

    private func inject(_ fault: FaultOrder) throws -> String? {
        switch fault.kind {
        case .crashWriter: return "SIGKILL sent to the engine, process \(try writer(of: fault.cluster).crashEngine())"
        case .partitionWriter:
            let id = try writer(of: fault.cluster).role.id
            networkFault(of: id).isCut.store(true, ordering: .releasing)
            return "the driver of \(id) is cut off its storage nodes until `borealis fault heal`"
        case .killInstance:
            release(fault.instance ?? "", 0)
            return nil
        case .heal:
            for fault in networkFaults.withLock({ $0.values }) { fault.isCut.store(false, ordering: .releasing) }
            guard host != nil else { return nil }
        default: break
        }
        guard let host else { throw Self.unclear }
        switch fault.kind {
        case .killNode: try host.inject(.killNode(try RoleConfiguration.node(fault.node ?? "")))
        case .startNode: try host.inject(.startNode(try RoleConfiguration.node(fault.node ?? "")))
        case .heal: try host.inject(.heal)
        case .slowDisk: try host.inject(.slowDisk(milliseconds: fault.milliseconds ?? 0))
        case .corrupt:
            try host.inject(.corrupt(try RoleConfiguration.node(fault.node ?? ""), blocks: fault.blocks ?? 1))
        case .partition:
            let nodes = host.nodes.filter { $0.zoneName == fault.zone }
            try host.inject(.isolate(nodes))
        case .killAZ, .crashWriter, .freezeWriter, .partitionWriter, .killInstance: throw Self.unclear
        }
        return nil
    }

    private func writer(of cluster: String?) throws -> InstanceRunner {
        let found = instances.first { $0.role.part == .writer && (cluster == nil || $0.role.cluster == cluster) }
        guard let found else { throw Self.unclear }
        return found
    }

    /// Takes part in the replacement of a node: knows the new one, hosts it if it hosts the old one, and has the volumes'
    /// writers change their memberships. Repeatable.
    private func changeNodes(_ command: AdminRequest.Command, _ order: NodeOrder) throws {
        let node = try RoleConfiguration.node(order.node)
        guard command == .replaceNode else {
            for instance in instances { instance.driver?.forget(node) }
            host?.removeNode(node)
            return peers.remove(node)
        }
        let new = try RoleConfiguration.node(order.by ?? "")
        if let host, host.nodes.contains(node) { try host.addNode(new, directory: order.directory) }
        peers.add(new, beside: node)
        for instance in instances where instance.role.localAt == nil { instance.driver?.replace(node, by: new) }
    }

    /// Frees a volume's space on the nodes here. Repeatable.
    private func removeVolume(_ volume: String) throws {
        if let instance = instances.first(where: { $0.role.volume == volume }) {
            throw RegionError("\(instance.role.id) still uses \(volume)", remedy: "wait until it has stopped")
        }
        try host?.removeVolume(try RoleConfiguration.volume(volume))
    }

    private func perform(_ order: VolumeOrder, emit: (AdminReply) -> Bool) throws -> String? {
        guard let instance = instances.first(where: { $0.role.cluster == order.cluster && $0.role.part == .writer })
        else { throw Self.unclear }
        guard order.action != .detachCache else {
            instance.dropCache()
            return
                "the local cache of \(instance.role.id) is dropped; blocks come back from the storage nodes as they are touched"
        }
        let inspector = VolumeInspector(
            volume: try RoleConfiguration.volume(instance.role.volume), access: instance.access,
            chunkBytes: instance.role.chunkBytes)
        try inspector.perform(order) {
            emit(.line($0))
        } progress: {
            emit(.progress($0))
        }
        return nil
    }
}

extension InstanceRunner {
    var driver: VolumeDriver? { state.withLock { $0.driver } }
    package var isIncomplete: Bool { state.withLock { $0.isIncomplete } }
}
