// SPDX-License-Identifier: Apache-2.0

import QuorumCore
import Testing
import VolumeModel

@Suite struct NodePreferenceTests {
    private let nodes = ["a1", "b1", "c1"].compactMap { NodeID($0) }

    /// Who is asked first, and last, in as many reads as there are nodes.
    private func ends(_ preference: inout NodePreference, now: Int64) -> (first: Set<NodeID>, last: Set<NodeID>) {
        let orders = nodes.map { _ in preference.order(nodes, now: now) }
        return (Set(orders.map { $0[0] }), Set(orders.map { $0[2] }))
    }

    @Test func `nodes that answer take turns`() {
        var preference = NodePreference()
        #expect(ends(&preference, now: 0).first == Set(nodes))
    }

    @Test func `a node that failed is asked last until it answers`() {
        var preference = NodePreference()
        preference.failed(nodes[1], now: 0)
        #expect(ends(&preference, now: 1).last == [nodes[1]])
        preference.answered(nodes[1])
        #expect(ends(&preference, now: 1).first == Set(nodes))
    }

    @Test func `a failure is forgotten after a while`() {
        var preference = NodePreference()
        preference.failed(nodes[0], now: 0)
        #expect(ends(&preference, now: NodePreference.memory - 1).last == [nodes[0]])
        #expect(ends(&preference, now: NodePreference.memory).first == Set(nodes))
    }

    @Test func `when all have failed the one that failed first is asked first`() {
        var preference = NodePreference()
        for (time, node) in [nodes[2], nodes[0], nodes[1]].enumerated() { preference.failed(node, now: Int64(time)) }
        #expect(preference.order(nodes, now: 5) == [nodes[2], nodes[0], nodes[1]])
    }
}
