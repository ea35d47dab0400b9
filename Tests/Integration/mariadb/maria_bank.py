# SPDX-License-Identifier: Apache-2.0
"""The bank of `harness.bank`, for MariaDB: clients that remember outside the database what became of each transaction.

Of each serial number a client knows one of: *acknowledged* (COMMIT returned: it must be there exactly once, for ever),
*doubtful* (COMMIT was sent, no answer came: once or not at all, and then for good), *refused* (it must not be there).
For XA the acknowledgement of PREPARE counts already: such a transaction must be found prepared, and is then committed. Not
so with the binlog on and the settings of a cluster: ARCHITECTURE.md says why, and there the COMMIT counts.
Beside them a client makes, changes and drops tables of every kind.
"""

import collections
import contextlib
import os
import random
import re
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

from harness.region import Region, until
from maria_wire import Connection, Lost, ServerError

ACCOUNTS = 60
OPENING = 1000
TOTAL = ACCOUNTS * OPENING

SCHEMA = f"""
CREATE DATABASE bank;
CREATE TABLE bank.account (id INT PRIMARY KEY, balance BIGINT NOT NULL, filler VARCHAR(200) NOT NULL) ENGINE=InnoDB;
CREATE TABLE bank.ledger (id BIGINT AUTO_INCREMENT PRIMARY KEY, client INT NOT NULL, serial BIGINT NOT NULL,
    source INT NOT NULL, target INT NOT NULL, amount BIGINT NOT NULL, note TEXT, KEY (client, serial),
    FOREIGN KEY (source) REFERENCES bank.account (id), FOREIGN KEY (target) REFERENCES bank.account (id)) ENGINE=InnoDB;
INSERT INTO bank.account SELECT seq, {OPENING}, REPEAT('x', 200) FROM seq_1_to_{ACCOUNTS};
CREATE DATABASE shapes;
CREATE DATABASE loose
"""


class MariaRegion(Region):
    """A region that was started with `--engine mariadb`: its cluster is `demo`."""

    def connect(self, database="", deadline=200, **_):
        end = time.monotonic() + deadline
        while True:
            try:
                return Connection(self.url, database)
            except (Lost, ServerError, TypeError, KeyError):
                if time.monotonic() > end:
                    raise AssertionError(f"no connection within {deadline} s\n{self.describe()}") from None
                time.sleep(0.1)


def create(connection):
    connection.execute("USE mysql")
    for statement in SCHEMA.split(";"):
        connection.execute(statement)


def beside(directory, name):
    """A client program of the installation whose servers are in `directory`, or else what the path has: it must know the server."""
    found = [Path(directory, name), Path(directory).parent / "bin" / name] if directory else []
    return str(next((path for path in found if path.exists()), name))


def client_program(name):
    return beside(os.environ.get("BOREALIS_MARIADB_BIN"), name)


def check_tables(url, databases=("mysql", "bank", "shapes"), program=client_program("mariadb-check")):
    """`mariadb-check --extended`: it must call every table OK. `loose` holds MyISAM, which promises nothing."""
    parts = urllib.parse.urlsplit(url)
    result = subprocess.run(
        [program, "--no-defaults", "-h", parts.hostname, "-P", str(parts.port), "-u", parts.username,
         "--check", "--extended", "--databases", *databases],
        capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, env=os.environ | {"MYSQL_PWD": parts.password})
    bad = [line for line in result.stdout.splitlines() if line.startswith(("error", "warning", "Corrupt", "Error"))]
    assert result.returncode == 0 and not bad and not result.stderr.strip(), result.stdout + result.stderr


