// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

/// Finds and ends every process of an engine, also those whose parent is gone.
///
/// A backend that outlives its postmaster still writes into the local cache, so nothing may be attached again before the
/// last one is gone. A process belongs to the engine if it has the ring mapped, or runs one of the engine's programs with
/// its working directory inside the instance's directory; neither depends on who its parent is now.
package struct EngineProcesses: Sendable {
    package let directory: String
    package let ring: String?
    /// File names of the engine's programs, so that a shell that happens to stand in the directory is left alone.
    package static let programs: Set = ["postgres", "initdb", "mariadbd", "mysqld"]
    /// Processes of other accounts are not looked at; nil looks at the caller's own.
    package let account: EngineAccount?

    package init(directory: String, ring: String?, account: EngineAccount?) {
        self.directory = directory
        self.ring = ring
        self.account = account
    }

    /// Sends SIGKILL to all of them until none is left. Returns how many were found first.
    ///
    /// Throws when one is still there at the time limit: it hangs in the kernel.
    @discardableResult
    package func killAll(timeoutMilliseconds: Int = 10_000) throws -> Int {
        let first = list()
        var left = first
        var waited = 0
        while !left.isEmpty {
            guard waited < timeoutMilliseconds else {
                throw EngineError(
                    "process \(left[0]) of the engine in \(directory) does not die",
                    remedy: "it hangs in the kernel: check the disk below the data directory")
            }
            for pid in left { kill(pid, SIGKILL) }
            usleep(2000)
            waited += 2
            left = left.filter { isAlive($0) }
            if left.isEmpty { left = list() }
        }
        return first.count
    }

    /// All of them now.
    package func list() -> [Int32] {
        let own = getpid()
        let uid = account.map { uid_t($0.uid) } ?? getuid()
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { pid in
            var status = stat()
            guard pid != own, stat("/proc/\(pid)", &status) == 0, status.st_uid == uid else { return false }
            return isInside(pid) && runsEngine(pid) || hasRing(pid)
        }
    }

    /// Whether the process exists and is no zombie.
    private func isAlive(_ pid: pid_t) -> Bool {
        guard let text = Self.read("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return false }
        let state = text[end...].dropFirst(2).first
        return state != "Z" && state != "X"
    }

    private func isInside(_ pid: pid_t) -> Bool {
        guard let place = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd") else {
            return false
        }
        return place == directory || place.hasPrefix(directory + "/")
    }

    private func runsEngine(_ pid: pid_t) -> Bool {
        guard let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/exe") else {
            return false
        }
        let name = program.split(separator: "/").last.map(String.init) ?? ""
        return Self.programs.contains(name.replacing(" (deleted)", with: ""))
    }

    private func hasRing(_ pid: pid_t) -> Bool {
        guard let ring, let maps = Self.read("/proc/\(pid)/maps") else { return false }
        return maps.contains(ring)
    }

    /// Whether the process has a file mapped whose path ends so: to see that a preloaded library is there.
    package static func hasMapped(_ pid: Int32, suffix: String) -> Bool {
        (read("/proc/\(pid)/maps") ?? "").split(separator: "\n").contains { $0.hasSuffix(suffix) }
    }

    private static func read(_ path: String) -> String? {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return nil }
        defer { close(fd) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(fd, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            text += buffer[..<count]
        }
        return String(decoding: text, as: UTF8.self)
    }
}
