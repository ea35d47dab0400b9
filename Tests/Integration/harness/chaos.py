# SPDX-License-Identifier: Apache-2.0
"""Kills at random: what they are, and rounds of them against a bank with a check after each."""

import contextlib
import os
import random
import signal
import time

from .bank import Bank, create
from .region import amcheck, children, is_alive, kill, title, until

NODES = ["a1", "a2", "b1", "b2", "c1", "c2"]


class Torture:
    """Rounds of kills. `rounds` of `run` bounds them by number, `deadline` by time."""

    def __init__(self, region, seed, log=print):
        self.region = region
        self.seed = seed
        self.rng = random.Random(f"{seed} {region.layout}")
        self.log = log
        self.rounds = 0
        self.bank = None
        # What stays broken after the kill and is healed before the check.
        self.broken = False

    # The kills. Each returns what it did.

    def kill_backend(self):
        """One of the engine's processes for a client."""
        return self._kill_child("a backend", lambda line: "postgres: postgres postgres" in line)

    def kill_helper(self):
        """Checkpointer, WAL writer, background writer, autovacuum."""
        return self._kill_child(
            "a helper", lambda line: line.startswith("postgres: ") and "postgres: postgres postgres" not in line)

    def _kill_child(self, what, predicate):
        engine = self.region.writer_pid()
        found = [(pid, title(pid)) for pid in (children(engine) if engine else [])]
        found = [(pid, line) for pid, line in found if predicate(line)]
        if not found:
            return self.kill_postmaster()
        pid, line = self.rng.choice(sorted(found))
        kill(pid)
        return f"SIGKILL to {what}, {line.strip()}"

    def kill_postmaster(self):
        pid = self.region.writer_pid()
        if pid:
            kill(pid)
        return "SIGKILL to the postmaster"

    def crash_writer(self):
        with contextlib.suppress(Exception):
            self.region.fault("crash-writer")
        return "fault crash-writer"

    def kill_driver(self):
        pid = self.region.process(self.region.driver_role)
        if pid:
            kill(pid)
        return f"SIGKILL to {self.region.driver_role}, which hosts the driver"

    def kill_storage(self):
        """The process of a zone, which the supervisor starts again at once."""
        if self.region.layout == "compact":
            return self.kill_driver()
        role = "storage-" + self.rng.choice("abc")
        pid = self.region.process(role)
        if pid:
            kill(pid)
        return f"SIGKILL to {role}"

    def kill_node(self):
        nodes = self.rng.sample(NODES, self.rng.choice([1, 1, 2]))
        for node in nodes:
            self.region.fault("kill-node", node)
        self.broken = True
        return f"fault kill-node {nodes}"

    def kill_zone(self):
        zone = self.rng.choice("abc")
        self.region.fault("kill-az", zone)
        self.broken = True
        return f"fault kill-az {zone}"

    def kill_zone_and_node(self):
        """Below the write quorum: commits have to wait until it is healed."""
        zone = self.rng.choice("abc")
        node = self.rng.choice([n for n in NODES if n[0] != zone])
        self.region.fault("kill-az", zone)
        self.region.fault("kill-node", node)
        self.broken = True
        return f"fault kill-az {zone} and kill-node {node}"

    def partition(self):
        zone = self.rng.choice("abc")
        self.region.fault("partition", zone)
        self.broken = True
        return f"fault partition {zone}"

    def freeze(self):
        """A process that neither answers nor ends, for a while."""
        role = "storage-" + self.rng.choice("abc") if self.region.layout == "zones" else "storage"
        pid = self.region.process(role)
        if pid:
            kill(pid, signal.SIGSTOP)
            try:
                time.sleep(self.rng.uniform(0.2, 1.5))
            finally:
                kill(pid, signal.SIGCONT)
        return f"SIGSTOP and SIGCONT to {role}"

    def drop_cache(self):
        self.region.command("volume", "detach-cache", check=False)
        return "volume detach-cache"

    def kill_everything(self):
        self.region.crash(self.rng)
        self.region.up()
        return "SIGKILL to everything, in random order"

    def kill_supervisor(self):
        """Its processes die with it."""
        pids = self.region.pids()
        pid = self.region.supervisor()
        if pid:
            kill(pid)
        for pid in pids:
            until(f"process {pid} ended with its supervisor", lambda pid=pid: not is_alive(pid), 60, 0.05)
        self.region.up()
        return "SIGKILL to the supervisor"

    ALL = [
        "kill_backend", "kill_helper", "kill_postmaster", "crash_writer", "kill_driver", "kill_storage", "kill_node",
        "kill_zone", "kill_zone_and_node", "partition", "freeze", "drop_cache", "kill_everything", "kill_supervisor",
    ]
    # The kinds that the issue names; the short form goes through each of them once.
    NAMED = ["kill_backend", "kill_postmaster", "kill_driver", "kill_node", "kill_zone", "kill_everything"]

    # Rounds

    def prepare(self, **clients):
        with self.region.connect() as connection:
            create(connection)
        self.bank = Bank(self.region, self.seed, **clients)
        self.bank.start()

    def round(self, names):
        """Load, the kills one soon after the other, recovery, check."""
        self.rounds += 1
        self.bank.resume()
        self.bank.wait_for_commits(self.rng.randint(20, 200))
        for index, name in enumerate(names):
            if index > 0:
                # The second blow falls while the first is being recovered from.
                time.sleep(self.rng.choice([0, 0.05, 0.3, 1]))
            done = self._strike(name)
            self.log(f"round {self.rounds}: {done} ({self.bank.commits} commits acknowledged)")
        if self.broken:
            time.sleep(self.rng.uniform(0, 1))
            self.region.heal()
            self.broken = False
        self.region.wait_available()
        self.bank.wait_for_commits(20)
        self.bank.pause()
        self.region.wait_available()
        return self.bank.check()

    def _strike(self, name):
        if name not in ("kill_everything", "kill_supervisor"):
            try:
                return getattr(self, name)()
            except Exception as error:
                # A fault may be asked of a process that an earlier blow has just killed.
                if self.region.supervisor() is None:
                    raise
                return f"{name} could not be done: {error}"
        self.broken = False
        return getattr(self, name)()

    def run(self, rounds=None, deadline=None, deep_every=8):
        while (rounds is None or self.rounds < rounds) and (deadline is None or time.monotonic() < deadline):
            names = [self.rng.choice(self.ALL)]
            if self.rng.random() < 0.35:
                names.append(self.rng.choice(self.ALL))
            self.round(names)
            if self.rounds % deep_every == 0:
                self.deep_check()

    def deep_check(self):
        """The same from the storage nodes alone: the cache is thrown away first. And pg_amcheck."""
        self.bank.pause()
        epoch = self.region.cluster()["epoch"]
        self.region.command("volume", "detach-cache")
        self.region.wait(
            "it is attached again",
            lambda s: s["clusters"][0]["status"] == "available" and s["clusters"][0]["epoch"] > epoch)
        count = self.bank.check()
        amcheck(self.region.url)
        self.log(f"after {self.rounds} rounds, from a cold cache: {count} acknowledged commits, all there once")

    def end(self):
        if self.bank:
            self.bank.stop()


def describe_host():
    return f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores"
