# SPDX-License-Identifier: Apache-2.0
"""DB proxies through boto3: made, led to a cluster, used, changed, deleted; and what is refused."""

import json

import botocore.exceptions
import psycopg
import pymysql
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
        stays = connect(host, sslmode="require")
        stays.execute("SET lock_timeout = '9s'")
        stays.execute("LISTEN news")
        pins = json.loads(api.region.command("proxy", "pins", "--json").stdout)
        assert [(p["proxy"], p["reason"]) for p in pins] == [(name, "listen")], pins
        stays.execute("UNLISTEN *")

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
        # Clients stay through every change of the proxy's settings.
        assert stays.execute("SHOW lock_timeout").fetchone()[0] == "9s"

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
        assert stays.execute("SHOW lock_timeout").fetchone()[0] == "9s"
        rds.deregister_db_proxy_targets(DBProxyName=name, DBClusterIdentifiers=[cluster])
        until("it leads nowhere", lambda: not answers(host, sslmode="require"), 30)
    finally:
        rds.delete_db_proxy(DBProxyName=name)
    until("the proxy is gone", lambda: gone(api, name), 30)
    messages = [e["Message"] for e in rds.describe_events(SourceIdentifier=name, SourceType="db-proxy")["Events"]]
    assert messages[0] == "DB proxy created." and messages[-1] == "DB proxy deleted."
    api.delete(cluster)


def test_a_proxy_with_nothing_to_lead_to_can_be_changed(api):
    """Its target has no instance, so that no process runs; an endpoint can be deleted before it is made."""
    rds = api.rds
    cluster, name = api.name(), create(api)["DBProxyName"]
    rds.create_db_cluster(DBClusterIdentifier=cluster, Engine="aurora-postgresql", MasterUsername="app",
                          MasterUserPassword=PASSWORD)
    try:
        rds.register_db_proxy_targets(DBProxyName=name, DBClusterIdentifiers=[cluster])
        available(api, name)
        rds.modify_db_proxy(DBProxyName=name, IdleClientTimeout=60)
        assert available(api, name)["IdleClientTimeout"] == 60
        rds.create_db_proxy_endpoint(DBProxyName=name, DBProxyEndpointName=f"{name}-e", VpcSubnetIds=SUBNETS)
        assert rds.delete_db_proxy_endpoint(DBProxyEndpointName=f"{name}-e")["DBProxyEndpoint"]["Status"] == "deleting"
        until("the endpoint is gone", lambda: len(
            rds.describe_db_proxy_endpoints(DBProxyName=name)["DBProxyEndpoints"]) == 1, 30)
    finally:
        rds.delete_db_proxy(DBProxyName=name)
    until("the proxy is gone", lambda: gone(api, name), 30)
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
        "InvalidParameterValue", rds.create_db_proxy, DBProxyName="p", EngineFamily="POSTGRESQL", RoleArn=ROLE,
        VpcSubnetIds=SUBNETS, Auth=[{"AuthScheme": "SECRETS", "SecretArn": "arn:aws:secretsmanager:us-east-1:1:secret:x"}])
    assert "There is no secret" in message
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
    name = create(api)["DBProxyName"]
    try:
        rds.register_db_proxy_targets(DBProxyName=name, DBClusterIdentifiers=[cluster])
        rds.create_db_instance(DBInstanceIdentifier=f"{cluster}-2", DBClusterIdentifier=cluster,
                               Engine="aurora-postgresql", DBInstanceClass="db.r6g.large")
        api.wait("db_instance_available", DBInstanceIdentifier=f"{cluster}-2")
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
        # A target that is deleted leaves the group.
        api.delete(cluster)
        assert rds.describe_db_proxy_targets(DBProxyName=name)["Targets"] == []
        messages = api.messages(name, "db-proxy")
        for message in (
                f"Added the new DB instance {cluster}-2", f"Removed the deleted DB instance {cluster}-1",
                f"Removed the deleted DB cluster {cluster}"):
            assert f"{message} to the target group." in messages or f"{message} from the target group." in messages
    finally:
        rds.delete_db_proxy(DBProxyName=name)


def secret(api, user, password):
    made = api.client("secretsmanager").create_secret(
        Name=api.name("db/user"), SecretString=json.dumps({"username": user, "password": password}))
    return made["ARN"]


