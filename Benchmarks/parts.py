# SPDX-License-Identifier: Apache-2.0
"""The parts of a run, in their order: `main`, `larger`, `crash`, `attach`. Each returns what it measured as plain values."""

import random
import threading
import time

import processes
from progress import BrokenRun, say
from slices import rest, run_slice
from systems import QueryError


def interleaved(systems, workload, plan, rounds, seconds, before_slice=None, after_slice=None):
    """`plan` lists (kind, clients, names of systems). Within a round, systems take turns at each step, so that the slices
    which are compared lie seconds apart; the order turns from round to round, so that none always follows the same one."""
    done = []
    for number in range(rounds):
        for kind, clients, names in plan:
            order = [system for system in systems if system.name in names]
            turn = number % max(1, len(order))
            for system in order[turn:] + order[:turn]:
                if before_slice:
                    before_slice(system)
                rest()
                measured = run_slice(system, workload, kind, clients, seconds)
                done.append({"round": number} | measured)
                say(f"round {number + 1}/{rounds} {kind} {clients:>2} clients {system.name:<10} {measured['tps']:>8.0f} TPS, "
                    f"p99 {measured['p99'] * 1000:.1f} ms")
                if after_slice:
                    after_slice(system)
    return done


def main(systems, workload, options):
    """Data within the engine's buffers. A checkpoint at the end, where there is such a thing, counts towards the bytes a transaction."""
    servers = list({system.server.name: system.server for system in systems}.values())
    for server in servers:
        workload.settle(server, options)
        processes.settle(server.roles, 10)
    before = {server.name: (server.counters(), workload.committed[server.name]) for server in servers}
    everyone = [system.name for system in systems]
    plan = [
        (kind, clients, options.select_systems if kind in workload.read_only else everyone)
        for kind in workload.kinds if kind in options.kinds for clients in options.clients]
    slices = interleaved(
        systems, workload, plan, options.rounds, options.slice, after_slice=lambda system: workload.tidy(system.server))
    shares = {}
    for server in servers:
        workload.checkpoint(server)
        processes.settle(server.roles, 10)
        counters, committed = before[server.name]
        transactions = workload.committed[server.name] - committed
        if transactions:
            now = server.counters()
            shares[server.name] = {name: (now[name] - counters[name]) / transactions for name in now}
    return {"slices": slices, "withCheckpoint": shares}


def larger(systems, workload, options):
    """Data four times shared_buffers, a checkpoint every 30 s by the engine's own clock.

    An idle PostgreSQL looks every 15 s whether a checkpoint is due, so one begins within the first 15 s of each slice.
    """
    names = [system.name for system in systems]
    for system in systems:
        workload.checkpoint(system.server)

    def quiet(system):
        workload.tidy(system.server)
        workload.checkpoint(system.server)

    plan = [("tpcb", options.larger_clients, names)]
    return {"slices": interleaved(systems, workload, plan, options.rounds, options.larger_slice, after_slice=quiet)}


# -- crash ------------------------------------------------------------------------------------------------------------


class Prober(threading.Thread):
    """One client that commits in a loop and connects again when it has to; it remembers when each commit came back."""

    def __init__(self, connect, table):
        super().__init__(daemon=True)
        self._connect, self._table, self._stopping = connect, table, threading.Event()
        # Monotonic times (connected, end) of acknowledged commits; attempts made.
        self.commits, self.attempts = [], 0

    def run(self):
        connection = None
        while not self._stopping.is_set():
            try:
                if connection is None:
                    connection = self._connect(connect_timeout=2)
                    connected = time.monotonic()
                self.attempts += 1
                connection.rows(f"UPDATE {self._table} SET n = n + 1")
                self.commits.append((connected, time.monotonic()))
                time.sleep(0.002)
            except QueryError:
                if connection:
                    connection.close()
                connection = None
                time.sleep(0.005)
        if connection:
            connection.close()

    def stop(self):
        self._stopping.set()
        self.join(30)


def crash(systems, workload, options):
    """SIGKILL of the engine's first process under load, to the end of the first commit of a new connection.

    A session of the dead engine may finish what it has begun; only the new engine lets one connect."""
    results = []
    for number in range(options.crashes):
        for system in systems:
            seconds = _crash_once(system, workload, options)
            results.append({"round": number, "system": system.name, "seconds": seconds})
            say(f"crash {number + 1}/{options.crashes} {system.name:<10} next commit after {seconds:.2f} s")
    return {"crashes": results}


def _crash_once(system, workload, options):
    server = system.server
    workload.crashed.add(server.name)
    connect, table = server.connector(), workload.probe_table
    with connect() as connection:
        connection.rows(f"DROP TABLE IF EXISTS {table}")
        connection.rows(f"CREATE TABLE {table} AS SELECT 0 AS n")
    load = workload.load(system, workload.crash_kind, options.crash_clients, 600)
    prober = Prober(connect, table)
    try:
        load.wait_until_connected(server)
        prober.start()
        time.sleep(options.crash_after)
        if not prober.commits:
            raise BrokenRun(f"{server.name}: nothing commits under load")
        killed = server.crash()
        deadline = killed + 120
        while not (prober.commits and prober.commits[-1][0] > killed):
            if time.monotonic() > deadline:
                raise BrokenRun(f"{server.name}: no commit within 120 s of the SIGKILL")
            time.sleep(0.005)
        first = next(end for connected, end in prober.commits if connected > killed)
        time.sleep(0.3)
    finally:
        load.abandon()
        if prober.is_alive():
            prober.stop()
    with server.connector()() as connection:
        kept = int(connection.value(f"SELECT n FROM {table}"))
    if not len(prober.commits) <= kept <= prober.attempts:
        raise BrokenRun(f"{server.name}: {len(prober.commits)} acknowledged commits of {prober.attempts}, but {kept} are there")
    return first - killed


# -- attach -----------------------------------------------------------------------------------------------------------


def attach(sized, options):
    """`sized` lists (server, bytes of data). Cold: the cache is thrown away and the storage files leave the page cache."""
    results = []
    for number in range(options.attaches):
        for server, size in sized:
            one = _attach_once(server, options.scale_of[server.name])
            results.append({"round": number, "server": server.name, "dataBytes": size} | one)
            say(f"attach {number + 1}/{options.attaches} of {size / 1e9:.2f} GB: first query {one['seconds']:.2f} s after the old "
                f"engine was gone, {one['secondsFromOrder']:.2f} s after the order")
    return {"attaches": results}


def _attach_once(server, scale):
    connect = server.connector()
    query = f"SELECT pg_postmaster_start_time(), abalance FROM pgbench_accounts WHERE aid = {random.randint(1, scale * 100000)}"
    with connect() as connection:
        connection.rows("CHECKPOINT")
        old = connection.rows(query)[0][0]
    server.forget_pages()
    pid = server.engine_pid()
    gone = []

    def watch():
        while processes.is_alive(pid):
            time.sleep(0.002)
        gone.append(time.monotonic())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    ordered = time.monotonic()
    server.command("volume", "detach-cache")
    while True:
        try:
            with connect(connect_timeout=2) as connection:
                if connection.rows(query)[0][0] != old:
                    break
        except QueryError:
            pass
        if time.monotonic() - ordered > 300:
            raise BrokenRun(f"{server.name}: no query was answered within 300 s of detach-cache")
        time.sleep(0.005)
    answered = time.monotonic()
    watcher.join(5)
    if not gone:
        raise BrokenRun(f"{server.name}: detach-cache did not end the old engine")
    return {"seconds": answered - gone[0], "secondsFromOrder": answered - ordered, "fetchedBytes": server.counters()["fetchedBytes"]}

