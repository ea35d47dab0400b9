// SPDX-License-Identifier: Apache-2.0

internal import QuorumCore
internal import SegmentCore
internal import VolumeModel

/// The drivers' hosts and the control plane that starts them.
extension Simulation {
    // MARK: - Taking over

    /// Starts a driver, which the control plane now wants.
    func spawn() {
        let driver = SimulatedDriver(id: drivers.count, epoch: knownEpoch.next)
        drivers.append(driver)
        wanted = driver.id
        mix(5, UInt64(driver.id))
        claim(driver, epoch: driver.epoch)
        queue.schedule(.driverTick(driver.id), at: now + 5000)
        queue.schedule(.driverAppend(driver.id), at: now + 2000)
    }

    private func claim(_ driver: SimulatedDriver, epoch: VolumeEpoch) {
        driver.epoch = epoch
        driver.attempts += 1
        totals.attempts += 1
        // What the control plane remembers may be old; in the end every node is asked.
        var hints = placements
        if driver.attempts > 2 { hints = [GroupPlacement(group: .namespace, nodes: nodes.map(\.id))] }
        var recovery = RecoveryMachine(
            volume: Self.volume, epoch: epoch, claimant: random.next(), lal: Self.lal, hints: hints,
            rules: options.rules)
        let actions = recovery.start()
        driver.recovery = recovery
        driver.hasDecided = false
        driver.pulled = [:]
        note("driver \(driver.id) claims \(epoch)")
        perform(actions, of: driver)
    }

    private func perform(_ actions: [RecoveryAction], of driver: SimulatedDriver) {
        if !driver.hasDecided, let vdl = driver.recovery?.decidedVDL {
            driver.hasDecided = true
            note("driver \(driver.id) \(driver.epoch) decides \(vdl)")
            oracle.decided(driver.epoch, end: vdl)
        }
        for action in actions {
            if case .ready = action {} else if diesMidway(driver, profile.deaths, in: 300) { return }
            switch action {
            case .send(let group, let node, let message): send(message, to: node, group, by: driver, payload: 0)
            case .pull(let group, let node, let header):
                send(.pull(end: header.end, epoch: driver.epoch), to: node, group, by: driver, payload: 0)
            case .push(let group, let node, let header):
                guard let payload = driver.pulled[group]?[header.end] else {
                    oracle.fail("a part is pushed that was not pulled")
                    return
                }
                send(.push(header, epoch: driver.epoch), to: node, group, by: driver, payload: payload)
            case .release(let group, let header): driver.pulled[group]?[header.end] = nil
            case .blocked(let obstacle):
                totals.blocked += 1
                driver.obstacle = obstacle
                note("driver \(driver.id) \(driver.epoch) is blocked: \(obstacle)")
            case .ready(let volume): begin(driver, volume)
            case .lost(let epoch): lost(driver, to: epoch)
            }
        }
    }

    private func lost(_ driver: SimulatedDriver, to epoch: VolumeEpoch) {
        note("driver \(driver.id) \(driver.epoch) lost to \(epoch)")
        driver.recovery = nil
        guard wanted == driver.id, !driver.isStopped else {
            driver.isStopped = true
            return
        }
        claim(driver, epoch: VolumeEpoch(epoch.value + UInt32(random.pick(1...2))))
    }

    private func begin(_ driver: SimulatedDriver, _ volume: RecoveredVolume) {
        totals.takeovers += 1
        mix(6, volume.vdl.value)
        note("driver \(driver.id) writes as \(volume.epoch) from \(volume.vdl), \(volume.start)")
        oracle.began(volume.epoch, at: volume.vdl)
        driver.recovery = nil
        (driver.firstStart, driver.firstPast) = (volume.start, volume.vdl)
        driver.writer = WriterMachine(volume, lal: Self.lal, rules: options.rules)
        guard wanted == driver.id else { return }
        knownEpoch = max(knownEpoch, volume.epoch)
        if random.chance(3, in: 4) { remember(driver) }
    }

    func remember(_ driver: SimulatedDriver) {
        guard wanted == driver.id, let writer = driver.writer else { return }
        placements = writer.openGroups.compactMap { group in
            writer.membership(of: group).map { GroupPlacement(group: group, nodes: $0.nodes) }
        }
    }

    // MARK: - Messages

