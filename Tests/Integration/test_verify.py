# SPDX-License-Identifier: Apache-2.0
"""`volume verify` reads every copy from its disk: it finds damage that nobody has read yet, and it does not call a copy good
that it could not read. What it finds is repaired from peers."""

import json
import os
import struct

import pytest

from harness.region import until

NODES = ["a1", "a2", "b1", "b2", "c1", "c2"]
# Of an entry in a journal file: magic, CRC, the file's sequence number, bytes before the payload, payload bytes, volume, group,
# node, kind.
FRONT = struct.Struct("<4sIQIIQIHB")
BATCH = 1


@pytest.fixture(scope="module", params=["compact", pytest.param("zones", marks=pytest.mark.long)])
def region(request, make_region):
    region = make_region(layout=request.param)
    region.up()
    with region.connect() as connection:
        # More than a layer's worth of log that does not compress to nothing.
        connection.execute(
            "CREATE TABLE ballast AS SELECT i, (SELECT string_agg(md5(random()::text || i || j), '') FROM generate_series(1, 30) j)"
            " AS body FROM generate_series(1, 30000) i")
    region.wait_caught_up()
    return region


def verify(region):
    """(exit code, the report, everything said)."""
    result = region.command("volume", "verify", "--json", check=False)
    lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
    return result.returncode, json.loads(lines[-1]) if lines else None, result.stdout + result.stderr


def becomes_sound(region):
    until("all copies are sound", lambda: verify(region)[0] == 0, 120, 1, context=lambda: verify(region)[2])


def damage_a_log_part(region, node):
    """Turns a bit in the newest batch of a node in the journal of its process."""
    number = ord(node[0]) << 8 | int(node[1:])
    process = "storage" if region.layout == "compact" else f"storage-{node[0]}"
    newest = None
    for path in sorted((region.directory / "storage" / process / "journal").glob("journal-*")):
        content = path.read_bytes()
        sequence = int(path.name.removeprefix("journal-"), 16)
        at = content.find(b"BXJ1", 4096)
        while at >= 0:
            if at % 8 == 0 and at + FRONT.size <= len(content):
                _, _, found, front, payload, _, _, of, kind = FRONT.unpack_from(content, at)
                if found == sequence and of == number and kind == BATCH and payload > 0:
                    newest = path, at + front + payload // 2
            at = content.find(b"BXJ1", at + 4)
    path, offset = newest
    with open(path, "r+b", buffering=0) as file:
        byte = os.pread(file.fileno(), 1, offset)
        os.pwrite(file.fileno(), bytes([byte[0] ^ 0x10]), offset)
        os.fsync(file.fileno())


def damage_counts(region):
    figures = json.loads(region.command("volume", "stat", "--json").stdout)
    return figures["damaged"], figures["repaired"]


def test_every_copy_is_read(region):
    code, report, said = verify(region)
    assert code == 0 and report["isSound"] and report["unread"] == [], said
    assert sorted(report["copies"]) == NODES and set(report["copies"].values()) == {report["blocks"]}, report
    assert report["blocks"] * 8192 > 30 << 20
    assert sorted(report["logParts"]) == NODES and min(report["logParts"].values()) > 0, report


def test_a_damaged_layer_is_found_and_repaired(region):
    damaged, repaired = damage_counts(region)
    region.fault("corrupt", "c1", "--blocks", "3")
    code, report, said = verify(region)
    assert code != 0 and not report["isSound"] and report["damagedLayers"] > 0, said
    assert "c1: " in said and "borealis: error: " in said and "run verify again" in said, said
    becomes_sound(region)
    now = damage_counts(region)
    assert now[0] > damaged and now[1] > repaired, now
    with region.connect() as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT body) FROM ballast").fetchone() == (30000, 30000)


def test_a_damaged_journal_is_found_and_repaired(region):
    with region.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS late (i int)")
        connection.execute("INSERT INTO late SELECT generate_series(1, 100)")
    region.wait_caught_up()
    damage_a_log_part(region, "b1")
    code, report, said = verify(region)
    assert code != 0 and report["damagedLogParts"] == 1, said
    assert "b1: 1 damaged parts of the log" in said, said
    becomes_sound(region)
    # The same after all of it has been read from disk again.
    region.crash()
    region.up()
    region.wait_caught_up()
    becomes_sound(region)
    with region.connect() as connection:
        assert connection.execute("SELECT count(*) FROM late").fetchone() == (100,)
        connection.execute("DROP TABLE late")


def test_a_copy_that_cannot_be_read_is_not_called_good(region):
    region.fault("kill-node", "a2")
    region.wait_nodes("down", ["a2"])
    code, report, said = verify(region)
    assert code != 0 and report["isSound"] and report["unread"] == ["a2"], said
    assert "a2 is down or behind" in said and "borealis status" in said, said
    region.heal()
    region.wait_nodes("up")
    region.wait_caught_up()
    assert verify(region)[0] == 0


def test_dump_and_stat_are_readable(region):
    with region.connect() as connection:
        connection.execute("CREATE TABLE dumped (i int)")
        connection.execute("INSERT INTO dumped VALUES (1)")
        [path] = connection.execute("SELECT pg_relation_filepath('dumped')").fetchone()
        connection.execute("CHECKPOINT")  # until then its row is in the WAL only

    def dump(*arguments):
        return [json.loads(line) for line in region.command("volume", "dump", "--json", *arguments).stdout.splitlines()]

    def has_all():
        """Nodes hear of what is durable with the next batch, or a moment later."""
        rows = dump()
        made = [r["file"] for r in rows if r["kind"] == "create" and f"/{path} " in r["detail"]]
        return rows if made and any(r["kind"] == "write" and r["file"] == made[0] for r in rows) else None

    rows = until(f"{path} is in the dump", has_all, 30)
    assert [r["lsn"] for r in rows] == sorted(r["lsn"] for r in rows)
    assert len([r for r in rows if r["kind"] == "create" and f"/{path} " in r["detail"]]) == 1
    last = rows[-1]["lsn"]
    assert [r["lsn"] for r in dump("--from", rows[-3]["lsn"], "--to", last)] == [r["lsn"] for r in rows[-2:]]
    assert " write" in region.command("volume", "dump").stdout

    figures = json.loads(region.command("volume", "stat", "--json").stdout)
    assert figures["files"] > 500 and figures["fileBytes"] > 30 << 20
    for group in figures["groups"]:
        assert [c["node"] for c in group["copies"]] == NODES
        assert all(c["scl"] > 0 and c["layers"] > 0 and c["layerBytes"] > 0 for c in group["copies"] if group["group"] == 0)
    text = region.command("volume", "stat").stdout
    assert "protection group 0: members a1 a2 b1 b2 c1 c2" in text and "layers, " in text
