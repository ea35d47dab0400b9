// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import Logging
internal import NIOCore
internal import NamespaceCore
internal import QuorumCore
internal import SegmentCore
internal import StorageNode
internal import StorageWire
internal import Synchronization
package import VolumeModel

/// Taking a volume over, laying its namespace out, and letting it go.
extension VolumeDriver {
    /// Makes a new volume's first protection group on its six nodes. Once in a volume's life, before the first attach: a
    /// node that has lost its disk must never be taken for a new one.
    package func createVolume() throws {
        let nodes = configuration.nodes.sorted()
        guard Set(nodes).count == Membership.copies else {
            throw DriverError("a volume needs six nodes, two in each of three zones; got \(nodes)")
        }
        let tenure = Tenure(
            membership: Membership(epoch: MembershipEpoch(1), sets: [nodes]),
            groups: [GroupPlacement(group: .namespace, nodes: nodes)])
        core.withLock { core in
            core.phase = .recovering
            core.replies = []
        }
        defer { core.withLock { $0.phase = .detached } }
        var installed: Set<NodeID> = []
        let deadline = bx_monotonic_ns() + 30_000_000_000
        while installed.count < nodes.count {
            guard bx_monotonic_ns() < deadline else {
                let missing = nodes.filter { !installed.contains($0) }
                throw DriverError("cannot create \(configuration.volume): no answer from \(missing); are all nodes up?")
            }
            for node in nodes where !installed.contains(node) {
                transport.send(.install(tenure), to: id(.namespace, node), payload: nil, create: true)
            }
            for answer in takeReplies(milliseconds: 200) {
                if case .installed = answer.reply { installed.insert(answer.id.node) }
            }
        }
    }

    /// Attaches the volume as the configuration says. Blocks.
    ///
    /// - Parameters:
    ///   - lsn: for a mount whose configuration names none; nil is the newest durable one
    ///   - progress: told a sentence now and then while it takes long
    package func attach(at lsn: LSN? = nil, progress: (String) -> Void) throws -> Attachment {
        // Taken by a mount as well: the files are another's then.
        let note = CacheNote.take(from: configuration.directory)
        switch configuration.mode {
        case .writer: return try attachWriter(note, progress: progress)
        case .local(let fixed): return try attachLocal(at: fixed ?? lsn, progress: progress)
        }
    }

    /// Where the log ends now: what is durable when this is called is at or below it, what is written after it returned is
    /// above. It may take a moment until it is durable itself.
    package func newestEnd() throws -> LSN {
        let survey = try survey(for: nil)
        // Every batch has a part in the first group.
        return survey.required[.namespace] ?? survey.vdl
    }

    private func attachWriter(_ note: CacheNote?, progress: (String) -> Void) throws -> Attachment {
        let recovered = try recover(progress: progress)
        let required = Dictionary(uniqueKeysWithValues: recovered.groups.map { ($0.group, $0.end) })
        let namespace = try readNamespace(at: recovered.vdl, required: required, recovered: recovered)
        core.withLock { core in
            core.required = required
            core.vdl = recovered.vdl
            core.epoch = recovered.epoch
            core.writer = WriterMachine(recovered, lal: configuration.allocationLimit)
            let filling = recovered.groups.last?.group ?? .namespace
            core.builder = BatchBuilder(
                epoch: recovered.epoch, position: recovered.start, namespace: namespace,
                chunkBytes: configuration.chunkBytes, fill: filling,
                fillBytes: namespace.contentBytes(of: filling, chunkBytes: configuration.chunkBytes))
            core.isGroupPending = false
        }
        let warm = kept(note, namespace)
        let attachment = try warm ?? mount(namespace, mode: 0)
        core.withLock { core in
            core.phase = .attached
            core.prefetch = PrefetchPlan(budget: warm == nil ? prefetchBudget : 0)
        }
        pump.start(name: "pump") { [self] in runPump() }
        startKeeper()
        return attachment
    }

    /// The cache as the last detach left it, if it is what the volume holds now.
    private func kept(_ note: CacheNote?, _ namespace: Namespace) -> Attachment? {
        guard let note, note == CacheNote(configuration, vdl: core.withLock { $0.vdl }) else { return nil }
        do {
            let attachment = try remount(namespace, inDoubt: [])
            logger.info("the local cache is kept", metadata: ["vdl": "\(attachment.vdl)"])
            return attachment
        } catch {
            logger.notice("the local cache is made anew", metadata: ["reason": "\(error)"])
            return nil
        }
    }

