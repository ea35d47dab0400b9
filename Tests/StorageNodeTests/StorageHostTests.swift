// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import Keyring
import LogWire
import Logging
import NIOCore
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
        collecting: Bool = true, layerBytes: Int = 16 << 20, _ body: (StorageHost, _ directory: String) throws -> Void
    ) throws {
        let directory = FileManager.default.temporaryDirectory.path + "/host-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let host = try open(directory, collecting: collecting, layerBytes: layerBytes)
        defer { host.stop() }
        make(a1, on: host)
        try body(host, directory)
    }

    /// A host that has started on a directory, where there may have been one before.
    private static func open(
        _ directory: String, collecting: Bool = true, layerBytes: Int = 16 << 20
    ) throws -> StorageHost {
        var configuration = StorageHostConfiguration(
            directory: directory, nodes: [a1],
            peers: PeerDirectory([PeerAddress(nodes: [a1], host: "127.0.0.1", port: 1)]), listenHost: "127.0.0.1",
            listenPort: 0, security: .plain)
        configuration.journalFileBytes = 1 << 20
        configuration.historyBytes = 0
        configuration.layerBytes = layerBytes
        configuration.startsWithoutPins = collecting
        let host = try StorageHost(configuration, keys: Keys(), logger: Logger(label: "test"))
        try host.start()
        return host
    }

    private static func id(_ node: NodeID) -> SegmentID { SegmentID(volume: volume, group: .namespace, node: node) }

    private static func make(_ node: NodeID, of volume: VolumeID = volume, on host: StorageHost) {
        let tenure = Tenure(
            membership: Membership(epoch: MembershipEpoch(1), sets: [[node]]),
            groups: [GroupPlacement(group: .namespace, nodes: [node])])
        let connection = host.connect { _ in }
        let id = SegmentID(volume: volume, group: .namespace, node: node)
        host.deliver(.install(tenure), to: id, from: .driver(connection), payload: nil, create: true)
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

    // MARK: - Restarted nodes

    /// Hands a1 the next batch, a few bytes long, and says that all before it is durable.
    private static func append(after start: LSN, on host: StorageHost, _ connection: UInt64) throws -> LSN {
        var encoder = RecordEncoder(reusing: ByteBuffer())
        let end = encoder.timestamp(microseconds: start.value, flags: 1, epoch: .none, position: start)
        var header = BatchHeader(
            volume: volume, group: .namespace, epoch: .none, membershipEpoch: MembershipEpoch(1), start: start,
            end: end, previous: start, participants: [.namespace])
        let payload = PartSealer(group: .namespace, dataKey: try Keys().dataKey(volume: volume))
            .seal(encoder.buffer, header)
        header.payloadBytes = UInt32(payload.readableBytes)
        header.payloadCRC = payload.checksum
        host.append(
            [.init(header: header, payload: payload, membership: MembershipEpoch(1), nodes: [a1])], vdl: start,
            connection: connection)
        return end
    }

    /// layers:  | cuts a layer for a1 as it was .................... lists it |
    /// fault:          | a1 crashes | a1 comes back, reads what is listed |
    @Test func `a node that comes back while its layers are being cut keeps them all`() throws {
        try Self.withHost(layerBytes: 1) { host, directory in
            let connection = host.connect { _ in }
            var end = LSN.zero
            for _ in 0..<100 {
                for _ in 0..<5 { end = try Self.append(after: end, on: host, connection) }
                try host.inject(.killNode(Self.a1))
                try host.inject(.startNode(Self.a1))
                let status = host.status()[0]
                try #require(status.state == "up", "\(status.reason ?? "")")
                try #require(status.scl == end.value)
            }
        }
    }

    // MARK: - Removed volumes

    private static let other = VolumeID(2)

    private static func volumes(of host: StorageHost) -> Set<String> {
        Set(host.status().flatMap(\.segments).map(\.volume))
    }

    private static func exists(_ volume: VolumeID, in directory: String, node: String = "a1") -> Bool {
        FileManager.default.fileExists(atPath: "\(directory)/\(node)/\(volume)")
    }

    @Test func `a removed volume leaves nothing and others alone`() throws {
        try Self.withHost { host, directory in
            Self.make(Self.a1, of: Self.other, on: host)
            #expect(Self.volumes(of: host) == ["\(Self.volume)", "\(Self.other)"])
            try host.removeVolume(Self.volume)
            try host.removeVolume(Self.volume)
            #expect(Self.volumes(of: host) == ["\(Self.other)"])
            #expect(!Self.exists(Self.volume, in: directory) && Self.exists(Self.other, in: directory))
        }
    }

    @Test func `the journal does not bring a removed volume back, nor does a late writer`() throws {
        try Self.withHost { host, directory in
            Self.make(Self.a1, of: Self.other, on: host)
            try host.removeVolume(Self.volume)
            Self.make(Self.a1, on: host)
            #expect(Self.volumes(of: host) == ["\(Self.other)"])
            host.stop()
            // Its first entries are in the journal still.
            let next = try Self.open(directory)
            defer { next.stop() }
            #expect(Self.volumes(of: next) == ["\(Self.other)"])
            Self.make(Self.a1, on: next)
            #expect(Self.volumes(of: next) == ["\(Self.other)"])
            #expect(!Self.exists(Self.volume, in: directory))
        }
    }

    @Test func `a node that is down loses its part as well, and comes back without it`() throws {
        try Self.withHost { host, directory in
            Self.make(Self.a1, of: Self.other, on: host)
            try host.inject(.killNode(Self.a1))
            try host.removeVolume(Self.volume)
            #expect(!Self.exists(Self.volume, in: directory))
            try host.inject(.startNode(Self.a1))
            #expect(Self.volumes(of: host) == ["\(Self.other)"])
        }
    }

    @Test func `a removal that was interrupted ends with the next start`() throws {
        try Self.withHost { host, directory in
            try host.removeVolume(Self.volume)
            host.stop()
            // As if the disk had been away, or the machine had lost its power before the directory was gone for good.
            let left = "\(directory)/a1/\(Self.volume)/g0"
            try FileManager.default.createDirectory(atPath: left, withIntermediateDirectories: true)
            try Data([1]).write(to: URL(fileURLWithPath: "\(left)/layer"))
            let next = try Self.open(directory)
            defer { next.stop() }
            #expect(!Self.exists(Self.volume, in: directory))
        }
    }

    @Test func `what cannot be removed yet is said, and tried again`() throws {
        try Self.withHost { host, directory in
            let node = "\(directory)/a1"
            try FileManager.default.createDirectory(
                atPath: "\(node)/\(Self.volume)/g0/stuck", withIntermediateDirectories: true)
            // Root may do everything but remove what is mounted or immutable; a path that is no directory stands for it.
            let aside = node + ".aside"
            try FileManager.default.moveItem(atPath: node, toPath: aside)
            try FileManager.default.createSymbolicLink(atPath: node, withDestinationPath: node)
            #expect(throws: StorageFailure.self) { try host.removeVolume(Self.volume) }
            try FileManager.default.removeItem(atPath: node)
            try FileManager.default.moveItem(atPath: aside, toPath: node)
            try host.removeVolume(Self.volume)
            #expect(!Self.exists(Self.volume, in: directory))
        }
    }
}
