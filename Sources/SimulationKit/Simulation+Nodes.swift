// SPDX-License-Identifier: Apache-2.0

internal import SegmentCore
internal import VolumeModel

/// The storage nodes' hosts: they translate, and decide nothing.
extension Simulation {
    /// The bytes that belong to a part.
    func payload(of header: BatchHeader) -> UInt64 {
        SimulationRandom.mixed(
            header.end.value ^ UInt64(header.group.value) << 48 ^ UInt64(header.epoch.value) << 56 ^ seed)
    }

    func deliver(_ message: SegmentMessage, to index: Int, _ group: GroupID, payload: UInt64, from peer: Peer) {
        let node = nodes[index]
        mix(1, UInt64(index) << 8 ^ UInt64(group.value))
        guard let segment = node.segments[Int(group.value)] else {
            if case .driver(let id) = peer { reply(.refused(.noSegment), to: Int(id), group, from: index, payload: 0) }
            return
        }
        switch message {
        case .append(let header, _, _), .push(let header, _), .repair(let header):
            // A damaged payload is dropped by the host.
            guard UInt32(truncatingIfNeeded: payload) == header.payloadCRC || header.payloadBytes == 0 else { return }
            if case .repair = message { totals.repaired += 1 }
        case .claim, .install, .vdl, .pull, .summary, .tooOld: break
        }
        var actions: [SegmentAction] = []
        swap(&actions, &self.actions)
        segment.machine.receive(message, from: peer, into: &actions)
        perform(&actions, of: segment, at: index, payload: payload)
        swap(&actions, &self.actions)
    }

    func tick(_ segment: SimulatedSegment, at index: Int) {
        var actions: [SegmentAction] = []
        segment.machine.tick(random: &random, into: &actions)
        let retained = segment.machine.complete
        // Layers follow the history at a distance, so that gossip mostly finds headers.
        if !isQuiet, random.chance(1, in: 6), retained > segment.machine.floor.lsn.advanced(by: 2000) {
            let target = LSN(retained.value - UInt64(random.pick(0...1500)))
            totals.layered += segment.layer(upTo: target, into: &actions)
        }
        if random.chance(1, in: 12) { segment.recycle() }
        perform(&actions, of: segment, at: index, payload: 0)
    }

    func scheduleTick(_ index: Int) {
        let node = nodes[index]
        queue.schedule(
            .nodeTick(node: index, life: node.life), at: now + UInt64(random.pick(8000...24000) * 4 / node.clockRate))
    }

    /// Performs what a segment's machine asks for and empties the list.
    func perform(_ actions: inout [SegmentAction], of segment: SimulatedSegment, at index: Int, payload: UInt64) {
        var position = 0
        while position < actions.count {
            let action = actions[position]
            position += 1
            switch action {
            case .persist(let record, let token):
                segment.persist(record, token: token, payload: payload)
                wantFlush(index)
            case .reply(.driver(let id), let reply):
                self.reply(reply, to: Int(id), segment.group, from: index, payload: 0)
            case .reply(.node, _): break
            case .send(let peer, let message): gossip(message, payload: 0, segment.group, from: index, to: peer)
            case .sendBatch(let peer, let header):
                // The machine never sends what is not on disk, but the disk may have gone bad.
                guard !segment.rotten.contains(header.end), let payload = segment.payloads[header.end] else {
                    var more: [SegmentAction] = []
                    segment.lose(header.end, into: &more)
                    actions.append(contentsOf: more)
                    if case .driver(let id) = peer {
                        reply(.refused(.missing(header.end)), to: Int(id), segment.group, from: index, payload: 0)
                    }
                    continue
                }
                switch peer {
                case .driver(let id): reply(.batch(header), to: Int(id), segment.group, from: index, payload: payload)
                case .node(let peer): gossip(.repair(header), payload: payload, segment.group, from: index, to: peer)
                }
            case .discard(let header):
                totals.truncated += 1
                segment.payloads[header.end] = nil
            case .needSnapshot(let source, _):
                guard let source = self.index(of: source) else { continue }
                queue.schedule(
                    .snapshot(node: index, life: nodes[index].life, segment.group, from: source),
                    at: now + UInt64(random.pick(2000...20000)))
            }
        }
        actions.removeAll(keepingCapacity: true)
        inspect(segment)
    }

