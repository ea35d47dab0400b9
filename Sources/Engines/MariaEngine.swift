// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

/// Stock MariaDB or MySQL on a volume: the server program says which.
///
/// The data directory is `mydata` in the volume: tables of all engines, redo and undo logs, the binlog if there is one.
/// Configuration, socket, pid file, temporary files and the error log are outside it. `MariaAccounts` are made while the
/// volume is filled, before any client is let in.
package struct MariaEngine: EngineAdapter {
    package let settings: EngineSettings

    package init(_ settings: EngineSettings) { self.settings = settings }

    package let dataDirectory = "mydata"

    /// Temporary tables, and what a server writes down to start warm: of no use to another one.
    package let localNames = ["*.err", "*.pid", "ib_buffer_pool*", "ibtmp1", "#innodb_temp"]
    /// None: InnoDB's log stays for good, and binlogs for long.
    package let logPaths: [String] = []

    package var logFile: String { "\(settings.directory)/mariadb.log" }
    package var creationLogFile: String { "\(settings.directory)/install.log" }

    package func sharedMemoryNote(root: String) -> String? { nil }

    /// SIGTERM flushes what is dirty and ends sessions.
    package var stopSignal: Int32 { SIGTERM }
    /// Every other signal that ends the server means a clean shutdown or a dump.
    /// Variables are set by statements.
    package var reloadSignal: Int32? { nil }
    package var quitSignal: Int32 { SIGKILL }

    private var runDirectory: String { "\(settings.directory)/run" }
    private var temporaryDirectory: String { "\(settings.directory)/tmp" }
    private var socket: String { "\(runDirectory)/mariadb.sock" }
    private var pidFile: String { "\(runDirectory)/mariadb.pid" }
    private var optionFile: String { "\(settings.directory)/my.cnf" }
    /// For commits in two phases by several engines; MariaDB 11.2 and newer open one because they count the log of an online
    /// `ALTER TABLE` as an engine. It is a writable mapping, which the shim refuses in the volume. No commit is decided by
    /// it: only InnoDB takes part in one with two phases, and with the binlog that is what decides.
    private var coordinatorLog: String { "\(settings.directory)/tc.log" }
    private var relayDirectory: String { "\(settings.directory)/relay" }
    private var initFile: String { "\(settings.directory)/init.sql" }
    private var configuration: MariaConfiguration {
        MariaConfiguration(
            overrides: settings.overrides, replication: settings.replication,
            flavour: server?.server.flavour ?? .mariadb)
    }
    /// Nil: it was removed since `locateBinaries` found it.
    private var server: MySQLServer.Program? { MySQLServer.find(in: settings.binaries) }
    private var isMySQL: Bool { server?.server.flavour == .mysql }
    private var isReader: Bool { settings.replication?.source != nil }

    package var url: String {
        "mysql://\(settings.credentials)@\(settings.host):\(settings.port)"
    }

    package func prepare() throws {
        for directory in [settings.directory, runDirectory, temporaryDirectory, relayDirectory] {
            try makeOwnDirectory(directory)
        }
        // The last start's would be recovered from, and refused if it knew another number of engines.
        unlink(coordinatorLog)
        if let replication = settings.replication, !isMySQL {
            try writeOwn(MariaReplication(settings: replication).statements, to: initFile)
        }
        let local: [(name: String, value: String)] =
            [
                ("port", "\(settings.port)"), ("socket", socket), ("pid_file", pidFile), ("tmpdir", temporaryDirectory),
                ("general_log_file", "\(settings.directory)/general.log"),
                ("slow_query_log_file", "\(settings.directory)/slow.log"), ("log_tc", coordinatorLog),
            ] + (isReader ? relayFiles : []) + authenticationPlugin
        try writeOwn(configuration.file(local: local), to: optionFile)
    }

    /// What an earlier mount was sent is of no use to this one.
    package func prepareReader(root: String) throws {
        try? FileManager.default.removeItem(atPath: relayDirectory)
    }

    private var relayFiles: [(name: String, value: String)] {
        [
            ("relay_log", "\(relayDirectory)/relay"), ("relay_log_info_file", "\(relayDirectory)/relay.info"),
            ("master_info_file", "\(relayDirectory)/source.info"),
        ]
    }

    /// MariaDB's own script or MySQL's own server, and then a sync, so that its last words are durable as well.
    package func creation(_ mount: EngineMount) throws -> Launch {
        let accounts = "\(settings.directory)/accounts.sql"
        let data = "\(mount.root)/\(dataDirectory)"
        let found = server
        let flavour = found?.server.flavour ?? .mariadb
        let made = MariaAccounts(administrator: settings.superuser, password: settings.password, flavour: flavour)
        try writeOwn(made.statements, to: accounts)
        if let found, flavour == .mysql {
            return filling([found.path] + initialArguments(data: data, accounts: accounts), data: data, mount)
        }
        var arguments = [
            Self.program("mariadb-install-db", in: settings.binaries) ?? "mariadb-install-db",
            "--defaults-file=\(optionFile)", "--datadir=\(data)", "--extra-file=\(accounts)", "--skip-name-resolve",
            "--skip-test-db", "--auth-root-authentication-method=socket",
        ]
        if let base = baseDirectory { arguments.append("--basedir=\(base)") }
        arguments += configuration.pinnedArguments.filter { !$0.hasPrefix("--log-bin") } + ["--skip-log-bin"]
        return filling(arguments, data: data, mount)
    }

    private func filling(_ command: [String], data: String, _ mount: EngineMount) -> Launch {
        base(
            "/bin/sh", mount, arguments: ["-c", "\"$@\" && exec sync \"$0\"", "\(data)/ibdata1"] + command,
            output: creationLogFile)
    }

    /// MySQL's server makes its files itself, and then runs the statements, without a network.
    private func initialArguments(data: String, accounts: String) -> [String] {
        ["--defaults-file=\(optionFile)"] + configuration.pinnedArguments.filter { !$0.hasPrefix("--log-bin") }
            + ["--skip-log-bin", "--datadir=\(data)", "--tmpdir=\(temporaryDirectory)"]
            + (baseDirectory.map { ["--basedir=\($0)"] } ?? []) + ["--initialize-insecure", "--init-file=\(accounts)"]
    }

    package func launch(_ mount: EngineMount) -> Launch {
        unlink("\(settings.directory)/accounts.sql")
        let data = "\(mount.root)/\(dataDirectory)"
        let found = server
        // The volume's files can only be read through the shim, so it is a script that looks whether they fit the server.
        var arguments = [
            "-c", Self.guardScript, data, found?.server.flavour.title ?? "MariaDB", "\(found?.server.number ?? .max)",
            found?.path ?? "\(settings.binaries)/mariadbd",
        ]
        arguments += ["--defaults-file=\(optionFile)"] + configuration.pinnedArguments
        arguments.append("--bind-address=\(settings.hosts.joined(separator: ","))")
        arguments += ["--datadir=\(data)", "--tmpdir=\(temporaryDirectory)"]
        arguments += ["--socket=\(socket)", "--pid-file=\(pidFile)", "--port=\(settings.port)"]
        if let base = baseDirectory { arguments.append("--basedir=\(base)") }
        if settings.replication != nil, !isMySQL { arguments.append("--init-file=\(initFile)") }
        return base("/bin/sh", mount, arguments: arguments, output: logFile)
    }

    /// `$0` is the data directory, `$1` whose server it is, `$2` the newest version that the directory may be of, the rest the
    /// server's command line. Only MySQL 8 has a `mysql.ibd`. A MariaDB server notes its version when it has made or upgraded
    /// its files; started on files of a newer one it may ruin them. (MySQL itself refuses those of a newer one.)
    ///
    /// A server that ended without closing its binlog has transactions of which only the binlog says whether they are
    /// committed, and does not start without it. So where it was turned off since, it is on until the next start. The flag is in
    /// the file's first event: mariadb.com/kb/en/2-binlog-event-header, LOG_EVENT_BINLOG_IN_USE_F.
    private static let guardScript = """
        flavour=$1
        limit=$2
        shift 2
        if [ -e "$0/mysql.ibd" ]; then maker=MySQL; elif [ -d "$0/mysql" ]; then maker=MariaDB; else maker=; fi
        [ "$maker" = "$flavour" ] || {
            echo "[ERROR] $0 is not a data directory of $flavour${maker:+, but of $maker} (start the engine that the volume was made with)" >&2
            exit 1
        }
        for note in "$0/mariadb_upgrade_info" "$0/mysql_upgrade_info"; do
            [ -e "$note" ] || continue
            IFS=. read -r major minor rest < "$note"
            case "$major$minor" in '' | *[!0-9]*) continue ;; esac
            [ $((major * 1000 + minor)) -le "$limit" ] || {
                echo "[ERROR] the data directory is of MariaDB $major.$minor, newer than this server (start it with that version: --mariadb-bin)" >&2
                exit 1
            }
        done
        last=$(tail -n 1 "$0/binlog.index" 2>/dev/null) && [ -n "$last" ] || exec "$@"
        case " $* " in
        *" --log-bin="*) ;;
        *)
            flags=$(od -An -tu1 -j21 -N1 "$0/${last##*/}" 2>/dev/null)
            [ "$((${flags:-1} & 1))" = 0 ] ||
                set -- "$@" --log-bin=binlog --sync-binlog=1 --binlog-format=ROW --log-bin-trust-function-creators=1
            ;;
        esac
        exec "$@"
        """

    private func base(_ program: String, _ mount: EngineMount, arguments: [String], output: String) -> Launch {
        var environment = mount.environment
        environment["PATH"] = "\(settings.binaries):/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        environment["LANG"] = "C.UTF-8"
        environment["HOME"] = settings.directory
        environment["TMPDIR"] = temporaryDirectory
        if let account = settings.account { environment["USER"] = account.name }
        if let zone = getenv("TZ") { environment["TZ"] = String(cString: zone) }
        var launch = Launch(path: program, arguments: arguments, environment: environment)
        launch.directory = settings.directory
        launch.account = settings.account
        launch.outputFile = output
        launch.keptDescriptor = mount.doorbell
        return launch
    }

    /// Programs that are not where Debian puts them bring their own messages and plugins.
    private var baseDirectory: String? {
        settings.binaries == Self.standardDirectory
            ? nil : (settings.binaries as NSString).deletingLastPathComponent
    }

    /// Passwords by Ed25519 signatures, where the package has them: mariadb.com/kb/en/authentication-plugin-ed25519.
    private var authenticationPlugin: [(name: String, value: String)] {
        let base = baseDirectory ?? "/usr"
        let directories = ["lib/mysql/plugin", "lib/plugin", "lib/mariadb/plugin"].map { "\(base)/\($0)" }
        let isThere = directories.contains { access("\($0)/auth_ed25519.so", R_OK) == 0 }
        return isThere ? [("plugin_load_add", "auth_ed25519")] : []
    }

    /// File locks end with their process, so only the socket and the pid file of a dead server can be there.
    package func removeStaleLock(root: String) {
        unlink(pidFile)
        unlink(socket)
    }

    /// The account of the health check; only it has this name on `localhost`.
    package static var watcher: String { MariaAccounts.watcher }

    package func readiness(root: String, timeoutMilliseconds: Int) -> EngineReadiness {
        MariaProbe.knock(
            socket: socket, user: MariaAccounts.watcher, password: settings.password,
            timeoutMilliseconds: timeoutMilliseconds)
    }

    package func weakness(timeoutMilliseconds: Int) -> String? {
        // A reader acknowledges nothing.
        isReader ? nil : durabilityWeakness(timeoutMilliseconds: timeoutMilliseconds)
    }

    private func durabilityWeakness(timeoutMilliseconds: Int) -> String? {
        MariaProbe.firstRow(
            of: MariaConfiguration.durabilityQuery, socket: socket, user: MariaAccounts.watcher,
            password: settings.password, timeoutMilliseconds: timeoutMilliseconds
        ).flatMap(MariaConfiguration.weakness)
    }

    package func openLink(timeoutMilliseconds: Int) throws -> any EngineLink {
        guard let replication = settings.replication else {
            throw EngineError("\(settings.directory) is of an instance without a cluster", remedy: "restart the region")
        }
        let session = try MariaSession(
            .local(socket), user: MariaReplication.link, password: replication.account.password,
            timeoutMilliseconds: timeoutMilliseconds)
        return MariaLink(session, replication)
    }

    /// A writer makes what readers need at its start, and turns its binlog on there. Off again it is with a restart that
    /// something else is the reason for.
    package func restartReason(from old: EngineSettings) -> String? {
        guard let new = settings.replication, new.source == nil else { return nil }
        if new.hasReaders && !MariaEngine(old).configuration.hasBinlog {
            return "its binlog is turned on, which readers need"
        }
        return new.account != old.replication?.account ? "readers log in with another account" : nil
    }

    package func startPoint<P>(_ find: () throws -> P) throws -> (found: P, obstacle: String?)? {
        guard let replication = settings.replication, let source = replication.source else { return nil }
        return try MariaHold(source: source, account: replication.account).run(find)
    }
}
