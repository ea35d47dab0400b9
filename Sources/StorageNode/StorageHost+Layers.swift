// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import LayerCore
internal import LayerStore
internal import Logging
internal import NIOCore
internal import SegmentCore
internal import StorageWire
internal import Synchronization
internal import VolumeModel

/// The background: the log becomes layers, layers are merged, the journal is recycled.
extension StorageHost {
    /// The background scrub looks after so many bytes whether it has to end.
    private static let scrubBytes: UInt64 = 64 << 20
    /// A tail that nobody adds to becomes a layer when the journal has grown to this many files.
    private static let journalFilesSoft = 8

    func runLayers() {
        bx_thread_is_background()
        while !isStopping.load(ordering: .acquiring) {
            let seen = layering.value
            let keys = state.withLock { state in
                state.tails.keys.sorted { ($0.volume, $0.group) < ($1.volume, $1.group) }
            }
            var total = 0
            var worked = false
            let isJournalLong = device.withLock { $0.journal.files } > Self.journalFilesSoft
            // Many groups can fill the memory together while none of them has a layer's worth: appenders wait for us then.
            let isCrowded = bytesHeld(by: keys) > configuration.tailBytesMax / 4 * 3
            for key in keys {
                guard let tail = state.withLock({ $0.tails[key] }) else { continue }
                let bytes = tail.bytes
                total += bytes
                tailBytes.store(total, ordering: .relaxed)
                guard bytes >= configuration.layerBytes || ((isJournalLong || isCrowded) && bytes > 0) else { continue }
                if cutLayers(key) {
                    worked = true
                    compactLayers(key)
                }
            }
            tailBytes.store(bytesHeld(by: keys), ordering: .relaxed)
            if worked {
                settle()
                recycleJournal()
            }
            // What is not known to be durable cannot become a layer; only more appends bring news of the VDL.
            isLayeringStuck.store(isCrowded && !worked, ordering: .relaxed)
            layered.signal()
            if !worked { layering.wait(seen: seen, milliseconds: 250) }
        }
    }

    private func bytesHeld(by keys: [GroupKey]) -> Int {
        keys.reduce(0) { sum, key in sum + (state.withLock { $0.tails[key]?.bytes } ?? 0) }
    }

    /// The segment, unless its layers are about to be replaced by a peer's.
    private func settledSegment(_ id: SegmentID) -> HostedSegment? {
        state.withLock { state in
            guard state.isReady(id.node) else { return nil }
            return state.segments[id].flatMap { $0.isCopying || $0.lacksLayers ? nil : $0 }
        }
    }

    /// One layer for every node's segment of the group. False if none got further.
    @discardableResult
    func cutLayers(_ key: GroupKey) -> Bool {
        var worked = false
        var draft: LayerDraft?
        for node in nodes {
            let id = SegmentID(volume: key.volume, group: key.group, node: node)
            guard let segment = settledSegment(id) else { continue }
            do { if try cutLayer(id, segment, &draft) { worked = true } } catch {
                logger.error("cut a layer", metadata: ["segment": "\(id)", "error": "\(error)"])
                noteTrouble(id, segment.layers, error)
            }
        }
        settle()
        dropTail(key)
        return worked
    }

    private func compactLayers(_ key: GroupKey) {
        let ids = nodes.map { SegmentID(volume: key.volume, group: key.group, node: $0) }
        for (place, id) in ids.enumerated() { compact(id, with: ids[(place + 1)...]) }
    }

    /// - Parameter draft: what a node before this one made; made anew unless this node can take it
    private func cutLayer(_ id: SegmentID, _ segment: HostedSegment, _ draft: inout LayerDraft?) throws -> Bool {
        let complete = state.withLock { _ in segment.machine.complete }
        if draft.map({ $0.end > complete || !segment.layers.takes($0) }) ?? true {
            guard let made = try draftLayer(id, segment) else { return false }
            draft = made
        }
        guard let draft else { return false }
        try segment.layers.cut(draft)
        return state.withLock { state in
            guard state.segments[id] === segment else { return false }
            withMachine(id, in: &state) { machine, actions in _ = machine.layered(upTo: draft.end, into: &actions) }
            return true
        }
    }

    /// The next layer's worth of the segment's history; nil if there is none.
    private func draftLayer(_ id: SegmentID, _ segment: HostedSegment) throws -> LayerDraft? {
        let (history, upTo) = state.withLock { state -> ([BatchHeader], LSN) in
            let complete = segment.machine.complete
            let all = segment.machine.history(after: segment.machine.floor.lsn, upTo: complete)
            var bytes = 0
            let history = all.prefix { header in
                defer { bytes += header.weight }
                return bytes < configuration.layerBytes
            }
            return (Array(history), history.count == all.count ? complete : history.last?.end ?? .zero)
        }
        guard !history.isEmpty, let batches = open(history, of: segment, id) else { return nil }
        return try segment.layers.draft(batches: batches, upTo: upTo)
    }

