// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import Keyring
import LayerStore
import LogWire
import Logging
import NIOCore
import SegmentCore
import StorageNode
import StorageWire
import Synchronization
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
        collecting: Bool = true, layerBytes: Int = 16 << 20, onLayerStep: LayerStore.StepHook? = nil,
        _ body: (StorageHost, _ directory: String) throws -> Void
    ) throws {
        let directory = FileManager.default.temporaryDirectory.path + "/host-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let host = try open(directory, collecting: collecting, layerBytes: layerBytes, onLayerStep: onLayerStep)
        defer { host.stop() }
        make(a1, on: host)
        try body(host, directory)
    }

    /// A host that has started on a directory, where there may have been one before.
    private static func open(
        _ directory: String, collecting: Bool = true, layerBytes: Int = 16 << 20,
        onLayerStep: LayerStore.StepHook? = nil
    ) throws -> StorageHost {
        var configuration = StorageHostConfiguration(
            directory: directory, nodes: [a1],
            peers: PeerDirectory([PeerAddress(nodes: [a1], host: "127.0.0.1", port: 1)]), listenHost: "127.0.0.1",
            listenPort: 0, security: .plain)
        configuration.journalFileBytes = 1 << 20
        configuration.journalFilesMax = 2
        configuration.historyBytes = 0
        configuration.layerBytes = layerBytes
        configuration.onLayerStep = onLayerStep
        configuration.startsWithoutPins = collecting
        let host = try StorageHost(configuration, keys: Keys(), logger: Logger(label: "test"))
        try host.start()
        return host
    }

    private static func id(_ node: NodeID) -> SegmentID { SegmentID(volume: volume, group: .namespace, node: node) }

    private static func make(
        _ node: NodeID, among members: [NodeID]? = nil, of volume: VolumeID = volume, on host: StorageHost
    ) {
        let members = members ?? [node]
        let tenure = Tenure(
            membership: Membership(epoch: MembershipEpoch(1), sets: [members]),
            groups: [GroupPlacement(group: .namespace, nodes: members)])
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

    /// Hands nodes the next batch, a few bytes long, and says that all before it is durable.
    private static func append(
        after start: LSN, to nodes: [NodeID] = [a1], of volume: VolumeID = volume, on host: StorageHost,
        _ connection: UInt64
    ) throws -> LSN {
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
            [.init(header: header, payload: payload, membership: MembershipEpoch(1), nodes: nodes)], vdl: start,
            connection: connection)
        return end
    }

    /// layers:  | writes a layer for a1 ............................ lists it |
    /// fault:          | a1 crashes | a1 comes back, reads what is listed |
    @Test func `a node that comes back while a layer is being cut for it goes on with what is listed`() throws {
        let (written, isBack) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let isFirst = Mutex(true)
        @Sendable func pause(_ step: StoreStep) {
            guard step == .directorySynced,
                isFirst.withLock({ first in
                    defer { first = false }
                    return first
                })
            else { return }
            written.signal()
            isBack.wait()
        }
        try Self.withHost(layerBytes: 1, onLayerStep: pause) { host, _ in
            let connection = host.connect { _ in }
            var end = LSN.zero
            for _ in 0..<3 { end = try Self.append(after: end, on: host, connection) }
            written.wait()
            try host.inject(.killNode(Self.a1))
            try host.inject(.startNode(Self.a1))
            isBack.signal()
            let target = end
            let deadline = ContinuousClock.now + .seconds(30)
            while host.status()[0].segments.first.map({ $0.layered < target.value }) ?? true {
                try #require(ContinuousClock.now < deadline, "\(host.status()[0])")
                end = try Self.append(after: end, on: host, connection)
                usleep(1000)
            }
            // Reads all layers.
            _ = try host.answer(.timeline(volume: Self.volume, node: Self.a1))
            #expect(host.status()[0].state == "up" && host.status()[0].damaged == 0)
        }
    }

    /// a1:      | promises | is out ......... | comes back |
    /// journal: | file 1 ............| file 2 .............. file 1 is recycled | start
    @Test func `what a node has promised outlives the files of the time before it was out`() throws {
        try Self.withHost(layerBytes: 1 << 10) { host, directory in
            try host.addNode(Self.a2, directory: nil)
            Self.make(Self.a2, among: [Self.a1, Self.a2], on: host)
            let connection = host.connect { _ in }
            host.deliver(
                .claim(VolumeEpoch(7), claimant: 1), to: Self.id(Self.a1), from: .driver(connection),
                payload: nil, create: false)
            try host.inject(.killNode(Self.a1))
            var end = LSN.zero
            func append(pause: UInt32 = 0, until isDone: () -> Bool) throws {
                let deadline = ContinuousClock.now + .seconds(60)
                while !isDone() {
                    try #require(ContinuousClock.now < deadline, "\(host.journalStatistics().files) files")
                    end = try Self.append(after: end, to: [Self.a2], on: host, connection)
                    usleep(pause)
                }
            }
            try append { host.journalStatistics().files > 1 }
            try host.inject(.startNode(Self.a1))
            // Slower than layers are made.
            try append(pause: 2000) { host.journalStatistics().files == 1 }
            host.stop()
            let next = try Self.open(directory)
            defer { next.stop() }
            let segment = try #require(next.status()[0].segments.first)
            #expect(segment.promised == 7 && segment.membership == 1 && segment.isMember)
        }
    }

    @Test func `the journal of a host does not grow for a node that is out, and the node loses nothing`() throws {
        try Self.withHost(layerBytes: 1 << 10) { host, directory in
            try host.addNode(Self.a2, directory: nil)
            // Alone in its group, so that nobody gives back to a1 what it might lose.
            Self.make(Self.a2, of: Self.other, on: host)
            let connection = host.connect { _ in }
            var own = LSN.zero
            for _ in 0..<5 { own = try Self.append(after: own, on: host, connection) }
            host.deliver(
                .claim(VolumeEpoch(7), claimant: 1), to: Self.id(Self.a1), from: .driver(connection), payload: nil,
                create: false)
            try host.inject(.killNode(Self.a1))
            var end = LSN.zero
            func append() throws {
                end = try Self.append(after: end, to: [Self.a2], of: Self.other, on: host, connection)
            }
            // Ten files' worth; and then slower than layers are made, until most of them have been given back.
            for _ in 0..<2500 { try append() }
            let deadline = ContinuousClock.now + .seconds(60)
            while host.journalStatistics().files > 4 {
                try #require(ContinuousClock.now < deadline, "\(host.journalStatistics().files) files")
                try append()
                usleep(2000)
            }
            func check(_ host: StorageHost) throws {
                let segment = try #require(host.status()[0].segments.first)
                #expect(segment.promised == 7 && segment.membership == 1 && segment.scl == own.value)
            }
            try host.inject(.startNode(Self.a1))
            try check(host)
            host.stop()
            let next = try Self.open(directory)
            defer { next.stop() }
            try check(next)
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
