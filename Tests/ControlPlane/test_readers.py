# SPDX-License-Identifier: Apache-2.0
"""Readers, failover and deletion of instances, through the API and through the endpoints."""

import contextlib
import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from conftest import PASSWORD
from harness.region import kill, until
from test_endpoints import ask, connect, wait_endpoint
from test_resources import refused


@pytest.fixture(scope="module")
def trio(api):
    """A cluster with two readers, of which tests may move the writer."""
    name = api.create(DatabaseName="shop")
    ask(api.cluster(name)["Endpoint"], "CREATE TABLE t AS SELECT generate_series(1, 1000) n")
    for number, tier in [(2, 0), (3, 15)]:
        add(api, name, number, PromotionTier=tier)
    for number in (2, 3):
        api.wait("db_instance_available", DBInstanceIdentifier=f"{name}-{number}")
    yield name
    api.delete(name)


def add(api, cluster, number, **more):
    return api.rds.create_db_instance(
        DBInstanceIdentifier=f"{cluster}-{number}", DBClusterIdentifier=cluster, Engine="aurora-postgresql",
        DBInstanceClass="db.r6g.large", **more)["DBInstance"]


def writer(api, cluster):
    return next(m["DBInstanceIdentifier"] for m in api.cluster(cluster)["DBClusterMembers"] if m["IsClusterWriter"])


def address(api, instance):
    return api.instance(instance)["Endpoint"]["Address"]


def settled(api, cluster):
    """Everything is available, and the writer is one."""
    found = api.cluster(cluster)
    members = found["DBClusterMembers"]
    return found["Status"] == "available" and sum(m["IsClusterWriter"] for m in members) == 1 and all(
        api.instance(m["DBInstanceIdentifier"])["DBInstanceStatus"] == "available" for m in members)


def wait_settled(api, cluster):
    until(f"{cluster} is available as a whole", lambda: settled(api, cluster), 120, context=api.region.describe)


def test_the_lag_of_readers_is_a_metric(api, trio):
    def samples():
        with urllib.request.urlopen(api.environment["AWS_ENDPOINT_URL"] + "/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            text = answer.read().decode()
        return {name: int(value) for name, value in re.findall(
            rf'^AuroraReplicaLag{{DBClusterIdentifier="{trio}",DBInstanceIdentifier="([^"]+)"}} ([0-9]+)$', text, re.MULTILINE)}
    until("each reader has a sample, and is close", lambda: sorted(samples()) == [f"{trio}-2", f"{trio}-3"]
          and max(samples().values()) < 3000, 60)


def test_readers_have_the_data(api, trio):
    cluster = api.cluster(trio)
    members = {m["DBInstanceIdentifier"]: m for m in cluster["DBClusterMembers"]}
    assert {name: m["IsClusterWriter"] for name, m in members.items()} == {
        f"{trio}-1": True, f"{trio}-2": False, f"{trio}-3": False}
    assert [members[f"{trio}-{n}"]["PromotionTier"] for n in (1, 2, 3)] == [1, 0, 15]
    # One in each zone, and each at an address of its own.
    instances = [api.instance(f"{trio}-{n}") for n in (1, 2, 3)]
    assert len({i["AvailabilityZone"] for i in instances}) == 3 and cluster["MultiAZ"] is True
    hosts = [i["Endpoint"]["Address"] for i in instances]
    assert len({*hosts, cluster["Endpoint"], cluster["ReaderEndpoint"]}) == 5
    ask(cluster["Endpoint"], "INSERT INTO t VALUES (4711) RETURNING n")
    for host in hosts[1:]:
        until("the row is there", lambda: ask(host, "SELECT count(*) FROM t WHERE n = 4711") == 1, 30)
        assert ask(host, "SELECT pg_is_in_recovery()") is True
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        ask(cluster["ReaderEndpoint"], "INSERT INTO t VALUES (1) RETURNING n")


def test_the_reader_endpoint_balances(api, trio):
    host = api.cluster(trio)["ReaderEndpoint"]
    with contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(connect(host)) for _ in range(8)]
        servers = [c.execute("SELECT host(inet_server_addr())").fetchone()[0] for c in open_ones]
    assert sorted(servers.count(s) for s in set(servers)) == [4, 4]
    assert set(servers) == {address(api, f"{trio}-2"), address(api, f"{trio}-3")}


def test_a_custom_endpoint_has_its_members(api, trio):
    name = api.name("ep")
    api.rds.create_db_cluster_endpoint(
        DBClusterIdentifier=trio, DBClusterEndpointIdentifier=name, EndpointType="READER", StaticMembers=[f"{trio}-3"])
    host = wait_endpoint(api, name)["Endpoint"]
    wanted = address(api, f"{trio}-3")
    for _ in range(3):
        assert until("it serves", lambda: ask(host, "SELECT host(inet_server_addr())"), 30) == wanted
    api.rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier=name)


