# SPDX-License-Identifier: Apache-2.0
"""The MariaDB systems of a run: which servers they need, the settings all of them share, the parts they run."""

import math

import borealis
import parts
from borealis import BorealisServer
from fleet import Fleet, count
from mariadb_stock import StockMaria
from sysbench import Sysbench
from systems import System

BINLOG = {"log_bin": "binlog", "server_id": 1, "binlog_format": "ROW"}
DURABLE = BINLOG | {"sync_binlog": 1, "innodb_flush_log_at_trx_commit": 1, "innodb_doublewrite": 1}
LOST = {"innodb_flush_log_at_trx_commit": 0, "innodb_doublewrite": 0, "innodb_flush_method": "nosync"}
ROW_BYTES = 240  # of a sysbench table with its index, in InnoDB's pages
REGIONS = {
    "compact": ("compact", "off"), "compact-binlog": ("compact", "on"),
    "zones": ("zones", "off"), "zones-binlog": ("zones", "on"),
}


class MariaFleet(Fleet):
    """Two parts: `main` (sysbench's OLTP loads at each client count, data within the buffer pool) and `crash` (SIGKILL of the
    engine under oltp_write_only to the next commit)."""

    parts = ("main", "crash")
    kinds = Sysbench.kinds
    labels = {
        "stock": "stock with its binlog, sync_binlog=1, innodb_flush_log_at_trx_commit=1, doublewrite on",
        "semi-sync": "the same with one semi-synchronous replica, AFTER_SYNC",
        "ceiling": "stock that syncs nothing, no binlog",
        "ceiling-binlog": "stock that syncs nothing, with the binlog",
        "compact": "Borealis, six copies in one process, no binlog (its default)",
        "compact-binlog": "the same with the binlog",
        "zones": "Borealis, six copies in three processes, no binlog",
        "zones-binlog": "the same with the binlog",
    }
    crash = ("stock", *REGIONS)
    select = ("stock", "compact", "zones")
    tiny = {"tables": 2, "rows": 2000}
    ports = 10

    @staticmethod
    def add_arguments(add):
        add("--tables", type=count, default=4, help="sysbench's tables in each of two databases (4)")
        add("--rows", type=count, default=50000, help="rows in each of them (50000)")

    def __init__(self, options):
        super().__init__(options)
        wanted, port = options.systems, options.port
        stock = StockMaria("stock", self.work / "stock", port, DURABLE)
        copies = {
            "semi-sync": lambda name: StockMaria(name, self.work / name, port + 1, DURABLE, source=stock, has_replica=True),
            "ceiling": lambda name: StockMaria(name, self.work / name, port + 3, LOST | {"skip_log_bin": 1}, source=stock),
            "ceiling-binlog": lambda name: StockMaria(
                name, self.work / name, port + 4, BINLOG | LOST | {"sync_binlog": 0}, source=stock),
        }
        self.servers = {"stock": stock} | {name: make(name) for name, make in copies.items() if name in wanted}
        if set(REGIONS) & set(wanted):
            program, shim = borealis.locate(options.borealis, options.shim)
        for number, (name, (layout, binlog)) in enumerate(REGIONS.items()):
            if name in wanted:
                self.servers[name] = BorealisServer(
                    name, self.work / name, port + 5 + number, layout, program, shim, engine="mariadb", fixed={"log_bin": binlog})
        self.workload = Sysbench(self.work, options.tables, options.rows)
        self.systems = [System(name, label, self.servers[name]) for name, label in self.labels.items() if name in wanted]

    def settings(self):
        """The same for all: twice the data in the buffer pool, and a log that needs no checkpoint within a slice."""
        data = 2 * self.options.tables * self.options.rows * ROW_BYTES
        return {
            "innodb_buffer_pool_size": f"{max(64, math.ceil(data * 2 / 2**20))}M", "innodb_log_file_size": "1G",
            "max_connections": max(100, max(self.options.clients) + 20),
        }

    def measure(self, results):
        results["loadSeconds"] = self.create()
        if "main" in self.options.only:
            results["main"] = parts.main(self.systems, self.workload, self.options)
        if "crash" in self.options.only:
            results["crash"] = parts.crash(self.only(self.crash), self.workload, self.options)
        results["digests"] = self.digests(self.servers.values())

    def description(self):
        return f"{self.options.tables} tables of {self.options.rows} rows, twice"