class Client(threading.Thread):
    """One client: reconnects for ever, and never repeats a serial number."""

    def __init__(self, number, bank):
        super().__init__(daemon=True, name=f"client-{number}")
        self.number = number
        self.bank = bank
        self.rng = random.Random(f"{bank.seed} {number}")
        self.connection = None
        self.left = None
        self.serial = 0
        self.acknowledged, self.doubtful = set(), set()

    def run(self):
        while not self.bank.stopping.is_set():
            if self.bank.pausing.is_set():
                self.drop()
                self.bank.idle(self)
                continue
            try:
                if self.connection is None:
                    self.connection = Connection(self.bank.url(), timeout=60)
                    self.connected()
                self.work()
            except (Lost, ServerError, OSError, TypeError, KeyError, AssertionError) as error:
                if isinstance(error, ServerError) and not self.bank.is_expected(error):
                    self.bank.complain(f"client {self.number}: {error}")
                self.drop()
                time.sleep(0.05)

    def drop(self):
        if self.connection:
            self.left = self.connection.name
            self.connection.close()
            self.connection = None

    def connected(self):
        pass

    def transfer(self, serial):
        source, target = self.rng.sample(range(1, ACCOUNTS + 1), 2)
        amount = self.rng.randint(1, 50)
        # In the order of their ids, so that clients seldom meet in a deadlock.
        for account, change in sorted([(source, -amount), (target, amount)]):
            self.connection.execute(f"UPDATE bank.account SET balance = balance + {change} WHERE id = {account}")
        note = "n" * self.rng.choice([3, 100, 9000 if self.rng.random() < 0.05 else 10])
        self.connection.execute(
            "INSERT INTO bank.ledger (client, serial, source, target, amount, note) "
            f"VALUES ({self.number}, {serial}, {source}, {target}, {amount}, '{note}')")

    def finish(self, serial, statement):
        """An error in answer to a COMMIT leaves it in doubt, too: a server that stops may have logged it already."""
        self.doubtful.add(serial)
        self.connection.execute(statement)
        self.acknowledge(serial)

    def acknowledge(self, serial):
        self.acknowledged.add(serial)
        self.doubtful.discard(serial)

    def work(self):
        self.serial += 1
        serial = self.serial
        self.connection.execute("BEGIN")
        self.transfer(serial)
        if self.rng.random() < 0.05:
            self.connection.execute("ROLLBACK")
        else:
            self.finish(serial, "COMMIT")


class XAClient(Client):
    """Prepares, then commits; what it finds prepared after a crash it commits."""

    def xid(self, serial):
        return f"'c{self.number}-{serial}'"

    def connected(self):
        wait_until_gone(self.connection, self.left)
        for _, _, _, data in self.connection.execute("XA RECOVER"):
            owner, serial = data.removeprefix("c").split("-")
            if int(owner) == self.number:
                self.commit(int(serial))

    def commit(self, serial):
        self.connection.execute(f"XA COMMIT {self.xid(serial)}")
        self.acknowledge(serial)

    def work(self):
        self.serial += 1
        serial = self.serial
        xid = self.xid(serial)
        self.connection.execute(f"XA START {xid}")
        self.transfer(serial)
        self.connection.execute(f"XA END {xid}")
        if self.rng.random() < 0.1:
            self.connection.execute(f"XA ROLLBACK {xid}")
            return
        if self.bank.prepares_count:
            self.finish(serial, f"XA PREPARE {xid}")
        else:
            self.doubtful.add(serial)
            self.connection.execute(f"XA PREPARE {xid}")
        if self.rng.random() < 0.2:
            self.drop()
            return
        self.connection.execute(f"XA COMMIT {xid}")
        self.acknowledge(serial)


class ShapesClient(Client):
    """Tables of every kind, made, changed and dropped. Each table has a count that its own statements keep."""

    KINDS = {
        "plain": "(id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200), KEY (v)) ENGINE=InnoDB",
        "parts": "(id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200)) ENGINE=InnoDB PARTITION BY HASH (id) PARTITIONS 4",
        "words": "(id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200), FULLTEXT KEY (v)) ENGINE=InnoDB",
        "space": "(id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200), "
                 "p POINT NOT NULL DEFAULT ST_GeomFromText('POINT(1 2)'), SPATIAL KEY (p)) ENGINE=InnoDB",
        "small": "(id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200)) ENGINE=InnoDB ROW_FORMAT=COMPRESSED",
        "aria": "(id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200)) ENGINE=Aria TRANSACTIONAL=1",
    }
    CHANGES = [
        "ADD COLUMN extra INT DEFAULT 4, ALGORITHM=INSTANT", "ADD COLUMN late VARCHAR(20) DEFAULT 'l'", "FORCE",
        "ADD INDEX by_v (v(20))", "ENGINE=InnoDB"]

    def work(self):
        self.serial += 1
        kind = sorted(self.KINDS)[self.serial % len(self.KINDS)]
        table = f"shapes.{kind}{self.number}_{self.serial}"
        run = self.connection.execute
        run(f"CREATE TABLE {table} {self.KINDS[kind]}")
        run(f"INSERT INTO {table} (v) SELECT CONCAT('word', seq % 17, ' text ', seq) FROM mysql.seq_1_to_300")
        with contextlib.suppress(ServerError):  # not every kind can be changed in every way
            run(f"ALTER TABLE {table} {self.rng.choice(self.CHANGES if kind != 'aria' else self.CHANGES[1:2])}")
        run(f"DELETE FROM {table} WHERE id % 3 = 0")
        loose = f"loose.m{self.number}_{self.serial}"
        run(f"CREATE TABLE {loose} (id INT PRIMARY KEY, v TEXT) ENGINE=MyISAM")
        run(f"INSERT INTO {loose} SELECT seq, 'y' FROM mysql.seq_1_to_50")
        if self.serial > 8:
            old = self.serial - 8
            kind = sorted(self.KINDS)[old % len(self.KINDS)]
            run(f"DROP TABLE IF EXISTS shapes.{kind}{self.number}_{old}, loose.m{self.number}_{old}")