    private func attachLocal(at lsn: LSN?, progress: (String) -> Void) throws -> Attachment {
        // A writer that becomes a reader and then a writer again must not take the reader's files for its own.
        _ = CacheNote.take(from: configuration.directory)
        progress("asking the storage nodes what they have")
        let survey = try survey(for: lsn)
        let at = lsn ?? survey.vdl
        guard at <= survey.vdl else {
            throw DriverError("LSN \(at) is beyond the volume's durable LSN \(survey.vdl)")
        }
        core.withLock { core in
            core.required = survey.required
            core.vdl = at
        }
        try takePin(at: at)
        let namespace = try readNamespace(at: at, required: survey.required, recovered: nil)
        core.withLock { $0.namespace = namespace }
        let attachment = try mount(namespace, mode: UInt32(BX_MODE_LOCAL))
        core.withLock { $0.phase = .attached }
        pump.start(name: "pump") { [self] in runPump() }
        return attachment
    }

    // MARK: - Recovery

    func takeReplies(milliseconds: Int32) -> [SegmentAnswer] {
        let seen = changes.value
        func take() -> [SegmentAnswer] {
            core.withLock { core in
                let replies = core.replies
                core.replies = []
                return replies
            }
        }
        let now = take()
        if !now.isEmpty { return now }
        changes.wait(seen: seen, milliseconds: milliseconds)
        return take()
    }

    /// Claims the volume and finds the end of its log. Repeats with higher epochs while others claim too.
    private func recover(progress: (String) -> Void) throws -> RecoveredVolume {
        core.withLock { core in
            core.phase = .recovering
            core.replies = []
            core.failure = nil
        }
        var epoch = core.withLock { $0.epoch }.next
        let hints = [GroupPlacement(group: .namespace, nodes: transport.nodes)]
        let started = bx_monotonic_ns()
        var lastProgress = started
        while true {
            var machine = RecoveryMachine(
                volume: configuration.volume, epoch: epoch, claimant: UInt64.random(in: 1...UInt64.max),
                lal: configuration.allocationLimit, hints: hints)
            var payloads: [BatchHeader: ByteBuffer] = [:]
            var pending = machine.start()
            var lastTick = bx_monotonic_ns()
            claiming: while true {
                for action in pending {
                    switch action {
                    case .send(let group, let node, let message):
                        transport.send(message, to: id(group, node), payload: nil, create: false)
                    case .pull(let group, let node, let header):
                        transport.send(
                            .pull(end: header.end, epoch: epoch), to: id(group, node), payload: nil, create: false)
                    case .push(let group, let node, let header):
                        transport.send(
                            .push(header, epoch: epoch), to: id(group, node), payload: payloads[header], create: false)
                    case .release(_, let header): payloads[header] = nil
                    case .blocked(let obstacle):
                        progress("waiting: \(obstacle) is on no node that has answered")
                    case .ready(let recovered): return recovered
                    case .lost(let higher):
                        epoch = max(higher, epoch).next
                        break claiming
                    }
                }
                pending = []
                for answer in takeReplies(milliseconds: 50) {
                    if case .batch(let header) = answer.reply, let payload = answer.payload {
                        payloads[header] = payload
                        pending += machine.pulled(group: answer.id.group, header)
                    } else {
                        pending += machine.replied(group: answer.id.group, node: answer.id.node, answer.reply)
                    }
                }
                let now = bx_monotonic_ns()
                if now - lastTick > 100_000_000 {
                    lastTick = now
                    pending += machine.tick()
                }
                if now - lastProgress > 3_000_000_000 {
                    lastProgress = now
                    let away = core.withLock { core in transport.nodes.filter { !core.reachable.contains($0) } }
                    progress("waiting for a write quorum" + (away.isEmpty ? "" : "; unreachable: \(away)"))
                }
                if core.withLock({ $0.failure != nil }) { throw DriverError("the driver was stopped") }
            }
        }
    }

    /// What the nodes say without being claimed: for mounts that write nothing to the volume.
    ///
    /// Connections that were just opened, and nodes that have not heard of the newest durable LSN yet, get some time.
    func survey(for lsn: LSN?) throws -> (vdl: LSN, required: [GroupID: LSN]) {
        let started = bx_monotonic_ns()
        while true {
            let (vdl, _, _) = surveyOnce()
            // What was durable then is what these nodes have now.
            let (_, required, answered) = surveyOnce()
            let elapsed = bx_monotonic_ns() - started
            if answered >= Membership.readQuorum {
                if vdl >= lsn ?? .zero || elapsed > 3_000_000_000 { return (vdl, required) }
            } else if elapsed > 15_000_000_000 {
                throw DriverError(
                    "only \(answered) of \(transport.nodes.count) nodes answer; a mount needs \(Membership.readQuorum)")
            }
            usleep(50_000)
        }
    }

