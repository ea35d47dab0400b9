# SPDX-License-Identifier: Apache-2.0
"""What Terraform's AWS provider asks for a cluster with its groups and instances: the same calls in the same order, with
the arguments that it sends for a plain configuration, and the answers that it insists on."""

import pytest

from conftest import PASSWORD
from harness.region import until
from test_resources import refused

# While it waits, any other status than these and the one that it waits for is an error to it.
CLUSTER_CREATED = {"backing-up", "creating", "migrating", "modifying", "preparing-data-migration", "rebooting",
                   "resetting-master-credentials"}
CLUSTER_UPDATED = {"backing-up", "configuring-iam-database-auth", "configuring-enhanced-monitoring", "modifying",
                   "renaming", "resetting-master-credentials", "scaling-compute", "scaling-storage", "upgrading"}
CLUSTER_DELETED = {"available", "backing-up", "deleting", "modifying", "promoting", "scaling-compute"}
INSTANCE_AVAILABLE = {"backing-up", "configuring-enhanced-monitoring", "configuring-iam-database-auth",
                      "configuring-log-exports", "creating", "maintenance", "modifying", "rebooting", "renaming",
                      "resetting-master-credentials", "starting", "upgrading"}
INSTANCE_DELETED = {"configuring-log-exports", "delete-precheck", "deleting", "modifying"}
TAGS = [{"Key": "Name", "Value": "shop"}]


def wait(what, pending, look, target=None):
    def done():
        status = look()
        assert status in pending | {target}, f"{what}: Terraform gives up at {status}"
        return status == target
    until(what, done, 120)


class Provider:
    """The provider's steps for each kind of resource."""

    def __init__(self, api):
        self.rds = api.rds

    def cluster_status(self, name):
        try:
            found = [c for page in self.rds.get_paginator("describe_db_clusters").paginate(DBClusterIdentifier=name)
                     for c in page["DBClusters"]]
        except self.rds.exceptions.DBClusterNotFoundFault:
            return None
        assert [c["DBClusterIdentifier"] for c in found] == [name]
        assert not found[0].get("PendingModifiedValues") or found[0]["Status"] != "available"
        return found[0]["Status"]

    def read_cluster(self, name):
        cluster = self.rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]
        assert cluster["EngineMode"] == "provisioned"
        # This is why the provider asks for global clusters, all of them: it looks for the cluster among their members.
        found = self.rds.describe_global_clusters(
            Filters=[{"Name": "db-cluster-id", "Values": [cluster["DBClusterArn"]]}])
        assert found["GlobalClusters"] == []
        assert self.rds.list_tags_for_resource(ResourceName=cluster["DBClusterArn"])["TagList"] == cluster["TagList"]
        return cluster

    def instance_status(self, name):
        try:
            found = self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        except self.rds.exceptions.DBInstanceNotFoundFault:
            return None
        assert [i["DBInstanceIdentifier"] for i in found] == [name]
        return found[0]["DBInstanceStatus"]

    def create_instance(self, cluster, engine, name, **more):
        self.rds.create_db_instance(
            AutoMinorVersionUpgrade=True, CopyTagsToSnapshot=False, DBClusterIdentifier=cluster,
            DBInstanceClass="db.r6g.large", DBInstanceIdentifier=name, Engine=engine, PromotionTier=0,
            PubliclyAccessible=False, Tags=TAGS, **more)
        wait(f"{name} is created", INSTANCE_AVAILABLE, lambda: self.instance_status(name), "available")

    def delete_instance(self, name):
        self.rds.delete_db_instance(DBInstanceIdentifier=name)
        error = self.rds.exceptions.InvalidDBInstanceStateFault
        try:
            self.rds.delete_db_instance(DBInstanceIdentifier=name)
        except error as again:
            assert "is already being deleted" in str(again)
        except self.rds.exceptions.DBInstanceNotFoundFault:
            pass
        wait(f"{name} is deleted", INSTANCE_DELETED, lambda: self.instance_status(name))

    def group(self, level, name, family, parameters):
        """Creates a parameter group, sets its parameters and reads it; those of the class are the system's."""
        key = f"{'DBClusterParameterGroup' if level == 'db_cluster' else 'DBParameterGroup'}"
        made = getattr(self.rds, f"create_{level}_parameter_group")(
            **{f"{key}Name": name, "DBParameterGroupFamily": family, "Description": "Managed by Terraform", "Tags": TAGS})
        getattr(self.rds, f"modify_{level}_parameter_group")(**{f"{key}Name": name, "Parameters": parameters})
        found = getattr(self.rds, f"describe_{level}_parameter_groups")(**{f"{key}Name": name})[f"{key}s"]
        assert [(g[f"{key}Name"], g["Description"]) for g in found] == [(name, "Managed by Terraform")]
        values = {}
        for source in ("user", "system"):
            pages = self.rds.get_paginator(f"describe_{level}_parameters").paginate(
                **{f"{key}Name": name, "Source": source})
            values[source] = {p["ParameterName"]: p["ParameterValue"] for page in pages for p in page["Parameters"]}
        assert values["user"] == {p["ParameterName"]: p["ParameterValue"] for p in parameters}
        assert values["system"]["max_connections"] == {
            "aurora-postgresql15": "LEAST({DBInstanceClassMemory/9531392},5000)",
            "aurora-mysql10.11": "GREATEST({log(DBInstanceClassMemory/805306368,2)*45},"
                                 "{log(DBInstanceClassMemory/8187281408,2)*1000})"}[family]
        assert not set(values["user"]) & set(values["system"]) and "log_statement" not in values["system"]
        arn = made[key][f"{key}Arn"]
        assert self.rds.list_tags_for_resource(ResourceName=arn)["TagList"] == TAGS


