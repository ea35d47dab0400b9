// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import StorageNode
internal import Synchronization
internal import VolumeDriver
internal import VolumeModel

/// Replacing a storage node for good, and keeping the metadata's map of protection groups up to date.
///
/// A new node joins under a name of its own, in the zone and the process of the one it replaces; each protection group goes
/// through a membership of two overlapping sets; when no group has the old node any more it is removed, and its name is never
/// given again. What is wished for stands in the metadata, and one thread brings the region there: so it goes on after a
/// restart of anything, and can be called off as long as the old node is there.
extension Supervisor {
    private static let busyInterval: Duration = .milliseconds(200)
    private static let quietInterval: Duration = .seconds(2)

    /// Begins, or ends, what the order says, and reports until it is done.
    /// - Returns: a remark, and the node that is there now
    func replace(_ order: NodeOrder, emit: (AdminReply) -> Bool) throws -> (note: String, node: String) {
        let (old, new) = try order.undo ? callOff(order) : begin(order)
        try setup.saveRoles()
        nodeOrders.add(1, ordering: .acquiringAndReleasing)
        var last = ""
        while let joining = try setup.metadata.nodes().first(where: { $0.id == new && $0.state == .joining }) {
            guard joining.replaces == old else { break }
            let text = progress(of: joining, replacing: old)
            if text != last, !emit(.progress(text)) { break }
            last = text
            usleep(100_000)
        }
        let nodes = try setup.metadata.allNodes()
        switch nodes.first(where: { $0.id == old })?.state {
        case .leaving, .retired, nil: break
        case .joining:
            throw RegionError("the replacement of \(old) was called off", remedy: "see `borealis volume stat`")
        case .member:
            throw RegionError(
                "the replacement of \(old) by \(new) goes on without this command", remedy: "see `borealis volume stat`"
            )
        }
        return (
            "\(new) has taken the place of \(old) in every protection group; \(old) is fenced for good and removed",
            "\(new)"
        )
    }

    private func begin(_ order: NodeOrder) throws -> (old: NodeID, new: NodeID) {
        let known = try setup.metadata.allNodes()
        guard
            let old = known.first(where: { "\($0.id)" == order.node && ($0.state == .member || $0.state == .joining) })
        else {
            throw RegionError("there is no node \(order.node)", remedy: "`borealis status` lists them")
        }
        if let joining = known.first(where: { $0.state == .joining }) {
            guard joining.replaces == old.id else {
                throw RegionError(
                    "\(joining.id) is still taking the place of \(joining.replaces.map { "\($0)" } ?? "a node")",
                    remedy: "wait for it, or call it off with --undo")
            }
            return (old.id, joining.id)
        }
        let number = known.filter { $0.id.zone == old.id.zone }.map { UInt8($0.id.value & 0xff) }.max() ?? 0
        guard number < UInt8.max else {
            throw RegionError("zone \(old.id.zoneName) has no name left for a node", remedy: "make a new region")
        }
        if let path = order.directory { try checkNodeDirectory(path) }
        let new = NodeRecord(
            id: NodeID(zone: old.id.zone, number: number + 1), role: old.role, host: old.host, port: old.port,
            state: .joining, replaces: old.id, directory: order.directory)
        try setup.metadata.save([new])
        logger.notice("node replacement begins", metadata: ["old": "\(old.id)", "new": "\(new.id)"])
        return (old.id, new.id)
    }

    private func checkNodeDirectory(_ path: String) throws {
        // What is there already is somebody's: not even its mode is touched before it is known to be empty.
        if FileManager.default.fileExists(atPath: path) {
            guard (try? FileManager.default.contentsOfDirectory(atPath: path))?.isEmpty == true else {
                throw RegionError("\(path) is no empty directory", remedy: "give --directory an empty or a new one")
            }
        }
        try directory.make(path, mode: 0o700)
    }

    /// Turns a replacement that is under way round: the old node joins again in the place of the new one.
    private func callOff(_ order: NodeOrder) throws -> (old: NodeID, new: NodeID) {
        let nodes = try setup.metadata.nodes()
        guard var new = nodes.first(where: { $0.state == .joining && "\($0.replaces ?? $0.id)" == order.node }),
            var old = nodes.first(where: { $0.id == new.replaces })
        else {
            throw RegionError(
                "no replacement of \(order.node) is under way", remedy: "a node that has left cannot come back")
        }
        (new.state, new.replaces) = (.member, nil)
        (old.state, old.replaces) = (.joining, new.id)
        try setup.metadata.save([new, old])
        logger.notice("node replacement called off", metadata: ["old": "\(old.id)", "new": "\(new.id)"])
        return (new.id, old.id)
    }

    // MARK: - The thread

