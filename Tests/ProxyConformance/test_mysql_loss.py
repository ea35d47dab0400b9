# SPDX-License-Identifier: Apache-2.0
"""KILL, queueing, lost backends and failover for MySQL clients."""
import threading, time

import pymysql
import pytest

from test_mysql_drivers import one
from test_mysql_session import run


@pytest.mark.parametrize("spell", ["KILL QUERY {}", "KILL {}"])
def test_kill_reaches_the_right_backend(maria, spell):
    bystander, killer = maria.connect(), maria.connect()
    c = maria.connect()
    threading.Timer(0.7, lambda: run(killer, spell.format(c.thread_id()))).start()
    began = time.time()
    if "QUERY" in spell:
        with pytest.raises(pymysql.err.OperationalError) as info:
            run(c, "SELECT SUM(SLEEP(0.2)), COUNT(DISTINCT seq) FROM seq_1_to_100")
        assert info.value.args[0] == 1317
        assert one(c, "SELECT 2") == 2
    else:
        with pytest.raises(pymysql.err.OperationalError):
            run(c, "SELECT SLEEP(20)")
        with pytest.raises(pymysql.err.MySQLError):
            run(c, "SELECT 1")
    assert time.time() - began < 8
    assert one(bystander, "SELECT 1") == 1


def test_kill_is_for_owners(maria):
    c, boss = maria.connect(), maria.connect(user="boss", password="boss")
    with pytest.raises(pymysql.err.MySQLError) as info:
        run(c, f"KILL QUERY {boss.thread_id()}")
    assert info.value.args[0] == 1095
    with pytest.raises(pymysql.err.MySQLError) as info:
        run(c, "KILL QUERY 999999999")
    assert info.value.args[0] == 1094
    run(boss, f"KILL {c.thread_id()}")
    with pytest.raises(pymysql.err.MySQLError):
        run(c, "SELECT 1")


def test_clients_queue_and_time_out(maria):
    holders = [maria.connect() for _ in range(4)]
    for h in holders:
        run(h, "BEGIN")
    waiter = maria.connect()
    threading.Timer(1, lambda: run(holders[0], "COMMIT")).start()
    began = time.time()
    assert one(waiter, "SELECT 5") == 5
    assert 0.5 < time.time() - began < 8
    run(holders[0], "BEGIN")
    killer = maria.connect(user="boss", password="boss")
    threading.Timer(0.7, lambda: run(killer, f"KILL QUERY {waiter.thread_id()}")).start()
    with pytest.raises(pymysql.err.OperationalError) as info:
        run(waiter, "SELECT 6")
    assert info.value.args[0] == 1317
    for h in holders:
        run(h, "ROLLBACK")
    assert one(waiter, "SELECT 7") == 7


def test_borrowing_times_out(maria_impatient):
    holders = [maria_impatient.connect() for _ in range(2)]
    for h in holders:
        run(h, "BEGIN")
    waiter = maria_impatient.connect()
    with pytest.raises(pymysql.err.MySQLError) as info:
        run(waiter, "SELECT 1")
    assert info.value.args[0] == 9501
    run(holders[0], "COMMIT")
    assert one(waiter, "SELECT 2") == 2


def test_a_killed_backend_is_an_error_not_a_disconnect(maria):
    c, boss = maria.connect(), maria.primary.connect()
    threading.Timer(0.7, lambda: run(boss, f"KILL {backend(maria, c)}")).start()
    with pytest.raises(pymysql.err.OperationalError):
        run(c, "SELECT SLEEP(20)")
    assert one(c, "SELECT 1") == 1
    t = maria.connect()
    run(t, "BEGIN")
    run(boss, f"KILL {backend(maria, t)}")
    with pytest.raises(pymysql.err.OperationalError):
        run(t, "SELECT 1")


def backend(maria, connection):
    return next(c["backend_pid"] for c in maria.show("clients") if c["client"] == str(connection.thread_id()))


