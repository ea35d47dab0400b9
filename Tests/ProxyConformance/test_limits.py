# SPDX-License-Identifier: Apache-2.0
"""Who is turned away, who is sent away after a while, and which connections to servers are kept."""
import os, signal, socket, threading, time

import psycopg
import pymysql
import pytest

from proxied import until


@pytest.fixture
def limited(cluster):
    """Has the running proxy read its file with other settings; the old ones come back."""
    text = cluster.config.read_text()

    def reload(top="", pool=""):
        read = (cluster.directory / "proxy.log").read_text().count("configuration read again")
        cluster.reload_proxy(text.replace("name: test", f"name: test\n{top}", 1).replace("pool: {", f"pool: {{{pool}", 1))
        assert until(lambda: (cluster.directory / "proxy.log").read_text().count("configuration read again") > read, 10)
        return cluster
    yield reload
    reload()


def refusal(cluster):
    try:
        cluster.connect().close()
        return None
    except psycopg.OperationalError as error:
        return str(error)


def test_too_many_clients_are_told_and_can_still_cancel(limited):
    cluster = limited("max_clients: 2")
    # Of other tests: their ends may still be under way.
    assert until(lambda: not cluster.show("clients")[1:], 10)
    busy, other = cluster.connect(), cluster.connect()
    with pytest.raises(psycopg.OperationalError, match="too many clients already"):
        cluster.connect()
    began = time.time()
    threading.Timer(0.5, busy.cancel).start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        busy.execute("SELECT pg_sleep(20)")
    assert time.time() - began < 8
    other.close()
    assert until(lambda: refusal(cluster) is None, 5)
    busy.close()

    def all_are_gone():
        return cluster.metric("ClientConnectionsReceived") == cluster.metric("ClientConnectionsClosed")
    assert until(all_are_gone, 5), "turned away is closed, too"


def test_login_rate_of_postgresql(limited):
    cluster = limited("logins_per_second: 5")
    refused = [r for r in (refusal(cluster) for _ in range(60)) if r]
    assert len(refused) >= 10
    assert all("too many log-ins a second from this address" in r for r in refused), set(refused)
    assert until(lambda: refusal(cluster) is None, 5)


def test_whoever_says_nothing_is_let_go(limited):
    cluster = limited("login_timeout_seconds: 1")
    with socket.create_connection(("127.0.0.1", cluster.port), timeout=10) as silent:
        assert silent.recv(1) == b""


@pytest.mark.parametrize("statement", ["SELECT 1", "BEGIN", "LISTEN news", "SET work_mem = '1MB'"])
def test_a_client_that_is_idle_too_long_is_disconnected(limited, statement):
    """Also within a transaction, and with a connection of its own, which others then get."""
    cluster = limited(pool="idle_client_timeout_seconds: 1, ")
    c = cluster.connect()
    c.execute(statement)
    began = time.time()
    assert until(lambda: not [x for x in cluster.show("clients") if x["user"] == "app"], 10)
    assert time.time() - began > 0.9
    with pytest.raises(psycopg.OperationalError, match="idle client timeout"):
        c.execute("SELECT 1")
    assert until(lambda: all(row["borrowed"] == "0" for row in cluster.show("pools")), 5)
    # With nothing of that client's left on it.
    with cluster.connect() as next_one:
        assert next_one.execute("SELECT count(*) FROM pg_listening_channels()").fetchone()[0] == 0


def test_a_client_that_waits_for_an_answer_is_not_idle(limited):
    cluster = limited(pool="idle_client_timeout_seconds: 1, ")
    with cluster.connect() as c:
        assert c.execute("SELECT 5 FROM pg_sleep(3)").fetchone()[0] == 5
        with c.transaction():
            for _ in range(4):
                c.execute("SELECT pg_sleep(0.6)")


