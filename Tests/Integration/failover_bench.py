# SPDX-License-Identifier: Apache-2.0
"""Measures failover, lag and the making of readers; asserts only that no acknowledged commit is lost.

A client commits every few milliseconds all the time. A failover's time is from the fault, or the request, to the first commit
that the new writer acknowledged. Progress goes to stderr; the table and then the JSON to stdout.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import psycopg

sys.path.append(str(pathlib.Path(__file__).parent / "mariadb"))

from harness import commits
from harness.cluster import fail_over, instances, wait_all
from harness.region import PG_BIN, Region, kill, until
from maria_bank import MariaRegion
from maria_commits import SCHEMA, MariaCommitter
from maria_wire import Connection

KINDS = {
    "request": lambda region, writer: region.command("failover", "--timeout", 0),
    "engine": lambda region, writer: kill(writer["pid"]),
    "process": lambda region, writer: kill(region.process(f"instance-{writer['id']}")),
    "zone": lambda region, writer: region.fault("kill-az", writer["az"]),
    "freeze": lambda region, writer: region.fault("freeze-writer"),
    "partition": lambda region, writer: region.fault("partition-writer"),
}
TITLES = {
    "request": "failover by request", "engine": "SIGKILL of the engine", "process": "SIGKILL of the instance's process",
    "zone": "loss of the writer's zone", "freeze": "SIGSTOP of the writer", "partition": "writer cut off its storage"}
HEALED = {"zone", "freeze", "partition"}
# A failover by a death that takes longer is worth a look.
OUTLIER_SECONDS = 4
GB = 1 << 30
# MariaDB tells no time of the newest commit that was replayed: one is made so often, and its age is an upper bound of the lag.
TICK_SECONDS = 0.005
NOW = "CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)"


def note(*words):
    print(*words, file=sys.stderr, flush=True)


def quantiles(values):
    """Median, 99th percentile and worst."""
    values = sorted(values)
    return {
        "count": len(values), "median": statistics.median(values), "p99": values[min(len(values) - 1, len(values) * 99 // 100)],
        "worst": values[-1]}


class Bench:
    """One region with one cluster, a writer and a reader."""

    def __init__(self, directory, layout, arguments):
        self.arguments = arguments
        self.is_maria = arguments.engine == "mariadb"
        self.region = Region(directory, layout=layout, arguments=["--no-api", "--engine", arguments.engine])
        if self.is_maria:
            self.region.__class__ = MariaRegion
        self.committer_class = MariaCommitter if self.is_maria else commits.Committer
        self.rows = []
        self.result = {"layout": layout, "engine": arguments.engine, "clients": arguments.clients, "scale": arguments.scale}

    def row(self, title, unit, found, extra=""):
        form = "{:.2f}" if unit == "s" else "{:.1f}"
        self.rows.append([
            f"{self.region.layout}: {title}", str(found["count"]), *(form.format(found[k]) for k in ("median", "p99", "worst")),
            unit, extra])

    def start(self):
        self.region.up()
        with self.region.connect() as connection:
            for statement in SCHEMA if self.is_maria else [commits.TABLE]:
                connection.execute(statement)

    # Failovers

    def failovers(self, kind):
        if kind == "process" and self.region.layout == "compact":
            return note("  process: left out, for in the layout compact the storage nodes are in it")
        cluster = wait_all(self.region, 2)
        with self.region.connect() as connection:
            known = self.committer_class.numbers(connection)
        committer = self.committer_class([i["url"] for i in instances(cluster)], first=max(known, default=0) + 1)
        committer.start()
        totals, decided = [], []
        for number in range(self.arguments.count):
            background = self.load()
            if background:
                time.sleep(self.arguments.pause)
            before, total, _ = fail_over(self.region, committer, lambda before: KINDS[kind](self.region, before["writer"]))
            failover = self.region.cluster()["failover"]
            totals.append(total)
            decided.append(failover["milliseconds"])
            end(background)
            if kind in HEALED:
                self.region.heal()
                # A second zone that is lost before the first has caught up leaves less than a quorum: commits wait for that one.
                self.region.wait_nodes()
                self.region.wait_caught_up()
            slow = f", of which {failover['milliseconds']} ms after the decision ({failover['reason']})"
            note(f"  {kind} {number + 1}/{self.arguments.count}: {total:.2f} s{slow if total > OUTLIER_SECONDS else ''}")
        wait_all(self.region, 2)
        committer.stop()
        with self.region.connect() as connection:
            committer.check(connection, known)
        found = quantiles(totals)
        self.row(TITLES[kind], "s", found, f"{len(committer.acknowledged)} commits, none lost")
        self.result[kind] = {**found, "seconds": totals, "afterDecisionMs": decided, "commits": len(committer.acknowledged)}

    def load(self):
        """TPC-B in the background, if it is wanted."""
        if self.arguments.clients and not self.is_maria:
            return pgbench(self.region.url, "-n", "-c", self.arguments.clients, "-j", 2, "-T", 600)

    # Lag

    def lag(self):
        """The age of the newest commit that a reader has replayed, each few milliseconds, while the writer is busy."""
        cluster = wait_all(self.region, 2)
        clients = self.arguments.clients or 16
        # Some seconds first, in which the buffers fill.
        background = pgbench(
            cluster["writer"]["url"], "-n", "-c", clients, "-j", 2, "-T", self.arguments.lag_seconds + 8)
        with self.region.connect() as connection:
            until("every client is connected", lambda: connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'").fetchone() == (clients,), 30)
        time.sleep(3)
        lags = []
        with psycopg.connect(cluster["readers"][0]["url"], autocommit=True) as reader:
            finish = time.monotonic() + self.arguments.lag_seconds
            while time.monotonic() < finish:
                [(lag,)] = reader.execute(
                    "SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000").fetchall()
                lags.append(float(lag))
                time.sleep(0.005)
        reported = self.region.cluster()["readers"][0].get("lagMs")
        report = background.communicate(timeout=60)[0]
        rate = next((float(line.split()[2]) for line in report.splitlines() if line.startswith("tps")), None)
        self.note_lag(lags, rate, f"replica lag under {clients}-client TPC-B", reported)

    def note_lag(self, lags, rate, title, reported):
        found = quantiles(lags)
        note(f"  lag: {found}")
        self.row(title, "ms", found, f"{rate:.0f} transactions/s" if rate else "")
        self.result["lag"] = {**found, "tps": rate, "reportedMs": reported}

    def maria_lag(self):
        """The age of the newest tick that a reader has applied, while sysbench writes."""
        cluster = wait_all(self.region, 2)
        clients = self.arguments.clients or 16
        with self.region.connect() as connection:
            for statement in ("CREATE DATABASE sbtest", "CREATE TABLE commits.tick (at BIGINT NOT NULL) ENGINE=InnoDB",
                              f"INSERT INTO commits.tick VALUES ({NOW})"):
                connection.execute(statement)
        load = ["--tables=10", "--table-size=10000", f"--threads={clients}", f"--time={self.arguments.lag_seconds + 20}"]
        sysbench(cluster["writer"]["url"], *load, "prepare").communicate(timeout=600)
        background = sysbench(cluster["writer"]["url"], *load, "run")
        time.sleep(5)
        stopping = threading.Event()

        def tick():
            with Connection(cluster["writer"]["url"]) as writer:
                while not stopping.is_set():
                    writer.execute(f"UPDATE commits.tick SET at = {NOW}")
                    time.sleep(TICK_SECONDS)
        ticker = threading.Thread(target=tick)
        ticker.start()
        lags = []
        with Connection(cluster["readers"][0]["url"]) as reader:
            age = f"SELECT {NOW} - at FROM commits.tick"
            # What the tables were filled with is applied first.
            until("the reader has caught up", lambda: int(reader.value(age)) < 500_000, 60)
            finish = time.monotonic() + self.arguments.lag_seconds
            while time.monotonic() < finish:
                lags.append(int(reader.value(age)) / 1000)
                time.sleep(0.005)
        reported = self.region.cluster()["readers"][0].get("lagMs")
        stopping.set()
        ticker.join(30)
        report = background.communicate(timeout=60)[0]
        rate = next((float(line.split("(")[1].split()[0]) for line in report.splitlines() if "transactions:" in line), None)
        self.note_lag(lags, rate, f"replica lag under {clients}-client oltp_write_only", reported)

    # Readers

    def adds(self, title):
        milliseconds = []
        for number in range(self.arguments.adds):
            added = json.loads(self.region.command("instance", "add", f"extra-{number}", "--json").stdout)
            milliseconds.append(added["milliseconds"])
        # Not between two: ext4 without a journal is slow to give new inodes for minutes after many were removed.
        for number in range(self.arguments.adds):
            self.region.command("instance", "remove", f"extra-{number}")
        note(f"  adding a reader, {title}: {milliseconds} ms")
        found = quantiles([value / 1000 for value in milliseconds])
        gigabytes = self.size() / GB
        self.row(f"add a reader, {title}", "s", found, f"{gigabytes:.1f} GB")
        self.result.setdefault("adding", []).append({**found, "milliseconds": milliseconds, "gigabytes": gigabytes})

    def size(self):
        """Bytes of the volume's files."""
        writer = self.region.cluster()["writer"]["id"]
        files = (self.region.directory / "instances").glob(f"{writer}/volume/**/*")
        return sum(path.stat().st_size for path in files if path.is_file() and not path.is_symlink())

    def fill(self, gigabytes):
        """One database with a gigabyte of rows, and copies of its files: no WAL is written for those."""
        began = time.monotonic()
        with self.region.connect() as connection:
            connection.execute("CREATE DATABASE fill_1")
        with self.region.connect(dbname="fill_1") as connection:
            # Four rows a page of 8 KB.
            connection.execute(
                f"CREATE TABLE filler AS SELECT n, repeat(md5(n::text), 58) AS t FROM generate_series(1, {GB // 2048}) n")
        with self.region.connect() as connection:
            for number in range(2, gigabytes + 1):
                connection.execute(f"CREATE DATABASE fill_{number} TEMPLATE fill_1 STRATEGY = FILE_COPY")
                note(f"  {number} of {gigabytes} GB after {time.monotonic() - began:.0f} s")
        self.region.wait_caught_up()


