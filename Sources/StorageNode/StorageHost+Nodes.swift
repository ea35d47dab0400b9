// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LayerStore
internal import Logging
internal import SegmentCore
internal import Synchronization
package import VolumeModel

/// Nodes that come and go while the host runs: how a lost node is replaced.
extension StorageHost {
    /// The nodes of this host, sorted.
    package var nodes: [NodeID] { state.withLock { $0.nodes } }

    /// Hosts a node that has nothing yet. Its segments come with the tenures that a writer brings. Repeatable.
    ///
    /// - Parameter directory: where its segments go; nil: in the host's directory
    /// - Throws: if the node's directory cannot be made, or holds something
    package func addNode(_ node: NodeID, directory: String?) throws {
        guard !nodes.contains(node) else { return }
        let path = directory ?? "\(configuration.directory)/\(node)"
        try makeDirectory(path)
        guard try listDirectory(path).isEmpty else {
            throw StorageFailure("use the directory of a new node", path: path, errno: ENOTEMPTY)
        }
        state.withLock { state in
            state.directories[node] = path
            state.nodes = (state.nodes + [node]).sorted()
        }
        logger.notice("node added", metadata: ["node": "\(node)", "directory": "\(path)"])
    }

    /// Lets a node go that is in no membership any more, with everything it has on disk. Repeatable.
    package func removeNode(_ node: NodeID) {
        let path = nodeDirectory(node)
        let wasHosted = state.withLock { state in
            guard state.nodes.contains(node) else { return false }
            forget(node, in: &state)
            state.nodes.removeAll { $0 == node }
            state.down.remove(node)
            state.starting.remove(node)
            state.isolated.remove(node)
            state.failed[node] = nil
            state.directories[node] = nil
            return true
        }
        closeLayers(of: node)
        removeTree(path)
        if wasHosted { logger.notice("node removed", metadata: ["node": "\(node)"]) }
    }

    /// Drops what is known of a node's segments, as its crash would.
    func forget(_ node: NodeID, in state: inout State) {
        for id in state.segments.keys where id.node == node {
            if let segment = state.segments.removeValue(forKey: id) {
                state.abandoned[node, default: []].append(segment.layers)
            }
        }
        state.queue.removeAll { $0.entry.segment.node == node }
    }

    /// Waits for whoever is at work on the layers that a forgotten node had, and lets nobody change them any more.
    func closeLayers(of node: NodeID) {
        for layers in state.withLock({ $0.abandoned.removeValue(forKey: node) ?? [] }) { layers.close() }
    }

    /// Where a node keeps its segments' layers.
    func nodeDirectory(_ node: NodeID) -> String {
        state.withLock { $0.directories[node] } ?? "\(configuration.directory)/\(node)"
    }
}
