# SPDX-License-Identifier: Apache-2.0
"""Accounts, with the real client: how they log in, what the administrator may do, and that nobody can turn durability off."""

import contextlib
import shutil
import subprocess
import urllib.parse

import pytest

from harness.region import until
from maria_wire import Connection, Lost, ServerError

pytestmark = pytest.mark.skipif(shutil.which("mysql") is None, reason="no mysql client")

SETTINGS = "@@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.sync_binlog"
# Each is a way to commits that are acknowledged and not durable, or a way to the privileges for it.
FORBIDDEN = [
    "SET GLOBAL innodb_flush_log_at_trx_commit = 0", "SET GLOBAL sync_binlog = 0", "SET SESSION sql_log_bin = 0",
    "GRANT SUPER ON *.* TO admin@'%'", "GRANT ALL PRIVILEGES ON *.* TO new@'%' IDENTIFIED BY 'p'",
    "GRANT BINLOG ADMIN ON *.* TO admin@'%'", "GRANT ALL PRIVILEGES ON mysql.* TO admin@'%'",
    "UPDATE mysql.global_priv SET Priv = '{\"access\": 1099511627775}'", "DELETE FROM mysql.global_priv",
    "CREATE TABLE mysql.mine (id INT)", "DROP TABLE mysql.global_priv", "INSTALL SONAME 'sql_errlog'",
    "CREATE DEFINER = root@localhost PROCEDURE shop.p() SELECT 1", "SELECT 1 INTO OUTFILE '/tmp/borealis-test-file'",
    "BINLOG 'AAAA'", "SHUTDOWN",
]
ALLOWED = [
    "CREATE USER app@'%' IDENTIFIED BY 'p'", "GRANT ALL PRIVILEGES ON shop.* TO app@'%'", "CREATE ROLE clerk",
    "GRANT SELECT ON shop.* TO clerk", "GRANT clerk TO app@'%'", "GRANT REPLICATION SLAVE, PROCESS ON *.* TO app@'%'",
    "ALTER USER app@'%' IDENTIFIED BY 'q'", "CREATE PROCEDURE shop.p() UPDATE shop.item SET n = n", "CALL shop.p()",
    "CREATE TRIGGER shop.t BEFORE INSERT ON shop.item FOR EACH ROW SET NEW.n = NEW.n + 1",
    "CREATE EVENT shop.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.item WHERE n < 0", "CREATE VIEW shop.v AS SELECT * FROM shop.item",
    "CREATE SEQUENCE shop.s", "FLUSH PRIVILEGES", "FLUSH LOGS", "SHOW BINARY LOGS", "SHOW ENGINE INNODB STATUS", "SHOW PROCESSLIST",
    "SELECT COUNT(*) FROM mysql.global_priv", "SHOW GRANTS FOR app@'%'", "SELECT * FROM sys.version",
    "SET GLOBAL max_connections = 120", "DROP USER app@'%'", "DROP ROLE clerk",
]


@pytest.fixture(scope="module")
def region(make_maria):
    region = make_maria()
    region.up("--set", "log_bin=on")
    with region.connect() as connection:
        connection.execute("CREATE DATABASE shop")
        connection.execute("CREATE TABLE shop.item (n INT PRIMARY KEY) ENGINE=InnoDB")
    return region


