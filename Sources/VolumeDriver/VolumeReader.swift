// SPDX-License-Identifier: Apache-2.0

package import LogWire
package import Logging
internal import NIOCore
package import NamespaceCore
package import StorageNode
internal import StorageWire
package import VolumeModel

/// Looks at a volume through its storage nodes, without claiming it: for tools.
package final class VolumeReader: Sendable {
    package let volume: VolumeID
    private let transport: any StorageTransport

    package init(volume: VolumeID, access: StorageAccess, logger: Logger) throws {
        self.volume = volume
        transport = try access.open(TransportEvents(reply: { _ in }, connection: { _, _ in }), logger: logger)
    }

    package func close() { transport.close() }

    /// What each node that answers says of itself, and the nodes that do not answer.
    package func survey() -> (nodes: [NodeStatus], silent: [NodeID]) {
        var found: [NodeStatus] = []
        var silent: [NodeID] = []
        for node in transport.nodes {
            if let body = try? transport.call(.inventory, node: node), let host = try? HostInventory(decoding: body),
                let status = host.nodes.first(where: { $0.node == node })
            {
                found.append(status)
            } else {
                silent.append(node)
            }
        }
        return (found, silent)
    }

    /// The volume's segments among a survey's nodes.
    package func segments(of nodes: [NodeStatus]) -> [(node: NodeID, segment: NodeStatus.Segment)] {
        nodes.filter { $0.state == "up" }.flatMap { status in
            status.segments.filter { $0.volume == volume.description && $0.isMember }.map { (status.node, $0) }
        }
    }

    /// The namespace as of an LSN, from the first node that can tell.
    package func namespace(at lsn: LSN, from nodes: [NodeID], complete: LSN) throws -> Namespace {
        var last: (any Error)?
        for node in nodes {
            do {
                let body = try transport.call(
                    .namespace(volume: volume, node: node, at: lsn, complete: complete), node: node)
                return try Namespace(decoding: body)
            } catch { last = error }
        }
        throw DriverError("no node can tell the namespace at \(lsn): \(last.map { "\($0)" } ?? "none is up")")
    }

    /// CRC32C of each block as one node has it; 0 for an all-zero block.
    package func digests(
        group: GroupID, node: NodeID, file: FileID, first: UInt64, count: Int, at lsn: LSN, complete: LSN
    ) throws -> [UInt32] {
        var body = try transport.call(
            .digests(
                volume: volume, group: group, node: node, file: file, first: first, count: UInt32(count), at: lsn,
                complete: complete), node: node)
        var digests: [UInt32] = []
        while let value: UInt32 = body.readLittle() { digests.append(value) }
        guard digests.count == count else { throw DriverError("\(node) answered \(digests.count) of \(count) blocks") }
        return digests
    }

    /// Has a node authenticate all that it has of a group in layers, as it is on its disk.
    ///
    /// - Parameter progress: told the bytes read so far; false ends it
    /// - Returns: how many layers are damaged; they are being replaced by a peer's
    package func scrub(group: GroupID, node: NodeID, progress: (UInt64) -> Bool) throws -> Int {
        var bytes: UInt64 = 0
        var at: (layer: UInt32, chunk: UInt32) = (0, 0)
        while true {
            var body = try transport.call(
                .scrub(volume: volume, group: group, node: node, layer: at.layer, chunk: at.chunk), node: node)
            guard
                let (read, damaged, hasMore, layer, chunk) = body.readMultipleIntegers(
                    endianness: .little, as: (UInt64, UInt32, UInt8, UInt32, UInt32).self)
            else { throw DriverError("\(node) answered a scrub with too few bytes") }
            bytes += read
            // The node copies the segment anew now; there is no point in reading on.
            if damaged > 0 || hasMore == 0 || !progress(bytes) { return Int(damaged) }
            at = (layer, chunk)
        }
    }

    /// Parts of the log that a node's journal holds because no layer does: those that are sound, and those that are not.
    package func audit(node: NodeID) throws -> (sound: Int, missing: Int) {
        var body = try transport.call(.audit(volume: volume, node: node), node: node)
        guard let (sound, missing) = body.readMultipleIntegers(endianness: .little, as: (UInt32, UInt32).self) else {
            throw DriverError("\(node) answered an audit with too few bytes")
        }
        return (Int(sound), Int(missing))
    }

    /// Records that a node has not put into layers yet, from an LSN on; at most as many as one answer holds.
    package func log(group: GroupID, node: NodeID, after lsn: LSN) throws -> (records: [Record], end: LSN) {
        var body = try transport.call(
            .log(volume: volume, group: group, node: node, after: lsn, limit: 4096), node: node)
        var records: [Record] = []
        var end = lsn
        while let (_, batchEnd, _, length) = body.readMultipleIntegers(
            endianness: .little, as: (UInt64, UInt64, UInt32, UInt32).self)
        {
            guard let plain = body.readSlice(length: Int(length)) else { break }
            var decoder = RecordDecoder(plain)
            while let record = try decoder.next() { records.append(record) }
            end = LSN(batchEnd)
        }
        return (records, end)
    }

    /// (microseconds since 1970, LSN) pairs, ascending: which time an LSN stands for.
    package func timeline(node: NodeID) throws -> [(microseconds: UInt64, lsn: LSN)] {
        var body = try transport.call(.timeline(volume: volume, node: node), node: node)
        var points: [(microseconds: UInt64, lsn: LSN)] = []
        while let (time, lsn) = body.readMultipleIntegers(endianness: .little, as: (UInt64, UInt64).self) {
            points.append((time, LSN(lsn)))
        }
        return points
    }
}

extension Namespace {
    /// The content of a file as runs of blocks, each of one group.
    package func runs(of id: FileID, chunkBytes: UInt64, blockBytes: UInt64 = 8192) -> [(
        group: GroupID, first: UInt64, count: Int
    )] {
        guard let file = file(id), file.size > 0 else { return [] }
        var runs: [(group: GroupID, first: UInt64, count: Int)] = []
        var at: UInt64 = 0
        while at < file.size {
            let chunk = at / chunkBytes
            let end = min(file.size, (chunk + 1) * chunkBytes)
            let owner = group(of: id, chunk: chunk) ?? .namespace
            runs.append((owner, at / blockBytes, Int((end - at + blockBytes - 1) / blockBytes)))
            at = end
        }
        return runs
    }
}
