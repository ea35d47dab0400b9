// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import LayerCore
internal import LayerStore
internal import Logging
internal import NIOCore
internal import SegmentCore
internal import StorageWire
internal import Synchronization
internal import VolumeModel

/// Copying a segment's layers from a peer: for a node too far behind for gossip, and for damaged layers.
///
/// The peer's layers replace all of the segment's own. They must reach at least as far as the segment's floor did, because
/// what lies below it is in layers only.
extension StorageHost {
    private static let copyBytes: UInt32 = 1 << 20
    private static let copiesMax = 16

    /// Copies on a thread of its own. `isCopying` is set; it is cleared at the end, whatever the end is.
    func startCopy(_ id: SegmentID, from node: NodeID) {
        // It may be another one by now, which nobody wants copied.
        guard let segment = state.withLock({ $0.segments[id].flatMap { $0.isCopying ? $0 : nil } }) else { return }
        let thread = Thread { [self] in
            do {
                try copySegment(id, segment, from: node)
                logger.notice("segment copied", metadata: ["segment": "\(id)", "from": "\(node)"])
            } catch {
                logger.error("copy segment", metadata: ["segment": "\(id)", "from": "\(node)", "error": "\(error)"])
                state.withLock { _ in segment.isCopying = false }
                noteTrouble(id, segment.layers, error)
            }
        }
        thread.name = "copy"
        thread.start()
    }

    private func ask(_ call: ServiceCall, of node: NodeID) throws -> ByteBuffer {
        if nodes.contains(node) { return try answer(call) }
        return try links.call(call, node: node)
    }

    private func copySegment(_ id: SegmentID, _ segment: HostedSegment, from node: NodeID) throws {
        let own = state.withLock { _ in segment.machine.floor.lsn }
        var answer = try ask(
            .layers(volume: id.volume, group: id.group, node: node, atLeast: own), of: node)
        guard let copy: UInt64 = answer.readLittle(), let floor = Floor(readingFrom: &answer) else {
            throw CallFailure("the peer's answer is malformed")
        }
        let description = try SegmentDescription(decoding: &answer)
        let importer = try segment.layers.importer(description)
        while let (layer, offset) = importer.wanted {
            let bytes = try ask(
                .layerContent(copy: copy, layer: layer, offset: offset, count: Self.copyBytes), of: node)
            guard bytes.readableBytes > 0 else { throw CallFailure("the peer's layer \(layer) is too short") }
            try importer.append(bytes)
        }
        try importer.finish()
        state.withLock { state in
            segment.isCopying = false
            // A node that has been restarted meanwhile has seen the layers that were exchanged.
            guard state.segments[id] === segment else { return }
            state.repaired[id.node, default: 0] += 1
            withMachine(id, in: &state) { machine, actions in
                if floor.lsn > machine.complete {
                    _ = machine.installSnapshot(floor, into: &actions)
                } else {
                    _ = machine.layered(upTo: floor.lsn, into: &actions)
                }
            }
        }
        settle()
    }

    /// The peer's side.
    func answerAboutLayers(_ call: ServiceCall) throws -> ByteBuffer {
        switch call {
        case .layers(let volume, let group, let node, let atLeast):
            return try beginCopy(SegmentID(volume: volume, group: group, node: node), atLeast: atLeast)
        case .layerContent(let copy, let layer, let offset, let count):
            guard let export = state.withLock({ $0.exports[copy] }) else { throw CallFailure("copy \(copy) has ended") }
            return try export.content.read(layer: layer, offset: offset, count: Int(min(count, 8 << 20)))
        case .timeline(let volume, let node):
            let id = SegmentID(volume: volume, group: .namespace, node: node)
            let complete = state.withLock { $0.segments[id]?.machine.complete } ?? .zero
            let (layers, tail) = try view(id, at: complete, complete: .zero)
            var answer = ByteBuffer()
            for point in try layers.timeline(tail: tail) {
                answer.writeMultipleIntegers(point.microseconds, point.lsn.value, endianness: .little)
            }
            return answer
        default: throw CallFailure("not a call about layers")
        }
    }

    private func beginCopy(_ id: SegmentID, atLeast: LSN) throws -> ByteBuffer {
        for _ in 0..<10 {
            cutLayers(GroupKey(volume: id.volume, group: id.group))
            let begun = state.withLock { state -> (UInt64, Floor, SegmentExport)? in
                guard state.isReady(id.node), let segment = state.segments[id], !segment.isCopying,
                    !segment.lacksLayers
                else { return nil }
                let export = segment.layers.export()
                // Layers are cut before the machine hears of it: only a moment when both agree will do.
                guard export.description.layeredLSN == segment.machine.floor.lsn, segment.machine.floor.lsn >= atLeast
                else { return nil }
                state.lastConnection += 1
                state.exports[state.lastConnection] = (id, export)
                while state.exports.count > Self.copiesMax, let oldest = state.exports.keys.min() {
                    state.exports[oldest] = nil
                }
                return (state.lastConnection, segment.machine.floor, export)
            }
            guard let (copy, floor, export) = begun else { continue }
            var answer = ByteBuffer()
            answer.writeLittle(copy)
            floor.write(to: &answer)
            export.description.encode(into: &answer)
            return answer
        }
        throw CallFailure("\(id) has not got layers up to \(atLeast)")
    }
}
