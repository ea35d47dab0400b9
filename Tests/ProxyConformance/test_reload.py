# SPDX-License-Identifier: Apache-2.0
"""The file read again while clients are connected, and the proxy asked from the command line."""
import json, socket, subprocess, threading

import psycopg
import pytest

from proxied import BOREALIS, free_port, until


def ask(cluster, subject):
    result = subprocess.run([BOREALIS, "proxy", subject, "--config", cluster.config, "--json"], capture_output=True,
                            text=True, timeout=30, check=True)
    return json.loads(result.stdout)


def gets_in(cluster, **how):
    try:
        cluster.connect(**how).close()
        return True
    except psycopg.OperationalError:
        return False


def test_other_users_and_pools_without_losing_a_client(cluster):
    text = cluster.config.read_text()
    stays = cluster.connect()
    stays.execute("SET work_mem = '9MB'")
    changed = text.replace("      - {name: old,", "      - {name: more, password: other, backend_user: app, backend_password: app}\n"
                           "      - {name: old,")
    changed = changed.replace("pool: {", "pool: {init_query: \"SET statement_timeout = '77s'\", ").replace(
        "max_connections: 4", "max_connections: 3")
    assert not gets_in(cluster, user="more", password="other")
    cluster.reload_proxy(changed)
    try:
        assert until(lambda: gets_in(cluster, user="more", password="other"), 10)
        assert stays.execute("SHOW work_mem").fetchone()[0] == "9MB"
        # Connections that were opened before the initial query are not lent again.
        assert stays.execute("SHOW statement_timeout").fetchone()[0] == "77s"
        assert {row["limit"] for row in ask(cluster, "pools")} == {"3"}
    finally:
        cluster.reload_proxy(text)
    assert until(lambda: not gets_in(cluster, user="more", password="other"), 10)
    assert stays.execute("SHOW work_mem").fetchone()[0] == "9MB"
    stays.close()


def test_a_file_that_is_no_good_changes_nothing(cluster):
    text = cluster.config.read_text()
    cluster.reload_proxy("groups: 5")
    cluster.reload_proxy(text.replace("name: rw", "name: [rw"))
    try:
        assert until(lambda: (cluster.directory / "proxy.log").read_text().count("stays as it was") >= 1, 10)
        with cluster.connect() as c:
            assert c.execute("SELECT 1").fetchone()[0] == 1
    finally:
        cluster.reload_proxy(text)


def said(cluster, text):
    return (cluster.directory / "proxy.log").read_text().count(text)


def test_a_port_or_certificate_that_cannot_be_had_changes_nothing(cluster, tmp_path):
    text = cluster.config.read_text()
    more = "      - {name: more, password: other, backend_user: app, backend_password: app}\n      - {name: old,"
    listener = f"      - {{name: ro, port: {cluster.reader_port}, role: READ_ONLY}}\n"
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for other in (f"name: new, port: {free}}}\n      - {{name: taken, port: {port}",
                      f"name: new, port: {free}, tls: {{certificate: {tmp_path}/none.pem, key: {tmp_path}/none.key}}"):
            before = said(cluster, "stays as it was")
            cluster.reload_proxy(text.replace("      - {name: old,", more).replace(listener, f"      - {{{other}}}\n"))
            try:
                assert until(lambda: said(cluster, "stays as it was") > before, 10)
                assert not gets_in(cluster, user="more", password="other")
                assert not gets_in(cluster, port=free)
                # The endpoint that the file no longer had is there.
                with pytest.raises(psycopg.OperationalError, match="no reader"):
                    cluster.connect(port=cluster.reader_port).execute("SELECT 1")
            finally:
                cluster.reload_proxy(text)
        log = (cluster.directory / "proxy.log").read_text()
        assert f"the listener taken cannot listen at 127.0.0.1:{port}" in log
        assert "the listener new cannot use its certificate" in log and f"{tmp_path}/none.pem" in log


