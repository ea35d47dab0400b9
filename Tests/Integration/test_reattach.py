# SPDX-License-Identifier: Apache-2.0
"""The local directory is a cache: thrown away, capped and evicted, while the data stays what it was."""

import contextlib
import re
import subprocess
import threading
import time

import pytest

from harness.bank import SETTINGS, create
from harness.region import PG_BIN, amcheck, kill, until

TABLES = {
    "wide": "SELECT i AS id, repeat(md5(i::text), 20) AS body FROM generate_series(1, 20000) i",
    "narrow": "SELECT i AS id, i * 7 % 1000 AS n FROM generate_series(1, 60000) i",
    "words": "SELECT i AS id, ARRAY['a' || i % 17, 'b' || i % 31] AS list FROM generate_series(1, 10000) i",
}


def fill(region):
    with region.connect() as connection:
        for name, query in TABLES.items():
            connection.execute(f"CREATE TABLE {name} AS {query}")
        connection.execute("CREATE INDEX ON wide (id)")
        connection.execute("CREATE INDEX ON wide USING hash (body)")
        connection.execute("CREATE INDEX ON narrow USING brin (id)")
        connection.execute("CREATE INDEX ON words USING gin (list)")
        connection.execute("CREATE DATABASE other")
        connection.execute("CREATE EXTENSION amcheck")
        connection.execute("DELETE FROM narrow WHERE id % 5 = 0")
        connection.execute("VACUUM narrow")
        # Large objects, sequences, and a table that shrank.
        connection.execute("SELECT lo_from_bytea(424242, decode(repeat('ab', 500000), 'hex'))")
        connection.execute("CREATE SEQUENCE counter START 1000")
        connection.execute("SELECT nextval('counter') FROM generate_series(1, 100)")
        connection.execute("CREATE TABLE shrunk AS SELECT i FROM generate_series(1, 50000) i")
        connection.execute("DELETE FROM shrunk WHERE i > 100")
        connection.execute("VACUUM shrunk")


