// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import Glibc
internal import Logging
internal import Synchronization
internal import VolumeModel

/// Real faults on real processes.
///
/// In the layout zones a zone is a process, and losing it is SIGKILL and no restart until `heal`. In the layout compact the
/// zones share a process, so that a zone is lost by stopping its nodes inside it; the answer says so.
extension Supervisor {
    /// Returns a remark for the user.
    func inject(_ fault: FaultOrder) throws -> String {
        let note =
            switch fault.kind {
            case .killAZ: try killZone(fault)
            case .killNode: try killNode(fault)
            case .startNode: try startNode(fault)
            case .heal: try heal()
            case .slowDisk: try slowDisk(fault)
            case .corrupt: try corrupt(fault)
            case .partition: try partition(fault)
            case .crashWriter, .partitionWriter: try tellWriter(fault)
            case .freezeWriter: try freezeWriter(fault)
            case .killInstance:
                throw RegionError("this fault is not for users", remedy: "use kill-az or crash-writer")
            }
        switch fault.kind {
        case .heal, .crashWriter, .corrupt, .startNode, .killInstance: break
        case .killAZ, .killNode, .slowDisk, .partition, .freezeWriter, .partitionWriter:
            faults.withLock { $0.texts.append(fault.text) }
        }
        logger.warning("fault injected", metadata: ["fault": "\(fault.text)"])
        return note
    }

    private func killZone(_ fault: FaultOrder) throws -> String {
        let zone = try checked(zone: fault.zone)
        let (instances, spared) = try members(ofZone: zone)
        let remark = spared.isEmpty ? "" : "; spared as its cluster's only instance: \(spared.joined(separator: ", "))"
        switch setup.layout {
        case .zones:
            let keeper = try keeper(ofZone: zone)
            let lost = [keeper] + keepers.filter { keeper in instances.contains { keeper.role == "instance-\($0)" } }
            let names = lost.map { "\($0.role) (\($0.pid.map { "process \($0)" } ?? "not running"))" }
            for keeper in lost { keeper.hold(by: fault.text) }
            return "SIGKILL sent to \(names.joined(separator: ", ")), down until `borealis fault heal`\(remark)"
        case .compact:
            faults.withLock { $0.instancesDown += instances }
            for id in instances {
                var order = FaultOrder(.killInstance)
                order.instance = id
                try tell(try self.keeper(ofZone: zone), order)
            }
            let nodes = try stopNodes(ofZone: zone)
            return "\((nodes + instances).joined(separator: ", ")) are stopped inside the storage process: "
                + "with the layout compact, zones share it (use --layout zones for a zone that is a process)\(remark)"
        }
    }

    /// The instances that a zone takes with it, and those that are spared: a cluster's only one has nobody to take its
    /// place, and what is to be seen then is that storage goes on.
    private func members(ofZone zone: String) throws -> (lost: [String], spared: [String]) {
        let all = try setup.metadata.instances()
        let own = all.filter { $0.zone == zone && $0.isRunning }
        let alone = own.filter { record in all.count { $0.cluster == record.cluster && $0.isRunning } == 1 }
        return (own.map(\.id).filter { id in !alone.contains { $0.id == id } }, alone.map(\.id))
    }

    private func killNode(_ fault: FaultOrder) throws -> String {
        let (node, keeper) = try checked(node: fault.node)
        try tell(keeper, FaultOrder(.killNode, node: node))
        faults.withLock { $0.nodesDown.append(node) }
        return "node \(node) is stopped without a flush; it stays down until `borealis fault heal`"
    }

    private func startNode(_ fault: FaultOrder) throws -> String {
        let (node, keeper) = try checked(node: fault.node)
        try tell(keeper, FaultOrder(.startNode, node: node))
        faults.withLock { state in
            state.nodesDown.removeAll { $0 == node }
            state.texts.removeAll { $0 == FaultOrder(.killNode, node: node).text }
        }
        return "node \(node) is started"
    }

