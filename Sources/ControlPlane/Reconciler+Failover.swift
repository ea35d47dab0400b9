// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol

/// Failovers: those that somebody asks for, and those that the data plane does by itself.
///
/// The data plane numbers a cluster's failovers. A number that is higher than the one that was noted is one that has
/// begun; whether it was asked for makes no difference from there on.
extension Reconciler {
    /// A failover that does not begin for this long has failed.
    private static let beginSecondsMax: Int64 = 60

    /// Takes over what the data plane decides by itself: who the writer is, and where everything is reached.
    func follow(_ found: ObservedCluster) async throws {
        guard let cluster = keeper.state.clusters.values.first(where: { $0.planeID == found.id }) else { return }
        let (account, offer) = (account, offers.first { $0.kind == found.engine })
        try await keeper.update { state in
            guard var record = state.clusters[cluster.id] else { return }
            if !record.host.isEmpty, let host = found.endpoint(.writer)?.host { record.host = host }
            if !record.host.isEmpty, let host = found.endpoint(.reader)?.host { record.readerHost = host }
            record.writer = found.writerID ?? record.writer
            // A package's minor version may have changed under a cluster. What does not run is what it was.
            if let offer, record.family == offer.family, found.instances.contains(where: \.isAvailable) {
                record.engineVersion = offer.version
            }
            state.clusters[cluster.id] = record
            state.note(found.failover, of: record, account)
            if let offer { state.compare(with: found, record, offer, account) }
            for instance in found.instances {
                guard let known = state.instances.values.first(where: { $0.planeID == instance.id }) else { continue }
                state.instances[known.id]?.host = instance.host.isEmpty ? nil : instance.host
                if let zone = account.zone(instance.zone) { state.instances[known.id]?.zone = zone }
                state.noteRestart(of: known, instance, account)
            }
        }
    }

    /// Hands a failover that was asked for to the data plane, once.
    func failOver(_ cluster: ClusterRecord, _ found: ObservedCluster?) async throws {
        guard let wish = cluster.failoverWish, let found else { return }
        // From the moment that its number is seen, `follow` does the rest.
        guard (found.failover?.number ?? 0) <= wish.after else { return }
        do {
            try await plane.failover(cluster: cluster.planeID, to: wish.target, reason: "requested")
            crash.pass("failover-asked")
        } catch {
            guard Timestamp.now.seconds - wish.asked.seconds > Self.beginSecondsMax else { throw error }
            try await settle(cluster, .available, .failoverFailed) { $0.failoverWish = nil }
        }
    }
}

extension DesiredState {
    /// An engine that goes down without anybody having asked for it recovers, and is back as another process.
    fileprivate mutating func noteRestart(
        of instance: InstanceRecord, _ found: ObservedCluster.Instance, _ account: Account
    ) {
        // Whoever brings an instance up says what has become of it.
        guard let current = instances[instance.id], current.status == .available else { return }
        let isNew = found.isAvailable && found.enginePID != nil && found.enginePID != current.enginePID
        // One that was back before anybody looked is told of as well.
        let isLost = found.endedByItself && current.enginePID != nil && (isNew || !found.isAvailable)
        if isLost && current.isRecovering != true {
            instances[instance.id]?.isRecovering = true
            note(.recoveryStarted, instance: current, account: account, now: .now)
        }
        guard found.isAvailable else { return }
        if instances[instance.id]?.isRecovering == true {
            instances[instance.id]?.isRecovering = nil
            note(.recoveryCompleted, instance: current, account: account, now: .now)
        }
        guard isNew else { return }
        instances[instance.id]?.enginePID = found.enginePID
        if current.enginePID != nil { note(.instanceRestarted, instance: current, account: account, now: .now) }
    }

    /// Instances that somebody adds or removes with `borealis instance` are so here as well.
    fileprivate mutating func compare(
        with found: ObservedCluster, _ cluster: ClusterRecord, _ offer: EngineOffer, _ account: Account
    ) {
        guard cluster.status == .available else { return }
        let known = members(of: cluster.id)
        for id in found.instanceIDs where !known.contains(where: { $0.planeID == id }) && instances[id] == nil {
            instances[id] = Reconciler.record(of: id, found, cluster, offer, account)
        }
        for member in known where member.status == .available && !found.instanceIDs.contains(member.planeID) {
            instances[member.id] = nil
            renameMember(member.id, to: nil)
            note(.instanceDeleted, instance: member, account: account, now: .now)
        }
    }

    /// Notes how far the newest failover is, with the events of what is new.
    fileprivate mutating func note(
        _ failover: ObservedCluster.Failover?, of cluster: ClusterRecord, _ account: Account
    ) {
        guard let failover, var record = clusters[cluster.id] else { return }
        let target = instances.values.first { $0.planeID == failover.to }
        let name = target?.id ?? failover.to
        if failover.number > record.failover?.number ?? 0 {
            record.failover = ClusterRecord.FailoverNote(number: failover.number, isComplete: false)
            let old = instances.values.first { $0.planeID == failover.from }
            note(
                .failoverStarted(to: name, crossesZones: old?.zone != target?.zone), cluster: record, account: account,
                now: .now)
            if record.status == .available { record.status = .failingOver }
            // Both are started anew, as what they are from now on; the others go on.
            for member in members(of: record.id)
            where [failover.from, failover.to].contains(member.planeID) && member.status == .available {
                instances[member.id]?.status = .rebooting
            }
        }
        if failover.isComplete, record.failover?.isComplete == false {
            record.failover?.isComplete = true
            record.failoverWish = nil
            note(
                failover.from == failover.to ? .promotedAgain(name) : .failoverCompleted(to: name), cluster: record,
                account: account, now: .now)
            if record.status == .failingOver { record.status = .available }
        }
        clusters[cluster.id] = record
    }
}