    /// Lets the oracle see what has become history here.
    private func inspect(_ segment: SimulatedSegment) {
        let complete = segment.machine.complete
        if complete <= segment.checked {
            segment.checked = complete
            return
        }
        let parts = segment.history(after: segment.checked, upTo: complete)
        oracle.check(parts, of: segment.group, at: segment.node, after: segment.checked, upTo: complete) {
            !segment.rotten.contains($0)
        }
        totals.reads += parts.count
        segment.checked = complete
    }

    func reply(_ reply: SegmentReply, to driver: Int, _ group: GroupID, from index: Int, payload: UInt64) {
        send(
            .toDriver(driver, group, nodes[index].id, reply, payload: payload), node: index, from: index,
            to: slot(ofDriver: driver))
    }

    private func gossip(_ message: SegmentMessage, payload: UInt64, _ group: GroupID, from: Int, to peer: NodeID) {
        guard let to = index(of: peer) else { return }
        send(.toSegment(group, message, payload: payload, from: .node(nodes[from].id)), node: to, from: from, to: to)
    }

    // MARK: - The disk

    func wantFlush(_ index: Int) {
        let node = nodes[index]
        guard !node.isFlushing else {
            node.isFlushWanted = true
            return
        }
        node.isFlushing = true
        node.isFlushWanted = false
        for segment in node.segments.compactMap({ $0 }) { segment.flushing = segment.journal.count }
        let slow = !isHealed && random.chance(1, in: 60) ? random.pick(2000...30000) : random.pick(100...node.flushTime)
        queue.schedule(
            .flushed(node: index, life: node.life), at: max(now, isHealed ? 0 : node.fullUntil) + UInt64(slow))
    }

    func flushEnded(_ index: Int, _ life: Int) {
        mix(2, UInt64(index))
        let node = nodes[index]
        guard node.life == life, node.isUp else { return }
        if !isHealed, random.chance(1, in: 4000) {
            // What a failed flush has written is unknown: the host stops and reads its disk again.
            totals.failedFlushes += 1
            return crash(index, for: random.pick(2000...60000))
        }
        node.isFlushing = false
        for segment in node.segments.compactMap({ $0 }) where segment.flushing > segment.flushed {
            segment.flushed = segment.flushing
            var actions: [SegmentAction] = []
            swap(&actions, &self.actions)
            segment.machine.flushed(upTo: segment.journal[segment.flushed - 1].token, into: &actions)
            perform(&actions, of: segment, at: index, payload: 0)
            swap(&actions, &self.actions)
        }
        if node.isFlushWanted || node.segments.contains(where: { $0.map { $0.flushed < $0.journal.count } ?? false }) {
            wantFlush(index)
        }
    }

    func crash(_ index: Int, for duration: Int, losingAll: Bool = false) {
        let node = nodes[index]
        guard node.isUp else { return }
        totals.nodeCrashes += 1
        note("\(node.id) crashes")
        node.isUp = false
        node.life += 1
        node.isFlushing = false
        node.isFlushWanted = false
        for segment in node.segments.compactMap({ $0 }) {
            let open = segment.journal.count - segment.flushed
            let kept = open > 0 && !losingAll ? random.pick(0...open) : 0
            totals.tornRecords += open - kept
            segment.crash(keeping: kept)
            segment.restart()
        }
        queue.schedule(.restart(node: index, life: node.life), at: now + UInt64(duration))
    }

    func restart(_ index: Int, _ life: Int) {
        let node = nodes[index]
        guard node.life == life, !node.isUp else { return }
        mix(4, UInt64(index))
        node.isUp = true
        scheduleTick(index)
        for segment in node.segments.compactMap({ $0 }) { inspect(segment) }
    }

    func copySnapshot(_ index: Int, _ life: Int, _ group: GroupID, _ source: Int) {
        let place = Int(group.value)
        guard nodes[index].life == life, nodes[index].isUp, nodes[source].isUp,
            let segment = nodes[index].segments[place],
            let origin = nodes[source].segments[place]
        else { return }
        var actions: [SegmentAction] = []
        let floor = origin.machine.floor
        let layers = origin.layers.filter { $0.header.end <= floor.lsn }
        guard segment.machine.installSnapshot(floor, into: &actions) else { return }
        totals.snapshots += 1
        segment.layers = layers
        perform(&actions, of: segment, at: index, payload: 0)
    }
}
