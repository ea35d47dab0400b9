# SPDX-License-Identifier: Apache-2.0
"""A bank whose clients remember, outside the database, what became of each transaction.

Money moves between accounts; each transfer writes a line in the ledger under the client's own serial number. A client
knows of each number one of:

- *acknowledged*: COMMIT returned. It must be there exactly once, for ever.
- *doubtful*: COMMIT was sent and no answer came. It may be there once or not at all, but has to stay what it was first
  seen to be.
- *refused*: COMMIT was never sent, or the server said no. It must not be there.

There is no unique constraint on the ledger, so that nothing in the database would hide a doubled commit.

Beside it: two-phase transfers, where the acknowledgement of PREPARE counts as well, and tables that are made and dropped.
"""

import contextlib
import random
import threading
import time

import psycopg

ACCOUNTS = 60
OPENING = 1000

SCHEMA = f"""
CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL, filler text NOT NULL DEFAULT repeat('x', 200));
CREATE TABLE ledger (client int NOT NULL, serial bigint NOT NULL, source int NOT NULL, target int NOT NULL,
    amount bigint NOT NULL, note text);
CREATE INDEX ledger_by_serial ON ledger (client, serial);
CREATE TABLE notebook (id bigserial PRIMARY KEY, client int, words text[], span int4range, body text);
CREATE INDEX notebook_words ON notebook USING gin (words);
CREATE INDEX notebook_span ON notebook USING gist (span);
CREATE INDEX notebook_body ON notebook USING hash (body);
CREATE INDEX notebook_brin ON notebook USING brin (id);
INSERT INTO account SELECT i, {OPENING} FROM generate_series(1, {ACCOUNTS}) i;
"""


# What `up` needs for a bank.
SETTINGS = ["--set", "max_prepared_transactions=50"]


def create(connection):
    for statement in SCHEMA.split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.execute("CREATE EXTENSION IF NOT EXISTS amcheck")



class Client(threading.Thread):
    """One client of the bank: reconnects for ever, and never repeats a serial number."""

    kind = "plain"

    def __init__(self, number, bank, seed):
        super().__init__(name=f"client-{number}", daemon=True)
        self.number = number
        self.bank = bank
        self.rng = random.Random(f"{seed} client {number}")
        self.serial = 0
        self.acknowledged = set()
        self.doubtful = set()
        self.refused = set()
        self.errors = {}
        self.connection = None
        self.idle = threading.Event()

    def run(self):
        while not self.bank.stopping.is_set():
            self.idle.set()
            if not self.bank.gate.wait(0.2):
                self.close()
                continue
            self.idle.clear()
            if not self.bank.gate.is_set():
                continue
            try:
                if self.connection is None:
                    self.connection = self.bank.open()
                    self.connected()
                self.work()
            except (psycopg.Error, OSError) as error:
                name = type(error).__name__
                self.errors[name] = self.errors.get(name, 0) + 1
                self.close()
                time.sleep(0.05)
        self.close()
        self.idle.set()

    def close(self):
        connection, self.connection = self.connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def connected(self):
        pass

    def next(self):
        self.serial += 1
        return self.serial

    def transfer(self, cursor, serial):
        source, target = self.rng.sample(range(1, ACCOUNTS + 1), 2)
        # Always in this order, so that no two clients wait for each other.
        low, high = sorted((source, target))
        amount = self.rng.randint(1, 20)
        for account in (low, high):
            sign = -amount if account == source else amount
            cursor.execute("UPDATE account SET balance = balance + %s WHERE id = %s", (sign, account))
        note = "n" * self.rng.choice([0, 10, 300, 3000])
        cursor.execute(
            "INSERT INTO ledger VALUES (%s, %s, %s, %s, %s, %s)", (self.number, serial, source, target, amount, note))

    def finish(self, serial, statement):
        """Sends the statement that makes it last, and files the serial number by the outcome."""
        self.doubtful.add(serial)
        try:
            self.connection.execute(statement)
        except psycopg.Error as error:
            # An answer with a code that is no shutdown is a refusal; all else leaves it open.
            code = getattr(error, "sqlstate", None)
            if code and code[:2] not in ("57", "08", "58", "XX", "53"):
                self.doubtful.discard(serial)
                self.refused.add(serial)
            raise
        self.acknowledged.add(serial)
        self.doubtful.discard(serial)

    def work(self):
        serial = self.next()
        self.refused.add(serial)
        cursor = self.connection.cursor()
        cursor.execute("BEGIN")
        self.transfer(cursor, serial)
        if self.rng.random() < 0.3:
            cursor.execute(
                "INSERT INTO notebook (client, words, span, body) VALUES (%s, %s, int4range(%s, %s), %s)",
                (self.number, [f"w{self.rng.randint(1, 50)}" for _ in range(5)], serial % 1000, serial % 1000 + 10,
                 f"body {self.rng.randint(1, 500)}"))
        if self.rng.random() < 0.05:
            cursor.execute("DELETE FROM notebook WHERE client = %s AND id %% 3 = 0", (self.number,))
        if self.rng.random() < 0.05:
            cursor.execute("ROLLBACK")
            return
        self.refused.discard(serial)
        self.finish(serial, "COMMIT")


