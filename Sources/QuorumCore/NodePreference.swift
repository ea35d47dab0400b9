// SPDX-License-Identifier: Apache-2.0

package import VolumeModel

/// The order in which nodes are asked for blocks: those that answered last first, beginning with another one each time, and
/// those that failed lately at the end.
///
/// A node that hangs would cost every read its time limit otherwise. A failure is forgotten after a while.
package struct NodePreference: Sendable {
    /// How long a failure counts, in the caller's monotonic nanoseconds.
    package static let memory: Int64 = 10_000_000_000

    private var failures: [NodeID: Int64] = [:]
    private var turn = 0

    package init() {}

    package mutating func order(_ nodes: [NodeID], now: Int64) -> [NodeID] {
        if !failures.isEmpty { failures = failures.filter { now - $0.value < Self.memory } }
        let good = nodes.filter { failures[$0] == nil }
        // The one that failed longest ago may have recovered.
        let bad = nodes.filter { failures[$0] != nil }.sorted { (failures[$0] ?? 0, $0) < (failures[$1] ?? 0, $1) }
        guard !good.isEmpty else { return bad }
        turn = (turn + 1) % good.count
        return Array(good[turn...] + good[..<turn]) + bad
    }

    package mutating func answered(_ node: NodeID) { failures[node] = nil }
    package mutating func failed(_ node: NodeID, now: Int64) { failures[node] = now }
}
