# SPDX-License-Identifier: Apache-2.0
"""What can be measured: a `Server` runs engine processes, a `System` is a server seen through certain session settings.

Two systems may share a server (stock with standbys, at two levels of synchronous_commit). Nothing here knows an engine:
`postgres_*.py` and `mariadb_*.py` do.
"""

from dataclasses import dataclass, field


class QueryError(Exception):
    """A server refused a connection or a statement, or the connection was lost."""


class Server:
    """Processes that are started, measured and stopped together."""

    name = ""
    #: Whether its data came from another server's directory.
    is_copy = False

    def create(self, settings):
        """Makes an empty database cluster and starts it."""
        raise NotImplementedError

    def start(self, settings):
        """Starts it with exactly these engine settings; returns once it accepts connections."""
        raise NotImplementedError

    def stop(self):
        """Stops it cleanly; harmless when it does not run."""
        raise NotImplementedError

    def endpoint(self):
        """How a client reaches it, in libpq's keywords."""
        raise NotImplementedError

    def connector(self):
        """What makes connections to it: a callable that takes `connect_timeout` in seconds. Asking the server where it is
        may take long, calling the answer does not."""
        raise NotImplementedError

    def followers(self):
        """A connector for each server that copies this one, once it has all that this one has."""
        return []

    def roles(self):
        """role -> pids, of everything that works for it, now; the engine's are "engine"."""
        raise NotImplementedError

    def counters(self):
        """Counts that only grow: at least `logBytes` (a copy), `shippedBytes` (a copy, with headers) and `flushes`."""
        raise NotImplementedError

    def engine_pid(self):
        """The engine's first process, or 0."""
        raise NotImplementedError

    def crash(self):
        """SIGKILL to the engine's first process, and whatever it takes on this system that it is started again at once.

        Returns the monotonic time right after the signal.
        """
        raise NotImplementedError


@dataclass
class System:
    name: str
    label: str
    server: Server
    session: dict = field(default_factory=dict)  # engine settings of the load's sessions
