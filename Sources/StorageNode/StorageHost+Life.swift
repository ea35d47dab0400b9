// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import LayerStore
internal import Logging
package import NIOCore
internal import SegmentCore
internal import Synchronization
internal import VolumeModel

/// Start, stop, and what happens every now and then.
extension StorageHost {
    /// Replays the journal, opens the port, starts the background work.
    package func start() throws {
        sweep(nodes)
        let report = try device.withLock { device throws(StorageFailure) in
            let report = try device.journal.replay { entry in replay(entry) }
            note(lost: report.lost)
            try rotate(&device)
            return report
        }
        state.withLock { state in
            for id in state.segments.keys.sorted() { catchUpWithLayers(id, in: &state) }
        }
        checkLayers()
        settle()
        logger.info("journal replayed", metadata: ["entries": "\(report.entries)"])
        let server = try StorageServer(self)
        self.server.withLock { $0 = server }
        links.start()
        startThread("gossip") { [self] in runTicks() }
        startThread("layers") { [self] in runLayers() }
        startThread("scrub") { [self] in runScrub() }
    }

    package func stop() {
        isStopping.store(true, ordering: .releasing)
        layering.signal()
        layered.signal()
        ending.signal()
        server.withLock { server in
            server?.stop()
            server = nil
        }
        links.stop()
    }

    private func startThread(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread(block: body)
        thread.name = name
        thread.start()
    }

    /// One journal entry at start-up, or when a stopped node comes back.
    func replay(_ entry: JournalEntry) {
        state.withLock { state in
            guard state.nodes.contains(entry.segment.node), !state.isOut(entry.segment.node),
                !state.removed.contains(entry.segment.volume)
            else { return }
            if state.segments[entry.segment] == nil {
                do {
                    state.segments[entry.segment] = try makeSegment(entry.segment, in: &state)
                } catch {
                    logger.error("open segment", metadata: ["segment": "\(entry.segment)", "error": "\(error)"])
                    if let failure = StorageFailure(error) { takeOut(entry.segment.node, failure, in: &state) }
                    return
                }
            }
            if case .batch(let header, _) = entry.record, let payload = entry.payload {
                guard header.end > state.segments[entry.segment]?.machine.floor.lsn ?? .zero else { return }
                state.segments[entry.segment]?.tail.add(header, payload)
            }
            state.segments[entry.segment]?.machine.replay(entry.record)
        }
    }

    /// Batches that this disk had and has lost: they come back by gossip, and a takeover before that must know of them.
    func note(lost: [(segment: SegmentID, header: BatchHeader)]) {
        for (id, header) in lost {
            state.withLock { $0.segments[id]?.machine.replayUnreadable(header) }
            logger.warning(
                "a batch in the journal is damaged and comes back by gossip",
                metadata: ["segment": "\(id)", "end": "\(header.end)"])
        }
    }

    /// Layers that were cut just before a crash may be ahead of what the journal says.
    func catchUpWithLayers(_ id: SegmentID, in state: inout State) {
        guard let segment = state.segments[id] else { return }
        let lsn = segment.layers.layeredLSN
        if lsn > segment.machine.floor.lsn, lsn <= segment.machine.complete {
            withMachine(id, in: &state) { machine, actions in _ = machine.layered(upTo: lsn, into: &actions) }
        }
    }

    private func runTicks() {
        var retries = Retries()
        var ticks = 0
        while !isStopping.load(ordering: .acquiring) {
            Thread.sleep(forTimeInterval: 0.1)
            ticks += 1
            // Making a new journal file takes a full disk some work, in vain.
            if ticks % 10 == 0 { retryDevice() }
            retryFailedNodes(&retries)
            state.withLock { state in
                for id in state.segments.keys.sorted() where state.hears(id.node) {
                    var random = state.random
                    withMachine(id, in: &state) { machine, actions in machine.tick(random: &random, into: &actions) }
                }
            }
            settle()
        }
    }

    // MARK: - Status

    package func status() -> [NodeStatus] {
        let failure = device.withLock { $0.failure }
        return state.withLock { state in
            state.nodes.map { node in
                let segments = state.segments.keys.filter { $0.node == node }.sorted().compactMap { id in
                    state.segments[id].map { segment in
                        NodeStatus.Segment(
                            volume: id.volume.description, group: id.group.value, scl: segment.machine.scl.value,
                            vdl: segment.machine.knownVDL.value, layered: segment.layers.layeredLSN.value,
                            layers: segment.layers.statistics.layers, bytes: Int64(segment.layers.statistics.bytes),
                            promised: segment.machine.promised.value,
                            membership: segment.machine.membership.epoch.value, isMember: segment.machine.isMember,
                            sets: segment.machine.membership.sets)
                    }
                }
                let (condition, reason): (String, String?) =
                    if state.down.contains(node) {
                        ("down", "stopped by a fault; `borealis fault heal` starts it")
                    } else if let failure = failure ?? state.failed[node] {
                        (failure.isFull ? "full" : "failed", Self.advice(failure, node))
                    } else if state.isolated.contains(node) {
                        ("up", "cut off by a fault; `borealis fault heal` connects it")
                    } else {
                        ("up", nil)
                    }
                return NodeStatus(
                    node: node, state: condition, reason: reason, scl: segments.map(\.scl).max() ?? 0,
                    segments: segments,
                    damaged: state.damaged[node] ?? 0, repaired: state.repaired[node] ?? 0)
            }
        }
    }

    private static func advice(_ failure: StorageFailure, _ node: NodeID) -> String {
        failure.isFull
            ? "\(failure) (make room; it goes on by itself)"
            : "\(failure) (it is tried again; if the disk is lost, run `borealis volume replace \(node)`)"
    }

    /// Journal figures for `volume stat`.
    package func journalStatistics() -> (files: Int, flushes: UInt64, bytes: UInt64) {
        device.withLock { ($0.journal.files, $0.journal.flushes, $0.journal.bytesWritten) }
    }
}

/// What a storage process says of itself over the wire.
package struct HostInventory: Codable, Sendable {
    package var nodes: [NodeStatus]

    init(nodes: [NodeStatus]) { self.nodes = nodes }

    package init(decoding buffer: ByteBuffer) throws {
        self = try JSONDecoder().decode(HostInventory.self, from: Data(buffer.readableBytesView))
    }

    var encoded: ByteBuffer {
        get throws { ByteBuffer(bytes: try JSONEncoder().encode(self)) }
    }
}
