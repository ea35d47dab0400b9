# SPDX-License-Identifier: Apache-2.0
"""The same in the layout `zones`, where every instance is a process of its own, and without clusters of `borealis up`."""

import pytest

from conftest import running
from harness.region import until
from test_clusters import ask
from test_resources import refused


@pytest.fixture(scope="module")
def zones():
    with running("--no-demo", layout="zones") as api:
        yield api


def test_a_cluster_lives_in_zones(zones):
    assert zones.rds.describe_db_clusters()["DBClusters"] == []
    name = zones.create(DatabaseName="shop")
    ask(zones, name, "CREATE TABLE t AS SELECT generate_series(1, 1000) n")
    assert f"instance-{name}-1" in [p["role"] for p in zones.region.status()["processes"]]
    zones.rds.reboot_db_instance(DBInstanceIdentifier=f"{name}-1")
    zones.wait("db_instance_available", DBInstanceIdentifier=f"{name}-1")
    zones.rds.stop_db_cluster(DBClusterIdentifier=name)
    until("it has stopped", lambda: zones.cluster(name)["Status"] == "stopped", 60)
    zones.region.down()
    zones.region.up()
    assert zones.cluster(name)["Status"] == "stopped"
    zones.rds.start_db_cluster(DBClusterIdentifier=name)
    zones.wait("db_cluster_available", DBClusterIdentifier=name)
    assert ask(zones, name, "SELECT count(*) FROM t") == 1000
    zones.delete(name)
    refused(zones.rds.describe_db_clusters, "DBClusterNotFoundFault", DBClusterIdentifier=name)
    assert f"instance-{name}-1" not in [p["role"] for p in zones.region.status()["processes"]]
