// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import Glibc

/// The running program itself.
package enum Executable {
    /// Its path, also when the file was replaced since.
    package static func path() throws -> String {
        let link = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let path = link.hasSuffix(" (deleted)") ? String(link.dropLast(10)) : link
        guard access(path, X_OK) == 0 else {
            throw RegionError("the program \(path) is gone", remedy: "build it again with `make build`")
        }
        return path
    }
}

/// Starts a supervisor in the background and waits until its region accepts connections.
package enum DetachedStart {
    /// - Parameters:
    ///   - arguments: of `borealis`, for a foreground start
    ///   - progress: called when what the region is doing changes
    /// - Returns: the first report that says that everything is available
    /// - Throws: the supervisor's own error if it ends, or one that says what is missing after the time limit; then the
    ///   supervisor goes on trying
    package static func run(
        directory: DataDirectory, arguments: [String], timeoutSeconds: Int, progress: (String) -> Void
    ) throws -> StatusReport {
        if let pid = FileLock.holder(directory.lock) {
            throw RegionError(
                "already running (pid \(pid))",
                remedy: "stop it with `borealis down`, or choose another directory with --data")
        }
        try directory.make(directory.path, mode: 0o711)
        try directory.make("\(directory.path)/logs", mode: 0o700)
        let log = directory.log("region")
        let logged = (try? FileManager.default.attributesOfItem(atPath: log)[.size] as? UInt64) ?? 0
        var launch = Launch(
            path: try Executable.path(), arguments: arguments, environment: ProcessInfo.processInfo.environment)
        launch.outputFile = log
        launch.directory = "/"
        launch.diesWithParent = false
        let supervisor = try ChildProcess.spawn(launch)
        let end = ContinuousClock.now + .seconds(timeoutSeconds)
        var last = ""
        while ContinuousClock.now < end {
            if let exit = supervisor.poll() { throw failure(log: log, from: logged, exit: exit) }
            let client = AdminClient(path: directory.regionSocket)
            if let report = try? client.send(AdminRequest(.status), timeoutSeconds: 10).region {
                if report.isAvailable && report.nodes.contains(where: { $0.state == "up" }) { return report }
                let now = report.progressText
                if now != last { progress(now) }
                last = now
            }
            usleep(50_000)
        }
        throw RegionError(
            "not available after \(timeoutSeconds) s: \(last)",
            remedy: "it goes on trying: see `borealis status` and the logs in \(directory.path)/logs")
    }

    private static func failure(log: String, from offset: UInt64, exit: ChildProcess.Exit) -> any Error {
        var text = ""
        if let file = FileHandle(forReadingAtPath: log) {
            try? file.seek(toOffset: offset)
            text = String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
        }
        let marker = "borealis: error: "
        if let line = text.split(separator: "\n").last(where: { $0.hasPrefix(marker) }) {
            return RemoteError(description: String(line.dropFirst(marker.count)))
        }
        return RegionError("the supervisor ended with \(exit)", remedy: "read \(log)")
    }
}

extension StatusReport {
    /// What the region is doing, in a few words.
    package var progressText: String {
        let clusters = clusters.map { "\($0.id): \($0.status)\($0.reason.map { ", \($0)" } ?? "")" }
        let up = nodes.count { $0.state == "up" }
        return (["\(up) of \(nodes.count) storage nodes up"] + clusters).joined(separator: "; ")
    }
}
