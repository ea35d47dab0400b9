# SPDX-License-Identifier: Apache-2.0
"""What is run against a system: `pgbench.py` and `sysbench.py`."""


class Load:
    """Clients that run in a process of their own until their time is over."""

    def pid(self):
        raise NotImplementedError

    def wait_until_connected(self, server):
        raise NotImplementedError

    def stop(self):
        """Lets each client end its transaction; returns [(end time, latency in seconds)] sorted by end. A failed client raises BrokenRun."""
        raise NotImplementedError

    def abandon(self):
        """Ends it without caring for its figures."""
        raise NotImplementedError


class Workload:
    #: Which kinds of load it has, such as "tpcb"; those that only read; and the one under which an engine is killed.
    kinds, read_only, crash_kind = (), (), ""
    #: Where the crash part counts its own commits.
    probe_table = "bench_probe"
    #: The directory of a run.
    work = ""

    def prepare(self, server):
        """Makes the tables and fills them."""
        raise NotImplementedError

    def settle(self, server, options):
        """Brings a server into the state that measuring begins with."""
        raise NotImplementedError

    def tidy(self, server):
        """Between two slices, unmeasured."""

    def checkpoint(self, server):
        """Makes the engine write its changed pages, if it can be told to."""

    def load(self, system, kind, clients, seconds):
        """A running Load."""
        raise NotImplementedError

    def digest(self, server):
        """What a correct server must say of everything that was run; a contradiction raises BrokenRun."""
        raise NotImplementedError
