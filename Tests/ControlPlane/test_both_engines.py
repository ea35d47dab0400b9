# SPDX-License-Identifier: Apache-2.0
"""What holds for clusters with readers whatever their engine: waiters, parameters, logs, failover by class, renaming,
instances of the command line, restarts that nobody asked for."""

import contextlib
import datetime

import psycopg
import pymysql
import pytest

from conftest import PASSWORD
from harness.region import kill, until
from test_readers import address, wait_settled, writer
from test_resources import refused

ENGINES = {
    "aurora-postgresql": {
        "family": "aurora-postgresql15", "dynamic": ("deadlock_timeout", "1500"), "static": ("max_files_per_process", "2000"),
        "show": "SHOW {}", "dynamic_text": "1500ms", "log": "error/postgresql.log", "writes": "SELECT NOT pg_is_in_recovery()"},
    "aurora-mysql": {
        "family": "aurora-mysql10.11", "dynamic": ("connect_timeout", "17"), "static": ("max_allowed_packet", "33554432"),
        "show": "SELECT @@GLOBAL.{}", "dynamic_text": "17", "log": "error/mysql-error.log", "writes": "SELECT NOT @@read_only"},
}


class Trio:
    """A cluster with a writer and two readers, of which the smaller class has the lower name."""

    def __init__(self, api, engine):
        self.api, self.engine, self.rds = api, engine, api.rds
        self.facts = ENGINES[engine]
        self.name = api.create(engine, DatabaseName="shop")
        for number, name in [(2, "db.r6g.large"), (3, "db.r6g.xlarge")]:
            self.rds.create_db_instance(
                DBInstanceIdentifier=f"{self.name}-{number}", DBClusterIdentifier=self.name, Engine=engine,
                DBInstanceClass=name)
        for number in (1, 2, 3):
            api.wait("db_instance_available", DBInstanceIdentifier=f"{self.name}-{number}")

    @property
    def members(self):
        return [m["DBInstanceIdentifier"] for m in self.api.cluster(self.name)["DBClusterMembers"]]

    def ask(self, host, sql):
        if self.engine == "aurora-mysql":
            connection = pymysql.connect(
                host=host, port=3306, user="app", password=PASSWORD, database="shop", autocommit=True, connect_timeout=20)
        else:
            connection = psycopg.connect(
                host=host, user="app", password=PASSWORD, dbname="shop", autocommit=True, connect_timeout=20)
        with contextlib.closing(connection):
            cursor = connection.cursor()
            cursor.execute(sql)
            return cursor.fetchone()[0] if cursor.description else None

    def shown(self, name):
        """What each instance's engine has, by the instance's name."""
        sql = self.facts["show"].format(name)
        return {member: str(self.ask(address(self.api, member), sql)) for member in self.members}

    def restarts(self, member):
        return self.api.messages(member, "db-instance").count("DB instance restarted.")


@pytest.fixture(scope="module", params=list(ENGINES))
def trio(api, request):
    trio = Trio(api, request.param)
    yield trio
    api.delete(trio.name)


def test_the_first_reader_is_told_of(api, trio):
    """MariaDB's writer restarts once when the first reader comes, as its binlog is off until then."""
    expected = 1 if trio.engine == "aurora-mysql" else 0
    until("the restart is among the events", lambda: trio.restarts(f"{trio.name}-1") == expected, 30)
    assert [trio.restarts(f"{trio.name}-{n}") for n in (2, 3)] == [0, 0]


