// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import LayerStore
internal import Logging
internal import SegmentCore
internal import Synchronization
internal import VolumeModel

/// A node whose disk is full or failing is taken out, so that the others go on without it; it comes back by itself.
///
/// Taken out means: as if it had crashed. What it had acknowledged stays in the journal, which keeps its files meanwhile. It is
/// tried again now and then, reads its journal, and catches up by gossip or by copying a peer's layers.
extension StorageHost {
    private static let firstRetryNanoseconds: Int64 = 1_000_000_000
    private static let longestRetryNanoseconds: Int64 = 60_000_000_000

    /// When a node that was taken out is tried again. Kept by the ticking thread.
    struct Retries {
        private var due: [NodeID: (at: Int64, pause: Int64)] = [:]

        /// Whether the node is to be tried now; the next time comes later and later.
        mutating func isDue(_ node: NodeID, now: Int64) -> Bool {
            guard let (at, pause) = due[node] else {
                due[node] = (now + StorageHost.firstRetryNanoseconds, StorageHost.firstRetryNanoseconds)
                return false
            }
            guard now >= at else { return false }
            let next = min(pause * 2, StorageHost.longestRetryNanoseconds)
            due[node] = (now + next, next)
            return true
        }

        /// Forgets nodes that have been well for the longest pause.
        mutating func forget(except out: Set<NodeID>, now: Int64) {
            due = due.filter { out.contains($0.key) || now < $0.value.at + StorageHost.longestRetryNanoseconds }
        }
    }

    /// Draws the consequences of an error of a segment's layers: damage is repaired, a failing disk takes its node out.
    func noteTrouble(_ id: SegmentID, _ layers: LayerStore, _ error: any Error) {
        // Whoever was at work for a node that has been restarted meanwhile, or on a volume that has been removed, finds its
        // files gone.
        func isMeant(_ state: borrowing State) -> Bool {
            state.segments[id]?.layers === layers && !state.removed.contains(id.volume)
        }
        guard let failure = StorageFailure(error) else {
            if let error = error as? LayerStoreError, state.withLock({ isMeant($0) }) { noteDamage(id, error) }
            return
        }
        let directory = nodeDirectory(id.node)
        // A copy between two nodes may have failed at the other one.
        guard failure.path == directory || failure.path.hasPrefix(directory + "/") else { return }
        let isNew = state.withLock { state in
            guard isMeant(state), !state.isOut(id.node) else { return false }
            takeOut(id.node, failure.isLoss ? .lostLayers(segmentDirectory(id, directory)) : failure, in: &state)
            return true
        }
        if isNew { layering.signal() }
    }

    func takeOut(_ node: NodeID, _ failure: StorageFailure, in state: inout State) {
        forget(node, in: &state)
        state.failed[node] = failure
        logger.critical("a node's disk fails; the node is out", metadata: ["node": "\(node)", "error": "\(failure)"])
    }

    /// Brings nodes back whose disk works again.
    func retryFailedNodes(_ retries: inout Retries) {
        let now = bx_monotonic_ns()
        let out = state.withLock { Set($0.failed.keys) }
        retries.forget(except: out, now: now)
        for node in out.sorted() where retries.isDue(node, now: now) && isUsable(node) {
            do {
                try rejoin(node) { state in state.failed.removeValue(forKey: node) != nil }
                logger.notice("the node's disk works again", metadata: ["node": "\(node)"])
            } catch {
                logger.error("bring a node back", metadata: ["node": "\(node)", "error": "\(error)"])
            }
        }
    }

    /// Whether the node's directory holds what it should, and has room for some layers.
    private func isUsable(_ node: NodeID) -> Bool {
        let directory = nodeDirectory(node)
        if let failure = state.withLock({ $0.failed[node] }), failure.isLoss {
            guard access("\(failure.path)/\(LayerStore.manifestName)", R_OK) == 0 else { return false }
        }
        do { try makeDirectory(directory) } catch { return false }
        let path = "\(directory)/probe"
        let fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard fd >= 0 else { return false }
        defer {
            close(fd)
            unlink(path)
        }
        return posix_fallocate(fd, 0, off_t(2 * configuration.layerBytes)) == 0 && fsync(fd) == 0
    }

    // MARK: - Lost layers

    /// Takes nodes out whose layers reach less far than their journal says: somebody has removed files. They are not copied
    /// back from a peer, for a directory that starts over would use its layer numbers, and so its nonces, twice: such a node
    /// is to be replaced.
    func checkLayers() {
        state.withLock { state in
            for id in state.segments.keys.sorted() {
                guard let segment = state.segments[id], segment.lacksLayers, !state.isOut(id.node) else { continue }
                let path = segmentDirectory(id, state.directories[id.node])
                // What was made just now must not be taken for what was there before.
                if segment.layers.statistics.layers == 0 { removeTree(path) }
                takeOut(id.node, .lostLayers(path), in: &state)
            }
        }
    }

    /// A node to copy a segment from, chosen at random among those that may have it.
    func copyPeer(of id: SegmentID, in state: borrowing State) -> NodeID? {
        let members = state.segments[id]?.machine.membership.nodes ?? []
        let out = Set(members.filter { state.isOut($0) || state.isolated.contains($0) })
        return members.filter { $0 != id.node && !out.contains($0) }.randomElement()
    }
}

extension StorageFailure {
    /// The failed file operation that an error is about, if it is about one.
    init?(_ error: any Error) {
        switch error {
        case let failure as StorageFailure: self = failure
        case LayerStoreError.system(let call, let path, let errno): self.init(call, path: path, errno: errno)
        default: return nil
        }
    }
}
