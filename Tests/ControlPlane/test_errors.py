# SPDX-License-Identifier: Apache-2.0
"""Every error that AWS's model gives to an operation of clusters, instances, endpoints, groups, tags, subscriptions and
proxies: each is provoked here, or belongs to something that the region does not have (`NOT_HERE`), or is a quota, which the unit
tests reach. A new operation or error of the model fails the last test until it is decided upon."""

import pytest
from botocore.exceptions import ClientError

from conftest import PASSWORD
from harness.region import until

TOPIC = "arn:aws:sns:us-east-1:123456789012:t"
ARN = "arn:aws:rds:us-east-1:123456789012:"
SUBNETS = ["subnet-1", "subnet-2"]
FAMILY = "aurora-postgresql15"

CLUSTER = {"DBClusterIdentifier": "x", "Engine": "aurora-postgresql", "MasterUsername": "app", "MasterUserPassword": PASSWORD}
INSTANCE = {
    "DBInstanceIdentifier": "x", "DBClusterIdentifier": "BARE", "Engine": "aurora-postgresql", "DBInstanceClass": "db.r6g.large"}
SUBSCRIPTION = {"SubscriptionName": "x", "SnsTopicArn": TOPIC}
ENDPOINT = {"DBClusterIdentifier": "demo", "DBClusterEndpointIdentifier": "x", "EndpointType": "ANY"}
PROXY = {
    "DBProxyName": "x", "EngineFamily": "POSTGRESQL", "RoleArn": "arn:aws:iam::123456789012:role/any", "VpcSubnetIds": SUBNETS}
PROXY_ENDPOINT = {"DBProxyName": "PROXY", "DBProxyEndpointName": "x", "VpcSubnetIds": SUBNETS}
WORK_MEM = [{"ParameterName": "work_mem", "ParameterValue": "64", "ApplyMethod": "immediate"}]


def groups(level, noun):
    """The rows of a level's parameter groups."""
    name, nobody = f"{noun}Name", {f"{noun}Name": "nobody"}
    default = {f"{noun}Name": "default." + FAMILY}
    copy = {f"Source{noun}Identifier": "nobody", f"Target{noun}Identifier": "x", f"Target{noun}Description": "d"}
    missing, state = "DBParameterGroupNotFoundFault", "InvalidDBParameterGroupStateFault"
    parameters = "DescribeDBClusterParameters" if level == "cluster" else "DescribeDBParameters"
    return [
        (f"Create{noun}", "DBParameterGroupAlreadyExistsFault", {
            name: "GROUP", "DBParameterGroupFamily": FAMILY, "Description": "d"}),
        (f"Copy{noun}", missing, copy),
        (f"Copy{noun}", "DBParameterGroupAlreadyExistsFault", {
            **copy, f"Source{noun}Identifier": "GROUP", f"Target{noun}Identifier": "GROUP"}),
        (f"Modify{noun}", missing, {**nobody, "Parameters": WORK_MEM}),
        (f"Modify{noun}", state, {**default, "Parameters": WORK_MEM}),
        (f"Reset{noun}", missing, {**nobody, "ResetAllParameters": True}),
        (f"Reset{noun}", state, {**default, "ResetAllParameters": True}),
        (f"Delete{noun}", missing, nobody), (f"Delete{noun}", state, default),
        (f"Describe{noun}s", missing, nobody), (parameters, missing, nobody)]


