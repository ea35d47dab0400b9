# SPDX-License-Identifier: Apache-2.0
"""One slice: a few seconds of one load on one system, and everything that is measured of it.

      load starts   all connected           A                         B = load is told to end    quiet again
           |------------|---- warm-up ------|------- window ----------|--------------------------------|
    counters                                CPU, switches             CPU, switches, memory            counters

Rates, latencies, CPU and context switches are of the window alone. Bytes and flushes are the difference of the server's
counters over the whole load, divided by all its transactions: asking for them inside would disturb what is measured.
"""

import math
import os
import time

import processes

WARM_UP_SECONDS = 0.7
SETTLE_SECONDS_MAX = 4.0


def percentile(ordered, fraction):
    return ordered[min(len(ordered) - 1, max(0, math.ceil(fraction * len(ordered)) - 1))] if ordered else 0.0


def run_slice(system, workload, kind, clients, seconds):
    server = system.server
    counters = server.counters()
    disk = processes.device(workload.work)
    load = workload.load(system, kind, clients, seconds + 60)
    try:
        load.wait_until_connected(server)
        time.sleep(WARM_UP_SECONDS / 2)
        busy = server.roles() | {"clients": [load.pid()]}
        time.sleep(WARM_UP_SECONDS / 2)
        first = processes.sample(busy)
        time.sleep(seconds)
        second = processes.sample(busy)
        memory = {role: max((processes.resident(pid) for pid in pids), default=(0, 0)) for role, pids in busy.items()}
    except BaseException:
        load.abandon()
        raise
    transactions = load.stop()
    after, quiet = processes.settle(server.roles, SETTLE_SECONDS_MAX)
    rest()
    disk = {name: value - disk[name] for name, value in processes.device(workload.work).items()}
    now = server.counters()

    length = second.wall - first.wall
    window = sorted(latency for end, latency in transactions if first.wall <= end < second.wall)
    count, total = max(1, len(window)), max(1, len(transactions))
    spent = processes.difference(first, second)
    return {
        "system": system.name, "kind": kind, "clients": clients, "seconds": round(length, 3),
        "transactions": len(window), "transactionsOfLoad": len(transactions),
        "tps": len(window) / length,
        "p50": percentile(window, 0.50), "p95": percentile(window, 0.95), "p99": percentile(window, 0.99),
        "cpuPerTransaction": {role: one.cpu / count for role, one in spent.items()},
        "cpuAfterPerTransaction": after / total, "becameQuiet": quiet,
        "switchesPerTransaction": {role: one.switches / count for role, one in spent.items()},
        "counters": {name: now[name] - counters[name] for name in now},
        "perTransaction": {name: (now[name] - counters[name]) / total for name in now} | {name: value / total for name, value in disk.items()},
        "residentBytes": {role: value[0] for role, value in memory.items()},
        "residentAnonymousBytes": {role: value[1] for role, value in memory.items()},
    }


def rest():
    """Writes back what the last slice left in the page cache, so that the next one does not pay for it."""
    os.sync()
