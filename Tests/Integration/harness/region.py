# SPDX-License-Identifier: Apache-2.0
"""A region of its own for a test, driven only through the `borealis` program and signals to its processes.

Every wait has a deadline and polls for an event; nothing measures time. The deadlines are generous because the machine
may be busy with other things.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[3]
BOREALIS = os.environ.get("BOREALIS", str(ROOT / ".build/release/borealis"))
DEADLINE = float(os.environ.get("BOREALIS_TEST_DEADLINE", "240"))
PG_BIN = os.environ.get("BOREALIS_PG_BIN", "/usr/lib/postgresql/15/bin")

_ports = iter(())


def free_port():
    """A port below Linux's range for outgoing connections and below those that regions choose for themselves."""
    global _ports
    base = 16000 + (os.getpid() * 37) % 3000
    if not hasattr(_ports, "send"):
        def count():
            while True:
                for port in range(base, base + 900):
                    yield port
        _ports = count()
    for port in _ports:
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def until(what, predicate, deadline=DEADLINE, pause=0.1, context=None):
    """Waits until `predicate()` gives something true, and returns that."""
    end = time.monotonic() + deadline
    while True:
        found = predicate()
        if found:
            return found
        if time.monotonic() > end:
            detail = f"\n{context()}" if context else ""
            raise AssertionError(f"not within {deadline:.0f} s: {what}{detail}")
        time.sleep(pause)


