// SPDX-License-Identifier: Apache-2.0

internal import QuorumCore
internal import SegmentCore
internal import VolumeModel

/// What goes wrong, and what an operator does meanwhile.
extension Simulation {
    func fault() {
        guard !isHealed else { return }
        queue.schedule(.fault, at: now + UInt64(random.pick(profile.interval)))
        mix(10, 0)
        var draw = random.pick(0...(profile.weights.reduce(0) { $0 + $1.weight } - 1))
        for (kind, weight) in profile.weights {
            draw -= weight
            guard draw < 0 else { continue }
            strike(kind)
            break
        }
        if needsBreak, totals.takeovers >= 2, batchesMade > options.batches / 2 { breakPromise() }
    }

    private func strike(_ kind: FaultProfile.Kind) {
        switch kind {
        case .crash: crash(random.pick(0...(nodes.count - 1)), for: random.pick(1000...120_000))
        case .crashZone: crashZone()
        case .powerFailure: powerFailure()
        case .partition: partition()
        case .split: split()
        case .takeOver: takeOver()
        case .pause: pause()
        case .rot: rot()
        case .loseDisk: loseDisk()
        case .fillDisk: fillDisk()
        case .slowDown: slowDown()
        case .changeMembers: changeMembers()
        case .grow: grow()
        }
    }

    private func crashZone() {
        let zone = random.pick([UInt8(ascii: "a"), UInt8(ascii: "b"), UInt8(ascii: "c")])
        note("zone \(zone) is lost")
        let duration = random.pick(5000...80000)
        for index in nodes.indices where nodes[index].id.zone == zone { crash(index, for: duration) }
    }

    /// All hosts lose power at once, with whatever had not been flushed.
    private func powerFailure() {
        totals.powerFailures += 1
        note("power failure")
        for index in nodes.indices { crash(index, for: random.pick(1000...20000), losingAll: random.chance(1, in: 2)) }
        guard let wanted, random.chance(1, in: 2) else { return }
        totals.driverCrashes += 1
        drivers[wanted].isStopped = true
        respawn()
    }

    private func mend() {
        for from in blocked.indices { for to in blocked.indices { blocked[from][to] = false } }
    }

    /// The network falls in two; the old driver is on one side and does not know, a new one starts on the other.
    private func split() {
        guard let wanted, drivers[wanted].writer != nil else { return }
        totals.partitions += 1
        mend()
        let old = slot(ofDriver: wanted)
        let new = slot(ofDriver: drivers.count)
        guard old != new else { return }
        let size = random.pick(2...4)
        var side = Array(repeating: false, count: blocked.count)
        side[old] = true
        for node in nodes.indices where random.chance(size, in: 6) { side[node] = true }
        for from in blocked.indices {
            for to in blocked.indices where side[from] != side[to] { blocked[from][to] = true }
        }
        note("split, \(nodes.indices.filter { side[$0] }.map { nodes[$0].id }) stay with driver \(wanted)")
        spawn()
    }

    /// A node's network becomes slow for a while.
    private func slowDown() {
        totals.slowNodes += 1
        let node = nodes[random.pick(0...(nodes.count - 1))]
        node.slowUntil = now + UInt64(random.pick(5000...100_000))
        node.slowness = random.pick(1000...30000)
    }

    /// Cuts one direction of some links, or mends all.
    private func partition() {
        if random.chance(1, in: 2) { return mend() }
        totals.partitions += 1
        let node = random.pick(0...(blocked.count - 1))
        let isInbound = random.chance(1, in: 2)
        let share = random.pick(1...4)
        for other in blocked.indices where random.chance(share, in: 4) {
            if isInbound { blocked[other][node] = true } else { blocked[node][other] = true }
        }
    }

    // MARK: - Drivers

    /// Starts another driver; the old one is killed, or lives on and does not know.
    private func takeOver() {
        guard let wanted, drivers[wanted].writer != nil || random.chance(1, in: 4) else { return }
        let driver = drivers[wanted]
        switch random.pick(0...3) {
        case 0, 1:
            totals.driverCrashes += 1
            driver.isStopped = true
            note("driver \(driver.id) dies")
            respawn()
        case 2:
            // A rival while the old one writes.
            spawn()
            if random.chance(1, in: 3) { spawn() }
        default:
            totals.driverPauses += 1
            driver.pausedUntil = now + UInt64(random.pick(5000...150_000))
            note("driver \(driver.id) sleeps")
            spawn()
        }
    }

