# SPDX-License-Identifier: Apache-2.0
"""Real faults on real processes, under load, in both layouts: what keeps going, what waits and says so, and that nothing is lost."""

import json
import threading
import time

import psycopg
import pytest

from harness.bank import SETTINGS, Bank, create
from harness.region import until

NODES = ["a1", "a2", "b1", "b2", "c1", "c2"]


@pytest.fixture(scope="module", params=["compact", "zones"])
def region(request, make_region):
    region = make_region(layout=request.param)
    region.up(*SETTINGS)
    with region.connect() as connection:
        create(connection)
    return region


@pytest.fixture
def bank(region, seed):
    """Each test has a bank of its own, with an account table that starts anew."""
    region.heal()
    region.wait_available()
    with region.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS account, ledger, notebook")
        create(connection)
    bank = Bank(region, seed, plain=3, two_phase=0, tables=0, databases=0)
    bank.start()
    bank.wait_for_commits(20)
    yield bank
    region.heal()
    region.wait_available()
    region.wait_nodes()
    bank.wait_for_commits(10)
    bank.pause()
    bank.check()
    assert not any(c.errors for c in bank.clients if not getattr(bank, "may_break", False)), [c.errors for c in bank.clients]
    region.wait_caught_up()
    bank.stop()


def state_of(region, node):
    return next(n["state"] for n in region.status()["nodes"] if n["id"] == node)


def commits_stand_still(bank, seconds=3):
    """No commit is acknowledged. Those that were under way may finish first."""
    time.sleep(1)
    before = bank.commits
    time.sleep(seconds)
    return bank.commits == before


def waits_and_says_so(region, bank):
    """Below the write quorum: nothing is acknowledged, the engine lives on, status says waiting and why."""
    status = region.wait("status says that commits wait", lambda s: s["clusters"][0]["status"] == "waiting", 60)
    assert commits_stand_still(bank)
    reason = region.cluster()["reason"]
    assert "4 of 6" in reason, reason
    return status


@pytest.mark.long("zones")
def test_kill_one_node(region, bank):
    region.fault("kill-node", "b2")
    region.wait_nodes("down", ["b2"])
    assert any("kill-node b2" in fault for fault in region.status()["faults"])
    bank.wait_for_commits(50)
    assert region.status()["clusters"][0]["status"] == "available"
    region.heal()
    region.wait_nodes("up")
    assert region.status()["faults"] == []
    region.wait_caught_up()


@pytest.mark.long
def test_start_node(region, bank):
    region.fault("kill-node", "c1")
    region.wait_nodes("down", ["c1"])
    bank.wait_for_commits(30)
    region.fault("start-node", "c1")
    region.wait_nodes("up", ["c1"])
    region.wait_caught_up()
    assert region.status()["faults"] == []


@pytest.mark.long
def test_two_nodes_anywhere(region, bank, rng):
    nodes = rng.sample(NODES, 2)
    for node in nodes:
        region.fault("kill-node", node)
    region.wait_nodes("down", nodes)
    bank.wait_for_commits(50)


@pytest.mark.long
def test_kill_zone(region, bank):
    """Losing a zone keeps writes going."""
    storage = {p["role"]: p["pid"] for p in region.status()["processes"]}
    region.fault("kill-az", "a")
    region.wait_nodes("down", ["a1", "a2"])
    bank.wait_for_commits(50)
    region.wait_available()
    if region.layout == "zones":
        status = region.status()
        [lost] = [p for p in status["processes"] if p["role"] == "storage-a"]
        assert lost["pid"] is None
        assert {p["role"]: p["pid"] for p in status["processes"] if p["role"] != "storage-a"} == {
            role: pid for role, pid in storage.items() if role != "storage-a"}
    region.heal()
    region.wait_nodes("up")
    region.wait_caught_up()


@pytest.mark.long("compact")
def test_heal_at_once(region, bank):
    """`heal` succeeds the first time, however soon after the kill it comes."""
    for zone in "abc":
        region.fault("kill-az", zone)
        region.fault("kill-node", "a1" if zone != "a" else "b1")
        region.fault("heal")
        region.wait_nodes("up")
        bank.wait_for_commits(5)


def test_zone_and_a_node(region, bank):
    """Below the write quorum commits wait, status says why, and they go on after the heal."""
    region.fault("kill-az", "c")
    bank.wait_for_commits(20)
    region.fault("kill-node", "a2")
    waits_and_says_so(region, bank)
    with region.connect() as connection:
        assert connection.execute("SELECT count(*) FROM account").fetchone()[0] > 0, "reads go on"
    region.heal()
    bank.wait_for_commits(30)


