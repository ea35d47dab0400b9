# SPDX-License-Identifier: Apache-2.0
"""Readers of a MariaDB cluster: mounted under load they follow row by row, and one of them becomes the writer."""

import contextlib
import json
import urllib.parse

import pytest

from harness.region import kill, until
from maria_bank import Bank, create
from maria_compare import compare
from maria_wire import Connection, Lost, ServerError


class ClusterBank(Bank):
    """Its clients know the cluster's address, which is the writer's whoever that is."""

    # A session that outlives its server's part gets: read-only server.
    EXPECTED = Bank.EXPECTED | {1290}
    is_all_logged = False

    def __init__(self, region, *arguments, **options):
        super().__init__(region, *arguments, prepares_count=False, **options)
        cluster = region.cluster()
        parts = urllib.parse.urlsplit(cluster["writer"]["url"])
        self._url = f"mysql://{parts.username}:{parts.password}@{cluster['host']}:{cluster['port']}"


def available(region, readers):
    """The cluster, once its writer and that many readers accept connections and replicate."""
    def ready(status):
        cluster = status["clusters"][0]
        return cluster["status"] == "available" and len(cluster["readers"]) == readers and all(
            reader["state"] == "available" and reader.get("lagMs") is not None for reader in cluster["readers"])
    return region.wait(f"{readers} readers follow", ready)["clusters"][0]


def agree(region, bank, readers=1):
    """With the clients at rest: the money is right, nothing acknowledged is lost, and every reader holds the same."""
    bank.pause()
    available(region, readers)
    bank.check()

    def compared():
        """None if a reader was mounted anew meanwhile: what it was sent did not fit its mount."""
        cluster = available(region, readers)
        with contextlib.suppress(Lost):
            return cluster, [p for reader in cluster["readers"] for p in compare(cluster["writer"]["url"], reader["url"])]
    cluster, problems = until("every reader is compared", compared, 60, context=region.describe)
    assert not problems, "\n".join(problems[:20]) + "\n" + region.describe()
    bank.resume()
    return cluster


@pytest.fixture(scope="module", params=["compact", pytest.param("zones", marks=pytest.mark.long)])
def loaded(request, make_maria):
    region = make_maria(layout=request.param)
    region.up()
    with region.connect() as connection:
        create(connection)
    bank = ClusterBank(region, request.config.seed, plain=3, xa=1)
    bank.start()
    yield region, bank
    bank.stop()


def test_the_first_reader_turns_the_binlog_on_by_an_announced_restart(loaded):
    region, bank = loaded
    bank.wait_for_commits(100)
    before = region.cluster()
    with region.connect() as connection:
        assert connection.value("SELECT @@log_bin") == "0"
    added = region.command("instance", "add", "--json")
    assert json.loads(added.stdout)["url"]
    with region.connect() as connection:
        assert connection.execute(
            "SELECT @@log_bin, @@sync_binlog, @@innodb_flush_log_at_trx_commit") == [("1", "1", "2")]
    cluster = agree(region, bank)
    assert cluster["writer"]["id"] == before["writer"]["id"]
    assert cluster["writer"]["restarts"] == before["writer"]["restarts"] + 1
    said = "".join(log.read_text() for log in (region.directory / "logs").glob("*.log"))
    assert "its binlog is turned on, which readers need" in said


def test_a_reader_can_be_read_and_not_written(loaded):
    region, bank = loaded
    cluster = available(region, 1)
    with Connection(cluster["readers"][0]["url"]) as reader:
        assert int(reader.value("SELECT COUNT(*) FROM bank.ledger")) > 0
        for statement in ["CREATE DATABASE mine", "DELETE FROM bank.ledger", "CREATE USER mine", "SET GLOBAL read_only = 0",
                          "STOP SLAVE"]:
            with pytest.raises(ServerError) as refused:
                reader.execute(statement)
            assert refused.value.code in (1290, 1227), statement


def test_a_reader_that_ends_is_mounted_anew_under_load(loaded, is_long):
    region, bank = loaded
    for _ in range(12 if is_long else 3):
        bank.wait_for_commits(60)
        reader = available(region, 1)["readers"][0]
        kill(reader["pid"])
        region.wait("the reader is another", lambda s, old=reader["pid"]: [
            r for r in s["clusters"][0]["readers"] if r["pid"] not in (None, old)])
        bank.wait_for_commits(30)
        agree(region, bank)


def test_failover_by_request_loses_nothing_and_the_old_writer_follows(loaded):
    region, bank = loaded
    bank.wait_for_commits(60)
    old = available(region, 1)["writer"]["id"]
    region.command("failover")
    bank.wait_for_commits(60)
    cluster = agree(region, bank)
    assert cluster["writer"]["id"] != old and [reader["id"] for reader in cluster["readers"]] == [old]


def test_failover_of_a_killed_writer_loses_nothing(loaded, is_long):
    region, bank = loaded
    for _ in range(6 if is_long else 1):
        bank.wait_for_commits(60)
        old = available(region, 1)["writer"]
        kill(old["pid"])
        region.wait("another writes", lambda s, old=old: (s["clusters"][0]["writer"] or old)["id"] != old["id"])
        bank.wait_for_commits(60)
        cluster = agree(region, bank)
        assert [reader["id"] for reader in cluster["readers"]] == [old["id"]]


def test_two_readers_follow_the_third(loaded):
    region, bank = loaded
    region.command("instance", "add")
    bank.wait_for_commits(60)
    agree(region, bank, readers=2)
    old = region.cluster()["writer"]
    kill(old["pid"])
    bank.wait_for_commits(60)
    cluster = agree(region, bank, readers=2)
    assert cluster["writer"]["id"] != old["id"]


def test_a_binlog_that_was_turned_off_after_a_crash_is_read_once_more(make_maria, seed):
    region = make_maria()
    region.up("--set", "log_bin=on")
    with region.connect() as connection:
        create(connection)
    bank = Bank(region, seed, plain=6, xa=0, shapes=0)
    try:
        bank.start()
        bank.wait_for_commits(200)
        region.crash()
        region.up("--set", "log_bin=off")
        bank.wait_for_commits(20)
        bank.pause()
        with region.connect() as connection:
            assert connection.execute("SELECT @@log_bin, @@sync_binlog") == [("1", "1")]
        bank.check()
        region.down()
        region.up()
        with region.connect() as connection:
            assert connection.value("SELECT @@log_bin") == "0"
        bank.resume()
        bank.wait_for_commits(20)
        bank.pause()
        bank.check()
    finally:
        bank.stop()
