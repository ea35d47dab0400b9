# SPDX-License-Identifier: Apache-2.0
"""Resources that need no engine: groups, tags, events, subscriptions, catalogues, paging and filters."""

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from harness.region import until


def refused(call, expected, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    assert error.value.response["Error"]["Code"] == expected, error.value
    return error.value.response


def test_engine_versions(api):
    versions = {v["Engine"]: v for v in api.rds.describe_db_engine_versions()["DBEngineVersions"]}
    assert set(versions) == {"aurora-postgresql", "aurora-mysql"}
    assert versions["aurora-postgresql"]["DBParameterGroupFamily"] == "aurora-postgresql15"
    assert versions["aurora-mysql"]["EngineVersion"].startswith("10.")
    assert not api.rds.describe_db_engine_versions(Engine="mysql")["DBEngineVersions"]


def test_orderable_options_page(api):
    pages = list(api.rds.get_paginator("describe_orderable_db_instance_options").paginate(
        Engine="aurora-postgresql", PaginationConfig={"PageSize": 20}))
    classes = [o["DBInstanceClass"] for page in pages for o in page["OrderableDBInstanceOptions"]]
    assert len(pages) > 1 and len(classes) == len(set(classes)) and "db.r6g.large" in classes


def test_account_attributes(api):
    quotas = {q["AccountQuotaName"]: q for q in api.rds.describe_account_attributes()["AccountQuotas"]}
    assert quotas["DBClusters"]["Used"] >= 1 and quotas["DBClusters"]["Max"] >= quotas["DBClusters"]["Used"]


def test_subnet_groups(api):
    rds, name = api.rds, api.name("net")
    refused(
        rds.create_db_subnet_group, "DBSubnetGroupDoesNotCoverEnoughAZs", DBSubnetGroupName=name,
        DBSubnetGroupDescription="d", SubnetIds=["subnet-1"])
    refused(
        rds.create_db_subnet_group, "InvalidSubnet", DBSubnetGroupName=name, DBSubnetGroupDescription="d",
        SubnetIds=["nonsense", "subnet-1"])
    made = rds.create_db_subnet_group(
        DBSubnetGroupName=name.upper(), DBSubnetGroupDescription="d", SubnetIds=["subnet-1", "subnet-2"],
        Tags=[{"Key": "k", "Value": "v"}])["DBSubnetGroup"]
    assert made["DBSubnetGroupName"] == name
    assert len({s["SubnetAvailabilityZone"]["Name"] for s in made["Subnets"]}) == 2
    refused(
        rds.create_db_subnet_group, "DBSubnetGroupAlreadyExists", DBSubnetGroupName=name,
        DBSubnetGroupDescription="d", SubnetIds=["subnet-1", "subnet-2"])
    rds.modify_db_subnet_group(DBSubnetGroupName=name, SubnetIds=["subnet-1", "subnet-2", "subnet-3"])
    found = rds.describe_db_subnet_groups(DBSubnetGroupName=name)["DBSubnetGroups"][0]
    assert len(found["Subnets"]) == 3
    assert rds.list_tags_for_resource(ResourceName=made["DBSubnetGroupArn"])["TagList"] == [{"Key": "k", "Value": "v"}]
    rds.delete_db_subnet_group(DBSubnetGroupName=name)
    refused(rds.describe_db_subnet_groups, "DBSubnetGroupNotFoundFault", DBSubnetGroupName=name)
    refused(rds.delete_db_subnet_group, "InvalidDBSubnetGroupStateFault", DBSubnetGroupName="default")


@pytest.mark.parametrize("level", ["db_cluster_parameter_group", "db_parameter_group"])
def test_parameter_group_life(api, level):
    rds, name = api.rds, api.name("pg")
    noun = "DBClusterParameterGroup" if "cluster" in level else "DBParameterGroup"
    key = noun + "Name"
    create, copy = getattr(rds, f"create_{level}"), getattr(rds, f"copy_{level}")
    describe, delete = getattr(rds, f"describe_{level}s"), getattr(rds, f"delete_{level}")
    refused(create, "InvalidParameterValue", **{key: name, "DBParameterGroupFamily": "oracle", "Description": "d"})
    create(**{key: name, "DBParameterGroupFamily": "aurora-postgresql15", "Description": "d"})
    refused(
        create, "DBParameterGroupAlreadyExists",
        **{key: name, "DBParameterGroupFamily": "aurora-postgresql15", "Description": "d"})
    copied = copy(**{
        f"Source{noun}Identifier": name, f"Target{noun}Identifier": name + "-copy", f"Target{noun}Description": "c"})
    assert copied[noun]["DBParameterGroupFamily"] == "aurora-postgresql15"
    names = [g[key] for page in api.rds.get_paginator(f"describe_{level}s").paginate() for g in page[noun + "s"]]
    assert {name, name + "-copy", "default.aurora-postgresql15"} <= set(names) and names == sorted(names)
    for one in (name, name + "-copy"):
        delete(**{key: one})
    refused(describe, "DBParameterGroupNotFound", **{key: name})
    refused(delete, "InvalidDBParameterGroupState", **{key: "default.aurora-postgresql15"})


def test_tags(api):
    rds, arn = api.rds, api.cluster("demo")["DBClusterArn"]
    rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "a", "Value": "3"}])
    tags = {t["Key"]: t["Value"] for t in rds.list_tags_for_resource(ResourceName=arn)["TagList"]}
    assert tags == {"a": "3", "b": "2"}
    assert {t["Key"] for t in api.cluster("demo")["TagList"]} == {"a", "b"}
    rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["a", "b"])
    assert not rds.list_tags_for_resource(ResourceName=arn)["TagList"]
    refused(rds.list_tags_for_resource, "DBClusterNotFoundFault", ResourceName=arn + "x")
    refused(rds.list_tags_for_resource, "InvalidParameterValue", ResourceName="arn:aws:s3:::x")
    refused(rds.add_tags_to_resource, "InvalidParameterValue", ResourceName=arn, Tags=[{"Key": "aws:x", "Value": ""}])


