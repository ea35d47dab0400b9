# SPDX-License-Identifier: Apache-2.0
"""Power loss: everything ends at once, and what no flush has covered is gone or torn.

What a power loss may take. The disk keeps what a flush has covered that had ended. Of what was written since, it keeps any
subset of sectors, in any order: sectors are atomic, writes are not. SIGKILL alone takes nothing of that, because the page
cache survives; so the test has to do the disk's part. It loads a small library (harness/power.c) into the storage
processes that notes every write below storage/, and every flush that has ended. After SIGKILL to everything, the writes
that no ended flush covers are exactly the ones at risk, and the test gives each of their sectors one of three fates:
kept, zeroed (a new file's sector that was never written), or filled with noise (a sector that the write was in). Sectors
that a noted flush covers are not touched, so nothing that a node may have acknowledged is. To make the moment longer in which
something is at risk, the library holds up each flush by some milliseconds before it begins.

What is not modelled: the loss of names (an un-synced rename or a new directory entry). The local caches are thrown away as well,
as on any machine that lost power: nothing in them is ever flushed.

Then: the region comes up, every acknowledged commit is there once, the money is right, and all of it still holds after
the cache has been thrown away once more.
"""

import os
import pathlib
import shutil
import subprocess
import time

import pytest

from harness.bank import SETTINGS, Bank, create
from harness.region import amcheck

SECTOR = 512


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler, "a C compiler is needed (run `make setup`)"
    target = tmp_path_factory.mktemp("power") / "power.so"
    source = pathlib.Path(__file__).parent / "harness/power.c"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(target), str(source), "-ldl"], check=True, timeout=120)
    return target


def covers(kind, number, write):
    """Whether what was noted with `number` made the write durable: a flush all before it, a synchronous write itself."""
    return write[0] <= number if kind == "F" else write[0] == number


def at_risk(log):
    """(inode, offset, length) of every write that no ended flush covers."""
    pending = {}
    for line in log.read_text().splitlines():
        kind, *numbers = line.split()
        numbers = list(map(int, numbers))
        if kind == "W":
            number, inode, offset, length = numbers
            pending.setdefault(inode, []).append((number, offset, length))
        else:
            number, inode = numbers
            pending[inode] = [w for w in pending.get(inode, []) if not covers(kind, number, w)]
    return [(inode, offset, length) for inode, writes in pending.items() for _, offset, length in writes]


def flushed_ranges(log):
    """By inode, the sectors that an ended flush has covered and that a later write shares: they are left alone."""
    covered = {}
    pending = {}
    for line in log.read_text().splitlines():
        kind, *numbers = line.split()
        numbers = list(map(int, numbers))
        if kind == "W":
            number, inode, offset, length = numbers
            pending.setdefault(inode, []).append((number, offset, length))
        else:
            number, inode = numbers
            for done in [w for w in pending.get(inode, []) if covers(kind, number, w)]:
                sectors = covered.setdefault(inode, set())
                # Only the ends matter: a write at risk can share its first or last sector with a flushed one.
                sectors.add(done[1] // SECTOR)
                sectors.add((done[1] + max(done[2], 1) - 1) // SECTOR)
            pending[inode] = [w for w in pending.get(inode, []) if not covers(kind, number, w)]
    return covered


def lose_power(region, logs, rng):
    """Does what the disk would have done. Returns how many writes were at risk and how many sectors were lost."""
    paths = {}
    for path in (region.directory / "storage").rglob("*"):
        if path.is_file():
            paths[path.stat().st_ino] = path
    writes = lost = 0
    for log in logs:
        covered = flushed_ranges(log)
        for inode, offset, length in at_risk(log):
            path = paths.get(inode)
            if path is None or length == 0:
                continue
            writes += 1
            # Sometimes all of it goes, sometimes a part.
            fraction = rng.choice([1.0, 1.0, 0.5, 0.1])
            with open(path, "r+b") as file:
                size = os.fstat(file.fileno()).st_size
                for sector in range(offset // SECTOR, (offset + length - 1) // SECTOR + 1):
                    start = max(sector * SECTOR, offset)
                    end = min((sector + 1) * SECTOR, offset + length, size)
                    if end <= start or rng.random() >= fraction:
                        continue
                    # A sector that holds flushed bytes too is rewritten whole or not at all; its flushed bytes stay.
                    shared = sector in covered.get(inode, ())
                    file.seek(start)
                    file.write(bytes(end - start) if shared or rng.random() < 0.7 else rng.randbytes(end - start))
                    lost += 1
    for cache in (region.directory / "instances").glob("*/volume"):
        shutil.rmtree(cache, ignore_errors=True)
    return writes, lost


@pytest.mark.parametrize("layout", ["compact", pytest.param("zones", marks=pytest.mark.long)])
def test_power_loss(make_region, library, rng, seed, is_long, layout, tmp_path):
    region = make_region(layout=layout)
    region.up(*SETTINGS)
    with region.connect() as connection:
        create(connection)
    region.down()

    def hooked(round_number):
        base = tmp_path / f"log{round_number}"
        environment = {
            "LD_PRELOAD": str(library), "POWER_DIRECTORY": str(region.directory / "storage"), "POWER_LOG": str(base),
            "POWER_DELAY": "3000"}
        region.up(environment=environment)
        return lambda: sorted(tmp_path.glob(f"{base.name}.*"))

    logs = hooked(0)
    bank = Bank(region, seed, plain=6, two_phase=1, tables=1, databases=0)
    bank.start()
    total_lost = 0
    try:
        for round_number in range(1, 12 if is_long else 4):
            bank.resume()
            bank.wait_for_commits(rng.randint(20, 150))
            time.sleep(rng.uniform(0, 0.2))
            region.crash(rng)
            files = logs()
            assert any(file.stat().st_size for file in files), "the library was not loaded"
            writes, lost = lose_power(region, files, rng)
            total_lost += lost
            print(f"round {round_number}: {writes} writes at risk, {lost} sectors lost, {bank.commits} commits acknowledged")
            logs = hooked(round_number)
            region.wait_available()
            bank.wait_for_commits(10)
            bank.pause()
            region.wait_available()
            bank.check()
        # A round now and then finds nothing at risk; the amount is printed, and a long run must find something.
        assert total_lost > 0 or not is_long
        epoch = region.cluster()["epoch"]
        region.command("volume", "detach-cache")
        region.wait("it is attached again", lambda s: s["clusters"][0]["status"] == "available" and s["clusters"][0]["epoch"] > epoch)
        bank.check()
        amcheck(region.url)
    finally:
        bank.stop()