def pgbench(url, *arguments):
    parts = urllib.parse.urlsplit(url)
    environment = {
        **os.environ, "PGHOST": parts.hostname, "PGPORT": str(parts.port), "PGUSER": parts.username,
        "PGPASSWORD": parts.password, "PGDATABASE": "postgres"}
    program = f"{PG_BIN}/pgbench" if os.path.exists(f"{PG_BIN}/pgbench") else "pgbench"
    return subprocess.Popen(
        [program, *map(str, arguments)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)


def sysbench(url, *arguments):
    parts = urllib.parse.urlsplit(url)
    return subprocess.Popen(
        ["sysbench", "oltp_write_only", "--db-driver=mysql", f"--mysql-host={parts.hostname}", f"--mysql-port={parts.port}",
         f"--mysql-user={parts.username}", f"--mysql-password={parts.password}", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def end(process):
    if process:
        process.kill()
        process.wait(30)


def measure(bench, arguments, kinds):
    bench.start()
    if arguments.adds:
        bench.adds("as it is made")
    # The one that the rest needs.
    bench.region.command("instance", "add")
    wait_all(bench.region, 2)
    if not bench.is_maria and (arguments.lag_seconds or arguments.clients):
        pgbench(bench.region.url, "-i", "-q", "-s", arguments.scale).communicate(timeout=1800)
    if arguments.lag_seconds:
        bench.maria_lag() if bench.is_maria else bench.lag()
    for kind in kinds:
        bench.failovers(kind)
    if arguments.fill_gb and arguments.adds and not bench.is_maria:
        bench.fill(arguments.fill_gb)
        time.sleep(arguments.rest)
        bench.adds("filled")


def show(rows):
    rows = [["", "n", "median", "p99", "worst", "", ""]] + rows
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [row[i].rjust(widths[i]) for i in range(1, 5)] + [row[5].ljust(widths[5]), row[6]]
        print("  ".join(cells).rstrip())


def kinds_of(text):
    kinds = [] if text == "none" else list(KINDS) if text == "all" else text.split(",")
    for kind in kinds:
        if kind not in KINDS:
            raise argparse.ArgumentTypeError(f"there is no kind {kind}; there are {', '.join(KINDS)}")
    return kinds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layout", choices=["compact", "zones", "both"], default="zones",
                        help="both: everything in zones, and lag and adding in compact as well")
    parser.add_argument("--engine", choices=["postgres", "mariadb"], default="postgres",
                        help="mariadb: lag by sysbench, and no filled cluster")
    parser.add_argument("--count", type=int, default=20, help="failovers of each kind")
    parser.add_argument("--kinds", type=kinds_of, default="engine,request",
                        help=f"of {','.join(KINDS)}; all; none for no failovers")
    parser.add_argument("--clients", type=int, default=0, help="TPC-B clients during failovers, beside the one measured")
    parser.add_argument("--scale", type=int, default=10, help="of the TPC-B tables")
    parser.add_argument("--pause", type=float, default=1, help="seconds of that load before each failover")
    parser.add_argument("--lag-seconds", type=int, default=20, help="0 does not measure the lag")
    parser.add_argument("--adds", type=int, default=5, help="how many readers are added and removed")
    parser.add_argument("--fill-gb", type=int, default=0, help="add as many again once the cluster has so many gigabytes")
    parser.add_argument("--rest", type=float, default=0, help="seconds that a filled cluster is left alone before")
    arguments = parser.parse_args()
    base = pathlib.Path(tempfile.mkdtemp(prefix="bf-", dir=os.environ.get("BOREALIS_TEST_DIR", "/tmp")))
    base.chmod(0o711)
    layouts = ["zones", "compact"] if arguments.layout == "both" else [arguments.layout]
    rows, results = [], []
    try:
        for number, layout in enumerate(layouts):
            bench = Bench(base / layout, layout, arguments)
            try:
                measure(bench, arguments, arguments.kinds if number == 0 else [])
            finally:
                rows += bench.rows
                results.append(bench.result)
                bench.region.destroy()
    finally:
        # What was measured before a failure is worth something as well.
        show(rows)
        print(json.dumps(results, indent=2))
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
