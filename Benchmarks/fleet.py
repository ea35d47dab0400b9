# SPDX-License-Identifier: Apache-2.0
"""The systems of a run, their servers and the directory they live in; each engine has a fleet of its own."""

import argparse
import os
import shutil
import socket
from pathlib import Path

from progress import BrokenRun, say

MARKER = ".borealis-bench"


def count(text):
    """An argument's type: a whole number above 0."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number above 0")
    return int(text)


class Fleet:
    #: The parts of a run and the kinds of load it knows; name -> label of its systems; those that run read-only loads.
    parts, kinds, labels, select = (), (), {}, ()
    #: Options that --tiny changes, beside those of every engine.
    tiny = {}
    ports = 8

    @staticmethod
    def add_arguments(add):
        """Options of this engine alone."""

    def __init__(self, options):
        self.options, self.work = options, Path(options.work).resolve()
        # name -> Server; [System], in the order of `labels`; a Workload
        self.servers, self.systems, self.workload = {}, [], None

    def measure(self, results):
        """Creates the servers, runs the parts and adds what they measured to `results`."""
        raise NotImplementedError

    def settings(self):
        """What all servers are started with."""
        raise NotImplementedError

    def description(self):
        """How much data they hold, in words."""
        raise NotImplementedError

    def create(self):
        """All servers, with the same tables. Copies take the files of stock; a region loads its own. Returns load times."""
        seconds, settings = {}, self.settings()
        stock = self.servers["stock"]
        say(f"creating stock, {self.description()}")
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

    def digests(self, servers):
        return {server.name: self.workload.digest(server) for server in {one.name: one for one in servers}.values()}

    def prepare_directory(self):
        """Takes the work directory: a new or empty one, or one of an earlier run, which is removed."""
        if self.work.exists() and any(self.work.iterdir()) and not (self.work / MARKER).exists():
            raise BrokenRun(f"{self.work} holds other files (give --work a new directory)")
        for port in range(self.options.port, self.options.port + self.ports):
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

    def everything(self):
        """All that may run."""
        return list(self.servers.values())

    def only(self, names):
        return [system for system in self.systems if system.name in names]

    def stop(self):
        for server in self.everything():
            try:
                server.stop()
            except Exception as error:  # the others must still be stopped
                say(f"stopping {server.name}: {error}")

    def remove(self):
        shutil.rmtree(self.work, ignore_errors=True)