class Bank:
    # Whether a binlog, if there is one, has been on from the first transaction.
    is_all_logged = True
    binlog_program = client_program("mariadb-binlog")
    # Deadlock, lock wait, shutdown, lost connection, XA states after a crash, duplicate table after a doubtful CREATE.
    EXPECTED = {1053, 1205, 1213, 1040, 1158, 1159, 1160, 1161, 1927, 1030, 1180, 1402, 1613, 1614, 1050, 1397, 1399}

    def __init__(self, region, seed, plain=4, xa=1, shapes=1, prepares_count=True):
        self.region, self.seed, self.prepares_count = region, seed, prepares_count
        self.stopping, self.pausing = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        self.idlers = set()
        self.complaints = []
        kinds = [Client] * plain + [XAClient] * xa + [ShapesClient] * shapes
        self.clients = [kind(number, self) for number, kind in enumerate(kinds)]
        self.tellers = [c for c in self.clients if not isinstance(c, ShapesClient)]
        self._url = region.url

    def url(self):
        return self._url

    def is_expected(self, error):
        return error.code in self.EXPECTED

    def complain(self, text):
        with self.lock:
            self.complaints.append(text)

    def start(self):
        for client in self.clients:
            client.start()

    def idle(self, client):
        with self.lock:
            self.idlers.add(client)
        time.sleep(0.05)

    def pause(self):
        self.idlers.clear()
        self.pausing.set()
        until("every client pauses", lambda: len(self.idlers) == len(self.clients), 200)

    def resume(self):
        self.pausing.clear()

    def stop(self):
        self.stopping.set()
        for client in self.clients:
            if client.is_alive():
                client.join(100)

    @property
    def commits(self):
        return sum(len(c.acknowledged) for c in self.tellers)

    def wait_for_commits(self, more):
        goal = self.commits + more
        until(f"{more} more commits", lambda: self.commits >= goal, 200, context=self.region.describe)

    def settle(self, connection):
        """Commits what is prepared: its PREPARE was acknowledged, or is in doubt and becomes final now."""
        for client in self.tellers:
            wait_until_gone(connection, client.left)
        for _, _, _, data in connection.execute("XA RECOVER"):
            connection.execute(f"XA COMMIT '{data}'")

    def check(self):
        """With all clients paused: nothing acknowledged is missing, nothing is there twice, the money is."""
        with self.region.connect() as connection:
            self.settle(connection)
            problems = list(self.complaints) + invariants(connection)
            for client in self.tellers:
                found = ledger(connection, client.number)
                twice = [s for s, n in found.items() if n != 1]
                missing = client.acknowledged - set(found)
                extra = set(found) - client.acknowledged - client.doubtful
                for what, those in (("twice", twice), ("missing", missing), ("never committed", extra)):
                    if those:
                        problems.append(f"client {client.number}: {what}: {sorted(those)[:10]} ({len(those)})")
                # What was in doubt stays what it was first seen to be.
                client.acknowledged |= client.doubtful & set(found)
                client.doubtful.clear()
            if self.is_all_logged and connection.value("SELECT @@log_bin") == "1":
                problems += compare_binlog(self.region.url, self.binlog_program)
        assert not problems, f"seed {self.seed}:\n" + "\n".join(problems)

    def mark(self):
        return {c.number: (frozenset(c.acknowledged), c.serial) for c in self.tellers}

    def compare_prefix(self, connection, before, after):
        problems = []
        for client in self.tellers:
            found = ledger(connection, client.number)
            missing = before[client.number][0] - set(found)
            early = [s for s in found if s > after[client.number][1]]
            if missing or early:
                problems.append(f"client {client.number}: missing {sorted(missing)[:9]}, too early {early[:9]}")
        return problems


