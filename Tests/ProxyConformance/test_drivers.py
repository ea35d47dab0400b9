# SPDX-License-Identifier: Apache-2.0
"""Drivers and frameworks with their default habits: everything works and nothing pins."""
import asyncio, concurrent.futures, os, subprocess, threading, time

import asyncpg
import psycopg
import psycopg2
import pytest
import sqlalchemy as sa

from habits import habits_of_django, habits_of_jdbc
from proxied import until


def test_psycopg_default(cluster):
    with cluster.connect(autocommit=False) as c:
        for i in range(20):
            assert c.execute("SELECT %s::int + 1", (i,)).fetchone()[0] == i + 1
            c.commit()
        with pytest.raises(psycopg.errors.DivisionByZero):
            c.execute("SELECT 1/0")
        c.rollback()
        assert c.execute("SELECT 1").fetchone()[0] == 1
    assert cluster.no_pins()


def test_psycopg_many_clients_share_statements(cluster):
    def work(n):
        with cluster.connect() as c:
            for i in range(30):
                assert c.execute("SELECT %s::int * %s::int", (i, n)).fetchone()[0] == i * n
                assert c.execute("SELECT %s::text", (f"{n}",)).fetchone()[0] == f"{n}"
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(12)))
    assert cluster.no_pins()


def test_psycopg_pipeline(cluster):
    with cluster.connect() as c:
        with c.pipeline() as p:
            cursors = [c.execute("SELECT %s::int", (i,)) for i in range(50)]
            p.sync()
            assert [x.fetchone()[0] for x in cursors] == list(range(50))
        with pytest.raises(psycopg.errors.DivisionByZero):
            with c.pipeline():
                c.execute("SELECT 1")
                c.execute("SELECT 1/0")
                c.execute("SELECT 2")
        assert c.execute("SELECT 3").fetchone()[0] == 3
    assert cluster.no_pins()


def test_psycopg_statement_cache_overflow(cluster):
    with cluster.connect() as c:
        c.prepare_threshold = 0
        c.prepared_max = 5
        for i in range(40):
            assert c.execute(f"SELECT {i} + %s::int", (1,)).fetchone()[0] == i + 1
    assert cluster.no_pins()


def test_copy_both_ways(cluster):
    with cluster.connect() as c:
        c.execute("DROP TABLE IF EXISTS copied")
        c.execute("CREATE TABLE copied (a int, b text)")
        with c.cursor().copy("COPY copied FROM STDIN") as copy:
            for i in range(20000):
                copy.write_row((i, "x" * 50))
        assert c.execute("SELECT count(*), sum(a) FROM copied").fetchone() == (20000, 199990000)
        with c.cursor().copy("COPY copied TO STDOUT") as copy:
            assert sum(1 for _ in copy.rows()) == 20000
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            with c.cursor().copy("COPY copied FROM STDIN") as copy:
                for _ in range(3000):
                    copy.write("no\tnumber\n")
        assert c.execute("SELECT 1").fetchone()[0] == 1
        c.execute("DROP TABLE copied")
    assert cluster.no_pins()


def test_large_values_are_streamed(cluster):
    with cluster.connect() as c:
        big = "y" * (20 << 20)
        assert len(c.execute("SELECT %s::text", (big,)).fetchone()[0]) == len(big)
        assert c.execute("SELECT length(repeat('z', 30000000))").fetchone()[0] == 30000000
        assert len(c.execute("SELECT repeat('z', 30000000)").fetchone()[0]) == 30000000
        assert c.execute(f"SELECT length('{'q' * 2000000}')", prepare=False).fetchone()[0] == 2000000
    rss = int(next(l for l in open(f"/proc/{cluster.proxy.pid}/status") if l.startswith("VmRSS")).split()[1])
    assert rss < 300_000, f"the proxy holds {rss} kB"


def test_answers_keep_their_order_for_a_client_that_does_not_read(cluster):
    """Until nothing moves any more: then the proxy has kept what the client's socket did not take, and goes on behind that."""
    sizes = [10, 300_000, 5, 1000, 100_000, 70_000]
    with cluster.connect() as c, cluster.primary.connect() as direct:
        pg = c.pgconn
        pg.enter_pipeline_mode()
        for n in range(300):
            pg.send_query_params(b"SELECT %d, repeat('%d', %d)" % (n, n % 10, sizes[n % 6]), None)
            if n % 50 == 49:
                pg.pipeline_sync()
        pg.flush()
        stuck = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite'"
        assert until(lambda: direct.execute(stuck).fetchone()[0], 10)
        for n in range(300):
            result = pg.get_result()
            assert result.get_value(0, 0) == b"%d" % n
            assert result.get_value(0, 1) == b"%d" % (n % 10) * sizes[n % 6]
            assert pg.get_result() is None
            if n % 50 == 49:
                assert pg.get_result().status == psycopg.pq.ExecStatus.PIPELINE_SYNC
        pg.exit_pipeline_mode()
        assert c.execute("SELECT 1").fetchone()[0] == 1


