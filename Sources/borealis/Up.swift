// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import ControlPlane
internal import Foundation
internal import Glibc
internal import Logging
internal import Region

struct Up: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start the region, with a PostgreSQL cluster, a MariaDB cluster, or both.",
        discussion:
            "In the foreground, ^C shuts it down cleanly. Everything is kept: the next `up` goes on where it was.")

    @OptionGroup var region: RegionOptions
    @Flag(help: "Return as soon as it accepts connections, and leave it running.") var detach = false
    @Option(
        help: ArgumentHelp(
            "compact: one process for the six nodes; zones: one for each zone. Remembered.", valueName: "name"))
    var layout: Layout?
    @Flag(inversion: .prefixedNo, help: "Run clusters.") var demo = true
    @Option(
        help: ArgumentHelp(
            "postgres, mariadb or both: makes a cluster where there is none, named demo if it is alone, else demo-pg and demo-my. Default: the clusters there are, or else postgres.",
            valueName: "name"))
    var engine: EngineChoice?
    @Option(
        help: ArgumentHelp(
            "Where PostgreSQL, or the only cluster, listens on 127.0.0.1. Remembered. Default: 15432; MariaDB: 13306.",
            valueName: "port"))
    var port: Int?
    @Option(
        name: .customLong("mariadb-port"),
        help: ArgumentHelp("Where MariaDB listens on 127.0.0.1. Remembered. Default: 13306.", valueName: "port"))
    var mariaPort: Int?
    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "A setting of the engine, such as shared_buffers=1GB; with both engines, mariadb:innodb_buffer_pool_size=1G. MariaDB's binlog is log_bin=on. Repeatable. Remembered.",
            valueName: "name=value"))
    var settings: [String] = []
    @Option(
        help: ArgumentHelp(
            "At least so many readers for each cluster, 0 to 15. Remembered; `borealis instance` changes them.",
            valueName: "number"))
    var readers: Int?
    @Option(
        help: ArgumentHelp(
            "Size of a protection group, such as 64M, when the region is made. Default: 10G.", valueName: "bytes"))
    var groupBytes: ByteCount?
    @Option(
        help: ArgumentHelp(
            "How much of the volume the local cache may hold, such as 2G; 0 removes the limit. Remembered. Default: no limit.",
            valueName: "bytes"))
    var cacheBytes: ByteCount?
    @Option(
        help: ArgumentHelp(
            "How much of the files in use is fetched in the background after an attach with a cold cache, such as 1G; at most half of --cache-bytes. Remembered. Default: 0.",
            valueName: "bytes"))
    var prefetchBytes: ByteCount?
    @Option(
        help: ArgumentHelp(
            "Log a storage process may hold before its layers catch up; more makes commits wait.", valueName: "bytes"))
    var journalBytes: ByteCount?
    @Flag(inversion: .prefixedNo, help: "Serve the AWS API: `borealis env` prints how to reach it.") var api = true
    @Option(
        help: ArgumentHelp(
            "Where the AWS API listens on 127.0.0.1. Remembered. Default: 4566, or another if that is in use.",
            valueName: "port"))
    var apiPort: Int?
    @Option(
        help: ArgumentHelp(
            "Where the AWS API keeps what was asked for, when the region is made: sqlite, or etcd://host:port[,host:port...][/name], with https:// for an etcd that has TLS. Default: sqlite.",
            valueName: "place"))
    var state: String?
    @Option(
        help: ArgumentHelp(
            "Certificates that etcd's is checked against, PEM. Remembered. Default: the system's.", valueName: "file"))
    var stateCa: String?
    @Option(
        help: ArgumentHelp("The certificate to show to etcd, PEM. Remembered. Default: none.", valueName: "file"))
    var stateCert: String?
    @Option(help: ArgumentHelp("That certificate's key, PEM. Remembered.", valueName: "file")) var stateKey: String?
    @Option(
        help: ArgumentHelp(
            "Directory of PostgreSQL 15's programs. Default: $BOREALIS_PG_BIN, Debian's, pg_config's.", valueName: "dir"
        ))
    var pgBin: String?
    @Option(
        name: .customLong("mariadb-bin"),
        help: ArgumentHelp(
            "Directory of mariadbd 10.4 or newer, or of mysqld 8.0 or newer. Default: $BOREALIS_MARIADB_BIN, Debian's MariaDB.",
            valueName: "dir"))
    var mariaBin: String?
    @Option(
        help: ArgumentHelp(
            "As root: the account engines run under. Default: postgres for PostgreSQL, mysql for MariaDB.",
            valueName: "account"))
    var engineUser: String?
    @Option(help: ArgumentHelp("With --detach: how long to wait for it, seconds.", valueName: "seconds")) var timeout =
        300
    @Option(help: ArgumentHelp("trace, debug, info, notice, warning, error.", valueName: "level")) var logLevel = "info"
    @Flag(help: "Print the status as JSON once it accepts connections.") var json = false

    func validate() throws {
        for (name, port) in [("--port", port), ("--mariadb-port", mariaPort), ("--api-port", apiPort)] {
            if let port, !(1...65535).contains(port) {
                throw ValidationError("\(name) \(port) is not between 1 and 65535")
            }
        }
        if let readers, !(0...15).contains(readers) {
            throw ValidationError("--readers \(readers) is not between 0 and 15")
        }
        if let groupBytes, !(RegionDefaults.groupBytesMin...RegionDefaults.groupBytes).contains(groupBytes.bytes) {
            throw ValidationError("--group-bytes is not between 1M and 10G")
        }
        if let journalBytes, !(16 << 20...1 << 40).contains(journalBytes.bytes) {
            throw ValidationError("--journal-bytes is not between 16M and 1T")
        }
        if let state, state != "sqlite", EtcdAddress(state) == nil {
            throw ValidationError("--state \(state) is neither sqlite nor etcd://host:port nor https://host:port")
        }
        guard (stateCert == nil) == (stateKey == nil) else {
            throw ValidationError("--state-cert and --state-key go together")
        }
        guard Logger.Level(rawValue: logLevel) != nil else {
            throw ValidationError("--log-level \(logLevel) does not exist")
        }
    }

    func run() throws {
        let report = detach ? try startDetached() : try runForeground()
        if let report { try announce(report) }
    }

    // MARK: - Foreground

    private func runForeground() throws -> StatusReport? {
        let signals = SignalWaiter([SIGINT, SIGTERM])
        Terminal.bootstrapLogging()
        var logger = Logger(label: "borealis")
        logger.logLevel = .warning
        let supervisor = try Supervisor(
            options, executable: try Executable.path(), environment: ProcessInfo.processInfo.environment, logger: logger
        )
        try supervisor.start()
        let quiet = json
        Thread.detachNewThread {
            let report = Self.follow(supervisor, quiet: quiet)
            try? announce(report)
        }
        _ = signals.wait()
        Terminal.note("shutting down; ^C again to kill it")
        Thread.detachNewThread {
            _ = signals.wait()
            _exit(130)
        }
        supervisor.stop()
        return nil
    }

    /// Says what the region does until everything is available.
    private static func follow(_ supervisor: Supervisor, quiet: Bool) -> StatusReport {
        var last = ""
        while true {
            let report = supervisor.status()
            if report.isAvailable && report.nodes.contains(where: { $0.state == "up" }) { return report }
            if report.progressText != last && !quiet { Terminal.note(report.progressText) }
            last = report.progressText
            usleep(100_000)
        }
    }

    private func announce(_ report: StatusReport) throws {
        // Whoever reads through a pipe waits for this line.
        defer { fflush(nil) }
        if json { return try report.printJSON() }
        for (cluster, lines) in report.clientLines {
            print("cluster \(cluster) accepts connections:")
            for line in lines { print("  \(line)") }
        }
        if report.clusters.isEmpty { print("the region is up, without a cluster") }
        guard api else { return }
        guard let keys = Env.awaitKeys(region.directory) else {
            return Terminal.note(
                "the AWS API does not answer yet: see \(region.directory.log(ControlConfiguration.role))")
        }
        print("the AWS API answers:")
        for (name, value) in keys.environment { print("  export \(name)=\(value)") }
    }

    // MARK: - Detached

    private func startDetached() throws -> StatusReport {
        try DetachedStart.run(
            directory: region.directory, arguments: foregroundArguments, timeoutSeconds: timeout
        ) { text in if !json { Terminal.note(text) } }
    }

    /// The same command without --detach.
    private var foregroundArguments: [String] {
        var arguments = ["up", "--data", region.directory.path, "--log-level", logLevel]
        if !demo { arguments.append("--no-demo") }
        if !api { arguments.append("--no-api") }
        let values: [(String, String?)] = [
            ("--layout", layout?.rawValue), ("--engine", engine?.rawValue), ("--port", port.map(String.init)),
            ("--api-port", apiPort.map(String.init)), ("--mariadb-port", mariaPort.map(String.init)),
            ("--mariadb-bin", mariaBin.map(DataDirectory.resolve)),
            ("--group-bytes", groupBytes.map { "\($0.bytes)" }), ("--cache-bytes", cacheBytes.map { "\($0.bytes)" }),
            ("--prefetch-bytes", prefetchBytes.map { "\($0.bytes)" }),
            ("--journal-bytes", journalBytes.map { "\($0.bytes)" }), ("--pg-bin", pgBin.map(DataDirectory.resolve)),
            ("--engine-user", engineUser), ("--readers", readers.map(String.init)), ("--state", state),
            ("--state-ca", stateCa.map(DataDirectory.resolve)), ("--state-cert", stateCert.map(DataDirectory.resolve)),
            ("--state-key", stateKey.map(DataDirectory.resolve)),
        ]
        for (name, value) in values { if let value { arguments += [name, value] } }
        for setting in settings { arguments += ["--set", setting] }
        return arguments
    }

    private var options: UpOptions {
        var options = UpOptions(directory: region.directory.path)
        options.layout = layout
        options.demo = demo
        options.engine = engine
        options.api = api
        options.apiPort = apiPort
        options.state = state
        options.stateFiles = ControlConfiguration.StoreFiles(
            authority: stateCa.map(DataDirectory.resolve), certificate: stateCert.map(DataDirectory.resolve),
            key: stateKey.map(DataDirectory.resolve))
        options.port = port
        options.mariaPort = mariaPort
        options.mariaBinaries = mariaBin.map(DataDirectory.resolve)
        options.settings = settings
        options.readers = readers
        options.groupBytes = groupBytes?.bytes
        options.cacheBytes = cacheBytes?.bytes
        options.prefetchBytes = prefetchBytes?.bytes
        options.journalBytes = journalBytes.map { Int($0.bytes) }
        options.binaries = pgBin.map(DataDirectory.resolve)
        options.engineUser = engineUser
        options.logLevel = logLevel
        return options
    }
}

extension Layout: ExpressibleByArgument {}
extension EngineChoice: ExpressibleByArgument {}
