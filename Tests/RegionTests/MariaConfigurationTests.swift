// SPDX-License-Identifier: Apache-2.0

import Engines
import Testing

@Suite struct MariaConfigurationTests {
    @Test(arguments: [
        "innodb_use_native_aio=1", "innodb-use-native-aio=ON", "loose_innodb_use_native_aio=0",
        "innodb_flush_log_at_trx_commit=0", "innodb_flush_log_at_trx_commit=2", "sync_binlog=0",
        "innodb_flush_method=nosync", "innodb_flush_method=O_DIRECT_NO_FSYNC", "innodb_log_file_mmap=1", "datadir=/tmp",
        "symbolic-links=1", "log_bin=/var/log/binlog", "maximum_sync_binlog=0", "socket=/tmp/s", "nothing", "=1",
        "a b=1",
        "port=3306", "max_connections=1\nsync_binlog=0", "binlog_do_db=shop", "innodb_force_recovery=6",
        "innodb_flush_log_at_trx=0", "data=/tmp",
    ])
    func `what durability or the instance rests on is refused`(text: String) {
        #expect(throws: EngineError.self) { try MariaConfiguration.parse(text) }
    }

    @Test(arguments: [
        ("innodb-buffer-pool-size=1G", "innodb_buffer_pool_size", "1G"),
        ("innodb_doublewrite=1", "innodb_doublewrite", "1"),
        ("innodb_flush_method=O_DIRECT", "innodb_flush_method", "O_DIRECT"), ("LOG_BIN=ON", "log_bin", "on"),
        ("innodb_flush_log_at_trx_commit=1", "innodb_flush_log_at_trx_commit", "1"),
    ])
    func `other settings are taken, with their names in one spelling`(text: String, name: String, value: String) throws
    {
        let found = try MariaConfiguration.parse(text)
        #expect(found.name == name && found.value == value)
    }

    @Test func `O_DIRECT is accepted and ignored`() {
        let configuration = MariaConfiguration(overrides: ["innodb_flush_method": "O_DIRECT"])
        #expect(configuration.pinnedArguments.contains("--innodb-flush-method=fsync"))
        #expect(!configuration.file(local: []).contains("O_DIRECT\n"))
    }

    @Test func `a commit waits for the redo log without a binlog, and for the binlog with one`() {
        let without = MariaConfiguration(overrides: [:]).pinnedArguments
        #expect(without.contains("--skip-log-bin") && without.contains("--innodb-flush-log-at-trx-commit=1"))
        let with = MariaConfiguration(overrides: ["log_bin": "on"]).pinnedArguments
        #expect(with.contains("--log-bin=binlog") && with.contains("--sync-binlog=1"))
        #expect(with.contains("--innodb-flush-log-at-trx-commit=2") && !with.contains("--skip-log-bin"))
        let both = MariaConfiguration(overrides: ["log_bin": "on", "innodb_flush_log_at_trx_commit": "3"])
        #expect(both.pinnedArguments.contains("--innodb-flush-log-at-trx-commit=3"))
        #expect(both.pinnedArguments.contains("--sync-binlog=1"))
    }

    private func settings(number: Int, follows: Bool, hasReaders: Bool = true) -> ReplicationSettings {
        ReplicationSettings(
            source: follows ? ReplicationSource(host: "127.67.0.1", port: 3306) : nil,
            account: ReplicationAccount(user: "replicator", password: "secret"), hasReaders: hasReaders,
            serverNumber: number, minimums: [:])
    }

