# SPDX-License-Identifier: Apache-2.0
"""Readers and failover: nothing acknowledged is lost, and service is back soon, however the writer goes."""

import contextlib
import threading

import psycopg
import pytest

from harness.cluster import instances, wait_all
from harness.cluster import fail_over as fail_over_under
from harness.commits import TABLE, Committer
from harness.region import kill, until


@pytest.fixture(scope="module", params=["compact", "zones"])
def region(request, make_region):
    region = make_region(layout=request.param, arguments=["--no-api"])
    region.up("--readers", 1)
    region.arguments = ["--no-api"]
    with region.connect() as connection:
        connection.execute(TABLE)
    wait_all(region, 2)
    return region


def urls(region):
    return [i["url"] for i in instances(region.cluster())]


def wait_equal(region):
    """Every reader comes to have what the writer has."""
    cluster = region.cluster()
    with psycopg.connect(cluster["writer"]["url"], autocommit=True) as writer:
        wanted = writer.execute("SELECT count(*), sum(n), md5(string_agg(n::text, ',' ORDER BY n)) FROM heard").fetchone()
    for reader in cluster["readers"]:
        def read(url=reader["url"]):
            with contextlib.suppress(psycopg.Error), psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
                return connection.execute(
                    "SELECT count(*), sum(n), md5(string_agg(n::text, ',' ORDER BY n)) FROM heard").fetchone() == wanted
        until(f"{reader['id']} has what the writer has", read, context=region.describe)


@contextlib.contextmanager
def committing(region):
    with region.connect() as connection:
        [(last,)] = connection.execute("SELECT coalesce(max(n), 0) FROM heard").fetchall()
    committer = Committer(urls(region), first=last + 1)
    committer.start()
    try:
        committer.wait(50)
        yield committer
    finally:
        committer.stop()


def fail_over(region, capsys, what, act):
    """Commits go on, something happens to the writer, and in the end everything is as it was under another writer."""
    with region.connect() as connection:
        known = Committer.numbers(connection)
    with committing(region) as committer:
        before, total, pause = fail_over_under(region, committer, act)
        committer.stop()
    with capsys.disabled():
        print(f"\n  {region.layout}, {what}: first new commit after {total:.2f} s, without commits for {pause:.2f} s ", end="")
    with region.connect() as connection:
        assert set(known) <= set(committer.numbers(connection)), f"older commits are lost\n{region.describe()}"
        committer.check(connection, known)
    return before


def test_a_reader_answers_and_catches_up(region):
    cluster = region.cluster()
    with psycopg.connect(cluster["readers"][0]["url"], autocommit=True) as reader:
        assert reader.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("INSERT INTO heard (n) VALUES (0)")
    with committing(region) as committer:
        committer.wait(100)
    wait_equal(region)
    region.wait("the lag is known", lambda s: s["clusters"][0]["readers"][0].get("lagMs") is not None)
    reader_id = cluster["readers"][0]["id"]
    assert f'AuroraReplicaLag{{DBClusterIdentifier="demo",DBInstanceIdentifier="{reader_id}"}} ' in region.command(
        "status", "--metrics").stdout
    with psycopg.connect(region.url, autocommit=True) as writer:
        assert writer.execute("SELECT application_name, state FROM pg_stat_replication").fetchall() == [
            (cluster["readers"][0]["id"], "streaming")]


def test_instances_have_addresses_of_their_own(region):
    cluster = region.cluster()
    hosts = {i["host"] for i in instances(cluster)}
    assert len(hosts) == 2 and all(host.startswith("127.") for host in hosts)
    assert {i["az"] for i in instances(cluster)} == {"a", "b"}


def test_a_reader_is_added_under_load_and_removed(region, capsys):
    import json

    with committing(region) as committer:
        added = json.loads(region.command("instance", "add", "extra", "--az", "c", "--tier", 0, "--json").stdout)
        committer.wait(50)
    with capsys.disabled():
        print(f"\n  {region.layout}: a reader answers after {added['milliseconds']} ms ", end="")
    cluster = wait_all(region, 3)
    assert [(i["az"], i["tier"]) for i in cluster["readers"] if i["id"] == "extra"] == [("c", 0)]
    wait_equal(region)
    region.command("instance", "remove", "extra")
    assert len(instances(region.cluster())) == 2


def test_failover_on_request(region, capsys):
    def act(before):
        target = before["readers"][0]["id"]
        region.command("failover", "--target", target)
        assert region.cluster()["writer"]["id"] == target

    fail_over(region, capsys, "on request", act)
    wait_all(region, 2)
    wait_equal(region)


def test_failover_when_the_engine_is_killed(region, capsys):
    before = fail_over(region, capsys, "SIGKILL of the engine", lambda before: kill(before["writer"]["pid"]))
    assert [i["id"] for i in wait_all(region, 2)["readers"]] == [before["writer"]["id"]]
    wait_equal(region)


