// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import Logging
internal import NIOCore
internal import QuorumCore
internal import SegmentCore
internal import StorageNode
internal import Synchronization
internal import VolumeModel

/// The commit path: ring entries in, batches out.
///
/// The pump sleeps while nobody waits: plain writes gather in the ring and are read when a sync asks for them, when the ring
/// fills, or a few milliseconds later. A sync wakes it, everything gathered goes out as one batch, and while that is being
/// flushed the next one gathers: group commit without a timer.
extension VolumeDriver {
    /// How long entries that nobody waits for stay in the ring.
    private static let lingerMicroseconds: Int64 = 10_000
    private static let tickNanoseconds: Int64 = 200_000_000
    /// Without an entry for this long, the next one rings the doorbell.
    private static let idleNanoseconds: Int64 = 500_000_000

    func runPump() {
        bx_thread_is_commit_path()
        var lastWork = bx_monotonic_ns()
        var lastTick = lastWork
        var isDue = true
        while !pump.isStopping {
            var worked = false
            // After a sleep whatever is there goes out; then only what somebody waits for, or what has become a lot: a flush
            // that nobody needs would be in the way of the next one that somebody does.
            while isDue || isPressed, pumpOnce() {
                worked = true
                isDue = false
            }
            serveFetches()
            let now = bx_monotonic_ns()
            if worked { lastWork = now }
            if now - lastTick > Self.tickNanoseconds {
                lastTick = now
                tick()
            }
            if worked { continue }
            sleep(isIdle: now - lastWork > Self.idleNanoseconds)
            isDue = true
        }
    }

    /// Whether somebody waits for what is in the ring, or there is a batch's worth of it.
    private var isPressed: Bool {
        guard let ring = core.withLock({ $0.ring }) else { return false }
        return ring.wanted > ring.head || ring.tail - ring.head >= UInt64(Self.batchBytesMax)
    }

    /// Sleeps until there is something to do.
    ///
    /// Somebody may be waiting although nothing can be done now: the entry at the head is not finished, or the log may not
    /// run further ahead. Then any entry rings, and the wait is short.
    private func sleep(isIdle: Bool) {
        let (ring, isHeldBack) = core.withLock { core in
            (core.ring, !(core.writer?.canAppend(bytes: 2 * Self.batchBytesMax) ?? true))
        }
        guard let ring else {
            _ = bx_eventfd_wait(doorbell, Self.lingerMicroseconds)
            return
        }
        let isBlocked = ring.wanted > ring.head
        ring.announceSleep(wakeForAny: isIdle || isBlocked)
        defer { ring.announceAwake() }
        if ring.fetchesAsked { return }
        if !isHeldBack, ring.wanted > ring.head || isIdle {
            switch ring.next() {
            case .committed, .nothing: return
            case .reserved, .empty: break
            }
        }
        let limit = isBlocked ? 1000 : isIdle ? Self.tickNanoseconds / 1000 : Self.lingerMicroseconds
        _ = bx_eventfd_wait(doorbell, limit)
    }

    /// Reads what is in the ring and sends it as one batch. False if there was nothing, or no room below the allocation
    /// limit.
    func pumpOnce() -> Bool {
        let batch = core.withLock { core -> (parts: [StorageHost.AppendedPart], vdl: LSN)? in gather(&core) }
        guard let batch else { return false }
        transport.append(batch.parts, vdl: batch.vdl)
        return true
    }

    private func gather(_ core: inout Core) -> (parts: [StorageHost.AppendedPart], vdl: LSN)? {
        guard core.phase == .attached, let ring = core.ring, core.writer != nil, core.builder != nil else { return nil }
        guard core.writer!.canAppend(bytes: 2 * Self.batchBytesMax) else { return nil }
        let before = ring.head
        reading: while core.builder!.bytes < Self.batchBytesMax {
            switch ring.next() {
            case .empty, .reserved: break reading
            case .nothing(let entry): ring.advance(past: entry)
            case .committed(let entry):
                core.builder!.add(entry)
                ring.advance(past: entry)
            }
        }
        if ring.head != before {
            ring.release()
            core.consumed = ring.head
        }
        stamp(&core)
        guard !core.builder!.isEmpty else {
            // Entries that made no record still have to be reported durable.
            if ring.head != before, core.inFlight.isEmpty { ring.publish(durable: ring.head) }
            return nil
        }
        return cut(&core, ringPosition: ring.head)
    }

