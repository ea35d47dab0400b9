# SPDX-License-Identifier: Apache-2.0
"""Clusters with real engines, from creation to deletion."""

import contextlib

import psycopg
import pymysql
import pytest
from botocore.exceptions import ClientError

from conftest import FAST, PASSWORD
from harness.region import kill, until
from test_resources import refused


def connect(api, name, password=PASSWORD, dbname="shop"):
    cluster = api.cluster(name)
    if cluster["Engine"] == "aurora-mysql":
        return pymysql.connect(
            host=cluster["Endpoint"], port=cluster["Port"], user="app", password=password, database=dbname,
            autocommit=True, connect_timeout=10)
    return psycopg.connect(
        host=cluster["Endpoint"], port=cluster["Port"], user="app", password=password, dbname=dbname, autocommit=True,
        connect_timeout=10)


def ask(api, name, sql, **options):
    with contextlib.closing(connect(api, name, **options)) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        return cursor.fetchone()[0] if cursor.description else None


def test_the_demo_cluster_is_there(api):
    cluster, instance = api.cluster("demo"), api.instance("demo-1")
    assert cluster["Status"] == "available" and cluster["Engine"] == "aurora-postgresql"
    assert (cluster["Endpoint"], cluster["Port"]) == ("127.0.0.1", api.region.port)
    assert instance["Endpoint"]["Port"] == api.region.port
    assert instance["Endpoint"]["Address"] not in (cluster["Endpoint"], cluster["ReaderEndpoint"])
    assert instance["DBInstanceStatus"] == "available"


