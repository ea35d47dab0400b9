// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import Glibc
internal import Keyring
internal import Logging
internal import Synchronization
internal import VolumeDriver
internal import VolumeModel

extension InstanceRunner {
    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Whether the caller is the first who wants it gone, and so the one to stop it.
    func beginRelease() -> Bool {
        state.withLock { state in
            defer { state.isReleased = true }
            return !state.isReleased
        }
    }

    func enter(_ phase: InstanceStatus.Phase) {
        state.withLock { state in
            guard !state.isStopping else { return }
            state.phase = phase
            state.progress = nil
        }
        onChange()
    }

    /// Sleeps, but not past the wish to stop.
    func pause(_ duration: Duration) {
        let end = ContinuousClock.now + duration
        while ContinuousClock.now < end && !isStopping { usleep(10_000) }
    }

    func driverConfiguration() throws -> DriverConfiguration {
        let account = role.engine.account
        var configuration = DriverConfiguration(
            volume: try RoleConfiguration.volume(role.volume), instance: role.id, directory: role.directory,
            mode: role.localAt.map { .local(at: $0 == 0 ? nil : LSN($0)) } ?? .writer)
        configuration.groupBytes = role.groupBytes
        configuration.chunkBytes = role.chunkBytes
        configuration.cacheBytesMax = role.cacheBytesMax
        if let bytes = role.prefetchBytes { configuration.prefetchBytes = bytes }
        if let account { configuration.owner = (account.uid, account.gid) }
        configuration.local = engine.localNames
        configuration.unevicted = engine.logPaths
        if role.part != .mount { configuration.networkFault = networkFault }
        configuration.nodes = try role.nodes.map(RoleConfiguration.node)
        return configuration
    }

    func mount(_ attachment: Attachment) -> EngineMount {
        EngineMount(
            root: attachment.root,
            environment: [
                "LD_PRELOAD": shim, "BOREALIS_RING": attachment.ringPath, "BOREALIS_ROOT": attachment.root,
                "BOREALIS_LOCAL": engine.localNames.joined(separator: ":"),
                "BOREALIS_DOORBELL_FD": "\(attachment.doorbell)",
            ], doorbell: attachment.doorbell)
    }

    /// The LSN from which a reader's engine can replicate exactly; nil: any durable one.
    func startPoint(_ driver: VolumeDriver) throws -> LSN? {
        guard role.part == .reader else { return nil }
        state.withLock { $0.progress = "waiting for the writer" }
        // The connections to the storage nodes are open before anybody waits for an answer of theirs.
        _ = try driver.newestEnd()
        guard let (lsn, obstacle) = try engine.startPoint(driver.newestEnd) else { return nil }
        if let obstacle {
            logger.warning(
                "the reader is mounted while the writer works: what has no transactions may differ until it is mounted anew",
                metadata: ["instance": "\(role.id)", "reason": "\(obstacle)"])
        }
        return lsn
    }

    /// Ends every process that an engine of this instance left, whoever its parent is now.
    func killLeftovers() throws {
        let ring = state.withLock { $0.ring }
        let count = try EngineProcesses(directory: role.directory, ring: ring, account: role.engine.account).killAll()
        if count > 0 { logger.info("killed what an engine left", metadata: ["processes": "\(count)"]) }
        residue.remove()
    }

    private var residue: EngineResidue { EngineResidue(path: "\(role.directory)/residue") }

    /// Notes what the running engine has in the machine's memory, so that it can be removed whoever dies first.
    func noteResidue(root: String) {
        guard let ring = state.withLock({ $0.ring }) else { return }
        let processes = EngineProcesses(directory: role.directory, ring: nil, account: role.engine.account).list()
        residue.note(
            ring: ring, processes: processes, lockFile: engine.sharedMemoryNote(root: root))
    }

    /// Removes the local copy of the volume. No engine runs and no driver is attached.
    func removeCache() throws {
        try? FileManager.default.removeItem(atPath: "\(role.directory)/volume")
        guard !FileManager.default.fileExists(atPath: "\(role.directory)/volume") else {
            throw RegionError("cannot remove \(role.directory)/volume", remedy: "check its owner")
        }
        state.withLock { $0.dropsCache = false }
    }

    /// The last line of a log that says something, for a message.
    func lastLine(of path: String) -> String {
        guard let file = FileHandle(forReadingAtPath: path) else { return "no log" }
        defer { try? file.close() }
        let size = (try? file.seekToEnd()) ?? 0
        try? file.seek(toOffset: size > 4096 ? size - 4096 : 0)
        let text = String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
        let lines = text.split(separator: "\n").filter { !$0.allSatisfy(\.isWhitespace) }
        let signs = ["FATAL", "PANIC", "error:", "[ERROR]"]
        let telling = lines.last { line in signs.contains { line.contains($0) } } ?? lines.last
        return telling.map(String.init) ?? "no log"
    }
}