# Operation, shape of the fault, arguments. Names in capitals are those of the fixture `names`.
ROWS = [
    ("CreateDBCluster", "DBClusterAlreadyExistsFault", {**CLUSTER, "DBClusterIdentifier": "demo"}),
    ("CreateDBCluster", "DBClusterParameterGroupNotFoundFault", {**CLUSTER, "DBClusterParameterGroupName": "nobody"}),
    ("CreateDBCluster", "DBSubnetGroupNotFoundFault", {**CLUSTER, "DBSubnetGroupName": "nobody"}),
    ("CreateDBCluster", "StorageTypeNotSupportedFault", {**CLUSTER, "StorageType": "gp3"}),
    ("CreateDBCluster", "KMSKeyNotAccessibleFault", {**CLUSTER, "KmsKeyId": "k"}),
    ("CreateDBCluster", "NetworkTypeNotSupported", {**CLUSTER, "NetworkType": "DUAL"}),
    ("CreateDBCluster", "OptionGroupNotFoundFault", {**CLUSTER, "OptionGroupName": "nobody"}),
    ("DescribeDBClusters", "DBClusterNotFoundFault", {"DBClusterIdentifier": "nobody"}),
    ("ModifyDBCluster", "DBClusterNotFoundFault", {"DBClusterIdentifier": "nobody"}),
    ("ModifyDBCluster", "InvalidDBClusterStateFault", {"DBClusterIdentifier": "STOPPED", "BackupRetentionPeriod": 3}),
    ("ModifyDBCluster", "DBClusterAlreadyExistsFault", {"DBClusterIdentifier": "BARE", "NewDBClusterIdentifier": "demo"}),
    ("ModifyDBCluster", "DBClusterParameterGroupNotFoundFault", {
        "DBClusterIdentifier": "BARE", "DBClusterParameterGroupName": "nobody"}),
    ("ModifyDBCluster", "StorageTypeNotSupportedFault", {"DBClusterIdentifier": "BARE", "StorageType": "gp3"}),
    ("ModifyDBCluster", "NetworkTypeNotSupported", {"DBClusterIdentifier": "BARE", "NetworkType": "DUAL"}),
    ("ModifyDBCluster", "OptionGroupNotFoundFault", {"DBClusterIdentifier": "BARE", "OptionGroupName": "nobody"}),
    ("DeleteDBCluster", "DBClusterNotFoundFault", {"DBClusterIdentifier": "nobody", "SkipFinalSnapshot": True}),
    ("DeleteDBCluster", "InvalidDBClusterStateFault", {"DBClusterIdentifier": "demo", "SkipFinalSnapshot": True}),
    ("StartDBCluster", "DBClusterNotFoundFault", {"DBClusterIdentifier": "nobody"}),
    ("StartDBCluster", "InvalidDBClusterStateFault", {"DBClusterIdentifier": "demo"}),
    ("StopDBCluster", "DBClusterNotFoundFault", {"DBClusterIdentifier": "nobody"}),
    ("StopDBCluster", "InvalidDBClusterStateFault", {"DBClusterIdentifier": "STOPPED"}),
    ("StopDBCluster", "InvalidDBInstanceStateFault", {"DBClusterIdentifier": "BARE"}),
    ("FailoverDBCluster", "DBClusterNotFoundFault", {"DBClusterIdentifier": "nobody"}),
    ("FailoverDBCluster", "InvalidDBClusterStateFault", {"DBClusterIdentifier": "demo"}),
    ("FailoverDBCluster", "InvalidDBInstanceStateFault", {
        "DBClusterIdentifier": "demo", "TargetDBInstanceIdentifier": "demo-1"}),

    ("CreateDBInstance", "DBInstanceAlreadyExistsFault", {**INSTANCE, "DBInstanceIdentifier": "demo-1"}),
    ("CreateDBInstance", "DBClusterNotFoundFault", {**INSTANCE, "DBClusterIdentifier": "nobody"}),
    ("CreateDBInstance", "InvalidDBClusterStateFault", {**INSTANCE, "DBClusterIdentifier": "STOPPED"}),
    ("CreateDBInstance", "DBParameterGroupNotFoundFault", {**INSTANCE, "DBParameterGroupName": "nobody"}),
    ("CreateDBInstance", "CertificateNotFoundFault", {**INSTANCE, "CACertificateIdentifier": "nobody"}),
    ("CreateDBInstance", "StorageTypeNotSupportedFault", {**INSTANCE, "StorageType": "gp3"}),
    ("CreateDBInstance", "NetworkTypeNotSupported", {**INSTANCE, "NetworkType": "DUAL"}),
    ("CreateDBInstance", "OptionGroupNotFoundFault", {**INSTANCE, "OptionGroupName": "nobody"}),
    ("CreateDBInstance", "InvalidVPCNetworkStateFault", {
        **INSTANCE, "DBClusterIdentifier": "NARROW", "AvailabilityZone": "us-east-1c"}),
    ("DescribeDBInstances", "DBInstanceNotFoundFault", {"DBInstanceIdentifier": "nobody"}),
    ("ModifyDBInstance", "DBInstanceNotFoundFault", {"DBInstanceIdentifier": "nobody"}),
    ("ModifyDBInstance", "InvalidDBInstanceStateFault", {"DBInstanceIdentifier": "STOPPED-1", "PromotionTier": 2}),
    ("ModifyDBInstance", "DBInstanceAlreadyExistsFault", {
        "DBInstanceIdentifier": "demo-1", "NewDBInstanceIdentifier": "STOPPED-1"}),
    ("ModifyDBInstance", "DBParameterGroupNotFoundFault", {
        "DBInstanceIdentifier": "demo-1", "DBParameterGroupName": "nobody"}),
    ("ModifyDBInstance", "CertificateNotFoundFault", {
        "DBInstanceIdentifier": "demo-1", "CACertificateIdentifier": "nobody"}),
    ("ModifyDBInstance", "StorageTypeNotSupportedFault", {"DBInstanceIdentifier": "demo-1", "StorageType": "gp3"}),
    ("ModifyDBInstance", "NetworkTypeNotSupported", {"DBInstanceIdentifier": "demo-1", "NetworkType": "DUAL"}),
    ("ModifyDBInstance", "OptionGroupNotFoundFault", {"DBInstanceIdentifier": "demo-1", "OptionGroupName": "nobody"}),
    ("DeleteDBInstance", "DBInstanceNotFoundFault", {"DBInstanceIdentifier": "nobody"}),
    ("DeleteDBInstance", "InvalidDBClusterStateFault", {"DBInstanceIdentifier": "STOPPED-1"}),
    ("RebootDBInstance", "DBInstanceNotFoundFault", {"DBInstanceIdentifier": "nobody"}),
    ("RebootDBInstance", "InvalidDBInstanceStateFault", {"DBInstanceIdentifier": "STOPPED-1"}),
    ("DescribeDBLogFiles", "DBInstanceNotFoundFault", {"DBInstanceIdentifier": "nobody"}),
    ("DownloadDBLogFilePortion", "DBInstanceNotFoundFault", {"DBInstanceIdentifier": "nobody", "LogFileName": "x"}),
    ("DownloadDBLogFilePortion", "DBLogFileNotFoundFault", {"DBInstanceIdentifier": "demo-1", "LogFileName": "x"}),

    ("CreateDBClusterEndpoint", "DBClusterNotFoundFault", {**ENDPOINT, "DBClusterIdentifier": "nobody"}),
    ("CreateDBClusterEndpoint", "InvalidDBClusterStateFault", {**ENDPOINT, "DBClusterIdentifier": "STOPPED"}),
    ("CreateDBClusterEndpoint", "DBClusterEndpointAlreadyExistsFault", {**ENDPOINT, "DBClusterEndpointIdentifier": "AWAKE"}),
    ("CreateDBClusterEndpoint", "DBInstanceNotFoundFault", {**ENDPOINT, "StaticMembers": ["nobody"]}),
    ("CreateDBClusterEndpoint", "InvalidDBInstanceStateFault", {**ENDPOINT, "StaticMembers": ["STOPPED-1"]}),
    ("DescribeDBClusterEndpoints", "DBClusterNotFoundFault", {"DBClusterIdentifier": "nobody"}),
    ("ModifyDBClusterEndpoint", "DBClusterEndpointNotFoundFault", {"DBClusterEndpointIdentifier": "nobody"}),
    ("ModifyDBClusterEndpoint", "InvalidDBClusterStateFault", {"DBClusterEndpointIdentifier": "ASLEEP"}),
    ("ModifyDBClusterEndpoint", "DBInstanceNotFoundFault", {
        "DBClusterEndpointIdentifier": "AWAKE", "StaticMembers": ["nobody"]}),
    ("ModifyDBClusterEndpoint", "InvalidDBInstanceStateFault", {
        "DBClusterEndpointIdentifier": "AWAKE", "ExcludedMembers": ["STOPPED-1"]}),
    ("DeleteDBClusterEndpoint", "DBClusterEndpointNotFoundFault", {"DBClusterEndpointIdentifier": "nobody"}),

    *groups("cluster", "DBClusterParameterGroup"), *groups("instance", "DBParameterGroup"),

    ("CreateDBSubnetGroup", "DBSubnetGroupAlreadyExistsFault", {
        "DBSubnetGroupName": "default", "DBSubnetGroupDescription": "d", "SubnetIds": SUBNETS}),
    ("CreateDBSubnetGroup", "DBSubnetGroupDoesNotCoverEnoughAZs", {
        "DBSubnetGroupName": "x", "DBSubnetGroupDescription": "d", "SubnetIds": SUBNETS[:1]}),
    ("CreateDBSubnetGroup", "InvalidSubnet", {
        "DBSubnetGroupName": "x", "DBSubnetGroupDescription": "d", "SubnetIds": ["nonsense", "subnet-1"]}),
    ("ModifyDBSubnetGroup", "DBSubnetGroupNotFoundFault", {"DBSubnetGroupName": "nobody", "SubnetIds": SUBNETS}),
    ("ModifyDBSubnetGroup", "DBSubnetGroupDoesNotCoverEnoughAZs", {"DBSubnetGroupName": "NARROW", "SubnetIds": SUBNETS[:1]}),
    ("ModifyDBSubnetGroup", "InvalidSubnet", {"DBSubnetGroupName": "NARROW", "SubnetIds": ["nonsense", "subnet-1"]}),
    ("ModifyDBSubnetGroup", "SubnetAlreadyInUse", {"DBSubnetGroupName": "WIDE", "SubnetIds": SUBNETS}),
    ("DeleteDBSubnetGroup", "DBSubnetGroupNotFoundFault", {"DBSubnetGroupName": "nobody"}),
    ("DeleteDBSubnetGroup", "InvalidDBSubnetGroupStateFault", {"DBSubnetGroupName": "NARROW"}),
    ("DescribeDBSubnetGroups", "DBSubnetGroupNotFoundFault", {"DBSubnetGroupName": "nobody"}),

    ("CreateEventSubscription", "SubscriptionAlreadyExistFault", {**SUBSCRIPTION, "SubscriptionName": "SUB"}),
    ("CreateEventSubscription", "SNSInvalidTopicFault", {**SUBSCRIPTION, "SnsTopicArn": "nowhere"}),
    ("CreateEventSubscription", "SNSTopicArnNotFoundFault", {
        **SUBSCRIPTION, "SnsTopicArn": TOPIC.replace("us-east-1", "eu-west-1")}),
    ("CreateEventSubscription", "SubscriptionCategoryNotFoundFault", {
        **SUBSCRIPTION, "SourceType": "db-cluster", "EventCategories": ["weather"]}),
    ("CreateEventSubscription", "SourceNotFoundFault", {
        **SUBSCRIPTION, "SourceType": "db-cluster", "SourceIds": ["nobody"]}),
    ("ModifyEventSubscription", "SubscriptionNotFoundFault", {"SubscriptionName": "nobody"}),
    ("ModifyEventSubscription", "SNSInvalidTopicFault", {"SubscriptionName": "SUB", "SnsTopicArn": "nowhere"}),
    ("ModifyEventSubscription", "SNSTopicArnNotFoundFault", {
        "SubscriptionName": "SUB", "SnsTopicArn": TOPIC.replace("us-east-1", "eu-west-1")}),
    ("ModifyEventSubscription", "SubscriptionCategoryNotFoundFault", {
        "SubscriptionName": "SUB", "SourceType": "db-cluster", "EventCategories": ["weather"]}),
    ("AddSourceIdentifierToSubscription", "SubscriptionNotFoundFault", {
        "SubscriptionName": "nobody", "SourceIdentifier": "demo"}),
    ("AddSourceIdentifierToSubscription", "SourceNotFoundFault", {"SubscriptionName": "SUB", "SourceIdentifier": "nobody"}),
    ("RemoveSourceIdentifierFromSubscription", "SubscriptionNotFoundFault", {
        "SubscriptionName": "nobody", "SourceIdentifier": "demo"}),
    ("RemoveSourceIdentifierFromSubscription", "SourceNotFoundFault", {
        "SubscriptionName": "SUB", "SourceIdentifier": "nobody"}),
    ("DeleteEventSubscription", "SubscriptionNotFoundFault", {"SubscriptionName": "nobody"}),
    ("DescribeEventSubscriptions", "SubscriptionNotFoundFault", {"SubscriptionName": "nobody"}),
    ("DescribeCertificates", "CertificateNotFoundFault", {"CertificateIdentifier": "nobody"}),
    *[(operation, fault, {"ResourceName": ARN + kind + ":nobody", **more})
      for operation, more in [
          ("AddTagsToResource", {"Tags": [{"Key": "a", "Value": "b"}]}), ("ListTagsForResource", {}),
          ("RemoveTagsFromResource", {"TagKeys": ["a"]})]
      for kind, fault in [("cluster", "DBClusterNotFoundFault"), ("db", "DBInstanceNotFoundFault"),
                          ("db-proxy", "DBProxyNotFoundFault"), ("db-proxy-endpoint", "DBProxyEndpointNotFoundFault"),
                          ("target-group", "DBProxyTargetGroupNotFoundFault")]],

    ("CreateDBProxy", "DBProxyAlreadyExistsFault", {**PROXY, "DBProxyName": "PROXY"}),
    ("CreateDBProxy", "InvalidSubnet", {**PROXY, "VpcSubnetIds": SUBNETS[:1]}),
    ("ModifyDBProxy", "DBProxyNotFoundFault", {"DBProxyName": "nobody"}),
    ("ModifyDBProxy", "DBProxyAlreadyExistsFault", {"DBProxyName": "PROXY", "NewDBProxyName": "IDLE"}),
    ("DeleteDBProxy", "DBProxyNotFoundFault", {"DBProxyName": "nobody"}),
    ("CreateDBProxyEndpoint", "DBProxyNotFoundFault", {**PROXY_ENDPOINT, "DBProxyName": "nobody"}),
    ("CreateDBProxyEndpoint", "DBProxyEndpointAlreadyExistsFault", {**PROXY_ENDPOINT, "DBProxyEndpointName": "DOOR"}),
    ("CreateDBProxyEndpoint", "InvalidSubnet", {**PROXY_ENDPOINT, "VpcSubnetIds": SUBNETS[:1]}),
    ("ModifyDBProxyEndpoint", "DBProxyEndpointNotFoundFault", {"DBProxyEndpointName": "nobody"}),
    ("ModifyDBProxyEndpoint", "DBProxyEndpointAlreadyExistsFault", {
        "DBProxyEndpointName": "DOOR", "NewDBProxyEndpointName": "GATE"}),
    ("DeleteDBProxyEndpoint", "DBProxyEndpointNotFoundFault", {"DBProxyEndpointName": "nobody"}),
    ("DescribeDBProxies", "DBProxyNotFoundFault", {"DBProxyName": "nobody"}),
    ("DescribeDBProxyEndpoints", "DBProxyNotFoundFault", {"DBProxyName": "nobody"}),
    ("DescribeDBProxyEndpoints", "DBProxyEndpointNotFoundFault", {"DBProxyEndpointName": "nobody"}),
    ("RegisterDBProxyTargets", "DBProxyTargetAlreadyRegisteredFault", {
        "DBProxyName": "PROXY", "DBClusterIdentifiers": ["demo"]}),
    ("RegisterDBProxyTargets", "DBClusterNotFoundFault", {"DBProxyName": "IDLE", "DBClusterIdentifiers": ["nobody"]}),
    ("RegisterDBProxyTargets", "DBInstanceNotFoundFault", {"DBProxyName": "IDLE", "DBInstanceIdentifiers": ["nobody"]}),
    ("DeregisterDBProxyTargets", "DBProxyTargetNotFoundFault", {"DBProxyName": "IDLE", "DBClusterIdentifiers": ["demo"]}),
    *[(operation, fault, {"DBProxyName": proxy, "TargetGroupName": group, **more})
      for operation, more in [
          ("RegisterDBProxyTargets", {"DBClusterIdentifiers": ["demo"]}),
          ("DeregisterDBProxyTargets", {"DBClusterIdentifiers": ["demo"]}),
          ("DescribeDBProxyTargets", {}), ("DescribeDBProxyTargetGroups", {}), ("ModifyDBProxyTargetGroup", {})]
      for proxy, group, fault in [("nobody", "default", "DBProxyNotFoundFault"),
                                  ("PROXY", "nobody", "DBProxyTargetGroupNotFoundFault")]],
]

