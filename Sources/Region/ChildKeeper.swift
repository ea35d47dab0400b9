// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import Glibc
internal import Logging
internal import Synchronization

/// Keeps one process of the region running: starts it, waits for its end, starts it again after a back-off.
///
/// The process is spawned from the thread that waits for it, so that it dies with the supervisor. It can be *held down*,
/// which is how a zone is lost: killed, and not started before it is released.
final class ChildKeeper: Sendable {
    private struct State {
        var process: ChildProcess?
        var heldBy: String?
        var isStopping = false
        var isEnding = false
        var restarts = 0
        var reason: String?
    }

    let role: String
    private let launch: Launch
    private let failureFile: String
    private let longestPause: Duration
    private let logger: Logger
    private let onExit: @Sendable (ChildProcess.Exit) -> Void
    private let state = Mutex(State())
    private let ended = DispatchSemaphore(value: 0)

    /// - Parameters:
    ///   - longestPause: before it is started again, however often it ends
    ///   - onExit: called in the keeper's thread before the process is started again
    init(
        role: String, launch: Launch, failureFile: String, longestPause: Duration = Backoff.longest, logger: Logger,
        onExit: @escaping @Sendable (ChildProcess.Exit) -> Void
    ) {
        self.role = role
        self.launch = launch
        self.failureFile = failureFile
        self.longestPause = longestPause
        self.logger = logger
        self.onExit = onExit
    }

    func start() {
        Thread.detachNewThread { [self] in
            run()
            ended.signal()
        }
    }

    var pid: Int32? { state.withLock { $0.process?.pid } }
    var restarts: Int { state.withLock { $0.restarts } }
    var heldBy: String? { state.withLock { $0.heldBy } }
    /// Why it is not running, or why it ended the last time.
    var reason: String? { state.withLock { $0.heldBy.map { "killed by fault \($0)" } ?? $0.reason } }

    /// SIGKILL, and no new start until `release`.
    func hold(by fault: String) {
        let process = state.withLock { state in
            state.heldBy = fault
            return state.process
        }
        process?.signal(SIGKILL)
    }

    /// SIGKILL; it is started again as after any end.
    func kill() { state.withLock { $0.process }?.signal(SIGKILL) }

    /// Asks the process to read its settings again; one that is not running reads them when it starts.
    func reload() { state.withLock { $0.process }?.signal(SIGHUP) }

    func release() { state.withLock { $0.heldBy = nil } }

    /// Whether the caller is the first who wants it gone for good, and so the one to stop it.
    func beginEnd() -> Bool {
        state.withLock { state in
            defer { state.isEnding = true }
            return !state.isEnding
        }
    }

    /// Asks the process to shut down and waits for its end; kills it after the time limit.
    func stop(timeoutSeconds: Int) {
        let process = state.withLock { state in
            state.isStopping = true
            return state.process
        }
        process?.signal(SIGTERM)
        if ended.wait(timeout: .now() + .seconds(timeoutSeconds)) != .success {
            logger.warning("the process does not stop: killed", metadata: ["process": "\(role)"])
            state.withLock { $0.process }?.signal(SIGKILL)
            _ = ended.wait(timeout: .now() + .seconds(5))
        }
    }

    private func run() {
        var backoff = Backoff(longest: longestPause)
        while !state.withLock({ $0.isStopping }) {
            guard state.withLock({ $0.heldBy == nil }) else {
                usleep(20_000)
                continue
            }
            let began = ContinuousClock.now
            runOnce()
            let end = ContinuousClock.now + backoff.delay(afterRunOf: began.duration(to: .now))
            while ContinuousClock.now < end && !state.withLock({ $0.isStopping }) { usleep(10_000) }
        }
    }

    private func runOnce() {
        unlink(failureFile)
        if let log = launch.outputFile { LogFile.rotate(log) }
        do {
            let process = try ChildProcess.spawn(launch)
            let mustStop = state.withLock { state in
                state.process = process
                return state.isStopping || state.heldBy != nil
            }
            if mustStop { process.signal(SIGKILL) }
            let exit = process.wait()
            let said = FileManager.default.contents(atPath: failureFile).map { String(decoding: $0, as: UTF8.self) }
            let isStopping = state.withLock { state in
                state.process = nil
                state.restarts += 1
                state.reason = said ?? "ended with \(exit)"
                return state.isStopping
            }
            guard !isStopping else { return }
            logger.warning(
                "a process ended", metadata: ["process": "\(role)", "exit": "\(exit)", "error": "\(said ?? "")"])
            onExit(exit)
        } catch {
            state.withLock { $0.reason = "\(error)" }
            logger.error("a process cannot be started", metadata: ["process": "\(role)", "error": "\(error)"])
        }
    }
}
