# SPDX-License-Identifier: Apache-2.0
"""What frameworks do by default, the same for both engines; each in a process of its own."""
import pathlib, shutil, subprocess, sys

import pytest

JARS = pathlib.Path("/usr/share/java")

DJANGO = """
import sys
engine, port = sys.argv[1:]
if engine == "mysql":
    import pymysql
    pymysql.version_info = (2, 2, 1, "final", 0)
    pymysql.install_as_MySQLdb()
import django
from django.conf import settings
settings.configure(DATABASES={"default": {"ENGINE": f"django.db.backends.{engine}", "NAME": "app", "USER": "app",
                   "PASSWORD": "app", "HOST": "127.0.0.1", "PORT": port, "CONN_MAX_AGE": 60}}, INSTALLED_APPS=[],
                   USE_TZ=True)
django.setup()
from django.db import DatabaseError, connection, models, transaction
class Thing(models.Model):
    name = models.CharField(max_length=20)
    at = models.DateTimeField(auto_now_add=True)
    class Meta:
        app_label = "things"
with connection.schema_editor() as editor:
    editor.create_model(Thing)
with transaction.atomic():
    thing = Thing.objects.create(name="a")
    with transaction.atomic():
        Thing.objects.create(name="b")
    try:
        with transaction.atomic():
            Thing.objects.create(name="c")
            connection.cursor().execute("SELECT nothing FROM nowhere")
    except DatabaseError:
        pass
assert Thing.objects.get(name="a").pk == thing.pk and Thing.objects.count() == 2
Thing.objects.bulk_create([Thing(name=str(i)) for i in range(100)])
assert sorted(Thing.objects.filter(name__startswith="9").values_list("name", flat=True))[0] == "9"
assert len(list(Thing.objects.all().iterator(chunk_size=10))) == 102
with transaction.atomic():
    assert len(list(Thing.objects.order_by("pk").iterator(chunk_size=10))) == 102
    assert Thing.objects.select_for_update().get(name="b").name == "b"
assert Thing.objects.filter(at__year__gt=2000).update(name="x") == 102
assert Thing.objects.get_or_create(name="new")[1] and Thing.objects.filter(name="x").delete()[0] == 102
# As at the end of a request.
connection.close_if_unusable_or_obsolete()
assert connection.is_usable()
if engine == "mysql":
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@tx_isolation")
        assert cursor.fetchone()[0] == "READ-COMMITTED"
with connection.schema_editor() as editor:
    editor.delete_model(Thing)
print("done")
"""


def check(command):
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == "done", result.stdout[-2000:] + result.stderr[-4000:]


def habits_of_django(engine, port):
    check([sys.executable, "-c", DJANGO, engine, str(port)])


def habits_of_jdbc(driver, url, key, sleep):
    """`JdbcHabits.java` with a driver of Debian's; skipped where that or Java is not installed."""
    jar = JARS / f"{driver}.jar"
    if not jar.exists() or not shutil.which("javac"):
        pytest.skip(f"{jar} or a JDK is not installed (Debian's libpostgresql-jdbc-java, libmariadb-java, default-jdk-headless)")
    program = pathlib.Path(__file__).with_name("JdbcHabits.java")
    check(["java", "-XX:TieredStopAtLevel=1", "-cp", str(jar), str(program), url, key, sleep])
