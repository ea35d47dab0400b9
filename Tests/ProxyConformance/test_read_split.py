# SPDX-License-Identifier: Apache-2.0
"""READ_WRITE listeners with read_write_split: reads run on a reader that has what the session wrote, or on the writer."""
import psycopg
import pymysql
import pytest

from conftest import Cluster, made, made_maria
from proxied import until

WHERE = "SELECT inet_server_port()"
MARIA_WHERE = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'PORT'"


@pytest.fixture(scope="module")
def pair():
    yield from made(Cluster, standby=True, pool=4)


@pytest.fixture(scope="module")
def maria_readers():
    yield from made_maria(replica=True)


def split(cluster, **kw):
    c = cluster.connect(port=cluster.split_port, **kw)
    c.prepare_threshold = None
    return c


def port_of(c):
    return c.execute(WHERE).fetchone()[0]


def test_reads_go_to_the_standby_and_see_what_the_session_wrote(pair):
    cluster = pair
    writer, reader = cluster.primary.port, cluster.standby.port
    c = split(cluster)
    c.execute("CREATE TABLE t (x int)")
    assert until(lambda: port_of(c) == reader, 10), "no read ever took the reader"
    # Own writes, at once, again and again: from whichever of the two has them.
    for i in range(200):
        c.execute("INSERT INTO t VALUES (%s)", (i,))
        assert c.execute("SELECT max(x) FROM t").fetchone()[0] == i
    assert c.execute("SELECT sum(x) FROM t WHERE x > %s", (5,), prepare=True).fetchone()[0] == sum(range(6, 200))
    # Inside a transaction everything is the writer's, and so is what locks or writes.
    with c.transaction():
        assert port_of(c) == writer
    assert c.execute("SELECT x, inet_server_port() FROM t WHERE x = 1 FOR UPDATE").fetchone()[1] == writer
    assert c.execute("WITH n AS (INSERT INTO t VALUES (1000) RETURNING x) SELECT x FROM n").fetchone()[0] == 1000
    # A function writes though its call looks like a read: the reader refuses it, the client does not notice.
    c.execute("CREATE FUNCTION w() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (7) RETURNING inet_server_port()'")
    assert until(lambda: port_of(c) == reader, 10)
    assert c.execute("SELECT w()").fetchone()[0] == writer
    # An error is the writer's own; the session goes on.
    with pytest.raises(psycopg.errors.DivisionByZero):
        c.execute("SELECT 1 / 0")
    # An answer that is longer than what is held back.
    rows = c.execute("SELECT repeat('x', 1000) FROM generate_series(1, 2000)").fetchall()
    assert len(rows) == 2000 and all(len(row[0]) == 1000 for row in rows)
    assert not cluster.pins()


def test_a_reader_that_lags_is_not_asked(pair):
    cluster = pair
    c = split(cluster)
    c.execute("CREATE TABLE lag (x int)")
    assert until(lambda: port_of(c) == cluster.standby.port, 10)
    with cluster.standby.connect() as standby:
        standby.execute("SELECT pg_wal_replay_pause()")
        c.execute("INSERT INTO lag VALUES (1)")
        for _ in range(5):
            assert c.execute("SELECT count(*), min(inet_server_port()) FROM lag").fetchone() == (1, cluster.primary.port)
        # Somebody else wrote nothing: the reader is good enough.
        assert port_of(split(cluster)) == cluster.standby.port
        standby.execute("SELECT pg_wal_replay_resume()")
    assert until(lambda: port_of(c) == cluster.standby.port, 10)
    assert c.execute("SELECT count(*) FROM lag").fetchone()[0] == 1


def test_pipelined_reads_and_writes_keep_their_order(pair):
    c = split(pair)
    c.execute("CREATE TABLE piped (x int)")
    with c.pipeline():
        cursors = []
        for i in range(20):
            c.execute("INSERT INTO piped VALUES (%s)", (i,))
            cursors.append(c.execute("SELECT count(*) FROM piped"))
    assert [cursor.fetchone()[0] for cursor in cursors] == list(range(1, 21))


def test_a_lost_reader_is_not_noticed(pair):
    cluster = pair
    clients = [split(cluster) for _ in range(4)]
    for c in clients:
        assert until(lambda: port_of(c) == cluster.standby.port, 10)
    cluster.standby.stop("immediate")
    for c in clients:
        assert port_of(c) == cluster.primary.port
    cluster.standby.start()
    for c in clients:
        assert until(lambda: port_of(c) == cluster.standby.port, 10)


def test_an_endpoint_for_readers_without_readers_says_so(cluster):
    with pytest.raises(psycopg.OperationalError, match="no reader among its targets"):
        cluster.connect(port=cluster.reader_port).execute("SELECT 1")


def maria_split(cluster):
    return cluster.connect(port=cluster.split_port)


def maria_port_of(cluster, c):
    return int(cluster.value(c, MARIA_WHERE))


def test_mariadb_reads_go_to_the_replica_and_see_what_the_session_wrote(maria_readers):
    cluster = maria_readers
    writer, reader = cluster.primary.port, cluster.replica.port
    c = maria_split(cluster)
    with c.cursor() as cursor:
        cursor.execute("CREATE TABLE t (x INT)")
        assert until(lambda: maria_port_of(cluster, c) == reader, 10), "no read ever took the reader"
        for i in range(200):
            cursor.execute("INSERT INTO t VALUES (%s)", (i,))
            assert cluster.value(c, "SELECT MAX(x) FROM t") == i
        c.begin()
        assert maria_port_of(cluster, c) == writer
        c.commit()
    with cluster.primary.connect(database="app") as direct:
        direct.cursor().execute("CREATE FUNCTION w() RETURNS INT DETERMINISTIC MODIFIES SQL DATA "
                                "BEGIN INSERT INTO t VALUES (1000); RETURN 1; END")
    assert until(lambda: maria_port_of(cluster, c) == reader, 10)
    assert cluster.value(c, "SELECT w()") == 1
    assert cluster.value(cluster.primary.connect(database="app"), "SELECT COUNT(*) FROM t WHERE x = 1000") == 1
    cluster.wait_for_replica()
    assert cluster.value(cluster.replica.connect(database="app"), "SELECT COUNT(*) FROM t WHERE x = 1000") == 1
    with pytest.raises(pymysql.err.OperationalError):
        cluster.value(c, "SELECT no_such_column FROM t")
    assert cluster.value(c, "SELECT 1") == 1


def test_a_replica_that_lags_is_not_asked(maria_readers):
    cluster = maria_readers
    c = maria_split(cluster)
    with c.cursor() as cursor:
        cursor.execute("CREATE TABLE lag (x INT)")
        assert until(lambda: maria_port_of(cluster, c) == cluster.replica.port, 10)
        cluster.replica.run("STOP SLAVE SQL_THREAD")
        cursor.execute("INSERT INTO lag VALUES (1)")
    for _ in range(3):
        assert cluster.value(c, "SELECT COUNT(*) FROM lag") == 1
    assert maria_port_of(cluster, c) == cluster.primary.port
    cluster.replica.run("START SLAVE")
    assert until(lambda: maria_port_of(cluster, c) == cluster.replica.port, 15)
    assert cluster.value(c, "SELECT COUNT(*) FROM lag") == 1


def test_a_lost_replica_is_not_noticed(maria_readers):
    cluster = maria_readers
    c = maria_split(cluster)
    assert until(lambda: maria_port_of(cluster, c) == cluster.replica.port, 10)
    cluster.replica.stop(hard=True)
    assert maria_port_of(cluster, c) == cluster.primary.port
