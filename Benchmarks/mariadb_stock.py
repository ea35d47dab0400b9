# SPDX-License-Identifier: Apache-2.0
"""Stock MariaDB: alone, with a semi-synchronous replica on this machine, and with durability off (the ceiling)."""

import os
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import libmaria
from progress import BrokenRun
from stock import START_SECONDS_MAX, ServerProcess, as_account
from systems import QueryError, Server

ACCOUNT = "mysql"  # what servers run under when we are root
USER, PASSWORD = "bench", "bench"


def _program(name):
    """A program of the server, where Debian or $BOREALIS_MARIADB_BIN has it."""
    named = os.environ.get("BOREALIS_MARIADB_BIN", "")
    found = shutil.which(name, path=":".join([named, f"{named}/../bin", "/usr/sbin", "/usr/bin", "/usr/local/bin"]))
    if not found:
        raise BrokenRun(f"there is no program {name} (run `make setup`)")
    return found


class Mariadbd(ServerProcess):
    """One server on one data directory."""

    def __init__(self, directory, port, fixed):
        self.directory, self.port, self.fixed = Path(directory), port, fixed
        self.settings = {}

    @property
    def data(self):
        return self.directory / "data"

    def make_directory(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            shutil.chown(self.directory, ACCOUNT, ACCOUNT)

    def initialize(self):
        self.make_directory()
        accounts = self.directory / "accounts.sql"
        accounts.write_text(
            f"FLUSH PRIVILEGES;\nCREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'%';\n")
        done = subprocess.run(
            [_program("mariadb-install-db"), "--no-defaults", f"--datadir={self.data}", "--skip-name-resolve", "--skip-test-db",
             f"--extra-file={accounts}"], capture_output=True, text=True, cwd="/", timeout=300, **as_account(ACCOUNT))
        if done.returncode != 0:
            raise BrokenRun(f"mariadb-install-db failed: {(done.stderr or done.stdout).strip()[-300:]}")

    def copy_from(self, other):
        """Takes the files of a server that was stopped cleanly."""
        self.make_directory()
        subprocess.run(["cp", "-a", "--reflink=auto", other.data, self.data], check=True)

    def start(self, settings):
        self.settings = settings
        self._launch()
        self.wait_until_ready()

    def _launch(self):
        options = {
            **self.settings, **self.fixed, "datadir": self.data, "port": self.port, "bind_address": "127.0.0.1",
            "socket": self.directory / "socket", "pid_file": self.directory / "pid", "skip_name_resolve": 1,
            # As borealis has it: strings cost the same.
            "character_set_server": "utf8mb4",
        }
        words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        with open(self.directory / "error.log", "ab") as log:
            self.process = subprocess.Popen(
                [_program("mariadbd"), "--no-defaults", *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/",
                start_new_session=True, **as_account(ACCOUNT))

    def wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                return self.connect(connect_timeout=2).close()
            except QueryError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise BrokenRun(f"MariaDB on port {self.port} did not start ({error}); see {self.directory}/error.log") from None
            time.sleep(0.01)

    def stop(self):
        self.end(signal.SIGTERM)

    def crash(self):
        """SIGKILL, then what an ideal supervisor does: starts it again at once."""
        self.process.kill()
        killed = time.monotonic()
        self.process.wait()
        self._launch()
        self.wait_until_ready()
        return killed

    def endpoint(self):
        return {"host": "127.0.0.1", "port": self.port, "user": USER, "password": PASSWORD}

    def connect(self, **more):
        return libmaria.Connection(self.endpoint(), **more)


class StockMaria(Server):
    """One server, and maybe a replica whose acknowledgement its commits wait for (rpl_semi_sync_master_wait_point=AFTER_SYNC).

    The replica has no binlog of its own, which spares it half of its flushes, and applies with four threads.
    """

    def __init__(self, name, directory, port, fixed, source=None, has_replica=False):
        self.name, self.source, self.is_copy = name, source, source is not None
        self.replica = None
        if has_replica:
            # Long enough that it never falls back to being asynchronous.
            fixed = fixed | {
                "rpl_semi_sync_master_enabled": 1, "rpl_semi_sync_master_wait_point": "AFTER_SYNC",
                "rpl_semi_sync_master_timeout": 60000}
            followed = {
                "server_id": 2, "rpl_semi_sync_slave_enabled": 1, "relay_log": "relay", "slave_parallel_threads": 4,
                "innodb_flush_log_at_trx_commit": 1}
            self.replica = Mariadbd(Path(directory) / "replica", port + 1, followed)
        self.primary = Mariadbd(Path(directory) / "primary", port, fixed)

    def create(self, settings):
        if self.source is None:
            self.primary.initialize()
        for server in [self.primary, self.replica] if self.source else []:
            if server:
                server.copy_from(self.source.primary)
        self.primary.start(settings)
        if self.replica:
            with self.primary.connect() as connection:
                position = connection.value("SELECT @@gtid_binlog_pos")
            self.replica.start(settings)
            with self.replica.connect() as connection:
                connection.rows(f"SET GLOBAL gtid_slave_pos = '{position}'")
                connection.rows(
                    f"CHANGE MASTER TO master_host = '127.0.0.1', master_port = {self.primary.port}, master_user = '{USER}', "
                    f"master_password = '{PASSWORD}', master_use_gtid = slave_pos")
                connection.rows("START SLAVE")
            self.wait_for_replica()

    def start(self, settings):
        self.primary.start(settings)
        if self.replica:
            self.replica.start(settings)
            self.wait_for_replica()

    def wait_for_replica(self):
        """Returns once the replica applied what the primary wrote."""
        with self.primary.connect() as connection:
            position = connection.value("SELECT @@gtid_binlog_pos")
        with self.replica.connect() as connection:
            if connection.value(f"SELECT MASTER_GTID_WAIT('{position}', {START_SECONDS_MAX})") != "0":
                raise BrokenRun(f"the replica of {self.name} does not follow; see {self.replica.directory}/error.log")
        deadline = time.monotonic() + START_SECONDS_MAX
        while self._status("Rpl_semi_sync_master_status") != "ON":
            if time.monotonic() > deadline:
                raise BrokenRun(f"{self.name} is not semi-synchronous; see {self.primary.directory}/error.log")
            time.sleep(0.05)

    def _status(self, name):
        with self.primary.connect() as connection:
            return dict(connection.rows(f"SHOW GLOBAL STATUS LIKE '{name}'"))[name]

    def stop(self):
        # The replica first: it connects again and again to a primary that is gone.
        for server in [self.replica, self.primary]:
            if server:
                server.stop()

    def endpoint(self):
        return self.primary.endpoint()

    def connector(self):
        return partial(libmaria.Connection, self.endpoint())

    def followers(self):
        if not self.replica:
            return []
        if int(self._status("Rpl_semi_sync_master_no_tx")):
            raise BrokenRun(f"{self.name} acknowledged commits that its replica had not")
        self.wait_for_replica()
        return [partial(libmaria.Connection, self.replica.endpoint())]

    def roles(self):
        found = {"engine": [self.engine_pid()]}
        if self.replica:
            found["standbys"] = [self.replica.process.pid]
        return found

    def counters(self):
        with self.primary.connect() as connection:
            status = dict(connection.rows("SHOW GLOBAL STATUS"))
        redo, binlog = int(status["Innodb_os_log_written"]), int(status["Binlog_bytes_written"])
        flushes = int(status["Innodb_data_fsyncs"]) + int(status["Binlog_group_commits"])
        return {"logBytes": redo + binlog, "shippedBytes": binlog if self.replica else 0, "flushes": flushes}

    def engine_pid(self):
        return self.primary.process.pid if self.primary.process else 0

    def crash(self):
        return self.primary.crash()
