# SPDX-License-Identifier: Apache-2.0
"""Starts MariaDB (a primary and a replica) and the proxy, each on a port of its own on loopback.

Needs the program (BOREALIS, by default the release build) and Debian's mariadb-server-core. As root, the servers run as
the user `mysql`.
"""
import json, os, shutil, subprocess, time, urllib.request

import pymysql

from proxied import Proxied, free_port

ENGINE_USER = "mysql"
# Debian has the plugin in mariadb-server, the package that also runs a service; its programs alone come without.
HAS_ED25519 = os.path.exists("/usr/lib/mysql/plugin/auth_ed25519.so")


class Server:
    def __init__(self, directory, number):
        self.data, self.number, self.port = directory, number, free_port()
        self.process = None

    def install(self):
        self.data.mkdir()
        options = [f"--user={ENGINE_USER}"] if os.getuid() == 0 else []
        if os.getuid() == 0:
            shutil.chown(self.data, ENGINE_USER)
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--skip-test-db",
                        "--auth-root-authentication-method=normal", *options], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=120)

    def start(self, *options):
        log = open(str(self.data) + ".log", "a")
        self.process = subprocess.Popen(
            ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={self.data}", f"--port={self.port}",
             "--bind-address=127.0.0.1", f"--socket={self.data}/s", f"--server-id={self.number}", "--log-bin=binlog",
             "--gtid-strict-mode=ON", "--log-slave-updates=ON", "--innodb-flush-log-at-trx-commit=0",
             "--innodb-buffer-pool-size=64M", "--max-allowed-packet=128M", *(["--plugin-load-add=auth_ed25519"] if HAS_ED25519 else []),
             "--innodb-log-file-size=64M", *([f"--user={ENGINE_USER}"] if os.getuid() == 0 else []), *options],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.time() + 60
        while True:
            try:
                return self.connect().close()
            except pymysql.err.OperationalError:
                if time.time() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.1)

    def connect(self, user="root", password="", **kw):
        # By its socket, root may always come in; others come as clients do.
        where = dict(unix_socket=f"{self.data}/s") if user == "root" else dict(host="127.0.0.1", port=self.port)
        return pymysql.connect(**where, user=user, password=password, autocommit=True, **kw)

    def run(self, *statements):
        with self.connect() as c:
            for statement in statements:
                c.cursor().execute(statement)

    def kill(self):
        self.stop(hard=True)

    def stop(self, hard=False):
        if self.process and self.process.poll() is None:
            self.process.kill() if hard else self.process.terminate()
            self.process.wait(60)


class Cluster(Proxied):
    """A primary, perhaps a replica, and a proxy over both."""

    lost = pymysql.err.OperationalError

    def __init__(self, directory, replica=False, pool=4, borrow=15, tls=False, extra=""):
        self.prepare(directory, tls)
        self.primary = Server(directory / "primary", 1)
        self.primary.install()
        self.primary.start()
        self.primary.run(
            "CREATE DATABASE app", "CREATE DATABASE other",
            "CREATE USER app@'%' IDENTIFIED BY 'app'", "GRANT ALL ON app.* TO app@'%'", "GRANT ALL ON other.* TO app@'%'",
            "CREATE USER boss@'%' IDENTIFIED BY 'boss'", "GRANT ALL ON *.* TO boss@'%'",
            *(["CREATE USER ed@'%' IDENTIFIED VIA ed25519 USING PASSWORD('a longer password than thirty-two bytes')",
               "GRANT ALL ON app.* TO ed@'%'"] if HAS_ED25519 else []),
            "CREATE USER monitor@'%' IDENTIFIED BY 'monitor'", "GRANT REPLICA MONITOR ON *.* TO monitor@'%'",
            "CREATE USER copy@'%' IDENTIFIED BY 'copy'", "GRANT REPLICATION SLAVE ON *.* TO copy@'%'")
        self.servers.append(self.primary)
        if replica:
            self.replica = Server(directory / "replica", 2)
            self.replica.install()
            self.replica.start("--read-only=ON")
            self.replica.run(
                f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={self.primary.port}, MASTER_USER='copy', "
                "MASTER_PASSWORD='copy', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1", "START SLAVE")
            self.servers.append(self.replica)
            self.wait_for_replica()
        self.configure("MYSQL", "boss", """
      - {name: app, password: app}
      - {name: boss, password: boss}
      - {name: sha, password: app, method: MYSQL_CACHING_SHA2_PASSWORD, backend_user: app}
      - {name: native, password: "*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3", method: MYSQL_NATIVE_PASSWORD,
         backend_user: app, backend_password: app}
      - {name: clear, password: app, method: CLEARTEXT, backend_user: app}
      - {name: ed, password: a longer password than thirty-two bytes}
      - {name: monitor, password: monitor}
""", f"max_connections: {pool}, connection_borrow_timeout_seconds: {borrow}{extra}", "    health: {user: monitor}")
        self.start_proxy()

    def refused(self, error):
        return error.args[0] == 2003

    def wait_for_replica(self):
        deadline = time.time() + 30
        position = self.value(self.primary.connect(), "SELECT @@gtid_current_pos")
        with self.replica.connect() as c:
            assert self.value(c, f"SELECT MASTER_GTID_WAIT('{position}', {deadline - time.time():.0f})") == 0

    @staticmethod
    def value(connection, text, *args):
        with connection.cursor() as cursor:
            cursor.execute(text, *args)
            return cursor.fetchone()[0]

    def promote(self):
        self.replica.run("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only=OFF")

    def dsn(self, **kw):
        values = dict(host="127.0.0.1", port=self.port, user="app", password="app", database="app")
        values.update(kw)
        return values

    def connect(self, autocommit=True, **kw):
        return pymysql.connect(**self.dsn(**kw), autocommit=autocommit, connect_timeout=10)

    def client(self, *args, user="app", password="app", **kw):
        """Runs the `mariadb` program."""
        return subprocess.run(["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{self.port}", f"-u{user}", f"-p{password}",
                               "-N", *args], capture_output=True, text=True, timeout=60, **kw)

    def show(self, subject):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/{subject}", timeout=10) as answer:
            return json.load(answer)

    def pins(self):
        return self.show("pins")

    def reasons(self):
        return sorted(p["reason"] for p in self.pins())