# Reached in Tests/ControlPlaneTests/QuotaTests.swift and, for endpoints, in test_endpoints.py.
QUOTAS = {
    "DBClusterQuotaExceededFault", "InstanceQuotaExceededFault", "DBParameterGroupQuotaExceededFault",
    "DBSubnetGroupQuotaExceededFault", "DBSubnetQuotaExceededFault", "EventSubscriptionQuotaExceededFault",
    "DBClusterEndpointQuotaExceededFault", "DBProxyQuotaExceededFault", "DBProxyEndpointQuotaExceededFault"}

# Faults of what a region does not have, whatever the operation.
NOT_HERE = {
    "accounts that do not trust each other": {"AuthorizationNotFoundFault", "SNSNoAuthorizationFault"},
    "capacity, which is the machine's": {
        "InsufficientDBInstanceCapacityFault", "InsufficientStorageClusterCapacityFault", "StorageQuotaExceededFault",
        "ProvisionedIopsNotAvailableInAZFault", "DBCapacityReservationNotFoundFault", "StorageTypeNotAvailableFault",
        "InvalidDBCapacityReservationStateFault", "DBInstanceNotReadyFault"},
    "snapshots and backups": {
        "SnapshotQuotaExceededFault", "DBClusterSnapshotAlreadyExistsFault", "InvalidDBClusterSnapshotStateFault",
        "DBSnapshotAlreadyExistsFault", "DBSnapshotNotFoundFault", "DBClusterAutomatedBackupQuotaExceededFault",
        "DBInstanceAutomatedBackupQuotaExceededFault", "BackupPolicyNotFoundFault", "DBSnapshotTenantDatabaseNotFoundFault"},
    "global clusters": {"GlobalClusterNotFoundFault", "InvalidGlobalClusterStateFault"},
    "networks, directories, security groups": {
        "VpcEncryptionControlViolationException", "DomainNotFoundFault", "DBSecurityGroupNotFoundFault",
        "InvalidDBSecurityGroupStateFault", "InvalidDBSubnetStateFault", "InvalidDBSubnetGroupFault",
        "InsufficientAvailableIPsInSubnetFault"},
    "other engines and products": {
        "TenantDatabaseQuotaExceededFault", "TenantDatabaseNotFoundFault", "DBShardGroupNotFoundFault",
        "InvalidDBShardGroupStateFault", "IntegrationNotFoundFault", "BlueGreenDeploymentNotFoundFault",
        "DBClusterRoleQuotaExceededFault", "DBUpgradeDependencyFailureFault"},
    "states in which subscriptions cannot be": {"InvalidEventSubscriptionStateFault"},
}

