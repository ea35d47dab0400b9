# SPDX-License-Identifier: Apache-2.0
"""TLS from the client to the proxy and from the proxy to the server."""
import pathlib, shutil, tempfile

import psycopg
import pytest

from conftest import Cluster


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
    config = tls_cluster.config
    config.write_text(config.read_text().replace("tls: {cert", "require_tls: true, tls: {cert"))
    tls_cluster.proxy.terminate()
    tls_cluster.proxy.wait(10)
    tls_cluster.start_proxy()
    with pytest.raises(psycopg.OperationalError, match="requires TLS"):
        tls_cluster.connect(sslmode="disable")
    with tls_cluster.connect(sslmode="require") as c:
        assert c.execute("SELECT 1").fetchone()[0] == 1
