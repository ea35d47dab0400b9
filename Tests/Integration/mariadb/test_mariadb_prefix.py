# SPDX-License-Identifier: Apache-2.0
"""The prefix oracle with MariaDB: every prefix of the log is a state that it recovers from.

As `test_prefix.py` beside this folder: samples of (VDL, end of the log, what each client was told) while a mixed workload
runs; then mounts at random LSNs, each of which must start, hold every commit acknowledged before a sample whose VDL is at
or below it and none sent after one whose log ended at or above it, balance, satisfy `mariadb-check --extended`, and with a
binlog agree with it about what was committed.
"""

import threading

import pytest

from maria_bank import Bank, check_tables, compare_binlog, create, invariants
from maria_wire import Connection


class Sampler(threading.Thread):
    def __init__(self, region, bank):
        super().__init__(daemon=True)
        self.region, self.bank = region, bank
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

    def around(self, lsn):
        before = [s for s in self.samples if s[0] <= lsn][-1][2]
        return before, next(s for s in self.samples if s[1] >= lsn)[3]


def look(region, sampler, lsn):
    before, after = sampler.around(lsn)
    with region.opened(lsn) as url:
        with Connection(url) as connection:
            # An acknowledged PREPARE is a promise that its COMMIT will work.
            sampler.bank.settle(connection)
            problems = invariants(connection) + sampler.bank.compare_prefix(connection, before, after)
            if connection.value("SELECT @@log_bin") == "1":
                problems += compare_binlog(url)
            connection.execute("CREATE TABLE bank.of_the_mount (id INT PRIMARY KEY)")
        assert not problems, f"at LSN {lsn}:\n" + "\n".join(problems)
        check_tables(url)


@pytest.mark.parametrize("layout, settings", [("compact", []), ("zones", ["--set", "log_bin=on"])])
def test_prefix_oracle(make_maria, rng, seed, is_long, layout, settings):
    region = make_maria(layout=layout, arguments=["--group-bytes", "16M"])
    region.up(*settings)
    with region.connect() as connection:
        create(connection)
    bank = Bank(region, seed, plain=3, prepares_count="log_bin=on" not in settings)
    sampler = Sampler(region, bank)
    try:
        sampler.take()
        bank.start()
        sampler.start()
        bank.wait_for_commits(4000 if is_long else 400)
        bank.pause()
        sampler.stopping.set()
        sampler.join(60)
        sampler.take()
        low, high = sampler.samples[0][0], sampler.samples[-1][0]
        picks = sorted(rng.randint(low, high) for _ in range(12 if is_long else 3)) + [high]
        print(f"seed {seed}: VDL went from {low} to {high} with {bank.commits} commits; picked {picks}")
        for lsn in picks:
            look(region, sampler, lsn)
        bank.check()
        with region.connect() as connection:
            assert connection.execute("SHOW TABLES FROM bank LIKE 'of_the_mount'") == []
    finally:
        bank.stop()
        sampler.stopping.set()