# What cannot happen for a single operation.
NEVER = {
    ("CreateDBCluster", fault): "a subnet group has had its subnets checked" for fault in [
        "DBSubnetGroupDoesNotCoverEnoughAZs", "InvalidSubnet", "InvalidDBSubnetGroupStateFault",
        "InvalidVPCNetworkStateFault"]
} | {
    ("CreateDBCluster", fault): "there is no cluster to replicate from" for fault in [
        "DBClusterNotFoundFault", "DBInstanceNotFoundFault", "InvalidDBInstanceStateFault", "InvalidDBClusterStateFault"]
} | {
    ("ModifyDBCluster", fault): "neither the subnets nor the key of a cluster are changed" for fault in [
        "InvalidSubnet", "InvalidDBSubnetGroupStateFault", "DBSubnetGroupNotFoundFault", "InvalidVPCNetworkStateFault",
        "KMSKeyNotAccessibleFault", "DBParameterGroupNotFoundFault", "DBInstanceAlreadyExistsFault",
        "InvalidDBInstanceStateFault"]
} | {
    ("CreateDBInstance", fault): "the cluster has its subnets and its key" for fault in [
        "DBSubnetGroupDoesNotCoverEnoughAZs", "InvalidSubnet", "KMSKeyNotAccessibleFault", "DBSubnetGroupNotFoundFault"]
} | {
    ("ModifyDBInstance", fault): "the cluster has its network and its key, and its state is seen in the instance's"
    for fault in ["KMSKeyNotAccessibleFault", "InvalidVPCNetworkStateFault", "InvalidDBClusterStateFault"]
} | {
    ("DeleteDBCluster", "KMSKeyNotAccessibleFault"): "there is no snapshot to encrypt",
    ("DeleteDBInstance", "KMSKeyNotAccessibleFault"): "there is no snapshot to encrypt",
    ("RebootDBInstance", "KMSKeyNotAccessibleFault"): "keys are the region's own",
    ("StartDBCluster", "KMSKeyNotAccessibleFault"): "keys are the region's own",
    ("StartDBCluster", "InvalidDBInstanceStateFault"): "the instances of a stopped cluster are stopped",
    ("ModifyDBClusterEndpoint", "InvalidDBClusterEndpointStateFault"): "while an endpoint is made: EndpointStateTests.swift",
    ("DeleteDBClusterEndpoint", "InvalidDBClusterEndpointStateFault"): "while an endpoint is made: EndpointStateTests.swift",
    ("DeleteDBClusterEndpoint", "InvalidDBClusterStateFault"): "an endpoint is deleted in every state of its cluster",
    ("ModifyDBSubnetGroup", "InvalidDBSubnetGroupStateFault"): "a subnet group has no states",
    ("DeleteDBInstance", "InvalidDBInstanceStateFault"): "twice the same deletion: test_terraform.py",
} | {
    (operation, fault): "tags are changed in every state"
    for operation in ["AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource"]
    for fault in ["InvalidDBClusterEndpointStateFault", "InvalidDBInstanceStateFault", "InvalidDBClusterStateFault"]
} | {
    (operation, fault): "while a proxy or an endpoint is made, changed or deleted: ProxyStateTests.swift"
    for operation, fault in [
        ("ModifyDBProxy", "InvalidDBProxyStateFault"), ("DeleteDBProxy", "InvalidDBProxyStateFault"),
        ("CreateDBProxyEndpoint", "InvalidDBProxyStateFault"), ("RegisterDBProxyTargets", "InvalidDBProxyStateFault"),
        ("ModifyDBProxyTargetGroup", "InvalidDBProxyStateFault"),
        ("ModifyDBProxyEndpoint", "InvalidDBProxyEndpointStateFault"),
        ("DeleteDBProxyEndpoint", "InvalidDBProxyEndpointStateFault")]
} | {
    (operation, "InvalidDBProxyStateFault"): "this is done, or told, in every state of a proxy"
    for operation in ["ModifyDBProxyEndpoint", "DeregisterDBProxyTargets", "DescribeDBProxyTargets",
                      "DescribeDBProxyTargetGroups"]
} | {
    ("RegisterDBProxyTargets", fault): "a target is registered in every state" for fault in [
        "InvalidDBClusterStateFault", "InvalidDBInstanceStateFault"]
} | {
    ("DescribeDBProxyTargets", "DBProxyTargetNotFoundFault"): "no single target can be asked for",
}