@pytest.mark.parametrize("engine, parameter, family", [
    ("aurora-postgresql", {"ParameterName": "work_mem", "ParameterValue": "8192", "ApplyMethod": "immediate"},
     "aurora-postgresql15"),
    ("aurora-mysql", {"ParameterName": "connect_timeout", "ParameterValue": "17", "ApplyMethod": "immediate"},
     "aurora-mysql10.11"),
])
def test_apply_change_and_destroy(api, request, engine, parameter, family):
    request.getfixturevalue("postgres" if engine == "aurora-postgresql" else "maria")  # The parameters are known then.
    provider, rds, name = Provider(api), api.rds, api.name("tf")
    # The data sources that configurations begin with.
    version = rds.describe_db_engine_versions(Engine=engine, DefaultOnly=True, IncludeAll=False)["DBEngineVersions"]
    assert len(version) == 1
    options = rds.describe_orderable_db_instance_options(
        Engine=engine, EngineVersion=version[0]["EngineVersion"], MaxRecords=1000)["OrderableDBInstanceOptions"]
    assert "db.r6g.large" in {o["DBInstanceClass"] for o in options}

    rds.create_db_subnet_group(
        DBSubnetGroupName=name + ".net_1", DBSubnetGroupDescription="Managed by Terraform",
        SubnetIds=["subnet-1", "subnet-2", "subnet-3"], Tags=TAGS)
    subnets = rds.describe_db_subnet_groups(DBSubnetGroupName=name + ".net_1")["DBSubnetGroups"][0]
    assert len(subnets["Subnets"]) == 3 and subnets["VpcId"]
    provider.group("db_cluster", name, family, [parameter])
    provider.group("db", name, family, [parameter])

    rds.create_db_cluster(
        DBClusterIdentifier=name, Engine=engine, EngineMode="provisioned", EngineVersion=version[0]["EngineVersion"],
        CopyTagsToSnapshot=False, DeletionProtection=False, MasterUsername="app", MasterUserPassword=PASSWORD,
        DatabaseName="shop", DBClusterParameterGroupName=name, DBSubnetGroupName=name + ".net_1", StorageEncrypted=True,
        AvailabilityZones=["us-east-1a", "us-east-1b", "us-east-1c"], BackupRetentionPeriod=5, NetworkType="IPV4",
        PreferredBackupWindow="07:00-09:00", PreferredMaintenanceWindow="Wed:04:00-Wed:04:30",
        EngineLifecycleSupport="open-source-rds-extended-support-disabled", EnableCloudwatchLogsExports=[
            "postgresql" if engine == "aurora-postgresql" else "error"],
        VpcSecurityGroupIds=["sg-1"], Tags=TAGS)
    wait(f"{name} is created", CLUSTER_CREATED, lambda: provider.cluster_status(name), "available")
    before = provider.read_cluster(name)
    assert before["EngineLifecycleSupport"] == "open-source-rds-extended-support-disabled"
    assert before["PreferredMaintenanceWindow"] == "wed:04:00-wed:04:30" and before["NetworkType"] == "IPV4"
    assert set(before["AvailabilityZones"]) == {"us-east-1a", "us-east-1b", "us-east-1c"}
    for number in (1, 2):
        provider.create_instance(name, engine, f"{name}-{number}", DBParameterGroupName=name, MonitoringInterval=0)
    cluster = provider.read_cluster(name)
    assert sorted(m["DBInstanceIdentifier"] for m in cluster["DBClusterMembers"]) == [f"{name}-1", f"{name}-2"]

    # The same again changes nothing; what is changed is there when the wait is over.
    rds.modify_db_cluster(
        DBClusterIdentifier=name, ApplyImmediately=False, BackupRetentionPeriod=5, EngineVersion=before["EngineVersion"],
        DBClusterParameterGroupName=name, DeletionProtection=False, CopyTagsToSnapshot=False,
        EnableIAMDatabaseAuthentication=False, Port=before["Port"], VpcSecurityGroupIds=["sg-1"],
        PerformanceInsightsRetentionPeriod=0, DatabaseInsightsMode="standard", EnablePerformanceInsights=False)
    wait("nothing is changed", CLUSTER_UPDATED, lambda: provider.cluster_status(name), "available")
    assert provider.read_cluster(name) == cluster
    rds.modify_db_cluster(
        DBClusterIdentifier=name, ApplyImmediately=True, BackupRetentionPeriod=7, MasterUserPassword=PASSWORD + "2",
        VpcSecurityGroupIds=[],
        CloudwatchLogsExportConfiguration={"EnableLogTypes": [], "DisableLogTypes": cluster["EnabledCloudwatchLogsExports"]})
    wait("it is changed", CLUSTER_UPDATED, lambda: provider.cluster_status(name), "available")
    changed = provider.read_cluster(name)
    assert changed["BackupRetentionPeriod"] == 7 and not changed.get("EnabledCloudwatchLogsExports")
    assert [g["VpcSecurityGroupId"] for g in changed["VpcSecurityGroups"]] == ["sg-default"]
    rds.modify_db_instance(
        DBInstanceIdentifier=f"{name}-2", ApplyImmediately=True, PromotionTier=3, DBInstanceClass="db.t4g.medium")
    wait("its class is changed", INSTANCE_AVAILABLE, lambda: provider.instance_status(f"{name}-2"), "available")
    assert api.instance(f"{name}-2")["DBInstanceClass"] == "db.t4g.medium"
    # A change that only a major upgrade has is what the provider leaves out then.
    said = refused(
        rds.modify_db_cluster, "InvalidParameterCombination", DBClusterIdentifier=name, DBInstanceParameterGroupName=name)
    assert "db-instance-parameter-group-name can only be specified for a major" in said["Error"]["Message"]
    for level, key in [("db_cluster", "DBClusterParameterGroupName"), ("db", "DBParameterGroupName")]:
        reset = getattr(rds, f"reset_{level}_parameter_group")
        reset(**{key: name, "Parameters": [parameter], "ResetAllParameters": False})

    # Terraform destroys all instances at once, then the cluster, then what it used.
    provider.delete_instance(f"{name}-1")
    provider.delete_instance(f"{name}-2")
    rds.delete_db_cluster(DBClusterIdentifier=name, DeleteAutomatedBackups=True, SkipFinalSnapshot=True)
    wait(f"{name} is deleted", CLUSTER_DELETED, lambda: provider.cluster_status(name))
    rds.delete_db_cluster_parameter_group(DBClusterParameterGroupName=name)
    rds.delete_db_parameter_group(DBParameterGroupName=name)
    rds.delete_db_subnet_group(DBSubnetGroupName=name + ".net_1")


def test_what_a_region_has_none_of(api):
    rds = api.rds
    assert rds.describe_global_clusters()["GlobalClusters"] == []
    refused(rds.describe_global_clusters, "GlobalClusterNotFoundFault", GlobalClusterIdentifier="nobody")
    assert rds.describe_pending_maintenance_actions()["PendingMaintenanceActions"] == []
    assert rds.describe_blue_green_deployments()["BlueGreenDeployments"] == []
    assert rds.describe_db_cluster_snapshots(DBClusterIdentifier="demo")["DBClusterSnapshots"] == []
    refused(
        rds.describe_db_cluster_snapshots, "DBClusterSnapshotNotFoundFault", DBClusterSnapshotIdentifier="nobody")
    assert rds.describe_db_cluster_automated_backups()["DBClusterAutomatedBackups"] == []