def test_failover_on_request(api, trio):
    rds, endpoint, old = api.rds, api.cluster(trio)["Endpoint"], writer(api, trio)
    target = next(f"{trio}-{n}" for n in (3, 2) if f"{trio}-{n}" != old)
    held = connect(endpoint)
    held.execute("SELECT 1")
    answer = rds.failover_db_cluster(DBClusterIdentifier=trio, TargetDBInstanceIdentifier=target)["DBCluster"]
    assert answer["Status"] == "failing-over"
    refused(rds.failover_db_cluster, "InvalidDBClusterStateFault", DBClusterIdentifier=trio)
    until("the target is the writer", lambda: writer(api, trio) == target, 60, context=api.region.describe)
    wait_settled(api, trio)
    # The old connection is gone, a new one finds the new writer, and the data.
    with pytest.raises(psycopg.Error):
        held.execute("INSERT INTO t VALUES (1)")
    assert ask(endpoint, "SELECT host(inet_server_addr())") == address(api, target)
    assert ask(endpoint, "INSERT INTO t VALUES (1) RETURNING n") == 1
    assert ask(endpoint, "SELECT count(*) >= 1001 FROM t") is True
    messages = api.messages(trio, "db-cluster")
    assert f"Started cross AZ failover to DB instance: {target}" in messages
    assert f"Completed failover to DB instance: {target}" in messages
    events = api.rds.describe_events(SourceIdentifier=trio, SourceType="db-cluster", EventCategories=["failover"])
    assert len(events["Events"]) >= 2
    # The old writer follows the new one.
    ask(endpoint, "INSERT INTO t VALUES (4712) RETURNING n")
    host = address(api, old)
    until("the old writer is a reader", lambda: ask(host, "SELECT count(*) FROM t WHERE n = 4712") == 1, 60)
    assert ask(host, "SELECT pg_is_in_recovery()") is True


def test_failover_by_itself(api, trio):
    """SIGKILL for the writer's engine: a client that waits at the endpoint is served by another instance."""
    endpoint, old = api.cluster(trio)["Endpoint"], writer(api, trio)
    ask(endpoint, "INSERT INTO t VALUES (4713) RETURNING n")
    before = api.messages(trio, "db-cluster")
    pid = next(c["writer"]["pid"] for c in api.region.status()["clusters"] if c["id"] == trio)
    kill(pid)
    # What was acknowledged is there, whoever answers.
    def count():
        with contextlib.suppress(psycopg.Error):
            return ask(endpoint, "SELECT count(*) FROM t WHERE n = 4713")
    assert until("somebody answers", count, 60) == 1
    until("there is another writer", lambda: writer(api, trio) != old, 60)
    wait_settled(api, trio)
    assert ask(endpoint, "SELECT host(inet_server_addr())") == address(api, writer(api, trio))
    new = [m for m in api.messages(trio, "db-cluster") if m not in before]
    assert new[0].startswith("Started cross AZ failover") and new[-1].startswith("Completed failover"), new


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ({"DBClusterIdentifier": "nobody"}, "DBClusterNotFoundFault"),
        ({"DBClusterIdentifier": "demo"}, "InvalidDBClusterStateFault"),
        ({"TargetDBInstanceIdentifier": "nobody"}, "DBInstanceNotFound"),
        ({"TargetDBInstanceIdentifier": "demo-1"}, "InvalidDBInstanceState"),
        ({"TargetDBInstanceIdentifier": "WRITER"}, "InvalidDBInstanceState"),
    ])
def test_failovers_that_cannot_be(api, trio, arguments, expected):
    arguments = {"DBClusterIdentifier": trio, **arguments}
    if arguments.get("TargetDBInstanceIdentifier") == "WRITER":
        arguments["TargetDBInstanceIdentifier"] = writer(api, trio)
    refused(api.rds.failover_db_cluster, expected, **arguments)


def test_readers_reboot_and_change(api, trio):
    reader = next(f"{trio}-{n}" for n in (2, 3) if f"{trio}-{n}" != writer(api, trio))
    api.rds.modify_db_instance(DBInstanceIdentifier=reader, PromotionTier=7)
    assert api.instance(reader)["PromotionTier"] == 7
    before = writer(api, trio)
    api.rds.reboot_db_instance(DBInstanceIdentifier=reader)
    assert api.instance(reader)["DBInstanceStatus"] == "rebooting"
    api.wait("db_instance_available", DBInstanceIdentifier=reader)
    assert writer(api, trio) == before
    assert "DB instance restarted." in api.messages(reader, "db-instance")
    refused(
        api.rds.reboot_db_instance, "InvalidParameterCombination", DBInstanceIdentifier=reader, ForceFailover=True)