@pytest.fixture(scope="module")
def names(api):
    """A cluster that is stopped, with a reader and an endpoint; one without instances; one in two zones; two proxies, of which
    one has a target and two endpoints; and of the other things one each."""
    rds = api.rds
    names = {name: api.name() for name in (
        "STOPPED", "BARE", "NARROW", "GROUP", "SUB", "ASLEEP", "AWAKE", "WIDE", "PROXY", "IDLE", "DOOR", "GATE")}
    names["STOPPED-1"] = names["STOPPED"] + "-1"
    for name, subnets in [("NARROW", SUBNETS), ("WIDE", [*SUBNETS, "subnet-3"])]:
        rds.create_db_subnet_group(DBSubnetGroupName=names[name], DBSubnetGroupDescription="d", SubnetIds=subnets)
    api.create(cluster=names["STOPPED"], DBSubnetGroupName=names["WIDE"], wait=False, zone="us-east-1c")
    for name in ("BARE", "NARROW"):
        more = {"DBSubnetGroupName": names[name]} if name == "NARROW" else {}
        rds.create_db_cluster(**{**CLUSTER, "DBClusterIdentifier": names[name]}, **more)
    rds.create_db_parameter_group(DBParameterGroupName=names["GROUP"], DBParameterGroupFamily=FAMILY, Description="d")
    rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName=names["GROUP"], DBParameterGroupFamily=FAMILY, Description="d")
    rds.create_event_subscription(SubscriptionName=names["SUB"], SnsTopicArn=TOPIC, SourceType="db-cluster")
    for name in ("BARE", "NARROW"):
        api.wait("db_cluster_available", DBClusterIdentifier=names[name])
    api.wait("db_instance_available", DBInstanceIdentifier=names["STOPPED-1"])
    for endpoint, cluster in [("ASLEEP", names["STOPPED"]), ("AWAKE", "demo")]:
        rds.create_db_cluster_endpoint(
            DBClusterIdentifier=cluster, DBClusterEndpointIdentifier=names[endpoint], EndpointType="ANY")

    def status(name):
        return rds.describe_db_cluster_endpoints(
            DBClusterEndpointIdentifier=names[name])["DBClusterEndpoints"][0]["Status"]
    until("the endpoints are there", lambda: [status("ASLEEP"), status("AWAKE")] == ["available"] * 2, 60)
    reader = names["STOPPED"] + "-2"
    rds.create_db_instance(**{**INSTANCE, "DBClusterIdentifier": names["STOPPED"], "DBInstanceIdentifier": reader})
    for name in ("PROXY", "IDLE"):
        rds.create_db_proxy(**{**PROXY, "DBProxyName": names[name]})
    rds.register_db_proxy_targets(DBProxyName=names["PROXY"], DBClusterIdentifiers=["demo"])

    def proxy(name):
        return rds.describe_db_proxies(DBProxyName=names[name])["DBProxies"][0]["Status"]
    until("the proxies are there", lambda: [proxy("PROXY"), proxy("IDLE")] == ["available"] * 2, 60)
    for name in ("DOOR", "GATE"):
        rds.create_db_proxy_endpoint(
            **{**PROXY_ENDPOINT, "DBProxyName": names["PROXY"], "DBProxyEndpointName": names[name]})
    until("their endpoints are there", lambda: {e["Status"] for e in rds.describe_db_proxy_endpoints(
        DBProxyName=names["PROXY"])["DBProxyEndpoints"]} == {"available"}, 60)
    api.wait("db_instance_available", DBInstanceIdentifier=reader)
    rds.stop_db_cluster(DBClusterIdentifier=names["STOPPED"])
    until("it has stopped", lambda: api.cluster(names["STOPPED"])["Status"] == "stopped", 60)
    yield names
    for name in ("PROXY", "IDLE"):
        rds.delete_db_proxy(DBProxyName=names[name])
    rds.delete_db_instance(DBInstanceIdentifier=reader)
    api.wait("db_instance_deleted", DBInstanceIdentifier=reader)
    rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier=names["AWAKE"])
    for name in ("STOPPED", "BARE", "NARROW"):
        api.delete(names[name])
    for name in ("NARROW", "WIDE"):
        rds.delete_db_subnet_group(DBSubnetGroupName=names[name])
    rds.delete_db_parameter_group(DBParameterGroupName=names["GROUP"])
    rds.delete_db_cluster_parameter_group(DBClusterParameterGroupName=names["GROUP"])
    rds.delete_event_subscription(SubscriptionName=names["SUB"])


