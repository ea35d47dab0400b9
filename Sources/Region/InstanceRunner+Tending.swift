// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import Glibc
internal import Logging
internal import Synchronization
internal import VolumeDriver
internal import VolumeModel

/// Looking after an engine that accepts connections, as its part in the cluster asks.
///
/// A writer commits something small each second: readers measure their lag by it, and the supervisor sees by it that a
/// commit still goes all the way. A reader is asked how far it is. Both happen in a thread that lives as long as the engine,
/// over a session that it keeps open.
struct Tending {
    /// When the engine answered last: a commit, a state, or an error.
    var answered: ContinuousClock.Instant?
    var lost: String?
    /// Reader: by its newest answer, and when that was.
    var lag: Duration?
    var lagAt: ContinuousClock.Instant?
    /// Reader: the newest commit that it has replayed, microseconds since 1970 by the writer's clock.
    var replayed: Int64?
    var beats = 0
    /// Since when it gets no stream.
    var deafSince: ContinuousClock.Instant?
    /// Writer: the newest; reader: the one that it is to reach before its read point may move.
    var mark: StreamMark?
    var answeringNodes: Int?
    /// Writer: whether the volume's log goes on, whatever becomes of the commit that is waited for.
    var progress: LogProgress?
    /// The source has changed since the engine was told.
    var mustFollow = false
    /// A restart that was asked for is no loss.
    var isRestarting = false
    /// The supervisor has nobody else for the part: the engine may start again.
    var mayGoOn = false

    mutating func began() {
        answered = .now
        lost = nil
        (lag, lagAt, replayed, deafSince, mark, beats, progress) = (nil, nil, nil, nil, nil, 0, nil)
        mayGoOn = false
    }
}

/// Since when a log stands still, by looks at it now and then.
struct LogProgress {
    private var vdl: UInt64
    private var looked: ContinuousClock.Instant
    /// At the latest: it went on at some time between this and the look that saw it.
    private(set) var stillSince: ContinuousClock.Instant

    init(vdl: UInt64, now: ContinuousClock.Instant) {
        self.vdl = vdl
        looked = now
        stillSince = now
    }

    mutating func look(vdl new: UInt64, now: ContinuousClock.Instant) {
        if new != vdl { (vdl, stillSince) = (new, looked) }
        looked = now
    }
}

extension InstanceRunner {
    /// The period of a writer's commits and of a reader's answers.
    static let beatInterval: Duration = .seconds(1)
    /// The engine's longest answer. One that takes longer counts as silent, and is asked again.
    private static let linkMilliseconds = 2000
    /// With the newest commit expected, a reader is asked this often.
    private static let pollMicroseconds: UInt32 = 5_000
    /// A reader's next question comes so long before the next commit is due.
    private static let pollLead: Duration = .milliseconds(40)
    /// A reader counts the storage nodes that answer it every so many beats.
    private static let beatsPerCount = 3
    /// How long the engine of a writer with readers stays down for the supervisor to decide; then it starts again.
    private static let verdictPatience: Duration = .seconds(3)
    /// A reader whose source listens, but that gets no stream, is mounted anew.
    private static let deafPatience: Duration = .seconds(10)

    func tend(_ process: ChildProcess) {
        var link: (any EngineLink)?
        var isFirst = true
        defer { link?.close() }
        while isOurs(process) {
            let began = ContinuousClock.now
            do {
                let open = try link ?? engine.openLink(timeoutMilliseconds: Self.linkMilliseconds)
                link = open
                switch role.part {
                case .writer: try tendWriter(open, isFirst: isFirst)
                case .reader: try tendReader(open, process, isFirst: isFirst)
                case .mount: return
                }
                isFirst = false
            } catch {
                if !(error is EngineSilence) { state.withLock { $0.tending.answered = .now } }
                logger.debug("look after the engine", metadata: ["instance": "\(role.id)", "error": "\(error)"])
                link?.close()
                link = nil
                countAnsweringNodes()
            }
            var end = began + Self.beatInterval
            if role.part == .reader, let seen = state.withLock({ $0.tending.lagAt }), seen >= began {
                end = seen + Self.beatInterval - Self.pollLead
            }
            while ContinuousClock.now < end && isOurs(process) && !state.withLock({ $0.tending.mustFollow }) {
                usleep(20_000)
            }
        }
    }