    /// Notes memberships, and takes the next step of a replacement, until the region stops.
    func watchNodes() {
        while !isEnding {
            var isBusy = false
            do {
                let instances = instances()
                try noteGroups(instances)
                isBusy = try advanceReplacement(instances)
                try removeLeaving()
            } catch {
                logger.error("cannot look after the storage nodes", metadata: ["error": "\(error)"])
            }
            let end = ContinuousClock.now + (isBusy ? Self.busyInterval : Self.quietInterval)
            while ContinuousClock.now < end && !isEnding && !hasNodeOrder { usleep(50_000) }
        }
    }

    /// A replacement that this thread has not seen yet.
    private var hasNodeOrder: Bool { nodeOrders.exchange(0, ordering: .acquiringAndReleasing) > 0 }

    /// Enters the members of every protection group into the metadata as they become known.
    private func noteGroups(_ instances: [InstanceStatus]) throws {
        var isNews = false
        defer { if isNews { try? setup.saveCopies() } }
        for cluster in try setup.clusters() {
            for group in instances.first(where: { $0.cluster == cluster.id && $0.part == .writer })?
                .driver?.members ?? []
            {
                let membership = Membership(epoch: MembershipEpoch(group.epoch), sets: group.sets)
                let record = GroupRecord(volume: cluster.volume, group: GroupID(group.group), membership: membership)
                if try setup.metadata.save(record) { isNews = true }
            }
        }
    }

    /// Tells every process of a replacement that is under way; ends it when no protection group has the old node any more.
    private func advanceReplacement(_ instances: [InstanceStatus]) throws -> Bool {
        let nodes = try setup.metadata.nodes()
        guard var new = nodes.first(where: { $0.state == .joining }),
            var old = nodes.first(where: { $0.id == new.replaces })
        else { return false }
        var order = NodeOrder(node: "\(old.id)")
        order.by = "\(new.id)"
        order.directory = new.directory
        // The host of the node first: others may send to it as soon as they know of it.
        let hosts = volumeKeepers.filter { $0.role == new.role } + volumeKeepers.filter { $0.role != new.role }
        for keeper in hosts where keeper.pid != nil {
            let request = AdminRequest(.replaceNode, node: order)
            do { _ = try AdminClient(path: directory.socket(keeper.role)).send(request, timeoutSeconds: 5) } catch {
                replacementTrouble.withLock { $0 = "\(keeper.role): \(error)" }
                if keeper.role == new.role { return true }
            }
        }
        guard try pending(old.id, new.id, instances).isEmpty else { return true }
        (new.state, new.replaces, old.state, old.replaces) = (.member, nil, .leaving, nil)
        try setup.metadata.save([new, old])
        try setup.saveRoles()
        replacementTrouble.withLock { $0 = nil }
        logger.notice("node replaced", metadata: ["old": "\(old.id)", "new": "\(new.id)"])
        return true
    }

    /// What still keeps the old node: clusters whose groups are not known, and groups that have it or lack the new one.
    private func pending(_ old: NodeID, _ new: NodeID, _ instances: [InstanceStatus]) throws -> [String] {
        try setup.metadata.clusters().flatMap { cluster -> [String] in
            guard
                let groups = instances.first(where: { $0.cluster == cluster.id && $0.part == .writer })?
                    .driver?.members, !groups.isEmpty
            else {
                return ["\(cluster.id) is not running"]
            }
            return groups.filter { $0.sets.count != 1 || $0.sets[0].contains(old) || !$0.sets[0].contains(new) }
                .map { "\(cluster.id) g\($0.group)\($0.sets.count > 1 ? " (being filled)" : "")" }
        }
    }

    /// Has processes remove nodes that no protection group has any more.
    private func removeLeaving() throws {
        for var node in try setup.metadata.nodes() where node.state == .leaving {
            var isRemoved = true
            for keeper in volumeKeepers {
                // A process that is down does not know of the node when it starts again; its host has to remove the files.
                guard keeper.pid != nil else {
                    if keeper.role == node.role { isRemoved = false }
                    continue
                }
                let request = AdminRequest(.removeNode, node: NodeOrder(node: "\(node.id)"))
                let answer = try? AdminClient(path: directory.socket(keeper.role)).send(request, timeoutSeconds: 10)
                if answer == nil { isRemoved = false }
            }
            guard isRemoved else { continue }
            node.state = .retired
            try setup.metadata.save([node])
            try setup.saveCopies()
            let id = "\(node.id)"
            faults.withLock { state in
                state.nodesDown.removeAll { $0 == id }
                state.texts.removeAll { $0 == FaultOrder(.killNode, node: id).text }
            }
        }
    }

    /// Where a replacement is, in a few words.
    private func progress(of new: NodeRecord, replacing old: NodeID) -> String {
        let waiting = (try? pending(old, new.id, instances())) ?? []
        let trouble = replacementTrouble.withLock { $0 }.map { "; \($0)" } ?? ""
        guard !waiting.isEmpty else { return "\(new.id) takes the place of \(old)\(trouble)" }
        let more = waiting.count > 4 ? " and \(waiting.count - 4) more" : ""
        return
            "\(new.id) takes the place of \(old): waiting for \(waiting.prefix(4).joined(separator: ", "))\(more)\(trouble)"
    }
}