def method(api, operation):
    mapping = api.rds.meta.method_to_api_mapping
    return getattr(api.rds, next(name for name, found in mapping.items() if found == operation))


@pytest.mark.parametrize("operation, fault, arguments", ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS])
def test_refused(api, names, operation, fault, arguments):
    def named(value):
        return [named(v) for v in value] if isinstance(value, list) else names.get(value, value) if isinstance(
            value, str) else value
    with pytest.raises(ClientError) as error:
        method(api, operation)(**{key: named(value) for key, value in arguments.items()})
    shape = api.rds.meta.service_model.shape_for(fault)
    said = error.value.response
    assert said["Error"]["Code"] == shape.error_code, said
    assert said["ResponseMetadata"]["HTTPStatusCode"] == shape.metadata["error"]["httpStatusCode"]
    assert said["Error"]["Message"] and said["Error"]["Type"] == "Sender"


REFUSED_VALUES = [
    *[("CreateDBCluster", "InvalidParameterCombination", {**CLUSTER, name: value}) for name, value in {
        "ReplicationSourceIdentifier": "x", "GlobalClusterIdentifier": "x", "EnableIAMDatabaseAuthentication": True,
        "EnableHttpEndpoint": True, "ManageMasterUserPassword": True, "EnableGlobalWriteForwarding": True,
        "EnableLocalWriteForwarding": True, "ServerlessV2ScalingConfiguration": {"MinCapacity": 1, "MaxCapacity": 2},
        "Domain": "d", "DBClusterInstanceClass": "db.r6g.large", "Iops": 1000, "AllocatedStorage": 100,
        "EnablePerformanceInsights": True, "MonitoringInterval": 60, "DatabaseInsightsMode": "advanced",
        "ClusterScalabilityType": "limitless", "MasterUserAuthenticationType": "iam-db-auth", "BacktrackWindow": 60,
        "StorageEncrypted": False, "EnableCloudwatchLogsExports": ["weather"]}.items()],
    *[("CreateDBCluster", "InvalidParameterValue", {**CLUSTER, name: value}) for name, value in {
        "AvailabilityZones": ["eu-west-1a"], "EngineMode": "parallelquery", "NetworkType": "IPX",
        "EngineLifecycleSupport": "for-ever", "DatabaseInsightsMode": "deep", "Port": 1149, "MasterUsername": "rdsadmin",
        "BackupRetentionPeriod": 0, "PreferredMaintenanceWindow": "sun:05:00", "DatabaseName": "1x",
        "DBClusterIdentifier": "x" * 64, "MasterUserPassword": "x" * 42, "PreferredBackupWindow": "05:00-05:29",
        "Tags": [{"Key": f"k-{n}", "Value": "v"} for n in range(51)]}.items()],
    *[("CreateDBCluster", "InvalidParameterValue", {**CLUSTER, "DatabaseName": name}) for name in ("template1", "rdsadmin")],
    *[("CreateDBCluster", "InvalidParameterValue", {**CLUSTER, "Engine": "aurora-mysql", "DatabaseName": name})
      for name in ("mysql", "information_schema", "performance_schema", "Sys")],
    ("CreateDBCluster", "InvalidParameterValue", {
        **CLUSTER, "PreferredBackupWindow": "05:00-06:00", "PreferredMaintenanceWindow": "mon:05:30-mon:06:30"}),
    ("ModifyDBCluster", "InvalidParameterValue", {"DBClusterIdentifier": "BARE", "PreferredBackupWindow": "04:45-05:15"}),
    ("ModifyDBInstance", "InvalidParameterValue", {
        "DBInstanceIdentifier": "demo-1", "PreferredMaintenanceWindow": "sun:05:00-sun:05:00"}),
    *[("CreateDBInstance", "InvalidParameterCombination", {**INSTANCE, name: value}) for name, value in {
        "MasterUserPassword": PASSWORD, "BackupRetentionPeriod": 3, "KmsKeyId": "k", "Port": 5433, "AllocatedStorage": 10,
        "MultiAZ": True, "EnablePerformanceInsights": True, "MonitoringInterval": 60, "Iops": 1000, "VpcSecurityGroupIds": [
            "sg-1"], "DBSubnetGroupName": "nobody", "DeletionProtection": True, "EnableIAMDatabaseAuthentication": True,
        "DBParameterGroupName": "default.aurora-mysql10.11"}.items()],
    *[("CreateDBInstance", "InvalidParameterValue", {**INSTANCE, name: value}) for name, value in {
        "DBInstanceIdentifier": "x_y", "DBInstanceClass": "db.huge", "PromotionTier": 16, "Engine": "oracle",
        "AvailabilityZone": "us-east-1d"}.items()],
    ("CreateDBInstance", "InvalidParameterCombination", {
        key: value for key, value in INSTANCE.items() if key != "DBClusterIdentifier"}),
    ("ModifyDBCluster", "InvalidParameterCombination", {"DBClusterIdentifier": "BARE", "Port": 5433}),
    ("ModifyDBCluster", "InvalidParameterCombination", {"DBClusterIdentifier": "BARE", "EngineVersion": "14.1"}),
    ("ModifyDBCluster", "InvalidParameterCombination", {"DBClusterIdentifier": "BARE", "RotateMasterUserPassword": True}),
    ("ModifyDBCluster", "InvalidParameterValue", {"DBClusterIdentifier": "BARE", "MasterUserPassword": "short"}),
    ("DeleteDBCluster", "InvalidParameterCombination", {"DBClusterIdentifier": "BARE"}),
    ("DeleteDBCluster", "InvalidParameterCombination", {
        "DBClusterIdentifier": "BARE", "FinalDBSnapshotIdentifier": "s", "SkipFinalSnapshot": True}),
    ("DeleteDBInstance", "InvalidParameterCombination", {
        "DBInstanceIdentifier": "demo-1", "FinalDBSnapshotIdentifier": "s"}),
    ("RebootDBInstance", "InvalidParameterCombination", {"DBInstanceIdentifier": "demo-1", "ForceFailover": True}),
    ("DescribeEvents", "InvalidParameterValue", {"SourceType": "weather"}),
    ("DescribeEvents", "InvalidParameterCombination", {"SourceIdentifier": "demo"}),
    ("DescribeEvents", "InvalidParameterValue", {"Duration": 20161}),
    ("CreateDBSubnetGroup", "InvalidParameterValue", {
        "DBSubnetGroupName": "a/b", "DBSubnetGroupDescription": "d", "SubnetIds": SUBNETS}),
]