    @Test func `a writer has a binlog once the cluster has readers, and a server id of its own`() {
        let alone = MariaConfiguration(
            overrides: [:], replication: settings(number: 1, follows: false, hasReaders: false))
        #expect(alone.pinnedArguments.contains("--skip-log-bin"))
        let read = MariaConfiguration(overrides: ["log_bin": "off"], replication: settings(number: 3, follows: false))
        #expect(read.pinnedArguments.contains("--log-bin=binlog") && read.pinnedArguments.contains("--sync-binlog=1"))
        #expect(read.pinnedArguments.contains("--server-id=3"))
        let named = MariaConfiguration(
            overrides: ["server_id": "77"], replication: settings(number: 3, follows: false))
        #expect(
            named.file(local: []).contains("\nserver_id = 77\n") && !named.file(local: []).contains("server_id = 3"))
    }

    @Test func `a reader writes nothing, has the writer's binlog for its recovery, and an id that no writer has`() {
        let reader = MariaConfiguration(
            overrides: ["server_id": "77", "event_scheduler": "1"], replication: settings(number: 3, follows: true))
        for argument in [
            "--read-only=1", "--log-bin=binlog", "--log-slave-updates=0", "--skip-slave-start=1", "--event-scheduler=0",
            "--server-id=1000003",
        ] { #expect(reader.pinnedArguments.contains(argument)) }
        #expect(!reader.file(local: []).contains("event_scheduler = 1"))
    }

    @Test func `what a server says of its replication`() {
        func progress(_ io: String, _ sql: String, _ more: [String: String] = [:]) -> MariaProgress {
            MariaProgress(
                [
                    "Slave_IO_Running": io, "Slave_SQL_Running": sql, "Master_Host": "127.67.0.1",
                    "Master_Port": "3306",
                    "Last_IO_Errno": "0", "Last_SQL_Errno": "0",
                ].merging(more) { $1 })
        }
        let well = progress("Yes", "Yes")
        #expect(well.isReceiving && well.isApplying && !well.isTrying && well.failure == nil)
        #expect(well.isAt(ReplicationSource(host: "127.67.0.1", port: 3306)))
        #expect(!well.isAt(ReplicationSource(host: "127.67.0.2", port: 3306)))
        let waiting = progress("Connecting", "Yes", ["Last_IO_Errno": "2003", "Last_IO_Error": "nobody there"])
        #expect(!waiting.isReceiving && waiting.isTrying && waiting.failure == nil)
        #expect(
            progress("Yes", "No", ["Last_SQL_Errno": "1062", "Last_SQL_Error": "twice"]).failure?.contains("twice")
                == true)
        #expect(
            progress("No", "Yes", ["Last_IO_Errno": "1236", "Last_IO_Error": "gone"]).failure?.contains("gone") == true)
        #expect(progress("No", "No").failure == nil)
    }

    @Test(
        arguments: [
            ([0xfa], 250), ([0xfb], 0), ([0xfc, 1, 2], 513), ([0xfd, 1, 0, 1], 65537), ([0xfc, 1], nil), ([], nil),
            ([0xfe, 1, 0, 0, 0, 0, 0, 0, 0], 1), ([0xfe, 255, 255, 255, 255, 255, 255, 255, 255], nil),
        ] as [([UInt8], Int?)])
    func `lengths in a server's answer`(bytes: [UInt8], value: Int?) {
        var fields = MariaFields(bytes)
        #expect(fields.integer() == value)
    }

    @Test func `a text that is longer than its packet is none`() {
        var fields = MariaFields([2, 0x61, 0x62, 0xfb, 0, 9, 0x61])
        #expect(fields.text() == "ab")
        #expect(fields.text() == "")
        #expect(fields.text() == "")
        #expect(fields.text() == nil)
    }

    @Test(arguments: [
        (["0", "1", "1"], nil), (["0", "3", "0"], nil), (["1", "2", "1"], nil), (["1", "1", "1"], nil),
        (["0", "2", "1"], "innodb_flush_log_at_trx_commit is 2"),
        (["0", "0", "1"], "innodb_flush_log_at_trx_commit is 0"),
        (["1", "0", "1"], "innodb_flush_log_at_trx_commit is 0"), (["1", "2", "0"], "sync_binlog is 0"),
        (["1", "2", "100"], "sync_binlog is 100"),
    ])
    func `a running server is weak when a commit need not wait`(row: [String], says: String?) {
        #expect(MariaConfiguration.weakness(row) == says)
    }

    @Test func `an override replaces a default`() {
        let text = MariaConfiguration(overrides: ["innodb_doublewrite": "1"]).file(local: [])
        #expect(text.contains("innodb_doublewrite = 1") && !text.contains("innodb_doublewrite = 0"))
    }
}
