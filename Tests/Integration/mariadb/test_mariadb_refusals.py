# SPDX-License-Identifier: Apache-2.0
"""What cannot work is refused with the reason: no programs, files of a newer server, files of another engine."""

import sqlite3

from harness.region import until


def reason(region):
    status = region.status()
    return (status["clusters"][0]["reason"] or "") if status and status["clusters"] else ""


def test_a_missing_program_is_named(make_maria, tmp_path):
    region = make_maria()
    result = region.command("up", "--detach", "--engine", "mariadb", "--mariadb-bin", tmp_path, check=False)
    lines = result.stderr.strip().splitlines()
    assert result.returncode != 0 and len(lines) == 1 and lines[0].startswith("borealis: error: "), result.stderr
    assert f"no program mariadbd or mysqld in or beside {tmp_path}" in lines[0] and "--mariadb-bin" in lines[0]
    assert not (region.directory / "metadata.sqlite").exists()


def test_files_of_a_newer_server_are_refused(make_maria, tmp_path):
    region = make_maria()
    region.up()
    with region.connect() as connection:
        connection.execute("CREATE DATABASE kept")
    region.down()
    older = tmp_path / "bin"
    older.mkdir()
    tmp_path.chmod(0o755)
    for name, text in {
        "mariadbd": 'case "$*" in *--version*) echo "mariadbd  Ver 10.6.1-MariaDB for Linux";; *) exec /usr/sbin/mariadbd "$@";; esac',
        "mariadb-install-db": "exit 1",
    }.items():
        (older / name).write_text(f"#!/bin/sh\n{text}\n")
        (older / name).chmod(0o755)
    result = region.command("up", "--detach", "--timeout", "10", "--mariadb-bin", older, check=False)
    assert result.returncode != 0
    until("the reason is given", lambda: "MariaDB 10.11, newer than this server" in reason(region), 60, context=region.describe)
    region.down()
    region.up()
    with region.connect() as connection:
        assert connection.execute("SHOW DATABASES LIKE 'kept'") == [("kept",)]


def test_files_of_another_engine_are_refused(make_maria):
    """The metadata says MariaDB of a volume that PostgreSQL filled."""
    region = make_maria()
    region.arguments = []
    region.up("--engine", "postgres")
    region.down()
    with sqlite3.connect(region.directory / "metadata.sqlite") as metadata:
        [(table,)] = metadata.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'cluster%'").fetchall()
        metadata.execute(f"UPDATE {table} SET engine = 'mariadb'")
    metadata.close()
    result = region.command("up", "--detach", "--timeout", "10", check=False)
    assert result.returncode != 0
    until("the reason is given", lambda: "is not a data directory of MariaDB" in reason(region), 60, context=region.describe)
