// SPDX-License-Identifier: Apache-2.0

internal import SegmentCore
internal import VolumeModel

/// A segment's host: its journal, its payloads and its layers.
///
/// The journal's un-flushed end is lost at a crash, from some record on. A record can rot: it is found out when it is
/// read, at start-up or for a peer. Control records are kept twice on a real disk, so they do not rot.
final class SimulatedSegment {
    struct Record {
        var record: Durable
        var token: UInt64
        var payload: UInt64
        var isRotten = false
    }

    let volume: VolumeID
    let group: GroupID
    let node: NodeID
    let rules: SafetyRules
    var machine: SegmentMachine
    var journal: [Record] = []
    /// Records on disk, and records that the flush under way will put there.
    var flushed = 0
    var flushing = 0
    /// Payloads of the parts above the floor, by end.
    var payloads: [LSN: UInt64] = [:]
    var layers: [Oracle.Part] = []
    /// Parts whose record has rotted, unknown to the machine.
    var rotten: [LSN] = []
    /// Up to here the oracle has compared this segment's history.
    var checked = LSN.zero

    init(volume: VolumeID, group: GroupID, node: NodeID, rules: SafetyRules) {
        self.volume = volume
        self.group = group
        self.node = node
        self.rules = rules
        machine = SegmentMachine(volume: volume, group: group, node: node, rules: rules)
    }

    func persist(_ record: Durable, token: UInt64, payload: UInt64) {
        journal.append(Record(record: record, token: token, payload: payload))
        if case .batch(let header, _) = record {
            payloads[header.end] = payload
            rotten.removeAll { $0 == header.end }
        }
    }

    /// The power fails: `kept` of the un-flushed records made it to the disk.
    func crash(keeping kept: Int) {
        journal.removeLast(journal.count - flushed - kept)
        flushed = journal.count
        flushing = flushed
    }

    /// A new machine from what is on the disk.
    func restart() {
        machine = SegmentMachine(volume: volume, group: group, node: node, rules: rules)
        rotten.removeAll()
        flushed = journal.count
        flushing = flushed
        payloads.removeAll(keepingCapacity: true)
        for record in journal {
            if case .batch(let header, _) = record.record {
                guard !record.isRotten else {
                    machine.replayUnreadable(header)
                    continue
                }
                payloads[header.end] = record.payload
            }
            machine.replay(record.record)
        }
        checked = .zero
    }

    /// Makes layers of what is history, as far as it can be read.
    /// - Returns: how many parts
    func layer(upTo lsn: LSN, into actions: inout [SegmentAction]) -> Int {
        let parts = machine.history(after: machine.floor.lsn, upTo: min(lsn, machine.complete))
        if let bad = parts.first(where: { rotten.contains($0.end) }) {
            lose(bad.end, into: &actions)
            return 0
        }
        for header in machine.layered(upTo: lsn, into: &actions) {
            let payload = payloads.removeValue(forKey: header.end) ?? 0
            if header.end > layers.last?.header.end ?? .zero { layers.append(.init(header: header, payload: payload)) }
        }
        return parts.count
    }

    /// A part turned out to be unreadable.
    func lose(_ end: LSN, into actions: inout [SegmentAction]) {
        rotten.removeAll { $0 == end }
        payloads[end] = nil
        machine.corrupted(end: end, into: &actions)
    }

    /// Rewrites the journal without what the layers hold.
    func recycle() {
        guard flushed == journal.count, flushing == flushed else { return }
        let floor = machine.floor.lsn
        let parts = journal.filter { record in
            guard case .batch(let header, _) = record.record else { return false }
            return header.end > floor && (record.isRotten ? machine.lost.contains(header) : payloads[header.end] != nil)
        }
        journal = machine.checkpoint.map { Record(record: $0, token: 0, payload: 0) } + parts
        flushed = journal.count
        flushing = flushed
    }

    /// The parts of this segment's history in (`after`, `upTo`], from layers and log.
    func history(after: LSN, upTo: LSN) -> [Oracle.Part] {
        var found: [Oracle.Part] = []
        let floor = machine.floor.lsn
        if after < floor {
            var index = layers.count
            while index > 0, layers[index - 1].header.end > after { index -= 1 }
            found = layers[index...].filter { $0.header.end <= min(floor, upTo) }
        }
        for header in machine.history(after: max(after, floor), upTo: upTo) {
            found.append(.init(header: header, payload: payloads[header.end] ?? 0))
        }
        return found
    }

    /// Ends of the parts above the floor that are on this disk, readable and held by the machine.
    var readable: Set<LSN> {
        var ends: Set<LSN> = []
        for record in journal[..<flushed] where !record.isRotten {
            if case .batch(let header, _) = record.record, payloads[header.end] != nil { ends.insert(header.end) }
        }
        return ends
    }
}