def test_tags_of_a_proxys_endpoints_and_target_group(api):
    rds, name, tags = api.rds, api.name("px"), [{"Key": "a", "Value": "1"}]
    rds.create_db_proxy(
        DBProxyName=name, EngineFamily="MYSQL", RoleArn="arn:aws:iam::123456789012:role/any",
        VpcSubnetIds=["subnet-1", "subnet-2"])
    proxy = lambda: rds.describe_db_proxies(DBProxyName=name)["DBProxies"][0]["Status"]
    until("it is there", lambda: proxy() == "available", 60)
    made = rds.create_db_proxy_endpoint(
        DBProxyName=name, DBProxyEndpointName=f"{name}-2", VpcSubnetIds=["subnet-1", "subnet-2"], Tags=tags)
    arn = made["DBProxyEndpoint"]["DBProxyEndpointArn"]
    assert rds.list_tags_for_resource(ResourceName=arn)["TagList"] == tags
    others = [e["DBProxyEndpointArn"] for e in rds.describe_db_proxy_endpoints(DBProxyName=name)["DBProxyEndpoints"]]
    others += [g["TargetGroupArn"] for g in rds.describe_db_proxy_target_groups(DBProxyName=name)["TargetGroups"]]
    others.remove(arn)
    assert len(others) == 2
    for number, other in enumerate(others):
        assert rds.list_tags_for_resource(ResourceName=other)["TagList"] == []
        rds.add_tags_to_resource(ResourceName=other, Tags=[{"Key": "number", "Value": str(number)}])
    rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["a"])
    found = [rds.list_tags_for_resource(ResourceName=each)["TagList"] for each in (arn, *others)]
    assert found == [[], [{"Key": "number", "Value": "0"}], [{"Key": "number", "Value": "1"}]]
    rds.delete_db_proxy(DBProxyName=name)


