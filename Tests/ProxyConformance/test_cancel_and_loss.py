# SPDX-License-Identifier: Apache-2.0
"""Cancel requests, queueing, lost backends, failover."""
import asyncio, signal, socket, struct, subprocess, threading, time

import asyncpg
import psycopg
import pytest

from proxied import until


def test_cancel_reaches_the_right_backend(cluster):
    bystander = cluster.connect()
    c = cluster.connect()
    threading.Timer(0.7, c.cancel).start()
    began = time.time()
    with pytest.raises(psycopg.errors.QueryCanceled):
        c.execute("SELECT pg_sleep(20)")
    assert time.time() - began < 8
    assert bystander.execute("SELECT 1").fetchone()[0] == 1
    assert c.execute("SELECT 2").fetchone()[0] == 2


def test_clients_queue_and_time_out(cluster):
    holders = [cluster.connect(autocommit=False) for _ in range(4)]
    for h in holders:
        h.execute("SELECT 1")
    waiter = cluster.connect()
    threading.Timer(1, holders[0].commit).start()
    began = time.time()
    assert waiter.execute("SELECT 5").fetchone()[0] == 5
    assert 0.5 < time.time() - began < 8
    for h in holders:
        h.rollback()
        h.close()


def test_a_killed_backend_is_an_error_not_a_disconnect(cluster):
    c = cluster.connect()
    with pytest.raises(psycopg.Error) as info:
        c.execute("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(1)")
    assert info.value.sqlstate == "57P01"
    assert c.execute("SELECT 1").fetchone()[0] == 1
    t = cluster.connect(autocommit=False)
    t.execute("SELECT 1")
    with pytest.raises(psycopg.Error) as info:
        t.execute("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(1)")
    assert info.value.sqlstate == "57P01"


def test_idle_clients_survive_a_restart(failover_cluster):
    cluster = failover_cluster
    clients = [cluster.connect() for _ in range(10)]
    for i, c in enumerate(clients):
        c.execute(f"SET work_mem = '{i + 10}MB'")
        c.execute("SELECT %s::int", (i,), prepare=True)
    cluster.primary.stop()
    results = []
    def ask():
        results.append(clients[0].execute("SHOW work_mem").fetchone()[0])
    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(1)
    assert results == []
    cluster.primary.start()
    thread.join(15)
    assert results == ["10MB"]
    for i, c in enumerate(clients):
        assert c.execute("SHOW work_mem").fetchone()[0] == f"{i + 10}MB"
        assert c.execute("SELECT %s::int", (i,), prepare=True).fetchone()[0] == i


def test_failover_to_the_standby(failover_cluster):
    cluster = failover_cluster
    with cluster.connect() as c:
        c.execute("CREATE TABLE f (x int)")
    reader = cluster.connect(port=cluster.reader_port)
    assert reader.execute("SELECT pg_is_in_recovery()").fetchone()[0] is True
    clients = [cluster.connect() for _ in range(5)]
    cluster.primary.stop("immediate")
    began = time.time()
    cluster.standby.promote()
    promoted = time.time()
    for i, c in enumerate(clients):
        c.execute("INSERT INTO f VALUES (%s)", (i,))
        if i == 0:
            print(f"promotion took {promoted - began:.2f} s, the first write came {time.time() - promoted:.2f} s later")
            assert time.time() - promoted < 1.5
    assert clients[0].execute("SELECT count(*) FROM f").fetchone()[0] == 5


def sleeping(c, server):
    """Has `c` run a long statement; gives a function that waits for the code of its error."""
    text, outcome = "SELECT pg_sleep(100)", []

    def sleep():
        try:
            c.execute(text)
        except psycopg.OperationalError as error:
            outcome.append(error.sqlstate)
    thread = threading.Thread(target=sleep)
    thread.start()
    with server.connect() as direct:
        running = f"SELECT 1 FROM pg_stat_activity WHERE query = '{text}'"
        assert until(lambda: direct.execute(running).fetchone(), 10)

    def ended():
        thread.join(20)
        return outcome
    return ended