def test_users_come_from_secrets_and_tokens(api, postgres):
    """Each user has a secret; one logs in with its password, one with tokens; a new password needs no restart."""
    rds, secrets = api.rds, api.client("secretsmanager")
    direct = api.cluster(postgres)

    def alter(text):
        with psycopg.connect(host=direct["Endpoint"], port=direct["Port"], user="app", password=PASSWORD,
                             dbname="postgres", autocommit=True) as c:
            c.execute(text)
    alter("CREATE ROLE web LOGIN PASSWORD 'web-1'")
    alter("CREATE ROLE batch LOGIN PASSWORD 'batch-1'")
    web, batch = secret(api, "web", "web-1"), secret(api, "batch", "batch-1")
    name = create(api, Auth=[{"AuthScheme": "SECRETS", "SecretArn": web},
                             {"AuthScheme": "SECRETS", "SecretArn": batch, "IAMAuth": "REQUIRED"}])["DBProxyName"]

    def enter(host, user, password, **more):
        return psycopg.connect(host=host, port=5432, user=user, password=password, dbname="postgres", autocommit=True,
                               connect_timeout=10, **more)

    def gets_in(*where, **more):
        try:
            enter(*where, **more).close()
            return True
        except psycopg.OperationalError:
            return False
    try:
        rds.register_db_proxy_targets(DBProxyName=name, DBClusterIdentifiers=[postgres])
        host = available(api, name)["Endpoint"]
        until("the proxy lets its user in", lambda: gets_in(host, "web", "web-1"), 30)
        stays = enter(host, "web", "web-1")
        assert stays.execute("SELECT current_user").fetchone()[0] == "web"
        # The master user has no secret here.
        assert not gets_in(host, "app", PASSWORD) and not gets_in(host, "web", "wrong")
        token = rds.generate_db_auth_token(DBHostname=host, Port=5432, DBUsername="batch")
        with enter(host, "batch", token, sslmode="require") as c:
            assert c.execute("SELECT current_user").fetchone()[0] == "batch"
        assert not gets_in(host, "batch", token, sslmode="disable")
        assert not gets_in(host, "batch", "batch-1", sslmode="require")
        assert not gets_in(host, "web", token, sslmode="require")

        alter("ALTER ROLE web PASSWORD 'web-2'")
        secrets.put_secret_value(SecretId=web, SecretString=json.dumps({"username": "web", "password": "web-2"}))
        until("the new password holds", lambda: gets_in(host, "web", "web-2"), 30)
        assert not gets_in(host, "web", "web-1")
        assert stays.execute("SELECT current_user").fetchone()[0] == "web"

        auth = described(api, name)["Auth"]
        assert [(a["SecretArn"], a["IAMAuth"]) for a in auth] == [(web, "DISABLED"), (batch, "REQUIRED")]
        rds.modify_db_proxy(DBProxyName=name, Auth=[{"AuthScheme": "SECRETS", "SecretArn": batch}])
        available(api, name)
        until("the user is taken out", lambda: not gets_in(host, "web", "web-2"), 30)
        until("the other needs no token any more", lambda: gets_in(host, "batch", "batch-1"), 30)

        def health():
            targets = rds.describe_db_proxy_targets(DBProxyName=name)["Targets"]
            return next(t["TargetHealth"] for t in targets if t["Type"] == "RDS_INSTANCE")
        assert health()["State"] == "AVAILABLE"
        for arn in (web, batch):
            secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
        assert (health()["State"], health()["Reason"]) == ("UNAVAILABLE", "AUTH_FAILURE")
        until("nobody has credentials", lambda: not gets_in(host, "batch", "batch-1"), 30)
    finally:
        rds.delete_db_proxy(DBProxyName=name)
    until("the proxy is gone", lambda: gone(api, name), 30)
    alter("DROP ROLE web")
    alter("DROP ROLE batch")


def test_users_of_mariadb_come_from_secrets_and_tokens(api, maria):
    rds = api.rds
    direct = api.cluster(maria)
    with pymysql.connect(host=direct["Endpoint"], port=direct["Port"], user="app", password=PASSWORD) as c:
        for user in ("web", "batch"):
            c.cursor().execute(f"CREATE OR REPLACE USER {user} IDENTIFIED BY '{user}-1'")
    web, batch = secret(api, "web", "web-1"), secret(api, "batch", "batch-1")
    name = create(api, EngineFamily="MYSQL", Auth=[
        {"AuthScheme": "SECRETS", "SecretArn": web, "ClientPasswordAuthType": "MYSQL_CACHING_SHA2_PASSWORD"},
        {"AuthScheme": "SECRETS", "SecretArn": batch, "IAMAuth": "REQUIRED"}])["DBProxyName"]

    def user(host, **more):
        with pymysql.connect(host=host, port=3306, connect_timeout=10, **more) as c, c.cursor() as cursor:
            cursor.execute("SELECT CURRENT_USER()")
            return cursor.fetchone()[0]

    def refused_or(host, **more):
        try:
            return user(host, **more)
        except pymysql.err.MySQLError as error:
            return error.args[0]
    try:
        rds.register_db_proxy_targets(DBProxyName=name, DBClusterIdentifiers=[maria])
        host = available(api, name)["Endpoint"]
        until("the proxy lets its user in", lambda: refused_or(host, user="web", password="web-1") == "web@%", 30)
        assert refused_or(host, user="web", password="wrong") == 1045
        secure = {"ssl": {"check_hostname": False, "verify_mode": None}}
        token = rds.generate_db_auth_token(DBHostname=host, Port=3306, DBUsername="batch")
        assert user(host, user="batch", password=token, **secure) == "batch@%"
        assert refused_or(host, user="batch", password=token, ssl_disabled=True) == 1045
        assert refused_or(host, user="batch", password="batch-1", **secure) == 1045
    finally:
        rds.delete_db_proxy(DBProxyName=name)
    until("the proxy is gone", lambda: gone(api, name), 30)
