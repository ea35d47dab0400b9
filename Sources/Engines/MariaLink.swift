// SPDX-License-Identifier: Apache-2.0

/// The instance's own session with its MariaDB.
///
/// **Where a reader starts.** Its files are a prefix of the writer's log, and crash recovery makes binlog and tables agree:
/// a transaction that is complete in the binlog is committed, one that is not is undone. So `gtid_binlog_pos` after recovery
/// names exactly the transactions that the reader has, and replication goes on after it. What recovery cannot make agree
/// (accounts, XA, DDL and tables without transactions in mid-statement) is kept out by `MariaHold`.
///
/// What that does not keep out is noticed. An ALTER TABLE that copies is not waited for by the hold, and if it has only the
/// renaming left, recovery does that and logs it: then the reader's own server id is in its binlog. And what was done already fails
/// when it is done again. Such a mount is dead, and a fresh one takes its place.
final class MariaLink: EngineLink {
    private let session: MariaSession
    private let replication: MariaReplication

    init(_ session: MariaSession, _ settings: ReplicationSettings) {
        self.session = session
        replication = MariaReplication(settings: settings)
    }

    /// The server has made the account at its start (`MariaReplication`): a session that could would have to be almighty.
    func admitReaders(_ account: ReplicationAccount) throws {}

    func beat() throws -> UInt64? {
        // SYSDATE is the time now, whatever the session's is.
        try session.run(
            "UPDATE \(MariaReplication.heartbeat) SET at = CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)")
        // A reader's pages are its own: what the volume has later is of no use to it.
        return nil
    }

    /// Recovery is bounded by the size of the redo log, and a session that could flush pages would have to be almighty.
    func settle() throws {}

    func follow(_ settings: ReplicationSettings) throws {
        guard let source = settings.source else { return }
        if let now = try progress() {
            if now.isAt(source), now.isApplying, now.isReceiving || now.isTrying { return }
            // The SQL thread ends with the transaction that it is in. What it has not come to is sent again by the source.
            try session.run("STOP SLAVE")
        } else if try problemOfRecovery() != nil {
            // `replicaState` says so.
            return
        }
        try session.run(
            """
            CHANGE MASTER TO MASTER_HOST = '\(source.host)', MASTER_PORT = \(source.port), \
            MASTER_USER = '\(settings.account.user)', MASTER_PASSWORD = '\(settings.account.password)', \
            MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1, MASTER_HEARTBEAT_PERIOD = 1
            """)
        try session.run("START SLAVE")
    }

    func replicaState() throws -> ReplicaState {
        let now = try progress()
        let beat = try session.run("SELECT at FROM \(MariaReplication.heartbeat)").first?["at"].flatMap { Int64($0) }
        return ReplicaState(
            replayedMicroseconds: beat == 0 ? nil : beat, isReceiving: now?.isReceiving ?? false,
            dead: try now.map { $0.failure } ?? problemOfRecovery())
    }

    func close() { session.leave() }

    /// What recovery put into the binlog is in no other server's.
    private func problemOfRecovery() throws -> String? {
        let position = try session.run("SELECT @@GLOBAL.gtid_binlog_pos AS position").first?["position"] ?? ""
        let isForeign = position.split(separator: ",").contains { gtid in
            gtid.split(separator: "-").dropFirst().first == "\(replication.serverID)"
        }
        return isForeign ? "the mount's recovery completed a statement that the writer had not: \(position)" : nil
    }

    /// What the server says of its replication; nil before it was told of a source.
    private func progress() throws -> MariaProgress? {
        try session.run("SHOW ALL SLAVES STATUS").first.map(MariaProgress.init)
    }
}

/// A row of SHOW ALL SLAVES STATUS: mariadb.com/kb/en/show-replica-status.
package struct MariaProgress {
    private let row: [String: String]

    package init(_ row: [String: String]) { self.row = row }

    package func isAt(_ source: ReplicationSource) -> Bool {
        row["Master_Host"] == source.host && row["Master_Port"] == "\(source.port)"
    }

    package var isReceiving: Bool { row["Slave_IO_Running"] == "Yes" }
    /// Connects, and will try again by itself.
    package var isTrying: Bool { ["Connecting", "Preparing"].contains(row["Slave_IO_Running"]) }
    package var isApplying: Bool { row["Slave_SQL_Running"] == "Yes" }

    /// Why it will not go on by itself. Both threads try again after what may pass, so one that has stopped has a reason.
    package var failure: String? {
        for (running, number, text) in [
            ("Slave_SQL_Running", "Last_SQL_Errno", "Last_SQL_Error"),
            ("Slave_IO_Running", "Last_IO_Errno", "Last_IO_Error"),
        ] where row[running] == "No" && row[number] ?? "0" != "0" {
            return "replication stopped: \(row[text] ?? "") [\(row[number] ?? "")]"
        }
        return nil
    }
}
