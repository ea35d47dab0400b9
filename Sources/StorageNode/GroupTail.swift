// SPDX-License-Identifier: Apache-2.0

package import LayerCore
package import NIOCore
internal import SegmentCore
internal import Synchronization
package import VolumeModel

/// The payloads of one protection group that are not in layers yet, shared by the host's nodes of the group.
///
/// Each node has its own copy in the journal and keeps its own account of what it holds (`SegmentMachine`); in memory one
/// copy of the bytes serves them all. Sealed payloads are kept as received, opened ones from the first time that a read
/// or a layer needs them. Thread-safe.
package final class GroupTail: Sendable {
    private struct State {
        /// Sealed payloads by the end of their part.
        var sealed: [UInt64: (header: BatchHeader, payload: ByteBuffer)] = [:]
        var opened: [UInt64: ByteBuffer] = [:]
        /// What is indexed: everything after the first and up to the second.
        var indexedFrom = LSN.zero
        var indexed = LSN.zero
        var index = TailIndex()
        var bytes = 0
    }

    private let state = Mutex(State())
    private let sealer: PartSealer
    let volume: VolumeID
    let group: GroupID

    package init(volume: VolumeID, group: GroupID, sealer: PartSealer) {
        self.volume = volume
        self.group = group
        self.sealer = sealer
    }

    /// About how much memory its parts take once they are opened, bytes.
    var bytes: Int { state.withLock { $0.bytes } }

    package func add(_ header: BatchHeader, _ payload: ByteBuffer) {
        state.withLock { state in
            if state.sealed.updateValue((header, payload), forKey: header.end.value) == nil {
                state.bytes += header.weight
            }
        }
    }

    package func payload(_ header: BatchHeader) -> ByteBuffer? {
        state.withLock { state in
            guard let found = state.sealed[header.end.value], found.header == header else { return nil }
            return found.payload
        }
    }

    /// Forgets an annulled part. It was never durable, so it is not in the index.
    func discard(_ header: BatchHeader) {
        state.withLock { state in
            guard let found = state.sealed[header.end.value], found.header == header else { return }
            state.sealed[header.end.value] = nil
            state.opened[header.end.value] = nil
            state.bytes -= header.weight
        }
    }

    /// Forgets what every node of the host has in layers.
    package func drop(upTo lsn: LSN) {
        state.withLock { state in
            for (end, part) in state.sealed where end <= lsn.value {
                state.sealed[end] = nil
                state.opened[end] = nil
                state.bytes -= part.header.weight
            }
            state.index.drop(through: lsn)
            // A node that was down may come back with a floor below this; it starts the index over.
            state.indexedFrom = max(state.indexedFrom, lsn)
        }
    }

    /// The records of a part, or nil if its payload is missing or does not open.
    func open(_ header: BatchHeader) -> ByteBuffer? {
        let (found, known) = state.withLock { ($0.sealed[header.end.value], $0.opened[header.end.value]) }
        guard let found, found.header == header else { return nil }
        if let known { return known }
        guard let plain = sealer.open(found.payload, header) else { return nil }
        state.withLock { if $0.sealed[header.end.value] != nil { $0.opened[header.end.value] = plain } }
        return plain
    }

    /// An index of all durable parts that one node holds, at least. It may hold later ones too; readers say up to where they
    /// look.
    ///
    /// The nodes of a host share the index though their layers reach to different LSNs. It has no gap, so it is made anew for
    /// a node whose parts do not join on to what is indexed.
    ///
    /// - Parameter history: where the node's history starts, and its durable parts in order that end after the given LSN,
    ///   which is what is indexed already; both as of one moment
    /// - Throws: if a part cannot be opened, or what `history` throws
    package func index(_ history: (LSN) throws -> (floor: LSN, parts: [BatchHeader])) throws -> TailIndex {
        while true {
            let (index, indexed) = state.withLock { ($0.index, $0.indexed) }
            let (floor, parts) = try history(indexed)
            var isCurrent = state.withLock { state in
                guard state.index === index else { return false }
                guard floor < state.indexedFrom || floor > state.indexed else { return true }
                state.index = TailIndex()
                state.indexedFrom = floor
                state.indexed = floor
                return false
            }
            for header in parts where isCurrent {
                guard let plain = open(header) else {
                    throw StorageFailure(
                        "open a log part of \(volume) \(group) at \(header.end)", path: "memory", errno: 5)
                }
                isCurrent = state.withLock { state in
                    // Another reader may have started over from a lower floor.
                    guard state.index === index else { return false }
                    guard header.end > state.indexed else { return true }
                    _ = index.append(header, plain)
                    state.indexed = header.end
                    return true
                }
            }
            if isCurrent { return index }
        }
    }
}

extension BatchHeader {
    /// About how long the part's records are, bytes: the payload may be compressed. The batch's length in the log bounds it.
    var weight: Int { max(Int(payloadBytes), min(Int(end.value - start.value), 16 * Int(payloadBytes))) }
}