def is_alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def children(pid):
    """Process ids of the direct children."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] not in "ZX":
            found.append(int(entry))
    return found


def title(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def kill(pid, number=signal.SIGKILL):
    """Signals one process; it may have ended already. A group is never meant."""
    assert pid is not None and pid > 1, pid
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


class Failed(Exception):
    """A `borealis` command that ended with an error; `line` is what it said."""

    def __init__(self, result):
        self.result = result
        self.line = result.stderr.strip()
        super().__init__(f"{' '.join(result.args)} ended with {result.returncode}: {self.line}")


class Region:
    """One data directory and whatever runs in it."""

    def __init__(self, directory, layout="compact", port=None, arguments=()):
        self.directory = pathlib.Path(directory)
        self.layout = layout
        self.port = port or free_port()
        self.arguments = list(arguments)

    def command(self, *arguments, check=True, timeout=DEADLINE + 60, environment=None):
        """Runs `borealis ARGUMENTS --data DIRECTORY`."""
        line = [BOREALIS, *map(str, arguments), "--data", str(self.directory)]
        result = subprocess.run(
            line, capture_output=True, text=True, timeout=timeout, env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL)
        if check and result.returncode != 0:
            raise Failed(result)
        return result

    def up(self, *arguments, check=True, environment=None):
        new = [] if (self.directory / "format").exists() else ["--layout", self.layout]
        return self.command(
            "up", "--detach", "--timeout", int(DEADLINE), "--port", self.port, *new, *self.arguments, *arguments, check=check,
            environment=environment)

    def down(self):
        return self.command("down", "--timeout", "200")

    def status(self):
        """The parsed status, or None while nothing answers."""
        result = self.command("status", "--json", check=False, timeout=90)
        return json.loads(result.stdout) if result.returncode == 0 else None

    def cluster(self, status=None):
        status = status or self.status()
        return status["clusters"][0] if status and status["clusters"] else None

    @property
    def url(self):
        return self.cluster()["writer"]["url"]

    def writer_pid(self):
        cluster = self.cluster()
        return cluster["writer"]["pid"] if cluster and cluster["writer"] else None

    def vdl(self):
        return self.cluster()["vdl"]

    def process(self, role):
        """The process id of a role: supervisor, storage, storage-a, instance-demo-1."""
        status = self.status()
        return next((p["pid"] for p in status["processes"] if p["role"] == role), None) if status else None

    @property
    def driver_role(self):
        return "storage" if self.layout == "compact" else "instance-demo-1"

    def wait(self, what, predicate, deadline=DEADLINE):
        """Polls the status until the predicate holds; returns that status."""
        def look():
            status = self.status()
            return status if status and predicate(status) else None
        return until(what, look, deadline, context=self.describe)

    def wait_available(self, deadline=DEADLINE):
        return self.wait("the cluster is available", lambda s: s["clusters"][0]["status"] == "available", deadline)

    def wait_nodes(self, state="up", nodes=None, deadline=DEADLINE):
        wanted = set(nodes or ["a1", "a2", "b1", "b2", "c1", "c2"])
        return self.wait(
            f"the nodes {sorted(wanted)} are {state}",
            lambda s: all(n["state"] == state for n in s["nodes"] if n["id"] in wanted), deadline)

    def wait_caught_up(self, deadline=DEADLINE):
        """Every node is complete to the VDL of now."""
        vdl = self.vdl()
        return self.wait(
            f"every node is complete to {vdl}", lambda s: all((n["scl"] or 0) >= vdl for n in s["nodes"]), deadline)

    def fault(self, *arguments):
        return self.command("fault", *arguments)

    def heal(self):
        """Again while a process that is just starting does not listen yet."""
        def attempt():
            return self.command("fault", "heal", check=False).returncode == 0
        until("heal succeeds", attempt, 60, 0.2, context=self.describe)

    def connect(self, dbname=None, deadline=DEADLINE, **options):
        """A connection, once the engine gives one."""
        end = time.monotonic() + deadline
        while True:
            try:
                cluster = self.cluster()
                if cluster and cluster["writer"]:
                    url = cluster["writer"]["url"]
                    if dbname:
                        url = urllib.parse.urlsplit(url)._replace(path="/" + dbname).geturl()
                    return psycopg.connect(url, connect_timeout=10, **{"autocommit": True, **options})
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
            if time.monotonic() > end:
                raise AssertionError(f"no connection within {deadline:.0f} s\n{self.describe()}")
            time.sleep(0.1)

    def describe(self):
        """For a failure: the status and the ends of the logs."""
        parts = [self.command("status", check=False, timeout=90).stdout]
        logs = sorted(self.directory.glob("logs/*.log")) + sorted(self.directory.glob("instances/*/engine/*.log"))
        for log in logs:
            with contextlib.suppress(OSError):
                tail = log.read_text(errors="replace").splitlines()[-12:]
                parts.append(f"--- {log}\n" + "\n".join(tail))
        return "\n".join(parts)

    def pids(self):
        """Every process of the region that status knows, the engine's first one included."""
        status = self.status()
        if not status:
            return []
        pids = [p["pid"] for p in status["processes"]] + [c["writer"]["pid"] for c in status["clusters"] if c["writer"]]
        return [pid for pid in pids if pid]

    def supervisor(self):
        """The process that holds the directory, or None."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.directory / "lock").read_text())
            if is_alive(pid) and f"--data {self.directory}" in title(pid):
                return pid
        return None

    def crash(self, rng=None):
        """SIGKILL for everything, in random order; returns when all of it has ended."""
        pids = self.pids()
        engine = self.writer_pid()
        if engine:
            pids += children(engine)
        if rng:
            rng.shuffle(pids)
        for pid in pids:
            kill(pid)
        supervisor = self.supervisor()
        if supervisor:
            kill(supervisor)
        for pid in pids:
            until(f"process {pid} has ended", lambda pid=pid: not is_alive(pid), 60, 0.02)

    def destroy(self, keep=False):
        """Stops what runs, kindly if it listens, and removes the directory."""
        if self.supervisor():
            with contextlib.suppress(Exception):
                self.command("down", "--timeout", "100", check=False, timeout=120)
        pid = self.supervisor()
        if pid:
            kill(pid)
            with contextlib.suppress(AssertionError):
                until("the supervisor has ended", lambda: not is_alive(pid), 30)
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    # Copy-on-write mounts

    @contextlib.contextmanager
    def opened(self, lsn=None, deadline=DEADLINE):
        """A PostgreSQL on a copy of the volume at an LSN; yields its URL."""
        line = [BOREALIS, "volume", "open", "--json", "--data", str(self.directory)]
        if lsn is not None:
            line += ["--at", str(lsn)]
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, text=True)
            try:
                text = _read_json(process, deadline)
                errors.seek(0)
                said = errors.read().decode(errors="replace")[-3000:]
                assert text, f"volume open --at {lsn}: {said}\n{self.describe()}"
                yield json.loads(text)["url"]
            finally:
                process.terminate()
                try:
                    process.wait(120)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(30)
                    raise AssertionError(f"volume open --at {lsn} did not end on SIGTERM")
                finally:
                    process.stdout.close()


def _read_json(process, deadline):
    """What the process prints up to the end of one JSON object; empty if it ends or stays silent."""
    import selectors

    text = ""
    end = time.monotonic() + deadline
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < end:
            if not selector.select(0.5):
                continue
            chunk = os.read(process.stdout.fileno(), 65536).decode()
            if not chunk:
                return ""
            text += chunk
            with contextlib.suppress(ValueError):
                json.loads(text)
                return text
    return ""


def amcheck(url, all_databases=True):
    """`pg_amcheck --heapallindexed` over every database; it must have nothing to say."""
    parts = urllib.parse.urlsplit(url)
    environment = {
        **os.environ, "PGHOST": parts.hostname, "PGPORT": str(parts.port), "PGUSER": parts.username,
        "PGPASSWORD": parts.password}
    line = [
        f"{PG_BIN}/pg_amcheck", "--heapallindexed", "--install-missing", "--no-strict-names", "--on-error-stop",
        "--jobs=2", "--maintenance-db=postgres"]
    line += ["--all"] if all_databases else ["postgres"]
    result = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, f"pg_amcheck: {result.stdout}{result.stderr}"


def redacted(url):
    return re.sub(r":[^:@/]+@", ":***@", url)
