# SPDX-License-Identifier: Apache-2.0
"""Tokens of `aws rds generate-db-auth-token` as passwords, and limits on log-ins, for both engines."""
import datetime, hashlib, hmac, pathlib, shutil, socket, tempfile, time, urllib.parse

import psycopg
import pymysql
import pytest

from conftest import Cluster

KEY, SECRET = "AKIDTEST", "an/access+key"


def token(user, when=None, key=KEY, secret=SECRET, region="eu-west-1", host="db.test:1"):
    """Signature Version 4 in its query form, as the AWS tools make it."""
    when = when or datetime.datetime.now(datetime.timezone.utc)
    stamp, date = when.strftime("%Y%m%dT%H%M%SZ"), when.strftime("%Y%m%d")
    scope = f"{date}/{region}/rds-db/aws4_request"
    query = urllib.parse.urlencode({
        "Action": "connect", "DBUser": user, "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{key}/{scope}",
        "X-Amz-Date": stamp, "X-Amz-Expires": "900", "X-Amz-SignedHeaders": "host"}, quote_via=urllib.parse.quote, safe="")
    request = f"GET\n/\n{query}\nhost:{host}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signing = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    return f"{host}/?{query}&X-Amz-Signature={hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()}"


def bad_tokens(user):
    late = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=16)
    good = token(user)
    return [token(user, when=late), token("somebody"), token(user, key="AKIDOTHER"), token(user, secret="x"),
            token(user, region="us-east-1"), token(user, host="other.test:1"), good[:-1] + ("0" if good[-1] != "0" else "1"), "app", ""]


def configure(cluster, text):
    text = text.replace("    users:\n", f"    iam: {{region: eu-west-1, hosts: ['db.test:1'], access_keys: [{{id: {KEY}, secret: {SECRET}, users: [iam]}}]}}\n"
                        "    users:\n      - {name: iam, method: IAM, backend_user: app, backend_password: app}\n")
    cluster.config.write_text(text)
    cluster.proxy.terminate()
    cluster.proxy.wait(10)
    cluster.start_proxy()


@pytest.fixture(scope="module")
def postgres_tls():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="borealis-proxy-"))
    made = Cluster(directory, standby=False, pool=4, tls=True)
    configure(made, made.config.read_text())
    yield made
    made.close()
    shutil.rmtree(directory, ignore_errors=True)


def test_iam_postgres(postgres_tls):
    for _ in range(3):
        with postgres_tls.connect(user="iam", password=token("iam"), sslmode="require") as c:
            assert c.execute("SELECT current_user").fetchone()[0] == "app"
    for password in bad_tokens("iam"):
        with pytest.raises(psycopg.OperationalError):
            postgres_tls.connect(user="iam", password=password or "x", sslmode="require")
    with pytest.raises(psycopg.OperationalError, match="IAM authentication needs a TLS connection"):
        postgres_tls.connect(user="iam", password=token("iam"), sslmode="disable")


def test_iam_mysql(maria_tls):
    configure(maria_tls, maria_tls.config.read_text())
    secure = dict(ssl={"ca": str(maria_tls.directory / "cert.pem")}, host="localhost", user="iam")
    for _ in range(3):
        with maria_tls.connect(password=token("iam"), **secure) as c, c.cursor() as cursor:
            cursor.execute("SELECT CURRENT_USER()")
            assert cursor.fetchone()[0] == "app@%"
    for password in bad_tokens("iam"):
        with pytest.raises(pymysql.err.OperationalError):
            maria_tls.connect(password=password, **secure)
    with pytest.raises(pymysql.err.OperationalError, match="IAM authentication needs a TLS connection"):
        maria_tls.connect(user="iam", password=token("iam"), ssl_disabled=True)


def test_login_rate(maria_impatient):
    text = maria_impatient.config.read_text()
    maria_impatient.config.write_text(text.replace("name: test", "name: test\nlogins_per_second: 5"))
    maria_impatient.restart_proxy()
    refused = 0
    for _ in range(30):
        try:
            maria_impatient.connect().close()
        except pymysql.err.OperationalError as error:
            assert error.args[0] == 1040
            refused += 1
    assert refused >= 10
    time.sleep(1.1)
    maria_impatient.connect().close()


def test_slow_and_oversized_logins_are_cut_off(maria_impatient):
    text = maria_impatient.config.read_text()
    maria_impatient.config.write_text(text.replace("name: test", "name: test\nlogin_timeout_seconds: 1"))
    maria_impatient.restart_proxy()
    with socket.create_connection(("127.0.0.1", maria_impatient.port), timeout=10) as slow:
        slow.recv(1000)
        began = time.time()
        slow.sendall(b"\x20")
        assert slow.recv(1000) == b""
        assert time.time() - began < 5
    with socket.create_connection(("127.0.0.1", maria_impatient.port), timeout=10) as large:
        large.recv(1000)
        large.sendall(b"\xff\xff\xff\x01" + b"x" * 1000)
        assert b"Bad handshake" in large.recv(1000)
