# SPDX-License-Identifier: Apache-2.0
"""Starts PostgreSQL (a primary and a standby) and the proxy, each on a port of its own on loopback.

Needs the program (BOREALIS, by default the release build) and PostgreSQL in BOREALIS_PG_BIN.
As root, the servers run as the user in BOREALIS_PG_USER (default postgres).
"""
import os, pathlib, shutil, signal, subprocess, tempfile

import psycopg
import pytest

from proxied import Proxied, free_port, until

BIN = pathlib.Path(os.environ.get("BOREALIS_PG_BIN", "/usr/lib/postgresql/15/bin"))
USER = os.environ.get("BOREALIS_PG_USER", "postgres")


def run(*args, **kw):
    args = [str(a) for a in args]
    if os.getuid() == 0:
        args = ["runuser", "-u", USER, "--"] + args
    return subprocess.run(args, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, timeout=120, **kw)


class Server:
    def __init__(self, directory):
        self.port = free_port()
        self.data = directory

    def configure(self):
        with open(self.data / "postgresql.conf", "a") as f:
            f.write(f"\nport={self.port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories=''\n"
                    "fsync=off\nmax_connections=120\n")

    def start(self):
        run(BIN / "pg_ctl", "-D", self.data, "-l", str(self.data) + ".log", "-w", "start")

    def stop(self, mode="fast"):
        run(BIN / "pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def kill(self):
        self.stop("immediate")

    def freeze(self, stop=signal.SIGSTOP):
        """As a host that is cut off: connections stay open, and nothing answers. SIGCONT undoes it."""
        main = int((self.data / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(["pgrep", "-P", str(main)], capture_output=True, text=True).stdout.split()
        for pid in [main, *map(int, children)]:
            os.kill(pid, stop)

    def promote(self):
        run(BIN / "pg_ctl", "-D", self.data, "-w", "promote")

    def connect(self, **kw):
        return psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", password="pw", dbname="postgres",
                               autocommit=True, **kw)


class Cluster(Proxied):
    """A primary, a standby and a proxy over both."""

    lost = psycopg.OperationalError

    def __init__(self, directory, standby=True, pool=10, borrow=15, tls=False):
        self.prepare(directory, tls)
        password = directory / "pw"
        password.write_text("pw\n")
        password.chmod(0o644)
        self.primary = Server(directory / "primary")
        run(BIN / "initdb", "-D", self.primary.data, "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password}")
        # Method md5 takes SCRAM verifiers too, so that both can be tried.
        hba = self.primary.data / "pg_hba.conf"
        hba.write_text(hba.read_text().replace("scram-sha-256", "md5"))
        self.primary.configure()
        self.primary.start()
        with self.primary.connect() as c:
            c.execute("CREATE ROLE app LOGIN PASSWORD 'app'")
            c.execute("GRANT pg_signal_backend TO app")
            c.execute("SET password_encryption = md5")
            c.execute("CREATE ROLE old LOGIN PASSWORD 'old'")
            c.execute("CREATE DATABASE app OWNER app")
        self.servers.append(self.primary)
        if standby:
            self.standby = Server(directory / "standby")
            run(BIN / "pg_basebackup", "-d", f"host=127.0.0.1 port={self.primary.port} user=postgres password=pw",
                "-D", self.standby.data, "-R", "-c", "fast")
            self.standby.configure()
            self.standby.start()
            self.servers.append(self.standby)
        self.configure("POSTGRESQL", "postgres", """
      - {name: postgres, password: pw}
      - {name: app, password: app}
      - {name: old, password: old, method: POSTGRES_MD5}
""", f"max_connections: {pool}, connection_borrow_timeout_seconds: {borrow}")
        self.start_proxy()

    def dsn(self, **kw):
        values = dict(host="127.0.0.1", port=self.port, user="app", password="app", dbname="app", connect_timeout=10)
        values.update(kw)
        return values

    def connect(self, autocommit=True, **kw):
        return psycopg.connect(**self.dsn(**kw), autocommit=autocommit)

    def url(self, scheme="postgresql"):
        return f"{scheme}://app:app@127.0.0.1:{self.port}/app"

    def show(self, subject):
        with psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", password="pw", dbname="borealis",
                             autocommit=True, cursor_factory=psycopg.ClientCursor) as c:
            c.prepare_threshold = None
            cursor = c.execute(f"SHOW {subject}")
            names = [d.name for d in cursor.description]
            return [dict(zip(names, row)) for row in cursor.fetchall()]

    def pins(self):
        return self.show("pins")


def made(kind, **kw):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="borealis-proxy-"))
    try:
        cluster = kind(directory, **kw)
        yield cluster
        cluster.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def made_maria(**kw):
    from mariadb_cluster import Cluster as MariaCluster
    yield from made(MariaCluster, **kw)


@pytest.fixture(scope="session")
def cluster():
    yield from made(Cluster, standby=False, pool=4)


@pytest.fixture
def failover_cluster():
    yield from made(Cluster, standby=True, pool=4)


@pytest.fixture(scope="session")
def maria():
    yield from made_maria()


@pytest.fixture
def maria_pair():
    yield from made_maria(replica=True)


@pytest.fixture
def maria_impatient():
    yield from made_maria(pool=2, borrow=1)


@pytest.fixture
def maria_tls():
    yield from made_maria(tls=True)


def with_a_second_proxy(cluster):
    """A second proxy over the same servers, to which the first is a peer; gives both and the second's port."""
    port, own = free_port(), cluster.config.read_text()
    text = own.replace("name: test", f"name: second\nproxy_id: 1\npeers: {{0: {{host: 127.0.0.1, port: {cluster.port}}}}}")
    text = text.replace(f"port: {cluster.port}}}\n      - {{name: ro", f"port: {port}}}\n      - {{name: ro")
    for taken in (cluster.reader_port, cluster.split_port, cluster.metrics_port):
        text = text.replace(f"port: {taken}", f"port: {free_port()}")
    config = cluster.directory / "second.yaml"
    config.write_text(text)
    process = cluster.spawn(config, "second.log")

    def answers():
        try:
            cluster.connect(port=port).close()
            return True
        except cluster.lost:
            return False

    assert until(answers, 20)
    yield cluster, port
    process.terminate()
    process.wait(10)


@pytest.fixture
def maria_peers(maria):
    yield from with_a_second_proxy(maria)


@pytest.fixture
def peers(cluster):
    yield from with_a_second_proxy(cluster)