    /// - Returns: the newest LSN known to be durable; for each group, an LSN that a node is to be complete to before it is
    ///   asked for what was durable when this was called; and how many nodes have answered
    func surveyOnce() -> (vdl: LSN, required: [GroupID: LSN], answered: Int) {
        var vdl = LSN.zero
        var ends: [GroupID: [LSN]] = [:]
        var joint: Set<GroupID> = []
        var answered = 0
        for node in transport.nodes {
            guard let body = try? transport.call(.inventory, node: node),
                let status = try? HostInventory(decoding: body)
            else { continue }
            for entry in status.nodes where entry.node == node && entry.state == "up" {
                answered += 1
                for segment in entry.segments where segment.volume == configuration.volume.description {
                    vdl = max(vdl, LSN(segment.vdl))
                    let group = GroupID(segment.group)
                    ends[group, default: []].append(LSN(segment.scl))
                    if segment.sets.count > 1 { joint.insert(group) }
                }
            }
        }
        // Two of six may lack what is durable, three of seven while one is being replaced. The others have it; what only some
        // of them have need not be durable, and a takeover may annul it: then no node would ever be complete to there.
        let required = ends.map { group, ends in
            let lacking = Membership.copies - Membership.writeQuorum + (joint.contains(group) ? 1 : 0)
            return (group, ends.sorted(by: >)[max(0, ends.count - lacking - 1)])
        }
        return (vdl, Dictionary(uniqueKeysWithValues: required), answered)
    }

    // MARK: - Ending

    private func stopPump() { pump.stop { bx_eventfd_ring(doorbell) } }

    /// After the engine has died: takes what it left in the ring into the log, and makes a fresh ring. The local cache is
    /// kept if what it holds is known to be what the log says, else it is made anew.
    package func reattachAfterEngineExit() throws -> Attachment {
        guard configuration.mode == .writer else { return try attach { _ in } }
        stopKeeper()
        stopPump()
        let inDoubt = core.withLock { core in settleRing(&core) }
        guard core.withLock({ $0.phase }) == .attached, let inDoubt, awaitDurable(milliseconds: 10_000) else {
            logger.notice("the cache is made anew")
            core.withLock { $0.ring = nil }
            return try attachWriter(nil) { [logger] in logger.notice("attach", metadata: ["progress": "\($0)"]) }
        }
        let namespace = core.withLock { $0.builder?.namespace } ?? Namespace()
        let attachment = try remount(namespace, inDoubt: inDoubt)
        pump.start(name: "pump") { [self] in runPump() }
        startKeeper()
        return attachment
    }

    /// Reads the ring of a dead engine to its end and sends it. Nil if the ring cannot be read to the end, holds an
    /// unfinished operation on names, or was failed by the engine: then the cache cannot be trusted.
    private func settleRing(_ core: inout Core) -> [InDoubt]? {
        guard core.phase == .attached, let ring = core.ring, core.builder != nil else { return nil }
        var inDoubt: [InDoubt] = []
        var isSound = !ring.isFailed
        reading: while ring.head < ring.tail {
            switch ring.next() {
            case .empty:
                // Its producer died before it said what it was about to do: nothing after it can be found.
                isSound = false
                break reading
            case .nothing(let entry): ring.advance(past: entry)
            case .reserved(let entry):
                // The payload was complete before the entry was published; whether the local file has it is not known.
                if let doubt = InDoubt(entry.pointee) { inDoubt.append(doubt) } else { isSound = false }
                core.builder!.add(entry)
                ring.advance(past: entry)
            case .committed(let entry):
                core.builder!.add(entry)
                ring.advance(past: entry)
            }
        }
        ring.release()
        core.consumed = ring.head
        return isSound ? inDoubt : nil
    }

    /// Sends what is gathered and waits until all of it is durable.
    private func awaitDurable(milliseconds: Int64) -> Bool {
        let deadline = bx_monotonic_ns() + milliseconds * 1_000_000
        while bx_monotonic_ns() < deadline {
            while pumpOnce() {}
            let seen = changes.value
            let isDone = core.withLock { core in
                core.inFlight.isEmpty && (core.builder?.isEmpty ?? true) && core.phase == .attached
            }
            if isDone { return true }
            if core.withLock({ $0.phase != .attached }) { return false }
            changes.wait(seen: seen, milliseconds: 50)
            tick()
        }
        return false
    }

    /// Drains, waits for durability, stops. The engine must have ended.
    package func detach() {
        stopKeeper()
        stopPump()
        if configuration.mode == .writer {
            let inDoubt = core.withLock { core in settleRing(&core) }
            if !awaitDurable(milliseconds: 10_000) {
                logger.warning("detached before all of the log was durable")
            } else if inDoubt?.isEmpty == true {
                CacheNote(configuration, vdl: core.withLock { $0.vdl })?.leave(in: configuration.directory)
            }
        }
        core.withLock { core in
            core.phase = .detached
            core.ring = nil
            if core.failure == nil { core.failure = "detached" }
        }
        releasePin()
        changes.signal()
        ended.signal()
        fetchers.stop()
        transport.close()
    }
}

/// Bytes of a file of which the local cache may or may not have the newest version.
struct InDoubt {
    var file: FileID
    var offset: UInt64
    var length: UInt64

    /// Nil for operations on names and sizes.
    init?(_ entry: bx_entry) {
        guard Int(entry.op) == BX_OP_WRITE else { return nil }
        file = FileID(entry.file)
        offset = entry.offset
        length = entry.length
    }
}