@pytest.mark.long
def test_a_waiting_commit_is_neither_lost_nor_acknowledged_early(region, bank):
    """One commit, watched from its start to its end through an outage."""
    bank.pause()
    with region.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS patient (id int)")
        connection.execute("TRUNCATE patient")
    for node in ["a1", "b1", "c1"]:
        region.fault("kill-node", node)
    done = threading.Event()

    def commit():
        with psycopg.connect(bank.url, autocommit=True) as connection:
            connection.execute("INSERT INTO patient VALUES (1)")
        done.set()

    thread = threading.Thread(target=commit, daemon=True)
    thread.start()
    region.wait("status says that commits wait", lambda s: s["clusters"][0]["status"] == "waiting", 60)
    assert not done.wait(3)
    region.fault("start-node", "b1")
    assert done.wait(100), region.describe()
    thread.join(10)
    region.heal()
    with region.connect() as connection:
        assert connection.execute("SELECT count(*) FROM patient").fetchone() == (1,)
    bank.resume()


@pytest.mark.long
def test_partition(region, bank):
    region.fault("partition", "b")
    bank.wait_for_commits(50)
    region.heal()
    region.wait_caught_up()


@pytest.mark.long("compact")
def test_partition_below_quorum(region, bank):
    region.fault("partition", "b")
    region.fault("kill-node", "c2")
    waits_and_says_so(region, bank)
    region.heal()
    bank.wait_for_commits(20)


@pytest.mark.long
def test_slow_disk(region, bank):
    region.fault("slow-disk", "c", "--ms", "50")
    bank.wait_for_commits(10)
    assert any("slow-disk c" in fault for fault in region.status()["faults"])
    region.heal()
    assert region.status()["faults"] == []


@pytest.mark.long("compact")
def test_crash_writer(region, bank):
    bank.may_break = True
    before = region.writer_pid()
    region.fault("crash-writer")
    region.wait(
        "another engine runs",
        lambda s: s["clusters"][0]["status"] == "available" and s["clusters"][0]["writer"]["pid"] not in (None, before))
    bank.wait_for_commits(20)


@pytest.mark.long("compact")
def test_crash_during_an_outage(region, bank):
    """The engine dies while its commits wait: what is recovered when the quorum is back, nobody was told before."""
    bank.may_break = True
    region.fault("kill-az", "a")
    region.fault("kill-node", "b1")
    waits_and_says_so(region, bank)
    region.fault("crash-writer")
    assert commits_stand_still(bank)
    region.heal()
    region.wait_available()
    bank.wait_for_commits(20)


def test_corrupt_and_repair(region, bank):
    """Flipped bits are never answered with: the node finds them, takes a copy from a peer, and counts both."""
    with region.connect() as connection:
        # A volume with something in layers.
        connection.execute("CREATE TABLE IF NOT EXISTS ballast AS SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 30000) i")
    region.fault("corrupt", "a1", "--blocks", "10")
    bank.wait_for_commits(30)
    result = region.command("volume", "verify", check=False)
    if "not built yet" in result.stderr:
        pytest.xfail("volume verify is not built yet")
    # The first may find damage; once that is repaired, all six copies agree.
    def clean():
        return region.command("volume", "verify", check=False).returncode == 0
    until("all copies agree", clean, 120, 1, context=lambda: region.command("volume", "verify", check=False).stdout)
    with region.connect() as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT repeat) FROM ballast").fetchone() == (30000, 30000)


@pytest.mark.parametrize("layout", ["compact", "zones"])
def test_many_groups_share_the_memory_for_the_log(make_region, layout):
    """No group has a layer's worth of log, all together have more than the limit: commits must not wait for ever."""
    region = make_region(layout=layout, arguments=["--group-bytes", "1M", "--journal-bytes", "16M"])
    region.up()
    with region.connect(options="-c statement_timeout=150s") as connection:
        for number in range(12):
            connection.execute(
                f"CREATE TABLE part_{number} AS SELECT i, repeat(md5(i::text), 30) AS body FROM generate_series(1, 4000) i")
        assert connection.execute("SELECT count(DISTINCT body) FROM part_11").fetchone() == (4000,)
    assert region.cluster()["driver"]["groups"] > 4
    region.wait_caught_up()


def test_volume_stat_and_dump(region):
    for command in (["volume", "stat", "--json"], ["volume", "dump", "--json", "--limit", "50"]):
        result = region.command(*command, check=False)
        if "not built yet" in result.stderr:
            pytest.xfail(f"{' '.join(command)} is not built yet")
        assert result.returncode == 0 and result.stdout, result.stderr
        try:
            json.loads(result.stdout)
        except ValueError:
            for line in result.stdout.splitlines():
                json.loads(line)
