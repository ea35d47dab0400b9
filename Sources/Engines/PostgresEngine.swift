// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

/// Stock PostgreSQL on a volume.
///
/// The data directory is `pgdata` in the volume. Configuration, sockets and log are outside it, so that a volume can be
/// attached elsewhere, under another configuration. What durability rests on is given on the command line, which outranks
/// `ALTER SYSTEM` (postgresql.org/docs/15/config-setting.html).
package struct PostgresEngine: EngineAdapter {
    package let settings: EngineSettings

    package init(_ settings: EngineSettings) { self.settings = settings }

    package let dataDirectory = "pgdata"

    package let localNames = [
        "postmaster.pid", "postmaster.opts", "pgsql_tmp*", "pg_internal.init*", ".s.PGSQL*", Self.standbySignal,
    ]
    package let logPaths = ["*/pg_wal/*"]
    private static let standbySignal = "standby.signal"

    package var logFile: String { "\(settings.directory)/postgres.log" }
    package var creationLogFile: String { "\(settings.directory)/initdb.log" }

    package func sharedMemoryNote(root: String) -> String? { "\(root)/\(dataDirectory)/postmaster.pid" }

    package var stopSignal: Int32 { SIGINT }
    package var reloadSignal: Int32? { SIGHUP }
    package var quitSignal: Int32 { SIGQUIT }

    package var socketDirectory: String { "\(settings.directory)/run" }

    package var url: String {
        "postgres://\(settings.credentials)@\(settings.host):\(settings.port)/postgres"
    }

    package func prepare() throws {
        for directory in [settings.directory, socketDirectory] { try makeOwnDirectory(directory) }
        let configuration = PostgresConfiguration(
            overrides: settings.overrides, replication: settings.replication, name: settings.name ?? "reader")
        try writeOwn(
            configuration.file(hosts: settings.hosts, port: settings.port, socketDirectory: socketDirectory),
            to: "\(settings.directory)/postgresql.conf")
        try writeOwn(
            PostgresConfiguration.hostBasedAccess(superuser: settings.superuser),
            to: "\(settings.directory)/pg_hba.conf")
        try writeOwn(
            PostgresConfiguration.identities(account: NSUserName(), superuser: settings.superuser),
            to: "\(settings.directory)/pg_ident.conf")
    }

    /// With this file the server first replays the WAL that is there, as after any crash, and then streams from the writer.
    package func prepareReader(root: String) throws {
        try writeOwn("", to: "\(root)/\(dataDirectory)/\(Self.standbySignal)")
    }

    package func openLink(timeoutMilliseconds: Int) throws -> any EngineLink {
        try PostgresLink(
            socket: socket, user: settings.superuser, database: "postgres", timeoutMilliseconds: timeoutMilliseconds)
    }

    /// Limits that a reader needs can only be raised by a restart.
    package func restartReason(from old: EngineSettings) -> String? {
        guard let new = settings.replication, new.source != nil,
            let raised = new.minimums.keys.sorted().first(where: {
                new.minimums[$0] ?? 0 > old.replication?.minimums[$0] ?? 0
            })
        else { return nil }
        return "\(raised) is higher on the writer"
    }

    private var socket: String { "\(socketDirectory)/.s.PGSQL.\(settings.port)" }

    package func creation(_ mount: EngineMount) throws -> Launch {
        let secret = "\(settings.directory)/initial-password"
        try writeOwn(settings.password + "\n", to: secret)
        var launch = base(
            "initdb", mount,
            arguments: [
                "--pgdata", "\(mount.root)/\(dataDirectory)", "--username", settings.superuser, "--pwfile", secret,
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-instructions",
            ])
        launch.outputFile = creationLogFile
        return launch
    }

    package func launch(_ mount: EngineMount) -> Launch {
        unlink("\(settings.directory)/initial-password")
        let files = ["config_file": "postgresql.conf", "hba_file": "pg_hba.conf", "ident_file": "pg_ident.conf"]
        let pinned = files.mapValues { "\(settings.directory)/\($0)" }.merging(PostgresConfiguration.pinned) { $1 }
        var arguments = ["-D", "\(mount.root)/\(dataDirectory)"]
        for (name, value) in pinned.sorted(by: { $0.key < $1.key }) { arguments += ["-c", "\(name)=\(value)"] }
        return base("postgres", mount, arguments: arguments)
    }

    private func base(_ program: String, _ mount: EngineMount, arguments: [String]) -> Launch {
        var environment = mount.environment
        environment["PATH"] = "\(settings.binaries):/usr/local/bin:/usr/bin:/bin"
        environment["LANG"] = "C.UTF-8"
        environment["HOME"] = settings.directory
        if let zone = getenv("TZ") { environment["TZ"] = String(cString: zone) }
        var launch = Launch(path: "\(settings.binaries)/\(program)", arguments: arguments, environment: environment)
        launch.directory = settings.directory
        launch.account = settings.account
        launch.outputFile = logFile
        launch.keptDescriptor = mount.doorbell
        return launch
    }

    /// postmaster.pid and the socket's lock are local files. They may name a process that is dead but not reaped, or an id
    /// that was given away again, and PostgreSQL takes both for an engine that is alive.
    package func removeStaleLock(root: String) {
        unlink("\(root)/\(dataDirectory)/postmaster.pid")
        unlink("\(socket).lock")
    }

    /// What durability rests on is given on the command line, which nothing in a running PostgreSQL outranks.
    package func weakness(timeoutMilliseconds: Int) -> String? { nil }

    /// Until postmaster.pid says `ready` there is no use in knocking, which would cost a process and a line in the log.
    package func readiness(root: String, timeoutMilliseconds: Int) -> EngineReadiness {
        let file = FileManager.default.contents(atPath: "\(root)/\(dataDirectory)/postmaster.pid") ?? Data()
        // The eighth line: src/include/utils/pidfile.h, LOCK_FILE_LINE_PM_STATUS.
        let lines = String(decoding: file, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        let said = lines.count > 7 ? lines[7].trimmingCharacters(in: .whitespaces) : "starting"
        guard said == "ready" else { return .notYet("the engine is \(said.isEmpty ? "starting" : said)") }
        return PostgresProbe.knock(
            socket: socket, user: settings.superuser,
            timeoutMilliseconds: timeoutMilliseconds)
    }
}
