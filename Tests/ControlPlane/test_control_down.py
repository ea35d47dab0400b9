# SPDX-License-Identifier: Apache-2.0
"""The data plane without a control plane: clients go on, a failed writer is replaced, and all of it is known afterwards."""

import contextlib
import threading
import time

import psycopg
import pytest
from botocore.exceptions import BotoCoreError

from conftest import ONCE, PASSWORD
from harness.region import kill, until
from test_readers import wait_settled, writer


@contextlib.contextmanager
def down(api):
    """Every control plane that the supervisor starts is ended at once."""
    stop, killed = threading.Event(), []

    def run():
        while not stop.is_set():
            pid = api.region.process("control")
            if pid and pid not in killed:
                kill(pid)
                killed.append(pid)
            stop.wait(0.05)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        until("it has ended", lambda: killed, 30)
        yield killed
    finally:
        stop.set()
        thread.join(60)


class Load:
    """A client that commits a number every few milliseconds and connects again when its connection is lost."""

    def __init__(self, host):
        self.host, self.acknowledged, self.stop = host, [], threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        number = 0
        while not self.stop.is_set():
            with contextlib.suppress(psycopg.Error):
                with contextlib.closing(connect(self.host)) as connection:
                    while not self.stop.is_set():
                        number += 1
                        connection.execute("INSERT INTO load VALUES (%s)", [number])
                        self.acknowledged.append(number)
                        time.sleep(0.005)

    def more(self, what):
        """Until something new is committed."""
        before = len(self.acknowledged)
        until(f"a commit {what}", lambda: len(self.acknowledged) > before + 5, 60)

    def end(self):
        self.stop.set()
        self.thread.join(60)


def connect(host):
    return psycopg.connect(host=host, user="app", password=PASSWORD, dbname="shop", autocommit=True, connect_timeout=25)


def ask(host, sql):
    with contextlib.closing(connect(host)) as connection:
        return connection.execute(sql).fetchone()[0]


@pytest.fixture(scope="module")
def pair(api):
    name = api.create(DatabaseName="shop")
    api.rds.create_db_instance(
        DBInstanceIdentifier=f"{name}-2", DBClusterIdentifier=name, Engine="aurora-postgresql",
        DBInstanceClass="db.r6g.large")
    api.wait("db_instance_available", DBInstanceIdentifier=f"{name}-2")
    yield name
    api.delete(name)


def test_it_serves_and_fails_over(api, pair):
    cluster = api.cluster(pair)
    hosts = [cluster["Endpoint"], cluster["ReaderEndpoint"]]
    with contextlib.closing(connect(hosts[0])) as connection:
        connection.execute("CREATE TABLE load (n int PRIMARY KEY)")
    old = writer(api, pair)
    load = Load(hosts[0])
    try:
        load.more("with a control plane")
        with down(api) as killed:
            def silent():
                try:
                    return not api.client("rds", ONCE).describe_db_clusters()
                except BotoCoreError:
                    return True
            until("the API does not answer", silent, 30)
            load.more("without one")
            until("the reader has it", lambda: ask(hosts[1], "SELECT count(*) FROM load") > 0, 30)
            status = next(c for c in api.region.status()["clusters"] if c["id"] == pair)
            kill(status["writer"]["pid"])
            until("there is another writer", lambda: next(
                c for c in api.region.status()["clusters"] if c["id"] == pair)["writer"]["id"] != status["writer"]["id"], 60)
            load.more("after the failover")
            assert len(killed) >= 1
        api.wait_answers()
        until("the API knows", lambda: writer(api, pair) != old, 60)
        wait_settled(api, pair)
        load.more("afterwards")
    finally:
        load.end()
    new = writer(api, pair)
    messages = api.messages(pair, "db-cluster")
    assert f"Completed failover to DB instance: {new}" in messages
    found = set(n for (n,) in connect(hosts[0]).execute("SELECT n FROM load").fetchall())
    assert set(load.acknowledged) <= found
    assert ask(hosts[1], "SELECT pg_is_in_recovery()") is True


def test_what_was_asked_for_before_goes_on(api, pair):
    """A reader that was asked for a moment before the control plane goes away is there when that is back."""
    api.rds.create_db_instance(
        DBInstanceIdentifier=f"{pair}-3", DBClusterIdentifier=pair, Engine="aurora-postgresql",
        DBInstanceClass="db.r6g.large")
    with down(api) as killed:
        until("it was ended twice", lambda: len(killed) > 1, 60)
    api.wait_answers()
    api.wait("db_instance_available", DBInstanceIdentifier=f"{pair}-3")
    assert ask(api.instance(f"{pair}-3")["Endpoint"]["Address"], "SELECT count(*) > 0 FROM load") is True
