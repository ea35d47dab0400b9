# SPDX-License-Identifier: Apache-2.0
"""A client that commits one number after the other, as often as it gets an answer, and remembers what became of each.

It finds the writer anew whenever its connection breaks, from the addresses of the cluster's instances, which stay the same:
no process of the region is asked, so that what is measured is the cluster.
"""

import contextlib
import os
import socket
import threading
import time

import psycopg

TABLE = "CREATE TABLE IF NOT EXISTS heard (n bigint, at timestamptz DEFAULT clock_timestamp())"


# A statement that has no answer after so long is given up, as a careful client does: a frozen server keeps connections open.
PATIENCE = 1.5


class Committer(threading.Thread):
    """Against PostgreSQL; `connect`, `is_writer`, `insert`, `numbers` and `FAILURES` are what another engine has otherwise."""

    FAILURES = (psycopg.Error,)

    def __init__(self, urls, pause=0.003, first=1):
        super().__init__(daemon=True)
        self.urls = list(urls)
        self.pause = pause
        self.number = first - 1
        self.acknowledged = []
        self.doubtful = []
        # (number, monotonic time) of each acknowledged commit.
        self.times = []
        self.stopping = threading.Event()
        self.errors = []
        # What is under way: since when, and on which socket.
        self.pending = None

    def start(self):
        super().start()
        threading.Thread(target=self.give_up, daemon=True).start()

    def give_up(self):
        """Hangs up on a server that does not answer."""
        while not self.stopping.is_set():
            time.sleep(0.05)
            pending = self.pending
            if pending and time.monotonic() - pending[0] > PATIENCE:
                self.pending = None
                with contextlib.suppress(OSError), socket.socket(fileno=os.dup(pending[1])) as end:
                    end.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def connect(url):
        return psycopg.connect(url, autocommit=True, connect_timeout=2)

    @staticmethod
    def is_writer(connection):
        return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)

    @staticmethod
    def insert(connection, number):
        connection.execute("INSERT INTO heard (n) VALUES (%s)", (number,))

    @staticmethod
    def numbers(connection):
        """All that there are."""
        return [n for (n,) in connection.execute("SELECT n FROM heard ORDER BY n").fetchall()]

    def patiently(self, connection, act, *arguments):
        self.pending = (time.monotonic(), connection.fileno())
        try:
            return act(connection, *arguments)
        finally:
            self.pending = None

    def run(self):
        connection = None
        while not self.stopping.is_set():
            try:
                connection = connection or self.open()
                if connection is None:
                    continue
                self.number += 1
                self.doubtful.append(self.number)
                self.patiently(connection, self.insert, self.number)
                self.doubtful.pop()
                self.acknowledged.append(self.number)
                self.times.append(time.monotonic())
                time.sleep(self.pause)
            except self.FAILURES as error:
                self.errors.append(str(error).strip())
                with contextlib.suppress(Exception):
                    connection.close()
                connection = None

    def open(self):
        """A connection to the instance that is the writer, or None."""
        for url in self.urls:
            if self.stopping.is_set():
                return None
            try:
                connection = self.connect(url)
                if self.patiently(connection, self.is_writer):
                    return connection
                connection.close()
            except self.FAILURES:
                pass
        time.sleep(0.01)
        return None

    def wait(self, count, deadline=120):
        """Until so many more commits were acknowledged."""
        goal = len(self.acknowledged) + count
        end = time.monotonic() + deadline
        while len(self.acknowledged) < goal:
            assert time.monotonic() < end, f"{len(self.acknowledged)} of {goal} commits; {self.errors[-3:]}"
            time.sleep(0.005)

    def gap_after(self, moment, deadline=120):
        """Seconds from a moment to the first commit that was begun after the service had been interrupted by it.

        The interruption is the longest pause since then; what was committed between the moment and its beginning was still
        committed by the old writer.
        """
        self.wait(20, deadline)
        times = [t for t in self.times if t > moment]
        before = [t for t in self.times if t <= moment][-1:] or [moment]
        pairs = list(zip(before + times, times))
        start, end = max(pairs, key=lambda pair: pair[1] - pair[0])
        return end - moment, end - start

    def stop(self):
        self.stopping.set()
        self.join(60)

    def check(self, connection, known=()):
        """Every acknowledged number is there exactly once, and nothing that was never sent, but for what was there before."""
        rows = self.numbers(connection)
        found = set(rows) - set(known)
        assert len(rows) == len(set(rows)), "a commit is there twice"
        lost = set(self.acknowledged) - found
        assert not lost, f"{len(lost)} acknowledged commits are lost: {sorted(lost)[:5]}"
        unknown = found - set(self.acknowledged) - set(self.doubtful)
        assert not unknown, f"commits that nobody made: {sorted(unknown)[:5]}"
