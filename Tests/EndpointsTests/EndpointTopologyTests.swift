// SPDX-License-Identifier: Apache-2.0

import Endpoints
import Testing

@Suite struct EndpointTopologyTests {
    private static func topology(
        writer: String?, available: Set<String> = ["i1", "i2", "i3"], members: [String]? = nil, excluded: [String] = []
    ) -> EndpointTopology {
        let kinds: [EndpointTopology.Kind] = [.writer, .reader, .customReader, .customAny]
        return EndpointTopology(clusters: [
            EndpointTopology.Cluster(
                id: "c",
                endpoints: kinds.map {
                    EndpointTopology.Endpoint(
                        id: $0.rawValue, kind: $0, host: "127.0.0.1", port: 1, members: members, excluded: excluded)
                },
                instances: ["i1", "i2", "i3"].map {
                    EndpointTopology.Instance(
                        id: $0, host: "127.0.0.2", port: 1, isWriter: $0 == writer, isAvailable: available.contains($0))
                })
        ])
    }

    private static func targets(
        _ kind: EndpointTopology.Kind, _ topology: EndpointTopology, _ load: [String: Int] = [:]
    ) -> [String] {
        topology.targets(of: kind.rawValue) { load[$0] ?? 0 }.map(\.id)
    }

    @Test func `the cluster endpoint leads to the writer and to nothing else`() {
        #expect(Self.targets(.writer, Self.topology(writer: "i2")) == ["i2"])
        #expect(Self.targets(.writer, Self.topology(writer: "i2", available: ["i1", "i3"])) == [])
        #expect(Self.targets(.writer, Self.topology(writer: nil)) == [])
    }

    @Test func `the reader endpoint prefers the reader with the fewest connections and has the writer last`() {
        let topology = Self.topology(writer: "i1")
        #expect(Self.targets(.reader, topology, ["i2": 2, "i3": 1]) == ["i3", "i2", "i1"])
        #expect(Self.targets(.reader, topology, ["i1": 9]) == ["i2", "i3", "i1"])
        #expect(Self.targets(.reader, Self.topology(writer: "i1", available: ["i1"])) == ["i1"])
        #expect(Self.targets(.reader, Self.topology(writer: "i1", available: [])) == [])
    }

    @Test func `a custom endpoint of readers never leads to the writer`() {
        #expect(Self.targets(.customReader, Self.topology(writer: "i1", members: ["i1", "i3"])) == ["i3"])
        #expect(Self.targets(.customReader, Self.topology(writer: "i3", members: ["i1", "i3"])) == ["i1"])
        #expect(Self.targets(.customReader, Self.topology(writer: "i1", excluded: ["i2"])) == ["i3"])
        #expect(Self.targets(.customReader, Self.topology(writer: "i1", members: ["i1"])) == [])
    }

    @Test func `a custom endpoint of any instances balances over all that it has`() {
        #expect(
            Self.targets(.customAny, Self.topology(writer: "i1", members: ["i1", "i3"]), ["i3": 1]) == ["i1", "i3"])
        #expect(Self.targets(.customAny, Self.topology(writer: "i1", excluded: ["i1"])) == ["i2", "i3"])
    }

    @Test func `an endpoint that nobody knows leads nowhere`() {
        #expect(Self.topology(writer: "i1").targets(of: "x") { _ in 0 }.isEmpty)
    }
}