def wait_until_gone(connection, name):
    """Until the server has no connection of that name any more, but for the one that asks: it may have got the port again.

    MariaDB 10.11 gives a prepared transaction away before InnoDB has let go of it. An XA COMMIT from elsewhere that comes
    between the two is answered with OK and does nothing, and the transaction is not seen again before a restart: the stock
    server on a plain file system lost 35 of 8,925 so, with its processors busy, and none of 6,401 after this wait.
    """
    count = f"SELECT COUNT(*) FROM information_schema.processlist WHERE host = '{name}' AND id <> CONNECTION_ID()"
    until(f"{name} is gone", lambda: connection.value(count) == "0", 60)


def ledger(connection, client):
    rows = connection.execute(f"SELECT serial, COUNT(*) FROM bank.ledger WHERE client = {client} GROUP BY serial")
    return {int(serial): int(count) for serial, count in rows}


def logged(url, program=client_program("mariadb-binlog")):
    """(client, serial) -> how often the binlog says that it was committed, by the real `mariadb-binlog` or `mysqlbinlog`.

    What was prepared with XA counts once its XA COMMIT is there. MariaDB logs the prepare before InnoDB has it, so one that a
    crash or a shutdown met, and that nobody was told of, may be in the binlog alone.
    """
    parts = urllib.parse.urlsplit(url)
    with Connection(url) as connection:
        first = connection.execute("SHOW BINARY LOGS")[0][0]
    result = subprocess.run(
        [program, "--no-defaults", "-h", parts.hostname, "-P", str(parts.port), "-u", parts.username,
         f"-p{parts.password}", "--read-from-remote-server", "--to-last-log", "--base64-output=DECODE-ROWS", "--verbose", first],
        capture_output=True, text=True, errors="replace", timeout=300, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stderr
    rows = re.findall(r"### INSERT INTO `bank`.`ledger`\n### SET\n###   @1=\d+\n###   @2=(\d+)\n###   @3=(\d+)\n", result.stdout)
    said = collections.Counter((int(client), int(serial)) for client, serial in rows)

    def named(verb):
        return {bytes.fromhex(name).decode() for name in re.findall(rf"XA {verb} X'([0-9a-fA-F]+)'", result.stdout)}

    undecided = named("START") - named("COMMIT")
    return collections.Counter({(c, s): count for (c, s), count in said.items() if f"c{c}-{s}" not in undecided})


def compare_binlog(url, program=client_program("mariadb-binlog")):
    """Where binlog and InnoDB disagree about what was committed: nothing must be in one that is not in the other."""
    with Connection(url) as connection:
        rows = connection.execute("SELECT client, serial, COUNT(*) FROM bank.ledger GROUP BY client, serial")
    stored = collections.Counter({(int(client), int(serial)): int(count) for client, serial, count in rows})
    said = logged(url, program)
    problems = [] if said else ["the binlog holds nothing"]
    for what, those in (("only in the binlog", said - stored), ("only in InnoDB", stored - said)):
        if those:
            problems.append(f"{what}: {sorted(those)[:9]} ({len(those)})")
    return problems


def invariants(connection):
    problems = []
    total = int(connection.value("SELECT SUM(balance) FROM bank.account"))
    if total != TOTAL:
        problems.append(f"there is {total} in the accounts, not {TOTAL}")
    wrong = connection.execute(
        f"SELECT id, balance, {OPENING} + IFNULL((SELECT SUM(amount) FROM bank.ledger WHERE target = a.id), 0) "
        "- IFNULL((SELECT SUM(amount) FROM bank.ledger WHERE source = a.id), 0) expected "
        "FROM bank.account a HAVING balance <> expected")
    if wrong:
        problems.append(f"accounts that the ledger does not explain: {wrong[:5]}")
    return problems