def test_idle_mysql_clients(maria_impatient):
    text = maria_impatient.config.read_text()
    maria_impatient.config.write_text(text.replace("pool: {", "pool: {idle_client_timeout_seconds: 1, "))
    maria_impatient.restart_proxy()
    in_transaction, busy = maria_impatient.connect(autocommit=False), maria_impatient.connect()
    maria_impatient.value(in_transaction, "SELECT 1")
    assert maria_impatient.value(busy, "SELECT SLEEP(3)") == 0
    with pytest.raises(pymysql.err.OperationalError):
        maria_impatient.value(in_transaction, "SELECT 1")
    assert until(lambda: all(row["borrowed"] == "0" for row in maria_impatient.show("pools")), 5)


def backends(cluster):
    with cluster.primary.connect() as direct:
        return {row[0] for row in direct.execute("SELECT pid FROM pg_stat_activity WHERE usename = 'app'").fetchall()}


def test_connections_are_opened_ahead_and_grow_old(limited):
    cluster = limited(pool="min_connections: 3, ")
    with cluster.connect() as c:
        c.execute("SELECT 1")
        assert until(lambda: len(backends(cluster)) >= 3, 10), backends(cluster)
        limited(pool="connection_age_seconds: 1, ")
        time.sleep(1.1)
        old = backends(cluster)
        new = {c.execute("SELECT pg_backend_pid()").fetchone()[0] for _ in range(10)}
        assert new - old, "those that come back too old are not lent again"


def test_a_server_that_takes_connections_and_says_nothing(limited):
    """The login to it is given up, and its place in the pool is another's."""
    cluster = limited(pool="connection_age_seconds: 1, ")
    main = int((cluster.primary.data / "postmaster.pid").read_text().split()[0])
    with cluster.connect() as c:
        c.execute("SELECT 1")
        time.sleep(1.2)
        c.execute("SELECT 1")
        assert until(lambda: not backends(cluster), 5)
        failed = cluster.metric("DatabaseConnectionsSetupFailed")
        os.kill(main, signal.SIGSTOP)
        try:
            answers = []
            waiting = threading.Thread(target=lambda: answers.append(c.execute("SELECT 7").fetchone()[0]))
            waiting.start()
            assert until(lambda: cluster.metric("DatabaseConnectionsSetupFailed") > failed, 13), "no login deadline"
        finally:
            os.kill(main, signal.SIGCONT)
        waiting.join(15)
        assert answers == [7]


def test_a_kill_that_another_proxy_does_not_answer(maria):
    """The client hears of it after five seconds."""
    text = maria.config.read_text()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        maria.reload_proxy(text.replace("name: test", f"name: test\npeers: {{1: {{host: 127.0.0.1, port: {silent.getsockname()[1]}}}}}"))
        try:
            assert until(lambda: "read again" in (maria.directory / "proxy.log").read_text(), 10)
            with maria.connect() as c:
                began = time.time()
                with pytest.raises(pymysql.err.OperationalError, match="did not answer"):
                    c.cursor().execute(f"KILL QUERY {(1 << 23) + 5}")
                assert 4 < time.time() - began < 8
                assert maria.value(c, "SELECT 3") == 3
        finally:
            maria.reload_proxy(text)


def test_the_metrics_port_hangs_up_on_what_is_no_request(cluster):
    with socket.create_connection(("127.0.0.1", cluster.metrics_port), timeout=15) as s:
        s.sendall(b"GET /" + b"x" * 9000)
        assert s.recv(100) == b""
    with socket.create_connection(("127.0.0.1", cluster.metrics_port), timeout=15) as s:
        began = time.time()
        assert s.recv(100) == b""
        assert 8 < time.time() - began < 13
    with socket.create_connection(("127.0.0.1", cluster.metrics_port), timeout=15) as s:
        s.sendall(b"GET /pools HTTP/1.1\r\n\r\n")
        s.sendall(b"GET /pools HTTP/1.1\r\n\r\n")
        answer = b"".join(iter(lambda: s.recv(1 << 16), b""))
        assert answer.count(b"HTTP/1.1 200") == 1