    /// About once a second of activity the log says what time it is.
    private func stamp(_ core: inout Core) {
        guard !core.builder!.isEmpty else { return }
        let now = bx_monotonic_ns()
        guard now - core.counters.lastTimestamp > 1_000_000_000 else { return }
        core.counters.lastTimestamp = now
        var wall = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        core.builder!.timestamp(microseconds: UInt64(wall.tv_sec) * 1_000_000 + UInt64(wall.tv_nsec) / 1000)
    }

    /// Seals the gathered records and gives them their place in the log.
    private func cut(_ core: inout Core, ringPosition: UInt64) -> (parts: [StorageHost.AppendedPart], vdl: LSN) {
        let (start, end, plain) = core.builder!.take()
        var sealed: [ByteBuffer] = []
        var parts: [BatchPart] = []
        for part in plain {
            let payload = sealers.seal(
                part.plain, volume: configuration.volume, group: part.group, epoch: core.epoch, start: start, end: end)
            sealed.append(payload)
            parts.append(
                BatchPart(
                    group: part.group, payloadBytes: UInt32(payload.readableBytes), payloadCRC: payload.checksum))
        }
        let headers = core.writer!.append(parts: parts, end: end)
        var appended: [StorageHost.AppendedPart] = []
        var kept: [(header: BatchHeader, payload: ByteBuffer)] = []
        for (header, payload) in zip(headers, sealed) {
            let nodes = core.writer!.membership(of: header.group)?.nodes ?? []
            appended.append(
                .init(header: header, payload: payload, membership: header.membershipEpoch, nodes: nodes))
            kept.append((header, payload))
            core.counters.shippedBytes += UInt64(payload.readableBytes + BatchHeader.wireBytes)
        }
        core.inFlight.append(Batch(end: end, ringPosition: ringPosition, sent: bx_monotonic_ns(), parts: kept))
        core.counters.batches += 1
        core.counters.logBytes += end.value - start.value
        core.toldVDL = core.vdl
        return (appended, core.vdl)
    }

    // MARK: - Time

    /// What has to be done now and then: repeats, heartbeats, the next protection group.
    func tick() {
        let (actions, heartbeat) = core.withLock { core -> ([WriterAction], [(SegmentID, LSN, VolumeEpoch)]) in
            guard core.phase == .attached, core.writer != nil else { return ([], []) }
            var actions = core.writer!.tick()
            actions += growIfNeeded(&core)
            actions += changeMembers(&core)
            guard core.toldVDL < core.vdl else { return (actions, []) }
            core.toldVDL = core.vdl
            let writer = core.writer!
            let told = writer.openGroups.flatMap { group in
                (writer.membership(of: group)?.nodes ?? []).map { (id(group, $0), core.vdl, core.epoch) }
            }
            return (actions, told)
        }
        for (id, vdl, epoch) in heartbeat {
            transport.send(.vdl(vdl, epoch: epoch), to: id, payload: nil, create: false)
        }
        if !actions.isEmpty { perform(actions) }
        renewPin()
    }

    private func growIfNeeded(_ core: inout Core) -> [WriterAction] {
        guard !core.isGroupPending, core.builder!.fillBytes >= configuration.groupBytes,
            // A node that is joining stays; with a lost one just taken out there are only five.
            let nodes = core.writer!.membership(of: .namespace)?.sets.last, nodes.count == Membership.copies
        else { return [] }
        core.isGroupPending = true
        let next = GroupID((core.writer!.openGroups.map(\.value).max() ?? 0) + 1)
        return core.writer!.createGroup(next, nodes: nodes)
    }
}
