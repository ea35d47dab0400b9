# SPDX-License-Identifier: Apache-2.0
"""The prefix oracle: every prefix of the log is a state that stock PostgreSQL recovers from.

While a mixed workload runs, (VDL, end of the log) is sampled together with what each client has been told. LSNs are then
picked at random, anywhere between the first sample and the last and not just at record boundaries (an LSN within a record
means the record before it), and the volume is opened at each. A mount at x must

- start cleanly,
- satisfy `pg_amcheck --heapallindexed` in every database, and agree between heap and gin, gist, hash and brin,
- hold the same money as ever, in the accounts and by the ledger,
- hold every commit that was acknowledged before a sample whose VDL is at or below x,
- hold no commit that was sent after a sample whose log ended at or above x.
"""

import contextlib
import threading
import time

import psycopg
import pytest

from harness.bank import SETTINGS, Bank, create, invariants
from harness.region import amcheck, redacted


class Sampler(threading.Thread):
    def __init__(self, region, bank):
        super().__init__(daemon=True)
        self.region = region
        self.bank = bank
        self.samples = []
        self.stopping = threading.Event()

    def take(self):
        before = self.bank.mark()
        cluster = self.region.cluster()
        after = self.bank.mark()
        if cluster and cluster["vdl"] is not None and cluster.get("driver"):
            self.samples.append((cluster["vdl"], cluster["driver"]["end"], before, after))

    def run(self):
        while not self.stopping.wait(0.15):
            self.take()

    def stop(self):
        self.stopping.set()
        self.join(120)

    def around(self, lsn):
        """The marks that bound what a mount at the LSN holds."""
        before = [s for s in self.samples if s[0] <= lsn][-1][2]
        after = next(s for s in self.samples if s[1] >= lsn)[3]
        return before, after


def check(region, sampler, lsn):
    before, after = sampler.around(lsn)
    with region.opened(lsn) as url:
        with psycopg.connect(url, connect_timeout=10, autocommit=True) as connection:
            problems = invariants(connection) + sampler.bank.compare_prefix(connection, before, after)
            # Writable, and its writes are its own.
            connection.execute("CREATE TABLE of_the_mount AS SELECT generate_series(1, 1000)")
        assert not problems, f"at LSN {lsn} ({redacted(url)}):\n" + "\n".join(problems)
        amcheck(url)


@pytest.mark.parametrize("layout, arguments", [
    pytest.param("compact", [], id="compact", marks=pytest.mark.long),
    pytest.param("zones", ["--group-bytes", "8M"], id="zones-8M")])
def test_prefix_oracle(make_region, rng, seed, is_long, layout, arguments):
    region = make_region(layout=layout, arguments=arguments)
    region.up(*SETTINGS)
    region.arguments = []
    with region.connect() as connection:
        create(connection)
    bank = Bank(region, seed, plain=3, two_phase=1, tables=1, databases=1)
    sampler = Sampler(region, bank)
    try:
        sampler.take()
        bank.start()
        sampler.start()
        bank.wait_for_commits(4000 if is_long else 300)
        # Every kind of statement has run.
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and any(c.serial < 6 for c in bank.clients):
            time.sleep(0.1)
        # One mount beside the running workload.
        low, high = sampler.samples[0][0], sampler.samples[-1][0]
        check(region, sampler, rng.randint(low, high))
        bank.pause()
        sampler.stop()
        sampler.take()
        low, high = sampler.samples[0][0], sampler.samples[-1][0]
        picks = sorted(rng.randint(low, high) for _ in range(20 if is_long else 1)) + [high]
        print(f"seed {seed}: VDL went from {low} to {high} with {bank.commits} commits; picked {picks}")
        for lsn in picks:
            check(region, sampler, lsn)
        # The mounts have changed nothing.
        bank.check()
        with region.connect() as connection, contextlib.closing(connection.cursor()) as cursor:
            assert cursor.execute("SELECT to_regclass('of_the_mount')").fetchone() == (None,)
    finally:
        bank.stop()
        sampler.stop()


@pytest.mark.long
def test_lsn_beyond_the_end_is_refused(make_region):
    region = make_region()
    region.up()
    vdl = region.vdl()
    result = region.command("volume", "open", "--at", vdl + (1 << 40), check=False)
    assert result.returncode != 0 and "durable LSN" in result.stderr, result.stderr
