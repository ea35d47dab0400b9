# SPDX-License-Identifier: Apache-2.0
"""Stock PostgreSQL: alone, with two synchronous standbys on this machine, and with durability off (the ceiling)."""

import os
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import libpq
import processes
from progress import BrokenRun
from stock import START_SECONDS_MAX, ServerProcess, as_account
from systems import QueryError, Server

ACCOUNT = "postgres"  # what servers run under when we are root: PostgreSQL refuses root


def binaries():
    """The directory of PostgreSQL 15's programs."""
    named = os.environ.get("BOREALIS_PG_BIN")
    for candidate in [named, "/usr/lib/postgresql/15/bin"]:
        if candidate and Path(candidate, "postgres").exists():
            return Path(candidate)
    try:
        return Path(subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True).stdout.strip())
    except (OSError, subprocess.CalledProcessError):
        raise BrokenRun("PostgreSQL 15 is not installed (run `make setup`)") from None


class Postmaster(ServerProcess):
    """One postmaster on one data directory."""

    def __init__(self, directory, port, fixed):
        self.directory, self.port, self.fixed = Path(directory), port, fixed
        self.settings = {}
        self._parent = self.directory.parent

    def initialize(self):
        self._parent.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            shutil.chown(self._parent, ACCOUNT, ACCOUNT)
        # The same encoding and locale as borealis gives its clusters: sorting costs the same.
        command = [binaries() / "initdb", "-D", self.directory, "-U", "postgres", "--auth", "trust"]
        command += ["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-instructions"]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", **as_account(ACCOUNT))
        if done.returncode != 0:
            raise BrokenRun(f"initdb failed: {done.stderr.strip()[-300:]}")

    def copy_from(self, other):
        """Takes the files of a postmaster that was stopped cleanly."""
        self._parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", "--reflink=auto", other.directory, self.directory], check=True)
        if os.getuid() == 0:
            shutil.chown(self._parent, ACCOUNT, ACCOUNT)

    def start(self, settings, wait=True):
        self.settings = settings
        merged = {**settings, **self.fixed, "port": self.port, "listen_addresses": "127.0.0.1"}
        merged |= {"unix_socket_directories": "", "logging_collector": "off"}
        lines = [f"{name} = '{value}'\n" for name, value in merged.items()]
        (self.directory / "bench.conf").write_text("".join(lines))
        configuration = self.directory / "postgresql.conf"
        if "bench.conf" not in configuration.read_text():
            with open(configuration, "a") as file:
                file.write("include 'bench.conf'\n")
        self._launch()
        if wait:
            self.wait_until_ready()

    def _launch(self):
        with open(self._parent / f"{self.directory.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                [binaries() / "postgres", "-D", self.directory], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                cwd="/", start_new_session=True, **as_account(ACCOUNT))

    def wait_until_ready(self, writable=True):
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                with libpq.Connection(self.endpoint(), connect_timeout=2) as connection:
                    if not writable or connection.value("SELECT pg_is_in_recovery()") == "f":
                        return
            except QueryError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise BrokenRun(f"PostgreSQL on port {self.port} did not start ({error}); see {self.directory}.log") from None
            time.sleep(0.05)

    def stop(self):
        self.end(signal.SIGINT)  # fast shutdown

    def crash(self):
        """SIGKILL, then what an ideal supervisor does: ends the orphans at once and starts it again."""
        orphans = [pid for pid in processes.descendants([self.process.pid]) if pid != self.process.pid]
        self.process.kill()
        killed = time.monotonic()
        self.process.wait()
        for pid in orphans:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        while any(processes.is_alive(pid) for pid in orphans):
            time.sleep(0.001)
        self._launch()
        deadline = killed + START_SECONDS_MAX
        while not self._accepts():
            # It gives up when it finds the old shared memory still in use.
            if self.process.poll() is not None:
                self._launch()
            if time.monotonic() > deadline:
                raise BrokenRun(f"PostgreSQL on port {self.port} did not recover; see {self.directory}.log")
            time.sleep(0.01)
        return killed

    def _accepts(self):
        try:
            libpq.Connection(self.endpoint(), connect_timeout=2).close()
            return True
        except QueryError:
            return False

    def endpoint(self):
        return {"host": "127.0.0.1", "port": self.port, "user": "postgres", "dbname": "postgres"}


class StockServer(Server):
    """One postmaster, and `standbys` more that follow it synchronously."""

    def __init__(self, name, directory, port, fixed, standbys=0, source=None):
        self.name, self.source = name, source
        self.is_copy = source is not None
        names = [f"standby{number + 1}" for number in range(standbys)]
        if names:
            # A standby that falls behind while others are measured must still find its log.
            fixed = fixed | {"synchronous_standby_names": f"ANY 1 ({', '.join(names)})", "wal_keep_size": "4GB"}
        self.primary = Postmaster(Path(directory) / "primary", port, fixed)
        self.standbys = []
        for number, standby in enumerate(names):
            info = f"host=127.0.0.1 port={port} user=postgres application_name={standby}"
            followed = {k: v for k, v in fixed.items() if k != "synchronous_standby_names"} | {"primary_conninfo": info}
            self.standbys.append(Postmaster(Path(directory) / standby, port + 1 + number, followed))

    def create(self, settings):
        if self.source is None:
            self.primary.initialize()
        else:
            for postmaster in [self.primary] + self.standbys:
                postmaster.copy_from(self.source.primary)
            for postmaster in self.standbys:
                (postmaster.directory / "standby.signal").touch()
        self.start(settings)

    def start(self, settings):
        self.primary.start(settings, wait=False)
        for postmaster in self.standbys:
            postmaster.start(settings, wait=False)
        self.primary.wait_until_ready()
        for postmaster in self.standbys:
            postmaster.wait_until_ready(writable=False)
        self.wait_for_standbys()

    def wait_for_standbys(self):
        """Returns once every standby replayed what the primary wrote."""
        deadline = time.monotonic() + START_SECONDS_MAX
        query = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= pg_current_wal_lsn()"
        with libpq.Connection(self.endpoint()) as connection:
            while self.standbys and int(connection.value(query)) < len(self.standbys):
                if time.monotonic() > deadline:
                    raise BrokenRun(f"the standbys of {self.name} do not follow")
                time.sleep(0.05)

    def stop(self):
        # The primary first: it sends its last log while it shuts down.
        for postmaster in [self.primary] + self.standbys:
            postmaster.stop()

    def endpoint(self):
        return self.primary.endpoint()

    def connector(self):
        return partial(libpq.Connection, self.endpoint())

    def followers(self):
        if self.standbys:
            self.wait_for_standbys()
        return [partial(libpq.Connection, one.endpoint()) for one in self.standbys]

    def roles(self):
        table = processes.parents()
        found = {"engine": processes.descendants([self.engine_pid()], table)}
        if self.standbys:
            found["standbys"] = processes.descendants([one.process.pid for one in self.standbys], table)
        return found

    def counters(self):
        with libpq.Connection(self.endpoint()) as connection:
            row = connection.rows("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, wal_sync FROM pg_stat_wal")[0]
        return {"logBytes": int(row[0]), "shippedBytes": int(row[0]), "flushes": int(row[1])}

    def engine_pid(self):
        return self.primary.process.pid if self.primary.process else 0

    def crash(self):
        return self.primary.crash()
