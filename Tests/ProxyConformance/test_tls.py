# SPDX-License-Identifier: Apache-2.0
"""TLS from the client to the proxy and from the proxy to the server."""
import pathlib, shutil, subprocess, tempfile

import psycopg
import pytest

from conftest import Cluster
from proxied import until


@pytest.fixture(scope="module")
def tls_cluster():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="borealis-proxy-"))
    made = Cluster(directory, standby=False, pool=4, tls=True)
    yield made
    made.close()
    shutil.rmtree(directory, ignore_errors=True)


def test_clients_may_use_tls(tls_cluster):
    with tls_cluster.connect(sslmode="require") as c:
        assert c.pgconn.ssl_in_use
        assert c.execute("SELECT length(repeat('x', 5000000))").fetchone()[0] == 5000000
        assert len(c.execute("SELECT repeat('x', 5000000)").fetchone()[0]) == 5000000
    with tls_cluster.connect(sslmode="verify-full", sslrootcert=str(tls_cluster.directory / "cert.pem"), host="localhost",
                             hostaddr="127.0.0.1") as c:
        assert c.execute("SELECT 1").fetchone()[0] == 1
    with tls_cluster.connect(sslmode="disable") as c:
        assert not c.pgconn.ssl_in_use


def test_tls_can_be_required(tls_cluster):
    """From the next client on: those without TLS stay."""
    text = tls_cluster.config.read_text()
    clear = tls_cluster.connect(sslmode="disable")
    tls_cluster.reload_proxy(text.replace("tls: {cert", "require_tls: true, tls: {cert"))
    assert until(lambda: "requires TLS" in refusal(tls_cluster, sslmode="disable"), 10)
    with tls_cluster.connect(sslmode="require") as c:
        assert c.execute("SELECT 1").fetchone()[0] == 1
    assert clear.execute("SELECT 1").fetchone()[0] == 1
    tls_cluster.reload_proxy(text)
    assert until(lambda: refusal(tls_cluster, sslmode="disable") == "", 10)


def test_certificates_by_name_and_of_clients(tls_cluster, tmp_path):
    """The certificate is the one of the name that the client asks for, and clients have to show one of their own."""
    def certificate(name):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-addext",
                        f"subjectAltName=DNS:{name}", "-days", "2", "-keyout", tmp_path / f"{name}.key", "-out",
                        tmp_path / f"{name}.pem"], check=True, stderr=subprocess.DEVNULL)
        (tmp_path / f"{name}.key").chmod(0o600)
        return f"{{certificate: {tmp_path}/{name}.pem, key: {tmp_path}/{name}.key}}"
    text = tls_cluster.config.read_text()
    hosts = f"hosts: {{one.test: {certificate('one.test')}, '*.two.test': {certificate('a.two.test')}}}"
    certificate("client")
    tls_cluster.reload_proxy(text.replace("tls: {cert", f"tls: {{{hosts}, client_ca: {tmp_path}/client.pem, cert"))
    shown = dict(sslmode="verify-full", sslcert=str(tmp_path / "client.pem"), sslkey=str(tmp_path / "client.key"),
                 hostaddr="127.0.0.1")

    def greets(name):
        return refusal(tls_cluster, host=name, sslrootcert=str(tmp_path / f"{name}.pem"), **shown)
    try:
        assert until(lambda: greets("one.test") == "", 10), greets("one.test")
        assert greets("a.two.test") == ""
        own = str(tls_cluster.directory / "cert.pem")
        assert refusal(tls_cluster, host="localhost", sslrootcert=own, **shown) == ""
        assert refusal(tls_cluster, sslmode="require") != ""
    finally:
        tls_cluster.reload_proxy(text)
    assert until(lambda: refusal(tls_cluster, sslmode="require") == "", 10)


def refusal(cluster, **how):
    """What a client is told, or nothing when it gets in."""
    try:
        with cluster.connect(**how) as c:
            c.execute("SELECT 1")
        return ""
    except psycopg.OperationalError as error:
        return str(error)