def test_tags_of_default_groups(api):
    for arn in ("pg:default.aurora-postgresql15", "cluster-pg:default.aurora-postgresql15", "subgrp:default"):
        arn = "arn:aws:rds:us-east-1:123456789012:" + arn
        api.rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "a", "Value": "1"}])
        assert api.rds.list_tags_for_resource(ResourceName=arn)["TagList"] == [{"Key": "a", "Value": "1"}]
    names = [g["DBParameterGroupName"] for g in api.rds.describe_db_parameter_groups()["DBParameterGroups"]]
    assert len(names) == len(set(names))


def test_event_subscriptions(api):
    rds, name = api.rds, api.name("sub")
    topic = "arn:aws:sns:us-east-1:123456789012:t"
    refused(rds.create_event_subscription, "SNSInvalidTopic", SubscriptionName=name, SnsTopicArn="nowhere")
    refused(
        rds.create_event_subscription, "SubscriptionCategoryNotFound", SubscriptionName=name, SnsTopicArn=topic,
        SourceType="db-cluster", EventCategories=["weather"])
    made = rds.create_event_subscription(
        SubscriptionName=name, SnsTopicArn=topic, SourceType="db-cluster", EventCategories=["creation"])
    assert made["EventSubscription"]["Enabled"] is True
    rds.modify_event_subscription(SubscriptionName=name, Enabled=False)
    found = rds.describe_event_subscriptions(SubscriptionName=name)["EventSubscriptionsList"][0]
    assert found["Enabled"] is False and found["EventCategoriesList"] == ["creation"]
    rds.delete_event_subscription(SubscriptionName=name)
    refused(rds.describe_event_subscriptions, "SubscriptionNotFound", SubscriptionName=name)


def test_sources_of_a_subscription(api):
    rds, name = api.rds, api.name("sub")
    rds.create_event_subscription(
        SubscriptionName=name, SnsTopicArn="arn:aws:sns:us-east-1:123456789012:t", SourceType="db-cluster")
    refused(
        rds.add_source_identifier_to_subscription, "SourceNotFound", SubscriptionName=name, SourceIdentifier="nobody")
    added = rds.add_source_identifier_to_subscription(SubscriptionName=name, SourceIdentifier="demo")
    assert added["EventSubscription"]["SourceIdsList"] == ["demo"]
    removed = rds.remove_source_identifier_from_subscription(SubscriptionName=name, SourceIdentifier="demo")
    assert removed["EventSubscription"].get("SourceIdsList", []) == []
    refused(
        rds.remove_source_identifier_from_subscription, "SourceNotFound", SubscriptionName=name,
        SourceIdentifier="demo")
    rds.delete_event_subscription(SubscriptionName=name)


def test_certificates(api):
    found = api.rds.describe_certificates()
    pem = (api.region.directory / "tls/authority.pem").read_bytes()
    authority = x509.load_pem_x509_certificate(pem)
    assert {c["Thumbprint"] for c in found["Certificates"]} == {authority.fingerprint(hashes.SHA1()).hex()}
    first = found["Certificates"][0]
    assert first["CertificateType"] == "CA" and first["ValidTill"] == authority.not_valid_after_utc
    used = api.instance("demo-1")["CACertificateIdentifier"]
    assert used == found["DefaultCertificateForNewLaunches"]
    assert [c["CertificateIdentifier"] for c in api.rds.describe_certificates(
        CertificateIdentifier=used)["Certificates"]] == [used]
    refused(api.rds.describe_certificates, "CertificateNotFound", CertificateIdentifier="nobody")