def test_stop_and_start_as_a_whole(api, trio):
    api.rds.stop_db_cluster(DBClusterIdentifier=trio)
    until("it has stopped", lambda: api.cluster(trio)["Status"] == "stopped", 90)
    api.rds.start_db_cluster(DBClusterIdentifier=trio)
    api.wait("db_cluster_available", DBClusterIdentifier=trio)
    wait_settled(api, trio)
    cluster = api.cluster(trio)
    assert ask(cluster["Endpoint"], "SELECT count(*) > 1000 FROM t") is True
    assert ask(cluster["ReaderEndpoint"], "SELECT pg_is_in_recovery()") is True


def test_deleting_the_writer_promotes_a_reader(api):
    name = api.create(DatabaseName="shop")
    endpoint = api.cluster(name)["Endpoint"]
    ask(endpoint, "CREATE TABLE kept AS SELECT 7 n")
    add(api, name, 2)
    api.wait("db_instance_available", DBInstanceIdentifier=f"{name}-2")
    api.rds.delete_db_instance(DBInstanceIdentifier=f"{name}-1")
    api.wait("db_instance_deleted", DBInstanceIdentifier=f"{name}-1")
    wait_settled(api, name)
    assert writer(api, name) == f"{name}-2"
    assert ask(endpoint, "INSERT INTO kept VALUES (8) RETURNING n") == 8
    assert ask(endpoint, "SELECT sum(n) FROM kept") == 15
    # A reader of its own accord, and then everything at once.
    add(api, name, 3)
    api.wait("db_instance_available", DBInstanceIdentifier=f"{name}-3")
    api.rds.delete_db_instance(DBInstanceIdentifier=f"{name}-3")
    api.wait("db_instance_deleted", DBInstanceIdentifier=f"{name}-3")
    assert ask(endpoint, "SELECT sum(n) FROM kept") == 15
    api.delete(name)


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"AvailabilityZone": "us-east-1d"}, "InvalidParameterValue"),
        ({"PromotionTier": 16}, "InvalidParameterValue"),
        ({"DBInstanceClass": "db.huge"}, "InvalidParameterValue"),
        ({"DBInstanceIdentifier": "demo-1"}, "DBInstanceAlreadyExists"),
    ])
def test_readers_that_cannot_be(api, trio, changes, expected):
    arguments = {
        "DBInstanceIdentifier": "x", "DBClusterIdentifier": trio, "Engine": "aurora-postgresql",
        "DBInstanceClass": "db.r6g.large", **changes}
    refused(api.rds.create_db_instance, expected, **arguments)


def test_a_reader_finishes_its_statements_before_it_goes(api, trio):
    """Endpoints lead nobody new to it at once; what runs on it may go on."""
    add(api, trio, 4)
    api.wait("db_instance_available", DBInstanceIdentifier=f"{trio}-4")
    host, reader = address(api, f"{trio}-4"), api.cluster(trio)["ReaderEndpoint"]
    with contextlib.closing(connect(host)) as connection, ThreadPoolExecutor() as pool:
        slow = pool.submit(lambda: connection.execute("SELECT 7 FROM pg_sleep(6)").fetchone()[0])
        until("it runs", lambda: ask(
            host, "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(6)' AND state = 'active'"), 10)
        api.rds.delete_db_instance(DBInstanceIdentifier=f"{trio}-4")
        until("nobody new is led there", lambda: host not in {
            ask(reader, "SELECT host(inet_server_addr())") for _ in range(6)}, 5)
        assert api.instance(f"{trio}-4")["DBInstanceStatus"] == "deleting"
        assert slow.result(30) == 7
    api.wait("db_instance_deleted", DBInstanceIdentifier=f"{trio}-4")


def test_failover_prefers_another_zone(api):
    """Two readers alike, and the one with the lower name is in the writer's zone."""
    name = api.create(DatabaseName="shop", zone="us-east-1b")
    for number, zone in [(2, "us-east-1b"), (3, "us-east-1c")]:
        add(api, name, number, AvailabilityZone=zone)
    for number in (2, 3):
        api.wait("db_instance_available", DBInstanceIdentifier=f"{name}-{number}")
    api.rds.failover_db_cluster(DBClusterIdentifier=name)
    until("the other zone has the writer", lambda: writer(api, name) == f"{name}-3", 60, context=api.region.describe)
    wait_settled(api, name)
    assert f"Started cross AZ failover to DB instance: {name}-3" in api.messages(name, "db-cluster")
    # Within a zone it is another event.
    api.rds.delete_db_instance(DBInstanceIdentifier=f"{name}-3")
    api.wait("db_instance_deleted", DBInstanceIdentifier=f"{name}-3")
    wait_settled(api, name)
    old = writer(api, name)
    new = next(f"{name}-{n}" for n in (1, 2) if f"{name}-{n}" != old)
    api.rds.failover_db_cluster(DBClusterIdentifier=name)
    until("the other one is the writer", lambda: writer(api, name) == new, 60, context=api.region.describe)
    wait_settled(api, name)
    assert f"Started same AZ failover to DB instance: {new}" in api.messages(name, "db-cluster")
    api.delete(name)