class TwoPhaseClient(Client):
    """Prepares, then commits or rolls back. What was prepared and acknowledged has to be there after a crash."""

    kind = "two-phase"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        # Serial numbers whose PREPARE was acknowledged and whose end is not known yet.
        self.prepared = set()
        self.maybe_prepared = set()

    def name_of(self, serial):
        return f"c{self.number}-{serial}"

    def connected(self):
        """Ends what a crash left prepared."""
        rows = self.connection.execute(
            "SELECT gid FROM pg_prepared_xacts WHERE gid LIKE %s", (f"c{self.number}-%",)).fetchall()
        found = {int(gid.rsplit("-", 1)[1]) for (gid,) in rows}
        for serial in sorted(self.prepared - found):
            if serial not in self.doubtful:
                self.bank.complain(f"client {self.number}: {serial} was prepared, acknowledged, and is gone")
            self.prepared.discard(serial)
        for serial in sorted(self.maybe_prepared - found):
            self.maybe_prepared.discard(serial)
        for serial in sorted(found):
            self.maybe_prepared.discard(serial)
            self.prepared.add(serial)
            self.refused.discard(serial)
            self.finish(serial, f"COMMIT PREPARED '{self.name_of(serial)}'")
            self.prepared.discard(serial)

    def work(self):
        serial = self.next()
        self.refused.add(serial)
        cursor = self.connection.cursor()
        cursor.execute("BEGIN")
        self.transfer(cursor, serial)
        self.maybe_prepared.add(serial)
        cursor.execute(f"PREPARE TRANSACTION '{self.name_of(serial)}'")
        self.maybe_prepared.discard(serial)
        self.prepared.add(serial)
        self.refused.discard(serial)
        self.finish(serial, f"COMMIT PREPARED '{self.name_of(serial)}'")
        self.prepared.discard(serial)


class TableClient(Client):
    """Makes, fills, truncates and drops tables, with indexes of every kind and VACUUM between."""

    kind = "tables"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.tables = {}
        self.doubtful_tables = set()

    def statement(self, table, statement, rows):
        """Autocommit. The table is doubtful until the answer comes."""
        self.doubtful_tables.add(table)
        self.connection.execute(statement)
        self.tables[table] = rows
        if rows is None:
            del self.tables[table]
        self.doubtful_tables.discard(table)

    def work(self):
        table = f"t{self.number}_{self.next()}"
        rows = self.rng.randint(1, 1500)
        method, column = self.rng.choice([
            ("btree", "id"), ("gin", "words"), ("gist", "span"), ("hash", "body"), ("brin", "id"), ("btree", "body")])
        self.statement(
            table, f"""CREATE TABLE {table} AS SELECT i AS id, ARRAY['a' || i % 7, 'b' || i % 11] AS words,
                int4range(i, i + 5) AS span, md5(i::text) AS body FROM generate_series(1, {rows}) i""", rows)
        self.connection.execute(f"CREATE INDEX ON {table} USING {method} ({column})")
        choice = self.rng.random()
        if choice < 0.3:
            self.statement(table, f"TRUNCATE {table}", 0)
        elif choice < 0.6:
            self.statement(table, f"DELETE FROM {table}", 0)
            self.connection.execute(f"VACUUM {table}")
        elif choice < 0.7:
            self.connection.execute(f"VACUUM FULL {table}")
        elif choice < 0.75:
            self.connection.execute("CHECKPOINT")
        victims = sorted(self.tables.keys() - self.doubtful_tables)
        if len(victims) > 6:
            self.statement(victim := self.rng.choice(victims), f"DROP TABLE {victim}", None)
        time.sleep(0.05)


