# SPDX-License-Identifier: Apache-2.0
"""What `make run` and `make down` do once everything is installed and built, as root and as an ordinary user: both engines
come up, a second run only says how to connect, and data survives a stop and a new run."""

import json
import os
import pwd
import re
import subprocess

import psycopg
import pytest

from harness.region import BOREALIS, DEADLINE, ROOT, free_port


class Account:
    """Somebody's region in the place that is standard for them."""

    def __init__(self, name, home):
        self.name = name
        self.home = home
        self.home.mkdir(mode=0o711)
        self.ports = []
        for option in ["--port", "--mariadb-port", "--api-port"]:
            self.ports += [option, str(free_port())]
        self.options = {}
        if name:
            entry = pwd.getpwnam(name)
            os.chown(home, entry.pw_uid, entry.pw_gid)
            self.options = {"user": name, "group": entry.pw_gid, "extra_groups": []}

    def do(self, *line):
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.home), "XDG_STATE_HOME": str(self.home)}
        environment |= {k: v for k, v in os.environ.items() if k == "BOREALIS_SHIM"}
        result = subprocess.run(
            list(map(str, line)), capture_output=True, text=True, timeout=2 * DEADLINE, stdin=subprocess.DEVNULL,
            env=environment, cwd="/", **self.options)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def make_run(self):
        return self.do(ROOT / "scripts/run", "--timeout", int(DEADLINE), *self.ports)

    def status(self):
        return json.loads(self.do(BOREALIS, "status", "--json"))

    def down(self):
        return self.do(BOREALIS, "down")


@pytest.mark.long("caller")
@pytest.mark.parametrize("who", ["caller", "ordinary"])
def test_make_run(make_region, who):
    if who == "ordinary":
        if os.geteuid() != 0:
            pytest.skip("the caller is an ordinary user")
        if subprocess.run(["test", "-x", BOREALIS], user="nobody", cwd="/").returncode:
            pytest.skip("this checkout lies where only root may look")
    account = Account("nobody" if who == "ordinary" else None, make_region().directory)
    try:
        said = account.make_run()
        url = re.findall(r"psql '(postgres://[^']*)'", said)[0]
        assert re.search(r"^ *mysql -h 127\.0\.0\.1 -P \d+ -u admin -p\S+$", said, re.M), said
        with psycopg.connect(url, connect_timeout=10) as connection:
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS i")
        status = account.status()
        pids = [c["writer"]["pid"] for c in status["clusters"]]
        for cluster in status["clusters"]:
            owner = os.stat(f"/proc/{cluster['writer']['pid']}").st_uid
            wanted = {"postgres": "postgres", "mariadb": "mysql"}[cluster["engine"]] if os.stat(account.home).st_uid == 0 else None
            assert owner == (pwd.getpwnam(wanted).pw_uid if wanted else os.stat(account.home).st_uid) != 0

        again = account.make_run()
        assert "running already" in again and url in again, again
        assert [c["writer"]["pid"] for c in account.status()["clusters"]] == pids

        account.down()
        assert url in account.make_run()
        with psycopg.connect(url, connect_timeout=10) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    finally:
        account.down()