    private func pause() {
        guard let wanted else { return }
        totals.driverPauses += 1
        drivers[wanted].pausedUntil = now + UInt64(random.pick(1000...20000))
    }

    // MARK: - Disks

    private func fillDisk() {
        totals.fullDisks += 1
        let node = nodes[random.pick(0...(nodes.count - 1))]
        node.fullUntil = now + UInt64(random.pick(5000...60000))
    }

    /// One flushed part rots, if what is left of its copies is enough.
    private func rot() {
        let index = random.pick(0...(nodes.count - 1))
        guard let segment = random.pick(nodes[index].segments), segment.flushed > 0 else { return }
        let place = random.pick(max(0, segment.flushed - 40)...(segment.flushed - 1))
        guard case .batch(let header, _) = segment.journal[place].record, header.end > segment.machine.floor.lsn,
            segment.payloads[header.end] != nil, !segment.journal[place].isRotten, mayRot(header, at: index)
        else { return }
        totals.rottenRecords += 1
        spoil(segment, at: place)
        note("\(segment.node)/\(segment.group) \(header.end) rots")
        // Half are found by the scrubber, half when they are read.
        guard nodes[index].isUp, random.chance(1, in: 2) else { return }
        var actions: [SegmentAction] = []
        segment.lose(header.end, into: &actions)
        perform(&actions, of: segment, at: index, payload: 0)
    }

    func spoil(_ segment: SimulatedSegment, at place: Int) {
        guard case .batch(let header, _) = segment.journal[place].record else { return }
        segment.journal[place].isRotten = true
        segment.rotten.append(header.end)
        rots.append((index(of: segment.node) ?? 0, header))
    }

    /// Whether a copy of a part may rot: any four surviving members must still include a good one, and only one copy of a
    /// batch is bad at a time, because a copy that was acknowledged counts for the writer although it is gone.
    private func mayRot(_ header: BatchHeader, at index: Int) -> Bool {
        rots.removeAll { node, header in
            guard let segment = nodes[node].segments[Int(header.group.value)] else { return false }
            return segment.machine.floor.lsn >= header.end || segment.readable.contains(header.end)
        }
        guard !rots.contains(where: { $0.1 == header }) else { return false }
        return survives(header.group, only: header.end, without: nil, rottenAt: index)
    }

    /// Whether every part of the group that may have been acknowledged is safe after a loss.
    private func survives(_ group: GroupID, only end: LSN?, without lost: Int?, rottenAt: Int?) -> Bool {
        let place = Int(group.value)
        let readable = nodes.indices.map { index in
            index == lost ? nil : nodes[index].segments[place].map { ($0.machine.floor.lsn, $0.readable) }
        }
        func has(_ end: LSN, _ index: Int) -> Bool {
            guard index != rottenAt, let (floor, ends) = readable[index] else { return false }
            return floor >= end || ends.contains(end)
        }
        let ends: [LSN]
        if let end {
            ends = [end]
        } else {
            ends = place < oracle.parts.count ? oracle.parts[place].map(\.header.end) : []
        }
        for set in memberships(of: group) {
            let members = set.compactMap { self.index(of: $0) }
            let surviving = members.filter { readable[$0] != nil }
            guard surviving.count >= Membership.writeQuorum else { return false }
            // A part beyond the history has been acknowledged by few: the writer's count is not known here.
            for end in ends where end <= oracle.end {
                guard surviving.filter({ has(end, $0) }).count > surviving.count - Membership.writeQuorum else {
                    return false
                }
            }
        }
        return true
    }

    /// The sets of every membership that any segment of the group knows or a writer has proposed: one of them is in force.
    private func memberships(of group: GroupID) -> [[NodeID]] {
        var sets: [[NodeID]] = []
        for node in nodes {
            guard let segment = node.segments[Int(group.value)] else { continue }
            for set in segment.machine.membership.sets where !sets.contains(set) && segment.machine.isMember {
                sets.append(set)
            }
        }
        for driver in drivers where driver.epoch >= oracle.newestDecided {
            for set in driver.writer?.membership(of: group)?.sets ?? [] where !sets.contains(set) { sets.append(set) }
        }
        return sets
    }

