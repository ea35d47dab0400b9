# SPDX-License-Identifier: Apache-2.0
"""One region for all tests here, with boto3 clients for it. Tests make clusters of their own and leave none."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import urllib.request
import uuid

import boto3
import botocore.config
import botocore.exceptions
import pytest

from harness.region import ROOT, Region, free_port, until

PASSWORD = "Aw:kward#pass%1+&='"
FAST = {"Delay": 1, "MaxAttempts": 90}
STEADY = botocore.config.Config(retries={"total_max_attempts": 6, "mode": "standard"})
ONCE = botocore.config.Config(retries={"total_max_attempts": 1})


class API:
    """A region and how to reach it the way AWS's clients do."""

    def __init__(self, region, crash_file):
        self.region = region
        self.crash_file = crash_file
        self.environment = json.loads(region.command("env", "--json").stdout)
        self.rds = self.client("rds")

    def client(self, service, config=STEADY, **changes):
        settings = {
            "endpoint_url": self.environment["AWS_ENDPOINT_URL"],
            "region_name": self.environment["AWS_DEFAULT_REGION"],
            "aws_access_key_id": self.environment["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.environment["AWS_SECRET_ACCESS_KEY"], **changes}
        return boto3.client(service, config=config, **settings)

    def name(self, prefix="c"):
        return f"{prefix}-{uuid.uuid4().hex[:8]}"

    def wait(self, kind, **names):
        self.rds.get_waiter(kind).wait(WaiterConfig=FAST, **names)

    def create(self, engine="aurora-postgresql", cluster=None, wait=True, zone=None, **more):
        """A cluster and its writer; gives the cluster's name. The writer's is the same with -1."""
        cluster = cluster or self.name()
        self.rds.create_db_cluster(
            DBClusterIdentifier=cluster, Engine=engine, MasterUsername="app", MasterUserPassword=PASSWORD, **more)
        self.rds.create_db_instance(
            DBInstanceIdentifier=f"{cluster}-1", DBClusterIdentifier=cluster, Engine=engine,
            DBInstanceClass="db.r6g.large", **({"AvailabilityZone": zone} if zone else {}))
        if wait:
            self.wait("db_instance_available", DBInstanceIdentifier=f"{cluster}-1")
            self.wait("db_cluster_available", DBClusterIdentifier=cluster)
        return cluster

    def cluster(self, name):
        return self.rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]

    def instance(self, name):
        return self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]

    def delete(self, cluster):
        for member in self.cluster(cluster)["DBClusterMembers"]:
            self.rds.delete_db_instance(DBInstanceIdentifier=member["DBInstanceIdentifier"])
        self.rds.delete_db_cluster(DBClusterIdentifier=cluster, SkipFinalSnapshot=True)
        self.wait("db_cluster_deleted", DBClusterIdentifier=cluster)

    def messages(self, source, kind):
        events = self.rds.describe_events(SourceIdentifier=source, SourceType=kind)["Events"]
        return [event["Message"] for event in events]

    def crash_at(self, step):
        """The control plane ends the next time it passes the step."""
        self.crash_file.write_text(step)

    def wait_crashed(self, step):
        """Until it has ended there and answers again."""
        until(f"the control plane has ended at {step}", lambda: not self.crash_file.exists(), 60)
        self.wait_answers()

    def wait_answers(self):
        """Until the control plane answers."""
        def answers():
            with contextlib.suppress(botocore.exceptions.EndpointConnectionError, botocore.exceptions.ConnectionClosedError):
                return self.rds.describe_account_attributes()
        until("the control plane is back", answers, 60)


@contextlib.contextmanager
def running(*arguments, layout="compact", group_bytes="64M"):
    """A region with a control plane that tests can end between two steps."""
    base = pathlib.Path(tempfile.mkdtemp(prefix="bt-", dir=os.environ.get("BOREALIS_TEST_DIR", "/tmp")))
    base.chmod(0o711)
    region = Region(
        base / "r", layout=layout, arguments=["--api-port", free_port(), "--group-bytes", group_bytes, *arguments])
    crash_file = base / "crash"
    try:
        region.up(environment={"BOREALIS_CONTROL_CRASH": str(crash_file)})
        yield API(region, crash_file)
    finally:
        region.destroy()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def api():
    with running() as api:
        api.wait("db_instance_available", DBInstanceIdentifier="demo-1")
        yield api


@contextlib.contextmanager
def etcd_server(scheme="http", arguments=(), context=None):
    """An etcd of the tests' own: Debian's, or the one that scripts/setup has unpacked. Gives host:port of its clients."""
    unpacked = ROOT / "out/etcd/usr/bin/etcd"
    program = str(unpacked) if unpacked.exists() else shutil.which("etcd")
    assert program, "there is no etcd: run scripts/setup"
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bt-etcd-", dir=os.environ.get("BOREALIS_TEST_DIR", "/tmp")))
    client, peer = f"{scheme}://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    line = [
        program, "--name", "t", "--data-dir", str(directory / "data"), "--listen-client-urls", client,
        "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--initial-cluster", f"t={peer}", "--log-level", "warn", *arguments]
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(line, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        def healthy():
            assert process.poll() is None, (directory / "log").read_text()[-2000:]
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(f"{client}/health", timeout=5, context=context).status == 200
        until("etcd is healthy", healthy, 60)
        yield client.removeprefix(f"{scheme}://")
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def etcd():
    with etcd_server() as address:
        yield f"etcd://{address}"


@pytest.fixture(scope="session")
def etcd_api(etcd):
    with running("--no-demo", "--state", f"{etcd}/one") as api:
        yield api


@pytest.fixture(scope="session")
def postgres(api):
    """A PostgreSQL cluster that tests share and leave as it is."""
    return api.create(DatabaseName="shop")


@pytest.fixture(scope="session")
def maria(api):
    return api.create("aurora-mysql", DatabaseName="shop")
