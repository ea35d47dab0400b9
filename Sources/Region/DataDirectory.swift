// SPDX-License-Identifier: Apache-2.0

package import Engines
internal import Foundation
internal import Glibc
internal import Keyring

/// Everything a region keeps on one machine.
///
///     format              the number of this layout
///     lock                held by the supervisor; its process id
///     metadata.sqlite     clusters, volumes, nodes (0600)
///     keys/ tls/          the key ring; the local authority and each process's certificate (0700)
///     run/                settings, sockets and locks of the processes (0700)
///     storage/ROLE/       a storage process's journal and segments (0700)
///     instances/ID/       volume/ (the local cache), engine/ (configuration, socket, log)
///     lib/                the shim, where every account can load it
///     logs/               one file a process (0700)
///
/// The directory itself is 0711: an engine's account passes through to its instance and can list nothing.
package struct DataDirectory: Sendable {
    package static let format = 1

    package let path: String

    package init(path: String) { self.path = path }

    /// The default: $XDG_STATE_HOME/borealis, or else ~/.local/state/borealis; root's is /var/lib/borealis, because the
    /// engine's account cannot pass through root's home.
    package static func standard(environment: [String: String]) -> String {
        if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") { return "\(state)/borealis" }
        if getuid() == 0 { return "/var/lib/borealis" }
        return "\(environment["HOME"] ?? NSHomeDirectory())/.local/state/borealis"
    }

    /// An absolute path without `.`, `..` or a slash at its end.
    package static func resolve(_ path: String) -> String {
        URL(fileURLWithPath: path).standardizedFileURL.path
    }

    package var metadata: String { "\(path)/metadata.sqlite" }
    package var keyring: String { "\(path)/keys/keyring.json" }
    package var tls: String { "\(path)/tls" }
    package var run: String { "\(path)/run" }
    package var lock: String { "\(path)/lock" }
    package var shim: String { "\(path)/lib/libborealis_shim.so" }
    package var regionSocket: String { "\(run)/region.sock" }
    package func socket(_ role: String) -> String { "\(run)/\(role).sock" }
    package func configuration(_ role: String) -> String { "\(run)/\(role).json" }
    package func failure(_ role: String) -> String { "\(run)/\(role).error" }
    package func log(_ role: String) -> String { "\(path)/logs/\(role).log" }
    package func storage(_ role: String) -> String { "\(path)/storage/\(role)" }
    package func instance(_ id: String) -> String { "\(path)/instances/\(id)" }

    /// Throws if an engine's account could not pass through to its instance.
    package func checkPassage(of account: EngineAccount?) throws {
        guard let account, let obstacle = account.obstacle(on: path) else { return }
        throw RegionError(
            "the account \(account.name) cannot enter \(obstacle)",
            remedy: "choose --data under /var/lib, or run `chmod o+x \(obstacle)`")
    }

    /// Makes what is missing and checks the rest. Repeatable; the caller holds the lock.
    package func prepare() throws {
        try make(path, mode: 0o711)
        try checkFormat()
        for name in ["keys", "tls", "run", "storage", "logs"] { try make("\(path)/\(name)", mode: 0o700) }
        try make("\(path)/instances", mode: 0o711)
        try make("\(path)/lib", mode: 0o755)
    }

    /// Whether a region was ever started here.
    package var exists: Bool { FileManager.default.fileExists(atPath: "\(path)/format") }

    /// Refuses a directory that a newer program wrote, or that is something else.
    package func checkFormat() throws {
        let file = "\(path)/format"
        guard FileManager.default.fileExists(atPath: file) else {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            guard names.allSatisfy({ $0 == "lock" || $0 == "logs" }) else {
                throw RegionError("\(path) holds other files", remedy: "give --data an empty or a new directory")
            }
            return try PrivateFile.write(Data("\(Self.format)\n".utf8), to: file)
        }
        guard let data = FileManager.default.contents(atPath: file) else {
            throw RegionError("cannot read \(file)", remedy: "run as the owner of \(path)")
        }
        let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard let found = Int(text) else {
            throw RegionError("\(file) does not hold a number", remedy: "restore the directory from a backup")
        }
        guard found <= Self.format else {
            throw RegionError(
                "\(path) has format \(found), this program knows \(Self.format) and older",
                remedy: "use the newer borealis that wrote it")
        }
    }

    package func make(_ path: String, mode: UInt32) throws {
        if access(path, F_OK) != 0 {
            do {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            } catch {
                throw RegionError(
                    "cannot create \(path): \(String(cString: strerror(errno)))",
                    remedy: "choose another directory with --data")
            }
        }
        guard chmod(path, mode) == 0, access(path, R_OK | W_OK | X_OK) == 0 else {
            throw RegionError(
                "cannot use \(path): \(String(cString: strerror(errno)))",
                remedy: "run as its owner, or choose another --data")
        }
    }

    /// The longest path of a socket that a region here needs must fit an address.
    package func checkSocketPaths(instance: String, port: Int) throws {
        let longest = max(
            "\(self.instance(instance))/engine/run/.s.PGSQL.\(port)".utf8.count,
            socket("instance-\(instance)").utf8.count)
        guard longest <= socketPathBytesMax else {
            throw RegionError(
                "the path \(path) is too long for Unix sockets by \(longest - socketPathBytesMax) bytes",
                remedy: "choose a shorter one with --data")
        }
    }
}
