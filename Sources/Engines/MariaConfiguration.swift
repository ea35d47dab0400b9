// SPDX-License-Identifier: Apache-2.0

/// The settings MariaDB and MySQL run with on a volume, each with the reason why it is safe. What only one of them knows is in
/// tables of its own.
///
/// As in `PostgresConfiguration`: `pinned` ones carry durability or keep the engine inside the shim's view, and are given
/// on the command line, which outranks every file; `defaults` suit a log-structured volume and may be overridden.
package struct MariaConfiguration: Sendable {
    package var overrides: [String: String]
    package let flavour: MySQLFlavour
    /// The instance's part in its cluster; nil: it is alone.
    private let replication: MariaReplication?

    package init(
        overrides: [String: String], replication: ReplicationSettings? = nil, flavour: MySQLFlavour = .mariadb
    ) {
        self.overrides = overrides
        self.flavour = flavour
        self.replication = replication.map { MariaReplication(settings: $0) }
    }

    private typealias Setting = EngineSetting

    /// Whether the cluster writes a binary log: only readers need it, so it is off without them unless `--set log_bin=on` says
    /// otherwise.
    package var hasBinlog: Bool { overrides["log_bin"] == "on" || replication?.settings.hasReaders == true || isReader }
    private var isReader: Bool { replication?.isReader ?? false }

    /// A prefix `loose_` is for settings that only some versions of the server know.
    private static let sharedPinned = [
        Setting(
            name: "innodb_use_native_aio", value: "0",
            reason: "native asynchronous I/O bypasses the shim, so its writes would not be in the volume"),
        Setting(
            name: "innodb_flush_method", value: "fsync",
            reason: "a sync waits for a write quorum; O_DIRECT only avoids a page cache that here is the local copy"),
        Setting(
            name: "myisam_use_mmap", value: "0",
            reason: "a writable mapping of a volume file cannot be seen by the shim"),
        Setting(name: "bind_address", value: "127.0.0.1", reason: "engines listen on loopback only"),
    ]

    private static let mariaPinned = [
        Setting(
            name: "loose_innodb_log_file_buffering", value: "1",
            reason: "the redo log's local copy is a cache like every other file's: no O_DIRECT, as above"),
        Setting(
            name: "loose_innodb_log_file_mmap", value: "0",
            reason: "a mapped redo log would be read past the shim, which fetches a block when it is first read"),
        Setting(
            name: "symbolic_links", value: "0",
            reason: "DATA DIRECTORY would put a table outside the volume, where nothing is replicated"),
    ]

    private static let mysqlPinned = [
        Setting(
            name: "persisted_globals_load", value: "0",
            reason: "what SET PERSIST has written would outrank even the command line"),
        Setting(
            name: "partial_revokes", value: "1",
            reason: "the administrator has all databases but `mysql`, which is taken from its rights"),
        Setting(
            name: "secure_file_priv", value: "NULL",
            reason:
                "files beside the volume are not the engine's, and a packaged server would ask for a directory of its own"
        ),
        Setting(
            name: "loose_mysqlx", value: "0",
            reason: "the X protocol has a port and an address of its own, which no endpoint knows"),
        Setting(
            name: "loose_innodb_dedicated_server", value: "0",
            reason: "it would size memory and log by a machine that others use, too"),
    ]

    private var pinnedSettings: [Setting] {
        Self.sharedPinned + (flavour == .mariadb ? Self.mariaPinned : Self.mysqlPinned)
            + (isReader ? readerSettings : writerSettings)
    }

    private var writerSettings: [Setting] {
        serverSettings
            + (hasBinlog
                ? [
                    Setting(
                        name: "log_bin", value: "binlog",
                        reason:
                            "for readers, or asked for with --set log_bin=on; it is in the volume, as replicas' GTIDs rest on it"
                    ),
                    Setting(
                        name: "sync_binlog", value: "1",
                        reason: "a commit is acknowledged when the binlog's sync returns: a write quorum has it then"),
                    redoSettingBesideBinlog,
                ]
                : [
                    Setting(
                        name: "skip_log_bin", value: "",
                        reason: "backup and failover do not need a binlog here, and it costs every commit"),
                    Setting(
                        name: "innodb_flush_log_at_trx_commit", value: "1",
                        reason: "without a binlog the redo log's sync is what acknowledges a commit"),
                ])
    }

    /// MariaDB's 3 syncs at the prepare and at the commit, MySQL's 1 does.
    private var redoSettingBesideBinlog: Setting {
        let name = "innodb_flush_log_at_trx_commit"
        let strict = flavour == .mariadb ? "3" : "1"
        return overrides[name] == strict
            ? Setting(
                name: name, value: strict,
                reason: "asked for with --set: XA statements wait for InnoDB too, and so does every commit")
            : Setting(
                name: name, value: "2",
                reason: "in one ordered log, a durable binlog write implies the prepare before it")
    }

    private var serverSettings: [Setting] {
        guard let replication, replication.isReader || overrides["server_id"] == nil else { return [] }
        return [
            Setting(
                name: "server_id", value: "\(replication.serverID)", reason: "no other instance of the cluster has it")
        ]
    }

    /// A reader's files are a mount that is thrown away when it ends, and it acknowledges nothing.
    private var readerSettings: [Setting] {
        serverSettings + [
            Setting(name: "read_only", value: "1", reason: "what would be written here would be in no volume"),
            Setting(
                name: "log_bin", value: "binlog",
                reason: "the mount's recovery needs the writer's: it holds which transactions are committed"),
            Setting(
                name: "log_slave_updates", value: "0",
                reason: "a reader that becomes the writer attaches the volume, whose binlog has everything"),
            Setting(
                name: "skip_slave_start", value: "1",
                reason: "the instance says from where it replicates, once it knows what the mount holds"),
            Setting(name: "event_scheduler", value: "0", reason: "events run on the writer and are replicated"),
            Setting(name: "sync_binlog", value: "0", reason: "nothing here has to be durable"),
            Setting(name: "innodb_flush_log_at_trx_commit", value: "0", reason: "nothing here has to be durable"),
        ]
    }

    /// For a reader only.
    private static let replicaSettings = [
        Setting(
            name: "slave_parallel_threads", value: "4",
            reason: "a reader's cache starts empty: while one transaction waits for a block others go on"),
        Setting(
            name: "slave_parallel_mode", value: "conservative",
            reason: "together runs what was committed together: it cannot be in each other's way"),
        Setting(
            name: "slave_net_timeout", value: "10",
            reason: "a source that is silent for so long is gone: it sends a heartbeat each second"),
    ]

    private static let sharedDefaults = [
        Setting(
            name: "innodb_doublewrite", value: "0",
            reason: "one engine write is one record of the volume's log, so a page is never torn"),
        Setting(name: "innodb_buffer_pool_size", value: "128M", reason: "the server's own default"),
        Setting(
            name: "innodb_flush_neighbors", value: "0",
            reason: "no disk head is spared: to write a page's neighbours early only makes the log longer"),
        Setting(
            name: "skip_name_resolve", value: "1", reason: "clients come over loopback; DNS would only delay a login"),
        Setting(name: "character_set_server", value: "utf8mb4", reason: "all of Unicode"),
        Setting(
            name: "max_allowed_packet", value: "64M",
            reason: "the default of 16M is small for a row with a large object"),
    ]

    private static let mariaDefaults = [
        Setting(
            name: "innodb_log_file_size", value: "96M",
            reason: "MariaDB's own default; what a crash recovery replays is at most this")
    ]

    private static let mysqlDefaults = [
        Setting(
            name: "innodb_redo_log_capacity", value: "100M",
            reason: "MySQL's own default; what a crash recovery replays is at most this"),
        Setting(
            name: "innodb_log_write_ahead_size", value: "512",
            reason:
                "zeros written ahead spare a disk a read, but the local copy is in memory and the volume knows no sectors"
        ),
    ]

    /// For a cluster with a binlog only.
    private static let sharedBinlogSettings = [
        Setting(name: "server_id", value: "1", reason: "a replica needs another"),
        Setting(
            name: "binlog_format", value: "ROW", reason: "a replica's rows are the writer's, whatever the statement"),
        Setting(
            name: "log_bin_trust_function_creators", value: "1",
            reason: "making a trigger would take SUPER, which nobody has; and rows are logged, not statements"),
        Setting(name: "binlog_expire_logs_seconds", value: "86400", reason: "readers follow within seconds"),
    ]

    private static let mariaBinlogSettings = [
        Setting(
            name: "gtid_strict_mode", value: "1", reason: "positions that differ between servers are an error at once")
    ]

    private static let mysqlBinlogSettings = [
        Setting(name: "gtid_mode", value: "ON", reason: "a replica finds its place by what it has"),
        Setting(
            name: "enforce_gtid_consistency", value: "ON", reason: "GTIDs take statements that are one transaction"),
    ]

    /// What suits a log-structured volume, unless it is pinned or somebody has asked for another value.
    private var defaultSettings: [Setting] {
        let isMaria = flavour == .mariadb
        return Self.sharedDefaults + (isMaria ? Self.mariaDefaults : Self.mysqlDefaults)
            + (hasBinlog
                ? Self.sharedBinlogSettings + (isMaria ? Self.mariaBinlogSettings : Self.mysqlBinlogSettings) : [])
            + (isReader ? Self.replicaSettings : [])
    }

    /// Values of pinned settings that mean no less than what is pinned, so that a copied my.cnf is not refused for them.
    private static let harmless: [String: Set<String>] = [
        "innodb_use_native_aio": ["0", "off", "false"],
        "innodb_flush_method": ["fsync", "o_direct", "o_dsync"],
        "innodb_log_file_buffering": ["0", "1", "on", "off"], "innodb_log_file_mmap": ["0", "off"],
        "symbolic_links": ["0", "off"], "persisted_globals_load": ["0", "off"], "mysqlx": ["0", "off"],
        "partial_revokes": ["1", "on"],
        "innodb_dedicated_server": ["0", "off"], "myisam_use_mmap": ["0", "off"], "bind_address": ["127.0.0.1"],
        "innodb_flush_log_at_trx_commit": ["1", "3"], "sync_binlog": ["1"],
    ]

    /// Why a pinned setting may have no other value, where the reasons above do not say it.
    private static let warnings: [String: String] = [
        "innodb_flush_log_at_trx_commit":
            "a commit would be acknowledged before a write quorum has it (with the binlog on, 2 is chosen by itself unless 3 is asked for)",
        "sync_binlog": "a commit would be acknowledged before a write quorum has it",
        "innodb_flush_method": "a method without syncs acknowledges commits before a write quorum has them",
    ]

    /// Why a setting may not be changed.
    private static let managed: [String: String] = [
        "datadir": "it is in the volume", "innodb_data_home_dir": "it is in the volume",
        "innodb_log_group_home_dir": "it is in the volume", "innodb_undo_directory": "it is in the volume",
        "aria_log_dir_path": "it is in the volume", "log_bin_index": "it is in the volume",
        "log_tc": "the instance keeps it local",
        "innodb_directories": "DATA DIRECTORY would put a table outside the volume, where nothing is replicated",
        "innodb_data_file_path": "files outside the data directory would not be in the volume",
        "innodb_temp_data_file_path": "temporary files stay local by their names",
        "tmpdir": "the instance keeps temporary files local", "socket": "the instance's health check uses it",
        "pid_file": "the instance watches the engine itself", "log_error": "the instance keeps the log",
        "port": "use `borealis up --port`", "user": "use `borealis up --engine-user`",
        "skip_networking": "clients connect over TCP", "skip_grant_tables": "anybody on this machine could log in",
        "initialize": "the instance fills the volume itself",
        "initialize_insecure": "the instance fills the volume itself",
        "innodb_redo_log_archive_dirs": "the redo log is in the volume",
        "mysqlx_port": "the X protocol is off", "mysqlx_bind_address": "the X protocol is off",
        "init_file": "the instance runs the engine as it is", "bootstrap": "the instance fills the volume itself",
        "include": "overrides are given one by one", "includedir": "overrides are given one by one",
        "binlog_do_db": "a commit that the binlog leaves out is not waited for",
        "binlog_ignore_db": "a commit that the binlog leaves out is not waited for",
        "read_only": "an instance's part in its cluster decides", "skip_slave_start": "the instance starts replication",
        "slave_skip_errors": "a reader would differ from the writer", "relay_log": "a reader keeps it local",
        "relay_log_index": "a reader keeps it local", "relay_log_info_file": "a reader keeps it local",
        "master_info_file": "a reader keeps it local",
        "innodb_force_recovery": "it starts by leaving committed changes out",
        "tc_heuristic_recover": "it decides over prepared transactions without knowing what became of them",
        "chroot": "the volume would not be found",
        "debug_no_sync": "commits would be acknowledged before a write quorum has them",
    ]

    /// What `weakness` judges, of a running server.
    static let durabilityQuery =
        "SELECT @@GLOBAL.log_bin, @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.sync_binlog"

    /// What was changed in a running server so that it acknowledges commits too early; nil: nothing.
    package static func weakness(_ row: [String]) -> String? {
        guard row.count == 3 else { return nil }
        let (hasBinlog, flush, sync) = (row[0] == "1", row[1], row[2])
        // 3 syncs more often than 1. With the binlog its own sync is what counts, and 2 writes the prepare before it.
        guard flush == "1" || flush == "3" || (hasBinlog && flush == "2") else {
            return "innodb_flush_log_at_trx_commit is \(flush)"
        }
        return hasBinlog && sync != "1" ? "sync_binlog is \(sync)" : nil
    }

    /// Reads `name=value`; `log_bin` is `on` or `off`.
    ///
    /// Throws, with the reason, for a name that durability rests on. MariaDB itself judges other values at its start.
    package static func parse(_ text: String) throws -> (name: String, value: String) {
        guard let equals = text.firstIndex(of: "=") else {
            throw EngineError("`\(text)` is not a setting", remedy: "write it as name=value")
        }
        let written = text[..<equals].trimmingPrefix(while: \.isWhitespace).lowercased().replacing("-", with: "_")
        let value = String(text[text.index(after: equals)...])
        let letters = written.utf8.allSatisfy {
            (97...122).contains($0) || (48...57).contains($0) || $0 == 95 || $0 == 46
        }
        guard letters, !written.isEmpty, !value.contains(where: { $0.isNewline || $0 == "\0" || $0 == "#" }) else {
            throw EngineError("`\(text)` is not a setting", remedy: "write it as name=value")
        }
        var name = written
        for prefix in ["loose_", "maximum_", "enable_", "disable_"] where name.hasPrefix(prefix) {
            name.removeFirst(prefix.count)
        }
        if name == "log_bin" {
            guard written == name, ["on", "off"].contains(value.lowercased()) else {
                throw EngineError("log_bin is on or off", remedy: "write log_bin=on; the instance names the files")
            }
            return (name, value.lowercased())
        }
        if let allowed = harmless[name] {
            if written == name, allowed.contains(value.lowercased()) { return (name, value) }
            let reason = (sharedPinned + mariaPinned + mysqlPinned)
                .first { $0.name == name || $0.name == "loose_\(name)" }?.reason
            throw EngineError(
                "\(name) cannot be \(value): \(warnings[name] ?? reason ?? "durability rests on it")",
                remedy: "leave --set \(name) out")
        }
        if let reason = managed[name] ?? managed["skip_\(name)"] {
            throw EngineError("\(name) cannot be set: \(reason)", remedy: "leave --set \(name) out")
        }
        // The server takes any beginning of a name that is the beginning of no other.
        if let whole = (Array(managed.keys) + Array(harmless.keys)).sorted().first(where: { $0.hasPrefix(name) }) {
            throw EngineError("\(name) is short for \(whole)", remedy: "write the whole name of what you mean")
        }
        return (written, value)
    }

    /// Options for the command line.
    package var pinnedArguments: [String] { pinnedSettings.map { Self.option($0) } }

    private static func option(_ setting: Setting) -> String {
        let name = setting.name.replacing("_", with: "-")
        return setting.value.isEmpty ? "--\(name)" : "--\(name)=\(setting.value)"
    }

    /// Variables whose option has another name.
    private static let optionNames = ["time_zone": "default_time_zone", "tx_isolation": "transaction_isolation"]

    /// The text of my.cnf.
    package func file(local: [(name: String, value: String)]) -> String {
        var lines = [
            "# Written by borealis before each start: changes here are lost. Use `borealis up --set name=value`.",
            "[mysqld]",
        ]
        lines += local.map { "\($0.name) = \($0.value)" }
        lines += ["", "# Given on the command line as well, so that no other file can change them."]
        lines += pinnedSettings.flatMap(Self.lines)
        lines += ["", "# Chosen for a log-structured volume."]
        let pinned = Set(pinnedSettings.map(\.name))
        for setting in defaultSettings where overrides[setting.name] == nil && !pinned.contains(setting.name) {
            lines += Self.lines(setting)
        }
        lines += ["", "# Asked for with --set."]
        for (name, value) in overrides.sorted(by: { $0.key < $1.key })
        where name != "log_bin" && Self.harmless[name] == nil && !pinned.contains(name) {
            lines.append("\(Self.optionNames[name] ?? name) = \(value)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// In an option file a comment in the line of a value would be part of some values, so it stands above.
    private static func lines(_ setting: Setting) -> [String] {
        ["# \(setting.reason)", setting.value.isEmpty ? setting.name : "\(setting.name) = \(setting.value)"]
    }
}
