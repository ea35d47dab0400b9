// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
package import Keyring
package import Logging
internal import NIOCore
internal import NamespaceCore
internal import QuorumCore
internal import SegmentCore
internal import StorageNode
internal import Synchronization
internal import VolumeModel

/// Carries one engine's file operations to the volume, and the volume's blocks to the engine's local cache.
///
/// One thread pumps: it reads the ring, builds batches, sends them, and sleeps on the doorbell. Acknowledgements arrive on
/// whatever thread the transport uses; under the one lock they move the VDL, publish it in the ring, and wake who waits.
/// Block reads run on threads of their own.
package final class VolumeDriver: Sendable {
    /// A batch is cut at this many record bytes even if more is waiting.
    static let batchBytesMax = 1 << 20
    /// They wait for storage nodes most of their time.
    private static let fetchThreads = 8

    struct Core {
        var phase = Phase.detached
        var writer: WriterMachine?
        var builder: BatchBuilder?
        var ring: Ring?
        /// Batches that are not durable yet, oldest first.
        var inFlight: [Batch] = []
        /// Ring position up to which entries are in batches.
        var consumed: UInt64 = 0
        /// Replies while a recovery runs.
        var replies: [SegmentAnswer] = []
        var required: [GroupID: LSN] = [:]
        var vdl = LSN.zero
        var epoch = VolumeEpoch.none
        var toldVDL = LSN.zero
        var failure: String?
        var namespace: Namespace?
        var counters = Counters()
        var isGroupPending = false
        var hand = EvictionHand()
        var prefetch = PrefetchPlan()
        var hints = Hints()
        var reachable: Set<NodeID> = []
        var replacements: [Replacement] = []
        var pin: MountPin?
        var preference = NodePreference()
    }

    struct Counters {
        var batches: UInt64 = 0
        var logBytes: UInt64 = 0
        var shippedBytes: UInt64 = 0
        var fetches: UInt64 = 0
        var fetchedBytes: UInt64 = 0
        var evictedBytes: UInt64 = 0
        var prefetchedBytes: UInt64 = 0
        var hintedBytes: UInt64 = 0
        var lastTimestamp: Int64 = 0
    }

    enum Phase {
        case detached
        case recovering
        case attached
        case failed
    }

    struct Batch {
        var end: LSN
        var ringPosition: UInt64
        /// Monotonic time, nanoseconds.
        var sent: Int64
        var parts: [(header: BatchHeader, payload: ByteBuffer)]
    }

    package let configuration: DriverConfiguration
    let logger: Logger
    let core = Mutex(Core())
    let transport: any StorageTransport
    let sealers: Sealers
    let doorbell: Int32
    /// Moves whenever something happened that an attaching or waiting thread may care about.
    let changes = EventSignal()
    /// Moves when the driver has failed or has let go of the volume. Apart from `changes`, which moves at every commit.
    let ended = EventSignal()
    let pump = DriverThread()
    let keeper = DriverThread()
    /// Ends the keeper's rest.
    let keeperBell = EventSignal()
    let fetchers: FetchPool

    package init(
        _ configuration: DriverConfiguration, storage: StorageAccess, keys: any VolumeKeySource, logger: Logger
    ) throws {
        self.configuration = configuration
        self.logger = logger
        sealers = Sealers(dataKey: try keys.dataKey(volume: configuration.volume))
        doorbell = bx_eventfd()
        guard doorbell >= 0 else {
            throw DriverError("no descriptor for the doorbell: \(String(cString: strerror(errno)))")
        }
        fetchers = FetchPool(threads: Self.fetchThreads)
        let relay = Relay()
        let events = TransportEvents(
            reply: { relay.driver?.replied($0) },
            connection: { nodes, isUp in relay.driver?.connection(nodes, isUp) })
        transport =
            if let fault = configuration.networkFault {
                try FaultyTransport(fault, events) { try storage.open($0, logger: logger) }
            } else {
                try storage.open(events, logger: logger)
            }
        relay.set(self)
    }

    deinit { close(doorbell) }

    // MARK: - Replies

    func replied(_ answers: [SegmentAnswer]) {
        let actions = core.withLock { core -> [WriterAction] in
            switch core.phase {
            case .recovering:
                core.replies += answers.filter { $0.id.volume == configuration.volume }
                return []
            case .attached:
                var actions: [WriterAction] = []
                var durable: LSN?
                for answer in answers where answer.id.volume == configuration.volume {
                    actions += handle(answer.id, answer.reply, &durable, &core)
                }
                // Once for all of them: who waits is woken once.
                if let durable { advance(to: durable, &core) }
                return actions
            case .detached, .failed: return []
            }
        }
        if !actions.isEmpty { perform(actions) }
        changes.signal()
    }

    /// - Parameter durable: the VDL, if the answer moves it
    private func handle(
        _ id: SegmentID, _ reply: SegmentReply, _ durable: inout LSN?, _ core: inout Core
    ) -> [WriterAction] {
        switch reply {
        case .acknowledged(let epoch, let scl):
            if let vdl = core.writer?.acknowledged(group: id.group, node: id.node, epoch: epoch, scl: scl) {
                durable = vdl
            }
            return []
        case .installed(let stamp, let scl):
            guard let (vdl, actions) = core.writer?.installed(group: id.group, node: id.node, stamp, scl: scl)
            else { return [] }
            if let vdl { durable = vdl }
            return actions
        case .refused(let refusal):
            return core.writer?.refused(group: id.group, node: id.node, refusal) ?? []
        case .pushed, .report, .batch: return []
        }
    }

    /// The VDL moved: whoever waits for an entry at or below it may go on.
    private func advance(to vdl: LSN, _ core: inout Core) {
        core.vdl = vdl
        var position: UInt64?
        var done = 0
        while done < core.inFlight.count, core.inFlight[done].end <= vdl {
            position = core.inFlight[done].ringPosition
            done += 1
        }
        core.inFlight.removeFirst(done)
        // Entries that made no record lie after the last batch.
        if core.inFlight.isEmpty { position = core.consumed }
        if let position { core.ring?.publish(durable: position) }
    }

    func perform(_ actions: [WriterAction]) {
        for action in actions {
            switch action {
            case .fenced(let epoch):
                fail("fenced: another writer has taken \(configuration.volume) with epoch \(epoch)")
            case .install(let group, let node, let tenure):
                transport.send(.install(tenure), to: id(group, node), payload: nil, create: false)
            case .create(let group, let node, let tenure):
                transport.send(.install(tenure), to: id(group, node), payload: nil, create: true)
            case .resend(let group, let node): resend(group, node)
            case .opened(let group):
                logger.notice("protection group opened", metadata: ["group": "\(group)"])
                core.withLock { core in
                    core.builder?.fill = group
                    core.builder?.fillBytes = 0
                    core.isGroupPending = false
                }
            case .replaced(let group, let membership), .reversed(let group, let membership):
                logger.notice("members changed", metadata: ["group": "\(group)", "members": "\(membership.nodes)"])
            }
        }
    }

    func id(_ group: GroupID, _ node: NodeID) -> SegmentID {
        SegmentID(volume: configuration.volume, group: group, node: node)
    }

    /// At most this much is sent again at a time: a node that is slow does not get quicker by getting everything twice.
    private static let resendBytesMax = 2 << 20

    private func resend(_ group: GroupID, _ node: NodeID) {
        guard !transport.isCongested(node) else { return }
        let (parts, vdl) = core.withLock { core -> ([StorageHost.AppendedPart], LSN) in
            guard let writer = core.writer, let membership = writer.membership(of: group) else { return ([], .zero) }
            let wanted = Set(writer.undurable(group: group, node: node).map(\.end))
            var bytes = 0
            let parts = core.inFlight.flatMap { batch in
                batch.parts.filter { $0.header.group == group && wanted.contains($0.header.end) }
            }.prefix { part in
                bytes += part.payload.readableBytes
                return bytes <= Self.resendBytesMax || bytes == part.payload.readableBytes
            }
            return (
                parts.map {
                    .init(header: $0.header, payload: $0.payload, membership: membership.epoch, nodes: [node])
                },
                core.vdl
            )
        }
        if !parts.isEmpty { transport.append(parts, vdl: vdl) }
    }

    private func connection(_ nodes: [NodeID], _ isUp: Bool) {
        let groups = core.withLock { core -> [GroupID] in
            if isUp { core.reachable.formUnion(nodes) } else { core.reachable.subtract(nodes) }
            let groups = core.writer?.openGroups ?? []
            if !isUp {
                for group in groups { for node in nodes { core.writer?.disconnected(group: group, node: node) } }
            }
            return groups
        }
        if isUp { for group in groups { for node in nodes { resend(group, node) } } }
        changes.signal()
    }

    // MARK: - Failing

    /// The driver cannot go on: the engine gets EIO at its next operation and stops.
    func fail(_ reason: String) {
        core.withLock { core in
            guard core.phase != .failed else { return }
            core.phase = .failed
            core.failure = reason
            core.ring?.fail()
        }
        logger.error("the driver stops", metadata: ["reason": "\(reason)"])
        changes.signal()
        ended.signal()
    }

    /// Blocks until the driver has failed; the reason.
    package func waitUntilFailed() -> String {
        while true {
            let seen = ended.value
            if let reason = core.withLock({ $0.failure }) { return reason }
            ended.wait(seen: seen, milliseconds: 1000)
        }
    }

    // MARK: - Status

    package func status() -> DriverStatus {
        core.withLock { core in
            let counters = core.ring?.counters
            let end = core.writer?.end ?? core.vdl
            var waiting: String?
            if core.phase == .recovering { waiting = "taking over: needs answers from 4 of 6 nodes" }
            if let batch = core.inFlight.first, let writer = core.writer {
                let behind = Set(
                    batch.parts.flatMap { part in
                        (writer.membership(of: part.header.group)?.nodes ?? []).filter { node in
                            writer.undurable(group: part.header.group, node: node).contains { $0.end == batch.end }
                        }
                    })
                // Fewer than four copies right after sending is normal; say so only if it lasts.
                if behind.count > Membership.copies - Membership.writeQuorum,
                    bx_monotonic_ns() - batch.sent > 300_000_000
                {
                    waiting =
                        "commits wait for 4 of 6 copies: no answer from "
                        + behind.sorted().map(\.description).joined(separator: ", ")
                }
            }
            let state =
                switch core.phase {
                case .detached: "detached"
                case .recovering: "recovering"
                case .attached: "attached"
                case .failed: "failed"
                }
            return DriverStatus(
                state: state, waiting: core.failure ?? waiting, vdl: core.vdl.value, end: end.value,
                epoch: core.epoch.value, groups: core.writer?.openGroups.count ?? 0,
                records: core.builder?.records ?? 0,
                batches: core.counters.batches, logBytes: core.counters.logBytes,
                shippedBytes: core.counters.shippedBytes, syncs: counters?.syncs ?? 0,
                engineWrites: counters?.writes ?? 0,
                engineWriteBytes: counters?.writeBytes ?? 0, fetches: core.counters.fetches,
                fetchedBytes: core.counters.fetchedBytes, ringWakes: counters?.wakes ?? 0,
                evictedBytes: core.counters.evictedBytes, prefetchedBytes: core.counters.prefetchedBytes,
                hintedBytes: core.counters.hintedBytes,
                members: core.writer.map { writer in
                    writer.openGroups.compactMap { group in
                        writer.membership(of: group).map { GroupMembers(group: group, $0) }
                    }
                })
        }
    }
}

/// Breaks the cycle between a driver under construction and its transport's callbacks.
private final class Relay: Sendable {
    private let held = Mutex<WeakDriver>(WeakDriver())
    private struct WeakDriver { weak var driver: VolumeDriver? }
    var driver: VolumeDriver? { held.withLock { $0.driver } }
    func set(_ driver: VolumeDriver) { held.withLock { $0.driver = driver } }
}
