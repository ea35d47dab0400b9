# SPDX-License-Identifier: Apache-2.0
"""Disks that are full or fail: a node's takes that node out and not the volume, the local cache's gives clear errors."""

import contextlib
import os
import subprocess

import psycopg
import pytest

from harness.bank import SETTINGS, Bank, create
from harness.region import amcheck

# More than a layer's worth of log.
BALLAST = "SELECT i, repeat(md5(random()::text), 40) AS body FROM generate_series(1, 24000) i"


class FullDisk:
    """A small file system of its own in the place of a directory. Needs root."""

    state = "full"
    says = "No space left on device"

    def __init__(self, directory, megabytes):
        self.directory = directory
        self.megabytes = megabytes

    def mount(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        mode = self.directory.stat().st_mode & 0o777
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m,mode={mode:o}", "borealis-test", self.directory], check=True)

    def break_it(self, leave=0):
        """Fills it up, but for some bytes."""
        with open(self.directory / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)
            if leave:
                file.truncate(max(0, file.tell() - leave))

    def mend_it(self):
        (self.directory / "filler").unlink()

    def close(self):
        subprocess.run(["umount", "-l", self.directory], check=False)


class BrokenDisk:
    """A directory that is none any more: every operation in it fails. Works for everybody."""

    state = "failed"
    says = "Not a directory"

    def __init__(self, directory, megabytes):
        self.directory = directory
        self.away = directory.with_name(directory.name + ".away")

    def mount(self):
        pass

    def break_it(self):
        self.directory.rename(self.away)
        self.directory.write_text("not a directory")

    def mend_it(self):
        self.directory.unlink()
        self.away.rename(self.directory)

    def close(self):
        pass


# The layout, what breaks, and the nodes that go with it. In the layout zones a process's whole disk is full, its journal too.
CASES = {
    "full-compact": (FullDisk, "compact", "storage/storage/b2", 96, ["b2"]),
    "full-zones": (FullDisk, "zones", "storage/storage-b", 320, ["b1", "b2"]),
    "failing-compact": (BrokenDisk, "compact", "storage/storage/b2", 0, ["b2"]),
}


@pytest.mark.long("full-compact")
@pytest.mark.parametrize("case", CASES)
def test_a_node_disk_takes_the_node_out(make_region, seed, case):
    """And not the volume: clients commit all the while; the node comes back by itself when its disk does."""
    kind, layout, path, megabytes, nodes = CASES[case]
    if kind is FullDisk and os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system; failing-compact covers the same")
    region = make_region(layout=layout)
    region.up("--no-demo")
    region.down()
    disk = kind(region.directory / path, megabytes)
    disk.mount()
    try:
        region.up(*SETTINGS)
        with region.connect() as connection:
            create(connection)
        bank = Bank(region, seed, plain=3, two_phase=0, tables=0, databases=0)
        bank.start()
        try:
            bank.wait_for_commits(20)
            disk.break_it()
            with region.connect() as connection:
                connection.execute(f"CREATE TABLE ballast AS {BALLAST}")
            status = region.wait_nodes(disk.state, nodes)
            reason = next(n["reason"] for n in status["nodes"] if n["id"] == nodes[0])
            assert disk.says in reason and "(" in reason, reason
            assert {n["id"] for n in status["nodes"] if n["state"] != "up"} == set(nodes)
            bank.wait_for_commits(50)
            assert region.status()["clusters"][0]["status"] == "available"

            # With two copies more away the four of the quorum are not there, and status says for whom commits wait.
            for node in ["a1", "c1"] if len(nodes) == 2 else ["a1", "a2"]:
                region.fault("kill-node", node)
            status = region.wait("commits wait", lambda s: s["clusters"][0]["status"] == "waiting", 60)
            assert all(node in status["clusters"][0]["reason"] for node in nodes), status["clusters"][0]["reason"]
            region.heal()
            bank.wait_for_commits(20)

            disk.mend_it()
            region.wait_nodes("up")
            bank.wait_for_commits(20)
            bank.pause()
            bank.check()
            region.wait_caught_up()
            assert region.command("volume", "verify").returncode == 0
        finally:
            bank.stop()
    finally:
        region.destroy(keep=True)
        disk.close()


def test_a_full_cache(make_region):
    """The engine says so, the region stays, and with room again everything acknowledged is there."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    region = make_region()
    region.up("--no-demo")
    region.down()
    disk = FullDisk(region.directory / "instances/demo-1", 160)
    disk.directory.mkdir(mode=0o711)
    disk.mount()
    acknowledged = 0
    said = []
    try:
        region.up()
        with region.connect() as connection:
            connection.execute("CREATE TABLE kept (i int PRIMARY KEY, body text)")
        disk.break_it(leave=6 << 20)

        def fill():
            nonlocal acknowledged
            try:
                with region.connect(deadline=20) as connection:
                    while acknowledged < 40000:
                        connection.execute(
                            "INSERT INTO kept SELECT i, repeat(md5(random()::text), 30) FROM generate_series(%s::int, %s::int) i",
                            [acknowledged + 1, acknowledged + 500])
                        acknowledged += 500
            except psycopg.Error as error:
                said.append(str(error))

        fill()
        assert acknowledged < 40000 and said
        log = (region.directory / "instances/demo-1/engine/postgres.log").read_text(errors="replace")
        assert "No space left on device" in said[0] + log, said
        assert region.status() is not None

        disk.mend_it()
        region.wait_available()
        with region.connect() as connection:
            [count] = connection.execute("SELECT count(*) FROM kept").fetchone()
            # One commit may have been under way when the connection broke.
            assert count in (acknowledged, acknowledged + 500), (count, acknowledged, said)
            connection.execute("INSERT INTO kept VALUES (-1, 'room again')")
        amcheck(region.url)
        # The same from the storage nodes alone.
        region.crash()
        region.up()
        with region.connect() as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (count + 1,)
    finally:
        region.destroy(keep=True)
        disk.close()
