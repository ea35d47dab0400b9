// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import Logging
internal import Synchronization
internal import VolumeModel

extension Supervisor {
    /// Carries out an order of the control plane: first in the metadata, which the next start goes by, then in the processes.
    ///
    /// Nothing here waits for an engine; the status tells what has become of it. Returns the cluster's host.
    func perform(_ order: ClusterOrder) throws -> String? {
        switch order.action {
        case .ensureCluster: return try ensureCluster(order)
        case .removeCluster: try removeCluster(try named(order.cluster))
        case .setPassword: try setPassword(order)
        case .ensureInstance: try ensureInstance(order)
        case .removeInstance: try removeInstance(try named(order.instance))
        case .retireInstance:
            let id = try named(order.instance)
            retired.withLock { _ = $0.insert(id) }
        case .configureInstance: try configure(order)
        case .failover: _ = try failOver(order)
        case .ensureEndpoint:
            guard let endpoint = order.endpoint else { return try named(nil) }
            return try ensureEndpoint(endpoint)
        case .removeEndpoint: try removeEndpoint(try named(order.endpoint?.name))
        case .proxyHost:
            return try setup.chooseEndpointHost("proxy:\(try named(order.proxy?.name))", port: order.port ?? 0)
        case .ensureProxy:
            guard let proxy = order.proxy else { return try named(nil) }
            return try ensureProxy(proxy) ? "listening" : nil
        case .removeProxy: removeProxy(try named(order.proxy?.name))
        }
        return nil
    }

    private func named(_ text: String?) throws -> String {
        guard let text, !text.isEmpty else {
            throw RegionError("the order names nothing", remedy: "use the same borealis on both sides")
        }
        return text
    }

    // MARK: - Clusters

    private func ensureCluster(_ order: ClusterOrder) throws -> String {
        let id = try named(order.cluster)
        let cluster = try setup.metadata.clusters().first { $0.id == id } ?? makeCluster(id, order)
        // Also for one that is known: whoever made it may have ended right after.
        try setup.completeManagedCluster(cluster)
        CrashPoint.pass("cluster-recorded")
        try setup.saveRoles()
        CrashPoint.pass("cluster-prepared")
        return cluster.host
    }

    private func makeCluster(_ id: String, _ order: ClusterOrder) throws -> ClusterRecord {
        guard let engine = order.engine, let port = order.port, let superuser = order.superuser,
            let password = order.password
        else { throw RegionError("the order for \(id) is not complete", remedy: "use the same borealis on both sides") }
        guard setup.engines[engine] != nil else {
            throw RegionError("\(engine.title) is not installed", remedy: "run `apt-get install \(engine.package)`")
        }
        let cluster = try setup.createManagedCluster(
            id, engine, port: port, superuser: superuser, password: password)
        CrashPoint.pass("cluster-inserted")
        return cluster
    }

    private func removeCluster(_ id: String) throws {
        guard let cluster = try setup.metadata.clusters().first(where: { $0.id == id }) else { return }
        guard try !setup.metadata.instances().contains(where: { $0.cluster == id }) else {
            throw RegionError("the cluster \(id) still has instances", remedy: "remove them first")
        }
        if !cluster.isManaged { try setup.metadata.set(RegionSetup.removedSetting, to: id) }
        try setup.metadata.removeCluster(id)
        CrashPoint.pass("cluster-forgotten")
        try setup.saveRoles()
    }

    private func setPassword(_ order: ClusterOrder) throws {
        let id = try named(order.cluster)
        guard let password = order.password else { throw RegionError("the order has no password", remedy: "give one") }
        try setup.setPassword(password, of: id)
        try setup.saveRoles()
        for instance in try setup.metadata.instances() where instance.cluster == id && instance.isRunning {
            try adopt(instance)
        }
    }

    // MARK: - Instances

    private func ensureInstance(_ order: ClusterOrder) throws {
        let id = try named(order.instance)
        let cluster = try named(order.cluster)
        var record =
            try setup.metadata.instances().first { $0.id == id } ?? InstanceRecord(id: id, cluster: cluster)
        let before = record
        record.isRunning = order.isRunning ?? true
        record.generation = max(record.generation, order.generation ?? 0)
        record.settings = order.settings ?? record.settings
        record.tier = order.tier ?? record.tier
        record.memoryBytes = order.memoryBytes ?? record.memoryBytes
        record.instanceClass = order.instanceClass ?? record.instanceClass
        let isKnown = try setup.metadata.instances().contains { $0.id == id }
        if !isKnown || record != before {
            if !isKnown { try setup.completeNewInstance(&record, zone: order.zone) }
            try setup.metadata.save(record)
            CrashPoint.pass("instance-recorded")
            try setup.saveRoles()
            CrashPoint.pass("instance-prepared")
        }
        if !isKnown { try settleWriter(for: record) }
        if record.isRunning { try adopt(record) } else { try release(id) }
        if record.isRunning { CrashPoint.pass("instance-told") }
        if !isKnown { try tellOthers(of: record) }
    }

