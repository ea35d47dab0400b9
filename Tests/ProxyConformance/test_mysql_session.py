# SPDX-License-Identifier: Apache-2.0
"""MySQL session state survives changes of backend: several clients share fewer connections, each sees only its own."""
import time

import mysql.connector
import pymysql
import pytest

from test_mysql_drivers import one


def run(connection, *statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def churn(maria):
    """Transactions of others, so that the next one lands on another backend."""
    held = [maria.connect(autocommit=False) for _ in range(3)]
    for c in held:
        run(c, "BEGIN", "SELECT 1", "SET @churn = 9, sql_mode = ''")
    for c in held:
        c.commit()
        c.close()


def test_backends_are_shared(maria):
    clients = [maria.connect() for _ in range(20)]
    assert len({one(c, "SELECT CONNECTION_ID()") for c in clients}) <= 4
    for c in clients:
        c.close()


def test_settings_follow_the_client(maria):
    a, b = maria.connect(), maria.connect()
    run(a, "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI')", "SET time_zone = '+05:00'", "SET @x = 'it''s', @n = -2.5",
        "SET NAMES utf8mb4 COLLATE utf8mb4_bin", "SET max_statement_time = 2.5, foreign_key_checks = 0",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    run(b, "SET time_zone = '-03:00'")
    for _ in range(4):
        churn(maria)
        assert "ANSI" in one(a, "SELECT @@sql_mode")
        assert one(a, "SELECT @@time_zone") == "+05:00"
        assert one(a, "SELECT @@collation_connection") == "utf8mb4_bin"
        assert float(one(a, "SELECT @@max_statement_time")) == 2.5
        assert one(a, "SELECT @@foreign_key_checks") == 0
        assert one(a, "SELECT @@tx_isolation") == "READ-COMMITTED"
        assert (one(a, "SELECT @x"), float(one(a, "SELECT @n"))) == ("it's", -2.5)
        assert one(b, "SELECT @@time_zone") == "-03:00"
        assert one(b, "SELECT @x") is None
        assert one(b, "SELECT @@foreign_key_checks") == 1
        assert one(b, "SELECT @churn") is None
        assert one(b, "SELECT @@collation_connection") == "utf8mb4_general_ci"
    assert maria.no_pins()


def test_variables_assigned_by_expressions(maria):
    c = maria.connect()
    run(c, "SELECT @total := 40 + 2", "SELECT 'ü', 7.25 INTO @s, @d", "SET @big = REPEAT('ab', 100)", "SET @e = 1e100")
    for _ in range(4):
        churn(maria)
        assert one(c, "SELECT CONCAT(@total, '|', @s, '|', @d, '|', LENGTH(@big), '|', @e + 0)") == "42|ü|7.25|200|1e100"
    assert maria.no_pins()


def test_procedures_with_effects_on_the_session(maria):
    c = maria.connect()
    run(c, "CREATE OR REPLACE PROCEDURE effects() BEGIN SET SESSION max_join_size = 12345; SET @inside = 5; END",
        "CREATE OR REPLACE PROCEDURE temps() CREATE TEMPORARY TABLE made_inside (x int)")
    run(c, "CALL effects()")
    for _ in range(3):
        churn(maria)
        assert one(c, "SELECT @@max_join_size") == 12345
        assert one(c, "SELECT @inside") == 5
    assert maria.no_pins()
    run(c, "CALL temps()")
    assert one(c, "SELECT COUNT(*) FROM made_inside") == 0
    assert maria.reasons() == ["server process state"]
    c.close()
    assert maria.no_pins()


def test_use_and_lost_databases(maria):
    c = maria.connect(database=None)
    assert one(c, "SELECT DATABASE()") is None
    run(c, "USE other")
    for _ in range(3):
        churn(maria)
        assert one(c, "SELECT DATABASE()") == "other"
        fresh = maria.connect(database=None)
        assert one(fresh, "SELECT DATABASE()") is None
        fresh.close()
    boss, victim = maria.connect(user="boss", password="boss"), maria.connect(user="boss", password="boss")
    run(boss, "CREATE DATABASE shortlived")
    victim.select_db("shortlived")
    run(boss, "DROP DATABASE shortlived")
    churn(maria)
    assert one(victim, "SELECT 5") == 5
    victim.select_db("app")
    assert one(victim, "SELECT DATABASE()") == "app"
    with pytest.raises(pymysql.err.OperationalError):
        c.select_db("nonesuch")
    assert one(c, "SELECT DATABASE()") == "other"
    assert maria.no_pins()


def test_autocommit_and_transactions(maria):
    a, b = maria.connect(autocommit=False), maria.connect()
    run(b, "CREATE OR REPLACE TABLE ac (x int PRIMARY KEY)")
    run(a, "INSERT INTO ac VALUES (1)")
    assert one(b, "SELECT COUNT(*) FROM ac") == 0
    a.rollback()
    churn(maria)
    run(a, "INSERT INTO ac VALUES (2)")
    a.commit()
    assert one(b, "SELECT COUNT(*) FROM ac") == 1
    # A failed first statement leaves a transaction open when autocommit is off: the next one must join it.
    with pytest.raises(pymysql.err.IntegrityError):
        run(a, "INSERT INTO ac VALUES (2)")
    run(a, "INSERT INTO ac VALUES (3)")
    churn(maria)
    assert one(a, "SELECT COUNT(*) FROM ac") == 2
    a.rollback()
    assert one(b, "SELECT COUNT(*) FROM ac") == 1
    assert one(a, "SELECT @@autocommit") == 0 and one(b, "SELECT @@autocommit") == 1
    a.rollback()
    run(b, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "START TRANSACTION", "SELECT * FROM ac")
    a2 = maria.connect()
    run(a2, "SET innodb_lock_wait_timeout = 1")
    with pytest.raises(pymysql.err.OperationalError) as info:
        run(a2, "UPDATE ac SET x = 9 WHERE x = 2")
    assert info.value.args[0] == 1205
    run(b, "COMMIT")
    run(b, "DROP TABLE ac")
    assert maria.no_pins()


def test_last_insert_id(maria):
    c, d = maria.connect(), maria.connect()
    run(c, "CREATE OR REPLACE TABLE ids (id int AUTO_INCREMENT PRIMARY KEY, v int)")
    for n in range(4):
        run(c, "INSERT INTO ids (v) VALUES (1), (2), (3)")
        mine = c.insert_id()
        run(d, "INSERT INTO ids (v) VALUES (9)")
        churn(maria)
        assert one(c, "SELECT LAST_INSERT_ID()") == mine
        assert one(d, "SELECT LAST_INSERT_ID()") == mine + 3
        run(c, "BEGIN", "INSERT INTO ids (v) SELECT LAST_INSERT_ID()", "COMMIT")
        assert one(c, f"SELECT v FROM ids WHERE id = {mine + 4}") == mine
        fresh = maria.connect()
        assert one(fresh, "SELECT LAST_INSERT_ID()") == 0
        fresh.close()
    run(c, "DROP TABLE ids")
    assert maria.no_pins()


def test_prepared_statements_are_shared_and_follow(maria):
    connections = [mysql.connector.connect(**maria.dsn(), use_pure=True, ssl_disabled=True, autocommit=True)
                   for _ in range(8)]
    cursors = [c.cursor(prepared=True) for c in connections]
    for round in range(6):
        for n, cursor in enumerate(cursors):
            # The type of the parameter changes from client to client, and from round to round.
            value = n + round if n % 2 else f"{n + round}"
            cursor.execute("SELECT ?, ? + 1", (value, round))
            row = cursor.fetchone()
            assert (str(row[0]), int(row[1])) == (str(value), round + 1)
        if round == 2:
            churn(maria)
    for c in connections:
        c.close()
    assert maria.no_pins()


def test_sql_prepare_is_replayed(maria):
    a, b = maria.connect(), maria.connect()
    run(a, "PREPARE p FROM 'SELECT ? + 1'", "SET @arg = 1")
    run(b, "PREPARE p FROM 'SELECT ? + 100'", "SET @arg = 1")
    for _ in range(4):
        churn(maria)
        assert int(one(a, "EXECUTE p USING @arg")) == 2
        assert int(one(b, "EXECUTE p USING @arg")) == 101
    run(a, "DEALLOCATE PREPARE p")
    churn(maria)
    with pytest.raises(pymysql.err.MySQLError) as info:
        run(a, "EXECUTE p USING @arg")
    assert info.value.args[0] == 1243
    assert maria.no_pins()


def test_pins_are_shown_and_end(maria):
    c = maria.connect()
    run(c, "CREATE TEMPORARY TABLE t (x int, y varchar(9) DEFAULT 'secret')")
    pins = maria.pins()
    assert [p["reason"] for p in pins] == ["temporary object"]
    assert "TEMPORARY" in pins[0]["statement"] and "secret" not in pins[0]["statement"]
    run(c, "INSERT INTO t (x) VALUES (1)")
    assert one(c, "SELECT y FROM t") == "secret"
    run(c, "DROP TABLE t")
    assert maria.no_pins()
    run(c, "CREATE TABLE IF NOT EXISTS plain (x int)", "LOCK TABLES plain WRITE")
    assert maria.reasons() == ["table lock"]
    run(c, "UNLOCK TABLES")
    assert maria.no_pins()
    assert one(c, "SELECT GET_LOCK('a', 1)") == 1
    assert maria.reasons() == ["advisory lock"]
    other = maria.connect()
    assert one(other, "SELECT GET_LOCK('a', 0)") == 0
    assert one(c, "SELECT RELEASE_LOCK('a')") == 1
    assert maria.no_pins()
    assert one(c, "SELECT GET_LOCK('b', 1)") == 1
    c.close()
    assert maria.no_pins()
    deadline = time.time() + 5
    while one(other, "SELECT GET_LOCK('b', 0)") != 1:
        assert time.time() < deadline, "the lock outlives its client"
    run(other, "DO RELEASE_ALL_LOCKS()")
    run(other, "XA START 'x'")
    assert maria.reasons() == ["XA transaction"]
    run(other, "XA END 'x'", "XA ROLLBACK 'x'", "DROP TABLE plain")
    assert maria.no_pins()


def test_temporary_tables_do_not_leak(maria):
    c = maria.connect()
    run(c, "CREATE TEMPORARY TABLE leak (x int)")
    c.close()
    for _ in range(6):
        d = maria.connect()
        with pytest.raises(pymysql.err.ProgrammingError):
            run(d, "SELECT * FROM leak")
        d.close()


def test_abandoned_transactions_are_rolled_back(maria):
    a = maria.connect()
    run(a, "CREATE OR REPLACE TABLE abandoned (x int)")
    c = maria.connect(autocommit=False)
    run(c, "INSERT INTO abandoned VALUES (1)")
    c._force_close()
    run(a, "SET lock_wait_timeout = 5")
    run(a, "DROP TABLE abandoned")


def test_reset_connection(maria):
    c = mysql.connector.connect(**maria.dsn(), use_pure=True, ssl_disabled=True)
    cursor = c.cursor()
    cursor.execute("SET @x = 5, time_zone = '+01:00'")
    cursor.execute("CREATE TEMPORARY TABLE gone (x int)")
    assert maria.reasons() == ["temporary object"]
    c.cmd_reset_connection()
    assert maria.no_pins()
    cursor.execute("SELECT @x, @@time_zone, DATABASE()")
    assert cursor.fetchone() == (None, "SYSTEM", "app")
    with pytest.raises(mysql.connector.Error):
        cursor.execute("SELECT * FROM gone")
    c.close()
