# SPDX-License-Identifier: Apache-2.0
"""The PostgreSQL systems of a run: which servers they need, the settings all of them share, the parts they run."""

import argparse
import math

import borealis
import parts
import postgres_stock
from borealis import BorealisServer
from fleet import Fleet, count
from pgbench import Pgbench
from postgres_stock import StockServer
from progress import say
from systems import System

DURABLE = {"fsync": "on", "full_page_writes": "on"}
LOST = {"fsync": "off", "full_page_writes": "off"}
SCALE_BYTES = 17.2e6  # of pgbench's tables and indexes, for each unit of scale


class PostgresFleet(Fleet):
    """Four parts: `main` (TPC-B and select-only at each client count), `larger` (data four times shared_buffers, checkpoints
    every 30 s), `crash` (SIGKILL of the engine under load) and `attach` (a cold cache to the first query)."""

    parts = ("main", "larger", "crash", "attach")
    kinds = Pgbench.kinds
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
    tiny = {"scale": 1, "larger_clients": 4, "larger_slice": 1, "attaches": 1, "attach_small_scale": 1}

    @staticmethod
    def add_arguments(add):
        add("--scale", type=count, default=40, help="pgbench scale: 100,000 accounts, 17 MB each (40)")
        add("--larger-slice", type=count, default=25, metavar="SECONDS", help="length of a slice of larger (25)")
        add("--larger-clients", type=count, default=16, metavar="N", help="clients of larger (16)")
        add("--attaches", type=count, default=3, metavar="N", help="attaches of each size (3)")
        add("--attach-small-scale", type=count, default=2, metavar="SCALE", help="scale of the small volume to attach (2)")
        add("--attach-gb", type=float, metavar="GB", help="fill the large volume to attach up to this first (no: it is that of compact)")
        add("--full-pages", choices=("settled", "fresh"), default="settled",
            help="settled: touch each page after the checkpoint before main, so that stock has logged its full pages (default); fresh: do not")
        add("--threads", type=count, default=2, help="pgbench's threads (2)")

    def __init__(self, options):
        super().__init__(options)
        wanted = options.systems
        stock = StockServer("stock", self.work / "stock", options.port, DURABLE)
        self.servers = {"stock": stock}
        if {"sync-write", "sync-on"} & set(wanted):
            self.servers["sync"] = StockServer("sync", self.work / "sync", options.port + 1, DURABLE, standbys=2, source=stock)
        if "ceiling" in wanted:
            self.servers["ceiling"] = StockServer("ceiling", self.work / "ceiling", options.port + 4, LOST, source=stock)
        layouts = [name for name in ("compact", "zones") if name in wanted]
        if layouts or "attach" in options.only:
            self.program, self.shim = borealis.locate(options.borealis, options.shim)
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

    def settings(self, larger=False):
        """The same for all. Part one keeps every checkpoint outside the slices; part two has one every 30 seconds."""
        data = self.options.scale * SCALE_BYTES
        buffers = max(16, math.ceil((data / 4 if larger else data * 1.2) / 1e6))
        return {
            "shared_buffers": f"{buffers}MB", "max_connections": max(100, max(self.options.clients) + 20),
            "checkpoint_timeout": "30s" if larger else "1h", "checkpoint_completion_target": "0.9", "max_wal_size": "8GB",
            "autovacuum": "off", "max_prepared_transactions": 0, "huge_pages": "off",
        }

    def measure(self, results):
        workload, options = self.workload, self.options
        if {"main", "larger", "crash"} & set(options.only) or "compact" in options.systems:
            results["loadSeconds"] = self.create()
        if "main" in options.only:
            results["main"] = parts.main(self.systems, workload, options)
            results["digests"] |= self.digests(self.servers.values())
        if {"larger", "crash"} & set(options.only):
            say("restarting with a quarter of the data in shared_buffers and a checkpoint every 30 s")
            self.restart(larger=True)
            if "larger" in options.only:
                results["larger"] = parts.larger(self.only(self.larger), workload, options)
            if "crash" in options.only:
                results["crash"] = parts.crash(self.only(self.crash), workload, options)
            results["digests"] |= self.digests(system.server for system in self.only({*self.larger, *self.crash}))
        if "attach" in options.only:
            sized, scales = self.attach_servers()
            results["attach"] = parts.attach(sized, argparse.Namespace(**vars(options), scale_of=scales))
            results["digests"] |= self.digests(server for server, _ in sized if server.name in workload.committed)

    def description(self):
        return f"scale {self.options.scale}"

    def restart(self, larger):
        for server in self.servers.values():
            server.stop()
        needed = {self._system(name).server.name for name in self.larger if name in self.options.systems} if larger else None
        for server in self.servers.values():
            if needed is None or server.name in needed:
                server.start(self.settings(larger))

    def everything(self):
        return super().everything() + ([self.small] if self.small else [])

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
