# SPDX-License-Identifier: Apache-2.0
"""The tour with MariaDB: use, crash, throw the cache away, lose a zone, stop and start; and what `--set` refuses."""

import shutil
import subprocess
import urllib.parse

import pytest

from harness.region import is_alive
from maria_steps import crash_detach_and_restart
from maria_wire import Connection, ServerError

TABLES = ["t.inno", "t.aria", "t.parts", "t.words", "t.big"]


@pytest.fixture(scope="module")
def region(make_maria):
    region = make_maria()
    region.up()
    with region.connect("mysql") as connection:
        for statement in [
            "CREATE DATABASE t",
            "CREATE TABLE t.inno (id INT PRIMARY KEY, v VARCHAR(100), KEY (v)) ENGINE=InnoDB",
            "INSERT INTO t.inno SELECT seq, REPEAT(CHAR(97 + seq % 26), seq % 100) FROM seq_1_to_20000",
            "CREATE TABLE t.aria (id INT PRIMARY KEY, v TEXT) ENGINE=Aria TRANSACTIONAL=1",
            "INSERT INTO t.aria SELECT seq, 'aria' FROM seq_1_to_2000",
            "CREATE TABLE t.parts (id INT PRIMARY KEY) ENGINE=InnoDB PARTITION BY HASH (id) PARTITIONS 8",
            "INSERT INTO t.parts SELECT seq FROM seq_1_to_2000",
            "CREATE TABLE t.words (id INT PRIMARY KEY, v TEXT, FULLTEXT KEY (v)) ENGINE=InnoDB",
            "INSERT INTO t.words SELECT seq, CONCAT('green apple ', seq) FROM seq_1_to_500",
            "CREATE TABLE t.big (id INT PRIMARY KEY, v LONGBLOB) ENGINE=InnoDB",
            "INSERT INTO t.big SELECT seq, REPEAT('b', 200000) FROM seq_1_to_20",
        ]:
            connection.execute(statement)
    return region


def test_status_has_the_promised_shape(region):
    cluster = region.cluster()
    assert cluster["id"] == "demo" and cluster["engine"] == "mariadb" and cluster["status"] == "available"
    assert cluster["vdl"] > 0 and is_alive(cluster["writer"]["pid"])
    assert cluster["writer"]["url"].startswith("mysql://admin:") and f":{region.port}" in cluster["writer"]["url"]


def test_settings_that_durability_rests_on(region):
    with region.connect() as connection:
        found = dict(connection.execute("SHOW GLOBAL VARIABLES"))
    assert found["innodb_use_native_aio"] == "OFF" and found["innodb_flush_method"] == "fsync"
    assert found["innodb_flush_log_at_trx_commit"] == "1" and found["log_bin"] == "OFF"
    assert found["innodb_doublewrite"] == "OFF" and found["have_symlink"] == "DISABLED"
    assert found["innodb_log_file_mmap"] == "OFF" and found["innodb_log_file_buffering"] == "ON"
    volume = str(region.directory / "instances/demo-1/volume")
    assert found["datadir"].startswith(volume)
    for local in ["tmpdir", "socket", "pid_file", "general_log_file", "slow_query_log_file"]:
        assert not found[local].startswith(volume), found[local]


def test_a_wrong_password_is_refused(region):
    parts = urllib.parse.urlsplit(region.url)
    with pytest.raises(ServerError, match="Access denied"):
        Connection(parts._replace(netloc=f"admin:wrong@127.0.0.1:{region.port}").geturl())
    with pytest.raises(ServerError, match="Access denied"):
        Connection(parts._replace(netloc=f"root:@127.0.0.1:{region.port}").geturl())


@pytest.mark.skipif(shutil.which("mysql") is None, reason="no mysql client")
def test_the_printed_line_works(region):
    line = next(text for text in region.command("status").stdout.splitlines() if text.startswith("  mysql "))
    result = subprocess.run([*line.split(), "-BNe", "SELECT 6 * 7"], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "42", result.stderr


def test_a_table_cannot_leave_the_volume(region):
    with region.connect() as connection:
        connection.execute("CREATE TABLE t.outside (id INT PRIMARY KEY) ENGINE=InnoDB DATA DIRECTORY='/tmp'")
        assert "DATA DIRECTORY" not in connection.execute("SHOW CREATE TABLE t.outside")[0][1]
        connection.execute("DROP TABLE t.outside")


def test_crash_detach_and_restart_keep_everything(region):
    crash_detach_and_restart(region, TABLES, "INSERT INTO t.inno VALUES (100000, 'without a zone')")


def test_binlog_can_be_turned_on_and_off(region):
    region.down()
    region.up("--set", "log_bin=on")
    with region.connect() as connection:
        found = dict(connection.execute("SHOW GLOBAL VARIABLES"))
        assert found["log_bin"] == "ON" and found["sync_binlog"] == "1"
        assert found["innodb_flush_log_at_trx_commit"] == "2" and found["gtid_strict_mode"] == "ON"
        connection.execute("INSERT INTO t.inno VALUES (100001, 'logged')")
        position = connection.value("SELECT @@gtid_binlog_pos")
    region.fault("crash-writer")
    with region.connect() as connection:
        assert connection.value("SELECT v FROM t.inno WHERE id = 100001") == "logged"
        assert connection.value("SELECT @@gtid_binlog_pos") == position
    region.down()
    region.up("--set", "log_bin=off")
    with region.connect() as connection:
        assert connection.value("SELECT @@log_bin, @@innodb_flush_log_at_trx_commit".replace(", ", " * 10 + ")) == "1"


@pytest.mark.parametrize("setting, says", [
    ("innodb_use_native_aio=1", "bypasses the shim"), ("innodb-use-native-aio=ON", "bypasses the shim"),
    ("innodb_flush_log_at_trx_commit=0", "write quorum"), ("innodb_flush_log_at_trx_commit=2", "write quorum"),
    ("innodb_flush_method=O_DIRECT_NO_FSYNC", "write quorum"), ("innodb_flush_method=nosync", "write quorum"),
    ("sync_binlog=0", "write quorum"), ("datadir=/tmp/x", "in the volume"),
    ("innodb_data_home_dir=/tmp", "in the volume"), ("symbolic_links=1", "outside the volume"),
    ("loose_symbolic-links=1", "outside the volume"), ("skip_grant_tables=1", "log in"), ("log_bin=/tmp/b", "on or off"),
    ("port=3306", "--port"), ("binlog_ignore_db=shop", "leaves out"), ("innodb_force_recovery=6", "leaving committed"),
    ("tc_heuristic_recover=ROLLBACK", "prepared"), ("innodb_flush_log_at_trx=0", "whole name"), ("data=/tmp", "whole name"),
])
def test_a_setting_that_breaks_durability_is_refused(region, setting, says):
    region.down()
    result = region.command("up", "--detach", "--set", setting, check=False)
    lines = result.stderr.strip().splitlines()
    assert result.returncode != 0 and len(lines) == 1 and lines[0].startswith("borealis: error: "), result.stderr
    assert says in lines[0] and lines[0].endswith(")"), lines[0]