def test_a_check_reads_what_the_file_names(cluster, tmp_path):
    def check(text):
        config = tmp_path / "checked.yaml"
        config.write_text(text)
        return subprocess.run([BOREALIS, "proxy", "--config", config, "--check"], capture_output=True, text=True, timeout=30)
    text = cluster.config.read_text()
    good = check(text)
    assert good.returncode == 0 and "is good" in good.stdout
    missing = check(text.replace("name: ro,", f"name: ro, tls: {{certificate: {tmp_path}/c.pem, key: {tmp_path}/k.pem}},"))
    assert missing.returncode != 0 and f"{tmp_path}/c.pem" in missing.stderr and "listener ro" in missing.stderr
    mistyped = check(text.replace("name: app, password: app", "name: app, pasword: app"))
    assert mistyped.returncode != 0 and "groups[0].users[1].pasword: is not a setting" in mistyped.stderr


def test_one_proxy_that_is_down_hides_no_other(cluster, tmp_path):
    (tmp_path / "run").mkdir()
    text = cluster.config.read_text()
    (tmp_path / "run" / "proxy-b.json").write_text(text)
    (tmp_path / "run" / "proxy-a.json").write_text(
        text.replace("name: test", "name: down").replace(f"port: {cluster.metrics_port}", f"port: {free_port()}"))
    result = subprocess.run([BOREALIS, "proxy", "targets", "--data", tmp_path, "--json"], capture_output=True, text=True,
                            timeout=30)
    assert [row["proxy"] for row in json.loads(result.stdout)] == ["test"]
    assert result.returncode != 0 and "down: no proxy answers" in result.stderr


def test_listeners_come_and_go(cluster):
    text = cluster.config.read_text()
    listener = f"      - {{name: ro, port: {cluster.reader_port}, role: READ_ONLY}}\n"
    assert listener in text
    cluster.reload_proxy(text.replace(listener, listener.replace(", role: READ_ONLY", "")))
    try:
        assert until(lambda: gets_in(cluster, port=cluster.reader_port), 10)
        other = cluster.connect(port=cluster.reader_port)
        cluster.reload_proxy(text.replace(listener, ""))

        def hung_up():
            try:
                other.execute("SELECT 1")
                return False
            except psycopg.OperationalError:
                return True
        assert until(hung_up, 10)
        assert not gets_in(cluster, port=cluster.reader_port)
    finally:
        cluster.reload_proxy(text)


def test_the_command_line_shows_pins(cluster):
    with cluster.connect() as c:
        c.execute("LISTEN news")
        c.execute("SELECT 1")
        found = until(lambda: ask(cluster, "pins"), 5)
        assert [(row["reason"], row["user"]) for row in found] == [("listen", "app")], found
        assert found[0]["statement"].lower().startswith("listen")
        c.execute("UNLISTEN *")
    assert until(lambda: not ask(cluster, "pins"), 5)
    assert any(row["metric"] == "ClientConnections" for row in ask(cluster, "stats"))
    assert [row["role"] for row in ask(cluster, "targets")] == ["writer"]
    refused = subprocess.run([BOREALIS, "proxy", "pins", "--config", "/nonexistent"], capture_output=True, text=True)
    assert refused.returncode != 0 and "cannot read" in refused.stderr


def test_users_share_what_a_target_has(cluster):
    """A percentage is of the target's connections, whoever they are for; nobody starves while another user is busy."""
    text = cluster.config.read_text()
    cluster.reload_proxy(text.replace("max_connections: 4", "target_max_connections: 8, max_connections_percent: 50"))
    try:
        assert until(lambda: {row["limit"] for row in ask(cluster, "pools")} == {"4"}, 10)
        stop, counts, most = threading.Event(), {"app": 0, "postgres": 0, "old": 0}, []

        def work(user, password):
            with cluster.connect(user=user, password=password) as c:
                while not stop.is_set():
                    c.execute("SELECT pg_sleep(0.005)")
                    counts[user] += 1
        workers = [threading.Thread(target=work, args=who) for who in
                   [("app", "app"), ("postgres", "pw"), ("old", "old")] for _ in range(6)]
        for worker in workers:
            worker.start()
        with cluster.primary.connect() as direct:
            def all_are_served():
                # Of the servers' connections one is the monitor's and one this one.
                most.append(direct.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
                            .fetchone()[0])
                return min(counts.values()) >= 60
            served = until(all_are_served, 30)
        stop.set()
        for worker in workers:
            worker.join(30)
        assert served, counts
        # Connections that are being closed are still counted by the server for a moment.
        assert max(most) <= 4 + 2 + 3, max(most)
    finally:
        cluster.reload_proxy(text)
