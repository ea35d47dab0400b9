# SPDX-License-Identifier: Apache-2.0
"""The control plane ends between two steps, with each place that its state can be in: the outcome is the same."""

import pytest

from conftest import PASSWORD
from harness.region import kill, until
from test_clusters import ask


@pytest.fixture(scope="module", params=["sqlite", "etcd"])
def kept(request):
    """A region whose control plane keeps its state in the store."""
    return request.getfixturevalue("api" if request.param == "sqlite" else "etcd_api")


@pytest.fixture(scope="module")
def shop(kept):
    return kept.create(DatabaseName="shop")


@pytest.mark.parametrize("step", ["cluster-known", "instance-wanted", "database-made", "instance-available"])
def test_a_crash_while_creating(kept, step):
    kept.crash_at(step)
    name = kept.name()
    crashed = kept.create(cluster=name, wait=False, DatabaseName="shop")
    kept.wait_crashed(step)
    kept.wait("db_instance_available", DBInstanceIdentifier=f"{crashed}-1")
    assert ask(kept, name, "SELECT 1") == 1
    messages = kept.messages(name, "db-cluster") + kept.messages(f"{name}-1", "db-instance")
    assert sorted(messages) == ["DB cluster created.", "DB instance created."]
    if step == "instance-available":
        kept.crash_at("instance-removed")
        kept.rds.delete_db_instance(DBInstanceIdentifier=f"{name}-1")
        kept.wait_crashed("instance-removed")
        kept.crash_at("cluster-removed")
        kept.rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
        kept.wait_crashed("cluster-removed")
        kept.wait("db_cluster_deleted", DBClusterIdentifier=name)
    else:
        kept.delete(name)
    assert name not in [cluster["id"] for cluster in kept.region.status()["clusters"]]


def test_a_crash_while_the_password_changes(kept, shop):
    for step, password in [("password-set", "Crash-proof#1"), ("password-noted", PASSWORD)]:
        kept.crash_at(step)
        kept.rds.modify_db_cluster(DBClusterIdentifier=shop, MasterUserPassword=password, ApplyImmediately=True)
        kept.wait_crashed(step)
        kept.wait("db_cluster_available", DBClusterIdentifier=shop)
        assert ask(kept, shop, "SELECT 1", password=password) == 1


def test_a_crash_while_an_endpoint_changes(kept, shop):
    name = kept.name("ep")

    def status():
        found = kept.rds.describe_db_cluster_endpoints(
            DBClusterIdentifier=shop, Filters=[{"Name": "db-cluster-endpoint-id", "Values": [name]}])
        return [e["Status"] for e in found["DBClusterEndpoints"]]

    kept.crash_at("endpoint-known")
    kept.rds.create_db_cluster_endpoint(
        DBClusterIdentifier=shop, DBClusterEndpointIdentifier=name, EndpointType="ANY")
    kept.wait_crashed("endpoint-known")
    until("it is available", lambda: status() == ["available"], 60)
    kept.crash_at("endpoint-removed")
    kept.rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier=name)
    kept.wait_crashed("endpoint-removed")
    until("it is gone", lambda: status() == [], 60)


def test_a_crash_while_failing_over(kept, shop):
    kept.rds.create_db_instance(
        DBInstanceIdentifier=f"{shop}-2", DBClusterIdentifier=shop, Engine="aurora-postgresql",
        DBInstanceClass="db.r6g.large")
    kept.wait("db_instance_available", DBInstanceIdentifier=f"{shop}-2")
    ask(kept, shop, "CREATE TABLE kept AS SELECT 7 n")
    kept.crash_at("failover-asked")
    kept.rds.failover_db_cluster(DBClusterIdentifier=shop)
    kept.wait_crashed("failover-asked")

    def done():
        cluster = kept.cluster(shop)
        writer = next(m["DBInstanceIdentifier"] for m in cluster["DBClusterMembers"] if m["IsClusterWriter"])
        return cluster["Status"] == "available" and writer == f"{shop}-2"
    until("the failover is done", done, 120)
    assert ask(kept, shop, "SELECT n FROM kept") == 7
    # Once, however often the control plane had to start.
    started = [m for m in kept.messages(shop, "db-cluster") if m.startswith("Started")]
    assert len(started) == 1, started


