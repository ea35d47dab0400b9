// SPDX-License-Identifier: Apache-2.0

/// The settings PostgreSQL runs with on a volume, each with the reason why it is safe.
///
/// Three kinds: `pinned` ones carry durability or keep the engine inside the shim's view and cannot be changed;
/// `defaults` suit a log-structured volume and may be overridden; everything else is PostgreSQL's own.
package struct PostgresConfiguration: Sendable {
    package var overrides: [String: String]
    package var replication: ReplicationSettings?
    /// A reader's name at its writer.
    var name: String

    package init(overrides: [String: String], replication: ReplicationSettings? = nil, name: String = "") {
        self.overrides = overrides
        self.replication = replication
        self.name = name
    }

    private typealias Setting = EngineSetting

    private static let pinnedSettings = [
        Setting(
            name: "fsync", value: "on",
            reason: "a commit is acknowledged when its sync returns, which is when a write quorum has it"),
        Setting(
            name: "data_sync_retry", value: "off",
            reason: "a failed sync means a lost volume: only a new attach recovers"),
        Setting(
            name: "restart_after_crash", value: "off",
            reason: "an engine is never restarted on a used ring: the instance restarts it on a new one"),
        Setting(name: "wal_sync_method", value: "fdatasync", reason: "the plainest call, and the one that is tested"),
        Setting(
            name: "dynamic_shared_memory_type", value: "posix",
            reason: "the type mmap maps files of the data directory shared and writable, which no shim can see"),
        Setting(
            name: "allow_in_place_tablespaces", value: "on",
            reason: "a tablespace has to be inside the volume: CREATE TABLESPACE t LOCATION ''"),
    ]

    private static let defaultSettings = [
        Setting(
            name: "full_page_writes", value: "off",
            reason: "one engine write is one record of the volume's log, so a page is never torn"),
        Setting(
            name: "wal_recycle", value: "off",
            reason: "a recycled WAL file would be written over, a new one costs nothing here"),
        Setting(
            name: "wal_init_zero", value: "off", reason: "zeros need not be shipped: space is not reserved in a log"),
        Setting(
            name: "checkpoint_timeout", value: "30s",
            reason: "checkpoints are cheap without full pages, and frequent ones make recovery short"),
        Setting(name: "checkpoint_completion_target", value: "0.9", reason: "spreads the writes over the interval"),
        Setting(name: "max_wal_size", value: "4GB", reason: "the clock, not the volume of WAL, starts checkpoints"),
        Setting(
            name: "commit_delay", value: "700",
            reason: "with five or more transactions running, 0.7 ms let more of them share a flush of six copies"),
        Setting(
            name: "maintenance_io_concurrency", value: "64",
            reason: "recovery says so many blocks ahead what it will read; absent ones are fetched beside each other"),
        Setting(
            name: "effective_io_concurrency", value: "16",
            reason: "a bitmap scan does the same; an absent block costs a round trip to a storage node"),
        Setting(name: "shared_buffers", value: "128MB", reason: "PostgreSQL's own default"),
        Setting(name: "password_encryption", value: "scram-sha-256", reason: "the only method pg_hba.conf admits"),
        Setting(name: "log_line_prefix", value: "%m [%p] ", reason: "time and process"),
        Setting(name: "log_timezone", value: "UTC", reason: "one zone for all logs of a region"),
        Setting(name: "log_checkpoints", value: "off", reason: "twice a minute is noise"),
    ]

    /// For an instance of a cluster that can have readers.
    private static let replicationSettings = [
        Setting(name: "max_wal_senders", value: "20", reason: "a cluster has up to fifteen readers"),
        Setting(
            name: "wal_keep_size", value: "256MB",
            reason: "a reader that was away for longer is mounted anew, which costs no more than waiting for it"),
        Setting(
            name: "hot_standby_feedback", value: "on",
            reason: "what a reader's queries still see is not vacuumed away; it ends with the reader's connection"),
        Setting(name: "max_standby_streaming_delay", value: "14s", reason: "Aurora's default"),
        Setting(
            name: "wal_retrieve_retry_interval", value: "200ms",
            reason: "a reader follows the new writer soon after a failover"),
        Setting(name: "wal_receiver_status_interval", value: "1s", reason: "the writer's view of its readers is fresh"),
        Setting(name: "wal_receiver_timeout", value: "10s", reason: "the writer has a heartbeat of a second"),
    ]

    /// Why a setting may not be changed; lower-case names.
    private static let managed: [String: String] = [
        "config_file": "the instance writes it", "hba_file": "the instance writes it",
        "ident_file": "the instance writes it",
        "data_directory": "it is in the volume", "external_pid_file": "the instance watches the engine itself",
        "unix_socket_directories": "the instance's health check uses it",
        "listen_addresses": "engines listen on loopback only",
        "port": "use `borealis up --port`", "include": "overrides are given one by one",
        "include_dir": "overrides are given one by one", "include_if_exists": "overrides are given one by one",
        "io_method": "asynchronous I/O bypasses the shim, so its writes would be lost",
        "ssl_key_file": "TLS for clients is not there yet",
        "debug_io_direct": "direct I/O bypasses the diff against the cache",
        "primary_conninfo": "the region decides whom a reader follows",
        "primary_slot_name": "a slot could fill the volume", "hot_standby": "readers answer queries",
        "logging_collector": "the instance keeps the log", "log_destination": "the instance keeps the log",
    ]

    /// Settings given on the command line.
    static var pinned: [String: String] {
        Dictionary(uniqueKeysWithValues: pinnedSettings.map { ($0.name, $0.value) })
    }

    /// Reads `name=value`.
    ///
    /// Throws, with the reason, for a name that durability rests on. PostgreSQL itself judges the value at its start.
    package static func parse(_ text: String) throws -> (name: String, value: String) {
        guard let equals = text.firstIndex(of: "=") else {
            throw EngineError("`\(text)` is not a setting", remedy: "write it as name=value")
        }
        let name = text[..<equals].trimmingPrefix(while: \.isWhitespace).lowercased()
        let value = String(text[text.index(after: equals)...])
        let letters = name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 || $0 == 46 }
        guard letters, !name.isEmpty, !value.contains(where: { $0.isNewline || $0 == "\0" }) else {
            throw EngineError("`\(text)` is not a setting", remedy: "write it as name=value")
        }
        if let pinned = pinnedSettings.first(where: { $0.name == name }), value.lowercased() != pinned.value {
            throw EngineError("\(name) must stay \(pinned.value): \(pinned.reason)", remedy: "leave --set \(name) out")
        }
        if let reason = managed[name] {
            throw EngineError("\(name) cannot be set: \(reason)", remedy: "leave --set \(name) out")
        }
        return (name, value)
    }

    /// The text of postgresql.conf.
    func file(hosts: [String], port: Int, socketDirectory: String) -> String {
        var lines = [
            "# Written by borealis before each start: changes here are lost. Use `borealis up --set name=value`.",
            "listen_addresses = \(Self.quoted(hosts.joined(separator: ",")))", "port = \(port)",
            "unix_socket_directories = \(Self.quoted(socketDirectory))", "unix_socket_permissions = 0700",
            "logging_collector = off  # the instance appends stderr to a local file", "",
            "# Given on the command line as well, so that ALTER SYSTEM cannot change them.",
        ]
        for setting in Self.pinnedSettings { lines.append(Self.line(setting.name, setting.value, setting.reason)) }
        lines += ["", "# Chosen for a log-structured volume."]
        for setting in Self.defaultSettings where overrides[setting.name] == nil {
            lines.append(Self.line(setting.name, setting.value, setting.reason))
        }
        if let replication { lines += replicationLines(replication) }
        lines += ["", "# Asked for with --set."]
        for (name, value) in overrides.sorted(by: { $0.key < $1.key }) {
            lines.append("\(name) = \(Self.quoted(value))")
        }
        if let replication, replication.source != nil {
            lines += ["", "# A reader may not be below its writer: postgresql.org/docs/15/hot-standby.html."]
            for (name, minimum) in replication.minimums.sorted(by: { $0.key < $1.key }) {
                let own = overrides[name].flatMap { Int($0) } ?? EngineKind.postgres.sharedMinimums[name] ?? 0
                lines.append("\(name) = \(max(own, minimum))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func replicationLines(_ replication: ReplicationSettings) -> [String] {
        var lines = ["", "# For readers. Every instance has these, so that any of them can become the writer."]
        for setting in Self.replicationSettings where overrides[setting.name] == nil {
            lines.append(Self.line(setting.name, setting.value, setting.reason))
        }
        guard let source = replication.source else { return lines }
        let fields = [
            ("host", source.host), ("port", "\(source.port)"), ("user", replication.account.user),
            ("password", replication.account.password), ("application_name", name), ("sslmode", "prefer"),
            ("connect_timeout", "3"),
        ]
        let information = fields.map { "\($0.0)=\(Self.quotedField($0.1))" }.joined(separator: " ")
        return lines + [Self.line("primary_conninfo", information, "the writer")]
    }

    /// postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING
    private static func quotedField(_ value: String) -> String {
        "'" + value.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'"
    }

    /// - Parameter superuser: may come in without a password through the socket, if it is the instance itself
    static func hostBasedAccess(superuser: String) -> String {
        """
        # TYPE  DATABASE     USER  ADDRESS       METHOD
        local   all          \(nameQuoted(superuser))  peer map=\(map)
        local   all          all                 scram-sha-256
        host    all          all   127.0.0.0/8   scram-sha-256
        host    all          all   ::1/128       scram-sha-256
        host    replication  all   127.0.0.0/8   scram-sha-256

        """
    }

    private static let map = "borealis"

    /// Who the instance is: the account of its process, by the name that the server finds for it.
    static func identities(account: String, superuser: String) -> String {
        "# MAP  ACCOUNT  USER\n\(map)  \(nameQuoted(account))  \(nameQuoted(superuser))\n"
    }

    private static func nameQuoted(_ name: String) -> String { "\"\(name.replacing("\"", with: "\"\""))\"" }

    private static func line(_ name: String, _ value: String, _ reason: String) -> String {
        "\(name) = \(quoted(value))  # \(reason)"
    }

    private static func quoted(_ value: String) -> String {
        "'" + value.replacing("\\", with: "\\\\").replacing("'", with: "''") + "'"
    }
}
