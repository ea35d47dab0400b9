// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
package import Keyring
internal import LayerCore
internal import LayerStore
package import Logging
package import NIOCore
package import SegmentCore
internal import Synchronization
package import VolumeModel

/// The storage nodes of one process: their segments, the journal they share, and who they talk to.
///
/// A message goes through three steps: under the state lock the segment's machine says what is to be done and what has to
/// be on disk first; under the device lock everything queued is written and flushed at once, whoever queued it; then the
/// machines learn what is on disk and the answers go out. A thread that finds its records flushed by another one just goes
/// on: that is the group commit. Nothing sends while a lock is held.
package final class StorageHost: Sendable {
    /// Gets what became due for one driver together.
    package typealias ReplySink = @Sendable ([SegmentAnswer]) -> Void

    struct GroupKey: Hashable {
        var volume: VolumeID
        var group: GroupID
    }

    struct Queued {
        var entry: JournalEntry
        var token: UInt64
        /// Whose token it is: a restarted node's machine counts anew.
        var segment: HostedSegment
    }

    struct State {
        /// The nodes of this host, sorted, and those that keep their segments in a directory of their own.
        var nodes: [NodeID] = []
        var directories: [NodeID: String] = [:]
        var segments: [SegmentID: HostedSegment] = [:]
        var tails: [GroupKey: GroupTail] = [:]
        var queue: [Queued] = []
        var outbox: [Outgoing] = []
        var sinks: [UInt64: ReplySink] = [:]
        var lastConnection: UInt64 = 0
        /// Nodes stopped by a fault, and nodes that nothing reaches.
        var down: Set<NodeID> = []
        /// Nodes that read their journal again after a fault: nothing reaches them before they know all of it.
        var starting: Set<NodeID> = []
        var isolated: Set<NodeID> = []
        /// Nodes that a failure of their disk has taken out, and the failure.
        var failed: [NodeID: StorageFailure] = [:]
        /// Layers of nodes that were let go: somebody may be at work on them still.
        var abandoned: [NodeID: [LayerStore]] = [:]
        /// The log device failed: nothing that arrives could be kept.
        var isDeviceFailed = false
        var damaged: [NodeID: Int] = [:]
        var repaired: [NodeID: Int] = [:]
        /// Segments that peers are copying.
        var exports: [UInt64: (id: SegmentID, content: SegmentExport)] = [:]
        /// Where mounts read.
        var pins = ReadPins()
        /// Volumes that are gone for good.
        var removed: Set<VolumeID> = []
        var scratch: [SegmentAction] = []
        var random = SystemRandomNumberGenerator()

        /// Whether messages reach the node.
        func hears(_ node: NodeID) -> Bool { isReady(node) && !isolated.contains(node) && !isDeviceFailed }

        /// Whether the node's segments are in memory, and as its journal says.
        func isReady(_ node: NodeID) -> Bool { !isOut(node) && !starting.contains(node) }

        /// Whether the node's segments are not in memory.
        func isOut(_ node: NodeID) -> Bool { down.contains(node) || failed[node] != nil }
    }

    struct Device {
        var journal: Journal
        var failure: StorageFailure?
        var delayMilliseconds = 0
    }

    package let configuration: StorageHostConfiguration
    let keys: any VolumeKeySource
    let logger: Logger
    let state = Mutex(State())
    /// Monotonic nanoseconds.
    let created = bx_monotonic_ns()
    let device: Mutex<Device>
    /// Held while the list of removed volumes is written.
    let removing = Mutex<Void>(())
    /// Held while a node reads its journal again: one at a time.
    let rejoining = Mutex<Void>(())
    /// Held while journal files are given back, or must not be. Of each node that is out, the first file that it needs: what
    /// it has in those before is repeated in later ones.
    let recycling = Mutex<[NodeID: UInt64]>([:])
    let cache: ChunkCache
    let layering = EventCount()
    let layered = EventCount()
    let ending = EventCount()
    let links: PeerLinks
    let server = Mutex<StorageServer?>(nil)
    let isStopping = Atomic<Bool>(false)
    /// Weight of what is outside layers, all groups, bytes; a hint for back-pressure.
    let tailBytes = Atomic<Int>(0)
    /// The memory is crowded and no layer can be cut: waiting for one would be for ever. The writer's allocation limit bounds it.
    let isLayeringStuck = Atomic<Bool>(false)

    /// Opens the host's directory; `start` replays it.
    package init(_ configuration: StorageHostConfiguration, keys: any VolumeKeySource, logger: Logger) throws {
        self.configuration = configuration
        self.keys = keys
        self.logger = logger
        // Many threads, each with an arena that never shrinks, would make a quiet process look large.
        bx_limit_malloc_arenas(2)
        cache = ChunkCache(bytesMax: 64 << 20)
        device = Mutex(
            Device(
                journal: try Journal(
                    directory: configuration.directory + "/journal", fileBytes: configuration.journalFileBytes)))
        links = try PeerLinks(configuration, logger: logger)
        state.withLock { state in
            state.nodes = configuration.nodes.sorted()
            state.directories = configuration.nodeDirectories
            state.removed = Self.removedVolumes(in: removedVolumesFile)
        }
    }

    // MARK: - Segments

    /// Merging costs each copy a rewrite, and reads are rare while the cache is warm: so layers pile up for a while.
    private static let limits: CompactionLimits = {
        var limits = CompactionLimits()
        limits.deltas = 24
        limits.mergeWidth = 12
        limits.roundBytes = 1 << 30
        return limits
    }()

    /// A segment's parts with nothing in them; its layers may hold something from before.
    func makeSegment(_ id: SegmentID, in state: inout State) throws -> HostedSegment {
        let key = GroupKey(volume: id.volume, group: id.group)
        let dataKey = try keys.dataKey(volume: id.volume)
        let tail =
            state.tails[key]
            ?? GroupTail(volume: id.volume, group: id.group, sealer: PartSealer(group: id.group, dataKey: dataKey))
        state.tails[key] = tail
        let identity = SegmentIdentity(volume: id.volume, group: id.group, node: id.node)
        let directory = segmentDirectory(id, state.directories[id.node])
        try makeDirectory(directory)
        let layers = try LayerStore(
            directory: directory, identity: identity,
            sealer: Sealer(dataKey: dataKey, purpose: identity.sealingPurpose), cache: cache, limits: Self.limits,
            onStep: configuration.onLayerStep)
        return HostedSegment(
            machine: SegmentMachine(volume: id.volume, group: id.group, node: id.node), layers: layers, tail: tail)
    }

    func segmentDirectory(_ id: SegmentID, _ nodeDirectory: String?) -> String {
        "\(nodeDirectory ?? "\(configuration.directory)/\(id.node)")/\(id.volume)/\(id.group)"
    }

    // MARK: - Messages

    /// One group's part of a batch and the nodes here that get it.
    package struct AppendedPart: Sendable {
        package var header: BatchHeader
        package var payload: ByteBuffer
        package var membership: MembershipEpoch
        package var nodes: [NodeID]

        package init(header: BatchHeader, payload: ByteBuffer, membership: MembershipEpoch, nodes: [NodeID]) {
            self.header = header
            self.payload = payload
            self.membership = membership
            self.nodes = nodes
        }
    }

    /// The commit path: takes a batch's parts, flushes, answers. Blocks for the flush, and before it while too much is
    /// waiting for layers.
    package func append(_ parts: [AppendedPart], vdl: LSN, connection: UInt64) {
        awaitLayers()
        state.withLock { state in
            for part in parts {
                // The nodes' shared tail takes the payload once.
                var isHeld = false
                for node in part.nodes where state.hears(node) {
                    let id = SegmentID(volume: part.header.volume, group: part.header.group, node: node)
                    guard let segment = state.segments[id] else {
                        state.outbox.append(
                            .reply(id, connection: connection, .refused(.noSegment), payload: nil))
                        continue
                    }
                    if !isHeld { segment.tail.add(part.header, part.payload) }
                    isHeld = true
                    receive(
                        id, .append(part.header, vdl: vdl, membership: part.membership), from: .driver(connection),
                        in: &state)
                }
            }
        }
        settle()
    }

    /// Any other message to a segment. `create`: a driver's install makes the segment if the node has none.
    package func deliver(
        _ message: SegmentMessage, to id: SegmentID, from peer: Peer, payload: ByteBuffer?, create: Bool
    ) {
        state.withLock { state in
            accept(message, to: id, from: peer, payload: payload, create: create, in: &state)
        }
        settle()
    }

    private func accept(
        _ message: SegmentMessage, to id: SegmentID, from peer: Peer, payload: ByteBuffer?, create: Bool,
        in state: inout State
    ) {
        guard state.nodes.contains(id.node), state.hears(id.node) else { return }
        if state.segments[id] == nil {
            if create, case .install = message, !state.removed.contains(id.volume) {
                do {
                    state.segments[id] = try makeSegment(id, in: &state)
                } catch {
                    logger.error("create segment", metadata: ["segment": "\(id)", "error": "\(error)"])
                    if let failure = StorageFailure(error) { takeOut(id.node, failure, in: &state) }
                    return
                }
            } else {
                if case .driver(let connection) = peer {
                    state.outbox.append(.reply(id, connection: connection, .refused(.noSegment), payload: nil))
                }
                return
            }
        }
        if let header = message.part {
            guard let payload, payload.readableBytes == Int(header.payloadBytes), payload.checksum == header.payloadCRC
            else {
                if case .driver(let connection) = peer {
                    state.outbox.append(.reply(id, connection: connection, .refused(.malformed), payload: nil))
                }
                return
            }
            state.segments[id]?.tail.add(header, payload)
        }
        receive(id, message, from: peer, in: &state)
    }

    /// Lets a segment's machine decide and files what it wants done.
    func receive(_ id: SegmentID, _ message: SegmentMessage, from peer: Peer, in state: inout State) {
        withMachine(id, in: &state) { machine, actions in machine.receive(message, from: peer, into: &actions) }
    }

    func withMachine(
        _ id: SegmentID, in state: inout State, _ body: (inout SegmentMachine, inout [SegmentAction]) -> Void
    ) {
        var actions = state.scratch
        state.scratch = []
        actions.removeAll(keepingCapacity: true)
        guard let segment = state.segments[id] else { return }
        body(&segment.machine, &actions)
        for action in actions { perform(action, of: id, segment, in: &state) }
        state.scratch = actions
    }

    /// Promises, tenures and floors are kept twice: a segment whose promise is unreadable is a segment lost.
    static let stateCopies = 2

    /// What a segment's machine would have to read to know all but its parts.
    private func checkpoint(of ids: some Sequence<SegmentID>, in state: borrowing State) -> [JournalEntry] {
        var entries: [JournalEntry] = []
        for id in ids {
            for record in state.segments[id]?.machine.checkpoint ?? [] {
                entries += repeatElement(JournalEntry(segment: id, record: record), count: Self.stateCopies)
            }
        }
        return entries
    }

    private func perform(_ action: SegmentAction, of id: SegmentID, _ segment: HostedSegment, in state: inout State) {
        switch action {
        case .persist(let record, let token):
            if case .batch(let header, _) = record {
                let payload = segment.tail.payload(header)
                let entry = JournalEntry(segment: id, record: record, payload: payload)
                state.queue.append(Queued(entry: entry, token: token, segment: segment))
            } else {
                let queued = Queued(entry: JournalEntry(segment: id, record: record), token: token, segment: segment)
                state.queue.append(contentsOf: repeatElement(queued, count: Self.stateCopies))
            }
        case .reply(let peer, let reply):
            guard case .driver(let connection) = peer else { return }
            state.outbox.append(.reply(id, connection: connection, reply, payload: nil))
        case .send(let node, let message):
            state.outbox.append(.message(from: id, to: node, message, payload: nil))
        case .sendBatch(let peer, let header):
            guard let payload = segment.tail.payload(header) else {
                withMachine(id, in: &state) { machine, actions in machine.corrupted(end: header.end, into: &actions) }
                return
            }
            switch peer {
            case .driver(let connection):
                state.outbox.append(.reply(id, connection: connection, .batch(header), payload: payload))
            case .node(let node):
                state.outbox.append(.message(from: id, to: node, .repair(header), payload: payload))
            }
        case .discard(let header):
            let isHeld = state.nodes.contains { node in
                let other = SegmentID(volume: id.volume, group: id.group, node: node)
                return state.segments[other]?.machine.retained.contains(header) ?? false
            }
            if !isHeld { segment.tail.discard(header) }
        case .needSnapshot(let node, _):
            guard !segment.isCopying else { return }
            segment.isCopying = true
            state.outbox.append(.copy(id, from: node))
        }
    }

    // MARK: - Flushing and answering

    /// Flushes what is queued and sends what is due, until there is nothing of either.
    func settle() {
        while true {
            flush()
            let (outbox, more) = state.withLock { state in
                let outbox = state.outbox
                state.outbox = []
                return (outbox, !state.queue.isEmpty)
            }
            send(outbox)
            if outbox.isEmpty && !more { return }
            if outbox.isEmpty && more && device.withLock({ $0.failure != nil }) { return }
        }
    }

    private func flush() {
        guard state.withLock({ !$0.queue.isEmpty }) else { return }
        device.withLock { device in
            guard device.failure == nil else { return }
            let queued = state.withLock { state in
                let queued = state.queue
                state.queue = []
                return queued
            }
            guard !queued.isEmpty else { return }
            if device.delayMilliseconds > 0 { usleep(UInt32(device.delayMilliseconds) * 1000) }
            let isDone = write(queued.map(\.entry), to: &device)
            state.withLock { state in
                if isDone { acknowledge(queued, in: &state) } else { state.queue.insert(contentsOf: queued, at: 0) }
            }
        }
    }

    /// False if the device failed: nothing that arrives is kept then.
    func write(_ entries: [JournalEntry], to device: inout Device) -> Bool {
        do throws(StorageFailure) {
            if !device.journal.fits(entries) { try rotate(&device) }
            try device.journal.append(entries)
            return true
        } catch {
            device.failure = error
            logger.critical("the log device failed; its nodes acknowledge nothing", metadata: ["error": "\(error)"])
            state.withLock { $0.isDeviceFailed = true }
            return false
        }
    }

    private func acknowledge(_ queued: [Queued], in state: inout State) {
        var done: [SegmentID: UInt64] = [:]
        for item in queued where state.segments[item.entry.segment] === item.segment {
            done[item.entry.segment] = item.token
        }
        for id in done.keys.sorted() {
            withMachine(id, in: &state) { machine, actions in machine.flushed(upTo: done[id] ?? 0, into: &actions) }
        }
    }

    /// A new journal file that starts with every segment's state.
    func rotate(_ device: inout Device) throws(StorageFailure) {
        let entries = state.withLock { state in checkpoint(of: state.segments.keys.sorted(), in: state) }
        try device.journal.rotate(checkpoint: entries)
    }

    /// Writes down again what a node's segments are, for the files that were begun while it was out do not say it.
    func repeatCheckpoint(of node: NodeID, _ device: inout Device) {
        let entries = state.withLock { state in
            checkpoint(of: state.segments.keys.filter { $0.node == node }.sorted(), in: state)
        }
        // A device that fails starts a new file with all segments when it works again.
        guard device.failure == nil, !entries.isEmpty else { return }
        _ = write(entries, to: &device)
    }

    /// After a device failure: a new file, since nothing is known of the tail of the old one, and what waited again.
    func retryDevice() {
        let recovered = device.withLock { device -> Bool in
            guard device.failure != nil else { return false }
            do throws(StorageFailure) {
                try rotate(&device)
                device.failure = nil
                return true
            } catch {
                device.failure = error
                return false
            }
        }
        if recovered {
            state.withLock { $0.isDeviceFailed = false }
            logger.notice("the log device works again")
            settle()
        }
    }

    /// Answers to one driver go out together, messages to peers one by one.
    private func send(_ outbox: [Outgoing]) {
        var answers: [SegmentAnswer] = []
        var driver: UInt64 = 0
        func answer() {
            guard !answers.isEmpty else { return }
            state.withLock({ $0.sinks[driver] })?(answers)
            answers.removeAll(keepingCapacity: true)
        }
        for outgoing in outbox {
            switch outgoing {
            case .reply(let id, let connection, let reply, let payload):
                if connection != driver { answer() }
                driver = connection
                answers.append(SegmentAnswer(id: id, reply: reply, payload: payload))
            case .message(let from, let node, let message, let payload):
                send(message, from: from, to: node, payload: payload)
            case .copy(let id, let node):
                startCopy(id, from: node)
            }
        }
        answer()
    }

    private func send(_ message: SegmentMessage, from: SegmentID, to node: NodeID, payload: ByteBuffer?) {
        let to = SegmentID(volume: from.volume, group: from.group, node: node)
        let isElsewhere = state.withLock { state in
            guard !state.isolated.contains(from.node) else { return false }
            guard state.nodes.contains(node) else { return true }
            accept(message, to: to, from: .node(from.node), payload: payload, create: false, in: &state)
            return false
        }
        if isElsewhere { links.send(message, to: to, from: from.node, payload: payload) }
    }

    // MARK: - Connections

    /// A driver in this process, or one behind a socket: where its answers go.
    package func connect(_ sink: @escaping ReplySink) -> UInt64 {
        state.withLock { state in
            state.lastConnection += 1
            state.sinks[state.lastConnection] = sink
            return state.lastConnection
        }
    }

    package func disconnect(_ connection: UInt64) { state.withLock { $0.sinks[connection] = nil } }

    /// Holds an appender back while the layers are behind.
    private func awaitLayers() {
        while tailBytes.load(ordering: .relaxed) > configuration.tailBytesMax,
            !isLayeringStuck.load(ordering: .relaxed),
            !isStopping.load(ordering: .relaxed)
        {
            let seen = layered.value
            layering.signal()
            layered.wait(seen: seen, milliseconds: 1000)
        }
    }
}

extension SegmentMessage {
    /// The part whose payload travels with the message.
    var part: BatchHeader? {
        switch self {
        case .append(let header, _, _), .push(let header, _), .repair(let header): header
        default: nil
        }
    }
}
