# SPDX-License-Identifier: Apache-2.0
"""Starts PostgreSQL (a primary and a standby) and the proxy, each on a port of its own on loopback.

Needs the program (BOREALIS, by default the release build) and PostgreSQL in BOREALIS_PG_BIN.
As root, the servers run as the user in BOREALIS_PG_USER (default postgres).
"""
import os, pathlib, shutil, signal, socket, subprocess, tempfile, time

import psycopg
import pytest

BIN = pathlib.Path(os.environ.get("BOREALIS_PG_BIN", "/usr/lib/postgresql/15/bin"))
ROOT = pathlib.Path(__file__).resolve().parents[2]
BOREALIS = os.environ.get("BOREALIS", str(ROOT / ".build/release/borealis"))
USER = os.environ.get("BOREALIS_PG_USER", "postgres")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


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

    def promote(self):
        run(BIN / "pg_ctl", "-D", self.data, "-w", "promote")

    def connect(self, **kw):
        return psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", password="pw", dbname="postgres",
                               autocommit=True, **kw)


class Cluster:
    """A primary, a standby and a proxy over both."""

    def __init__(self, directory, standby=True, pool=10, borrow=15, tls=False):
        self.directory = directory
        os.chmod(directory, 0o777)
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
        self.servers = [self.primary]
        if standby:
            self.standby = Server(directory / "standby")
            run(BIN / "pg_basebackup", "-d", f"host=127.0.0.1 port={self.primary.port} user=postgres password=pw",
                "-D", self.standby.data, "-R", "-c", "fast")
            self.standby.configure()
            self.standby.start()
            self.servers.append(self.standby)
        self.port, self.reader_port, self.metrics_port = free_port(), free_port(), free_port()
        certificate = ""
        if tls:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days",
                            "2", "-keyout", directory / "key.pem", "-out", directory / "cert.pem"], check=True,
                           stderr=subprocess.DEVNULL)
            certificate = f", tls: {{certificate: {directory}/cert.pem, key: {directory}/key.pem}}"
        targets = "".join(f"      - {{host: 127.0.0.1, port: {s.port}}}\n" for s in self.servers)
        self.config = directory / "proxy.yaml"
        self.config.write_text(f"""
name: test
threads: {os.environ.get("BOREALIS_PROXY_THREADS", "1")}
metrics: {{host: 127.0.0.1, port: {self.metrics_port}}}
admin_users: [postgres]
groups:
  - engine: POSTGRESQL
    targets:
{targets}
    listeners:
      - {{name: rw, port: {self.port}{certificate}}}
      - {{name: ro, port: {self.reader_port}, role: READ_ONLY}}
    users:
      - {{name: postgres, password: pw}}
      - {{name: app, password: app}}
      - {{name: old, password: old, method: POSTGRES_MD5}}
    pool: {{max_connections: {pool}, connection_borrow_timeout_seconds: {borrow}}}
""")
        self.proxy = None
        self.start_proxy()

    def start_proxy(self):
        self.proxy = subprocess.Popen([BOREALIS, "proxy", "--config", str(self.config)], stdin=subprocess.DEVNULL,
                                      stdout=open(self.directory / "proxy.log", "a"), stderr=subprocess.STDOUT)
        deadline = time.time() + 20
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                if time.time() > deadline:
                    raise
                time.sleep(0.1)

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

    def no_pins(self):
        """A pin ends when the audit after the client's answer is done: a moment later, on another loop."""
        deadline = time.time() + 3
        while self.pins():
            if time.time() > deadline:
                return False
            time.sleep(0.05)
        return True

    def close(self):
        if self.proxy:
            self.proxy.terminate()
            self.proxy.wait(10)
        for server in self.servers:
            try:
                server.stop("immediate")
            except subprocess.SubprocessError:
                pass


@pytest.fixture(scope="session")
def cluster():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="borealis-proxy-"))
    made = Cluster(directory, standby=False, pool=4)
    yield made
    made.close()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def failover_cluster():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="borealis-proxy-"))
    made = Cluster(directory, standby=True, pool=4)
    yield made
    made.close()
    shutil.rmtree(directory, ignore_errors=True)


def made(directory=None, **kw):
    from mariadb_cluster import Cluster as MariaCluster
    directory = pathlib.Path(tempfile.mkdtemp(prefix="borealis-proxy-"))
    try:
        cluster = MariaCluster(directory, **kw)
        yield cluster
        cluster.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def maria():
    yield from made()


@pytest.fixture
def maria_pair():
    yield from made(replica=True)


@pytest.fixture
def maria_impatient():
    yield from made(pool=2, borrow=1)


@pytest.fixture
def maria_tls():
    yield from made(tls=True)


@pytest.fixture
def maria_peers(maria):
    """A second proxy over the same server, to which the first is a peer and which is one to the first."""
    port, own = free_port(), maria.config.read_text()
    text = own.replace("name: test", f"name: second\nproxy_id: 1\npeers: {{0: {{host: 127.0.0.1, port: {maria.port}}}}}")
    text = text.replace(f"port: {maria.port}}}\n      - {{name: ro", f"port: {port}}}\n      - {{name: ro")
    text = text.replace(f"port: {maria.reader_port}", f"port: {free_port()}")
    text = text.replace(f"port: {maria.metrics_port}", f"port: {free_port()}")
    config = maria.directory / "second.yaml"
    config.write_text(text)
    process = subprocess.Popen([BOREALIS, "proxy", "--config", str(config)], stdin=subprocess.DEVNULL,
                               stdout=open(maria.directory / "second.log", "a"), stderr=subprocess.STDOUT)
    deadline = time.time() + 20
    while True:
        try:
            maria.connect(port=port).close()
            break
        except Exception:
            if time.time() > deadline:
                raise
            time.sleep(0.1)
    yield maria, port
    process.terminate()
    process.wait(10)
