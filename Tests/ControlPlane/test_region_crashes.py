# SPDX-License-Identifier: Apache-2.0
"""The supervisor, and the control plane with it, ends between any two steps of create, failover and delete: the outcome is the
same, with each place that the control plane's state can be in."""

import contextlib
import os
import pathlib
import shutil
import sqlite3
import tempfile

import botocore.exceptions
import pytest

from conftest import ONCE, API
from harness.region import Region, free_port, until
from test_clusters import ask

CREATE = ["cluster-inserted", "cluster-recorded", "cluster-prepared", "instance-recorded", "instance-told", "volume-filled",
          "cluster-filled"]
# Whoever starts after "instance-recorded" prepares the instance with all the rest.
ADD_READER = ["instance-prepared"]
# Whoever starts after "decided" is at "new-told" at once: `test_failover.py` ends there and at the steps between.
FAILOVER = ["before-decision", "decided", "new-available", "completed"]
DELETE = ["instance-stopping", "instance-released", "instance-emptied", "instance-forgotten", "cluster-forgotten",
          "volume-told", "volume-erased"]


class MortalRegion:
    """Its supervisor ends at each step that it is told, once, and is started again whenever it has ended."""

    def __init__(self, base, *arguments):
        self.crash_file = base / "crash"
        self.crash_file.write_text("")
        self.region = Region(base / "r", arguments=["--no-demo", "--api-port", free_port(), "--group-bytes", "64M", *arguments])
        self.up()
        self.api = API(self.region, base / "unused")
        # Who asks again is `insist`.
        self.api.rds = self.api.client("rds", ONCE)

    def up(self):
        self.region.up(check=False, environment={"BOREALIS_SUPERVISOR_CRASH": str(self.crash_file)})

    def end_at(self, steps):
        self.crash_file.write_text("\n".join(steps))

    @property
    def steps_left(self):
        return self.crash_file.read_text().split()

    def insist(self, what, act, done=()):
        """Until `act` gives something true, whoever dies meanwhile. A refusal with one of the codes `done` will do as well."""
        def attempt():
            if self.region.supervisor() is None:
                self.up()
            try:
                return act()
            except botocore.exceptions.ClientError as error:
                code = error.response["Error"]["Code"]
                if code in done:
                    return True
                if code not in ("InternalFailure", "503", "ServiceUnavailable"):
                    raise
            except botocore.exceptions.BotoCoreError:
                return None
        return until(what, attempt, context=self.region.describe)

    def settle(self, what, done):
        """Until `done` is true and every step has been gone through, each with one death."""
        # In this order: the last step is crossed off a moment before the death.
        self.insist(what, lambda: not self.steps_left and done() and self.region.status())


@pytest.fixture(params=["sqlite", "etcd"])
def mortal(request):
    base = pathlib.Path(tempfile.mkdtemp(prefix="bt-", dir=os.environ.get("BOREALIS_TEST_DIR", "/tmp")))
    base.chmod(0o711)
    state = [] if request.param == "sqlite" else ["--state", f"{request.getfixturevalue('etcd')}/mortal"]
    mortal = MortalRegion(base, *state)
    yield mortal
    mortal.region.destroy()
    shutil.rmtree(base, ignore_errors=True)


def volumes(region):
    """Directories of volumes on the storage nodes, and the volumes that the metadata know."""
    with contextlib.closing(sqlite3.connect(f"file:{region.directory}/metadata.sqlite?mode=ro", uri=True)) as metadata:
        known = [row[0] for row in metadata.execute("SELECT id FROM volume")]
    return sorted({path.name for path in region.directory.glob("storage/*/*/vol-*")}), known


def test_the_region_ends_between_any_two_steps(mortal):
    api, rds = mortal.api, mortal.api.rds

    def instance_available(name):
        return api.instance(name)["DBInstanceStatus"] == "available"

    def add(number):
        mortal.insist("the instance is asked for", lambda: rds.create_db_instance(
            DBInstanceIdentifier=f"mortal-{number}", DBClusterIdentifier="mortal", Engine="aurora-postgresql",
            DBInstanceClass="db.r6g.large"), done=["DBInstanceAlreadyExists"])

    mortal.end_at(CREATE)
    mortal.insist("the cluster is asked for", lambda: rds.create_db_cluster(
        DBClusterIdentifier="mortal", Engine="aurora-postgresql", MasterUsername="app", MasterUserPassword="Mortal#pass1",
        DatabaseName="shop"), done=["DBClusterAlreadyExistsFault"])
    add(1)
    mortal.settle("the writer is available", lambda: instance_available("mortal-1"))
    assert sorted(api.messages("mortal", "db-cluster") + api.messages("mortal-1", "db-instance")) == [
        "DB cluster created.", "DB instance created."]
    ask(api, "mortal", "CREATE TABLE kept AS SELECT 7 n", password="Mortal#pass1")
    assert len(volumes(mortal.region)[0]) == 1

    mortal.end_at(ADD_READER)
    add(2)
    mortal.settle("the reader is available", lambda: instance_available("mortal-2"))
    mortal.end_at(FAILOVER)
    mortal.insist("the failover is asked for", lambda: rds.failover_db_cluster(DBClusterIdentifier="mortal"),
                  done=["InvalidDBClusterStateFault"])

    def failed_over():
        cluster = api.cluster("mortal")
        writer = next(m["DBInstanceIdentifier"] for m in cluster["DBClusterMembers"] if m["IsClusterWriter"])
        return cluster["Status"] == "available" and writer == "mortal-2" and instance_available("mortal-1")
    mortal.settle("the failover is done", failed_over)
    assert ask(api, "mortal", "SELECT n FROM kept", password="Mortal#pass1") == 7
    # Once, however often somebody had to start.
    messages = api.messages("mortal", "db-cluster")
    assert [m.split()[0] for m in messages].count("Started") == 1, messages

    mortal.end_at(DELETE)
    for number in (1, 2):
        mortal.insist("the instance's end is asked for", lambda n=number: rds.delete_db_instance(
            DBInstanceIdentifier=f"mortal-{n}"), done=["DBInstanceNotFound", "InvalidDBInstanceState"])
    mortal.insist("the cluster's end is asked for", lambda: rds.delete_db_cluster(
        DBClusterIdentifier="mortal", SkipFinalSnapshot=True), done=["DBClusterNotFoundFault", "InvalidDBClusterStateFault"])
    mortal.settle("nothing is left", lambda: rds.describe_db_clusters()["DBClusters"] == [] and volumes(mortal.region) == ([], []))
    assert mortal.region.status()["clusters"] == []
    assert list(mortal.region.directory.glob("instances/*")) == []
