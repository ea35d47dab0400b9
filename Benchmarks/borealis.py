# SPDX-License-Identifier: Apache-2.0
"""Borealis: a region of its own for each system, driven through the `borealis` program."""

import json
import os
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import libmaria
import libpq
import processes
from progress import BrokenRun, say
from systems import Server


CLIENTS = {"postgres": libpq.Connection, "mariadb": libmaria.Connection}


class BorealisServer(Server):
    def __init__(self, name, directory, port, layout, program, shim=None, engine="postgres", fixed=None):
        self.name, self.directory, self.port, self.layout = name, Path(directory), port, layout
        self.engine, self.fixed = engine, fixed or {}
        self.program = str(program)
        self.environment = dict(os.environ) | ({"BOREALIS_SHIM": str(shim)} if shim else {})
        self._supervisor = 0

    def command(self, *words, seconds_max=600):
        arguments = [self.program, *words, "--data", str(self.directory)]
        try:
            done = subprocess.run(
                arguments, capture_output=True, text=True, env=self.environment, timeout=seconds_max, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise BrokenRun(f"`borealis {' '.join(words)}` did not end within {seconds_max} s") from None
        if done.returncode != 0:
            text = done.stderr.strip().splitlines() or ["no message"]
            raise BrokenRun(f"`borealis {' '.join(words)}` failed: {text[-1]}")
        return done.stdout

    def create(self, settings):
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        self.start(settings)

    def start(self, settings):
        words = ["up", "--detach", "--json", "--engine", self.engine, "--layout", self.layout, "--port", str(self.port)]
        for name, value in {**settings, **self.fixed}.items():
            words += ["--set", f"{name}={value}"]
        report = json.loads(self.command(*words))
        self._supervisor = next(one["pid"] for one in report["processes"] if one["role"] == "supervisor")

    def stop(self):
        self._supervisor = self._supervisor or self._recorded_supervisor()
        if self.is_running():
            try:
                self.command("down")
            except BrokenRun as error:
                say(f"{self.name}: {error}; killing it")
                self.kill_all()
        self._supervisor = 0

    def _recorded_supervisor(self):
        """The one that a start began and that we were interrupted in waiting for."""
        try:
            return int((self.directory / "lock").read_text().strip() or 0)
        except (OSError, ValueError):
            return 0

    def is_running(self):
        return bool(self._supervisor) and processes.is_alive(self._supervisor)

    def kill_all(self):
        for pid in processes.descendants([self._supervisor]):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def status(self):
        return json.loads(self.command("status", "--json"))

    def cluster(self):
        clusters = self.status()["clusters"]
        if not clusters or not clusters[0].get("writer"):
            raise BrokenRun(f"{self.name} has no writer")
        return clusters[0]

    def endpoint(self):
        url = urlsplit(self.cluster()["writer"]["url"])
        return {
            "host": url.hostname, "port": url.port, "user": unquote(url.username), "password": unquote(url.password),
            "dbname": url.path.lstrip("/"),
        }

    def connector(self):
        return partial(CLIENTS[self.engine], self.endpoint())

    def roles(self):
        """By role of `status`; the engine's processes are "engine", whoever their parent is."""
        report = self.status()
        table = processes.parents()
        engine = (report["clusters"][0].get("writer") or {}).get("pid") if report["clusters"] else None
        found = {"engine": processes.descendants([engine], table) if engine else []}
        for one in report["processes"]:
            if one.get("pid"):
                found[one["role"]] = [one["pid"]]
        return found

    def counters(self):
        cluster = self.cluster()
        driver = cluster.get("driver") or {}
        return {
            "logBytes": driver.get("logBytes", 0), "shippedBytes": driver.get("shippedBytes", 0),
            "flushes": driver.get("syncs", 0), "batches": driver.get("batches", 0), "records": driver.get("records", 0),
            "ringWakes": driver.get("ringWakes", 0), "fetchedBytes": driver.get("fetchedBytes", 0),
            "engineWriteBytes": driver.get("engineWriteBytes", 0),
        }

    def engine_pid(self):
        return self.cluster()["writer"].get("pid") or 0

    def crash(self):
        """The engine's first process alone; its orphans and the restart are the product's business."""
        pid = self.engine_pid()
        os.kill(pid, signal.SIGKILL)
        return time.monotonic()

    def forget_pages(self):
        """Takes the storage files out of the kernel's page cache, as far as an ordinary process may."""
        os.sync()
        for path in (self.directory / "storage").rglob("*"):
            if path.is_file():
                try:
                    file = os.open(path, os.O_RDONLY)
                    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                    os.close(file)
                except OSError:  # removed meanwhile
                    pass

    def stored_bytes(self):
        """Bytes of the storage processes' files, all copies."""
        total = 0
        for path in (self.directory / "storage").rglob("*"):
            try:
                total += path.stat().st_blocks * 512 if path.is_file() else 0
            except OSError:
                pass
        return total


def locate(program, shim):
    """The program and shim to measure: the given ones, $BOREALIS and $BOREALIS_SHIM, or this checkout's release build."""
    root = Path(__file__).resolve().parent.parent
    program = program or os.environ.get("BOREALIS") or root / ".build/release/borealis"
    shim = shim or os.environ.get("BOREALIS_SHIM")
    if not shutil.which(str(program)):
        raise BrokenRun(f"there is no program {program} (run `make build`, or name it with --borealis)")
    return program, shim
