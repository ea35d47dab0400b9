# SPDX-License-Identifier: Apache-2.0
"""Drivers and programs of MySQL and MariaDB with their default habits: everything works, nothing pins."""
import concurrent.futures, os, subprocess

import mysql.connector
import pymysql
import pymysql.cursors
import pytest
import sqlalchemy as sa

from habits import habits_of_django, habits_of_jdbc
from mariadb_cluster import HAS_ED25519


def one(connection, text, *args):
    with connection.cursor() as cursor:
        cursor.execute(text, *args)
        row = cursor.fetchone()
        return row[0] if row else None


def test_mariadb_program(maria):
    result = maria.client("app", "-e", "SELECT 1; SELECT DATABASE(); \\s")
    assert result.returncode == 0 and result.stdout.split("\n")[:2] == ["1", "app"]
    result = maria.client("-e", "SELECT DATABASE(); USE other; SELECT DATABASE(); SELECT 3")
    assert result.stdout.split() == ["NULL", "other", "3"]
    result = maria.client("app", input="DELIMITER //\nCREATE OR REPLACE PROCEDURE two() BEGIN SELECT 1; SELECT 2; END//\n"
                                       "DELIMITER ;\nCALL two(); CALL two();\nDROP PROCEDURE two;\n")
    assert result.stdout.split() == ["1", "2", "1", "2"], result.stderr
    assert maria.no_pins()


def test_errors_pass_unchanged(maria):
    with maria.connect() as c, maria.primary.connect("app", "app", database="app") as direct:
        for statement in ["SELEC 1", "SELECT nothing", "SELECT * FROM nowhere", "INSERT INTO nowhere VALUES (1)",
                          "SELECT 1; SELECT 2", "EXECUTE nope", "SELECT * FROM mysql.user"]:
            with pytest.raises(pymysql.err.MySQLError) as through:
                c.cursor().execute(statement)
            with pytest.raises(pymysql.err.MySQLError) as straight:
                direct.cursor().execute(statement)
            assert through.value.args == straight.value.args
    assert maria.no_pins()


def test_pymysql_habits(maria):
    c = maria.connect(autocommit=False)
    with c.cursor() as cur:
        cur.execute("CREATE OR REPLACE TABLE pm (id int AUTO_INCREMENT PRIMARY KEY, v varchar(40))")
        cur.execute("INSERT INTO pm (v) VALUES (%s)", ("a",))
        assert cur.lastrowid == 1
        assert cur.executemany("INSERT INTO pm (v) VALUES (%s)", [(f"r{i}",) for i in range(500)]) == 500
        c.commit()
        cur.execute("UPDATE pm SET v = 'x' WHERE id <= 10")
        assert cur.rowcount == 10
        c.rollback()
        cur.execute("SELECT count(*) FROM pm WHERE v = 'x'")
        assert cur.fetchone()[0] == 0
        c.commit()
    assert c.ping() is None
    c.select_db("other")
    assert one(c, "SELECT DATABASE()") == "other"
    c.set_charset("latin1")
    assert one(c, "SELECT @@character_set_connection") == "latin1"
    c.rollback()
    c.close()
    with maria.connect(cursorclass=pymysql.cursors.SSCursor) as c, c.cursor() as cur:
        cur.execute("SELECT seq FROM seq_1_to_20000")
        assert sum(1 for _ in cur) == 20000
    with maria.connect(cursorclass=pymysql.cursors.DictCursor, init_command="SET sql_mode='ANSI'") as c, c.cursor() as cur:
        cur.execute('SELECT @@sql_mode LIKE %s AS "ansi"', ("%ANSI%",))
        assert cur.fetchone() == {"ansi": 1}
        cur.execute("DROP TABLE pm")
    assert maria.no_pins()


def test_pymysql_procedures(maria):
    c = maria.connect()
    cur = c.cursor()
    cur.execute("CREATE OR REPLACE PROCEDURE addup(IN a int, IN b int, OUT s int) BEGIN SET s = a + b; SELECT 'row'; END")
    cur.callproc("addup", (3, 4, 0))
    assert cur.fetchall() == (("row",),)
    cur.nextset()
    cur.execute("SELECT @_addup_0, @_addup_1, @_addup_2")
    assert cur.fetchone() == (3, 4, 7)
    assert maria.no_pins()


