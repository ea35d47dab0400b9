# SPDX-License-Identifier: Apache-2.0
"""sysbench's OLTP loads, latencies from a log of every transaction that `sysbench_log.lua` writes.

The digest: the tables are there twice. In `counted` run the loads whose effect can be counted: oltp_update_index adds 1 to
one k, oltp_insert adds a row, the others neither; so the sum of k and the number of rows must have grown by exactly what
sysbench counted. In `mixed` run those that delete and insert again: the number of rows must be what it was.
"""

import mmap
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from progress import BrokenRun
from workloads import Load, Workload

MIXED = ("oltp_read_write", "oltp_write_only")
READ_ONLY = ("oltp_point_select",)
KINDS = MIXED + ("oltp_update_index", "oltp_update_non_index", "oltp_insert") + READ_ONLY
DATABASES = ("counted", "mixed")
CONNECT_SECONDS_MAX = 60
STOP_SECONDS_MAX = 120
SCRIPT = Path(__file__).resolve().parent / "sysbench_log.lua"


def program():
    found = shutil.which("sysbench")
    if not found:
        raise BrokenRun("sysbench is not installed (run `make bench ENGINE=mariadb`, which installs it, or `apt-get install sysbench`)")
    return found


class SysbenchLoad(Load):
    def __init__(self, workload, system, kind, clients, seconds):
        self._workload, self._system, self._kind, self._clients = workload, system, kind, clients
        self._logs = Path(workload.work) / "sysbench-logs"
        shutil.rmtree(self._logs, ignore_errors=True)
        self._logs.mkdir(parents=True)
        flags = self._logs.parent / "sysbench-flags"
        flags.write_bytes(bytes(1 + clients))
        with open(flags, "r+b") as file:
            self._flags = mmap.mmap(file.fileno(), 0)
        database = "mixed" if kind in MIXED else "counted"
        command = workload.command(SCRIPT, system.server.endpoint(), database, clients)
        command += [f"--time={seconds}", "--report-interval=0", "run"]
        named = {"BENCH_KIND": kind, "BENCH_FLAGS": str(flags), "BENCH_LOG": str(self._logs)}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ) | named)

    def pid(self):
        return self._process.pid

    def wait_until_connected(self, server):
        deadline = time.monotonic() + CONNECT_SECONDS_MAX
        while not all(self._flags[1:]):
            if self._process.poll() is not None:
                self._finish()
                raise BrokenRun(f"sysbench ended before {self._clients} clients had connected to {server.name}")
            if time.monotonic() > deadline:
                self.abandon()
                raise BrokenRun(f"{server.name}: {self._clients} clients did not connect within {CONNECT_SECONDS_MAX} s")
            time.sleep(0.01)

    def stop(self):
        self._flags[0] = 1
        return self._finish()

    def _finish(self):
        where = f"{self._system.name}, {self._kind}, {self._clients} clients"
        try:
            output, errors = self._process.communicate(timeout=STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.abandon()
            raise BrokenRun(f"sysbench did not end within {STOP_SECONDS_MAX} s ({where})") from None
        counted = re.search(r"transactions:\s+(\d+)", output)
        if self._process.returncode != 0 or not counted:
            lines = [line for line in (errors + output).splitlines() if "FATAL" in line or "error" in line]
            raise BrokenRun(f"sysbench failed ({where}): {(lines or ['?'])[0]}")
        done = sorted(tuple(map(float, line.split())) for log in self._logs.iterdir() for line in log.read_text().splitlines())
        if len(done) != int(counted[1]):
            raise BrokenRun(f"sysbench logged {len(done)} transactions and counted {counted[1]} ({where})")
        self._workload.count(self._system.server, self._kind, len(done))
        return done

    def abandon(self):
        self._process.kill()
        self._process.communicate()


class Sysbench(Workload):
    kinds = KINDS
    read_only = READ_ONLY
    crash_kind = "oltp_write_only"
    probe_table = "counted.bench_probe"

    def __init__(self, work, tables, rows):
        self.program, self.work, self.tables, self.rows = program(), work, tables, rows
        self.counted = {}  # server -> kind -> transactions that sysbench counted
        self.before = {}  # server -> what `_sums` said before the first load
        self.crashed = set()  # servers with transactions that nobody counted

    def command(self, script, endpoint, database, threads):
        return [
            self.program, str(script), "--db-driver=mysql", f"--mysql-host={endpoint['host']}", f"--mysql-port={endpoint['port']}",
            f"--mysql-user={endpoint['user']}", f"--mysql-password={endpoint['password']}", f"--mysql-db={database}",
            f"--tables={self.tables}", f"--table-size={self.rows}", f"--threads={threads}",
        ]

    def prepare(self, server):
        started = time.monotonic()
        for database in DATABASES:
            with server.connector()() as connection:
                connection.rows(f"CREATE DATABASE {database}")
            command = self.command("oltp_read_write", server.endpoint(), database, min(2, self.tables)) + ["prepare"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
            if done.returncode != 0:
                raise BrokenRun(f"sysbench prepare failed on {server.name}: {(done.stderr or done.stdout).strip()[-200:]}")
        return time.monotonic() - started

    def adopt(self, server):
        self.counted[server.name] = dict.fromkeys(KINDS, 0)
        self.before[server.name] = self._sums(server.connector())

    def count(self, server, kind, transactions):
        self.counted[server.name][kind] += transactions

    @property
    def committed(self):
        """server -> transactions that wrote something."""
        return {
            name: sum(count for kind, count in kinds.items() if kind not in READ_ONLY) for name, kinds in self.counted.items()}

    def settle(self, server, options):
        """Reads every table once: the loads are to find their pages in the buffer pool."""
        self._sums(server.connector())

    def load(self, system, kind, clients, seconds):
        return SysbenchLoad(self, system, kind, clients, seconds)

    def digest(self, server):
        found = self._sums(server.connector())
        counted, before = self.counted[server.name], self.before[server.name]
        grown = {name: found[name] - before[name] for name in found}
        told = {"k": counted["oltp_update_index"], "rows": counted["oltp_insert"], "mixedRows": 0}
        if grown != told:
            raise BrokenRun(f"{server.name}: the tables grew by {grown}, but clients were told of {told}")
        for follower in server.followers():
            if self._sums(follower) != found:
                raise BrokenRun(f"{server.name}: the replica differs: {self._sums(follower)}, the primary {found}")
        return found | {"counted": sum(counted.values())}

    def _sums(self, connector):
        """Of the rows that were there from the start the sum of k; the number of rows."""
        with connector() as connection:
            def total(database, what):
                return sum(int(connection.value(f"SELECT {what} FROM {database}.sbtest{n + 1}")) for n in range(self.tables))

            return {
                "k": total("counted", f"SUM(IF(id <= {self.rows}, k, 0))"), "rows": total("counted", "COUNT(*)"),
                "mixedRows": total("mixed", "COUNT(*)"),
            }