def test_event_categories(api):
    found = api.rds.describe_event_categories(SourceType="db-cluster")["EventCategoriesMapList"]
    assert "failover" in found[0]["EventCategories"]
    types = {m["SourceType"] for m in api.rds.describe_event_categories()["EventCategoriesMapList"]}
    assert types == set(api.rds.meta.service_model.shape_for("SourceType").enum)
    # Of what a region has none of there are no events, which may be subscribed to all the same.
    name = api.name("sub")
    api.rds.create_event_subscription(SubscriptionName=name, SnsTopicArn="arn:aws:sns:us-east-1:123456789012:t")
    for kind in sorted(types - {"db-cluster", "db-instance", "db-parameter-group", "db-proxy"}):
        assert api.rds.describe_events(SourceType=kind)["Events"] == []
        changed = api.rds.modify_event_subscription(SubscriptionName=name, SourceType=kind)["EventSubscription"]
        assert changed["SourceType"] == kind
    api.rds.delete_event_subscription(SubscriptionName=name)


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"DBClusterIdentifier": "1x"}, "InvalidParameterValue"),
        ({"DBClusterIdentifier": "x--y"}, "InvalidParameterValue"),
        ({"DBClusterIdentifier": "demo"}, "DBClusterAlreadyExistsFault"),
        ({"Engine": "oracle"}, "InvalidParameterValue"),
        ({"EngineVersion": "9.6"}, "InvalidParameterCombination"),
        ({"MasterUserPassword": "short"}, "InvalidParameterValue"),
        ({"MasterUserPassword": "with/slash/in/it"}, "InvalidParameterValue"),
        ({"MasterUsername": "pg_x"}, "InvalidParameterValue"),
        ({"MasterUsername": "a'b"}, "InvalidParameterValue"),
        ({"Port": 80}, "InvalidParameterValue"),
        ({"BackupRetentionPeriod": 36}, "InvalidParameterValue"),
        ({"PreferredBackupWindow": "noon"}, "InvalidParameterValue"),
        ({"StorageType": "gp3"}, "StorageTypeNotSupported"),
        ({"StorageEncrypted": False}, "InvalidParameterCombination"),
        ({"KmsKeyId": "k"}, "KMSKeyNotAccessibleFault"),
        ({"DBSubnetGroupName": "nowhere"}, "DBSubnetGroupNotFoundFault"),
        ({"DBClusterParameterGroupName": "nowhere"}, "DBClusterParameterGroupNotFound"),
        ({"DBClusterParameterGroupName": "default.aurora-mysql10.11"}, "InvalidParameterCombination"),
        ({"EnableIAMDatabaseAuthentication": True}, "InvalidParameterCombination"),
        ({"BacktrackWindow": 60}, "InvalidParameterCombination"),
    ])
def test_clusters_that_cannot_be(api, changes, expected):
    arguments = {
        "DBClusterIdentifier": "x", "Engine": "aurora-postgresql", "MasterUsername": "app",
        "MasterUserPassword": "long enough".replace(" ", "-"), **changes}
    refused(api.rds.create_db_cluster, expected, **arguments)


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"DBClusterIdentifier": "nobody"}, "DBClusterNotFoundFault"),
        ({"DBInstanceIdentifier": "demo-1"}, "DBInstanceAlreadyExists"),
        ({"Engine": "aurora-mysql"}, "InvalidParameterCombination"),
        ({"MasterUsername": "x"}, "InvalidParameterCombination"),
    ])
def test_instances_that_cannot_be(api, changes, expected):
    arguments = {
        "DBInstanceIdentifier": "x", "DBClusterIdentifier": "demo", "Engine": "aurora-postgresql",
        "DBInstanceClass": "db.r6g.large", **changes}
    refused(api.rds.create_db_instance, expected, **arguments)


def test_filters(api):
    rds = api.rds
    found = rds.describe_db_clusters(Filters=[{"Name": "engine", "Values": ["aurora-postgresql"]}])["DBClusters"]
    assert "demo" in [c["DBClusterIdentifier"] for c in found]
    assert all(c["Engine"] == "aurora-postgresql" for c in found)
    found = rds.describe_db_instances(Filters=[{"Name": "db-cluster-id", "Values": ["demo"]}])["DBInstances"]
    assert [i["DBInstanceIdentifier"] for i in found] == ["demo-1"]
    refused(
        rds.describe_db_clusters, "InvalidParameterValue", Filters=[{"Name": "colour", "Values": ["red"]}])
    refused(rds.describe_db_clusters, "InvalidParameterValue", MaxRecords=5)
    refused(rds.describe_db_clusters, "InvalidParameterValue", Marker="%%")
    refused(rds.describe_db_instances, "DBInstanceNotFound", DBInstanceIdentifier="nobody")
