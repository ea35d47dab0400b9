// SPDX-License-Identifier: Apache-2.0

/// The accounts of a new cluster, as the SQL that makes them before any client is let in.
///
/// As with Aurora's master user, nobody is almighty. Whoever may `SET GLOBAL innodb_flush_log_at_trx_commit`, or keep a
/// session out of the binlog, can have commits acknowledged that are not durable; both take SUPER or BINLOG ADMIN, which no
/// account has, nor can any grant what it lacks. FILE, SHUTDOWN, SET USER, BINLOG REPLAY and writes to the schema `mysql`
/// are ways around that, and are held back too.
struct MariaAccounts {
    /// What the health check logs in as. It may do nothing.
    static let watcher = "borealis"

    let administrator: String
    let password: String

    /// What the administrator may do to the server as a whole, and grant to others.
    private static let globalPrivileges = [
        "PROCESS", "RELOAD", "SHOW DATABASES", "CREATE USER", "CONNECTION ADMIN", "REPLICATION SLAVE", "BINLOG MONITOR",
        "SLAVE MONITOR",
    ]

    private var hash: String { Self.hash(of: password) }

    /// Passwords go in as hashes: their text is nowhere but in the sealed metadata.
    ///
    /// Of two grants on databases the one with the plainer name counts, so the administrator can read `mysql` and no more.
    /// Accounts that the package's script makes (root and mysql, by the machine's account) are removed.
    var statements: String {
        """
        DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';
        DELETE FROM mysql.proxies_priv;
        FLUSH PRIVILEGES;
        CREATE OR REPLACE USER '\(administrator)'@'%' IDENTIFIED VIA mysql_native_password USING '\(hash)';
        GRANT \(Self.globalPrivileges.joined(separator: ", ")) ON *.* TO '\(administrator)'@'%' WITH GRANT OPTION;
        GRANT ALL PRIVILEGES ON `%`.* TO '\(administrator)'@'%' WITH GRANT OPTION;
        GRANT SELECT ON mysql.* TO '\(administrator)'@'%';
        CREATE OR REPLACE USER '\(Self.watcher)'@'localhost' IDENTIFIED VIA mysql_native_password USING '\(hash)';

        """
    }

    /// As mysql.global_priv has it: the hash of the hash, in capitals, after an asterisk.
    static func hash(of password: String) -> String {
        "*"
            + SHA1.hash(SHA1.hash(Array(password.utf8)))
            .map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined().uppercased()
    }
}