    private func send(
        _ message: SegmentMessage, to node: NodeID, _ group: GroupID, by driver: SimulatedDriver, payload: UInt64
    ) {
        guard let index = index(of: node) else { return }
        send(
            .toSegment(group, message, payload: payload, from: .driver(UInt64(driver.id))), node: index,
            from: slot(ofDriver: driver.id), to: index)
    }

    func deliver(
        _ reply: SegmentReply, to driver: SimulatedDriver, _ group: GroupID, from node: NodeID, payload: UInt64,
        parcel: Parcel
    ) {
        guard !driver.isStopped else { return }
        if driver.pausedUntil > now {
            // It wakes as a zombie and finds its mail.
            guard let index = index(of: node) else { return }
            return queue.schedule(
                .deliver(parcel, node: index, disk: nodes[index].disk),
                at: driver.pausedUntil + UInt64(random.pick(1...300)))
        }
        mix(7, UInt64(driver.id) << 16 ^ UInt64(node.value))
        if driver.recovery != nil {
            if case .batch(let header) = reply {
                driver.pulled[group, default: [:]][header.end] = payload
                if let actions = driver.recovery?.pulled(group: group, header) { perform(actions, of: driver) }
            } else if let actions = driver.recovery?.replied(group: group, node: node, reply) {
                perform(actions, of: driver)
            }
            return
        }
        switch reply {
        case .acknowledged(let epoch, let scl):
            announce(driver, driver.writer?.acknowledged(group: group, node: node, epoch: epoch, scl: scl))
        case .installed(let stamp, let scl):
            guard let outcome = driver.writer?.installed(group: group, node: node, stamp, scl: scl) else { return }
            announce(driver, outcome.vdl)
            perform(outcome.actions, of: driver)
        case .refused(let refusal):
            if refusal == .noSegment { forgot(driver, group, node) }
            if let actions = driver.writer?.refused(group: group, node: node, refusal) { perform(actions, of: driver) }
        case .pushed, .report, .batch: break
        }
    }

    private func announce(_ driver: SimulatedDriver, _ vdl: LSN?) {
        guard let vdl else { return }
        mix(8, vdl.value)
        oracle.announced(driver.epoch, vdl)
    }

    // MARK: - Writing

    func driverAppend(_ driver: SimulatedDriver) {
        guard !driver.isStopped, !isQuiet || driver.id != wanted else { return }
        queue.schedule(.driverAppend(driver.id), at: max(driver.pausedUntil, now + UInt64(random.pick(100...1500))))
        guard driver.pausedUntil <= now, let writer = driver.writer, !isQuiet else { return }
        let bytes = random.pick(20...300)
        guard writer.canAppend(bytes: bytes) else { return }
        var groups = writer.openGroups
        while groups.count > 1, random.chance(1, in: 2) { groups.remove(at: random.pick(0...(groups.count - 1))) }
        let end = writer.end.advanced(by: bytes)
        let parts = groups.map { group in
            let header = BatchHeader(
                volume: Self.volume, group: group, epoch: writer.epoch, membershipEpoch: MembershipEpoch(0),
                start: .zero,
                end: end, previous: .zero)
            return BatchPart(
                group: group, payloadBytes: UInt32(bytes), payloadCRC: UInt32(truncatingIfNeeded: payload(of: header)))
        }
        let past = writer.end == driver.firstStart ? driver.firstPast : writer.end
        guard let headers = driver.writer?.append(parts: parts, end: end) else { return }
        batchesMade += 1
        oracle.made(
            .init(
                epoch: driver.epoch, end: end, past: past,
                parts: headers.map { .init(header: $0, payload: payload(of: $0)) }))
        for header in headers {
            guard let membership = driver.writer?.membership(of: header.group) else { continue }
            for node in membership.nodes { append(header, to: node, by: driver) }
        }
    }

    private func append(_ header: BatchHeader, to node: NodeID, by driver: SimulatedDriver) {
        guard let writer = driver.writer, let membership = writer.membership(of: header.group) else { return }
        send(
            .append(header, vdl: writer.vdl, membership: membership.epoch), to: node, header.group, by: driver,
            payload: payload(of: header))
    }

