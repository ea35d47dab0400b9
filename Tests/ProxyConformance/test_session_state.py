# SPDX-License-Identifier: Apache-2.0
"""Session state survives changes of backend: several clients share fewer connections, each sees only its own."""
import time

import psycopg
import pytest


def pids(connection, n=1):
    return connection.execute("SELECT pg_backend_pid()").fetchone()[0]


def churn(cluster, count=6):
    """Runs transactions of others, so that the next one lands on another backend."""
    held = [cluster.connect(autocommit=False) for _ in range(3)]
    for c in held:
        c.execute("SELECT 1")
    for c in held:
        c.commit()
        c.close()


def test_settings_follow_the_client(cluster):
    a, b = cluster.connect(), cluster.connect()
    a.execute("SET statement_timeout = '7s'")
    a.execute("SET search_path TO pg_catalog, public")
    a.execute("SET TIME ZONE 'Europe/Paris'")
    b.execute("SET TIME ZONE 'Asia/Tokyo'")
    for _ in range(5):
        churn(cluster)
        assert a.execute("SHOW statement_timeout").fetchone()[0] == "7s"
        assert a.execute("SHOW search_path").fetchone()[0] == "pg_catalog, public"
        assert a.execute("SHOW timezone").fetchone()[0] == "Europe/Paris"
        assert b.execute("SHOW timezone").fetchone()[0] == "Asia/Tokyo"
        assert b.execute("SHOW statement_timeout").fetchone()[0] == "0"
    a.execute("RESET ALL")
    assert a.execute("SHOW statement_timeout").fetchone()[0] == "0"
    assert cluster.no_pins()


def test_rolled_back_settings_are_gone(cluster):
    c = cluster.connect(autocommit=False)
    c.execute("SET work_mem = '9MB'")
    c.rollback()
    churn(cluster)
    assert c.execute("SHOW work_mem").fetchone()[0] == "4MB"
    c.execute("SET work_mem = '9MB'")
    c.commit()
    churn(cluster)
    assert c.execute("SHOW work_mem").fetchone()[0] == "9MB"
    c.execute("SAVEPOINT s")
    c.execute("SET work_mem = '10MB'")
    c.execute("ROLLBACK TO s")
    c.commit()
    churn(cluster)
    assert c.execute("SHOW work_mem").fetchone()[0] == "9MB"


def test_set_config_and_do_blocks_are_found_by_asking(cluster):
    c = cluster.connect()
    c.execute("SELECT set_config('work_mem', '12MB', false)")
    c.execute("DO $$ BEGIN PERFORM set_config('my.tenant', 'acme', false); END $$")
    for _ in range(3):
        churn(cluster)
        assert c.execute("SHOW work_mem").fetchone()[0] == "12MB"
        assert c.execute("SELECT current_setting('my.tenant')").fetchone()[0] == "acme"
    assert cluster.no_pins()


def test_startup_parameters_and_options(cluster):
    c = cluster.connect(options="-c statement_timeout=4321 -c my.flag=on", application_name="conformance")
    for _ in range(3):
        churn(cluster)
        assert c.execute("SHOW statement_timeout").fetchone()[0] == "4321ms"
        assert c.execute("SHOW application_name").fetchone()[0] == "conformance"
        assert c.execute("SHOW my.flag").fetchone()[0] == "on"
    c.execute("SET statement_timeout = 1000")
    c.execute("RESET statement_timeout")
    assert c.execute("SHOW statement_timeout").fetchone()[0] == "4321ms"
    c.execute("DISCARD ALL")
    churn(cluster)
    assert c.execute("SHOW statement_timeout").fetchone()[0] == "4321ms"
    with pytest.raises(psycopg.OperationalError, match="work_mem"):
        cluster.connect(options="-c work_mem=notanumber")


def test_set_role_is_replayed(cluster):
    c = cluster.connect(user="postgres", password="pw", dbname="app")
    c.execute("SET ROLE app")
    for _ in range(3):
        other = cluster.connect(user="postgres", password="pw", dbname="app")
        assert other.execute("SELECT current_user").fetchone()[0] == "postgres"
        other.close()
        assert c.execute("SELECT current_user").fetchone()[0] == "app"
    c.execute("RESET ROLE")
    assert c.execute("SELECT current_user").fetchone()[0] == "postgres"


def test_sql_prepared_statements_are_shared_by_name(cluster):
    a, b = cluster.connect(), cluster.connect()
    a.execute("PREPARE p (int) AS SELECT $1 + 1")
    b.execute("PREPARE p (int) AS SELECT $1 + 100")
    for _ in range(4):
        churn(cluster)
        assert a.execute("EXECUTE p(1)", prepare=False).fetchone()[0] == 2
        assert b.execute("EXECUTE p(1)", prepare=False).fetchone()[0] == 101
    with pytest.raises(psycopg.errors.DuplicatePreparedStatement, match='"p"'):
        a.execute("PREPARE p AS SELECT 1")
    a.execute("DEALLOCATE p")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName, match='"p"'):
        a.execute("EXECUTE p(1)")
    b.execute("DEALLOCATE ALL")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        b.execute("EXECUTE p(1)")
    assert cluster.no_pins()


def test_pins_are_shown_and_end(cluster):
    c = cluster.connect()
    c.execute("CREATE TEMP TABLE t (x int)")
    pins = cluster.pins()
    assert [p["reason"] for p in pins] == ["temporary object"] and "temp" in pins[0]["statement"].lower()
    c.execute("DROP TABLE t")
    assert cluster.no_pins()
    c.execute("SELECT pg_advisory_lock(42)")
    assert [p["reason"] for p in cluster.pins()] == ["advisory lock"]
    c.execute("SELECT pg_advisory_unlock(42)")
    assert cluster.no_pins()
    c.execute("LISTEN news")
    assert [p["reason"] for p in cluster.pins()] == ["listen"]
    c.execute("UNLISTEN *")
    assert cluster.no_pins()
    with c.transaction():
        c.execute("DECLARE cur CURSOR WITH HOLD FOR SELECT generate_series(1, 5)")
    assert [p["reason"] for p in cluster.pins()] == ["cursor with hold"]
    c.execute("CLOSE cur")
    assert cluster.no_pins()
    c.execute("CREATE TEMP TABLE t (x int)")
    c.execute("DISCARD ALL")
    assert cluster.no_pins()


def test_notifications_reach_a_listener(cluster):
    listener, sender = cluster.connect(), cluster.connect()
    listener.execute("LISTEN news")
    sender.execute("NOTIFY news, 'hello'")
    note = next(listener.notifies(timeout=10))
    assert (note.channel, note.payload) == ("news", "hello")
    listener.close()
    time.sleep(0.2)
    assert cluster.no_pins()


def test_temp_tables_do_not_leak(cluster):
    c = cluster.connect()
    c.execute("CREATE TEMP TABLE leak (x int)")
    c.close()
    time.sleep(0.3)
    for _ in range(6):
        d = cluster.connect()
        assert d.execute("SELECT to_regclass('leak')").fetchone()[0] is None
        d.close()


def test_abandoned_transactions_are_rolled_back(cluster):
    a = cluster.connect()
    a.execute("CREATE TABLE IF NOT EXISTS abandoned (x int)")
    a.execute("TRUNCATE abandoned")
    c = cluster.connect(autocommit=False)
    c.execute("INSERT INTO abandoned VALUES (1)")
    c.pgconn.finish()
    time.sleep(0.2)
    assert a.execute("SELECT count(*) FROM abandoned").fetchone()[0] == 0
    a.execute("DROP TABLE abandoned")
