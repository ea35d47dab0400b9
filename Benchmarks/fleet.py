# SPDX-License-Identifier: Apache-2.0
"""The PostgreSQL systems of a run: which servers they need, the settings all of them share, their life from start to end.

`engines` maps $ENGINE to what makes a fleet; a MariaDB one with sysbench would be a second entry.
"""

import math
import os
import shutil
import socket
from pathlib import Path

import postgres_borealis
import postgres_stock
from pgbench import Pgbench
from postgres_borealis import BorealisServer
from postgres_stock import StockServer
from progress import BrokenRun, say
from systems import System

DURABLE = {"fsync": "on", "full_page_writes": "on"}
LOST = {"fsync": "off", "full_page_writes": "off"}
MARKER = ".borealis-bench"
SCALE_BYTES = 17.2e6  # of pgbench's tables and indexes, for each unit of scale


class PostgresFleet:
    labels = {
        "stock": "stock, fsync and full_page_writes on",
        "sync-write": "stock with two standbys, ANY 1, synchronous_commit=remote_write",
        "sync-on": "the same with synchronous_commit=on",
        "ceiling": "stock, fsync and full_page_writes off",
        "compact": "Borealis, six copies in one process",
        "zones": "Borealis, six copies in three processes",
    }
    larger, crash = ("stock", "compact", "zones"), ("stock", "compact", "zones")
    select = ("stock", "compact", "zones")

    def __init__(self, options):
        self.options, self.work = options, Path(options.work).resolve()
        wanted = options.systems
        stock = StockServer("stock", self.work / "stock", options.port, DURABLE)
        self.servers = {"stock": stock}
        if {"sync-write", "sync-on"} & set(wanted):
            self.servers["sync"] = StockServer("sync", self.work / "sync", options.port + 1, DURABLE, standbys=2, source=stock)
        if "ceiling" in wanted:
            self.servers["ceiling"] = StockServer("ceiling", self.work / "ceiling", options.port + 4, LOST, source=stock)
        layouts = [name for name in ("compact", "zones") if name in wanted]
        if layouts or "attach" in options.only:
            self.program, self.shim = postgres_borealis.locate(options.borealis, options.shim)
        for number, name in enumerate(layouts):
            self.servers[name] = self.region(name, number, name)
        self.small = self.region("small", 2, "compact") if "attach" in options.only else None
        self.workload = Pgbench(postgres_stock.binaries() / "pgbench", self.work, options.scale, options.threads)
        self.systems = [self._system(name) for name in self.labels if name in wanted]

    def region(self, name, number, layout):
        return BorealisServer(name, self.work / name, self.options.port + 5 + number, layout, self.program, self.shim)

    def _system(self, name):
        server = self.servers["sync" if name.startswith("sync-") else name]
        level = {"sync-write": "remote_write", "sync-on": "on"}.get(name)
        return System(name, self.labels[name], server, {"synchronous_commit": level} if level else {})

    def settings(self, larger):
        """The same for all. Part one keeps every checkpoint outside the slices; part two has one every 30 seconds."""
        data = self.options.scale * SCALE_BYTES
        buffers = max(16, math.ceil((data / 4 if larger else data * 1.2) / 1e6))
        return {
            "shared_buffers": f"{buffers}MB", "max_connections": max(100, max(self.options.clients) + 20),
            "checkpoint_timeout": "30s" if larger else "1h", "checkpoint_completion_target": "0.9", "max_wal_size": "8GB",
            "autovacuum": "off", "max_prepared_transactions": 0, "huge_pages": "off",
        }

    def prepare_directory(self):
        """Takes the work directory: a new or empty one, or one of an earlier run, which is removed."""
        if self.work.exists() and any(self.work.iterdir()) and not (self.work / MARKER).exists():
            raise BrokenRun(f"{self.work} holds other files (give --work a new directory)")
        for port in range(self.options.port, self.options.port + 8):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    raise BrokenRun(f"port {port} is in use (choose another range with --port)") from None
        if self.work.exists():
            shutil.rmtree(self.work)
        self.work.mkdir(parents=True)
        os.chmod(self.work, 0o755)
        (self.work / MARKER).touch()

    def create(self):
        """All servers, with the same tables. Copies take the files of stock; a region loads its own. Returns load times."""
        seconds, settings = {}, self.settings(larger=False)
        stock = self.servers["stock"]
        say(f"creating stock, scale {self.options.scale}")
        stock.create(settings)
        seconds["stock"] = self.workload.prepare(stock)
        stock.stop()
        for name, server in self.servers.items():
            if name == "stock":
                continue
            say(f"creating {name}")
            server.create(settings)
            if not server.is_copy:
                seconds[name] = self.workload.prepare(server)
        stock.start(settings)
        for server in self.servers.values():
            self.workload.adopt(server)
        return seconds

    def restart(self, larger):
        for server in self.servers.values():
            server.stop()
        needed = {self._system(name).server.name for name in self.larger if name in self.options.systems} if larger else None
        for server in self.servers.values():
            if needed is None or server.name in needed:
                server.start(self.settings(larger))

    def only(self, names):
        return [system for system in self.systems if system.name in names]

    def stop(self):
        for server in [*self.servers.values(), self.small]:
            if server:
                try:
                    server.stop()
                except Exception as error:  # the others must still be stopped
                    say(f"stopping {server.name}: {error}")

    def remove(self):
        shutil.rmtree(self.work, ignore_errors=True)

    # -- the attach part's regions

    def attach_servers(self):
        """A small region and the compact one of this run (or one made now): [(server, bytes of data)], and their scales."""
        sized, scales = [], {}
        large = self.servers.get("compact")
        for server, scale in ((self.small, self.options.attach_small_scale), (large, self.options.scale)):
            if server is None:
                continue
            if server is self.small:
                say("creating a small region to attach")
                server.create(self.settings(larger=True))
                Pgbench(self.workload.program, self.work, scale).prepare(server)
            elif not server.is_running():
                server.start(self.settings(larger=True))
            if server is large and self.options.attach_gb:
                say(f"filling compact up to {self.options.attach_gb} GB")
                self.workload.fill(server, self.options.attach_gb * 1e9)
            scales[server.name] = scale
            sized.append((server, self.workload.size(server)))
        return sized, scales


engines = {"postgres": PostgresFleet}
