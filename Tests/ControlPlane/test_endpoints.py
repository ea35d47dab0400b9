# SPDX-License-Identifier: Apache-2.0
"""Endpoints: those that every cluster has, custom ones, and clients that go through them."""

import contextlib
import socket
import threading

import psycopg
import pytest

from conftest import PASSWORD
from harness.region import is_alive, kill, until
from test_resources import refused


def connect(host, port=5432, **options):
    return psycopg.connect(
        host=host, port=port, user="app", password=PASSWORD, dbname="shop",
        **{"autocommit": True, "connect_timeout": 30, **options})


def ask(host, sql, **options):
    with contextlib.closing(connect(host, **options)) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchone()[0] if cursor.description else None


def listed(api, **arguments):
    return api.rds.describe_db_cluster_endpoints(**arguments)["DBClusterEndpoints"]


def wait_endpoint(api, name):
    def look():
        found = listed(api, DBClusterEndpointIdentifier=name)[0]
        return found if found["Status"] == "available" else None
    return until(f"the endpoint {name} is available", look, 60)


def test_every_cluster_has_two(api, postgres):
    cluster, instance = api.cluster(postgres), api.instance(f"{postgres}-1")
    found = listed(api, DBClusterIdentifier=postgres)
    assert [(e["EndpointType"], e["Endpoint"], e["Status"]) for e in found] == [
        ("WRITER", cluster["Endpoint"], "available"), ("READER", cluster["ReaderEndpoint"], "available")]
    hosts = {cluster["Endpoint"], cluster["ReaderEndpoint"], instance["Endpoint"]["Address"]}
    assert len(hosts) == 3 and all(host.startswith("127.") for host in hosts)
    # Without a reader the reader endpoint leads to the writer.
    for host in hosts:
        assert ask(host, "SELECT pg_is_in_recovery()") is False
    demo = api.cluster("demo")
    assert demo["Endpoint"] == "127.0.0.1" and demo["ReaderEndpoint"] != demo["Endpoint"]
    status = next(c for c in api.region.status()["clusters"] if c["id"] == postgres)
    assert {e["kind"]: e["host"] for e in status["endpoints"]} == {
        "writer": cluster["Endpoint"], "reader": cluster["ReaderEndpoint"]}
    assert all(e["isListening"] for e in status["endpoints"])
    text = api.region.command("status").stdout
    assert f"reader:demo: psql 'postgres://" in text and f"@{demo['ReaderEndpoint']}:" in text


def test_a_custom_endpoint_lives(api, postgres):
    rds, name = api.rds, api.name("ep")
    made = rds.create_db_cluster_endpoint(
        DBClusterIdentifier=postgres, DBClusterEndpointIdentifier=name.upper(), EndpointType="ANY",
        StaticMembers=[f"{postgres}-1"], Tags=[{"Key": "a", "Value": "1"}])
    assert made["Status"] == "creating" and made["DBClusterEndpointIdentifier"] == name
    found = wait_endpoint(api, name)
    assert found["EndpointType"] == "CUSTOM" and found["CustomEndpointType"] == "ANY"
    assert found["StaticMembers"] == [f"{postgres}-1"] and found["ExcludedMembers"] == []
    assert rds.list_tags_for_resource(ResourceName=found["DBClusterEndpointArn"])["TagList"][0]["Key"] == "a"
    assert api.cluster(postgres)["CustomEndpoints"] == [found["Endpoint"]]
    assert ask(found["Endpoint"], "SELECT 1") == 1

    # A change keeps the address. Where nobody is, a client waits and is not led anywhere else.
    rds.modify_db_cluster_endpoint(
        DBClusterEndpointIdentifier=name, EndpointType="READER", ExcludedMembers=[f"{postgres}-1"])
    changed = wait_endpoint(api, name)
    assert changed["Endpoint"] == found["Endpoint"] and changed["StaticMembers"] == []
    assert (changed["CustomEndpointType"], changed["ExcludedMembers"]) == ("READER", [f"{postgres}-1"])

    def nobody():
        try:
            with contextlib.closing(connect(found["Endpoint"], connect_timeout=2)):
                return False
        except psycopg.OperationalError:
            return True
    until("it leads nowhere", nobody, 30)
    rds.modify_db_cluster_endpoint(DBClusterEndpointIdentifier=name, EndpointType="ANY", StaticMembers=[], ExcludedMembers=[])
    wait_endpoint(api, name)
    until("it serves again", lambda: ask(found["Endpoint"], "SELECT 1") == 1, 30)
    assert rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier=name)["Status"] == "deleting"

    def gone():
        with contextlib.suppress(rds.exceptions.DBClusterEndpointNotFoundFault):
            return not listed(api, DBClusterEndpointIdentifier=name)
        return True
    until("it is gone", gone, 30)

    def refuses():
        with contextlib.closing(socket.socket()) as client:
            return client.connect_ex((found["Endpoint"], 5432)) != 0
    until("nobody listens there", refuses, 30)


def test_without_instances_they_are_there_and_nobody_listens(api):
    """A cluster that has no instance yet: custom endpoints come, go, and go with the cluster."""
    rds, cluster, names = api.rds, api.name(), [api.name("ep") for _ in range(2)]
    rds.create_db_cluster(
        DBClusterIdentifier=cluster, Engine="aurora-postgresql", MasterUsername="app", MasterUserPassword=PASSWORD)
    api.wait("db_cluster_available", DBClusterIdentifier=cluster)
    for name in names:
        rds.create_db_cluster_endpoint(
            DBClusterIdentifier=cluster, DBClusterEndpointIdentifier=name, EndpointType="ANY")
    hosts = [wait_endpoint(api, name)["Endpoint"] for name in names]
    with contextlib.closing(socket.socket()) as client:
        assert client.connect_ex((hosts[0], 5432)) != 0
    rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier=names[0])
    until("it is gone", lambda: len(listed(api, DBClusterIdentifier=cluster)) == 3, 30)
    rds.delete_db_cluster(DBClusterIdentifier=cluster, SkipFinalSnapshot=True)
    api.wait("db_cluster_deleted", DBClusterIdentifier=cluster)
    refused(rds.describe_db_cluster_endpoints, "DBClusterEndpointNotFoundFault", DBClusterEndpointIdentifier=names[1])