def test_failover_when_the_process_is_killed(region, capsys):
    if region.layout == "compact":
        pytest.skip("the storage nodes are in the same process")
    fail_over(
        region, capsys, "SIGKILL of the instance's process",
        lambda before: kill(region.process(f"instance-{before['writer']['id']}")))
    wait_all(region, 2)
    wait_equal(region)


@pytest.mark.long("compact")
def test_a_frozen_writer_that_wakes_up_commits_nothing(region, capsys):
    held = psycopg.connect(region.url)
    held.execute("INSERT INTO heard (n) VALUES (-1)")
    outcome = []

    def commit():
        """Waits in the frozen server, and goes on when that is woken."""
        try:
            held.commit()
            outcome.append("committed")
        except psycopg.Error as error:
            outcome.append(f"refused: {error}")

    thread = threading.Thread(target=commit, daemon=True)

    def act(before):
        region.fault("freeze-writer")
        thread.start()

    before = fail_over(region, capsys, "SIGSTOP", act)
    region.heal()
    until("the old writer's client has an answer", lambda: outcome, context=region.describe)
    assert outcome[0].startswith("refused"), outcome
    assert [i["id"] for i in wait_all(region, 2)["readers"]] == [before["writer"]["id"]]
    with region.connect() as connection:
        assert connection.execute("SELECT count(*) FROM heard WHERE n = -1").fetchone() == (0,)
    wait_equal(region)


@pytest.mark.long("zones")
def test_failover_when_the_writer_is_cut_off(region, capsys):
    fail_over(region, capsys, "partition", lambda before: region.fault("partition-writer"))
    region.heal()
    wait_all(region, 2)
    wait_equal(region)


@pytest.mark.long("compact")
def test_commits_that_take_seconds_are_no_reason(region):
    """Each takes longer than the writer is asked for one, but the log goes on: nobody else would do better."""
    before = wait_all(region, 2)
    with region.connect() as connection:
        for zone in "abc":
            region.fault("slow-disk", zone, "--ms", 2500)
        # In a row they take longer than the silence that a frozen writer is known by.
        for number in range(-3, 0):
            connection.execute("INSERT INTO heard (n) VALUES (%s)", (number,))
        for zone in "abc":
            region.fault("slow-disk", zone, "--ms", 0)
        connection.execute("DELETE FROM heard WHERE n < 0")
    after = wait_all(region, 2)
    assert after["writer"]["id"] == before["writer"]["id"], region.describe()
    assert after.get("failover") == before.get("failover")
    wait_equal(region)


@pytest.mark.long("compact")
def test_failover_when_a_zone_is_lost(region, capsys):
    before = fail_over(region, capsys, "loss of the zone", lambda before: region.fault("kill-az", before["writer"]["az"]))
    assert region.cluster()["writer"]["az"] != before["writer"]["az"]
    region.heal()
    region.wait_nodes()
    wait_all(region, 2)
    wait_equal(region)


def test_without_a_reader_the_writer_starts_again(make_region):
    region = make_region(arguments=["--no-api"])
    region.up()
    with region.connect() as connection:
        connection.execute(TABLE)
    with committing(region) as committer:
        kill(region.writer_pid())
        committer.wait(50)
        committer.stop()
    with region.connect() as connection:
        committer.check(connection)
    assert region.cluster()["writer"]["id"] == "demo-1"
    result = region.command("failover", check=False)
    assert result.returncode != 0 and "no reader" in result.stderr


STEPS = ["before-decision", "decided", "roles-written", "old-stopped", "new-told", "new-available", "completed"]


def test_the_supervisor_dies_at_every_step_of_a_failover(make_region, tmp_path):
    """What was decided stands; all else is repeated by the next one."""
    region = make_region(layout="zones", arguments=["--no-api"])
    crash = tmp_path / "crash"
    environment = {"BOREALIS_SUPERVISOR_CRASH": str(crash)}
    region.up("--readers", 1, environment=environment)
    with region.connect() as connection:
        connection.execute(TABLE)
    for number, step in enumerate(STEPS):
        with region.connect() as connection:
            connection.execute("INSERT INTO heard (n) VALUES (%s)", (number,))
        before = wait_all(region, 2)
        crash.write_text(step)
        region.command("failover", check=False)
        until(f"the supervisor has ended at {step}", lambda: region.supervisor() is None)
        region.up(environment=environment)
        after = wait_all(region, 2)
        if step == "before-decision":
            assert after["writer"]["id"] == before["writer"]["id"]
        else:
            assert after["writer"]["id"] == before["readers"][0]["id"], step
            assert after["failover"]["isComplete"], step
        with region.connect() as connection:
            assert Committer.numbers(connection) == list(range(number + 1)), step
    wait_equal(region)
