// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

/// Stock MariaDB on a volume.
///
/// The data directory is `mydata` in the volume: tables of all engines, redo and undo logs, the binlog if there is one.
/// Configuration, socket, pid file, temporary files and the error log are outside it. The administrator's account is made
/// while the volume is filled, before any client is let in.
package struct MariaEngine: EngineAdapter {
    package let settings: EngineSettings

    package init(_ settings: EngineSettings) { self.settings = settings }

    package let dataDirectory = "mydata"

    /// Temporary tables, and what a server writes down to start warm: of no use to another one.
    package let localNames = ["*.err", "*.pid", "ib_buffer_pool*", "ibtmp1"]

    package var logFile: String { "\(settings.directory)/mariadb.log" }
    package var creationLogFile: String { "\(settings.directory)/install.log" }

    package func sharedMemoryNote(root: String) -> String? { nil }

    /// SIGTERM flushes what is dirty and ends sessions.
    package var stopSignal: Int32 { SIGTERM }
    /// Every other signal that ends the server means a clean shutdown or a dump.
    package var quitSignal: Int32 { SIGKILL }

    private var runDirectory: String { "\(settings.directory)/run" }
    private var temporaryDirectory: String { "\(settings.directory)/tmp" }
    private var socket: String { "\(runDirectory)/mariadb.sock" }
    private var pidFile: String { "\(runDirectory)/mariadb.pid" }
    private var optionFile: String { "\(settings.directory)/my.cnf" }
    private var configuration: MariaConfiguration { MariaConfiguration(overrides: settings.overrides) }

    package var url: String {
        "mysql://\(settings.superuser):\(settings.password)@\(settings.host):\(settings.port)"
    }

    package func prepare() throws {
        for directory in [settings.directory, runDirectory, temporaryDirectory] { try makeOwnDirectory(directory) }
        let local: [(name: String, value: String)] = [
            ("port", "\(settings.port)"), ("socket", socket), ("pid_file", pidFile), ("tmpdir", temporaryDirectory),
            ("general_log_file", "\(settings.directory)/general.log"),
            ("slow_query_log_file", "\(settings.directory)/slow.log"),
        ]
        try writeOwn(configuration.file(local: local), to: optionFile)
    }

    /// The package's own script, and then a sync, so that its last words are durable as well.
    package func creation(_ mount: EngineMount) throws -> Launch {
        let accounts = "\(settings.directory)/accounts.sql"
        try writeOwn(accountStatements, to: accounts)
        let data = "\(mount.root)/\(dataDirectory)"
        var arguments = [
            Self.program("mariadb-install-db", in: settings.binaries) ?? "mariadb-install-db",
            "--defaults-file=\(optionFile)", "--datadir=\(data)", "--extra-file=\(accounts)", "--skip-name-resolve",
            "--skip-test-db", "--auth-root-authentication-method=socket",
        ]
        if let base = baseDirectory { arguments.append("--basedir=\(base)") }
        arguments += configuration.pinnedArguments.filter { !$0.hasPrefix("--log-bin") } + ["--skip-log-bin"]
        return base(
            "/bin/sh", mount, arguments: ["-c", "\"$@\" && exec sync \"$0\"", "\(data)/ibdata1"] + arguments,
            output: creationLogFile)
    }

    package func launch(_ mount: EngineMount) -> Launch {
        unlink("\(settings.directory)/accounts.sql")
        var arguments = ["--defaults-file=\(optionFile)"] + configuration.pinnedArguments
        arguments += ["--datadir=\(mount.root)/\(dataDirectory)", "--tmpdir=\(temporaryDirectory)"]
        arguments += ["--socket=\(socket)", "--pid-file=\(pidFile)", "--port=\(settings.port)"]
        if let base = baseDirectory { arguments.append("--basedir=\(base)") }
        let program = Self.program("mariadbd", in: settings.binaries) ?? "\(settings.binaries)/mariadbd"
        return base(program, mount, arguments: arguments, output: logFile)
    }

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

    /// The administrator, by the hash of the password: its text is nowhere but in the sealed metadata. Accounts that the
    /// script makes for the machine's name would be reachable by nobody.
    private var accountStatements: String {
        let hash = SHA1.hash(SHA1.hash(Array(settings.password.utf8)))
        let text = hash.map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined().uppercased()
        return """
            DELETE FROM mysql.global_priv WHERE Host NOT IN ('localhost', '%') OR User = '';
            DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost';
            FLUSH PRIVILEGES;
            CREATE OR REPLACE USER '\(settings.superuser)'@'%' IDENTIFIED VIA mysql_native_password USING '*\(text)';
            GRANT ALL PRIVILEGES ON *.* TO '\(settings.superuser)'@'%' WITH GRANT OPTION;

            """
    }

    /// File locks end with their process, so only the socket and the pid file of a dead server can be there.
    package func removeStaleLock(root: String) {
        unlink(pidFile)
        unlink(socket)
    }

    package func readiness(root: String, timeoutMilliseconds: Int) -> EngineReadiness {
        MariaProbe.knock(
            socket: socket, user: settings.superuser, password: settings.password,
            timeoutMilliseconds: timeoutMilliseconds)
    }
}
