# SPDX-License-Identifier: Apache-2.0
"""pgbench: TPC-B and select-only with prepared statements, latencies from its log of every transaction.

The digest: TPC-B adds the same delta to an account, a teller, a branch and the history, so the four sums are equal on a
server that lost and doubled nothing; and until an engine is killed, the history has exactly one row for each transaction
that pgbench counted.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import processes
from progress import BrokenRun, say
from workloads import Load, Workload

KINDS = {"tpcb": "tpcb-like", "select": "select-only"}
CONNECT_SECONDS_MAX = 30
_VARIABLES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}


def _environment(endpoint, session=None):
    named = {_VARIABLES[key]: str(value) for key, value in endpoint.items()}
    options = " ".join(f"-c {name}={value}" for name, value in (session or {}).items())
    return dict(os.environ) | named | ({"PGOPTIONS": options} if options else {})


class PgbenchLoad(Load):
    def __init__(self, workload, system, kind, clients, seconds):
        self._workload, self._system, self._kind, self._clients = workload, system, kind, clients
        self._logs = Path(workload.work) / "pgbench-logs"
        shutil.rmtree(self._logs, ignore_errors=True)
        self._logs.mkdir(parents=True)
        endpoint = system.server.endpoint()
        command = [workload.program, "-n", "-M", "prepared", "-b", KINDS[kind], "-c", str(clients)]
        command += ["-j", str(min(clients, workload.threads)), "-T", str(seconds), "-s", str(workload.scale)]
        command += ["-l", "--log-prefix", str(self._logs / "log")]
        self._engine = system.server.engine_pid()
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment(endpoint, system.session))

    def pid(self):
        return self._process.pid

    def wait_until_connected(self, server):
        """pgbench starts its clock when its last client is connected; each client is a process of the engine."""
        deadline = time.monotonic() + CONNECT_SECONDS_MAX
        while processes.clients(self._engine) < self._clients:
            if self._process.poll() is not None:
                self._finish()
                raise BrokenRun(f"pgbench ended before {self._clients} clients had connected to {server.name}")
            if time.monotonic() > deadline:
                self.abandon()
                raise BrokenRun(f"{server.name}: {self._clients} clients did not connect within {CONNECT_SECONDS_MAX} s")
            time.sleep(0.01)

    def stop(self):
        # pgbench's own alarm, a little early: it ends as it does when -T is over, and writes its logs out.
        self._process.send_signal(signal.SIGALRM)
        return self._finish()

    def _finish(self):
        output, errors = self._process.communicate()
        where = f"{self._system.name}, {self._kind}, {self._clients} clients"
        processed = re.search(r"actually processed: (\d+)", output)
        failed = re.search(r"failed transactions: (\d+)", output)
        if self._process.returncode != 0 or not processed or (failed and int(failed.group(1))):
            lines = [line for line in errors.strip().splitlines() if "error" in line] or errors.strip().splitlines() or ["?"]
            raise BrokenRun(f"pgbench failed ({where}): {lines[0]}")
        done = []
        for path in self._logs.iterdir():
            for line in path.read_text().splitlines():
                field = line.split()
                done.append((int(field[4]) + int(field[5]) / 1e6, int(field[2]) / 1e6))
        done.sort()
        if len(done) != int(processed.group(1)):
            raise BrokenRun(f"pgbench logged {len(done)} transactions and counted {processed.group(1)} ({where})")
        if self._kind == "tpcb":
            self._workload.committed[self._system.server.name] += len(done)
        return done

    def abandon(self):
        self._process.kill()
        self._process.communicate()


class Pgbench(Workload):
    kinds, read_only, crash_kind = tuple(KINDS), ("select",), "tpcb"

    def __init__(self, program, work, scale, threads=2):
        self.program, self.work, self.scale, self.threads = str(program), work, scale, threads
        self.committed = {}  # server -> TPC-B transactions that pgbench counted
        self.crashed = set()  # servers with transactions that nobody counted

    def prepare(self, server):
        started = time.monotonic()
        command = [self.program, "-i", "-q", "-s", str(self.scale)]
        done = subprocess.run(command, capture_output=True, text=True, env=_environment(server.endpoint()))
        if done.returncode != 0:
            raise BrokenRun(f"pgbench -i failed on {server.name}: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        return time.monotonic() - started

    def adopt(self, server):
        """Starts the count for a server that has the tables, its own or copied."""
        self.committed[server.name] = 0

    def settle(self, server, options):
        """Checkpoint; then, for `settled`, one row lock in each page of the accounts.

        Stock PostgreSQL logs a page in full at its first change after a checkpoint. With five minutes between checkpoints
        that cost fades after some seconds, but slices are so short that it would be all they show. The locks get it over
        with before measuring: stock is seen as it is late in an interval, at its best.
        """
        with server.connector()() as connection:
            connection.rows("CHECKPOINT")
            if options.full_pages == "settled":
                # 61 rows fill a page when pgbench loads them; later ones are packed alike.
                connection.rows("SELECT count(*) FROM (SELECT FROM pgbench_accounts WHERE aid % 61 = 0 FOR UPDATE) AS locked")
                if connection.value("SHOW full_page_writes") == "off":
                    # Nothing is logged in full here; what the locks dirtied must not count as the load's.
                    connection.rows("CHECKPOINT")

    def checkpoint(self, server):
        with server.connector()() as connection:
            connection.rows("CHECKPOINT")

    def tidy(self, server):
        with server.connector()() as connection:
            connection.rows("VACUUM pgbench_branches")
            connection.rows("VACUUM pgbench_tellers")

    def size(self, server):
        """Bytes of the database."""
        with server.connector()() as connection:
            return int(connection.value("SELECT pg_database_size(current_database())"))

    def fill(self, server, size):
        """Adds a table until the database has so many bytes. Its rows are too short for PostgreSQL to compress, but the six
        copies do, so that a volume of many gigabytes fits on a small disk."""
        with server.connector()() as connection:
            connection.rows("CREATE TABLE IF NOT EXISTS bench_filler (n bigint, t text)")
            before = told = self.size(server)
            began = time.monotonic()
            while (now := self.size(server)) < size:
                if now - told >= 1e9:
                    rate = (now - before) / (time.monotonic() - began)
                    say(f"{server.name}: {now / 1e9:.1f} of {size / 1e9:.1f} GB, {rate / 1e6:.0f} MB a second")
                    # The WAL of what was loaded need not lie around on a small disk either.
                    connection.rows("CHECKPOINT")
                    told = now
                connection.rows("INSERT INTO bench_filler SELECT n, repeat(md5(random()::text), 30) FROM generate_series(1, 100000) AS n")
            connection.rows("CHECKPOINT")

    def load(self, system, kind, clients, seconds):
        return PgbenchLoad(self, system, kind, clients, seconds)

    def digest(self, server):
        sums = self._sums(server.connector())
        rows = sums.pop("historyRows")
        counted = self.committed.get(server.name, 0)
        if len(set(sums.values())) != 1:
            raise BrokenRun(f"{server.name}: the TPC-B sums differ: {sums}")
        if rows < counted or (rows != counted and server.name not in self.crashed):
            raise BrokenRun(f"{server.name}: {rows} rows of history for {counted} counted transactions")
        for follower in server.followers():
            theirs = self._sums(follower)
            if theirs != sums | {"historyRows": rows}:
                raise BrokenRun(f"{server.name}: a standby differs: {theirs}, the primary {sums} and {rows} rows")
        return {"sum": next(iter(sums.values())), "historyRows": rows, "counted": counted}

    @staticmethod
    def _sums(connect):
        query = """SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
            (SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history),
            (SELECT count(*) FROM pgbench_history)"""
        with connect() as connection:
            values = [int(value) for value in connection.rows(query)[0]]
        return dict(zip(("accounts", "tellers", "branches", "history", "historyRows"), values))
