# SPDX-License-Identifier: Apache-2.0
"""A storage node whose disk is lost is replaced for good, under load, and the map of protection groups follows."""

import json
import shutil
import sqlite3
import subprocess

import pytest

from harness.bank import SETTINGS, Bank, create
from harness.region import BOREALIS, until

BALLAST = "SELECT i, repeat(md5(i::text), 30) AS body FROM generate_series(1, 12000) i"


@pytest.fixture(scope="module", params=["compact", "zones"])
def region(request, make_region):
    region = make_region(layout=request.param, arguments=["--group-bytes", "4M"])
    region.up(*SETTINGS)
    region.arguments = []
    with region.connect() as connection:
        create(connection)
        connection.execute(f"CREATE TABLE ballast AS {BALLAST}")
    return region


@pytest.fixture
def bank(region, seed):
    with region.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS account, ledger, notebook")
        create(connection)
    bank = Bank(region, seed, plain=3, two_phase=0, tables=0, databases=0)
    bank.start()
    bank.wait_for_commits(20)
    yield bank
    bank.stop()


def node_names(region):
    return [n["id"] for n in region.status()["nodes"]]


def stat(region):
    return json.loads(region.command("volume", "stat", "--json").stdout)


def recorded_groups(region):
    """What the metadata says of each group: its number and its sets."""
    with sqlite3.connect(f"file:{region.directory}/metadata.sqlite?mode=ro", uri=True) as database:
        rows = database.execute(
            "SELECT number, sets FROM protectionGroup WHERE volume = (SELECT volume FROM cluster) ORDER BY number")
        return {number: json.loads(sets) for number, sets in rows}


def test_every_group_is_recorded(region):
    # Groups go on being opened while the engine writes its checkpoint: ask until the two agree.
    until("the metadata has every group", lambda: len(recorded_groups(region)) == region.cluster()["driver"]["groups"], 30)
    until("volume stat shows what is recorded", lambda: [g["group"] for g in stat(region)["groups"]] == list(
        recorded_groups(region)), 30)
    assert len(recorded_groups(region)) > 2
    assert all(sets == [["a1", "a2", "b1", "b2", "c1", "c2"]] for sets in recorded_groups(region).values())
    shown = stat(region)["groups"]
    assert all(g["sets"] == [["a1", "a2", "b1", "b2", "c1", "c2"]] for g in shown)


def test_replace_a_lost_node(region, bank):
    """Killed, its directory erased, replaced while clients commit; then the new node is needed for the quorum."""
    region.fault("kill-node", "b2")
    region.wait_nodes("down", ["b2"])
    for path in region.directory.glob("storage/*/b2"):
        shutil.rmtree(path)
    answer = json.loads(region.command("volume", "replace", "b2", "--json").stdout)
    assert answer["node"] == "b3" and answer["replaced"] == "b2"
    bank.wait_for_commits(30)
    region.wait("b2 is gone", lambda s: [n["id"] for n in s["nodes"]] == ["a1", "a2", "b1", "b3", "c1", "c2"], 30)
    region.wait_nodes("up", ["b3"])
    assert region.status()["faults"] == []

    bank.pause()
    region.wait_caught_up()
    figures = stat(region)
    for group in figures["groups"]:
        assert group["sets"] == [["a1", "a2", "b1", "b3", "c1", "c2"]], group
        assert {c["node"] for c in group["copies"]} == {"a1", "a2", "b1", "b3", "c1", "c2"}, group
    until("the metadata follows", lambda: all(
        sets == [["a1", "a2", "b1", "b3", "c1", "c2"]] for sets in recorded_groups(region).values()), 30)
    verified = json.loads(region.command("volume", "verify", "--json").stdout.splitlines()[-1])
    assert verified["isSound"] and verified["copies"]["b3"] == verified["copies"]["a1"] > 0

    # With a zone away the new node is one of the four that every commit needs.
    bank.resume()
    region.fault("kill-az", "a")
    bank.wait_for_commits(30)
    region.fault("kill-node", "b3")
    region.wait("commits wait without it", lambda s: s["clusters"][0]["status"] == "waiting", 60)
    region.heal()
    bank.wait_for_commits(20)
    bank.pause()
    bank.check()

    # The old one's name means nothing any more.
    for command in (["fault", "start-node", "b2"], ["volume", "replace", "b2"], ["volume", "replace", "b2", "--undo"]):
        result = region.command(*command, check=False)
        assert result.returncode != 0 and "b2" in result.stderr and result.stderr.rstrip().endswith(")"), result.stderr
    assert not list(region.directory.glob("storage/*/b2"))

    # And all of that is still so after a power cut.
    region.crash()
    region.up()
    assert node_names(region) == ["a1", "a2", "b1", "b3", "c1", "c2"]
    region.wait_nodes("up", ["a1", "a2", "b1", "b3", "c1", "c2"])
    bank.check()
    with region.connect() as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT body) FROM ballast").fetchone() == (12000, 12000)


def test_call_a_replacement_off(region, bank):
    """As long as the new node cannot be filled, the old one can have its place back."""
    if region.layout == "compact":
        pytest.skip("a zone that cannot be reached is a process of its own; the machine's reversal has unit tests")
    region.fault("kill-az", "c")
    replacing = subprocess.Popen(
        [BOREALIS, "volume", "replace", "c1", "--data", str(region.directory)], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    try:
        region.wait("c3 is joining", lambda s: "c3" in [n["id"] for n in s["nodes"]], 30)
        bank.wait_for_commits(20)
        region.command("volume", "replace", "c1", "--undo")
        assert replacing.wait(60) != 0
    finally:
        replacing.kill()
        replacing.wait()
        replacing.stderr.close()
    region.heal()
    region.wait("c3 is gone", lambda s: "c3" not in [n["id"] for n in s["nodes"]], 60)
    region.wait_nodes("up", ["c1", "c2"])
    bank.wait_for_commits(20)
    bank.pause()
    bank.check()
    region.wait_caught_up()
    assert all("c1" in group["sets"][0] and len(group["sets"]) == 1 for group in stat(region)["groups"])


def test_lost_metadata(region):
    """The copy beside the storage nodes has all that is needed but the key ring; group 0 knows the other groups."""
    groups = recorded_groups(region)
    url = region.url
    region.down()
    metadata = region.directory / "metadata.sqlite"
    lost = metadata.read_bytes()
    metadata.unlink()
    region.up()
    assert region.url == url
    region.wait_nodes("up", node_names(region))
    with region.connect() as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT body) FROM ballast").fetchone() == (12000, 12000)
    # The checkpoint of the stop may have opened one more.
    until("every group is recorded again", lambda: all(
        recorded_groups(region).get(number) == sets for number, sets in groups.items()), 30)
    assert region.cluster()["driver"]["groups"] >= len(groups) > 2

    # Without any copy nothing new is made over what is there.
    region.down()
    copies = [metadata, *region.directory.glob("storage/*/metadata.sqlite")]
    assert len(copies) == 2 if region.layout == "compact" else 4
    for path in copies:
        path.unlink()
    result = region.up(check=False)
    assert result.returncode != 0 and str(metadata) in result.stderr and "backup" in result.stderr, result.stderr
    assert not metadata.exists()
    metadata.write_bytes(lost)
    metadata.chmod(0o600)
    region.up()
    with region.connect() as connection:
        assert connection.execute("SELECT count(*) FROM ballast").fetchone() == (12000,)
