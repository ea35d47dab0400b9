# SPDX-License-Identifier: Apache-2.0
"""Measures failover, lag and the making of readers; asserts only that no acknowledged commit is lost.

A client commits every few milliseconds all the time. A failover's time is from the fault, or the request, to the first commit
that the new writer acknowledged.
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
import time
import urllib.parse

import psycopg

from harness.commits import TABLE, Committer
from harness.region import PG_BIN, Region, kill, until

KINDS = {
    "request": lambda region, writer: region.command("failover", "--timeout", 0),
    "engine": lambda region, writer: kill(writer["pid"]),
    "process": lambda region, writer: kill(region.process(f"instance-{writer['id']}")),
    "zone": lambda region, writer: region.fault("kill-az", writer["az"]),
    "freeze": lambda region, writer: region.fault("freeze-writer"),
    "partition": lambda region, writer: region.fault("partition-writer"),
}
HEALED = {"zone", "freeze", "partition"}


def note(*words):
    print(*words, file=sys.stderr, flush=True)


def instances(cluster):
    return ([cluster["writer"]] if cluster["writer"] else []) + cluster["readers"]


def wait_all(region, count):
    return region.wait(
        f"{count} instances are available",
        lambda s: s["clusters"][0]["status"] == "available" and s["clusters"][0]["writer"]
        and len(instances(s["clusters"][0])) == count
        and all(i["state"] == "available" for i in instances(s["clusters"][0])))["clusters"][0]


def pgbench(url, *arguments):
    parts = urllib.parse.urlsplit(url)
    environment = {
        **os.environ, "PGHOST": parts.hostname, "PGPORT": str(parts.port), "PGUSER": parts.username,
        "PGPASSWORD": parts.password, "PGDATABASE": "postgres"}
    program = f"{PG_BIN}/pgbench" if os.path.exists(f"{PG_BIN}/pgbench") else "pgbench"
    return subprocess.Popen(
        [program, *map(str, arguments)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)


def load(region, arguments, seconds):
    """TPC-B in the background, if it is wanted."""
    if not arguments.clients:
        return None
    return pgbench(region.url, "-n", "-c", arguments.clients, "-j", 2, "-T", seconds)


def end(process):
    if process:
        process.kill()
        process.wait(30)


def measure_failovers(region, kind, arguments):
    totals = []
    committer = Committer([i["url"] for i in instances(wait_all(region, 2))])
    with region.connect() as connection:
        [(committer.number,)] = connection.execute("SELECT coalesce(max(n), 0) FROM heard").fetchall()
    committer.start()
    for number in range(arguments.count):
        before = wait_all(region, 2)
        background = load(region, arguments, 600)
        committer.wait(50)
        time.sleep(arguments.pause)
        moment = time.monotonic()
        KINDS[kind](region, before["writer"])
        region.wait(
            "another instance is the writer",
            lambda s: s["clusters"][0]["writer"] and s["clusters"][0]["writer"]["id"] != before["writer"]["id"]
            and s["clusters"][0]["failover"]["isComplete"])
        total, _ = committer.gap_after(moment)
        totals.append(total)
        end(background)
        if kind in HEALED:
            region.heal()
        note(f"  {kind} {number + 1}/{arguments.count}: {total:.2f} s")
    committer.stop()
    with region.connect() as connection:
        found = {n for (n,) in connection.execute("SELECT n FROM heard").fetchall()}
    lost = set(committer.acknowledged) - found
    assert not lost, f"{len(lost)} acknowledged commits are lost\n{region.describe()}"
    wait_all(region, 2)
    return {"count": len(totals), "median": statistics.median(totals), "worst": max(totals), "seconds": totals}


def measure_lag(region, arguments):
    """The age of the newest commit that a reader has replayed, each few milliseconds, while the writer is busy."""
    cluster = wait_all(region, 2)
    clients = arguments.clients or 16
    background = pgbench(
        cluster["writer"]["url"], "-n", "-c", clients, "-j", 2, "-T", arguments.lag_seconds + 5)
    with region.connect() as connection:
        until("every client is connected", lambda: connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'").fetchone() == (clients,), 30)
    lags = []
    with psycopg.connect(cluster["readers"][0]["url"], autocommit=True) as reader:
        finish = time.monotonic() + arguments.lag_seconds
        while time.monotonic() < finish:
            [(lag,)] = reader.execute(
                "SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000").fetchall()
            lags.append(float(lag))
            time.sleep(0.005)
    report = background.communicate(timeout=60)[0]
    rate = next((line.split()[2] for line in report.splitlines() if line.startswith("tps")), None)
    lags.sort()
    return {
        "samples": len(lags), "p50": lags[len(lags) // 2], "p99": lags[len(lags) * 99 // 100], "worst": lags[-1],
        "tps": rate and float(rate)}


def measure_adding(region, arguments):
    times = []
    for number in range(arguments.adds):
        added = json.loads(region.command("instance", "add", f"extra-{number}", "--json").stdout)
        times.append(added["milliseconds"])
        region.command("instance", "remove", f"extra-{number}")
    size = sum(
        path.stat().st_size for path in (region.directory / "instances").glob("demo-1/volume/**/*") if path.is_file())
    return {"milliseconds": times, "volumeBytes": size}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layout", choices=["compact", "zones"], default="zones")
    parser.add_argument("--count", type=int, default=20, help="failovers of each kind")
    parser.add_argument("--kinds", default="engine,request", help=f"of {','.join(KINDS)}; none for no failovers")
    parser.add_argument("--clients", type=int, default=0, help="TPC-B clients during failovers, beside the one measured")
    parser.add_argument("--scale", type=int, default=10, help="of the TPC-B tables")
    parser.add_argument("--pause", type=float, default=1, help="seconds of load before each failover")
    parser.add_argument("--lag-seconds", type=int, default=20, help="0 does not measure the lag")
    parser.add_argument("--adds", type=int, default=5, help="how many readers are added and removed")
    arguments = parser.parse_args()
    base = pathlib.Path(tempfile.mkdtemp(prefix="bf-", dir=os.environ.get("BOREALIS_TEST_DIR", "/tmp")))
    base.chmod(0o711)
    region = Region(base / "r", layout=arguments.layout, arguments=["--no-api"])
    result = {"layout": arguments.layout, "clients": arguments.clients, "scale": arguments.scale}
    try:
        region.up("--readers", 1)
        with region.connect() as connection:
            connection.execute(TABLE)
        wait_all(region, 2)
        made = pgbench(region.url, "-i", "-q", "-s", arguments.scale)
        made.communicate(timeout=1800)
        if arguments.adds:
            result["adding"] = measure_adding(region, arguments)
            note("adding a reader:", result["adding"])
        if arguments.lag_seconds:
            result["lag"] = measure_lag(region, arguments)
            note("lag, ms:", result["lag"])
        for kind in [] if arguments.kinds == "none" else arguments.kinds.split(","):
            result[kind] = measure_failovers(region, kind, arguments)
            note(f"{kind}: median {result[kind]['median']:.2f} s, worst {result[kind]['worst']:.2f} s")
        print(json.dumps(result, indent=2))
    finally:
        region.destroy()
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
