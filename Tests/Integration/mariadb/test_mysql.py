# SPDX-License-Identifier: Apache-2.0
"""MySQL 8 instead of MariaDB: Debian 12 has none, so $BOREALIS_MYSQL_BIN names the directory of a `mysqld`.

The directory must be one that any account may enter: as root, engines run as `mysql`.
"""

import os
import subprocess

import pytest

from harness.region import kill, until
from maria_bank import ACCOUNTS, OPENING, SCHEMA, Bank, beside, check_tables
from maria_steps import checksums, crash_detach_and_restart
from maria_wire import Connection, ServerError

BINARIES = os.environ.get("BOREALIS_MYSQL_BIN")
pytestmark = pytest.mark.skipif(not BINARIES, reason="$BOREALIS_MYSQL_BIN names no MySQL server")

NUMBERS = "WITH RECURSIVE n AS (SELECT 1 seq UNION ALL SELECT seq + 1 FROM n WHERE seq < {})"
TABLES = ["t.inno", "t.parts", "t.words", "t.places", "t.big"]
SHAPES = [
    "CREATE DATABASE t",
    "CREATE TABLE t.inno (id INT PRIMARY KEY, v VARCHAR(100), KEY (v))",
    f"INSERT INTO t.inno {NUMBERS.format(1000)} SELECT seq, REPEAT(CHAR(97 + seq % 26), seq % 100) FROM n",
    "ALTER TABLE t.inno ADD COLUMN extra INT DEFAULT 4, ALGORITHM=INSTANT",
    "CREATE TABLE t.parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 8",
    f"INSERT INTO t.parts {NUMBERS.format(1000)} SELECT seq FROM n",
    "CREATE TABLE t.words (id INT PRIMARY KEY, v TEXT, FULLTEXT KEY (v))",
    f"INSERT INTO t.words {NUMBERS.format(500)} SELECT seq, CONCAT('green apple ', seq) FROM n",
    "CREATE TABLE t.places (id INT PRIMARY KEY, p POINT NOT NULL SRID 0, SPATIAL KEY (p))",
    f"INSERT INTO t.places {NUMBERS.format(200)} SELECT seq, ST_GeomFromText(CONCAT('POINT(', seq, ' 2)')) FROM n",
    "CREATE TABLE t.big (id INT PRIMARY KEY, v LONGBLOB)",
    f"INSERT INTO t.big {NUMBERS.format(20)} SELECT seq, REPEAT('b', 200000) FROM n",
    "ALTER TABLE t.words FORCE",
]


@pytest.fixture(scope="module")
def region(make_maria):
    region = make_maria(arguments=["--mariadb-bin", BINARIES])
    region.up()
    with region.connect() as connection:
        for statement in SHAPES:
            connection.execute(statement)
    return region


def variables(connection):
    return dict(connection.execute("SHOW GLOBAL VARIABLES"))


def test_settings_that_durability_rests_on(region):
    with region.connect() as connection:
        found = variables(connection)
        assert not found["version"].endswith("MariaDB"), found["version"]
    assert found["innodb_use_native_aio"] == "OFF" and found["innodb_flush_method"] == "fsync"
    assert found["innodb_flush_log_at_trx_commit"] == "1" and found["log_bin"] == "OFF"
    assert found["innodb_doublewrite"] == "OFF" and found["persisted_globals_load"] == "OFF"
    assert found["datadir"].startswith(str(region.directory / "instances/demo-1/volume"))
    assert "mysqlx_port" not in found


@pytest.mark.parametrize("statement", [
    "SET GLOBAL innodb_flush_log_at_trx_commit = 0", "SET PERSIST sync_binlog = 0", "SET SESSION sql_log_bin = 0", "SHUTDOWN",
    "SELECT 1 INTO OUTFILE '/tmp/out'", "UPDATE mysql.user SET Super_priv = 'Y'", "GRANT SUPER ON *.* TO admin",
    "DROP USER 'mysql.sys'@localhost", "SET GLOBAL partial_revokes = 0",
    "CREATE TABLE t.outside (id INT PRIMARY KEY) DATA DIRECTORY='/tmp'",
])
def test_nobody_turns_durability_off(region, statement):
    with region.connect() as connection, pytest.raises(ServerError):
        connection.execute(statement)


def test_crash_detach_and_restart_keep_everything(region):
    crash_detach_and_restart(region, TABLES, "INSERT INTO t.inno VALUES (100000, 'without a zone', 5)", beside(BINARIES, "mysqlcheck"))


def test_a_moment_can_be_opened(region):
    with region.connect() as connection:
        connection.execute("CREATE TABLE t.moment (id INT PRIMARY KEY)")
        connection.execute("INSERT INTO t.moment VALUES (1)")
    lsn = region.cluster()["vdl"]
    with region.connect() as connection:
        connection.execute("DROP TABLE t.moment")
    with region.opened(lsn) as url, Connection(url) as connection:
        assert connection.value("SELECT COUNT(*) FROM t.moment") == "1"


def test_readers_are_refused(region):
    result = region.command("instance", "add", "--cluster", "demo", check=False)
    assert result.returncode != 0 and "MySQL, which has no readers here" in result.stderr, result.stderr


def test_the_other_server_is_refused(region, make_maria):
    region.down()
    region.arguments = ["--mariadb-bin", "/usr/sbin"]
    result = region.command("up", "--detach", "--timeout", "10", *region.arguments, check=False)
    assert result.returncode != 0

    def reason():
        status = region.status()
        return (status["clusters"][0]["reason"] or "") if status and status["clusters"] else ""

    until("the reason is given", lambda: "not a data directory of MariaDB, but of MySQL" in reason(), 60, context=region.describe)
    region.down()
    region.arguments = ["--mariadb-bin", BINARIES]
    region.up()
    assert len(checksums(region, TABLES)) == len(TABLES)


@pytest.mark.parametrize("settings", [[], ["--set", "log_bin=on"]])
def test_torture(make_maria, settings, seed, rng):
    region = make_maria(arguments=["--mariadb-bin", BINARIES, "--group-bytes", "64M"])
    region.up(*settings)
    with region.connect() as connection:
        for statement in SCHEMA.split(";"):
            if "seq_1_to" in statement:
                statement = (f"INSERT INTO bank.account {NUMBERS.format(ACCOUNTS)} "
                             f"SELECT seq, {OPENING}, REPEAT('x', 200) FROM n")
            connection.execute(statement)
        if settings:
            assert variables(connection)["gtid_mode"] == "ON"
    bank = Bank(region, seed, xa=0, shapes=0)
    bank.binlog_program = beside(BINARIES, "mysqlbinlog")
    try:
        bank.start()
        for strike in rng.sample(["engine", "driver", "everything"], 3):
            bank.wait_for_commits(60)
            if strike == "engine":
                kill(region.writer_pid())
            elif strike == "driver":
                kill(region.process(region.driver_role))
            else:
                region.crash(rng)
                region.up()
            bank.wait_for_commits(30)
            bank.pause()
            bank.check()
            print(f"{strike}: {bank.commits} commits")
            bank.resume()
        bank.pause()
        region.wait_available()
        check_tables(region.url, ("mysql", "bank"), beside(BINARIES, "mysqlcheck"))
    finally:
        bank.stop()