def test_warnings_and_counts_of_the_statement_before(maria):
    c, other = maria.connect(), maria.connect()
    for _ in range(5):
        with c.cursor() as cur:
            cur.execute("SELECT CAST('5x' AS int)")
            cur.execute("SHOW WARNINGS")
            assert cur.fetchone()[1] == 1292
            cur.execute("SELECT SQL_CALC_FOUND_ROWS seq FROM seq_1_to_50 LIMIT 3")
            cur.execute("SELECT FOUND_ROWS()")
            assert cur.fetchone()[0] == 50
        assert one(other, "SELECT 1") == 1
    assert maria.no_pins()


@pytest.mark.parametrize("pure", [True, False])
def test_mysql_connector(maria, pure):
    if not pure and not mysql.connector.HAVE_CEXT:
        pytest.skip("the C extension is not installed")
    c = mysql.connector.connect(**maria.dsn(), use_pure=pure, ssl_disabled=True)
    cur = c.cursor()
    cur.execute("CREATE OR REPLACE TABLE mc (id int AUTO_INCREMENT PRIMARY KEY, v varchar(40), f double, d datetime, b blob)")
    cur.execute("INSERT INTO mc (v, f, d) VALUES (%s, %s, NOW())", ("a", 1.5))
    assert cur.lastrowid == 1
    c.commit()
    c.start_transaction(isolation_level="SERIALIZABLE")
    cur.execute("SELECT v FROM mc")
    assert cur.fetchall() == [("a",)]
    c.rollback()
    prepared = c.cursor(prepared=True)
    for i in range(30):
        prepared.execute("INSERT INTO mc (v, f, b) VALUES (?, ?, ?)", (f"p{i}", i / 2, b"\x00\x01" * 5000))
    c.commit()
    prepared.execute("SELECT count(*) FROM mc WHERE f >= ?", (0,))
    assert prepared.fetchone()[0] == 31
    c.commit()
    prepared.close()
    c.cmd_reset_connection()
    c.cmd_change_user("app", "app", "other")
    cur = c.cursor()
    cur.execute("SELECT DATABASE(), CURRENT_USER()")
    assert cur.fetchone() == ("other", "app@%")
    c.cmd_change_user("boss", "boss", "app")
    cur.execute("SELECT DATABASE(), CURRENT_USER()")
    assert cur.fetchone() == ("app", "boss@%")
    cur.execute("DROP TABLE mc")
    c.close()
    assert maria.no_pins()


@pytest.mark.parametrize("scheme", ["mysql+pymysql", "mysql+mysqlconnector"])
def test_sqlalchemy(maria, scheme):
    engine = sa.create_engine(f"{scheme}://app:app@127.0.0.1:{maria.port}/app", pool_size=6, pool_pre_ping=True)
    meta = sa.MetaData()
    table = sa.Table("sa_t", meta, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(40)))
    meta.drop_all(engine)
    meta.create_all(engine)

    def work(n):
        for i in range(10):
            with engine.begin() as c:
                result = c.execute(table.insert(), {"name": f"{n}-{i}"})
                assert result.inserted_primary_key[0] > 0

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    with engine.connect() as c:
        assert c.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 60
    with engine.connect() as c:
        strict = c.execution_options(isolation_level="SERIALIZABLE")
        assert strict.execute(sa.text("SELECT @@tx_isolation")).scalar() == "SERIALIZABLE"
    assert sa.inspect(engine).get_columns("sa_t")[1]["name"] == "name"
    meta.drop_all(engine)
    assert maria.no_pins()
    engine.dispose()


def test_django(maria):
    habits_of_django("mysql", maria.port)
    assert maria.no_pins()


def test_jdbc(maria):
    habits_of_jdbc("mariadb-java-client", f"jdbc:mariadb://127.0.0.1:{maria.port}/app?user=app&password=app",
                   "int AUTO_INCREMENT PRIMARY KEY", "SELECT SLEEP(30)")
    assert maria.no_pins()