def checksums(region):
    with region.connect() as connection:
        sums = {
            name: connection.execute(f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {name} t").fetchone()
            for name in [*TABLES, "shrunk"]}
        sums["object"] = connection.execute("SELECT md5(lo_get(424242))").fetchone()
        sums["counter"] = connection.execute("SELECT last_value FROM counter").fetchone()
        sums["catalog"] = connection.execute("SELECT count(*), sum(hashtext(relname)) FROM pg_class WHERE oid < 16384").fetchone()
        return sums


def detach_cache(region):
    """Returns when the volume is attached again, under a higher epoch."""
    epoch = region.cluster()["epoch"]
    region.command("volume", "detach-cache")
    region.wait(
        "it is attached again",
        lambda s: s["clusters"][0]["status"] == "available" and s["clusters"][0]["epoch"] > epoch)


def allocated(region):
    """Bytes that the local files take on the disk: holes count nothing."""
    total = 0
    for path in (region.directory / "instances").glob("*/volume/**/*"):
        try:
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_blocks * 512
        except OSError:
            pass
    return total


@pytest.fixture(scope="module", params=[
    pytest.param(("compact", []), id="compact"),
    pytest.param(("zones", ["--group-bytes", "4M"]), id="zones-4M", marks=pytest.mark.long)])
def region(request, make_region):
    layout, arguments = request.param
    region = make_region(layout=layout, arguments=arguments)
    # What is fetched ahead is counted by tests of its own.
    region.up(*SETTINGS, "--prefetch-bytes", "0")
    region.arguments = []
    fill(region)
    return region


def test_detach_cache(region):
    before = checksums(region)
    for _ in range(2):
        detach_cache(region)
        assert checksums(region) == before
    amcheck(region.url)


def test_a_cold_cache_is_sparse(region):
    """Attaching fetches what is touched, not the volume."""
    checksums(region)
    warm = allocated(region)
    detach_cache(region)
    cold = allocated(region)
    assert cold < warm / 2, f"{cold} bytes right after attach, {warm} when warm"
    driver = region.cluster()["driver"]
    assert driver["fetches"] > 0 and driver["fetchedBytes"] > 0


def notes(region):
    return list((region.directory / "instances").glob("*/cache.json"))


def test_a_clean_stop_keeps_the_cache(region):
    """What was in the cache is there after `down` and `up`, and is what it was; a crash leaves nothing to rely on."""
    before = checksums(region)
    region.down()
    warm = allocated(region)
    assert len(notes(region)) == 1
    region.up()
    assert not notes(region), "whatever crashes from here on must find none"
    assert allocated(region) > warm * 9 / 10
    assert checksums(region) == before
    amcheck(region.url)
    region.crash()
    region.up()
    assert allocated(region) < warm / 2
    assert checksums(region) == before


def test_the_note_of_an_older_state_is_not_trusted(region):
    region.down()
    [note] = notes(region)
    text = note.read_text()
    region.up()
    with region.connect() as connection:
        connection.execute("CREATE TABLE since AS SELECT i FROM generate_series(1, 1000) i")
    region.crash()
    note.write_text(text)
    region.up()
    with region.connect() as connection:
        assert connection.execute("SELECT count(*), sum(i) FROM since").fetchone() == (1000, 500500)
        connection.execute("DROP TABLE since")
    amcheck(region.url)


def test_the_note_of_another_boot_is_not_trusted(region):
    """The cache is never flushed: after a power failure it may be anything."""
    before = checksums(region)
    region.down()
    warm = allocated(region)
    [note] = notes(region)
    note.write_text(re.sub('"boot":"[^"]*"', '"boot":"another"', note.read_text()))
    region.up()
    assert allocated(region) < warm / 2
    assert checksums(region) == before


@pytest.mark.long
def test_a_lost_cache_between_down_and_up(region):
    """Nothing that matters is in the local directory."""
    import shutil

    before = checksums(region)
    region.down()
    for path in (region.directory / "instances").glob("*/volume"):
        shutil.rmtree(path)
    region.up()
    assert checksums(region) == before


@pytest.mark.long
def test_written_data_survives_a_dropped_cache(region):
    with region.connect() as connection:
        connection.execute("CREATE TABLE late AS SELECT i, md5(i::text) AS m FROM generate_series(1, 3000) i")
        connection.execute("UPDATE late SET m = 'changed' WHERE i % 3 = 0")
        [before] = connection.execute("SELECT md5(string_agg(m, ',' ORDER BY i)) FROM late").fetchone()
    detach_cache(region)
    with region.connect() as connection:
        assert connection.execute("SELECT md5(string_agg(m, ',' ORDER BY i)) FROM late").fetchone() == (before,)
        connection.execute("DROP TABLE late")


@pytest.mark.long
def test_cold_reads_with_a_zone_down(region):
    before = checksums(region)
    region.wait_caught_up()
    region.fault("kill-az", "a")
    detach_cache(region)
    assert checksums(region) == before
    region.heal()
    region.wait_nodes()


def test_cache_cap_with_eviction(region):
    """Far below the size of the data: reads and writes go on and stay right, and the files stay near the cap."""
    before = checksums(region)
    region.down()
    cap = 24 << 20
    region.up("--cache-bytes", cap, "--set", "shared_buffers=8MB")
    try:
        for _ in range(3):
            assert checksums(region) == before
        with region.connect() as connection:
            connection.execute("CREATE TABLE more AS SELECT i, repeat(md5(i::text), 30) AS body FROM generate_series(1, 30000) i")
            connection.execute("CHECKPOINT")
            count = connection.execute("SELECT count(*), count(DISTINCT body) FROM more").fetchone()
            assert count == (30000, 30000)
        assert checksums(region) == before
        until("the local files shrink to near the cap", lambda: allocated(region) < 2 * cap, 60,
              context=lambda: f"{allocated(region)} bytes, cap {cap}, {region.cluster()['driver']}")
        assert region.cluster()["driver"]["evictedBytes"] > 0
        assert checksums(region) == before
        amcheck(region.url)
        # Under a writer that never rests.
        detach_cache(region)
        assert checksums(region) == before
    finally:
        region.down()
        region.up("--cache-bytes", "0", "--set", "shared_buffers=128MB")
    assert checksums(region) == before


def test_files_in_use_are_fetched_ahead(region):
    """One row of a table is touched after an attach, and soon all of its file is there, and right; other files stay as they are."""
    before = checksums(region)
    region.down()
    region.up("--prefetch-bytes", "1G")

    def present(table):
        with region.connect() as connection:
            [path] = connection.execute("SELECT pg_relation_filepath(%s)", [table]).fetchone()
        [file] = (region.directory / "instances").glob(f"*/volume/*/{path}")
        return file.stat().st_blocks * 512 / file.stat().st_size

    try:
        detach_cache(region)
        assert region.cluster()["driver"]["fetches"] > 0
        with region.connect() as connection:
            connection.execute("SET enable_seqscan = off")
            connection.execute("SELECT * FROM wide WHERE id = 15000")
            # Written while it is being filled.
            connection.execute("UPDATE wide SET body = body WHERE id % 500 = 0")
        until("the table that was touched is all there", lambda: present("wide") > 0.99, 60,
              context=lambda: f"{present('wide')} {region.cluster()['driver']}")
        assert present("words") < 0.5, "nobody has touched it"
        assert region.cluster()["driver"]["prefetchedBytes"] > 4 << 20
        assert checksums(region) == before
        amcheck(region.url)
    finally:
        region.down()
        region.up("--prefetch-bytes", "0")


def test_what_the_engine_says_it_will_read_is_fetched_ahead(region):
    """A bitmap scan and a recovery name blocks before they wait for them."""
    def hinted():
        return region.cluster()["driver"]["hintedBytes"]

    detach_cache(region)
    ids = list(range(1, 20000, 150))
    with region.connect() as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_indexscan = off")
        query = "SELECT count(*), count(DISTINCT body) FROM wide WHERE id = ANY(%s)"
        plan = str(connection.execute("EXPLAIN " + query, [ids]).fetchall())
        assert "Bitmap Heap Scan" in plan, plan
        assert connection.execute(query, [ids]).fetchone() == (len(ids), len(ids))
        assert hinted() > 0
        connection.execute("CHECKPOINT")
        connection.execute("UPDATE wide SET body = body WHERE id % 50 = 0")
    before, epoch = checksums(region), region.cluster()["epoch"]
    kill(region.process(region.driver_role))
    region.wait(
        "the engine has recovered with a cold cache",
        lambda s: s["clusters"][0]["status"] == "available" and s["clusters"][0]["epoch"] > epoch)
    assert hinted() > 0
    assert checksums(region) == before
    amcheck(region.url)


@pytest.mark.parametrize("layout", ["zones", pytest.param("compact", marks=pytest.mark.long)])
def test_the_cap_holds_under_load(make_region, layout):
    """Clients write and read all over a table that is several times the cap; the files stay near it all the while."""
    region = make_region(layout=layout)
    cap = 32 << 20
    region.up("--cache-bytes", cap, "--set", "shared_buffers=8MB", "--set", "max_wal_size=64MB")
    url = region.url
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    subprocess.run([f"{PG_BIN}/pgbench", "-i", "-q", "-s", "8", url], check=True, timeout=300, **quiet)

    def used():
        """Without the WAL, which is not evicted."""
        wal = 0
        for path in (region.directory / "instances").glob("*/volume/*/pg_wal/*"):
            with contextlib.suppress(OSError):
                wal += path.stat().st_blocks * 512
        return allocated(region) - wal

    until("what the load left over is evicted", lambda: used() < 1.5 * cap, 60, context=used)
    load = subprocess.Popen([f"{PG_BIN}/pgbench", "-n", "-M", "prepared", "-c", "8", "-j", "2", "-T", "12", url], **quiet)
    sizes = []
    try:
        while load.poll() is None:
            sizes.append(used())
            time.sleep(0.5)
    finally:
        if load.poll() is None:
            load.kill()
            load.wait(30)
    assert load.returncode == 0
    # The WAL counts towards the cap, so all else may be evicted; what a burst adds goes within a moment.
    assert len(sizes) > 5 and sorted(sizes)[len(sizes) * 3 // 4] < 2 * cap, sizes
    driver = region.cluster()["driver"]
    assert driver["evictedBytes"] > cap and driver["fetchedBytes"] > cap, driver
    with region.connect() as connection:
        sums = connection.execute(
            "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),"
            " (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history)").fetchone()
        assert len(set(sums)) == 1, sums
        connection.execute("CREATE EXTENSION amcheck")
    amcheck(url)


@pytest.mark.long
def test_crash_with_a_capped_cache(make_region, seed):
    """Evicted blocks of a killed engine come back from the nodes."""
    from harness.bank import Bank

    region = make_region()
    region.up(*SETTINGS, "--cache-bytes", 16 << 20, "--set", "shared_buffers=4MB")
    with region.connect() as connection:
        create(connection)
        connection.execute("CREATE TABLE ballast AS SELECT i, repeat(md5(i::text), 30) AS body FROM generate_series(1, 40000) i")
    bank = Bank(region, seed, plain=3, two_phase=0, tables=1, databases=0)
    bank.start()
    reading = threading.Event()

    def read():
        while not reading.is_set():
            try:
                with region.connect() as connection:
                    while not reading.is_set():
                        connection.execute("SELECT count(DISTINCT body) FROM ballast WHERE i % 7 = 0")
            except Exception:
                pass

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        for _ in range(3):
            bank.wait_for_commits(100)
            region.fault("crash-writer")
            region.wait_available()
        bank.wait_for_commits(20)
        bank.pause()
        bank.check()
    finally:
        reading.set()
        bank.stop()
        thread.join(60)
    amcheck(region.url)
    with region.connect() as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT body) FROM ballast").fetchone() == (40000, 40000)