def test_filters_and_pages(api, postgres):
    rds, names = api.rds, [api.name("ep") for _ in range(5)]
    for name in names:
        rds.create_db_cluster_endpoint(
            DBClusterIdentifier=postgres, DBClusterEndpointIdentifier=name, EndpointType="READER")
    refused(
        rds.create_db_cluster_endpoint, "DBClusterEndpointQuotaExceededFault", DBClusterIdentifier=postgres,
        DBClusterEndpointIdentifier=api.name("ep"), EndpointType="READER")
    for name in names:
        wait_endpoint(api, name)

    def kinds(name, *values):
        found = listed(api, DBClusterIdentifier=postgres, Filters=[{"Name": name, "Values": list(values)}])
        return sorted(e["EndpointType"] for e in found)
    assert kinds("db-cluster-endpoint-type", "custom") == ["CUSTOM"] * 5
    assert kinds("db-cluster-endpoint-type", "reader", "writer") == ["READER", "WRITER"]
    assert kinds("db-cluster-endpoint-custom-type", "any") == []
    assert kinds("db-cluster-endpoint-id", names[0]) == ["CUSTOM"]
    assert len(kinds("db-cluster-endpoint-status", "available")) == 7
    refused(rds.describe_db_cluster_endpoints, "InvalidParameterValue", Filters=[{"Name": "colour", "Values": ["red"]}])
    every = [
        e for page in rds.get_paginator("describe_db_cluster_endpoints").paginate(PaginationConfig={"PageSize": 20})
        for e in page["DBClusterEndpoints"]]
    assert len(every) == len(listed(api)) >= 9
    for name in names:
        rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier=name)
    until("they are gone", lambda: len(listed(api, DBClusterIdentifier=postgres)) == 2, 30)


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"DBClusterIdentifier": "nobody"}, "DBClusterNotFoundFault"),
        ({"DBClusterEndpointIdentifier": "1x"}, "InvalidParameterValue"),
        ({"DBClusterEndpointIdentifier": "x" * 64}, "InvalidParameterValue"),
        ({"EndpointType": "BOTH"}, "InvalidParameterValue"),
        ({"StaticMembers": ["nobody"]}, "DBInstanceNotFound"),
        ({"StaticMembers": ["demo-1"]}, "InvalidDBInstanceState"),
        ({"StaticMembers": ["C-1"], "ExcludedMembers": ["C-1"]}, "InvalidParameterCombination"),
    ])
def test_endpoints_that_cannot_be(api, postgres, changes, expected):
    arguments = {
        "DBClusterIdentifier": postgres, "DBClusterEndpointIdentifier": "x", "EndpointType": "ANY", **changes}
    for key in ("StaticMembers", "ExcludedMembers"):
        arguments[key] = [f"{postgres}-1" if name == "C-1" else name for name in arguments.get(key, [])]
    refused(api.rds.create_db_cluster_endpoint, expected, **arguments)


def test_endpoints_that_are_not(api):
    for call in (api.rds.modify_db_cluster_endpoint, api.rds.delete_db_cluster_endpoint):
        refused(call, "DBClusterEndpointNotFoundFault", DBClusterEndpointIdentifier="nobody")
    refused(api.rds.describe_db_cluster_endpoints, "DBClusterEndpointNotFoundFault", DBClusterEndpointIdentifier="nobody")


def test_clients_wait_for_a_writer_that_restarts(api, postgres):
    """The endpoint holds new connections while the writer is away, so nobody is refused."""
    host = api.cluster(postgres)["Endpoint"]
    old = connect(host)
    answers = []
    api.region.command("fault", "crash-writer", "--cluster", postgres)

    def lost():
        try:
            old.execute("SELECT 1")
            return False
        except psycopg.Error:
            return True
    until("the old connection is lost", lost, 30)
    threads = [threading.Thread(target=lambda: answers.append(ask(host, "SELECT 1"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [1] * 8
    told = ["Recovery of the DB instance has started.", "Recovery of the DB instance is complete.", "DB instance restarted."]
    until("what became of it is told", lambda: api.messages(f"{postgres}-1", "db-instance")[-3:] == told, 30)


def test_the_endpoints_process_is_replaceable(api, postgres):
    host = api.cluster(postgres)["Endpoint"]
    before = api.region.process("endpoint")
    kill(before)
    until("it has ended", lambda: not is_alive(before), 30)

    def serves():
        with contextlib.suppress(psycopg.OperationalError):
            return ask(host, "SELECT 1") == 1
    until("another one serves", serves, 30)
    assert api.region.process("endpoint") != before


def test_a_large_answer_passes(api, postgres):
    """A large answer through the endpoint to a slow reader: nothing is lost, nothing piles up in the process."""
    with contextlib.closing(connect(api.cluster(postgres)["Endpoint"])) as connection:
        with connection.cursor() as cursor, cursor.copy(
                "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 200000)) TO STDOUT") as copy:
            size = sum(len(block) for block in copy)
    assert size == 200000 * 1001
    process = next(p for p in api.region.status()["processes"] if p["role"] == "endpoint")
    assert process["residentBytes"] < 200 << 20