def test_idle_clients_survive_a_restart(maria_pair):
    clients = [maria_pair.connect() for _ in range(10)]
    for i, c in enumerate(clients):
        run(c, f"SET @n = {i}, max_join_size = {i + 1000}")
    maria_pair.primary.stop()
    results = []
    thread = threading.Thread(target=lambda: results.append(one(clients[0], "SELECT @@max_join_size")))
    thread.start()
    time.sleep(1)
    assert results == []
    maria_pair.primary.start()
    thread.join(15)
    assert results == [1000]
    for i, c in enumerate(clients):
        assert (one(c, "SELECT @n"), one(c, "SELECT @@max_join_size")) == (i, i + 1000)


def test_failover_to_the_replica(maria_pair):
    with maria_pair.connect() as c:
        run(c, "CREATE TABLE f (x int)")
    reader = maria_pair.connect(port=maria_pair.reader_port)
    assert one(reader, "SELECT @@read_only") == 1
    clients = [maria_pair.connect() for _ in range(5)]
    busy = maria_pair.connect()
    run(busy, "BEGIN", "INSERT INTO f VALUES (100)")
    maria_pair.wait_for_replica()
    maria_pair.primary.stop(hard=True)
    maria_pair.promote()
    promoted = time.time()
    for i, c in enumerate(clients):
        run(c, f"INSERT INTO f VALUES ({i})")
        if i == 0:
            print(f"the first write came {time.time() - promoted:.2f} s after the promotion")
            assert time.time() - promoted < 1.5
    assert one(clients[0], "SELECT COUNT(*) FROM f") == 5
    with pytest.raises(pymysql.err.OperationalError):
        run(busy, "COMMIT")


def test_a_writer_that_becomes_read_only_is_left(maria_pair):
    c = maria_pair.connect()
    run(c, "CREATE TABLE g (x int)")
    maria_pair.wait_for_replica()
    maria_pair.primary.run("SET GLOBAL read_only=ON")
    maria_pair.promote()
    # What reaches the old writer in the meantime fails with the server's own error, or as lost when the proxy has heard of the new
    # writer before it has heard the old one take back that it is the writer; nothing is lost or doubled.
    deadline = time.time() + 5
    while True:
        try:
            run(c, "INSERT INTO g VALUES (1)")
            break
        except pymysql.err.OperationalError as error:
            assert error.args[0] in (1290, 2013) and time.time() < deadline
    with maria_pair.replica.connect(database="app") as direct:
        assert one(direct, "SELECT COUNT(*) FROM g") == 1


def test_tls(maria_tls):
    with maria_tls.connect(ssl={"ca": str(maria_tls.directory / "cert.pem")}, host="localhost") as c:
        assert one(c, "SELECT LENGTH(REPEAT('x', 5000000))") == 5000000
        assert len(one(c, "SELECT REPEAT('x', 5000000)")) == 5000000
    with maria_tls.connect() as c:
        assert one(c, "SELECT 1") == 1
    for user in ["clear", "sha"]:
        with maria_tls.connect(user=user, ssl={"ca": str(maria_tls.directory / "cert.pem")}, host="localhost") as c:
            assert one(c, "SELECT CURRENT_USER()") == "app@%"
    config = maria_tls.config
    config.write_text(config.read_text().replace("tls: {cert", "require_tls: true, tls: {cert"))
    with pytest.raises(pymysql.err.OperationalError) as info:
        maria_tls.restart_proxy(patience=0, ssl_disabled=True)
    assert info.value.args[0] == 3159


def test_two_proxies_pass_kills_on(maria_peers):
    one_proxy, other_port = maria_peers
    c = one_proxy.connect()
    killer = one_proxy.connect(port=other_port)
    threading.Timer(0.7, lambda: run(killer, f"KILL QUERY {c.thread_id()}")).start()
    began = time.time()
    with pytest.raises(pymysql.err.OperationalError) as info:
        run(c, "SELECT SLEEP(20)")
    assert info.value.args[0] == 1317
    assert time.time() - began < 8
