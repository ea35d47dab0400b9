// SPDX-License-Identifier: Apache-2.0

internal import QuorumCore
internal import SegmentCore
internal import VolumeModel

/// One volume, its storage nodes and its drivers, in virtual time: the machines that ship, on a disk and a network that
/// fail as a seed says.
///
/// Time is in microseconds. One thread, one queue of events, one random generator; nothing walks a dictionary or a set.
/// After each event the oracle compares what the segment touched calls complete, and whatever a driver announced.
///
/// Faults, within the promise: messages lost, late, doubled, reordered; one-way partitions; crashes of nodes and drivers,
/// with un-flushed writes lost; drivers that pause and wake as zombies; rivals for one epoch; flushes that fail and disks
/// that fill; records that rot; disks that are lost and segments made again; skewed clocks. One copy of a batch may rot
/// as long as any four surviving members still include a good one. A connection does not outlive its node's disk, so a
/// message sent to or from a disk that has been lost is not delivered.
package final class Simulation {
    static let groupsMax = 3
    static let volume = VolumeID(7)
    static let lal = 6000

    let seed: UInt64
    let options: SimulationOptions
    var random: SimulationRandom
    let oracle = Oracle()
    var queue = EventQueue<SimulationEvent>()
    var now: UInt64 = 0
    var nodes: [SimulatedNode] = []
    var drivers: [SimulatedDriver] = []
    /// The driver that the control plane wants, and what the control plane remembers.
    var wanted: Int?
    var knownEpoch = VolumeEpoch.none
    var placements: [GroupPlacement] = []
    var totals = SimulationTotals()
    var digest: UInt64 = 0
    var isHealed = false
    var isQuiet = false
    /// Beyond the promise: the copies are gone, what follows is judged for silence only.
    var isBroken = false
    var brokenAt: UInt64 = 0
    var batchesMade = 0
    let profile: FaultProfile
    var network = FaultProfile.Network()
    var blocked: [[Bool]] = []
    /// Rotten copies that have not been repaired.
    var rots: [(Int, BatchHeader)] = []
    var actions: [SegmentAction] = []
    var trace: [String] = []

    package init(seed: UInt64, options: SimulationOptions) {
        self.seed = seed
        self.options = options
        random = SimulationRandom(seed: seed)
        profile = FaultProfile.all[Int(seed % UInt64(FaultProfile.all.count))]
        build()
    }

    /// Runs a seed to its end.
    package static func run(seed: UInt64, options: SimulationOptions = SimulationOptions()) -> SimulationResult {
        let simulation = Simulation(seed: seed, options: options)
        simulation.run()
        var result = SimulationResult(seed: seed)
        result.violation = simulation.oracle.violation
        result.digest = simulation.digest
        result.totals = simulation.totals
        result.trace = simulation.trace
        result.isRefused =
            options.beyondPromise && simulation.isBroken
            && simulation.wanted.map {
                simulation.drivers[$0].writer == nil
            } ?? true
        return result
    }

    private func build() {
        for zone in UInt8(ascii: "a")...UInt8(ascii: "c") {
            for number in 1...3 as ClosedRange<UInt8> {
                let node = SimulatedNode(id: NodeID(zone: zone, number: number))
                node.clockRate = random.pick(2...12)
                node.flushTime = random.pick([300, 900, 900, 4000])
                nodes.append(node)
            }
        }
        blocked = Array(repeating: Array(repeating: false, count: nodes.count + 4), count: nodes.count + 4)
        network.lost = random.pick(profile.lost)
        network.doubled = random.pick([0, 20, 200])
        network.late = random.pick([0, 50, 500, 1500])
        let first = nodes.filter { $0.id.value & 0xff < 3 }.map(\.id)
        let tenure = Tenure(
            membership: Membership(epoch: MembershipEpoch(1), sets: [first]),
            groups: [GroupPlacement(group: .namespace, nodes: first)])
        placements = tenure.groups
        for node in nodes where first.contains(node.id) {
            let segment = SimulatedSegment(
                volume: Self.volume, group: .namespace, node: node.id, rules: options.rules)
            segment.persist(.tenure(tenure), token: 0, payload: 0)
            segment.flushed = 1
            segment.restart()
            node.segments[0] = segment
        }
        for index in nodes.indices { scheduleTick(index) }
        queue.schedule(.spawn, at: 0)
        queue.schedule(.fault, at: UInt64(random.pick(1000...40000)))
    }

    // MARK: - The loop

    private func run() {
        let limit: UInt64 = 4_000_000
        while oracle.violation == nil, now < limit, batchesMade < options.batches || totals.takeovers < 2 || needsBreak
        {
            guard step(), !isBroken || now < brokenAt + 500_000 else { break }
        }
        if oracle.violation == nil { conclude() }
        totals.batches = batchesMade
        totals.durableBatches = oracle.history.count
    }

    /// Handles the next event; false if there is none.
    func step() -> Bool {
        guard let (time, event) = queue.next() else { return false }
        now = time
        totals.events += 1
        handle(event)
        return true
    }

    private func handle(_ event: SimulationEvent) {
        switch event {
        case .deliver(let parcel, let node, let disk): deliver(parcel, node: node, disk: disk)
        case .flushed(let node, let life): flushEnded(node, life)
        case .nodeTick(let index, let life):
            mix(3, UInt64(index))
            let node = nodes[index]
            guard node.life == life, node.isUp else { return }
            scheduleTick(index)
            for segment in node.segments.compactMap({ $0 }) { tick(segment, at: index) }
        case .driverTick(let id): driverTick(drivers[id])
        case .driverAppend(let id): driverAppend(drivers[id])
        case .restart(let node, let life): restart(node, life)
        case .snapshot(let node, let life, let group, let source): copySnapshot(node, life, group, source)
        case .fault: fault()
        case .spawn: spawn()
        }
    }

    func mix(_ kind: UInt64, _ value: UInt64) {
        digest = SimulationRandom.mixed(digest ^ now &+ kind << 56 ^ value)
    }

    func note(_ text: @autoclosure () -> String) {
        guard options.isVerbose else { return }
        trace.append("\(now) \(text())")
    }

    func index(of node: NodeID) -> Int? { nodes.firstIndex { $0.id == node } }

    // MARK: - The network

    /// The index of a driver in the table of partitions.
    func slot(ofDriver id: Int) -> Int { nodes.count + id % 4 }

    /// Sends a parcel between a node (or driver) and a node (or driver).
    func send(_ parcel: Parcel, node: Int, from: Int, to: Int) {
        let disk = nodes[node].disk
        if !isHealed, blocked[from][to] { return }
        let faults = isHealed ? FaultProfile.Network() : network
        if faults.lost > 0, random.chance(faults.lost, in: 10000) {
            totals.lostMessages += 1
            return
        }
        let slow = !isHealed && nodes[node].slowUntil > now ? UInt64(random.pick(0...nodes[node].slowness)) : 0
        queue.schedule(.deliver(parcel, node: node, disk: disk), at: now + delay(faults) + slow)
        if faults.doubled > 0, random.chance(faults.doubled, in: 10000) {
            totals.doubledMessages += 1
            queue.schedule(.deliver(parcel, node: node, disk: disk), at: now + delay(faults) * 3)
        }
    }

    private func delay(_ faults: FaultProfile.Network) -> UInt64 {
        if faults.late > 0, random.chance(faults.late, in: 10000) {
            totals.lateMessages += 1
            return UInt64(random.chance(1, in: 8) ? random.pick(5000...120_000) : random.pick(1000...8000))
        }
        return UInt64(random.pick(80...400))
    }

    private func deliver(_ parcel: Parcel, node: Int, disk: Int) {
        guard nodes[node].disk == disk else { return }
        switch parcel {
        case .toSegment(let group, let message, let payload, let peer):
            guard nodes[node].isUp else { return }
            deliver(message, to: node, group, payload: payload, from: peer)
        case .create(let group, let tenure, let peer):
            guard nodes[node].isUp else { return }
            let place = Int(group.value)
            if nodes[node].segments[place] == nil {
                note("\(nodes[node].id) creates \(group)")
                nodes[node].segments[place] = SimulatedSegment(
                    volume: Self.volume, group: group, node: nodes[node].id, rules: options.rules)
            }
            deliver(.install(tenure), to: node, group, payload: 0, from: peer)
        case .toDriver(let id, let group, let node, let reply, let payload):
            deliver(reply, to: drivers[id], group, from: node, payload: payload, parcel: parcel)
        }
    }
}
