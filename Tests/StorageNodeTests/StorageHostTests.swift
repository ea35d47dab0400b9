// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import Keyring
import Logging
import SegmentCore
import StorageNode
import StorageWire
import Testing
import VolumeModel

/// A host without a network: what it does with nodes and pins by itself.
@Suite struct StorageHostTests {
    private struct Keys: VolumeKeySource {
        func dataKey(volume: VolumeID) throws -> SymmetricKey { SymmetricKey(data: Data(repeating: 7, count: 32)) }
    }

    private static let volume = VolumeID(1)
    private static let a1 = NodeID("a1")!
    private static let a2 = NodeID("a2")!

    /// Runs `body` on a host that has node a1 with an empty segment of group 0.
    private static func withHost(
        collecting: Bool = true, _ body: (StorageHost, _ directory: String) throws -> Void
    ) throws {
        let directory = FileManager.default.temporaryDirectory.path + "/host-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var configuration = StorageHostConfiguration(
            directory: directory, nodes: [a1],
            peers: PeerDirectory([PeerAddress(nodes: [a1], host: "127.0.0.1", port: 1)]), listenHost: "127.0.0.1",
            listenPort: 0, security: .plain)
        configuration.journalFileBytes = 1 << 20
        configuration.historyBytes = 0
        configuration.startsWithoutPins = collecting
        let host = try StorageHost(configuration, keys: Keys(), logger: Logger(label: "test"))
        defer { host.stop() }
        try host.start()
        make(a1, on: host)
        try body(host, directory)
    }

    private static func id(_ node: NodeID) -> SegmentID { SegmentID(volume: volume, group: .namespace, node: node) }

    private static func make(_ node: NodeID, on host: StorageHost) {
        let tenure = Tenure(
            membership: Membership(epoch: MembershipEpoch(1), sets: [[node]]),
            groups: [GroupPlacement(group: .namespace, nodes: [node])])
        let connection = host.connect { _ in }
        host.deliver(.install(tenure), to: id(node), from: .driver(connection), payload: nil, create: true)
        host.disconnect(connection)
    }

    private static func pin(_ lsn: LSN, seconds: UInt32, on host: StorageHost) throws {
        _ = try host.answer(.pin(volume: volume, node: a1, holder: 5, at: lsn, seconds: seconds))
    }

    @Test func `a mount's pin reaches the compaction and ends with the mount`() throws {
        try Self.withHost { host, _ in
            try Self.pin(LSN(40), seconds: 60, on: host)
            #expect(host.readPoints(of: Self.id(Self.a1)).pins == [LSN(40)])
            try Self.pin(LSN(40), seconds: 0, on: host)
            #expect(host.readPoints(of: Self.id(Self.a1)).pins == [])
        }
    }

    @Test func `a host that has just started collects nothing before mounts can renew`() throws {
        try Self.withHost(collecting: false) { host, _ in
            try Self.pin(LSN(40), seconds: 60, on: host)
            let points = host.readPoints(of: Self.id(Self.a1))
            #expect(points.horizon == .zero && points.pins == [])
        }
    }

    @Test func `a node comes with an empty directory and goes with all of it`() throws {
        try Self.withHost { host, directory in
            try host.addNode(Self.a2, directory: nil)
            try host.addNode(Self.a2, directory: nil)
            #expect(host.nodes == [Self.a1, Self.a2])
            Self.make(Self.a2, on: host)
            #expect(host.status().map(\.segments.count) == [1, 1])
            #expect(FileManager.default.fileExists(atPath: "\(directory)/a2"))
            host.removeNode(Self.a2)
            host.removeNode(Self.a2)
            #expect(host.nodes == [Self.a1])
            #expect(!FileManager.default.fileExists(atPath: "\(directory)/a2"))
        }
    }

    @Test func `a new node is refused a directory with something in it`() throws {
        try Self.withHost { host, directory in
            try FileManager.default.createDirectory(atPath: "\(directory)/a2", withIntermediateDirectories: true)
            try Data([1]).write(to: URL(fileURLWithPath: "\(directory)/a2/old"))
            #expect(throws: StorageFailure.self) { try host.addNode(Self.a2, directory: nil) }
            #expect(host.nodes == [Self.a1])
        }
    }

    @Test func `a node whose directory is none is out, and says why`() throws {
        try Self.withHost { host, directory in
            try host.addNode(Self.a2, directory: nil)
            try FileManager.default.removeItem(atPath: "\(directory)/a2")
            try Data([1]).write(to: URL(fileURLWithPath: "\(directory)/a2"))
            Self.make(Self.a2, on: host)
            #expect(host.status().map(\.state) == ["up", "failed"])
            #expect(host.status()[1].reason?.contains("Not a directory") == true)
        }
    }
}