    func perform(_ actions: [WriterAction], of driver: SimulatedDriver) {
        for action in actions {
            switch action {
            case .fenced(let epoch):
                totals.fenced += 1
                note("driver \(driver.id) \(driver.epoch) is fenced by \(epoch)")
                driver.isStopped = true
                knownEpoch = max(knownEpoch, epoch)
                if wanted == driver.id { respawn() }
            case .install(let group, let node, let tenure):
                if diesMidway(driver, profile.deaths, in: 150) { return }
                send(.install(tenure), to: node, group, by: driver, payload: 0)
            case .create(let group, let node, let tenure):
                if diesMidway(driver, profile.deaths, in: 150) { return }
                guard let index = index(of: node) else { continue }
                send(
                    .create(group, tenure, from: .driver(UInt64(driver.id))), node: index,
                    from: slot(ofDriver: driver.id),
                    to: index)
            case .resend(let group, let node):
                for header in driver.writer?.undurable(group: group, node: node) ?? [] {
                    append(header, to: node, by: driver)
                }
            case .opened(let group):
                totals.groups += 1
                note("driver \(driver.id) opens \(group)")
                remember(driver)
            case .replaced(let group, let membership):
                totals.replacements += 1
                note("driver \(driver.id) \(group) is \(membership)")
                driver.forgetful.removeAll { $0.group == group }
                if random.chance(1, in: 2) { remember(driver) }
            case .reversed(let group, let membership):
                totals.reversals += 1
                note("driver \(driver.id) \(group) is again \(membership)")
                driver.forgetful.removeAll { $0.group == group }
            }
        }
    }

    func respawn() {
        wanted = nil
        queue.schedule(.spawn, at: now + UInt64(random.pick(500...30000)))
    }

    // MARK: - Time

    func driverTick(_ driver: SimulatedDriver) {
        guard !driver.isStopped else { return }
        mix(9, UInt64(driver.id))
        queue.schedule(.driverTick(driver.id), at: max(driver.pausedUntil, now + UInt64(random.pick(8000...20000))))
        guard driver.pausedUntil <= now else { return }
        if let actions = driver.recovery?.tick() { return perform(actions, of: driver) }
        guard let actions = driver.writer?.tick() else { return }
        perform(actions, of: driver)
        guard let writer = driver.writer, !driver.isStopped else { return }
        for group in writer.openGroups {
            for node in writer.membership(of: group)?.nodes ?? [] {
                send(.vdl(writer.vdl, epoch: driver.epoch), to: node, group, by: driver, payload: 0)
            }
            care(for: group, driver)
        }
    }

    private func forgot(_ driver: SimulatedDriver, _ group: GroupID, _ node: NodeID) {
        guard !driver.forgetful.contains(where: { $0 == (group, node) }) else { return }
        driver.forgetful.append((group, node))
    }

    /// Brings a group back to six segments.
    private func care(for group: GroupID, _ driver: SimulatedDriver) {
        guard let sets = driver.writer?.membership(of: group)?.sets else { return }
        if sets.count == 2 {
            let isNewLost = driver.forgetful.contains {
                $0.group == group && !sets[0].contains($0.node) && sets[1].contains($0.node)
            }
            if isNewLost, random.chance(1, in: 8), let actions = driver.writer?.reverse(group: group) {
                driver.forgetful.removeAll { $0.group == group }
                perform(actions, of: driver)
            }
            return
        }
        guard let set = sets.first else { return }
        let actions: [WriterAction]?
        if set.count < Membership.copies {
            actions = driver.writer?.replace(group: group, spare(set), by: spare(set))
        } else if let lost = driver.forgetful.first(where: { $0.group == group && set.contains($0.node) }) {
            driver.forgetful.removeAll { $0 == lost }
            actions = driver.writer?.replace(
                group: group, lost.node, by: random.chance(1, in: 2) ? lost.node : spare(set, like: lost.node))
        } else {
            return
        }
        if let actions { perform(actions, of: driver) }
    }

    /// A node outside the set, of the zone that lacks one or of a given node's zone.
    func spare(_ set: [NodeID], like node: NodeID? = nil) -> NodeID {
        let outside = nodes.map(\.id).filter { !set.contains($0) }
        let zone = node?.zone ?? outside.map(\.zone).first { zone in set.filter { $0.zone == zone }.count < 2 }
        return outside.first { $0.zone == zone } ?? outside[0]
    }
}
