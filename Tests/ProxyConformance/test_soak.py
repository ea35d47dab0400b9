# SPDX-License-Identifier: Apache-2.0
"""Connections come and go in every way a client can leave, while servers lose theirs; afterwards nothing may be left.

Two rounds of BOREALIS_SOAK_SECONDS (default 6; `make soak` sets it) for each engine. What the first round leaves is what the
proxy needs; the second must not add to it: descriptors, memory and connections to the server are counted from outside.
"""
import os, random, re, socket, struct, threading, time
from pathlib import Path

import psycopg
import pymysql
import pytest

from proxied import until

SECONDS = float(os.environ.get("BOREALIS_SOAK_SECONDS", "6"))
CLIENTS = 8
# Heaps grow in steps; a leak of one connection's state grows with the thousands.
GROWTH_MB_MAX = 24


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_mb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def vanish(descriptor):
    """Puts nothing in the socket's place, which is closed with a reset, as by a host that is gone."""
    with socket.socket(fileno=os.dup(descriptor)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with open(os.devnull, "r+b") as nothing:
        os.dup2(nothing.fileno(), descriptor)


class PostgresSoak:
    errors = (psycopg.Error, OSError)

    def __init__(self, cluster):
        self.cluster, self.server = cluster, cluster.primary.connect()

    def connect(self):
        return self.cluster.connect(connect_timeout=20)

    def statement(self, c, text):
        return c.execute(text).fetchall()

    def scene(self, c, dice):
        kind = dice.random()
        if kind < 0.4:
            self.statement(c, "SELECT 1")
        elif kind < 0.6:
            c.execute(f"SET work_mem = '{dice.randint(1, 9)}MB'")
            self.statement(c, "SELECT 2")
        elif kind < 0.75:
            c.execute("SELECT %s::int", (3,), prepare=True)
        elif kind < 0.9:
            c.execute("BEGIN")
            self.statement(c, "SELECT generate_series(1, 2000)")
        else:
            c.execute("CREATE TEMP TABLE IF NOT EXISTS kept (x int)")

    def descriptor(self, c):
        return c.fileno()

    def kill_some(self, dice):
        """Half of the application's connections."""
        self.server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND random() < 0.5")

    def count(self):
        return self.server.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'").fetchone()[0]

    def open_clients(self):
        return [row for row in self.cluster.show("clients") if row["user"] == "app"]

    def pools(self):
        return [row for row in self.cluster.show("pools") if row["user"] == "app"]


class MariaSoak:
    errors = (pymysql.err.Error, OSError)

    def __init__(self, cluster):
        self.cluster, self.server = cluster, cluster.primary.connect()

    def connect(self):
        return self.cluster.connect()

    def statement(self, c, text):
        with c.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()

    def scene(self, c, dice):
        kind = dice.random()
        if kind < 0.4:
            self.statement(c, "SELECT 1")
        elif kind < 0.6:
            self.statement(c, f"SET @a = {dice.randint(1, 9)}")
            self.statement(c, "SELECT @a")
        elif kind < 0.75:
            self.statement(c, "SELECT seq FROM seq_1_to_2000")
        elif kind < 0.9:
            self.statement(c, "BEGIN")
            self.statement(c, "SELECT 1")
        else:
            self.statement(c, "CREATE TEMPORARY TABLE IF NOT EXISTS kept (x int)")

    def descriptor(self, c):
        return c._sock.fileno()

    def kill_some(self, dice):
        for (number,) in self.statement(self.server, "SELECT id FROM information_schema.processlist WHERE user = 'app'"):
            if dice.random() < 0.5:
                try:
                    self.statement(self.server, f"KILL {number}")
                except pymysql.err.OperationalError:
                    pass  # It went by itself.

    def count(self):
        return self.statement(self.server, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app'")[0][0]

    def open_clients(self):
        return [row for row in self.cluster.show("clients") if row["user"] == "app"]

    def pools(self):
        return [row for row in self.cluster.show("pools") if row["user"] == "app"]


def churn(soak, seed, until_time, counts):
    dice = random.Random(seed)
    while time.time() < until_time:
        try:
            c = soak.connect()
        except soak.errors:
            counts["refused"] += 1
            continue
        counts["opened"] += 1
        try:
            for _ in range(dice.randint(0, 3)):
                soak.scene(c, dice)
        except soak.errors:
            counts["errors"] += 1
        way = dice.random()
        try:
            if way < 0.2:
                vanish(soak.descriptor(c))
            elif way < 0.4:
                with socket.socket(fileno=os.dup(soak.descriptor(c))) as s:
                    s.shutdown(socket.SHUT_RDWR)
            c.close()
        except (*soak.errors, AttributeError, ValueError):
            pass


def round_of(soak, seed):
    counts = {"opened": 0, "refused": 0, "errors": 0, "kills": 0}
    end = time.time() + SECONDS
    threads = [threading.Thread(target=churn, args=(soak, seed + i, end, counts)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    dice = random.Random(seed)
    while time.time() < end:
        soak.kill_some(dice)
        counts["kills"] += 1
        time.sleep(0.15)
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a client hangs"
    assert counts["opened"] > 20 and counts["refused"] <= counts["opened"] / 10, counts
    # Nobody is left; what the pools say they have is what the server has.
    assert until(lambda: not soak.open_clients(), 10), soak.open_clients()
    def agree():
        return soak.count() == sum(int(p["idle"]) for p in soak.pools()) and all(
            int(p[k]) == 0 for p in soak.pools() for k in ("borrowed", "opening", "waiting"))
    assert until(agree, 10), (soak.count(), soak.pools())
    return counts


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_nothing_is_left_when_all_have_gone(engine, request):
    cluster = request.getfixturevalue({"postgresql": "cluster", "mariadb": "maria"}[engine])
    soak = (PostgresSoak if engine == "postgresql" else MariaSoak)(cluster)
    pid = cluster.proxy.pid
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    first = round_of(soak, seed)
    held, memory = descriptors(pid) - soak.count(), resident_mb(pid)
    second = round_of(soak, seed + CLIENTS)
    print(f"{first} {second}, descriptors {held}, resident {memory:.1f} then {resident_mb(pid):.1f} MB")
    assert until(lambda: descriptors(pid) - soak.count() <= held, 10), (descriptors(pid), soak.count(), held)
    assert resident_mb(pid) - memory < GROWTH_MB_MAX
    assert soak.count() <= 4
