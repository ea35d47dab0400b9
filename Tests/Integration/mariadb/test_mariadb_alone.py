# SPDX-License-Identifier: Apache-2.0
"""One client, nobody else: the moment a statement is acknowledged, the process that holds the driver is killed.

Under load another client's sync would make most things durable that nobody waited for. Here only the statement's own wait
can: whatever is written behind its back is lost with the driver, because the cache is thrown away.
"""

import pytest

from harness.region import kill

SETUP = [
    "CREATE DATABASE t", "CREATE TABLE t.x (i INT PRIMARY KEY, v INT) ENGINE=InnoDB", "CREATE TABLE t.changed (i INT) ENGINE=InnoDB",
    "CREATE TABLE t.dropped (i INT) ENGINE=InnoDB", "CREATE TABLE t.old (i INT) ENGINE=InnoDB",
    "CREATE TABLE t.cleared (i INT PRIMARY KEY) ENGINE=InnoDB", "INSERT INTO t.cleared VALUES (1), (2)",
    "CREATE TABLE t.rebuilt (i INT PRIMARY KEY, v INT) ENGINE=InnoDB", "INSERT INTO t.rebuilt VALUES (1, 1)",
]

# name -> what is done, and what must be so after the crash: a query and its answer.
ACTS = {
    "autocommit": (["INSERT INTO t.x VALUES (1, 1)"], "SELECT v FROM t.x WHERE i = 1", [("1",)]),
    "transaction": (
        ["BEGIN", "INSERT INTO t.x VALUES (2, 1)", "UPDATE t.x SET v = 5 WHERE i = 2", "COMMIT"],
        "SELECT v FROM t.x WHERE i = 2", [("5",)]),
    "xa in one phase": (
        ["XA START 'one'", "INSERT INTO t.x VALUES (3, 1)", "XA END 'one'", "XA COMMIT 'one' ONE PHASE"],
        "SELECT v FROM t.x WHERE i = 3", [("1",)]),
    "xa commit": (
        ["XA START 'two'", "INSERT INTO t.x VALUES (4, 1)", "XA END 'two'", "XA PREPARE 'two'", "XA COMMIT 'two'"],
        "SELECT v FROM t.x WHERE i = 4", [("1",)]),
    "create": (["CREATE TABLE t.made (i INT) ENGINE=InnoDB"], "SHOW TABLES FROM t LIKE 'made'", [("made",)]),
    "instant alter": (["ALTER TABLE t.changed ADD COLUMN j INT DEFAULT 7, ALGORITHM=INSTANT"], "SELECT COUNT(j) FROM t.changed", [("0",)]),
    "rebuild": (["ALTER TABLE t.rebuilt ADD COLUMN j INT DEFAULT 7, FORCE"], "SELECT j FROM t.rebuilt", [("7",)]),
    "drop": (["DROP TABLE t.dropped"], "SHOW TABLES FROM t LIKE 'dropped'", []),
    "rename": (["RENAME TABLE t.old TO t.renamed"], "SHOW TABLES FROM t LIKE 'renamed'", [("renamed",)]),
    "truncate": (["TRUNCATE TABLE t.cleared"], "SELECT COUNT(*) FROM t.cleared", [("0",)]),
    "account": (["CREATE USER u@'%' IDENTIFIED BY 'p'"], "SELECT User FROM mysql.global_priv WHERE User = 'u'", [("u",)]),
    "xa prepare": (
        ["XA START 'three'", "INSERT INTO t.x VALUES (5, 1)", "XA END 'three'", "XA PREPARE 'three'"],
        "XA RECOVER", [("1", "5", "0", "three")]),
}
MODES = {
    "without binlog": ["log_bin=off"], "with binlog": ["log_bin=on"],
    "with binlog and redo synced": ["log_bin=on", "innodb_flush_log_at_trx_commit=3"],
}
SHORT = ["autocommit", "transaction", "xa commit", "create", "account", "xa prepare"]


def parameters(names, short):
    return [pytest.param(name, marks=[] if name in short else pytest.mark.long, id=name.replace(" ", "-")) for name in names]


@pytest.fixture(scope="module", params=parameters(MODES, list(MODES)[:2]))
def region(request, make_maria):
    region = make_maria()
    region.mode = request.param
    region.up(*(word for setting in MODES[request.param] for word in ("--set", setting)))
    with region.connect() as connection:
        for statement in SETUP:
            connection.execute(statement)
    yield region
    region.destroy()


@pytest.mark.parametrize("name", parameters(ACTS, SHORT))
def test_an_acknowledged_statement_survives_the_driver(region, name):
    statements, query, answer = ACTS[name]
    is_weak = region.mode == "with binlog" and name.startswith("xa ")
    if is_weak and name == "xa prepare":
        pytest.skip("InnoDB writes this prepare after the binlog's sync: ARCHITECTURE.md says so, and what to set")
    driver = region.process(region.driver_role)
    with region.connect() as connection:
        for statement in statements:
            connection.execute(statement)
        kill(driver)
    with region.connect() as connection:
        prepared = [row[3] for row in connection.execute("XA RECOVER")]
        if is_weak:  # MariaDB's recovery may leave it prepared, never lose it.
            for name in prepared:
                connection.execute(f"XA COMMIT '{name}'")
        else:
            assert prepared == (["three"] if name == "xa prepare" else [])
        assert connection.execute(query) == answer
        if name == "xa prepare":
            connection.execute("XA ROLLBACK 'three'")
