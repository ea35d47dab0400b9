# SPDX-License-Identifier: Apache-2.0
"""Whether two MariaDB servers hold the same, row by row: tables, definitions, accounts, prepared XA transactions."""

import hashlib
import re

from harness.region import until
from maria_wire import Connection

# Of an instance, not of the cluster: its own accounts, what it was told by the other one, and statistics that each gathers.
OWN_ACCOUNTS = ("borealis", "borealis_link", "rdsrepladmin", "mariadb.sys")
SCHEMAS = ("information_schema", "performance_schema", "mysql", "sys")


def wait_until_replayed(writer, reader, deadline=200):
    """Until the reader has everything that the writer has now; returns that position."""
    position = writer.value("SELECT @@GLOBAL.gtid_binlog_pos")

    def has_it():
        assert reader.value(f"SELECT MASTER_GTID_WAIT('{position}', 5)") is not None
        return covers(reader.value("SELECT @@GLOBAL.gtid_slave_pos"), position)

    until(f"the reader has replayed {position}", has_it, deadline)
    return position


def covers(have, wanted):
    """Whether a GTID position includes another."""
    numbers = {gtid.split("-")[0]: int(gtid.split("-")[2]) for gtid in have.split(",") if gtid}
    return all(numbers.get(g.split("-")[0], 0) >= int(g.split("-")[2]) for g in wanted.split(",") if g)


def contents(connection):
    """What a server holds: a name -> a text or a digest."""
    found = {}
    tables = connection.execute(
        "SELECT table_schema, table_name, table_type FROM information_schema.tables "
        f"WHERE table_schema NOT IN {SCHEMAS} ORDER BY 1, 2")
    for schema, table, kind in tables:
        name = f"`{schema}`.`{table}`"
        made = connection.execute(f"SHOW CREATE TABLE {name}")[0][1]
        # Both know the next number once there is a row with the one before it; the server may round it up at a start.
        found[f"definition of {name}"] = re.sub(r" AUTO_INCREMENT=\d+", "", made)
        if kind == "BASE TABLE":
            found[name] = digest(connection.execute(f"SELECT * FROM {name}"))
    for host, user, rights in connection.execute("SELECT Host, User, Priv FROM mysql.global_priv"):
        if user not in OWN_ACCOUNTS:
            found[f"account {user}@{host}"] = rights
    found["schemas"] = str(sorted(connection.execute("SHOW DATABASES")))
    found["prepared"] = str(sorted(row[3] for row in connection.execute("XA RECOVER")))
    return found


def digest(rows):
    total = hashlib.sha256()
    for row in sorted(repr(row) for row in rows):
        total.update(row.encode())
    return f"{len(rows)} rows, {total.hexdigest()}"


def compare(writer_url, reader_url):
    """What differs, with the writer at rest: one line each."""
    with Connection(writer_url, timeout=120) as writer, Connection(reader_url, timeout=120) as reader:
        wait_until_replayed(writer, reader)
        ours, theirs = contents(writer), contents(reader)
    assert any("rows" in value for value in ours.values())
    return [f"{name}: the writer has {ours.get(name)}, the reader {theirs.get(name)}"
            for name in sorted(set(ours) | set(theirs)) if ours.get(name) != theirs.get(name)]
