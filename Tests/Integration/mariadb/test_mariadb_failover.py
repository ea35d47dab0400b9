# SPDX-License-Identifier: Apache-2.0
"""A MariaDB writer that is frozen, cut off, or lost with its zone: a reader takes its place, and nothing acknowledged is lost."""

import contextlib
import threading

import pytest

from harness.cluster import fail_over, instances
from harness.region import kill, until
from maria_commits import SCHEMA, MariaCommitter
from maria_compare import compare
from maria_wire import Connection, Lost, ServerError
from test_mariadb_readers import available


@pytest.fixture(scope="module", params=["zones", pytest.param("compact", marks=pytest.mark.long)])
def region(request, make_maria):
    region = make_maria(layout=request.param, arguments=["--no-api"])
    region.up("--readers", 1)
    with region.connect() as connection:
        for statement in SCHEMA:
            connection.execute(statement)
    available(region, 1)
    return region


@contextlib.contextmanager
def replaced(region, capsys, what, act):
    """Gives the cluster as it was, once another instance is the writer; at the end the old one is its reader and holds the same."""
    available(region, 1)
    with region.connect() as connection:
        known = MariaCommitter.numbers(connection)
    committer = MariaCommitter([i["url"] for i in instances(region.cluster())], first=max(known, default=0) + 1)
    committer.start()
    try:
        before, total, pause = fail_over(region, committer, act)
        with capsys.disabled():
            print(f"\n  {region.layout}, {what}: first new commit after {total:.2f} s, without commits for {pause:.2f} s ", end="")
        yield before
    finally:
        committer.stop()
    after = available(region, 1)
    assert [reader["id"] for reader in after["readers"]] == [before["writer"]["id"]]
    with region.connect() as connection:
        assert set(known) <= set(committer.numbers(connection)), f"older commits are lost\n{region.describe()}"
        committer.check(connection, known)
    problems = compare(after["writer"]["url"], after["readers"][0]["url"])
    assert not problems, "\n".join(problems[:20]) + "\n" + region.describe()


def test_a_frozen_writer_that_wakes_up_commits_nothing(region, capsys):
    held = Connection(region.url, timeout=200)
    held.execute("BEGIN")
    held.execute("INSERT INTO commits.heard (n) VALUES (-1)")
    outcome = []

    def commit():
        """Waits in the frozen server, and goes on when that is woken."""
        try:
            held.execute("COMMIT")
            outcome.append("committed")
        except (Lost, ServerError) as error:
            outcome.append(f"refused: {error}")

    thread = threading.Thread(target=commit, daemon=True)

    def act(before):
        region.fault("freeze-writer")
        thread.start()

    with replaced(region, capsys, "SIGSTOP", act):
        region.heal()
        until("the old writer's client has an answer", lambda: outcome, context=region.describe)
        assert outcome[0].startswith("refused"), outcome
        with region.connect() as connection:
            assert -1 not in MariaCommitter.numbers(connection)


def test_a_writer_that_is_cut_off(region, capsys):
    with replaced(region, capsys, "partition", lambda before: region.fault("partition-writer")):
        region.heal()


def test_a_zone_is_lost(region, capsys):
    with replaced(
            region, capsys, "loss of the zone", lambda before: region.fault("kill-az", before["writer"]["az"])) as before:
        assert region.cluster()["writer"]["az"] != before["writer"]["az"]
        region.heal()
        region.wait_nodes()


@pytest.mark.long
def test_a_process_is_killed(region, capsys):
    if region.layout == "compact":
        pytest.skip("the storage nodes are in the same process")
    with replaced(
            region, capsys, "SIGKILL of the instance's process",
            lambda before: kill(region.process(f"instance-{before['writer']['id']}"))):
        pass