def test_errors_pass_unchanged(cluster):
    with cluster.connect() as c, cluster.primary.connect() as direct:
        for statement in ["SELEC 1", "SELECT nothing FROM nowhere", "SELECT 'a'::int", "EXECUTE nope", "SELECT 1/0"]:
            with pytest.raises(psycopg.Error) as one:
                c.execute(statement)
            with pytest.raises(psycopg.Error) as two:
                direct.execute(statement)
            assert (one.value.sqlstate, str(one.value)) == (two.value.sqlstate, str(two.value))


def test_asyncpg_pool(cluster):
    async def go():
        pool = await asyncpg.create_pool(cluster.url(), min_size=8, max_size=8)
        async def work(n):
            for i in range(20):
                async with pool.acquire() as c:
                    assert await c.fetchval("SELECT $1::int + $2::int", i, n) == i + n
                    async with c.transaction():
                        assert await c.fetchval("SELECT count(*) FROM generate_series(1, $1)", 5) == 5
                        rows = [r async for r in c.cursor("SELECT generate_series(1, 120)")]
                        assert len(rows) == 120
        await asyncio.gather(*[work(n) for n in range(8)])
        async with pool.acquire() as c:
            await c.execute("CREATE TABLE IF NOT EXISTS am (a int)")
            await c.executemany("INSERT INTO am VALUES ($1)", [(i,) for i in range(100)])
            assert await c.fetchval("SELECT count(*) FROM am") == 100
            assert (await c.copy_records_to_table("am", records=[(1,)] * 1000)) == "COPY 1000"
            await c.execute("DROP TABLE am")
            with pytest.raises(asyncpg.exceptions.DivisionByZeroError):
                await c.fetchval("SELECT 1/$1", 0)
        assert cluster.no_pins()
        await pool.close()
    asyncio.run(go())
    assert cluster.no_pins()


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgresql+psycopg2"])
def test_sqlalchemy(cluster, scheme):
    engine = sa.create_engine(cluster.url(scheme), pool_size=6)
    meta = sa.MetaData()
    table = sa.Table("sa_t", meta, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String))
    meta.drop_all(engine)
    meta.create_all(engine)
    def work(n):
        for i in range(10):
            with engine.begin() as c:
                c.execute(table.insert(), {"name": f"{n}-{i}"})
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    with engine.connect() as c:
        assert c.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 60
    with engine.connect() as c:
        assert c.execution_options(isolation_level="SERIALIZABLE").execute(sa.text("SHOW transaction_isolation")).scalar() == "serializable"
    meta.drop_all(engine)
    assert cluster.no_pins()
    engine.dispose()


def test_psycopg2(cluster):
    c = psycopg2.connect(**cluster.dsn())
    with c, c.cursor() as cur:
        cur.execute("SELECT %s + 1", (1,))
        assert cur.fetchone()[0] == 2
    c.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with c, c.cursor() as cur:
        cur.execute("SHOW transaction_isolation")
        assert cur.fetchone()[0] == "repeatable read"
    with c, c.cursor(name="server_side") as cur:
        cur.execute("SELECT generate_series(1, 5000)")
        assert len(cur.fetchall()) == 5000
    c.close()
    assert cluster.no_pins()


def test_django(cluster):
    habits_of_django("postgresql", cluster.port)
    assert cluster.no_pins()


def test_jdbc(cluster):
    habits_of_jdbc("postgresql", f"jdbc:postgresql://127.0.0.1:{cluster.port}/app?user=app&password=app",
                   "serial PRIMARY KEY", "SELECT pg_sleep(30)")
    assert cluster.no_pins()


def psql(cluster, *args, **kw):
    env = dict(os.environ, PGPASSWORD="app")
    return subprocess.run(["psql", "-X", "-h", "127.0.0.1", "-p", str(cluster.port), "-U", "app", "-d", "app", "-At", *args],
                          env=env, capture_output=True, text=True, timeout=60, **kw)


