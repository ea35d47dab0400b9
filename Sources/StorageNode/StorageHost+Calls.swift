// SPDX-License-Identifier: Apache-2.0

internal import LayerCore
internal import LayerStore
internal import LogWire
package import NIOCore
internal import NamespaceCore
internal import SegmentCore
package import StorageWire
internal import Synchronization
internal import VolumeModel

/// Answering calls: reads as of an LSN, and inspection.
extension StorageHost {
    /// Thrown answers travel to the asker as text.
    package func answer(_ call: ServiceCall) throws -> ByteBuffer {
        switch call {
        case .blocks(let volume, let group, let node, let file, let first, let count, let at, let complete):
            let id = SegmentID(volume: volume, group: group, node: node)
            let blocks = try read(id, file, first, count, at: at, complete: complete)
            var answer = ByteBuffer()
            answer.reserveCapacity(Int(count) * (BlockAnswer.blockBytes + 4))
            for block in blocks { BlockAnswer.write(block, checksum: block?.checksum ?? 0, to: &answer) }
            return answer
        case .digests(let volume, let group, let node, let file, let first, let count, let at, let complete):
            let id = SegmentID(volume: volume, group: group, node: node)
            var answer = ByteBuffer()
            for block in try read(id, file, first, count, at: at, complete: complete) {
                answer.writeLittle(block.map { max(1, $0.checksum) } ?? UInt32(0))
            }
            return answer
        case .namespace(let volume, let node, let at, let complete):
            let id = SegmentID(volume: volume, group: .namespace, node: node)
            let (layers, tail) = try view(id, at: at, complete: complete)
            return try layers.namespace(at: at, tail: tail).encoded
        case .log(let volume, let group, let node, let after, let limit):
            return try log(SegmentID(volume: volume, group: group, node: node), after: after, limit: limit)
        case .inventory:
            return try HostInventory(nodes: status()).encoded
        case .pin(let volume, let node, let holder, let at, let seconds):
            try pin(volume, node, holder: holder, at: at, seconds: seconds)
            return ByteBuffer()
        case .audit, .scrub: return try answerAboutDamage(call)
        case .layers, .layerContent, .timeline:
            return try answerAboutLayers(call)
        }
    }

    /// A segment's layers and an index of what is not in them, both good for reads at `at`.
    ///
    /// - Throws: if the node has not got everything that a read at `at` may need
    func view(_ id: SegmentID, at: LSN, complete: LSN) throws -> (LayerStore, TailIndex) {
        let (layers, tail) = try state.withLock { state throws(CallFailure) in
            let segment = try readable(id, complete: complete, in: state)
            return (segment.layers, segment.tail)
        }
        let index = try tail.index { known in
            try state.withLock { state throws(CallFailure) in
                let machine = try readable(id, complete: complete, in: state).machine
                return (machine.floor.lsn, machine.history(after: known, asOf: at))
            }
        }
        return (layers, index)
    }

    private func readable(_ id: SegmentID, complete: LSN, in state: State) throws(CallFailure) -> HostedSegment {
        guard state.isReady(id.node), !state.isolated.contains(id.node) else {
            throw CallFailure("\(id.node) is down")
        }
        guard let segment = state.segments[id] else {
            throw CallFailure("\(id.node) has no \(id.group) of \(id.volume)")
        }
        guard !segment.isCopying, !segment.lacksLayers else {
            throw CallFailure("\(id) is being copied from a peer")
        }
        guard segment.machine.scl >= complete else {
            throw CallFailure("\(id) is complete to \(segment.machine.scl) only, not to \(complete)")
        }
        return segment
    }

    private func read(
        _ id: SegmentID, _ file: FileID, _ first: UInt64, _ count: UInt32, at: LSN, complete: LSN
    ) throws -> [ByteBuffer?] {
        guard count <= 1024 else { throw CallFailure("at most 1024 blocks a call") }
        let (layers, tail) = try view(id, at: at, complete: complete)
        do {
            return try layers.blocks(
                file: file, range: first..<(first + UInt64(count)), at: at, tail: tail)
        } catch let error as LayerStoreError {
            noteTrouble(id, layers, error)
            throw error
        }
    }

    /// Retained parts after an LSN: for each a u64 start, u64 end, u32 epoch, u32 length, and the opened records.
    private func log(_ id: SegmentID, after: LSN, limit: UInt32) throws -> ByteBuffer {
        let found = state.withLock { state -> (GroupTail, [BatchHeader])? in
            guard state.isReady(id.node) else { return nil }
            return state.segments[id].map { segment in
                (segment.tail, segment.machine.history(after: after, upTo: segment.machine.complete))
            }
        }
        guard let (tail, history) = found else { throw CallFailure("\(id.node) has no \(id.group) of \(id.volume)") }
        var answer = ByteBuffer()
        for header in history.prefix(Int(limit)) {
            guard let plain = tail.open(header), answer.readableBytes + plain.readableBytes < Frame.longest / 2 else {
                break
            }
            answer.writeMultipleIntegers(
                header.start.value, header.end.value, header.epoch.value, UInt32(plain.readableBytes),
                endianness: .little)
            answer.writeImmutableBuffer(plain)
        }
        return answer
    }
}
