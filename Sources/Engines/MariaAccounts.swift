// SPDX-License-Identifier: Apache-2.0

internal import Crypto

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
    var flavour = MySQLFlavour.mariadb

    /// For `init_file`: a statement a line.
    var statements: String { flavour == .mariadb ? mariaStatements : mysqlStatements }

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
    private var mariaStatements: String {
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

    /// MySQL: on every database, partially revoked on `mysql`. The variables that durability rests on take SUPER,
    /// SYSTEM_VARIABLES_ADMIN or SESSION_VARIABLES_ADMIN, which are not here; FILE, SHUTDOWN, SET_USER_ID and BINLOG_ADMIN
    /// are held back as MariaDB's are.
    private static let mysqlPrivileges = [
        "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "REFERENCES", "INDEX", "ALTER",
        "CREATE TEMPORARY TABLES",
        "LOCK TABLES", "EXECUTE", "CREATE VIEW", "SHOW VIEW", "CREATE ROUTINE", "ALTER ROUTINE", "EVENT", "TRIGGER",
        "PROCESS", "RELOAD", "SHOW DATABASES", "CREATE USER", "CREATE ROLE", "DROP ROLE", "REPLICATION SLAVE",
        "REPLICATION CLIENT",
    ]
    private static let mysqlDynamicPrivileges = ["CONNECTION_ADMIN", "ROLE_ADMIN", "XA_RECOVER_ADMIN"]
    private static let mysqlRevoked = [
        "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "REFERENCES", "INDEX", "ALTER", "CREATE VIEW", "CREATE ROUTINE",
        "ALTER ROUTINE", "EVENT", "TRIGGER",
    ]

    /// MySQL's hash of a password takes thousands of rounds, and the server makes it: so the text stands in the file, which
    /// only the engine's account may read and which is removed before the first start.
    private var mysqlStatements: String {
        let text = "'\(password.replacing("\\", with: "\\\\").replacing("'", with: "''"))'"
        return """
            CREATE USER '\(administrator)'@'%' IDENTIFIED WITH caching_sha2_password BY \(text);
            GRANT \(Self.mysqlPrivileges.joined(separator: ", ")) ON *.* TO '\(administrator)'@'%' WITH GRANT OPTION;
            GRANT \(Self.mysqlDynamicPrivileges.joined(separator: ", ")) ON *.* TO '\(administrator)'@'%' WITH GRANT OPTION;
            REVOKE \(Self.mysqlRevoked.joined(separator: ", ")) ON mysql.* FROM '\(administrator)'@'%';
            CREATE USER '\(Self.watcher)'@'localhost' IDENTIFIED WITH caching_sha2_password BY \(text);
            DROP USER 'root'@'localhost';

            """
    }

    /// As mysql.global_priv has it: the hash of the hash, in capitals, after an asterisk.
    static func hash(of password: String) -> String {
        "*"
            + Insecure.SHA1.hash(data: Array(Insecure.SHA1.hash(data: Array(password.utf8))))
            .map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined().uppercased()
    }
}