def test_packets_over_16_mib(maria):
    with maria.connect(max_allowed_packet=100 << 20) as c:
        for size in [(1 << 24) - 20, (1 << 24) - 1, 1 << 24, 40 << 20]:
            with c.cursor() as cur:
                cur.execute("SELECT LENGTH(%s), %s", ("q" * size, "z"))
                assert cur.fetchone() == (size, "z")
        assert one(c, "SELECT REPEAT('y', 50000000)") == "y" * 50_000_000
    with open(f"/proc/{maria.proxy.pid}/status") as status:
        resident = int(next(line for line in status if line.startswith("VmRSS")).split()[1])
    assert resident < 300_000, f"the proxy holds {resident} kB"


def test_sysbench(maria):
    base = ["sysbench", "--db-driver=mysql", "--mysql-host=127.0.0.1", f"--mysql-port={maria.port}", "--mysql-user=app",
            "--mysql-password=app", "--mysql-db=app", "--tables=2", "--table-size=500", "oltp_read_write"]
    subprocess.run(base + ["cleanup"], capture_output=True, timeout=60)
    subprocess.run(base + ["prepare"], check=True, capture_output=True, timeout=60)
    for mode in ["auto", "disable"]:
        result = subprocess.run(base + ["--threads=10", "--events=300", "--time=0", f"--db-ps-mode={mode}", "run"],
                                capture_output=True, text=True, timeout=120)
        assert result.returncode == 0 and "transactions:                        300" in result.stdout, result.stdout
    subprocess.run(base + ["cleanup"], check=True, capture_output=True, timeout=60)
    assert maria.no_pins()


def test_local_infile_is_refused_unless_allowed(maria, tmp_path):
    file = tmp_path / "rows"
    file.write_text("".join(f"{i}\n" for i in range(20000)))
    with maria.connect(local_infile=True) as c:
        c.cursor().execute("CREATE OR REPLACE TABLE li (x int)")
        with pytest.raises(pymysql.err.MySQLError):
            c.cursor().execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE li")
        assert one(c, "SELECT count(*) FROM li") == 0
    config = maria.config.read_text()
    maria.config.write_text(config.replace("pool: {", "pool: {allow_local_infile: true, "))
    maria.restart_proxy()
    try:
        with maria.connect(local_infile=True) as c:
            c.cursor().execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE li")
            assert one(c, "SELECT count(*) FROM li") == 20000
            with pytest.raises(pymysql.err.MySQLError):
                c.cursor().execute("LOAD DATA LOCAL INFILE '/nonexistent' INTO TABLE li")
            assert one(c, "SELECT 1") == 1
            c.cursor().execute("DROP TABLE li")
        # Allowed here, but this client has not asked for it.
        with maria.connect() as c:
            with pytest.raises(pymysql.err.MySQLError):
                c.cursor().execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE li")
    finally:
        maria.config.write_text(config)
        maria.restart_proxy()


def test_logins(maria):
    for kw in [dict(password="wrong"), dict(user="nobody"), dict(user="native", password="bad"),
               dict(user="sha", password="bad"), dict(password="")]:
        with pytest.raises(pymysql.err.OperationalError) as info:
            maria.connect(**kw)
        assert info.value.args[0] == 1045 and "Access denied for user" in info.value.args[1]
    with pytest.raises(pymysql.err.OperationalError) as info:
        maria.connect(database="nonesuch")
    assert info.value.args[0] in (1044, 1049)
    for user in ["sha", "native"]:
        with maria.connect(user=user) as c:
            assert one(c, "SELECT CURRENT_USER()") == "app@%"
    # Not TLS: the password travels under the proxy's RSA key.
    with maria.connect(user="clear") as c:
        assert one(c, "SELECT CURRENT_USER()") == "app@%"
    with pytest.raises(pymysql.err.OperationalError):
        maria.connect(user="clear", password="wrong")


@pytest.mark.skipif(not HAS_ED25519, reason="auth_ed25519.so is in Debian's mariadb-server, which is not installed")
def test_the_server_asks_for_ed25519(maria):
    with maria.connect(user="ed", password="a longer password than thirty-two bytes") as c:
        assert one(c, "SELECT CURRENT_USER()") == "ed@%"


def test_compression_is_not_on_offer(maria):
    result = maria.client("app", "--compress", "-e", "SHOW STATUS LIKE 'Compression'")
    assert result.stdout.split() == ["Compression", "OFF"], result.stderr