    private func isOurs(_ process: ChildProcess) -> Bool {
        state.withLock { $0.process === process && $0.phase == .available && !$0.isStopping }
    }

    /// A writer whose commits do not come through, or a reader, which would have to take its place, asks how many storage
    /// nodes answer it.
    private func countAnsweringNodes() {
        guard let driver else { return }
        let count = driver.countAnsweringNodes(milliseconds: 1500)
        state.withLock { $0.tending.answeringNodes = count }
        onChange()
    }

    // MARK: - Writer

    private func tendWriter(_ link: any EngineLink, isFirst: Bool) throws {
        if isFirst, let account = engine.settings.replication?.account { try link.admitReaders(account) }
        guard engine.settings.replication?.hasReaders == true else {
            // Nobody measures by it, and an idle cluster's log does not grow.
            return state.withLock { $0.tending.answered = .now }
        }
        // What is durable now was in the volume before the beat is in the stream.
        let vdl = driver?.status().vdl
        let position = try link.beat()
        state.withLock { state in
            state.tending.answered = .now
            state.tending.answeringNodes = nil
            if let vdl, let position { state.tending.mark = StreamMark(vdl: vdl, position: position) }
        }
    }

    // MARK: - Reader

    private func tendReader(_ link: any EngineLink, _ process: ChildProcess, isFirst: Bool) throws {
        if let replication = engine.settings.replication,
            state.withLock({ $0.tending.mustFollow }) || isFirst
        {
            state.withLock { $0.tending.mustFollow = false }
            try link.follow(replication)
        }
        // The writer's next commit is due about now: the moment at which it is seen here tells the lag, to a poll.
        let first = try link.replicaState()
        var found = first
        let began = ContinuousClock.now
        while found.replayedMicroseconds == first.replayedMicroseconds, found.dead == nil, isOurs(process) {
            let waited = began.duration(to: .now)
            guard waited < Self.beatInterval else { break }
            usleep(waited < Self.pollLead * 2 ? Self.pollMicroseconds : 5 * Self.pollMicroseconds)
            found = try link.replicaState()
        }
        judge(found, process)
        guard found.dead == nil else { return }
        note(found, isNew: found.replayedMicroseconds != first.replayedMicroseconds)
        let beats = state.withLock { state in
            state.tending.beats += 1
            return state.tending.beats
        }
        if beats % Self.beatsPerCount == 1 { countAnsweringNodes() }
        if let position = found.position { moveReadPoint(reached: position) }
    }

    private func note(_ found: ReplicaState, isNew: Bool) {
        state.withLock { state in
            state.tending.answered = .now
            state.tending.replayed = found.replayedMicroseconds
            guard let replayed = found.replayedMicroseconds else { return }
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            let age = Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000 - replayed
            // What is not new may be old because nothing was committed since, for up to a beat.
            if isNew || Duration.microseconds(age) > Self.beatInterval * 2 {
                state.tending.lag = .microseconds(max(0, age))
                state.tending.lagAt = .now
            }
        }
    }

    /// Ends the engine of a mount that cannot follow any more; the next one gets a fresh mount.
    private func judge(_ found: ReplicaState, _ process: ChildProcess) {
        let now = ContinuousClock.now
        let deafSince = state.withLock { state -> ContinuousClock.Instant? in
            if found.isReceiving {
                state.tending.deafSince = nil
            } else if state.tending.deafSince == nil {
                state.tending.deafSince = now
            }
            return state.tending.deafSince
        }
        var reason = found.dead
        if reason == nil, let deafSince, now - deafSince > Self.deafPatience,
            let source = engine.settings.replication?.source, !Ports.isFree(source.port, host: source.host)
        {
            reason = "it gets no stream from \(source.host), which listens"
            state.withLock { $0.tending.deafSince = nil }
        }
        if let reason { mountAnew(process, reason) }
    }