    /// Undoes everything that can be undone; what is corrupt is repaired by the nodes themselves.
    ///
    /// A process that was held down starts without faults. The others are all told, even if one of them does not listen,
    /// and only when every one has heard it are the faults forgotten.
    private func heal() throws -> String {
        let healed = faults.withLock { $0 }
        try thaw()
        let told = volumeKeepers.filter { (isStorage($0) || $0.pid != nil) && $0.heldBy == nil }
        for keeper in keepers { keeper.release() }
        var failure: (any Error)?
        for keeper in told {
            do {
                try tell(keeper, FaultOrder(.heal))
                for node in healed.nodesDown where try checked(node: node).1 === keeper {
                    try tell(keeper, FaultOrder(.startNode, node: node))
                }
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        faults.withLock { state in
            state.texts.removeAll { healed.texts.contains($0) }
            state.nodesDown.removeAll { healed.nodesDown.contains($0) }
            state.instancesDown.removeAll { healed.instancesDown.contains($0) }
        }
        for record in try setup.metadata.instances() where healed.instancesDown.contains(record.id) && record.isRunning
        {
            try adopt(record, keyKnown: true)
        }
        return "all zones, nodes and instances are started, disks and network are as they were"
    }

    private func slowDisk(_ fault: FaultOrder) throws -> String {
        let zone = try checked(zone: fault.zone)
        guard let milliseconds = fault.milliseconds, (0...60_000).contains(milliseconds) else {
            throw RegionError("the delay is out of range", remedy: "give --ms a number from 0 to 60000")
        }
        let keeper = try keeper(ofZone: zone)
        try tell(keeper, FaultOrder(.slowDisk, zone: zone, milliseconds: milliseconds))
        return setup.layout == .zones
            ? "each flush of zone \(zone) takes \(milliseconds) ms longer"
            : "each flush takes \(milliseconds) ms longer, for all zones: with the layout compact they share one journal device"
    }

    private func corrupt(_ fault: FaultOrder) throws -> String {
        let (node, keeper) = try checked(node: fault.node)
        guard let blocks = fault.blocks, blocks > 0 else {
            throw RegionError("the number of blocks is out of range", remedy: "give --blocks a number from 1")
        }
        try tell(keeper, FaultOrder(.corrupt, node: node, blocks: blocks))
        return "bits are flipped in \(blocks) blocks of node \(node)"
    }

    private func partition(_ fault: FaultOrder) throws -> String {
        let zone = try checked(zone: fault.zone)
        try tell(try keeper(ofZone: zone), FaultOrder(.partition, zone: zone))
        return "the nodes of zone \(zone) run, but hear and are heard by nobody until `borealis fault heal`"
    }

    private func tellWriter(_ fault: FaultOrder) throws -> String {
        var fault = fault
        let cluster = try clusterID(fault.cluster)
        fault.cluster = cluster
        return try client(forInstanceOf: cluster).send(AdminRequest(.fault, fault: fault)).note ?? "done"
    }

    // MARK: - Frozen instances

    /// SIGSTOP for every process of the writer's engine, and in the layout zones for the instance's own before.
    private func freezeWriter(_ fault: FaultOrder) throws -> String {
        let cluster = try clusterID(fault.cluster)
        guard let id = try setup.metadata.clusters().first(where: { $0.id == cluster })?.writer, heard(of: id) != nil
        else { throw RegionError("\(cluster) has no writer that runs", remedy: "see `borealis status`") }
        frozen.withLock { _ = $0.insert(id) }
        let own = keepers.first { $0.role == "instance-\(id)" }?.pid
        let engine = try engineProcesses(id)
        for pid in [own].compactMap({ $0 }) + engine { Glibc.kill(pid, SIGSTOP) }
        let what = own.map { "the process of \(id), \($0), and " } ?? ""
        return "SIGSTOP sent to \(what)the \(engine.count) processes of its engine until `borealis fault heal`"
    }

    func engineProcesses(_ id: String) throws -> [Int32] {
        guard let record = try setup.metadata.instances().first(where: { $0.id == id }) else { return [] }
        let engine = try setup.instance(record).engine
        return EngineProcesses(directory: directory.instance(id), ring: nil, account: engine.account).list()
    }

    /// Wakes what was frozen.
    private func thaw() throws {
        for id in frozen.withLock({ $0 }) {
            let own = keepers.first { $0.role == "instance-\(id)" }?.pid
            for pid in try engineProcesses(id) + [own].compactMap({ $0 }) { Glibc.kill(pid, SIGCONT) }
            frozen.withLock { _ = $0.remove(id) }
            // What it missed: whom it has to follow.
            guard let record = try setup.metadata.instances().first(where: { $0.id == id }) else { continue }
            Thread.detachNewThread { [self] in follow(record) }
        }
    }

    // MARK: - Helpers

    private func stopNodes(ofZone zone: String) throws -> [String] {
        let nodes = try setup.metadata.nodes().filter { $0.id.zoneName == zone }.map { "\($0.id)" }
        let keeper = try keeper(ofZone: zone)
        for node in nodes { try tell(keeper, FaultOrder(.killNode, node: node)) }
        faults.withLock { $0.nodesDown += nodes }
        return nodes
    }

    private func isStorage(_ keeper: ChildKeeper) -> Bool { keeper.role.hasPrefix("storage") }

    /// Hands a fault to a process, which may take some seconds to start before it listens.
    private func tell(_ keeper: ChildKeeper, _ fault: FaultOrder) throws {
        let client = AdminClient(path: directory.socket(keeper.role))
        let end = ContinuousClock.now + Self.startPatience
        while !client.isListening && ContinuousClock.now < end && keeper.heldBy == nil { usleep(50_000) }
        guard keeper.heldBy == nil else {
            throw RegionError("the process \(keeper.role) is down", remedy: "bring it back with `borealis fault heal`")
        }
        guard client.isListening else {
            throw RegionError(
                "the process \(keeper.role) does not listen: \(keeper.reason ?? "it is starting")",
                remedy: "try again when `borealis status` shows it running")
        }
        _ = try client.send(AdminRequest(.fault, fault: fault), timeoutSeconds: 30)
    }

    /// A journal has to be read before a storage process listens.
    private static let startPatience: Duration = .seconds(15)

    private func keeper(ofZone zone: String) throws -> ChildKeeper {
        let role = try setup.metadata.nodes().first { $0.id.zoneName == zone }?.role
        guard let keeper = keepers.first(where: { $0.role == role }) else {
            throw RegionError("there is no zone \(zone)", remedy: "the zones are a, b and c")
        }
        return keeper
    }

    private func checked(zone: String?) throws -> String {
        guard let zone, RegionDefaults.zones.contains(zone) else {
            throw RegionError("there is no zone \(zone ?? "")", remedy: "the zones are a, b and c")
        }
        return zone
    }

    private func checked(node: String?) throws -> (String, ChildKeeper) {
        guard let node, let record = try setup.metadata.nodes().first(where: { "\($0.id)" == node }),
            let keeper = keepers.first(where: { $0.role == record.role })
        else { throw RegionError("there is no node \(node ?? "")", remedy: "`borealis status` lists them") }
        return (node, keeper)
    }
}
