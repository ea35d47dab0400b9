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