def test_parameters_reach_every_instance(api, trio):
    rds, group = trio.rds, api.name("pg")
    (dynamic, value), (static, later) = trio.facts["dynamic"], trio.facts["static"]
    rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName=group, DBParameterGroupFamily=trio.facts["family"], Description="d")
    rds.modify_db_cluster(DBClusterIdentifier=trio.name, DBClusterParameterGroupName=group)
    api.wait("db_cluster_available", DBClusterIdentifier=trio.name)

    def states():
        return {m["DBClusterParameterGroupStatus"] for m in api.cluster(trio.name)["DBClusterMembers"]}

    def reboot():
        """Readers first, one at a time: a writer that goes away would be replaced."""
        for member in sorted(trio.members, key=lambda name: name == writer(api, trio.name)):
            rds.reboot_db_instance(DBInstanceIdentifier=member)
            api.wait("db_instance_available", DBInstanceIdentifier=member)
            wait_settled(api, trio.name)
    assert states() == {"pending-reboot"}
    reboot()
    assert states() == {"in-sync"}

    def modify(name, value, method):
        rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName=group, Parameters=[
            {"ParameterName": name, "ParameterValue": value, "ApplyMethod": method}])
    text = trio.facts["dynamic_text"]
    modify(dynamic, value, "immediate")
    until("all have it", lambda: set(trio.shown(dynamic).values()) == {text}, 60, context=lambda: str(trio.shown(dynamic)))
    until("and are said to", lambda: states() == {"in-sync"}, 30)
    modify(static, later, "pending-reboot")
    assert states() == {"pending-reboot"} and later not in trio.shown(static).values()

    # A failover restarts engines, with what they had: a static parameter takes a reboot that was asked for.
    old = writer(api, trio.name)
    rds.failover_db_cluster(DBClusterIdentifier=trio.name)
    until("there is another writer", lambda: writer(api, trio.name) != old, 60)
    wait_settled(api, trio.name)
    assert states() == {"pending-reboot"} and later not in trio.shown(static).values()
    reboot()
    assert set(trio.shown(static).values()) == {later} and states() == {"in-sync"}
    assert set(trio.shown(dynamic).values()) == {text}
    rds.modify_db_cluster(DBClusterIdentifier=trio.name, DBClusterParameterGroupName="default." + trio.facts["family"])
    api.wait("db_cluster_available", DBClusterIdentifier=trio.name)
    rds.delete_db_cluster_parameter_group(DBClusterParameterGroupName=group)


def test_the_larger_class_is_promoted(api, trio):
    """Three of the same tier; the one in the middle of the alphabet has the smallest class."""
    old = writer(api, trio.name)
    classes = {m: api.instance(m)["DBInstanceClass"] for m in trio.members}
    candidates = sorted((m for m in trio.members if m != old), key=lambda m: ("xlarge" not in classes[m], m))
    trio.rds.failover_db_cluster(DBClusterIdentifier=trio.name)
    until("it is the writer", lambda: writer(api, trio.name) == candidates[0], 60, context=api.region.describe)
    wait_settled(api, trio.name)
    endpoint = api.cluster(trio.name)["Endpoint"]
    assert trio.ask(endpoint, trio.facts["writes"]) in (True, 1)
    # And with a target, back to where it was.
    trio.rds.failover_db_cluster(DBClusterIdentifier=trio.name, TargetDBInstanceIdentifier=old)
    until("the target is the writer", lambda: writer(api, trio.name) == old, 60, context=api.region.describe)
    wait_settled(api, trio.name)
    messages = api.messages(trio.name, "db-cluster")
    assert f"Completed failover to DB instance: {old}" in messages


def test_logs_of_writers_and_readers(api, trio):
    for member in trio.members:
        files = trio.rds.describe_db_log_files(DBInstanceIdentifier=member)["DescribeDBLogFiles"]
        assert [f["LogFileName"] for f in files] == [trio.facts["log"]] and files[0]["Size"] > 0
        assert not trio.rds.describe_db_log_files(
            DBInstanceIdentifier=member, FilenameContains="weather")["DescribeDBLogFiles"]
        text, marker = "", "0"
        while True:
            portion = trio.rds.download_db_log_file_portion(
                DBInstanceIdentifier=member, LogFileName=trio.facts["log"], Marker=marker)
            text, marker = text + portion["LogFileData"], portion["Marker"]
            if not portion["AdditionalDataPending"]:
                break
        assert len(text.encode()) >= files[0]["Size"]


