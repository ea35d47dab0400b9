// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What an engine of one instance needs to know that is not in its volume.
package struct EngineSettings: Codable, Hashable, Sendable {
    package var engine: EngineKind
    /// The directory of the engine's programs.
    package var binaries: String
    /// The account it runs under; nil keeps the caller's.
    package var account: EngineAccount?
    /// Its local directory, outside the volume: configuration, sockets, log.
    package var directory: String
    package var host: String
    package var port: Int
    package var superuser: String
    package var password: String
    /// Settings that somebody asked for with `--set`.
    package var overrides: [String: String]
    /// Addresses beside `host` that it listens on.
    package var otherHosts: [String]?
    /// The instance's name.
    package var name: String?
    /// Its part in its cluster; nil: it is alone and nobody replicates from it.
    package var replication: ReplicationSettings?

    package init(
        engine: EngineKind, binaries: String, account: EngineAccount?, directory: String, host: String, port: Int,
        superuser: String, password: String, overrides: [String: String]
    ) {
        self.engine = engine
        self.binaries = binaries
        self.account = account
        self.directory = directory
        self.host = host
        self.port = port
        self.superuser = superuser
        self.password = password
        self.overrides = overrides
    }
}

extension EngineSettings {
    /// Every address that it listens on, its own first.
    var hosts: [String] { [host] + (otherHosts ?? []) }

    /// `user:password` as a URL has it.
    var credentials: String { "\(Self.encoded(superuser)):\(Self.encoded(password))" }

    /// RFC 3986: everything but unreserved characters is percent-encoded.
    private static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126: bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// An attached volume as an engine sees it.
package struct EngineMount: Sendable {
    /// The directory that is the volume's root.
    package var root: String
    /// What the shim reads: LD_PRELOAD and the BOREALIS_* variables.
    package var environment: [String: String]
    /// The doorbell's eventfd, inherited by every process of the engine.
    package var doorbell: Int32

    package init(root: String, environment: [String: String], doorbell: Int32) {
        self.root = root
        self.environment = environment
        self.doorbell = doorbell
    }
}

/// What an engine answers to a client that knocks.
package enum EngineReadiness: Sendable, Equatable {
    /// Connections are accepted.
    case ready
    /// It answers, but recovers, starts or stops.
    case notYet(String)
    /// Nobody answers.
    case silent(String)
}

/// Everything that is particular to one database engine. Nothing below it knows one from another.
///
/// An adapter describes; whoever runs the instance spawns, watches and kills. All calls block for milliseconds at most,
/// bar `readiness`, which is bounded by its time limit.
package protocol EngineAdapter: Sendable {
    var settings: EngineSettings { get }
    /// fnmatch(3) patterns of file names that stay local: they are never shipped and may be lost.
    var localNames: [String] { get }
    /// fnmatch(3) patterns of paths within the volume whose blocks a size cap of the cache leaves alone: logs that are read
    /// once more at most, and go as a whole soon.
    var logPaths: [String] { get }
    /// The engine's data directory within the volume's root.
    var dataDirectory: String { get }
    /// Where the running engine's messages go, and those of the program that fills a volume.
    var logFile: String { get }
    var creationLogFile: String { get }
    /// The file in which a running engine names its System V segment, if this one does.
    func sharedMemoryNote(root: String) -> String?

    /// Makes the local directory and writes the configuration into it. Repeatable; run before each start.
    func prepare() throws
    /// The program that fills an empty volume. Exit code 0 means that all of it is synced.
    func creation(_ mount: EngineMount) throws -> Launch
    /// The program to start on a filled volume.
    func launch(_ mount: EngineMount) -> Launch
    /// Removes the file by which an engine keeps others off its data directory. No engine of the instance runs.
    func removeStaleLock(root: String)
    /// Whether clients would be served, found out as they do: by knocking.
    func readiness(root: String, timeoutMilliseconds: Int) -> EngineReadiness
    /// What was changed in the running engine so that it acknowledges commits too early; nil: nothing, or it does not answer.
    func weakness(timeoutMilliseconds: Int) -> String?
    /// A complete URL for clients, password included, that works as it is.
    var url: String { get }
    /// A reader, before it is mounted: calls `find`, which finds an LSN, at a moment at which the writer's files are a state that
    /// the reader can replicate from exactly; nil, and without calling it, if every durable LSN is one.
    ///
    /// - Returns: what was found, and why it is not such a moment (the mount may prove dead, or differ in what has no
    ///   transactions); an `obstacle` of nil: it is
    func startPoint<P>(_ find: () throws -> P) throws -> (found: P, obstacle: String?)?
    /// A reader (`settings.replication` has a source): changes what has to be changed in a fresh mount before the engine
    /// starts on it. What is written there stays local.
    func prepareReader(root: String) throws
    /// A session with the running engine that needs no password of the user's.
    func openLink(timeoutMilliseconds: Int) throws -> any EngineLink
    /// Why a running engine with the old settings has to be restarted to serve as these say; the same part in the cluster is
    /// given. Nil: it need not. What users set waits for a restart that they ask for, and does not count.
    func restartReason(from old: EngineSettings) -> String?
    /// Asks for a clean shutdown that ends sessions.
    var stopSignal: Int32 { get }
    /// Makes a running engine read its configuration again; nil if it cannot.
    var reloadSignal: Int32? { get }
    /// Asks for an immediate exit without a checkpoint.
    var quitSignal: Int32 { get }
}

/// The longest path of a Unix socket, bytes, that an address can hold.
package let socketPathBytesMax = LocalSocket.pathBytesMax
