// SPDX-License-Identifier: Apache-2.0

/// What an instance sets up in MariaDB for readers: accounts and a heartbeat, as the SQL that the server runs at its start.
///
/// It runs before a client is let in, with all privileges, and out of the binlog: a reader has what was there when its files
/// were mounted, and makes the rest itself. Statements end with their line.
struct MariaReplication {
    /// What the instance's own session logs in as, over the local socket only. A clients' account of that name does no harm:
    /// only this one is on `localhost`, and its socket is in a directory that only the engine's account may enter.
    static let link = "borealis_link"
    /// Here the writer says the time; what a reader says of it is how far the reader is.
    static let heartbeat = "mysql.borealis_heartbeat"
    /// Readers' server ids start here: an id that no writer has tells what a reader's own recovery put into its binlog.
    static let readerServerIDs = 1_000_000

    let settings: ReplicationSettings

    var isReader: Bool { settings.source != nil }

    /// The writer's goes into GTIDs and differs from instance to instance, so that no two transactions can have the same.
    var serverID: Int { isReader ? Self.readerServerIDs + settings.serverNumber : settings.serverNumber }

    /// For `init_file`.
    var statements: String { isReader ? readerStatements : writerStatements }

    /// Readers log in over TCP: to be sent the binlog, and to have commits wait while they look where the log ends
    /// (`MariaHold`), which takes RELOAD.
    private var writerStatements: String {
        let account = "'\(settings.account.user)'@'%'"
        return """
            SET SESSION sql_log_bin = 0;
            CREATE TABLE IF NOT EXISTS \(Self.heartbeat) (id TINYINT PRIMARY KEY, at BIGINT NOT NULL) ENGINE=InnoDB;
            INSERT IGNORE INTO \(Self.heartbeat) VALUES (1, 0);
            CREATE OR REPLACE USER \(account) IDENTIFIED VIA mysql_native_password USING '\(hash)';
            GRANT REPLICATION SLAVE, RELOAD ON *.* TO \(account);
            CREATE OR REPLACE USER \(link) IDENTIFIED VIA mysql_native_password USING '\(hash)';
            GRANT SELECT, UPDATE ON \(Self.heartbeat) TO \(link);

            """
    }

    /// The position to replicate from is set here, because later the server is read-only (`MariaLink` says why it is this one).
    private var readerStatements: String {
        """
        SET SESSION sql_log_bin = 0;
        SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_binlog_pos;
        CREATE OR REPLACE USER \(link) IDENTIFIED VIA mysql_native_password USING '\(hash)';
        GRANT REPLICATION SLAVE ADMIN, SLAVE MONITOR ON *.* TO \(link);
        GRANT SELECT ON \(Self.heartbeat) TO \(link);

        """
    }

    private var link: String { "'\(Self.link)'@'localhost'" }
    private var hash: String { MariaAccounts.hash(of: settings.account.password) }
}