    /// A new reader recovers from the writer's newest checkpoint on: after a bulk load that may be gigabytes of log.
    private func settleWriter(for record: InstanceRecord) throws {
        guard let writer = try setup.metadata.clusters().first(where: { $0.id == record.cluster })?.writer,
            writer != record.id, heard(of: writer)?.status.phase == .available
        else { return }
        settle(writer)
    }

    /// The others of a cluster learn whether it has readers, and what these must not be below.
    private func tellOthers(of record: InstanceRecord) throws {
        for other in try setup.metadata.instances()
        where other.cluster == record.cluster && other.id != record.id && other.isRunning {
            try adopt(other, keyKnown: true)
        }
    }

    private func removeInstance(_ id: String) throws {
        guard let record = try setup.metadata.instances().first(where: { $0.id == id }) else { return }
        // A writer that leaves gives its part to a reader first.
        if let cluster = try setup.metadata.clusters().first(where: { $0.writer == id }), record.isRunning,
            try setup.metadata.instances().contains(where: { $0.cluster == cluster.id && $0.id != id && $0.isRunning })
        {
            var order = ClusterOrder(.failover, cluster: cluster.id)
            order.reason = "\(id) is removed"
            _ = try failOver(order)
        }
        var stopped = record
        stopped.isRunning = false
        try setup.metadata.save(stopped)
        CrashPoint.pass("instance-stopping")
        try setup.saveRoles()
        try release(id)
        CrashPoint.pass("instance-released")
        guard !instances().contains(where: { $0.id == id }),
            setup.layout == .compact || !keepers.contains(where: { $0.role == "instance-\(id)" })
        else { return }
        // Its directory is a cache, a configuration and logs: the volume has all the rest.
        try? FileManager.default.removeItem(atPath: directory.instance(id))
        CrashPoint.pass("instance-emptied")
        try setup.metadata.removeInstance(id)
        CrashPoint.pass("instance-forgotten")
        retired.withLock { _ = $0.remove(id) }
        try setup.saveRoles()
        try tellOthers(of: record)
    }

    private func configure(_ order: ClusterOrder) throws {
        let id = try named(order.instance)
        guard var record = try setup.metadata.instances().first(where: { $0.id == id }) else {
            throw RegionError("there is no instance \(id)", remedy: "see `borealis status`")
        }
        record.settings = order.settings ?? [:]
        try setup.metadata.save(record)
        try setup.saveRoles()
        if record.isRunning { try adopt(record) }
    }

    // MARK: - Processes

    /// Has an instance run by the process that the layout puts it in; the storage processes get its volume's key.
    ///
    /// - Parameter keyKnown: the storage processes have the key already
    func adopt(_ record: InstanceRecord, keyKnown: Bool = false) throws {
        guard try setup.mayRun(record), !faults.withLock({ $0.instancesDown.contains(record.id) }) else { return }
        let settings = try setup.instance(record)
        guard let key = try setup.volumeKey(settings.volume) else {
            throw RegionError("the volume \(settings.volume) has no key", remedy: "restore the metadata from a backup")
        }
        for keeper in keepers
        where keeper.role.hasPrefix("storage") && keeper.pid != nil && !(keyKnown && setup.layout == .zones) {
            var request = AdminRequest(.adopt)
            request.adoption = Adoption(key: key, instance: setup.layout == .compact ? settings : nil)
            // One that does not answer reads its settings when it starts.
            do {
                _ = try AdminClient(path: directory.socket(keeper.role)).send(request, timeoutSeconds: 10)
            } catch {
                logger.info("a storage process does not take an instance", metadata: ["error": "\(error)"])
            }
        }
        guard setup.layout == .zones else { return }
        let role = "instance-\(record.id)"
        guard let keeper = keepers.first(where: { $0.role == role }) else {
            guard let configuration = try setup.roles().first(where: { $0.role == role }) else { return }
            return try startProcess(configuration)
        }
        guard keeper.pid != nil else { return }
        var request = AdminRequest(.adopt)
        request.adoption = Adoption(key: key, instance: settings)
        do { _ = try AdminClient(path: directory.socket(role)).send(request, timeoutSeconds: 10) } catch {
            logger.info("an instance's process does not take its settings", metadata: ["error": "\(error)"])
        }
    }

    private func release(_ id: String) throws {
        switch setup.layout {
        case .compact:
            var request = AdminRequest(.release)
            request.instance = id
            for keeper in keepers where keeper.role.hasPrefix("storage") && keeper.pid != nil {
                _ = try AdminClient(path: directory.socket(keeper.role)).send(request, timeoutSeconds: 10)
            }
        case .zones: endProcess("instance-\(id)")
        }
    }
}
