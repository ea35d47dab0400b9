// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Engines
internal import Foundation
package import Logging

/// Drives what runs to what was asked for.
///
/// A pass looks at what there is, takes the next step of everything that is not settled, and notes what was reached. Every
/// step can be repeated, and a step's success is noted only after it, so a control plane that dies anywhere goes on where
/// it was: at worst it takes one step twice. No step waits for an engine; the next pass looks again.
package actor Reconciler {
    private static let busyInterval: Duration = .milliseconds(50)
    /// Without anything to do, what runs is looked at this often.
    private static let idleInterval: Duration = .seconds(1)
    /// An engine that keeps ending for this long has parameters that it does not take.
    private static let failingSecondsMax: Int64 = 20
    private static let stoppedSecondsMax: Int64 = 7 * 86400
    /// Statements that run on a PostgreSQL reader may go on for so long after its deletion was asked for, as at AWS.
    private static let graceSecondsMax: Int64 = 180
    private static let graceInterval: Duration = .milliseconds(500)

    let keeper: StateKeeper
    let plane: any DataPlane
    let offers: [EngineOffer]
    let secrets: SecretBox
    let account: Account
    let keyFile: AccessKeyFile
    let crash: CrashPoint
    private let logger: Logger
    private var failingSince: [String: Timestamp] = [:]
    private var catalogsFailed: Set<String> = []
    /// When a reader that is to go was last looked at, by name.
    private var looked: [String: ContinuousClock.Instant] = [:]

    package init(
        keeper: StateKeeper, plane: any DataPlane, offers: [EngineOffer], secrets: SecretBox, account: Account,
        keyFile: AccessKeyFile, crash: CrashPoint, logger: Logger
    ) {
        self.keeper = keeper
        self.plane = plane
        self.offers = offers
        self.secrets = secrets
        self.account = account
        self.keyFile = keyFile
        self.crash = crash
        self.logger = logger
    }

    /// Until the task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            let seen = keeper.version
            do { try await pass() } catch {
                logger.warning("the region does not answer the control plane", metadata: ["error": "\(error)"])
            }
            if isBusy || keeper.version != seen {
                try? await Task.sleep(for: Self.busyInterval)
            } else {
                await keeper.awaitChange(since: seen, for: Self.idleInterval)
            }
        }
    }

    /// Whether something is under way.
    private var isBusy: Bool {
        let state = keeper.state
        if state.endpoints.values.contains(where: { !$0.status.isSettled }) { return true }
        if state.proxies.values.contains(where: { !$0.status.isSettled }) { return true }
        if state.proxyEndpoints.values.contains(where: { !$0.status.isSettled }) { return true }
        return state.clusters.values.contains { !$0.status.isSettled }
            || state.instances.values.contains { !$0.status.isSettled && $0.status != .incompatibleParameters }
    }

    private func pass() async throws {
        let observed = try await plane.observe()
        try await adopt(observed)
        for found in observed { await attempt("cluster", found.id) { try await self.follow(found) } }
        let now = Timestamp.now
        for cluster in keeper.state.clusters.values.sorted(by: { $0.id < $1.id }) {
            await attempt("cluster", cluster.id) { try await self.step(cluster, observed) }
        }
        // The data plane makes the first of a cluster that it hears of the writer: the one that was asked for first.
        for instance in keeper.state.instances.values.sorted(by: { $0.isOlder(than: $1) }) {
            await attempt("instance", instance.id) { try await self.step(instance, observed) }
        }
        for endpoint in keeper.state.endpoints.values.sorted(by: { $0.id < $1.id }) {
            await attempt("endpoint", endpoint.id) { try await self.step(endpoint, observed) }
        }
        for proxy in keeper.state.proxies.values.sorted(by: { $0.id < $1.id }) {
            await attempt("proxy", proxy.id) { try await self.step(proxy, observed) }
        }
        if keeper.state.events.values.contains(where: { $0.date.seconds < now.seconds - DesiredState.eventSeconds }) {
            try await keeper.update { $0.dropOldEvents(now: now) }
        }
    }

    private func attempt(_ kind: String, _ id: String, _ body: () async throws -> Void) async {
        do { try await body() } catch {
            logger.warning(
                "a step towards the desired state failed; it is tried again",
                metadata: ["kind": "\(kind)", "id": "\(id)", "error": "\(error)"])
        }
    }

    // MARK: - What was there before

    /// Makes records of clusters that the region runs without having been asked for here: those of `borealis up`.
    private func adopt(_ observed: [ObservedCluster]) async throws {
        let known = Set(keeper.state.clusters.values.map(\.planeID))
        for found in observed where !known.contains(found.id) {
            guard let offer = offers.first(where: { $0.kind == found.engine }) else { continue }
            let account = account
            let records = Self.records(of: found, offer, account)
            try await keeper.update { state in
                guard state.clusters[records.0.id] == nil else { return }
                state.clusters[records.0.id] = records.0
                for instance in records.1 { state.instances[instance.id] = instance }
            }
        }
    }

    private static func records(
        of found: ObservedCluster, _ offer: EngineOffer, _ account: Account
    ) -> (ClusterRecord, [InstanceRecord]) {
        var cluster = ClusterRecord(id: found.id, planeID: found.id, offer: offer, port: found.port, account: account)
        cluster.host = found.endpoint(.writer)?.host ?? found.host
        cluster.readerHost = found.endpoint(.reader)?.host
        cluster.writer = found.writerID
        cluster.failover = found.failover.map { .init(number: $0.number, isComplete: $0.isComplete) }
        cluster.masterUsername = found.masterUsername
        cluster.status = .available
        cluster.isDatabaseMade = true
        return (cluster, found.instanceIDs.map { record(of: $0, found, cluster, offer, account) })
    }

    /// Of an instance that nobody asked for here; its engine keeps what it was started with.
    static func record(
        of id: String, _ found: ObservedCluster, _ cluster: ClusterRecord, _ offer: EngineOffer, _ account: Account
    ) -> InstanceRecord {
        var instance = InstanceRecord(
            id: id, planeID: id, cluster: cluster.id, instanceClass: "db.t4g.medium", offer: offer, account: account)
        instance.generation = 0
        if let running = found.instance(id) {
            if let name = running.instanceClass, InstanceClass.named(name) != nil { instance.instanceClass = name }
            instance.zone = account.zone(running.zone) ?? instance.zone
            instance.promotionTier = running.promotionTier
            instance.host = running.host.isEmpty ? nil : running.host
        }
        instance.status = found.instance(id)?.isAvailable == true ? .available : .creating
        instance.applied = InstanceRecord.Applied(
            settings: [:], clusterGroup: cluster.parameterGroup, instanceGroup: instance.parameterGroup, generation: 0)
        return instance
    }

    // MARK: - Clusters

    private func step(_ cluster: ClusterRecord, _ observed: [ObservedCluster]) async throws {
        let members = keeper.state.members(of: cluster.id)
        switch cluster.status {
        case .creating: try await create(cluster)
        case .deleting where members.isEmpty:
            try await plane.removeCluster(cluster.planeID)
            crash.pass("cluster-removed")
            let account = account
            try await keeper.update { state in
                guard state.clusters.removeValue(forKey: cluster.id) != nil else { return }
                state.note(.targetClusterRemoved(cluster.id), proxiesOf: cluster, account: account, now: .now)
                for proxy in state.proxies.values where proxy.target == .cluster(cluster.resourceID) {
                    state.proxies[proxy.id]?.target = nil
                }
                state.note(.clusterDeleted, cluster: cluster, account: account, now: .now)
            }
        case .stopping where members.allSatisfy { $0.status == .stopped }:
            try await settle(cluster, .stopped, .clusterStopped) {
                $0.automaticRestart = Timestamp(seconds: Timestamp.now.seconds + Self.stoppedSecondsMax)
            }
        case .starting where members.allSatisfy { $0.status == .available }:
            try await settle(cluster, .available, .clusterStarted) { $0.automaticRestart = nil }
        case .stopped where cluster.automaticRestart.map { $0 < .now } == true: try await startByItself(cluster)
        case .resettingMasterCredentials: try await resetPassword(of: cluster, members, observed)
        case .available where cluster.password != nil: try await changePassword(of: cluster, members, observed, nil)
        case .modifying, .renaming: try await settle(cluster, .available, nil) { _ in }
        case .failingOver: try await failOver(cluster, observed.first { $0.id == cluster.planeID })
        case .available, .stopped, .deleting, .stopping, .starting, .rebooting, .incompatibleParameters: break
        }
    }

    private func create(_ cluster: ClusterRecord) async throws {
        guard let sealed = cluster.password else {
            throw ControlError("the record of \(cluster.id) lacks a password", remedy: "delete the cluster")
        }
        let wish = ClusterWish(
            id: cluster.planeID, engine: cluster.engine, port: cluster.port, masterUsername: cluster.masterUsername,
            password: try secrets.open(sealed, context: cluster.resourceID))
        let host = try await plane.ensureCluster(wish)
        crash.pass("cluster-known")
        try await settle(cluster, .available, .clusterCreated) {
            $0.host = host
            $0.password = nil
        }
    }

    func settle(
        _ cluster: ClusterRecord, _ status: ResourceStatus, _ event: EventKind?,
        _ change: @Sendable (inout ClusterRecord) -> Void
    ) async throws {
        let account = account
        try await withoutActuallyEscaping(change) { change in
            try await keeper.update { state in
                // A request may have come in between: it decides.
                guard var record = state.clusters[cluster.id], record.status == cluster.status else { return }
                record.status = status
                change(&record)
                state.clusters[cluster.id] = record
                if let event { state.note(event, cluster: record, account: account, now: .now) }
            }
        }
    }

    /// A cluster has been stopped for as long as it may be. Status and members are one change: nobody would start the members
    /// of a cluster that is starting already.
    private func startByItself(_ cluster: ClusterRecord) async throws {
        let account = account
        try await keeper.update { state in
            // A request may have come in between: it decides.
            guard var record = state.clusters[cluster.id], record.status == .stopped else { return }
            record.status = .starting
            state.clusters[record.id] = record
            state.start(membersOf: record.id)
            state.note(.clusterStartedByItself, cluster: record, account: account, now: .now)
        }
    }

    private func resetPassword(
        of cluster: ClusterRecord, _ members: [InstanceRecord], _ observed: [ObservedCluster]
    ) async throws {
        // Without an instance nobody can tell the engine. Its volume may be filled with the old password, so the new one
        // stays in the record until there is a writer.
        guard cluster.password != nil, !members.isEmpty else {
            return try await settle(cluster, .available, .credentialsReset) { _ in }
        }
        try await changePassword(of: cluster, members, observed, .credentialsReset)
    }

    /// Changes the password where the writer runs; to one that is on its way `bringUp` gives it.
    private func changePassword(
        of cluster: ClusterRecord, _ members: [InstanceRecord], _ observed: [ObservedCluster], _ event: EventKind?
    ) async throws {
        guard let writer = members.first(where: { isWriter($0, cluster) }), !writer.status.isComingUp,
            let session = session(cluster, observed)
        else { return }
        try await givePassword(of: cluster, session)
        try await settle(cluster, .available, event) { $0.password = nil }
    }

    /// Has a running writer take the master password that waits for it, and the data plane note it.
    private func givePassword(of cluster: ClusterRecord, _ session: EngineSession) async throws {
        guard let sealed = cluster.password else { return }
        let password = try secrets.open(sealed, context: cluster.resourceID)
        let user = cluster.masterUsername
        try await Blocking.run {
            if !session.accepts(password: password) { try session.setPassword(password, of: user) }
        }
        crash.pass("password-set")
        try await plane.setPassword(password, of: cluster.planeID)
        crash.pass("password-noted")
    }

    private func session(_ cluster: ClusterRecord, _ observed: [ObservedCluster]) -> EngineSession? {
        observed.first { $0.id == cluster.planeID }?.writer.flatMap { session(cluster, $0) }
    }

    private func session(_ cluster: ClusterRecord, _ found: ObservedCluster.Instance) -> EngineSession? {
        guard found.isAvailable, let offer = offers.first(where: { $0.kind == cluster.engine }) else { return nil }
        return EngineSession(kind: cluster.engine, binaries: offer.binaries, url: found.url)
    }

    // MARK: - Instances

    private func step(_ instance: InstanceRecord, _ observed: [ObservedCluster]) async throws {
        // The cluster's step may just have changed it, and the instance's record with it.
        guard let instance = keeper.state.instances[instance.id], let cluster = keeper.state.clusters[instance.cluster]
        else { return }
        let found = observed.first { $0.id == cluster.planeID }
        switch instance.status {
        case .creating, .rebooting, .modifying, .starting:
            // While the data plane moves the writer, nobody else tells its instances what they are.
            guard ![.creating, .failingOver].contains(cluster.status) else { return }
            try await bringUp(instance, cluster, found)
        case .available:
            if try await beginMaintenance(of: instance, cluster) { return }
            try await keepInSync(instance, cluster, found)
        case .renaming: try await settle(instance, .available, nil) { _ in }
        case .stopping:
            // Readers stop first.
            guard !isWriter(instance, cluster) || others(of: instance).allSatisfy({ $0.status == .stopped }) else {
                return
            }
            try await plane.ensureInstance(wish(instance, cluster, isRunning: false))
            crash.pass("instance-stopped")
            guard let found, found.instance(instance.planeID).map({ $0.phase == "stopped" }) ?? true else { return }
            try await settle(instance, .stopped, .instanceStopped) { _ in }
        case .deleting: try await remove(instance, cluster, found)
        case .incompatibleParameters, .stopped, .resettingMasterCredentials, .failingOver: break
        }
    }

    private func isWriter(_ instance: InstanceRecord, _ cluster: ClusterRecord) -> Bool {
        keeper.state.isWriter(instance, of: cluster)
    }

    private func others(of instance: InstanceRecord) -> [InstanceRecord] {
        keeper.state.members(of: instance.cluster).filter { $0.id != instance.id }
    }

    private func wish(
        _ instance: InstanceRecord, _ cluster: ClusterRecord, isRunning: Bool, settings: [String: String]? = nil
    ) -> InstanceWish {
        InstanceWish(
            id: instance.planeID, cluster: cluster.planeID, isRunning: isRunning, generation: instance.generation,
            settings: settings, zone: account.letter(ofZone: instance.zone), promotionTier: instance.promotionTier,
            memoryBytes: InstanceClass.named(instance.instanceClass)?.memoryBytes ?? 0,
            instanceClass: instance.generation > 0 ? instance.instanceClass : nil)
    }

    /// A writer hands over to a reader first, if one stays; a cluster's last instance is its writer.
    private func remove(
        _ instance: InstanceRecord, _ cluster: ClusterRecord, _ found: ObservedCluster?
    ) async throws {
        if isWriter(instance, cluster) {
            let others = others(of: instance)
            let heirs = others.filter { $0.status != .deleting }
            guard heirs.isEmpty else { return try await handOver(cluster, to: heirs, found) }
            guard others.isEmpty else { return }
        }
        guard try await isQuiet(instance, cluster, found) else { return }
        try await plane.removeInstance(instance.planeID)
        crash.pass("instance-removed")
        looked[instance.id] = nil
        guard found?.instanceIDs.contains(instance.planeID) != true else { return }
        let account = account
        try await keeper.update { state in
            guard state.instances.removeValue(forKey: instance.id) != nil else { return }
            state.renameMember(instance.id, to: nil)
            state.note(.instanceDeleted, instance: instance, account: account, now: .now)
            state.note(
                .targetRemoved(instance.id), proxiesOf: state.clusters[instance.cluster], account: account, now: .now)
        }
    }

    /// Whether a reader that nobody new is led to has finished what it was asked, or has had its time.
    private func isQuiet(
        _ instance: InstanceRecord, _ cluster: ClusterRecord, _ found: ObservedCluster?
    ) async throws -> Bool {
        guard cluster.engine == .postgres, let running = found?.instance(instance.planeID), running.role == .reader,
            let asked = instance.deleted, Timestamp.now.seconds - asked.seconds < Self.graceSecondsMax,
            let session = session(cluster, running)
        else { return true }
        if let last = looked[instance.id], last.duration(to: .now) < Self.graceInterval { return false }
        looked[instance.id] = .now
        try await plane.retireInstance(instance.planeID)
        // One that does not answer has nothing to finish.
        return try await Blocking.run { ((try? session.runningStatements()) ?? 0) == 0 }
    }

    private func handOver(
        _ cluster: ClusterRecord, to heirs: [InstanceRecord], _ found: ObservedCluster?
    ) async throws {
        guard cluster.status == .available, cluster.failoverWish == nil, let found,
            let heir = heirs.filter({ found.instance($0.planeID)?.isAvailable == true })
                .min(by: { $0.isPromoted(before: $1) })
        else { return }
        let wish = ClusterRecord.FailoverWish(target: heir.planeID, after: found.failover?.number ?? 0, asked: .now)
        try await settle(cluster, .failingOver, nil) { $0.failoverWish = wish }
    }

    private func bringUp(_ instance: InstanceRecord, _ cluster: ClusterRecord, _ found: ObservedCluster?) async throws {
        // Without a start that was asked for, as after a failover, the engine keeps what it was given before. One that was
        // found running keeps it until somebody asks for something.
        let isAsked = instance.applied?.generation != instance.generation && instance.generation > 0
        let settings = isAsked ? InstanceSettings(instance, cluster, keeper.state).wanted : nil
        try await plane.ensureInstance(wish(instance, cluster, isRunning: true, settings: settings))
        crash.pass("instance-wanted")
        guard let running = found?.instance(instance.planeID), running.generation == instance.generation,
            running.isAvailable
        else { return try await judgeFailure(of: instance, found?.instance(instance.planeID)) }
        failingSince[instance.id] = nil
        guard let session = session(cluster, running) else { return }
        if running.role == .writer, cluster.password != nil {
            try await givePassword(of: cluster, session)
            try await settle(cluster, cluster.status, nil) { $0.password = nil }
            // The next pass sees the address with the new password.
            return
        }
        try await learnCatalog(cluster, session)
        if let name = cluster.databaseName, !cluster.isDatabaseMade, running.role == .writer {
            try await Blocking.run { try session.ensureDatabase(name) }
            crash.pass("database-made")
            try await keeper.update { $0.clusters[cluster.id]?.isDatabaseMade = true }
        }
        crash.pass("instance-available")
        let event: EventKind =
            switch instance.status {
            case .creating: .instanceCreated
            case .rebooting: .instanceRestarted
            case .starting: .instanceStarted
            default: .classChanged
            }
        try await settle(instance, .available, event) {
            if let settings {
                $0.applied = InstanceRecord.Applied(
                    settings: settings, clusterGroup: cluster.parameterGroup, instanceGroup: instance.parameterGroup,
                    generation: instance.generation)
            }
            $0.enginePID = running.enginePID
        }
    }

    /// In its maintenance window an instance gets the class that waits for it.
    private func beginMaintenance(of instance: InstanceRecord, _ cluster: ClusterRecord) async throws -> Bool {
        guard let pending = instance.pendingClass, cluster.status == .available,
            TimeWindow(instance.maintenanceWindow)?.contains(.now) == true
        else { return false }
        try await settle(instance, .modifying, .classChanging) {
            $0.instanceClass = pending
            $0.pendingClass = nil
            $0.generation += 1
        }
        return true
    }

    /// An engine that ends again and again since it was given new settings does not like them.
    private func judgeFailure(of instance: InstanceRecord, _ found: ObservedCluster.Instance?) async throws {
        guard let found, found.generation == instance.generation, let reason = found.reason,
            reason.contains("engine ended")
        else {
            failingSince[instance.id] = nil
            return
        }
        let since = failingSince[instance.id] ?? .now
        failingSince[instance.id] = since
        guard Timestamp.now.seconds - since.seconds > Self.failingSecondsMax else { return }
        try await settle(instance, .incompatibleParameters, .incompatibleParameters(reason)) { _ in }
    }

    /// Gives a running engine the changes that it can take without a restart.
    private func keepInSync(
        _ instance: InstanceRecord, _ cluster: ClusterRecord, _ found: ObservedCluster?
    ) async throws {
        guard let running = found?.instance(instance.planeID), let session = session(cluster, running) else { return }
        try await learnCatalog(cluster, session)
        if running.promotionTier != instance.promotionTier, instance.generation > 0 {
            try await plane.ensureInstance(wish(instance, cluster, isRunning: true))
        }
        let settings = InstanceSettings(instance, cluster, keeper.state)
        guard !settings.changesNow.isEmpty, let applied = instance.applied else { return }
        var next = applied.settings
        for name in settings.changesNow.keys { next[name] = settings.wanted[name] }
        let given = next
        try await plane.configureInstance(instance.planeID, settings: given)
        crash.pass("instance-configured")
        try await Blocking.run { try session.setGlobals(settings.changesNow) }
        try await settle(instance, .available, nil) { $0.applied?.settings = given }
    }

    /// Asks an engine once what can be set; what it says is kept.
    private func learnCatalog(_ cluster: ClusterRecord, _ session: EngineSession) async throws {
        guard let offer = offers.first(where: { $0.kind == cluster.engine }),
            keeper.state.catalogs[offer.family]?.engineVersion != offer.version,
            !catalogsFailed.contains(offer.family)
        else { return }
        // What is not known is tried again at the next start, not twenty times a second.
        catalogsFailed.insert(offer.family)
        let catalog = try await Blocking.run { try session.parameterCatalog(of: offer) }
        try await keeper.update { $0.catalogs[offer.family] = catalog }
        catalogsFailed.remove(offer.family)
    }

    private func settle(
        _ instance: InstanceRecord, _ status: ResourceStatus, _ event: EventKind?,
        _ change: @Sendable (inout InstanceRecord) -> Void
    ) async throws {
        let account = account
        try await withoutActuallyEscaping(change) { change in
            try await keeper.update { state in
                guard var record = state.instances[instance.id], record.status == instance.status,
                    record.generation == instance.generation
                else { return }
                record.status = status
                change(&record)
                state.instances[instance.id] = record
                guard let event else { return }
                state.note(event, instance: record, account: account, now: .now)
                guard instance.status == .creating else { return }
                state.note(
                    .targetAdded(record.id), proxiesOf: state.clusters[record.cluster], account: account, now: .now)
            }
        }
    }
}

extension DesiredState {
    mutating func start(membersOf cluster: String) {
        for member in members(of: cluster) where member.status == .stopped {
            instances[member.id]?.status = .starting
            instances[member.id]?.generation += 1
        }
    }
}

/// Runs what blocks away from the threads that serve tasks.
enum Blocking {
    static func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(with: Swift.Result { try body() }) }
        }
    }
}

extension Timestamp {
    static var now: Timestamp { Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) }
}