def client(region, user, password, statement="SELECT CURRENT_USER()"):
    """What the real client prints, or its error."""
    result = subprocess.run(
        ["mysql", "--no-defaults", "-h127.0.0.1", f"-P{region.port}", f"-u{user}", f"-p{password}", "-BNe", statement],
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return result.stdout.strip() if result.returncode == 0 else result.stderr.strip()


@pytest.mark.parametrize("plugin", ["mysql_native_password", "ed25519"])
def test_an_account_logs_in_with_its_password_and_no_other(region, plugin):
    user = f"by_{plugin}"
    with region.connect() as connection:
        connection.execute(f"CREATE USER {user}@'%' IDENTIFIED VIA {plugin} USING PASSWORD('right one')")
        connection.execute(f"GRANT SELECT ON shop.* TO {user}@'%'")
    assert client(region, user, "right one") == f"{user}@%"
    assert client(region, user, "right one", "SELECT COUNT(*) FROM shop.item") == "0"
    assert "Access denied" in client(region, user, "wrong one")
    region.fault("crash-writer")
    region.wait_available()
    assert client(region, user, "right one") == f"{user}@%"


def test_the_administrator_does_an_administrators_work(region):
    with region.connect() as connection:
        for statement in ALLOWED:
            connection.execute(statement)
        with region.connect() as other:
            connection.execute(f"KILL {other.value('SELECT CONNECTION_ID()')}")
            with pytest.raises((Lost, ServerError)):
                other.execute("SELECT 1")


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_durability_and_the_way_to_it_are_out_of_reach(region, statement):
    with region.connect() as connection:
        before = connection.execute(f"SELECT {SETTINGS}")
        with pytest.raises(ServerError) as refused:
            connection.execute(statement)
        assert refused.value.code in (1044, 1045, 1142, 1227), refused.value
        assert connection.execute(f"SELECT {SETTINGS}") == before == [("2", "1")]


def test_nobody_is_almighty(region):
    with region.connect() as connection:
        def holders(*privileges):
            quoted = ", ".join(f"'{name}'" for name in privileges)
            return connection.execute(
                f"SELECT GRANTEE, PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE IN ({quoted})")

        assert ("'admin'@'%'", "CREATE USER") in holders("CREATE USER")
        assert holders("SUPER", "BINLOG ADMIN", "BINLOG REPLAY", "FILE", "SHUTDOWN", "SET USER", "REPLICATION SLAVE ADMIN") == []
        assert {user for (user,) in connection.execute("SELECT User FROM mysql.global_priv")} >= {"admin", "borealis", "mariadb.sys"}
        assert connection.execute("SELECT User FROM mysql.global_priv WHERE User IN ('root', 'mysql', '')") == []


@pytest.mark.parametrize("statement", ["SET GLOBAL innodb_flush_log_at_trx_commit = 0", "SET GLOBAL sync_binlog = 0"])
def test_an_engine_that_was_weakened_all_the_same_starts_again_with_its_own_settings(region, statement):
    """Whoever may create users can take privileges by editing the tables of accounts; that is noticed within a second or so."""
    with region.connect() as connection:
        with contextlib.suppress(ServerError):  # the second time there is nothing to revoke
            connection.execute("REVOKE SELECT ON mysql.* FROM admin@'%'")
        connection.execute(
            "UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.access', 1073741823) WHERE User = 'admin'")
        connection.execute("FLUSH PRIVILEGES")
    engine = region.writer_pid()
    acknowledged = 0
    with Connection(region.url) as connection:
        connection.execute("DELETE FROM shop.item")
        connection.execute("DROP TRIGGER IF EXISTS shop.t")
        connection.execute(statement)
        with contextlib.suppress(Lost, ServerError):
            while acknowledged < 100_000:
                connection.execute(f"INSERT INTO shop.item VALUES ({acknowledged})")
                acknowledged += 1
    until("another engine runs", lambda: region.writer_pid() not in (None, engine), context=region.describe)
    with region.connect() as connection:
        assert connection.execute(f"SELECT {SETTINGS}") == [("2", "1")]
        kept = int(connection.value("SELECT COUNT(*) FROM shop.item"))
        assert acknowledged <= kept <= acknowledged + 1, (acknowledged, kept)
    assert 0 < acknowledged < 100_000
    name = statement.split()[2]
    log = (region.directory / "logs/storage.log").read_text()
    assert any("durability was turned off" in line and name in line for line in log.splitlines()), log[-2000:]


def test_the_url_names_the_administrator(region):
    assert urllib.parse.urlsplit(region.url).username == "admin"
