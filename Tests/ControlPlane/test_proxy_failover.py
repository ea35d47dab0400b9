# SPDX-License-Identifier: Apache-2.0
"""What a failover is to clients of a DB proxy: idle ones stay, and the pause is the cluster's own and a little more.

Two clients write all the time: one at the instances, which finds the new writer by itself as fast as it can, and one through
the proxy. The first's longest pause is the cluster's failover time. BOREALIS_FAILOVERS asks for more than two.
"""

import contextlib
import os
import threading
import time

import psycopg
import pymysql
import pytest

from conftest import PASSWORD
from harness.region import until
from test_proxies import available, create, gone
from test_readers import wait_settled

# The proxy may add 0.3 s on a machine that has nothing else to do; here ten processes share two processors with other tests.
ADDED_SECONDS = 1.5
FAILOVERS = int(os.environ.get("BOREALIS_FAILOVERS", "2"))


class Postgres:
    engine, family, lost = "aurora-postgresql", "POSTGRESQL", psycopg.Error

    @staticmethod
    def connect(host, port, **more):
        return psycopg.connect(host=host, port=port, user="app", password=PASSWORD, dbname="postgres", autocommit=True,
                               connect_timeout=5, **more)

    @staticmethod
    def is_open(connection):
        return not connection.closed

    @staticmethod
    def is_writer(connection):
        return connection.execute("SELECT NOT pg_is_in_recovery()").fetchone()[0]

    @staticmethod
    def run(connection, text):
        cursor = connection.execute(text)
        return cursor.fetchone() if cursor.description else None

    setting = "SET work_mem = '{}MB'", "SHOW work_mem", "{}MB"
    server = "SELECT inet_server_addr()::text"


class Maria:
    engine, family, lost = "aurora-mysql", "MYSQL", (pymysql.err.MySQLError, OSError)

    @staticmethod
    def connect(host, port, **more):
        return pymysql.connect(host=host, port=port, user="app", password=PASSWORD, autocommit=True, connect_timeout=5,
                               read_timeout=60, **more)

    @staticmethod
    def is_open(connection):
        return connection.open

    @staticmethod
    def is_writer(connection):
        return Maria.run(connection, "SELECT NOT @@read_only")[0]

    @staticmethod
    def run(connection, text):
        with connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchone()

    setting = "SET SESSION lock_wait_timeout = {}", "SELECT @@lock_wait_timeout", "{}"
    server = "SELECT @@datadir"


class Beat(threading.Thread):
    """A client that writes every few milliseconds, and comes back when it is hung up on."""

    def __init__(self, engine, addresses):
        super().__init__(daemon=True)
        self.engine, self.addresses = engine, addresses
        self.answered, self.hung_up, self.stopping = [], 0, threading.Event()

    def open(self):
        for host, port in self.addresses:
            with contextlib.suppress(self.engine.lost):
                connection = self.engine.connect(host, port)
                if self.engine.is_writer(connection):
                    return connection
                connection.close()
        return None

    def run(self):
        connection = None
        while not self.stopping.is_set():
            connection = connection or self.open()
            if connection is None:
                continue
            try:
                self.engine.run(connection, "INSERT INTO shop.beats VALUES (1)")
                self.answered.append(time.monotonic())
            except self.engine.lost:
                # An error is no end: the driver tells whether the connection is, and the next answer whose it is.
                if not self.is_alive_still(connection):
                    self.hung_up += 1
                    connection = None
            time.sleep(0.003)

    def is_alive_still(self, connection):
        while self.engine.is_open(connection):
            with contextlib.suppress(self.engine.lost):
                return bool(self.engine.is_writer(connection))
        return False

    def pause_since(self, moment):
        """The longest time without an answer since then."""
        times = [t for t in list(self.answered) if t > moment]
        return max(b - a for a, b in zip([moment] + times, times))

    def has_gone_on(self, count=50):
        goal = len(self.answered) + count
        until(f"{count} more writes", lambda: len(self.answered) >= goal, 90)


@pytest.mark.parametrize("engine", [Postgres, Maria], ids=["postgres", "mariadb"])
def test_the_pause_of_a_failover(api, engine, record_property):
    rds = api.rds
    cluster = api.create(engine.engine)
    rds.create_db_instance(DBInstanceIdentifier=f"{cluster}-2", DBClusterIdentifier=cluster, Engine=engine.engine,
                           DBInstanceClass="db.r6g.large")
    api.wait("db_instance_available", DBInstanceIdentifier=f"{cluster}-2")
    name = create(api, EngineFamily=engine.family)["DBProxyName"]
    threads = []
    try:
        rds.register_db_proxy_targets(DBProxyName=name, DBClusterIdentifiers=[cluster])
        proxy = available(api, name)["Endpoint"], 3306 if engine is Maria else 5432
        ends = [api.instance(f"{cluster}-{n}")["Endpoint"] for n in (1, 2)]
        places = [(end["Address"], end["Port"]) for end in ends]
        with engine.connect(*places[0]) as direct:
            engine.run(direct, "CREATE SCHEMA shop" if engine is Postgres else "CREATE DATABASE shop")
            engine.run(direct, "CREATE TABLE shop.beats (x int)")

        def answers():
            with contextlib.suppress(engine.lost):
                return engine.connect(*proxy)
        until("the proxy answers", answers, 30)
        idle = [engine.connect(*proxy) for _ in range(5)]
        for number, connection in enumerate(idle):
            engine.run(connection, engine.setting[0].format(number + 5))
        direct, proxied = threads = [Beat(engine, places), Beat(engine, [proxy])]
        for thread in threads:
            thread.start()
        pauses = []
        for _ in range(FAILOVERS):
            for thread in threads:
                thread.has_gone_on()
            before = engine.run(idle[0], engine.server)
            moment = time.monotonic()
            rds.failover_db_cluster(DBClusterIdentifier=cluster)

            def moved():
                # A question that is under way when its server ends gets the server's error, and the session goes on.
                with contextlib.suppress(engine.lost):
                    return engine.run(idle[0], engine.server) != before
            until("another instance answers", moved, 90)
            for thread in threads:
                thread.has_gone_on()
            pauses.append((direct.pause_since(moment), proxied.pause_since(moment)))
            wait_settled(api, cluster)
        record_property("pauses", pauses)
        for own, through in pauses:
            print(f"failover of {engine.engine}: {own:.2f} s, through the proxy {through:.2f} s")
            assert through <= own + ADDED_SECONDS, pauses
        assert proxied.hung_up == 0
        for number, connection in enumerate(idle):
            assert str(engine.run(connection, engine.setting[1])[0]) == engine.setting[2].format(number + 5)
    finally:
        for thread in threads:
            thread.stopping.set()
        rds.delete_db_proxy(DBProxyName=name)
    until("the proxy is gone", lambda: gone(api, name), 30)
    for thread in threads:
        thread.join(30)
    api.delete(cluster)
