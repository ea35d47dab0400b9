// SPDX-License-Identifier: Apache-2.0

package import LayerCore
internal import LogWire
internal import NIOCore
package import NamespaceCore
internal import Synchronization
package import VolumeModel

extension LayerStore {
    /// The namespace as of an LSN; group 0 only (other groups have none).
    ///
    /// The nearest snapshot at or below, and the records after it. What the layers say at their newest is kept decoded.
    /// - Throws: `notRetained`, `damaged`, `badRecord`
    package func namespace(at lsn: LSN, tail: TailIndex) throws -> Namespace {
        let batches = tail.batches(after: .zero, through: LSN(.max))
        let set = self.current
        var (at, namespace) = try namespace(in: set, at: min(lsn, set.layeredLSN))
        for (header, payload) in batches where header.end > set.layeredLSN && header.start < lsn {
            do {
                try namespace.apply(records: payload, after: max(at, set.layeredLSN), through: lsn)
            } catch {
                throw LayerStoreError.badRecord(RecordTrouble(batchEnd: header.end, what: "\(error)"))
            }
            at = max(at, min(lsn, header.end))
        }
        return namespace
    }

    /// From the layers alone; `lsn` is not above the layered LSN.
    func namespace(in set: LayerSet, at lsn: LSN) throws -> (LSN, Namespace) {
        var from = LSN.zero
        var namespace = Namespace()
        let known = namespaceCache.withLock { $0 }
        let snapshot = set.namespaces.last { $0.layer.end <= lsn }
        if let known, known.lsn <= lsn, known.lsn >= snapshot?.layer.end ?? .zero, known.lsn >= set.retiredLSN {
            (from, namespace) = known
        } else if let snapshot {
            from = snapshot.layer.end
            namespace = try decode(snapshot)
        }
        guard from == lsn || from >= set.retiredLSN else { throw LayerStoreError.notRetained(lsn) }
        for live in set.deltas where live.layer.end > from && live.layer.start < lsn {
            if let what = live.file.damage {
                throw LayerStoreError.damaged(layer: live.layer.number, chunk: nil, what: what)
            }
            for index in live.file.chunks(of: .records) {
                let records = try chunk(live.file, index)
                do {
                    try namespace.apply(records: records, after: from, through: lsn)
                } catch {
                    throw LayerStoreError.damaged(layer: live.layer.number, chunk: UInt32(index), what: "\(error)")
                }
            }
        }
        if lsn == set.layeredLSN { namespaceCache.withLock { $0 = (lsn, namespace) } }
        return (lsn, namespace)
    }

    private func decode(_ live: LiveLayer) throws -> Namespace {
        var bytes = ByteBuffer()
        if let what = live.file.damage {
            throw LayerStoreError.damaged(layer: live.layer.number, chunk: nil, what: what)
        }
        for index in live.file.chunks(of: .snapshot) { bytes.writeImmutableBuffer(try chunk(live.file, index)) }
        do {
            return try Namespace(decoding: bytes)
        } catch {
            throw LayerStoreError.damaged(layer: live.layer.number, chunk: nil, what: "\(error)")
        }
    }

    /// A durable snapshot of the namespace.
    func writeNamespace(_ namespace: Namespace, at lsn: LSN, _ twins: LayerTwins) throws -> [LiveLayer] {
        let writer = try twins.newWriter()
        try ChunkRows.emit(snapshot: namespace.encoded) { try writer.append($0) }
        return try twins.live(writer, LayerDescriptor(number: 0, kind: .namespace, start: lsn, end: lsn))
    }

    // MARK: - Time

    /// Wall-clock times and their LSNs, ascending, a second or more apart; the first at or below the retired LSN.
    ///
    /// From the layers; the tail's timestamps follow. O(points).
    package func timeline(tail: TailIndex) throws -> [TimelinePoint] {
        let batches = tail.batches(after: .zero, through: LSN(.max))
        let set = self.current
        var points = set.timelineBase.map { [$0] } ?? []
        for live in set.deltas { points += try timeline(live).filter { $0.lsn > points.last?.lsn ?? .zero } }
        for (header, payload) in batches where header.end > set.layeredLSN {
            var decoder = RecordDecoder(payload)
            do {
                while let (record, body) = try decoder.nextRaw() {
                    guard record.kind == .timestamp,
                        let time = body.getInteger(at: body.readerIndex, endianness: .little, as: UInt64.self),
                        time >= (points.last?.microseconds ?? 0) &+ TimelinePoint.spacing
                    else { continue }
                    points.append(TimelinePoint(microseconds: time, lsn: record.lsn))
                }
            } catch {
                throw LayerStoreError.badRecord(RecordTrouble(batchEnd: header.end, what: "\(error)"))
            }
        }
        return points
    }

    /// The last known LSN at or before a time, microseconds since 1970; nil if the time is before what is kept.
    package func lsn(atMicroseconds time: UInt64, tail: TailIndex) throws -> LSN? {
        try timeline(tail: tail).last { $0.microseconds <= time }?.lsn
    }

    func timeline(_ live: LiveLayer) throws -> [TimelinePoint] {
        var points: [TimelinePoint] = []
        for index in live.file.chunks(of: .timeline) {
            do {
                points += try TimelinePoint.decode(try chunk(live.file, index))
            } catch is LayerCoreError {
                throw LayerStoreError.damaged(layer: live.layer.number, chunk: UInt32(index), what: "malformed")
            }
        }
        return points
    }
}
