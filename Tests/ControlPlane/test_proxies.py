# SPDX-License-Identifier: Apache-2.0
"""DB proxies through boto3: made, led to a cluster, used, changed, deleted; and what is refused."""

import botocore.exceptions
import psycopg
import pytest

from conftest import PASSWORD
from harness.region import until

ROLE = "arn:aws:iam::123456789012:role/proxy"
SUBNETS = ["subnet-0a", "subnet-0b"]


def create(api, **more):
    name = api.name("p")
    wish = {"EngineFamily": "POSTGRESQL", "RoleArn": ROLE, "VpcSubnetIds": SUBNETS, **more}
    return api.rds.create_db_proxy(DBProxyName=name, **wish)["DBProxy"]


def described(api, name):
    return api.rds.describe_db_proxies(DBProxyName=name)["DBProxies"][0]


def available(api, name, seconds=60):
    until(f"{name} is available", lambda: described(api, name)["Status"] == "available", seconds)
    return described(api, name)


def refused(code, call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as info:
        call(**parameters)
    assert info.value.response["Error"]["Code"] == code, info.value.response["Error"]
    return info.value.response["Error"]["Message"]


def connect(host, **more):
    return psycopg.connect(host=host, port=5432, user="app", password=PASSWORD, dbname="postgres", autocommit=True,
                           connect_timeout=10, **more)


def test_a_proxy_from_its_making_to_its_end(api):
    rds = api.rds
    cluster = api.create()
    made = create(api)
    name = made["DBProxyName"]
    assert made["Status"] == "creating" and made["EngineFamily"] == "POSTGRESQL" and made["IdleClientTimeout"] == 1800
    try:
        registered = rds.register_db_proxy_targets(DBProxyName=name, DBClusterIdentifiers=[cluster])["DBProxyTargets"]
        assert {t["Type"] for t in registered} == {"TRACKED_CLUSTER", "RDS_INSTANCE"}
        host = available(api, name)["Endpoint"]
        until("the proxy answers", lambda: answers(host), 30)
        with connect(host) as c:
            assert c.execute("SELECT 1 + 1").fetchone()[0] == 2
            # Through a proxy, not past it: its own database answers.
        with psycopg.connect(host=host, port=5432, user="app", password=PASSWORD, dbname="borealis", autocommit=True,
                             cursor_factory=psycopg.ClientCursor) as console:
            assert console.execute("SHOW TARGETS").fetchall()
        with connect(host, sslmode="require") as c:
            assert c.execute("SELECT 3").fetchone()[0] == 3

        targets = rds.describe_db_proxy_targets(DBProxyName=name)["Targets"]
        instance = next(t for t in targets if t["Type"] == "RDS_INSTANCE")
        assert instance["RdsResourceId"] == f"{cluster}-1" and instance["Role"] == "READ_WRITE"
        assert instance["TargetHealth"]["State"] == "AVAILABLE" and instance["TrackedClusterId"] == cluster
        group = rds.modify_db_proxy_target_group(
            TargetGroupName="default", DBProxyName=name,
            ConnectionPoolConfig={"MaxConnectionsPercent": 40, "MaxIdleConnectionsPercent": 10,
                                  "ConnectionBorrowTimeout": 5, "InitQuery": "SET work_mem = '7MB'"})["DBProxyTargetGroup"]
        assert group["ConnectionPoolConfig"]["MaxConnectionsPercent"] == 40
        available(api, name)

        def initialised():
            with connect(host) as c:
                return c.execute("SHOW work_mem").fetchone()[0] == "7MB"
        until("the initial query holds", lambda: answers(host) and initialised(), 30)

        endpoint = f"{name}-ro"
        rds.create_db_proxy_endpoint(
            DBProxyName=name, DBProxyEndpointName=endpoint, VpcSubnetIds=SUBNETS, TargetRole="READ_ONLY")
        until("the endpoint is available", lambda: endpoint_of(api, endpoint)["Status"] == "available", 30)
        with pytest.raises(psycopg.OperationalError, match="no reader among its targets"):
            until("it listens", lambda: connect(endpoint_of(api, endpoint)["Endpoint"]).execute("SELECT 1"), 20)
        listed = rds.describe_db_proxy_endpoints(DBProxyName=name)["DBProxyEndpoints"]
        assert [e["IsDefault"] for e in listed] == [True, False]

        rds.modify_db_proxy(DBProxyName=name, RequireTLS=True)
        available(api, name)
        until("clear text is refused", lambda: not answers(host, sslmode="disable"), 30)
        assert answers(host, sslmode="require")
        rds.deregister_db_proxy_targets(DBProxyName=name, DBClusterIdentifiers=[cluster])
        until("it leads nowhere", lambda: not answers(host, sslmode="require"), 30)
    finally:
        rds.delete_db_proxy(DBProxyName=name)
    until("the proxy is gone", lambda: gone(api, name), 30)
    messages = [e["Message"] for e in rds.describe_events(SourceIdentifier=name, SourceType="db-proxy")["Events"]]
    assert messages[0] == "DB proxy created." and messages[-1] == "DB proxy deleted."
    api.delete(cluster)


def answers(host, **more):
    try:
        with connect(host, **more) as c:
            return c.execute("SELECT 1").fetchone()[0] == 1
    except psycopg.OperationalError:
        return False


def endpoint_of(api, name):
    return api.rds.describe_db_proxy_endpoints(DBProxyEndpointName=name)["DBProxyEndpoints"][0]


def gone(api, name):
    try:
        described(api, name)
        return False
    except api.rds.exceptions.DBProxyNotFoundFault:
        return True


def test_what_is_refused(api):
    rds = api.rds
    refused("DBProxyNotFoundFault", rds.describe_db_proxies, DBProxyName="none")
    refused("InvalidParameterValue", rds.create_db_proxy, DBProxyName="p", EngineFamily="SQLSERVER", RoleArn=ROLE,
            VpcSubnetIds=SUBNETS)
    message = refused(
        "InvalidParameterCombination", rds.create_db_proxy, DBProxyName="p", EngineFamily="POSTGRESQL", RoleArn=ROLE,
        VpcSubnetIds=SUBNETS, Auth=[{"AuthScheme": "SECRETS", "SecretArn": "arn:aws:secretsmanager:us-east-1:1:secret:x"}])
    assert "no Secrets Manager" in message
    refused("InvalidSubnet", rds.create_db_proxy, DBProxyName="p", EngineFamily="POSTGRESQL", RoleArn=ROLE,
            VpcSubnetIds=["subnet-0a"])
    name = create(api, EngineFamily="MYSQL")["DBProxyName"]
    try:
        refused("DBProxyAlreadyExistsFault", rds.create_db_proxy, DBProxyName=name, EngineFamily="MYSQL", RoleArn=ROLE,
                VpcSubnetIds=SUBNETS)
        refused("InvalidParameterCombination", rds.register_db_proxy_targets, DBProxyName=name,
                DBInstanceIdentifiers=["demo-1"])
        refused("DBProxyTargetGroupNotFoundFault", rds.describe_db_proxy_targets, DBProxyName=name, TargetGroupName="x")
        refused("DBProxyTargetNotFoundFault", rds.deregister_db_proxy_targets, DBProxyName=name,
                DBInstanceIdentifiers=["demo-1"])
        refused("DBProxyEndpointNotFoundFault", rds.delete_db_proxy_endpoint, DBProxyEndpointName="none")
    finally:
        rds.delete_db_proxy(DBProxyName=name)
    until("the proxy is gone", lambda: gone(api, name), 30)


def test_a_failover_keeps_idle_clients_and_runs_what_waits(api):
    """Idle clients stay with what they have set, requests wait for the new writer, a transaction under way gets an error."""
    rds = api.rds
    cluster = api.create()
    rds.create_db_instance(DBInstanceIdentifier=f"{cluster}-2", DBClusterIdentifier=cluster, Engine="aurora-postgresql",
                           DBInstanceClass="db.r6g.large")
    api.wait("db_instance_available", DBInstanceIdentifier=f"{cluster}-2")
    name = create(api)["DBProxyName"]
    try:
        rds.register_db_proxy_targets(DBProxyName=name, DBClusterIdentifiers=[cluster])
        host = available(api, name)["Endpoint"]
        until("the proxy answers", lambda: answers(host), 30)
        idle = [connect(host) for _ in range(5)]
        idle[0].execute("CREATE TABLE passed (x int)")
        for number, c in enumerate(idle):
            c.execute(f"SET work_mem = '{number + 5}MB'")
        busy = connect(host)
        busy.execute("BEGIN")
        busy.execute("INSERT INTO passed VALUES (100)")
        before = idle[0].execute("SELECT inet_server_addr()").fetchone()[0]
        rds.failover_db_cluster(DBClusterIdentifier=cluster)
        with pytest.raises(psycopg.OperationalError) as info:
            until("the old writer is gone", lambda: busy.execute("SELECT 1") and None, 60)
        assert info.value.sqlstate is None or info.value.sqlstate[:2] in ("57", "08", "25"), info.value.sqlstate
        for number, c in enumerate(idle):
            c.execute("INSERT INTO passed VALUES (%s)", (number,))
            assert c.execute("SHOW work_mem").fetchone()[0] == f"{number + 5}MB"
        assert idle[0].execute("SELECT inet_server_addr()").fetchone()[0] != before
        assert idle[0].execute("SELECT sum(x), count(*) FROM passed").fetchone() == (10, 5)

        def roles():
            targets = rds.describe_db_proxy_targets(DBProxyName=name)["Targets"]
            return {t["RdsResourceId"]: t["Role"] for t in targets if t["Type"] == "RDS_INSTANCE"}
        until("the targets have changed roles", lambda: roles()[f"{cluster}-2"] == "READ_WRITE", 30)
    finally:
        rds.delete_db_proxy(DBProxyName=name)
    api.delete(cluster)