@pytest.mark.parametrize(
    "operation, code, arguments", REFUSED_VALUES,
    ids=[f"{row[0]}-{row[1]}-{'-'.join(sorted(row[2])[-1:])}-{n}" for n, row in enumerate(REFUSED_VALUES)])
def test_refused_values(api, names, operation, code, arguments):
    with pytest.raises(ClientError) as error:
        method(api, operation)(**{
            key: names.get(value, value) if isinstance(value, str) else value for key, value in arguments.items()})
    said = error.value.response
    assert (said["Error"]["Code"], said["ResponseMetadata"]["HTTPStatusCode"]) == (code, 400), said


PAGED = [
    "DescribeDBClusters", "DescribeDBInstances", "DescribeDBClusterEndpoints", "DescribeDBClusterParameterGroups",
    "DescribeDBParameterGroups", "DescribeDBSubnetGroups", "DescribeEvents", "DescribeEventSubscriptions",
    "DescribeDBEngineVersions", "DescribeCertificates", "DescribeGlobalClusters", "DescribePendingMaintenanceActions"]


@pytest.mark.parametrize("operation", PAGED)
def test_pages_and_filters_that_cannot_be(api, operation):
    for arguments in [{"MaxRecords": 19}, {"MaxRecords": 101}, {"Marker": "%"}]:
        with pytest.raises(ClientError) as error:
            method(api, operation)(**arguments)
        assert error.value.response["Error"]["Code"] == "InvalidParameterValue"
    if operation not in ("DescribeGlobalClusters", "DescribePendingMaintenanceActions"):
        with pytest.raises(ClientError) as error:
            method(api, operation)(Filters=[{"Name": "colour", "Values": ["red"]}])
        assert error.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_every_error_is_decided_upon(api):
    tested = {(operation, fault) for operation, fault, _ in ROWS}
    absent = set().union(*NOT_HERE.values())
    open_ones, operations = [], {operation for operation, _ in tested}
    for name in operations:
        for shape in api.rds.meta.service_model.operation_model(name).error_shapes:
            pair = (name, shape.name)
            if pair not in tested and pair not in NEVER and shape.name not in absent | QUOTAS:
                open_ones.append(pair)
    assert open_ones == []
    assert not tested & set(NEVER)