class DatabaseClient(Client):
    """Makes and drops databases and in-place tablespaces, and rewrites tables."""

    kind = "databases"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.databases = set()
        self.doubtful_databases = set()

    def connected(self):
        """What a crash left half done is finished, so that names and space are free again."""
        rows = self.connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s", (f"d{self.number}\\_%",)).fetchall()
        found = {name for (name,) in rows}
        for name in self.databases - found - self.doubtful_databases:
            self.bank.complain(f"the database {name} was made, acknowledged, and is gone")
        for name in sorted(found & self.doubtful_databases):
            self.connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.databases &= found
        self.databases -= self.doubtful_databases
        self.doubtful_databases.clear()

    def work(self):
        choice = self.rng.random()
        if choice < 0.4:
            self.make_database()
        elif choice < 0.7:
            self.use_tablespace()
        else:
            self.rewrite()
        time.sleep(0.1)

    def make_database(self):
        if len(self.databases) >= 2:
            self.drop_database(self.rng.choice(sorted(self.databases)))
        name = f"d{self.number}_{self.next()}"
        strategy = self.rng.choice(["wal_log", "file_copy"])
        self.doubtful_databases.add(name)
        self.connection.execute(f"CREATE DATABASE {name} STRATEGY {strategy}")
        self.databases.add(name)
        self.doubtful_databases.discard(name)
        with self.bank.open(name) as other:
            other.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
            other.execute("CREATE TABLE rows AS SELECT i AS id, md5(i::text) AS body FROM generate_series(1, 3000) i")
            other.execute("CREATE INDEX ON rows (body)")

    def drop_database(self, name):
        self.doubtful_databases.add(name)
        self.connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        self.databases.discard(name)
        self.doubtful_databases.discard(name)

    def use_tablespace(self):
        name = f"s{self.number}_{self.next()}"
        self.connection.execute("SET allow_in_place_tablespaces = on")
        self.connection.execute(f"CREATE TABLESPACE {name} LOCATION ''")
        self.connection.execute(
            f"CREATE TABLE in_{name} TABLESPACE {name} AS SELECT i AS id, md5(i::text) AS body FROM generate_series(1, 2000) i")
        self.connection.execute(f"CREATE INDEX ON in_{name} USING hash (body) TABLESPACE {name}")
        self.connection.execute(f"CREATE INDEX ON in_{name} (id)")
        if self.rng.random() < 0.7:
            self.connection.execute(f"ALTER TABLE in_{name} SET TABLESPACE pg_default")
        if self.rng.random() < 0.7:
            self.connection.execute(f"DROP TABLE in_{name}")
            # The index went with the table; a moved table leaves it behind, and then the drop is refused.
            with contextlib.suppress(psycopg.errors.ObjectNotInPrerequisiteState):
                self.connection.execute(f"DROP TABLESPACE {name}")

    def rewrite(self):
        statement = self.rng.choice([
            "VACUUM notebook", "VACUUM account", "REINDEX INDEX notebook_words", "REINDEX TABLE CONCURRENTLY notebook",
            "CLUSTER ledger USING ledger_by_serial", "ANALYZE", "CHECKPOINT", "SELECT pg_switch_wal()",
            "VACUUM (FREEZE) ledger"])
        self.connection.execute(statement)


