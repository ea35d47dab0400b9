// SPDX-License-Identifier: Apache-2.0

/// An instance's part in its cluster, as its engine has to know it.
///
/// A reader's files are a copy-on-write mount of the volume at a durable LSN, so they are what the writer's files would be
/// after a crash at that moment: the engine recovers them as ever, and from there on replicates with its own means.
package struct ReplicationSettings: Codable, Hashable, Sendable {
    /// Where the writer is reached; nil: this is the writer.
    package var source: ReplicationSource?
    /// The account with which readers log in at the writer.
    package var account: ReplicationAccount
    /// Whether the cluster has readers: an engine whose replication costs its writer something leaves it off without.
    package var hasReaders: Bool
    /// A number from 1 that no other instance of the cluster has.
    package var serverNumber: Int
    /// Values of the cluster's other instances that a reader must not be below, by name (`EngineKind.sharedMinimums`).
    package var minimums: [String: Int]

    package init(
        source: ReplicationSource?, account: ReplicationAccount, hasReaders: Bool, serverNumber: Int,
        minimums: [String: Int]
    ) {
        self.source = source
        self.account = account
        self.hasReaders = hasReaders
        self.serverNumber = serverNumber
        self.minimums = minimums
    }
}

package struct ReplicationSource: Codable, Hashable, Sendable {
    package var host: String
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

package struct ReplicationAccount: Codable, Hashable, Sendable {
    package var user: String
    package var password: String

    package init(user: String, password: String) {
        self.user = user
        self.password = password
    }
}

/// How far a reader is.
package struct ReplicaState: Sendable, Equatable {
    /// When the newest transaction that was replayed was committed, by the writer's clock: microseconds since 1970. Nil
    /// before the first.
    package var replayedMicroseconds: Int64?
    /// Whether a stream from the source is open.
    package var isReceiving: Bool
    /// How far it has replayed, in the numbers that `beat` answers; nil where blocks that are read later than that must not
    /// come from a newer state of the volume (`VolumeDriver.moveReadPoint`).
    package var position: UInt64?
    /// Why this mount can never follow the writer again, so that a fresh one is needed; nil: it can.
    package var dead: String?

    package init(replayedMicroseconds: Int64?, isReceiving: Bool, position: UInt64? = nil, dead: String?) {
        self.replayedMicroseconds = replayedMicroseconds
        self.isReceiving = isReceiving
        self.position = position
        self.dead = dead
    }
}

/// The instance's own session with its engine, over the local socket. One thread uses it and keeps it open.
///
/// Each call blocks for the time limit that the link was opened with at most. It throws `EngineSilence` when the engine does
/// not answer in time or not at all, and any other error when it answers with one; the link is then closed and opened anew.
package protocol EngineLink: AnyObject {
    /// Writer: makes the account with which readers log in, with this password. Repeatable.
    func admitReaders(_ account: ReplicationAccount) throws
    /// Writer: commits something small that readers replay. Returns when it is durable, with a position that a reader has
    /// reached once it has replayed this and all that was written to the volume before; nil if there is no such number.
    func beat() throws -> UInt64?
    /// Writer: writes out what a shutdown would have to, while clients are served. May take seconds.
    func settle() throws
    /// Reader: replicates from the source that the settings name, from where its files are. Called once the engine accepts
    /// connections and whenever the source has changed; repeatable.
    func follow(_ replication: ReplicationSettings) throws
    /// Reader: how far it is.
    func replicaState() throws -> ReplicaState
    func close()
}

/// The engine does not answer: it may be frozen, or gone.
package struct EngineSilence: Error, CustomStringConvertible, Sendable {
    package let description: String
    package init(_ description: String) { self.description = description }
}

extension EngineAdapter {
    package func prepareReader(root: String) throws {}

    package func openLink(timeoutMilliseconds: Int) throws -> any EngineLink {
        throw EngineError(
            "\(settings.engine.title) has no readers yet", remedy: "add readers to a PostgreSQL cluster")
    }

    package func restartReason(from old: EngineSettings) -> String? { nil }

    package func startPoint<P>(_ find: () throws -> P) throws -> (found: P, obstacle: String?)? { nil }
}

extension EngineKind {
    /// Whether its clusters can have readers. MariaDB's and MySQL's replication have little in common, and there is only the
    /// former's here.
    ///
    /// - Parameter binaries: the directory of the server's programs
    package func hasReaders(binaries: String) -> Bool {
        switch self {
        case .postgres: true
        case .mariadb: MySQLServer.find(in: binaries)?.server.flavour != .mysql
        }
    }

    /// Settings that may not be lower on a reader than on the writer it follows, with their defaults.
    package var sharedMinimums: [String: Int] {
        switch self {
        case .postgres:
            // postgresql.org/docs/15/hot-standby.html, "Administrator's Overview".
            [
                "max_connections": 100, "max_worker_processes": 8, "max_wal_senders": 20,
                "max_prepared_transactions": 0, "max_locks_per_transaction": 64,
            ]
        case .mariadb: [:]
        }
    }
}