def test_psql(cluster):
    result = psql(cluster, "-c", "SELECT 1; SELECT 2", "-c", r"\d", "-c", "SHOW client_encoding")
    assert result.returncode == 0 and result.stdout.split()[:2] == ["1", "2"]
    result = psql(cluster, "-f", "-", input="BEGIN; CREATE TABLE pt (x int);\n\\copy pt from stdin\n1\n2\n\\.\nSELECT sum(x) FROM pt; ROLLBACK;\n")
    assert "3" in result.stdout.split()


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench(cluster, mode):
    env = dict(os.environ, PGPASSWORD="app")
    base = ["pgbench", "-h", "127.0.0.1", "-p", str(cluster.port), "-U", "app"]
    if psql(cluster, "-c", "SELECT to_regclass('pgbench_accounts')").stdout.strip() == "":
        subprocess.run(base + ["-i", "-q", "app"], env=env, check=True, capture_output=True, timeout=120)
    result = subprocess.run(base + ["-n", "-M", mode, "-c", "12", "-t", "40", "app"], env=env, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0 and "number of failed transactions: 0" in result.stdout, result.stderr
    assert cluster.no_pins()


def test_wrong_password_and_unknown_users(cluster):
    for kw in [dict(password="wrong"), dict(user="nobody", password="x"), dict(user="old", password="bad")]:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            cluster.connect(**kw)
    with pytest.raises(psycopg.OperationalError, match='database "nonesuch" does not exist'):
        cluster.connect(dbname="nonesuch")
    assert cluster.connect(user="old", password="old", dbname="app").execute("SELECT current_user").fetchone()[0] == "old"


def test_metrics(cluster):
    """By the proxy, by endpoint, by target and by role, each with what is its own."""
    endpoint, target = dict(EndpointName="rw"), dict(TargetGroup="default", Target=f"127.0.0.1:{cluster.primary.port}")
    role = dict(TargetGroup="default", TargetRole="READ_WRITE")
    with cluster.connect(autocommit=False) as c, cluster.connect() as pinned:
        c.execute("SELECT 1")
        pinned.execute("LISTEN news")
        found = cluster.metrics()
        names = {labels: {n for n, own in found if own == labels} for _, labels in found}
        own = names['{ProxyName="test",EndpointName="rw"}']
        assert {"ClientConnections", "QueryRequests", "DatabaseConnectionsBorrowLatency_microseconds_count"} <= own
        assert not {n for n in own if n in ("AvailabilityPercentage", "DatabaseConnections", "MaxDatabaseConnectionsAllowed")}
        for labels in ({}, target, role):
            assert cluster.metric("DatabaseConnections", **labels) >= 2
            assert cluster.metric("DatabaseConnectionsCurrentlyBorrowed", **labels) >= 2
            assert cluster.metric("DatabaseConnectionsCurrentlyInTransaction", **labels) == 1
            assert cluster.metric("DatabaseConnectionsCurrentlySessionPinned", **labels) == 1
            assert cluster.metric("DatabaseConnectionsSetupSucceeded", **labels) >= 2
            assert cluster.metric("DatabaseConnectionRequests", **labels) >= 2
        assert cluster.metric("AvailabilityPercentage", **role) == 100
        assert cluster.metric("ClientConnections", **endpoint) >= 2
    c, requests = cluster.connect(), cluster.metric("QueryRequests", **endpoint)
    samples = cluster.metric("QueryResponseLatency_microseconds_count", **endpoint)
    microseconds = cluster.metric("QueryResponseLatency_microseconds_sum", **endpoint)
    c.execute("BEGIN")
    time.sleep(0.7)
    c.execute("COMMIT")
    # A transaction is as many samples as it has requests, and what the client does in between is not the server's time.
    assert until(lambda: cluster.metric("QueryResponseLatency_microseconds_count", **endpoint) == samples + 2, 3)
    assert cluster.metric("QueryResponseLatency_microseconds_sum", **endpoint) - microseconds < 500_000
    with c.pipeline() as pipeline:
        for _ in range(20):
            c.execute("SELECT 1")
            pipeline.sync()
    assert cluster.metric("QueryRequests", **endpoint) >= requests + 22, "each of a pipeline counts"
    c.close()


def test_metrics_of_what_has_left(cluster):
    """A target that is none any more is shown with nothing, and a percentage of a target's connections is its maximum."""
    text = cluster.config.read_text()
    stranger = dict(TargetGroup="default", Target="127.0.0.1:1")
    reader = dict(TargetGroup="default", TargetRole="READ_ONLY")
    target = dict(TargetGroup="default", Target=f"127.0.0.1:{cluster.primary.port}")
    changed = text.replace("    targets:\n", "    targets:\n      - {host: 127.0.0.1, port: 1}\n")
    cluster.reload_proxy(changed.replace("max_connections: 4", "target_max_connections: 8, max_connections_percent: 50"))
    try:
        assert until(lambda: cluster.metric("AvailabilityPercentage") == 50, 10)
        assert ("AvailabilityPercentage", f'{{ProxyName="test",TargetGroup="default",TargetRole="READ_ONLY"}}') in cluster.metrics()
        assert cluster.metric("AvailabilityPercentage", **reader) == 0
        with cluster.connect() as one, cluster.connect(user="postgres", password="pw") as two:
            one.execute("SELECT 1")
            two.execute("SELECT 1")
            assert cluster.metric("MaxDatabaseConnectionsAllowed", **target) == 4
            assert cluster.metric("MaxDatabaseConnectionsAllowed") == 4
        assert not cluster.metric("DatabaseConnections", **stranger)
    finally:
        cluster.reload_proxy(text)
    assert until(lambda: cluster.metric("AvailabilityPercentage") == 100, 10)
    assert cluster.metric("MaxDatabaseConnectionsAllowed", **target) == 0
