// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
package import VolumeModel

/// Which storage process hosts which node: one book for everything in a process that sends.
///
/// The processes stay the same for a process's life; nodes come and go as they are replaced. Thread-safe.
package final class PeerDirectory: Sendable {
    private let entries: Mutex<[PeerAddress]>

    package init(_ addresses: [PeerAddress]) { entries = Mutex(addresses) }

    /// In an order that never changes, so that an index names a process.
    package var addresses: [PeerAddress] { entries.withLock { $0 } }

    /// Every node, sorted.
    package var nodes: [NodeID] { addresses.flatMap(\.nodes).sorted() }

    /// The index of the process that hosts a node.
    package func index(of node: NodeID) -> Int? { entries.withLock { $0.firstIndex { $0.nodes.contains(node) } } }

    /// The nodes of the process with that index.
    package func nodes(at index: Int) -> [NodeID] { entries.withLock { $0[index].nodes } }

    /// Enters a node in the process of another one. False if nobody hosts that one. Repeatable.
    @discardableResult
    package func add(_ node: NodeID, beside other: NodeID) -> Bool {
        entries.withLock { entries in
            if entries.contains(where: { $0.nodes.contains(node) }) { return true }
            guard let index = entries.firstIndex(where: { $0.nodes.contains(other) }) else { return false }
            entries[index].nodes = (entries[index].nodes + [node]).sorted()
            return true
        }
    }

    package func remove(_ node: NodeID) {
        entries.withLock { entries in
            for index in entries.indices { entries[index].nodes.removeAll { $0 == node } }
        }
    }
}