def wait_available(kept, cluster):
    for member in kept.cluster(cluster)["DBClusterMembers"]:
        kept.wait("db_instance_available", DBInstanceIdentifier=member["DBInstanceIdentifier"])
    kept.wait("db_cluster_available", DBClusterIdentifier=cluster)


def test_a_crash_while_stopping(kept, shop):
    wait_available(kept, shop)
    kept.crash_at("instance-stopped")
    kept.rds.stop_db_cluster(DBClusterIdentifier=shop)
    kept.wait_crashed("instance-stopped")
    until("it has stopped", lambda: kept.cluster(shop)["Status"] == "stopped", 90)
    kept.crash_at("instance-wanted")
    kept.rds.start_db_cluster(DBClusterIdentifier=shop)
    kept.wait_crashed("instance-wanted")
    wait_available(kept, shop)
    assert ask(kept, shop, "SELECT n FROM kept") == 7
    messages = kept.messages(shop, "db-cluster")
    assert [messages.count(f"DB cluster {done}.") for done in ("stopped", "started")] == [1, 1]


def test_a_crash_while_a_parameter_changes(kept, shop):
    rds, group = kept.rds, kept.name("pg")
    rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName=group, DBParameterGroupFamily="aurora-postgresql15", Description="d")
    rds.modify_db_cluster(DBClusterIdentifier=shop, DBClusterParameterGroupName=group)
    kept.wait("db_cluster_available", DBClusterIdentifier=shop)
    for member in [m["DBInstanceIdentifier"] for m in kept.cluster(shop)["DBClusterMembers"]]:
        rds.reboot_db_instance(DBInstanceIdentifier=member)
        kept.wait("db_instance_available", DBInstanceIdentifier=member)
    kept.crash_at("instance-configured")
    rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName=group, Parameters=[
        {"ParameterName": "work_mem", "ParameterValue": "16384", "ApplyMethod": "immediate"}])
    kept.wait_crashed("instance-configured")

    def states():
        return {m["DBClusterParameterGroupStatus"] for m in kept.cluster(shop)["DBClusterMembers"]}
    until("the change is there", lambda: ask(kept, shop, "SHOW work_mem") == "16MB", 30)
    until("it is said to be there", lambda: states() == {"in-sync"}, 30)


def test_a_crash_while_a_proxy_changes(kept, shop):
    rds, name = kept.rds, kept.name("px")
    kept.crash_at("proxy-known")
    rds.create_db_proxy(
        DBProxyName=name, EngineFamily="POSTGRESQL", RoleArn="arn:aws:iam::123456789012:role/any",
        VpcSubnetIds=["subnet-1", "subnet-2"])
    rds.register_db_proxy_targets(DBProxyName=name, DBClusterIdentifiers=[shop])
    kept.wait_crashed("proxy-known")
    until("it is available", lambda: rds.describe_db_proxies(DBProxyName=name)["DBProxies"][0]["Status"] == "available", 60)
    kept.crash_at("proxy-removed")
    rds.delete_db_proxy(DBProxyName=name)
    kept.wait_crashed("proxy-removed")

    def gone():
        try:
            return not rds.describe_db_proxies(DBProxyName=name)["DBProxies"]
        except rds.exceptions.DBProxyNotFoundFault:
            return True
    until("it is gone", gone, 60)


def test_killed_while_idle(kept, shop):
    before = kept.cluster(shop)
    old = kept.region.process("control")
    kill(old)
    until("another one answers", lambda: kept.region.process("control") not in (None, old), 60)
    kept.wait_answers()
    assert kept.cluster(shop) == before