    private func open(_ history: [BatchHeader], of segment: HostedSegment, _ id: SegmentID) -> [(
        BatchHeader, ByteBuffer
    )]? {
        var batches: [(BatchHeader, ByteBuffer)] = []
        batches.reserveCapacity(history.count)
        for header in history {
            guard let plain = segment.tail.open(header) else {
                // The bytes are not what was sealed: as if they had never come, and gossip brings them again.
                state.withLock { state in
                    segment.tail.discard(header)
                    withMachine(id, in: &state) { $0.corrupted(end: header.end, into: &$1) }
                }
                return nil
            }
            batches.append((header, plain))
        }
        return batches
    }

    /// Forgets payloads that every local segment of the group has in layers.
    private func dropTail(_ key: GroupKey) {
        let (tail, floor) = state.withLock { state -> (GroupTail?, LSN?) in
            let floors = state.nodes.compactMap { node -> LSN? in
                if state.isOut(node) { return nil }
                return state.segments[SegmentID(volume: key.volume, group: key.group, node: node)]?.machine.floor.lsn
            }
            return (state.tails[key], floors.min())
        }
        if let tail, let floor { tail.drop(upTo: floor) }
    }

    /// Merges a segment's layers while that is called for, and along with it those of peers that hold the same.
    private func compact(_ id: SegmentID, with peers: ArraySlice<SegmentID>) {
        guard let segment = settledSegment(id) else { return }
        let others = peers.compactMap { peer in settledSegment(peer).map { (id: peer, layers: $0.layers) } }
        do {
            let points = ([id] + others.map(\.id)).map { readPoints(of: $0) }
            let horizon = points.map(\.horizon).min() ?? .zero
            let pins = Array(Set(points.flatMap(\.pins)))
            while try segment.layers.compact(horizon: horizon, pins: pins, with: others.map(\.layers)).hasMore,
                !isStopping.load(ordering: .relaxed)
            {}
        } catch {
            // Whose trouble it is shows when each does its own.
            guard others.isEmpty else { return compact(id, with: []) }
            logger.error("merge layers", metadata: ["segment": "\(id)", "error": "\(error)"])
            noteTrouble(id, segment.layers, error)
        }
    }

    // MARK: - Damage

    /// Takes a segment whose layers are damaged out of service and has it copied from a peer.
    func noteDamage(_ id: SegmentID, _ error: LayerStoreError) {
        switch error {
        case .damaged, .badManifest: break
        default: return
        }
        logger.error("damaged layer; it is copied from a peer", metadata: ["segment": "\(id)", "error": "\(error)"])
        let peer = state.withLock { state -> NodeID? in
            guard state.segments[id] != nil, !(state.segments[id]?.isCopying ?? true) else { return nil }
            state.damaged[id.node, default: 0] += 1
            state.segments[id]?.isCopying = true
            return copyPeer(of: id, in: state)
        }
        if let peer { startCopy(id, from: peer) } else { state.withLock { $0.segments[id]?.isCopying = false } }
    }

    /// Authenticates everything on disk, a segment at a time, for ever: each once in `scrubSeconds`.
    func runScrub() {
        bx_thread_is_background()
        while !isStopping.load(ordering: .acquiring) {
            let ids = state.withLock { state in state.segments.keys.sorted() }
            let pause = Int32(clamping: configuration.scrubSeconds * 1000 / max(1, ids.count))
            rest(milliseconds: pause)
            for id in ids where !isStopping.load(ordering: .acquiring) {
                scrub(id)
                rest(milliseconds: pause)
            }
            scrubJournal(ids)
        }
    }

    private func scrubJournal(_ ids: [SegmentID]) {
        for (volume, segments) in Dictionary(grouping: ids, by: \.volume) {
            for node in Set(segments.map(\.node)) where !isStopping.load(ordering: .acquiring) {
                do { _ = try audit(volume, node) } catch {
                    logger.error("scrub the journal", metadata: ["node": "\(node)", "error": "\(error)"])
                }
            }
        }
    }

    /// Sleeps, but not beyond the host's end.
    private func rest(milliseconds: Int32) {
        let end = bx_monotonic_ns() + Int64(milliseconds) * 1_000_000
        while !isStopping.load(ordering: .acquiring), bx_monotonic_ns() < end {
            let seen = ending.value
            ending.wait(seen: seen, milliseconds: min(1000, milliseconds))
        }
    }

    private func scrub(_ id: SegmentID) {
        var position: ScrubPosition? = ScrubPosition()
        while let at = position, !isStopping.load(ordering: .acquiring) {
            do { position = try scrub(id, from: at, bytesMax: Self.scrubBytes)?.next } catch {
                return logger.error("scrub", metadata: ["segment": "\(id)", "error": "\(error)"])
            }
        }
    }

    /// Authenticates some of a segment's layers, and has the segment copied from a peer if any is damaged.
    ///
    /// - Returns: nil if the segment is not there to be read
    func scrub(_ id: SegmentID, from position: ScrubPosition, bytesMax: UInt64) throws -> ScrubReport? {
        guard let segment = settledSegment(id) else { return nil }
        let report: ScrubReport
        do { report = try segment.layers.scrub(from: position, bytesMax: bytesMax) } catch {
            noteTrouble(id, segment.layers, error)
            throw error
        }
        if let first = report.damaged.first {
            let damage = LayerStoreError.damaged(layer: first.layer.number, chunk: first.chunks.first, what: first.what)
            noteTrouble(id, segment.layers, damage)
        }
        return report
    }
}