def test_a_restart_that_nobody_asked_for(api, trio):
    reader = next(m for m in trio.members if m != writer(api, trio.name))
    before = trio.restarts(reader)
    status = next(c for c in api.region.status()["clusters"] if c["id"] == trio.name)
    kill(next(r["pid"] for r in status["readers"] if r["id"] == reader))
    until("it is among the events", lambda: trio.restarts(reader) == before + 1, 60)
    wait_settled(api, trio.name)


def test_a_reader_is_renamed(api, trio):
    reader = next(m for m in trio.members if m != writer(api, trio.name))
    host, resource, other = address(api, reader), api.instance(reader)["DbiResourceId"], api.name("i")
    answer = trio.rds.modify_db_instance(
        DBInstanceIdentifier=reader, NewDBInstanceIdentifier=other, ApplyImmediately=True)["DBInstance"]
    assert answer["DBInstanceStatus"] == "renaming"
    api.wait("db_instance_available", DBInstanceIdentifier=other)
    assert (address(api, other), api.instance(other)["DbiResourceId"]) == (host, resource)
    refused(trio.rds.describe_db_instances, "DBInstanceNotFound", DBInstanceIdentifier=reader)
    assert other in trio.members and trio.ask(host, "SELECT 1") == 1


def test_the_maintenance_window_brings_a_class(api, trio):
    reader = next(m for m in trio.members if m != writer(api, trio.name))
    changed = trio.rds.modify_db_instance(DBInstanceIdentifier=reader, DBInstanceClass="db.t4g.large")["DBInstance"]
    assert changed["PendingModifiedValues"]["DBInstanceClass"] == "db.t4g.large"
    now = datetime.datetime.now(datetime.timezone.utc)
    ends = [(now + datetime.timedelta(minutes=m)).strftime("%a:%H:%M").lower() for m in (-5, 30)]
    trio.rds.modify_db_instance(DBInstanceIdentifier=reader, PreferredMaintenanceWindow="-".join(ends))
    until("it has the class", lambda: api.instance(reader)["DBInstanceClass"] == "db.t4g.large", 60)
    api.wait("db_instance_available", DBInstanceIdentifier=reader)
    assert not api.instance(reader)["PendingModifiedValues"]
    messages = api.messages(reader, "db-instance")
    assert {"Applying modification to database instance class.",
            "Finished applying modification to DB instance class."} <= set(messages)


def test_instances_of_the_command_line(api, trio):
    name, command = f"{trio.name}-cli", api.region.command
    assert "there is no class" in command("instance", "add", name, "--class", "db.huge", check=False).stderr
    command("instance", "add", name, "--cluster", trio.name, "--class", "db.t4g.medium", "--tier", "9", "--az", "b")
    until("the API knows it", lambda: name in trio.members, 30)
    api.wait("db_instance_available", DBInstanceIdentifier=name)
    instance = api.instance(name)
    assert (instance["DBInstanceClass"], instance["PromotionTier"], instance["AvailabilityZone"]) == (
        "db.t4g.medium", 9, "us-east-1b")
    # What PostgreSQL's readers have in common with their writer is never below the others', so another one is looked at.
    parameter, expected = {
        "aurora-postgresql": ("max_parallel_workers", "2"), "aurora-mysql": ("max_connections", "108")}[trio.engine]
    assert trio.shown(parameter)[name] == expected
    # From here on it is like any other: it is changed, rebooted, and goes by the command line as it came.
    trio.rds.modify_db_instance(DBInstanceIdentifier=name, PromotionTier=5)
    trio.rds.reboot_db_instance(DBInstanceIdentifier=name)
    api.wait("db_instance_available", DBInstanceIdentifier=name)
    assert trio.shown(parameter)[name] == expected
    command("instance", "remove", name, timeout=180)
    until("the API knows that it is gone", lambda: name not in trio.members, 30)
    assert "DB instance deleted." in api.messages(name, "db-instance")