def test_postgres_runs(api, postgres):
    ask(api, postgres, "CREATE TABLE t AS SELECT generate_series(1, 100) n")
    assert ask(api, postgres, "SELECT sum(n) FROM t") == 5050
    assert ask(api, postgres, "SHOW max_connections") == str(min((16 << 30) // 9531392, 5000))
    assert api.cluster(postgres)["Port"] == 5432
    assert "DB cluster created." in api.messages(postgres, "db-cluster")
    assert "DB instance created." in api.messages(f"{postgres}-1", "db-instance")


def test_maria_runs(api, maria):
    ask(api, maria, "CREATE TABLE t (n INT PRIMARY KEY)")
    ask(api, maria, "INSERT INTO t VALUES (1), (2), (3)")
    assert ask(api, maria, "SELECT SUM(n) FROM t") == 6
    assert api.cluster(maria)["Port"] == 3306


def test_parameters(api, postgres):
    rds, group = api.rds, api.name("pg")
    rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName=group, DBParameterGroupFamily="aurora-postgresql15", Description="d")
    every = [
        p for page in rds.get_paginator("describe_db_cluster_parameters").paginate(DBClusterParameterGroupName=group)
        for p in page["Parameters"]]
    parameters = {p["ParameterName"]: p for p in every}
    assert len(every) == len(parameters) > 300
    assert parameters["work_mem"]["ApplyType"] == "dynamic" and parameters["work_mem"]["AllowedValues"] == "64-2147483647"
    assert parameters["max_connections"]["ApplyType"] == "static"
    assert parameters["fsync"]["IsModifiable"] is False

    def modify(name, value, method):
        return rds.modify_db_cluster_parameter_group(
            DBClusterParameterGroupName=group,
            Parameters=[{"ParameterName": name, "ParameterValue": value, "ApplyMethod": method}])

    for name, value, method, expected in [
            ("fsync", "off", "pending-reboot", "InvalidParameterValue"),
            ("nonsense", "1", "immediate", "InvalidParameterValue"),
            ("work_mem", "{DBInstanceClassMemory/0}", "immediate", "InvalidParameterValue"),
            ("work_mem", "LEAST({DBInstanceClassMemory", "immediate", "InvalidParameterValue"),
            ("work_mem", "1", "immediate", "InvalidParameterValue"),
            ("max_connections", "50", "immediate", "InvalidParameterCombination")]:
        with pytest.raises(ClientError) as error:
            modify(name, value, method)
        assert error.value.response["Error"]["Code"] == expected

    # Another group waits for a reboot.
    modify("work_mem", "8192", "immediate")
    rds.modify_db_cluster(DBClusterIdentifier=postgres, DBClusterParameterGroupName=group, ApplyImmediately=True)
    api.wait("db_cluster_available", DBClusterIdentifier=postgres)
    state = lambda: api.cluster(postgres)["DBClusterMembers"][0]["DBClusterParameterGroupStatus"]
    assert state() == "pending-reboot" and ask(api, postgres, "SHOW work_mem") == "4MB"
    rds.reboot_db_instance(DBInstanceIdentifier=f"{postgres}-1")
    api.wait("db_instance_available", DBInstanceIdentifier=f"{postgres}-1")
    assert state() == "in-sync" and ask(api, postgres, "SHOW work_mem") == "8MB"

    # A dynamic one comes at once, a static one with the reboot.
    modify("work_mem", "16384", "immediate")
    until("the change is there", lambda: ask(api, postgres, "SHOW work_mem") == "16MB", 30)
    until("it is said to be there", lambda: state() == "in-sync", 30)
    modify("max_connections", "LEAST({DBInstanceClassMemory/9531392},77)", "pending-reboot")
    assert state() == "pending-reboot" and ask(api, postgres, "SHOW max_connections") != "77"
    with pytest.raises(ClientError) as error:
        rds.delete_db_cluster_parameter_group(DBClusterParameterGroupName=group)
    assert error.value.response["Error"]["Code"] == "InvalidDBParameterGroupState"
    rds.reboot_db_instance(DBInstanceIdentifier=f"{postgres}-1")
    api.wait("db_instance_available", DBInstanceIdentifier=f"{postgres}-1")
    assert state() == "in-sync" and ask(api, postgres, "SHOW max_connections") == "77"
    assert [p["ParameterName"] for p in rds.describe_db_cluster_parameters(
        DBClusterParameterGroupName=group, Source="user")["Parameters"]] == ["max_connections", "work_mem"]
    assert "DB instance restarted." in api.messages(f"{postgres}-1", "db-instance")


def test_maria_parameters(api, maria):
    rds, group = api.rds, api.name("pg")
    rds.create_db_parameter_group(
        DBParameterGroupName=group, DBParameterGroupFamily="aurora-mysql10.11", Description="d")
    rds.modify_db_instance(DBInstanceIdentifier=f"{maria}-1", DBParameterGroupName=group)
    rds.reboot_db_instance(DBInstanceIdentifier=f"{maria}-1")
    api.wait("db_instance_available", DBInstanceIdentifier=f"{maria}-1")
    rds.modify_db_parameter_group(DBParameterGroupName=group, Parameters=[
        {"ParameterName": "connect_timeout", "ParameterValue": "17", "ApplyMethod": "immediate"}])
    until("the change is there", lambda: ask(api, maria, "SELECT @@GLOBAL.connect_timeout") == 17, 30)
    rds.reset_db_parameter_group(DBParameterGroupName=group, ResetAllParameters=True)
    until("the default is back", lambda: ask(api, maria, "SELECT @@GLOBAL.connect_timeout") == 10, 30)

    # The master user may not set most variables, so they come with a reboot.
    change = {"ParameterName": "long_query_time", "ParameterValue": "3.5"}
    refused(
        rds.modify_db_parameter_group, "InvalidParameterCombination", DBParameterGroupName=group,
        Parameters=[{**change, "ApplyMethod": "immediate"}])
    refused(
        rds.modify_db_parameter_group, "InvalidParameterValue", DBParameterGroupName=group,
        Parameters=[{"ParameterName": "time_zone", "ParameterValue": "Nowhere/Land", "ApplyMethod": "pending-reboot"}])
    rds.modify_db_parameter_group(DBParameterGroupName=group, Parameters=[
        {**change, "ApplyMethod": "pending-reboot"},
        # Those whose options have other names, or that the server's list tells no options for.
        {"ParameterName": "time_zone", "ParameterValue": "+02:00", "ApplyMethod": "pending-reboot"},
        {"ParameterName": "tx_isolation", "ParameterValue": "READ-COMMITTED", "ApplyMethod": "pending-reboot"},
        {"ParameterName": "character_set_server", "ParameterValue": "latin1", "ApplyMethod": "pending-reboot"}])
    state = lambda: api.instance(f"{maria}-1")["DBParameterGroups"][0]["ParameterApplyStatus"]
    assert state() == "pending-reboot"
    rds.reboot_db_instance(DBInstanceIdentifier=f"{maria}-1")
    api.wait("db_instance_available", DBInstanceIdentifier=f"{maria}-1")
    assert ask(api, maria, "SELECT @@GLOBAL.long_query_time") == 3.5 and state() == "in-sync"
    assert ask(api, maria, "SELECT CONCAT_WS(' ', @@GLOBAL.time_zone, @@GLOBAL.tx_isolation, @@GLOBAL.character_set_server)") == (
        "+02:00 READ-COMMITTED latin1")


def test_master_password(api, postgres, maria):
    for name in (postgres, maria):
        new = "Another#one'with~signs"
        api.rds.modify_db_cluster(DBClusterIdentifier=name, MasterUserPassword=new, ApplyImmediately=True)
        api.wait("db_cluster_available", DBClusterIdentifier=name)
        assert ask(api, name, "SELECT 1", password=new) == 1
        with pytest.raises((psycopg.OperationalError, pymysql.OperationalError)):
            connect(api, name)
        api.rds.modify_db_cluster(DBClusterIdentifier=name, MasterUserPassword=PASSWORD, ApplyImmediately=True)
        api.wait("db_cluster_available", DBClusterIdentifier=name)
        assert ask(api, name, "SELECT 1") == 1
        assert "Reset master credentials." in api.messages(name, "db-cluster")


@pytest.mark.parametrize("engine", ["aurora-postgresql", "aurora-mysql"])
def test_the_password_of_a_cluster_without_instances(api, engine):
    """The next writer has it, whether the volume is empty or filled with the old one."""
    name, rds = api.name(), api.rds

    def change(password):
        rds.modify_db_cluster(DBClusterIdentifier=name, MasterUserPassword=password, ApplyImmediately=True)
        api.wait("db_cluster_available", DBClusterIdentifier=name)

    def add():
        rds.create_db_instance(
            DBInstanceIdentifier=f"{name}-1", DBClusterIdentifier=name, Engine=engine, DBInstanceClass="db.r6g.large")
        api.wait("db_instance_available", DBInstanceIdentifier=f"{name}-1")

    rds.create_db_cluster(
        DBClusterIdentifier=name, Engine=engine, MasterUsername="app", MasterUserPassword=PASSWORD, DatabaseName="shop")
    api.wait("db_cluster_available", DBClusterIdentifier=name)
    change("While-empty#1")
    add()
    assert ask(api, name, "SELECT 1", password="While-empty#1") == 1
    rds.delete_db_instance(DBInstanceIdentifier=f"{name}-1")
    api.wait("db_instance_deleted", DBInstanceIdentifier=f"{name}-1")
    change("While-filled#2")
    add()
    assert ask(api, name, "SELECT 1", password="While-filled#2") == 1
    with pytest.raises((psycopg.OperationalError, pymysql.OperationalError)):
        connect(api, name, password="While-empty#1")
    api.delete(name)


def test_parameters_that_the_engine_does_not_take(api):
    rds, name, group = api.rds, api.create(), api.name("pg")
    instance = f"{name}-1"
    rds.create_db_parameter_group(
        DBParameterGroupName=group, DBParameterGroupFamily="aurora-postgresql15", Description="d")
    rds.modify_db_parameter_group(DBParameterGroupName=group, Parameters=[
        {"ParameterName": "shared_preload_libraries", "ParameterValue": "nowhere", "ApplyMethod": "pending-reboot"}])
    rds.modify_db_instance(DBInstanceIdentifier=instance, DBParameterGroupName=group)
    rds.reboot_db_instance(DBInstanceIdentifier=instance)
    until("it is given up", lambda: api.instance(instance)["DBInstanceStatus"] == "incompatible-parameters", 90)
    events = rds.describe_events(SourceIdentifier=instance, SourceType="db-instance", EventCategories=["failure"])["Events"]
    assert len(events) == 1 and "does not start with the instance's parameters" in events[0]["Message"]
    # With what it takes it is back.
    rds.reset_db_parameter_group(DBParameterGroupName=group, ResetAllParameters=True)
    rds.reboot_db_instance(DBInstanceIdentifier=instance)
    api.wait("db_instance_available", DBInstanceIdentifier=instance)
    assert ask(api, name, "SELECT 1", dbname="postgres") == 1
    api.delete(name)
    rds.delete_db_parameter_group(DBParameterGroupName=group)


def test_logs(api, postgres):
    files = api.rds.describe_db_log_files(DBInstanceIdentifier=f"{postgres}-1")["DescribeDBLogFiles"]
    assert [f["LogFileName"] for f in files] == ["error/postgresql.log"] and files[0]["Size"] > 0
    portion = api.rds.download_db_log_file_portion(
        DBInstanceIdentifier=f"{postgres}-1", LogFileName="error/postgresql.log", Marker="0", NumberOfLines=3)
    assert len(portion["LogFileData"].splitlines()) == 3 and portion["AdditionalDataPending"] is True
    rest = api.rds.download_db_log_file_portion(
        DBInstanceIdentifier=f"{postgres}-1", LogFileName="error/postgresql.log", Marker=portion["Marker"])
    assert "ready to accept connections" in rest["LogFileData"]
    refused(
        api.rds.download_db_log_file_portion, "DBLogFileNotFoundFault", DBInstanceIdentifier=f"{postgres}-1",
        LogFileName="../../../metadata.sqlite")


def test_stop_and_start(api, postgres):
    ask(api, postgres, "CREATE TABLE kept AS SELECT 7 n")
    api.rds.stop_db_cluster(DBClusterIdentifier=postgres)
    until("it has stopped", lambda: api.cluster(postgres)["Status"] == "stopped", 60)
    assert api.instance(f"{postgres}-1")["DBInstanceStatus"] == "stopped"
    assert api.cluster(postgres)["AutomaticRestartTime"] > api.cluster(postgres)["ClusterCreateTime"]
    with pytest.raises(psycopg.OperationalError):
        connect(api, postgres)
    refused(api.rds.stop_db_cluster, "InvalidDBClusterStateFault", DBClusterIdentifier=postgres)
    refused(api.rds.reboot_db_instance, "InvalidDBInstanceState", DBInstanceIdentifier=f"{postgres}-1")
    api.rds.start_db_cluster(DBClusterIdentifier=postgres)
    api.wait("db_cluster_available", DBClusterIdentifier=postgres)
    assert ask(api, postgres, "SELECT n FROM kept") == 7
    assert {"DB cluster stopped.", "DB cluster started."} <= set(api.messages(postgres, "db-cluster"))


def test_rename_and_modify(api, postgres):
    other = api.name()
    resource = api.cluster(postgres)["DbClusterResourceId"]
    api.rds.modify_db_cluster(DBClusterIdentifier=postgres, NewDBClusterIdentifier=other, ApplyImmediately=True)
    api.wait("db_cluster_available", DBClusterIdentifier=other)
    refused(api.rds.describe_db_clusters, "DBClusterNotFoundFault", DBClusterIdentifier=postgres)
    assert api.cluster(other)["DbClusterResourceId"] == resource
    assert api.instance(f"{postgres}-1")["DBClusterIdentifier"] == other
    assert ask(api, other, "SELECT 1") == 1
    api.rds.modify_db_cluster(
        DBClusterIdentifier=other, NewDBClusterIdentifier=postgres, BackupRetentionPeriod=7, ApplyImmediately=True)
    api.wait("db_cluster_available", DBClusterIdentifier=postgres)
    assert api.cluster(postgres)["BackupRetentionPeriod"] == 7
    api.rds.modify_db_instance(DBInstanceIdentifier=f"{postgres}-1", DBInstanceClass="db.t4g.medium")
    instance = api.instance(f"{postgres}-1")
    assert instance["DBInstanceClass"] == "db.r6g.large"
    assert instance["PendingModifiedValues"]["DBInstanceClass"] == "db.t4g.medium"


def test_deletion(api):
    name = api.create("aurora-mysql", DeletionProtection=True)
    rds = api.rds
    refused(rds.delete_db_cluster, "InvalidParameterCombination", DBClusterIdentifier=name, SkipFinalSnapshot=True)
    rds.modify_db_cluster(DBClusterIdentifier=name, DeletionProtection=False)
    api.wait("db_cluster_available", DBClusterIdentifier=name)
    refused(rds.delete_db_cluster, "InvalidParameterCombination", DBClusterIdentifier=name)
    said = refused(
        rds.delete_db_cluster, "InvalidParameterCombination", DBClusterIdentifier=name, FinalDBSnapshotIdentifier="s")
    assert "SkipFinalSnapshot" in said["Error"]["Message"]
    refused(rds.delete_db_cluster, "InvalidDBClusterStateFault", DBClusterIdentifier=name, SkipFinalSnapshot=True)
    host, port = api.cluster(name)["Endpoint"], api.cluster(name)["Port"]
    api.delete(name)
    refused(rds.describe_db_instances, "DBInstanceNotFound", DBInstanceIdentifier=f"{name}-1")
    assert "DB cluster deleted." in api.messages(name, "db-cluster")
    assert not (api.region.directory / "instances" / f"{name}-1").exists()
    with pytest.raises(pymysql.OperationalError):
        pymysql.connect(host=host, port=port, user="app", password=PASSWORD)


def test_the_data_plane_needs_no_control_plane(api, postgres):
    with connect(api, postgres) as connection:
        kill(api.region.process("control"))
        assert connection.execute("SELECT 1").fetchone() == (1,)
    until("it is back", lambda: "available" == api.cluster(postgres)["Status"], 60)


def test_everything_survives_a_restart(api, postgres, maria):
    before = {name: api.cluster(name) for name in (postgres, maria)}
    api.region.down()
    api.region.up(environment={"BOREALIS_CONTROL_CRASH": str(api.crash_file)})
    for name in (postgres, maria):
        until("it is available", lambda: api.cluster(name)["Status"] == "available", 60)
        assert api.cluster(name) == before[name]
        assert ask(api, name, "SELECT COUNT(*) FROM t") > 0