class Bank:
    """All clients, and the check."""

    def __init__(self, region, seed, plain=5, two_phase=1, tables=1, databases=1):
        self.region = region
        self.url = region.url
        self.gate = threading.Event()
        self.stopping = threading.Event()
        self.complaints = []
        self.settled = {}
        kinds = [Client] * plain + [TwoPhaseClient] * two_phase + [TableClient] * tables + [DatabaseClient] * databases
        self.clients = [kind(number, self, seed) for number, kind in enumerate(kinds, 1)]

    def open(self, database=None):
        options = {"dbname": database} if database else {}
        return psycopg.connect(self.url, connect_timeout=10, autocommit=True, **options)

    def complain(self, text):
        self.complaints.append(text)

    def start(self):
        self.gate.set()
        for client in self.clients:
            client.start()

    def pause(self, deadline=200):
        """Returns when no client does anything: each has an answer, or a broken connection."""
        self.gate.clear()
        end = time.monotonic() + deadline
        for client in self.clients:
            while not client.idle.wait(1):
                assert time.monotonic() < end, f"{client.name} still waits for an answer\n{self.region.describe()}"
                assert client.is_alive(), client.name

    def resume(self):
        for client in self.clients:
            client.idle.clear()
        self.gate.set()

    def stop(self):
        self.stopping.set()
        self.gate.set()
        end = time.monotonic() + 30
        for client in self.clients:
            client.join(max(0.1, end - time.monotonic()))

    @property
    def commits(self):
        return sum(len(client.acknowledged) for client in self.clients)

    def wait_for_commits(self, more, deadline=200):
        """So many further acknowledged commits."""
        wanted = self.commits + more
        end = time.monotonic() + deadline
        while self.commits < wanted:
            assert time.monotonic() < end, (
                f"only {more - wanted + self.commits} of {more} commits in {deadline} s; errors "
                f"{[c.errors for c in self.clients]}\n{self.region.describe()}")
            assert all(c.is_alive() for c in self.clients), [c.name for c in self.clients if not c.is_alive()]
            time.sleep(0.02)

    def check(self, connection=None):
        """Everything that was acknowledged is there once, nothing else is, and no money was made or lost.

        The clients have to be paused. Returns how many acknowledged commits were checked.
        """
        own = connection is None
        connection = connection or self.region.connect()
        problems = list(self.complaints)
        try:
            # Through the heap, not the indexes; those are compared with it below.
            connection.execute("SET enable_indexscan = off")
            connection.execute("SET enable_bitmapscan = off")
            connection.execute("SET enable_indexonlyscan = off")
            rows = connection.execute("SELECT client, serial, count(*) FROM ledger GROUP BY 1, 2").fetchall()
            problems += self._compare({(client, serial): count for client, serial, count in rows})
            problems += invariants(connection)
            problems += self._compare_tables(connection)
            by_index = connection.execute(
                "SET enable_indexscan = on; SET enable_seqscan = off; SET enable_indexonlyscan = on") and connection.execute(
                "SELECT client, serial, count(*) FROM ledger WHERE client > 0 GROUP BY 1, 2").fetchall()
            if sorted(by_index) != sorted(rows):
                problems.append(f"the ledger's index has {len(by_index)} serial numbers, its heap {len(rows)}")
        finally:
            if own:
                connection.close()
        assert not problems, "\n".join(problems[:30])
        return self.commits

    def _compare(self, found):
        problems = []
        for client in self.clients:
            if client.kind in ("tables", "databases"):
                continue
            mine = {serial: count for (number, serial), count in found.items() if number == client.number}
            prepared = getattr(client, "prepared", set())
            lost = sorted(s for s in client.acknowledged if mine.get(s, 0) == 0)
            doubled = sorted(s for s, count in mine.items() if count > 1)
            known = client.acknowledged | client.doubtful | prepared
            extra = sorted(s for s in mine if s not in known)
            if lost:
                problems.append(
                    f"client {client.number}: {len(lost)} acknowledged commits are missing, {_few(lost)}; "
                    f"last acknowledged {max(client.acknowledged)}, serial {client.serial}")
            if doubled:
                problems.append(f"client {client.number}: {len(doubled)} commits are there twice, {_few(doubled)}")
            if extra:
                problems.append(f"client {client.number}: {len(extra)} commits that were never sent, {_few(extra)}")
            for serial in client.doubtful - prepared:
                seen = serial in mine
                first = self.settled.setdefault((client.number, serial), seen)
                if first != seen:
                    problems.append(
                        f"client {client.number}: {serial} was {'there' if first else 'not there'} after an earlier crash")
        return problems

    def mark(self):
        """How far each client is: the last serial number that was acknowledged, and the last that may have been sent."""
        return {
            c.number: (max(c.acknowledged, default=0), c.serial) for c in self.clients if c.kind in ("plain", "two-phase")}

    def compare_prefix(self, connection, before, after):
        """What a mount must and must not hold, as a list of what is wrong.

        - `before`: a mark made before an LSN at or below the mount's was known to be durable
        - `after`: a mark made after the log ended at or above the mount's LSN
        """
        problems = []
        rows = connection.execute("SELECT client, serial, count(*) FROM ledger GROUP BY 1, 2").fetchall()
        for client in self.clients:
            if client.number not in before:
                continue
            mine = {serial: count for number, serial, count in rows if number == client.number}
            bound = before[client.number][0]
            lost = sorted(s for s in client.acknowledged if s <= bound and s not in mine)
            early = sorted(s for s in mine if s > after[client.number][1])
            doubled = sorted(s for s, count in mine.items() if count > 1)
            refused = sorted(s for s in mine if s in client.refused)
            for what, found in [("missing", lost), ("from the future", early), ("doubled", doubled), ("refused", refused)]:
                if found:
                    problems.append(f"client {client.number}: {len(found)} commits are {what}: {_few(found)}")
        return problems

    def _compare_tables(self, connection):
        problems = []
        for client in self.clients:
            if client.kind != "tables":
                continue
            rows = connection.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE %s", (f"t{client.number}\\_%",)).fetchall()
            found = {name for (name,) in rows}
            for table, count in list(client.tables.items()):
                if table in client.doubtful_tables:
                    continue
                if table not in found:
                    problems.append(f"the table {table} is gone")
                    continue
                [there] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
                if there != count:
                    problems.append(f"the table {table} has {there} rows, not {count}")
            for table in found - client.tables.keys() - client.doubtful_tables:
                problems.append(f"the table {table} is there although it was dropped or never made")
        return problems


