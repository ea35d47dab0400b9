// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import Glibc
package import Keyring
package import Logging
internal import Synchronization
package import VolumeDriver
internal import VolumeModel

/// Keeps one DB instance running: a driver attached to the volume, and the engine on it. The instance is a writer, a reader,
/// or a mount that somebody looks into (`RoleConfiguration.Part`), and stays that: another part takes another runner.
///
/// One thread owns the sequence, and is the parent of the engine:
///
///     attach ─▶ (empty volume: create, new ring) ─▶ start engine ─▶ wait for its end ─▶ kill what is left of it
///       ▲                                               ▲                                   │
///       │ driver failed, or the cache is dropped        └──── new ring on the same volume ◀─┤
///       └───────────────────────────────────────────────────────────────────────────────────┘
///
/// A reader's mount is never used by a second engine: it is made anew, which costs the same at any volume size.
///
/// Rules: no process of an engine outlives its ring; an engine is never started on a used ring; when the driver cannot go
/// on, the engine is killed at once, because nothing that it does can be acknowledged any more. Whatever fails is tried
/// again after a back-off.
package final class InstanceRunner: Sendable {
    /// How long an engine may take to shut down before it is told to quit, and then before it is killed.
    private static let stopMilliseconds = 60_000
    /// One that has served nobody yet has nothing to write out, and MariaDB was seen to miss a signal while it starts.
    private static let startingMilliseconds = 3_000
    private static let quitMilliseconds = 5_000
    /// Of the time that a planned failover takes; what is not written out by then its successor recovers.
    private static let settleMilliseconds = 1_000

    struct State {
        var phase = InstanceStatus.Phase.starting
        var reason: String?
        var progress: String?
        var process: ChildProcess?
        var enginePid: Int32?
        var ring: String?
        var driver: VolumeDriver?
        var driverFailure: String?
        var isStopping = false
        var dropsCache = false
        var restarts = 0
        /// Whether nobody asked for the engine's newest end.
        var endedByItself = false
        var lostAt: ContinuousClock.Instant?
        var lastRecovery: Int?
        var created: Bool
        var isIncomplete = false
        var isReleased = false
        var tending = Tending()
    }

    let role: RoleConfiguration.Instance
    /// What the engine is, and is started with the next time.
    private let settings: Mutex<EngineSettings>
    var engine: any EngineAdapter { settings.withLock { $0 }.adapter }
    let access: StorageAccess
    let keys: any VolumeKeySource
    let shim: String
    let logger: Logger
    let state: Mutex<State>
    private let ended = DispatchSemaphore(value: 0)
    private let onIncomplete: @Sendable () -> Void
    /// Called when something has happened that whoever watches the instance wants to know at once.
    let onChange: @Sendable () -> Void
    /// Cuts its driver off; the same one for all runners of an instance.
    let networkFault: NetworkFault

    /// - Parameters:
    ///   - shim: the installed shim library
    ///   - onIncomplete: called once when the volume's creation was interrupted, so that it needs a fresh volume
    package init(
        role: RoleConfiguration.Instance, access: StorageAccess, keys: any VolumeKeySource, shim: String,
        logger: Logger, networkFault: NetworkFault = NetworkFault(), onChange: @escaping @Sendable () -> Void = {},
        onIncomplete: @escaping @Sendable () -> Void
    ) {
        self.role = role
        self.access = access
        self.keys = keys
        self.shim = shim
        self.logger = logger
        self.onIncomplete = onIncomplete
        self.onChange = onChange
        self.networkFault = networkFault
        settings = Mutex(role.engine)
        state = Mutex(State(created: !role.mayCreate))
        if Milestone.volumeFilled.isReached(by: role) { state.withLock { $0.created = true } }
    }

    package func start() {
        Thread.detachNewThread { [self] in
            run()
            state.withLock { if $0.phase != .failed { $0.phase = .stopped } }
            ended.signal()
        }
    }

    /// How an instance is stopped.
    enum Stop: Equatable {
        /// The engine shuts down as it likes to, at most for so long.
        case cleanly(milliseconds: Int)
        /// Its files are thrown away, or what it does cannot be acknowledged any more.
        case atOnce
    }

    /// Shuts the engine down and detaches. Blocks until that is done or its time limit has passed.
    package func stop() { stop(.cleanly(milliseconds: Self.stopMilliseconds)) }

    func stop(_ how: Stop) {
        let (process, driver, isStarting) = state.withLock { state in
            defer { state.phase = .stopping }
            state.isStopping = true
            return (state.process, state.driver, state.phase == .recovering)
        }
        // Without an engine there is only an attach or a detach to wait for, which may wait for a quorum for ever.
        var patience =
            process == nil ? 10_000 : isStarting ? Self.startingMilliseconds : Self.stopMilliseconds
        switch how {
        case .cleanly(let milliseconds):
            patience = min(patience, milliseconds)
            process?.signal(engine.stopSignal)
            if milliseconds < Self.stopMilliseconds {
                // Somebody waits for its place: what it has not written out is recovered from the log.
                guard ended.wait(timeout: .now() + .milliseconds(patience)) != .success else { return }
                return stop(.atOnce)
            }
        case .atOnce:
            patience = 10_000
            process?.signal(SIGKILL)
            driver?.abandon()
        }
        guard ended.wait(timeout: .now() + .milliseconds(patience)) != .success else { return }
        logger.warning("the instance did not stop in time", metadata: ["instance": "\(role.id)"])
        state.withLock { $0.process }?.signal(engine.quitSignal)
        guard ended.wait(timeout: .now() + .milliseconds(Self.quitMilliseconds)) != .success else { return }
        state.withLock { $0.process }?.signal(SIGKILL)
        _ = ended.wait(timeout: .now() + .milliseconds(Self.quitMilliseconds))
    }

    /// Ends a clean stop that takes too long by now.
    func hurry() { state.withLock { $0.process }?.signal(SIGKILL) }

    /// Has the engine write out what it can while it still serves, so that its shutdown is quick. Best effort.
    func settle() throws {
        let link = try engine.openLink(timeoutMilliseconds: Self.settleMilliseconds)
        defer { link.close() }
        try link.settle()
    }

    /// SIGKILL for the engine's first process; the rest of them follow as soon as its end is seen.
    package func crashEngine() throws -> Int32 {
        guard let pid = state.withLock({ $0.enginePid }), let process = state.withLock({ $0.process }) else {
            throw RegionError("\(role.id) has no engine running", remedy: "wait until `borealis status` says available")
        }
        process.signal(SIGKILL)
        return pid
    }

    /// Stops the engine, throws the local cache away and attaches again. Returns at once.
    package func dropCache() {
        let process = state.withLock { state in
            state.dropsCache = true
            state.endedByItself = false
            return state.process
        }
        process?.signal(engine.stopSignal)
    }

    /// - Parameter isBrief: without the driver's part
    package func status(isBrief: Bool = false) -> InstanceStatus {
        let (now, driver) = state.withLock { ($0, $0.driver) }
        let facts = isBrief ? nil : driver?.status()
        return InstanceStatus(
            id: role.id, cluster: role.cluster, phase: now.phase, enginePid: now.enginePid, url: engine.url,
            reason: now.reason, progress: now.progress, restarts: now.restarts,
            lastRecoveryMilliseconds: now.lastRecovery,
            created: now.created, driver: facts, generation: role.generation ?? 0, part: role.part,
            lagMilliseconds: lag(now), watch: watchFacts(now), endedByItself: now.endedByItself)
    }

    /// Takes other settings of the engine, the master password that it has by now, and whom it is to follow. The running
    /// engine reads its file again if it can do that; what users set and needs a restart waits for one.
    func reconfigure(_ new: EngineSettings) throws {
        let (old, isNew) = settings.withLock { current in
            let old = current
            current.overrides = new.overrides
            current.password = new.password
            current.replication = new.replication
            return (old, old.overrides != new.overrides || old.replication != new.replication)
        }
        state.withLock { state in
            // What came before the loss is no verdict on it.
            if state.tending.lost != nil { state.tending.mayGoOn = true }
            if old.replication != new.replication { state.tending.mustFollow = true }
        }
        guard isNew, let process = state.withLock({ $0.process }) else { return }
        if let reason = engine.restartReason(from: old) {
            logger.notice(
                "the engine is restarted for its part in the cluster",
                metadata: ["instance": "\(role.id)", "reason": "\(reason)"])
            return restartEngine("it is restarted: \(reason)")
        }
        try engine.prepare()
        if let signal = engine.reloadSignal, state.withLock({ $0.phase }) == .available { process.signal(signal) }
    }

    /// The engine shuts down, and starts again with its settings.
    private func restartEngine(_ reason: String) {
        let process = state.withLock { state in
            state.tending.isRestarting = true
            state.reason = reason
            return state.process
        }
        process?.signal(engine.stopSignal)
    }

    // MARK: - The sequence

    private func run() {
        var backoff = Backoff()
        while !isStopping {
            let began = ContinuousClock.now
            do {
                try runAttachment()
            } catch {
                logger.error("the instance failed", metadata: ["instance": "\(role.id)", "error": "\(error)"])
                state.withLock { state in
                    state.phase = state.isStopping ? .stopping : .failed
                    state.reason = "\(error)"
                }
                if state.withLock({ $0.isIncomplete }) { return onIncomplete() }
            }
            if state.withLock({ $0.dropsCache }) { continue }
            pause(backoff.delay(afterRunOf: began.duration(to: .now)))
        }
    }

    /// From attach to detach. Returns when the instance stops or its cache is to be dropped; throws to be tried again.
    private func runAttachment() throws {
        enter(.attaching)
        try killLeftovers()
        if state.withLock({ $0.dropsCache }) { try removeCache() }
        let driver = try VolumeDriver(driverConfiguration(), storage: access, keys: keys, logger: logger)
        state.withLock { state in
            state.driver = driver
            state.driverFailure = nil
        }
        if role.localAt == nil, !state.withLock({ $0.created }), !Milestone.volumeMade.isReached(by: role) {
            state.withLock { $0.progress = "making the volume on its six nodes" }
            try driver.createVolume()
            try Milestone.volumeMade.reach(role)
        }
        let point = try startPoint(driver)
        var attachment = try driver.attach(at: point) { text in self.state.withLock { $0.progress = text } }
        watch(driver)
        defer {
            try? killLeftovers()
            driver.detach()
        }
        attachment = try createIfNeeded(attachment, driver)
        if role.part == .reader { try engine.prepareReader(root: attachment.root) }
        var backoff = Backoff()
        while !isStopping {
            let began = ContinuousClock.now
            enter(.recovering)
            switch try runEngine(attachment) {
            case .wanted: return
            case .driverFailed(let reason):
                throw RegionError("the volume's driver stopped: \(reason)", remedy: "it is attached again by itself")
            case .restart: if role.part == .reader { return }
            case .loss: if role.part == .reader { return } else { awaitVerdict() }
            }
            pause(backoff.delay(afterRunOf: began.duration(to: .now)))
            guard !isStopping else { return }
            attachment = try driver.reattachAfterEngineExit()
            logger.info("attached again", metadata: ["instance": "\(role.id)", "vdl": "\(attachment.vdl)"])
        }
    }

    private func createIfNeeded(_ attachment: Attachment, _ driver: VolumeDriver) throws -> Attachment {
        if state.withLock({ $0.created }) {
            guard attachment.isEmpty else { return attachment }
            if role.localAt != nil {
                throw RegionError("the volume \(role.volume) has no files at that LSN", remedy: "choose a newer one")
            }
            throw RegionError(
                "the volume \(role.volume) is empty although it was filled",
                remedy: "restore the storage nodes' directories")
        }
        guard attachment.isEmpty else {
            state.withLock { $0.isIncomplete = true }
            throw RegionError(
                "the creation of \(role.cluster) was interrupted", remedy: "it starts again on a fresh volume by itself"
            )
        }
        enter(.creating)
        try engine.prepare()
        let exit = try spawnAndWait(try engine.creation(mount(attachment)), ring: attachment.ringPath)
        try killLeftovers()
        guard exit == .code(0) else {
            let last = lastLine(of: engine.creationLogFile)
            throw RegionError(
                "filling the volume ended with \(exit): \(last)", remedy: "read \(engine.creationLogFile)")
        }
        try Milestone.volumeFilled.reach(role)
        state.withLock { $0.created = true }
        return try driver.reattachAfterEngineExit()
    }

    /// What the end of a run of the engine was.
    private enum End {
        /// The instance stops, or its cache is to be dropped.
        case wanted
        /// It starts again with other settings, or on another mount.
        case restart
        case driverFailed(String)
        /// Nobody asked for it.
        case loss
    }

    private func runEngine(_ attachment: Attachment) throws -> End {
        LogFile.rotate(engine.logFile)
        try engine.prepare()
        engine.removeStaleLock(root: attachment.root)
        defer {
            state.withLock { state in
                state.enginePid = nil
                state.lostAt = .now
                if !state.isStopping { state.phase = .recovering }
            }
        }
        let exit = try spawnAndWait(engine.launch(mount(attachment)), ring: attachment.ringPath) { process in
            state.withLock { $0.enginePid = process.pid }
            Thread.detachNewThread { [self] in watchHealth(of: process, root: attachment.root) }
        }
        // Whoever gives its part to another need not wait until the last of its processes is gone: that one is fenced.
        let end = noteEnd(exit)
        try killLeftovers()
        return end
    }

    /// Judges the end of the engine's first process, and says so to whoever watches.
    private func noteEnd(_ exit: ChildProcess.Exit) -> End {
        let end = state.withLock { state -> End in
            defer { state.tending.isRestarting = false }
            if state.isStopping || state.dropsCache { return .wanted }
            if let failure = state.driverFailure { return .driverFailed(failure) }
            state.phase = .recovering
            state.restarts += 1
            state.endedByItself = !state.tending.isRestarting
            return state.endedByItself ? .loss : .restart
        }
        guard case .loss = end else { return end }
        let last = lastLine(of: engine.logFile)
        logger.warning("the engine ended", metadata: ["instance": "\(role.id)", "exit": "\(exit)", "log": "\(last)"])
        let reason = "the engine ended with \(exit): \(last)"
        state.withLock { $0.reason = reason }
        lose(reason)
        return end
    }

    private func spawnAndWait(
        _ launch: Launch, ring: String, started: (ChildProcess) -> Void = { _ in }
    ) throws -> ChildProcess.Exit {
        let process = try ChildProcess.spawn(launch)
        logger.info("started", metadata: ["program": "\(launch.path)", "pid": "\(process.pid)"])
        let mustStop = state.withLock { state in
            state.process = process
            state.ring = ring
            return state.isStopping || state.dropsCache || state.driverFailure != nil
        }
        defer { state.withLock { $0.process = nil } }
        started(process)
        if mustStop { process.signal(SIGKILL) }
        try verifyShim(process)
        return process.wait()
    }

    /// Kills a program that runs without the shim: nothing it writes would be in the volume.
    private func verifyShim(_ process: ChildProcess) throws {
        for _ in 0..<1000 {
            if process.poll() != nil || EngineProcesses.hasMapped(process.pid, suffix: "/\(ShimLibrary.name)") {
                return
            }
            usleep(2000)
        }
        process.signal(SIGKILL)
        process.wait()
        throw RegionError(
            "the engine started without the shim \(shim)", remedy: "check that its account can read that file")
    }

    // MARK: - Watching

    private func watch(_ driver: VolumeDriver) {
        Thread.detachNewThread { [self] in
            let reason = driver.waitUntilFailed()
            let process = state.withLock { state -> ChildProcess? in
                guard state.driver === driver, !state.isStopping else { return nil }
                state.driverFailure = reason
                state.endedByItself = true
                return state.process
            }
            process?.signal(SIGKILL)
            if state.withLock({ $0.driver === driver && !$0.isStopping }) { lose("the driver stopped: \(reason)") }
        }
    }

    private func watchHealth(of process: ChildProcess, root: String) {
        while process.poll() == nil {
            switch engine.readiness(root: root, timeoutMilliseconds: 5000) {
            case .ready:
                guard mayServe(process) else {
                    usleep(5_000)
                    continue
                }
                if becomeAvailable(process), engine.settings.replication != nil {
                    Thread.detachNewThread { [self] in tend(process) }
                }
                noteResidue(root: root)
                watchDurability(of: process)
            case .notYet(let text), .silent(let text):
                state.withLock { state in
                    guard state.process === process else { return }
                    if state.phase == .available { state.reason = "the engine does not answer: \(text)" }
                    state.progress = text
                }
                usleep(5_000)
            }
        }
    }

    /// Five seconds of an engine that is well, with a look each second whether it still waits for its commits to be durable.
    private func watchDurability(of process: ChildProcess) {
        for _ in 0..<5 {
            for _ in 0..<10 where process.poll() == nil { usleep(100_000) }
            guard process.poll() == nil, let text = engine.weakness(timeoutMilliseconds: 1000) else { continue }
            logger.warning(
                "durability was turned off in the running engine: it is shut down, and starts again with its own settings",
                metadata: ["instance": "\(role.id)", "found": "\(text)"])
            // A clean shutdown makes everything durable that was acknowledged until now.
            process.signal(engine.stopSignal)
            process.wait()
        }
    }

    /// Returns whether it was not available before.
    private func becomeAvailable(_ process: ChildProcess) -> Bool {
        let isNew = state.withLock { state in
            guard state.process === process, !state.isStopping else { return false }
            let wasAvailable = state.phase == .available
            if state.phase != .available, let lost = state.lostAt {
                state.lastRecovery = Int(lost.duration(to: .now) / .milliseconds(1))
            }
            if state.phase != .available {
                logger.info("the engine accepts connections", metadata: ["pid": "\(process.pid)"])
            }
            state.phase = .available
            state.reason = nil
            state.progress = nil
            if !wasAvailable { state.tending.began() }
            return !wasAvailable
        }
        if isNew { onChange() }
        return isNew
    }
}