def test_a_frozen_server_keeps_nobody_waiting(failover_cluster):
    """A host that is cut off closes no connection: a reader is left after seconds, a writer when there is another."""
    cluster = failover_cluster
    with cluster.connect() as c:
        c.execute("CREATE TABLE f (x int)")
    reader = cluster.connect(port=cluster.reader_port)
    assert until(lambda: reader.execute("SELECT to_regclass('f')").fetchone()[0], 10)
    idle, busy = [cluster.connect() for _ in range(3)], cluster.connect()
    for c in idle:
        c.execute("SET work_mem = '7MB'")

    reading = sleeping(reader, cluster.standby)
    late = threading.Thread(target=lambda: idle[0].execute("INSERT INTO f VALUES (0)"))
    for server in cluster.servers:
        server.freeze()
    try:
        assert reading() == ["08006"]
        late.start()
        # It is not sent to a writer that does not answer.
        assert until(lambda: [c for c in cluster.show("clients") if c["state"] == "waiting"], 5)
    finally:
        for server in cluster.servers:
            server.freeze(signal.SIGCONT)
    late.join(15)
    assert reader.execute("SELECT pg_is_in_recovery()").fetchone()[0] is True
    assert idle[1].execute("SELECT count(*) FROM f").fetchone()[0] == 1

    writing = sleeping(busy, cluster.primary)
    cluster.primary.freeze()
    try:
        cluster.standby.promote()
        for c in idle:
            c.execute("INSERT INTO f VALUES (1)")
            assert c.execute("SHOW work_mem").fetchone()[0] == "7MB"
        assert writing() == ["08006"]
        assert busy.execute("SELECT count(*) FROM f").fetchone()[0] == 4
    finally:
        cluster.primary.freeze(signal.SIGCONT)


def test_the_newest_writer_is_known_at_once(failover_cluster):
    """Two say that they are the writer, and the promoted one's checkpoint, which tells its control file, takes minutes."""
    cluster = failover_cluster
    with cluster.connect() as c:
        c.execute("CREATE TABLE f AS SELECT i, repeat('x', 500) FROM generate_series(1, 40000) i")
        position = c.execute("SELECT pg_current_wal_lsn()").fetchone()[0]
        with cluster.standby.connect() as standby:
            replayed = f"SELECT pg_last_wal_replay_lsn() >= '{position}'"
            assert until(lambda: standby.execute(replayed).fetchone()[0], 20)
        cluster.standby.promote()

        def port():
            return c.execute("SELECT inet_server_port()").fetchone()[0]
        assert until(lambda: port() == cluster.standby.port, 5), "the old writer still counts"
    with cluster.standby.connect() as direct:
        timeline = direct.execute("SELECT timeline_id FROM pg_control_checkpoint()").fetchone()[0]
    assert timeline == 1, "the checkpoint was too quick to show anything"


def name_of_both_families():
    for name in ["localhost", "ip6-localhost", socket.gethostname()]:
        try:
            found = {info[4][0] for info in socket.getaddrinfo(name, 1, type=socket.SOCK_STREAM)}
        except OSError:
            continue
        if found >= {"127.0.0.1", "::1"}:
            return name
    return None


def test_a_target_whose_name_has_two_addresses(cluster):
    """The server listens at the second one only."""
    name = name_of_both_families()
    if not name:
        pytest.skip("no name here is both 127.0.0.1 and ::1")
    text = cluster.config.read_text()
    try:
        cluster.reload_proxy(text.replace("- {host: 127.0.0.1, port", f"- {{host: {name}, port"))
        assert until(lambda: f"{name}:{cluster.primary.port}" in {row["target"] for row in cluster.show("targets")}, 10)
        with cluster.connect() as c:
            assert until(lambda: c.execute("SELECT 1").fetchone()[0] == 1, 10)
    finally:
        cluster.reload_proxy(text)


def test_a_waiting_query_can_be_cancelled(cluster):
    holders = [cluster.connect(autocommit=False) for _ in range(4)]
    for h in holders:
        h.execute("SELECT 1")
    waiter = cluster.connect()
    threading.Timer(0.7, waiter.cancel).start()
    began = time.time()
    with pytest.raises(psycopg.errors.QueryCanceled):
        waiter.execute("SELECT 1")
    assert time.time() - began < 6
    for h in holders:
        h.rollback()
        h.close()
    assert waiter.execute("SELECT 2").fetchone()[0] == 2


def test_two_proxies_pass_cancels_on(peers):
    """The client is one of the first proxy's; the request to cancel comes to the second."""
    cluster, port = peers

    async def go():
        c = await asyncpg.connect(cluster.url())
        key = c._protocol.backend_pid, c._protocol.backend_secret
        running = asyncio.ensure_future(c.execute("SELECT pg_sleep(30)"))
        while cluster.primary.connect().execute(
                "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'").fetchone()[0] == 0:
            await asyncio.sleep(0.05)

        def cancel(pid, secret):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
                s.sendall(struct.pack("!iiii", 16, 80877102, pid, secret))
                s.recv(1)
        # A wrong secret does nothing.
        cancel(key[0], key[1] ^ 1)
        await asyncio.sleep(0.3)
        assert not running.done()
        cancel(*key)
        with pytest.raises(asyncpg.exceptions.QueryCanceledError):
            await asyncio.wait_for(running, 10)
        assert await c.fetchval("SELECT 1") == 1
        await c.close()
    asyncio.run(go())