    private func loseDisk() {
        let index = random.pick(0...(nodes.count - 1))
        for place in 0..<Self.groupsMax where nodes[index].segments[place] != nil {
            guard survives(GroupID(UInt32(place)), only: nil, without: index, rottenAt: nil), rots.isEmpty else {
                return
            }
        }
        destroy(index)
        // The next thing to fail is what the lost copies were a spare for.
        if random.chance(1, in: 3) { split() }
    }

    func destroy(_ index: Int) {
        totals.lostDisks += 1
        note("\(nodes[index].id) loses its disk")
        for driver in drivers {
            for place in 0..<Self.groupsMax {
                driver.writer?.disconnected(group: GroupID(UInt32(place)), node: nodes[index].id)
            }
        }
        nodes[index].segments = Array(repeating: nil, count: Self.groupsMax)
        nodes[index].disk += 1
        nodes[index].life += 1
        nodes[index].isUp = false
        nodes[index].isFlushing = false
        nodes[index].isFlushWanted = false
        queue.schedule(.restart(node: index, life: nodes[index].life), at: now + UInt64(random.pick(100...20000)))
    }

    // MARK: - Operators

    private func changeMembers() {
        guard let wanted, let writer = drivers[wanted].writer else { return }
        let group = random.pick(writer.openGroups)
        guard let sets = writer.membership(of: group)?.sets, let set = sets.first else { return }
        let actions: [WriterAction]?
        if sets.count == 2 {
            guard random.chance(1, in: 3) else { return }
            actions = drivers[wanted].writer?.reverse(group: group)
        } else {
            let old = random.pick(set)
            actions = drivers[wanted].writer?.replace(group: group, old, by: spare(set, like: old))
        }
        if let actions { perform(actions, of: drivers[wanted]) }
    }

    private func grow() {
        guard let wanted, let writer = drivers[wanted].writer else { return }
        let next = GroupID(UInt32(writer.openGroups.count))
        guard next.value < Self.groupsMax, writer.tenure(of: next) == nil else { return }
        // Two of each zone's three.
        var members: [NodeID] = []
        for zone in 0..<3 {
            let left = random.pick(0...2)
            members += (0..<3).filter { $0 != left }.map { nodes[zone * 3 + $0].id }
        }
        if let actions = drivers[wanted].writer?.createGroup(next, nodes: members) {
            perform(actions, of: drivers[wanted])
        }
    }

    // MARK: - Beyond the promise

    /// Whether a driver dies now, in the middle of a list of messages that it was to send.
    func diesMidway(_ driver: SimulatedDriver, _ one: Int, in many: Int) -> Bool {
        guard !isHealed, !driver.isStopped, random.chance(one, in: many) else { return false }
        totals.driverCrashes += 1
        note("driver \(driver.id) dies midway")
        driver.isStopped = true
        if wanted == driver.id { respawn() }
        return true
    }

    var needsBreak: Bool { options.beyondPromise && !isBroken }

    /// Destroys more copies than a quorum survives, and the writer with them.
    private func breakPromise() {
        isBroken = true
        brokenAt = now
        note("the promise is broken")
        if random.chance(1, in: 2) {
            // Half of a group's segments and one more.
            let members = memberships(of: .namespace).first ?? []
            for node in members.prefix(random.pick(3...4)) { if let index = index(of: node) { destroy(index) } }
        } else {
            // The newest history rots on many.
            guard let last = oracle.parts.first?.last?.header.end else { return }
            for node in nodes {
                for segment in node.segments.compactMap({ $0 }) {
                    for place in segment.journal.indices.prefix(segment.flushed) {
                        guard case .batch(let header, _) = segment.journal[place].record,
                            header.end.advanced(by: 1500) > last,
                            header.end <= segment.machine.knownVDL, random.chance(4, in: 5)
                        else { continue }
                        spoil(segment, at: place)
                    }
                }
            }
            for index in nodes.indices { crash(index, for: random.pick(1000...20000)) }
        }
        if let wanted { drivers[wanted].isStopped = true }
        respawn()
    }
}