def invariants(connection):
    """What has to hold at every moment of the bank's life, as a list of what does not."""
    problems = []
    [money, count] = connection.execute("SELECT sum(balance), count(*) FROM account").fetchone()
    if (money, count) != (ACCOUNTS * OPENING, ACCOUNTS):
        problems.append(f"{count} accounts hold {money}, not {ACCOUNTS} with {ACCOUNTS * OPENING}")
    rows = connection.execute(f"""
        SELECT a.id, a.balance, {OPENING} + coalesce(i.amount, 0) - coalesce(o.amount, 0)
        FROM account a
        LEFT JOIN (SELECT target, sum(amount) AS amount FROM ledger GROUP BY 1) i ON i.target = a.id
        LEFT JOIN (SELECT source, sum(amount) AS amount FROM ledger GROUP BY 1) o ON o.source = a.id
        WHERE a.balance <> {OPENING} + coalesce(i.amount, 0) - coalesce(o.amount, 0)""").fetchall()
    for account, balance, booked in rows:
        problems.append(f"account {account} has {balance}, its ledger says {booked}")
    problems += index_agreement(connection)
    return problems


def index_agreement(connection):
    """What the heap of the notebook says against each of its indexes: pg_amcheck looks into B-trees only."""
    problems = []
    queries = {
        "gin": "SELECT id FROM notebook WHERE words @> ARRAY['w7']",
        "gist": "SELECT id FROM notebook WHERE span && int4range(100, 200)",
        "hash": "SELECT id FROM notebook WHERE body = 'body 77'",
        "brin": "SELECT id FROM notebook WHERE id BETWEEN 10 AND 400",
    }
    with connection.cursor() as cursor:
        for name, query in queries.items():
            answers = []
            for heap in ("on", "off"):
                cursor.execute(f"SET enable_seqscan = {heap}")
                for method in ("enable_bitmapscan", "enable_indexscan", "enable_indexonlyscan"):
                    cursor.execute(f"SET {method} = {'off' if heap == 'on' else 'on'}")
                answers.append(sorted(cursor.execute(query).fetchall()))
            if answers[0] != answers[1]:
                problems.append(f"{name}: the heap has {len(answers[0])} rows for `{query}`, the index {len(answers[1])}")
        for setting in ("enable_seqscan", "enable_bitmapscan", "enable_indexscan", "enable_indexonlyscan"):
            cursor.execute(f"RESET {setting}")
    return problems


def _few(numbers):
    return f"{numbers[:8]}{'…' if len(numbers) > 8 else ''}"