    private func mountAnew(_ process: ChildProcess, _ reason: String) {
        logger.notice("the reader is mounted anew", metadata: ["instance": "\(role.id)", "reason": "\(reason)"])
        state.withLock { state in
            state.tending.isRestarting = true
            state.reason = "it is mounted anew: \(reason)"
        }
        process.signal(SIGKILL)
    }

    /// Whether clients may be let in: not into a reader whose mount has proved dead, for it has what its writer has not.
    func mayServe(_ process: ChildProcess) -> Bool {
        guard role.part == .reader, engine.settings.replication != nil,
            state.withLock({ $0.process === process && $0.phase != .available })
        else { return true }
        guard let link = try? engine.openLink(timeoutMilliseconds: Self.linkMilliseconds) else { return false }
        defer { link.close() }
        guard let found = try? link.replicaState() else { return false }
        if let reason = found.dead { mountAnew(process, reason) }
        return found.dead == nil
    }

    /// What the supervisor has heard from the writer.
    func take(_ mark: StreamMark) {
        state.withLock { if $0.tending.mark == nil { $0.tending.mark = mark } }
    }

    /// Lets blocks be read at a newer point of the volume, once all that led to it has been replayed.
    private func moveReadPoint(reached position: UInt64) {
        let (mark, driver) = state.withLock { state -> (StreamMark?, VolumeDriver?) in
            guard let mark = state.tending.mark, mark.position <= position else { return (nil, nil) }
            state.tending.mark = nil
            return (mark, state.driver)
        }
        guard let mark, let driver else { return }
        do { try driver.moveReadPoint(to: LSN(mark.vdl)) } catch {
            logger.info("move the read point", metadata: ["instance": "\(role.id)", "error": "\(error)"])
        }
    }

    // MARK: - Loss

    /// Notes that an engine that clients were let into is gone, though nobody asked for it.
    func lose(_ reason: String) {
        state.withLock { state in
            guard !state.isStopping, state.tending.answered != nil else { return }
            state.tending.lost = state.tending.lost ?? reason
        }
        onChange()
    }

    /// Gives the supervisor time to have another instance become the writer. It says so by stopping this one, and that
    /// there is no other by giving it its settings again.
    func awaitVerdict() {
        guard role.part == .writer, engine.settings.replication?.hasReaders == true else { return }
        let end = ContinuousClock.now + Self.verdictPatience
        while ContinuousClock.now < end && !isStopping && !state.withLock({ $0.tending.mayGoOn }) { usleep(5_000) }
    }

    // MARK: - Facts

    func lag(_ state: State) -> Int? {
        guard role.part == .reader, let lag = state.tending.lag, let at = state.tending.lagAt else { return nil }
        // Nothing new for longer than commits are apart: it is further behind each moment.
        let age = at.duration(to: .now)
        let grown = age > Self.beatInterval * 2 ? lag + age : lag
        return Int(grown / .milliseconds(1))
    }

    func watchFacts(_ state: State) -> WatchFacts {
        let silent = state.phase == .available ? state.tending.answered.map { $0.duration(to: .now) } : nil
        let isSilent = silent.map { $0 > Self.beatInterval * 2 } ?? false
        let isWriter = role.part == .writer
        let facts = isWriter && silent != nil ? state.driver?.status() : nil
        return WatchFacts(
            lost: state.tending.lost, silentMilliseconds: silent.map { Int($0 / .milliseconds(1)) },
            answeringNodes: state.tending.answeringNodes, commitsWait: isSilent && facts?.reportWaiting != nil,
            stillMilliseconds: facts.map { Int(stillness($0.reportVDL) / .milliseconds(1)) },
            mark: isWriter ? state.tending.mark : nil)
    }

    /// For how long the log has stood still, now that it has been seen to end there.
    private func stillness(_ vdl: UInt64) -> Duration {
        let now = ContinuousClock.now
        return state.withLock { state in
            var progress = state.tending.progress ?? LogProgress(vdl: vdl, now: now)
            progress.look(vdl: vdl, now: now)
            state.tending.progress = progress
            return progress.stillSince.duration(to: now)
        }
    }
}
