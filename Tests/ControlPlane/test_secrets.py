# SPDX-License-Identifier: Apache-2.0
"""Secrets Manager through boto3: values and their versions, deletion and recovery, and what is refused."""

import botocore.exceptions
import pytest


def refused(code, call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as info:
        call(**parameters)
    assert info.value.response["Error"]["Code"] == code, info.value.response["Error"]


def test_a_secret_from_its_making_to_its_end(api):
    secrets = api.client("secretsmanager")
    name = api.name("app/db")
    made = secrets.create_secret(Name=name, SecretString="one", Description="the first",
                                 Tags=[{"Key": "team", "Value": "web"}])
    account, region = api.environment["AWS_ACCOUNT_ID"], api.environment["AWS_REGION"]
    assert made["ARN"].startswith(f"arn:aws:secretsmanager:{region}:{account}:secret:{name}-")
    refused("ResourceExistsException", secrets.create_secret, Name=name, SecretString="two")
    for found in (name, made["ARN"], made["ARN"][:-7]):
        value = secrets.get_secret_value(SecretId=found)
        assert (value["SecretString"], value["VersionStages"]) == ("one", ["AWSCURRENT"])
    put = secrets.put_secret_value(SecretId=name, SecretString="two")
    assert put["VersionId"] != made["VersionId"] and put["VersionStages"] == ["AWSCURRENT"]
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "two"
    assert secrets.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")["SecretString"] == "one"
    assert secrets.get_secret_value(SecretId=name, VersionId=made["VersionId"])["SecretString"] == "one"
    secrets.update_secret(SecretId=name, Description="the second", SecretBinary=b"\x00\xff")
    assert secrets.get_secret_value(SecretId=name)["SecretBinary"] == b"\x00\xff"
    described = secrets.describe_secret(SecretId=name)
    assert described["Description"] == "the second" and described["Tags"] == [{"Key": "team", "Value": "web"}]
    assert sorted(s for stages in described["VersionIdsToStages"].values() for s in stages) == ["AWSCURRENT", "AWSPREVIOUS"]
    assert name in [s["Name"] for s in secrets.list_secrets(Filters=[{"Key": "name", "Values": [name[:8]]}])["SecretList"]]

    # Nothing of it is in the region's files in clear text.
    secrets.update_secret(SecretId=name, SecretString="a value nobody else has")
    stored = b"".join(p.read_bytes() for p in api.region.directory.glob("control.sqlite*"))
    assert name.encode() in stored and b"a value nobody else has" not in stored

    secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    refused("InvalidRequestException", secrets.get_secret_value, SecretId=name)
    assert name not in [s["Name"] for s in secrets.list_secrets()["SecretList"]]
    secrets.restore_secret(SecretId=name)
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "a value nobody else has"
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    refused("ResourceNotFoundException", secrets.get_secret_value, SecretId=name)
    again = secrets.create_secret(Name=name, SecretString="x")
    assert again["ARN"] != made["ARN"]
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def test_what_is_refused(api):
    secrets = api.client("secretsmanager")
    refused("ResourceNotFoundException", secrets.get_secret_value, SecretId="none")
    refused("InvalidParameterException", secrets.create_secret, Name="a b", SecretString="x")
    refused("InvalidParameterException", secrets.create_secret, Name="long", SecretString="x" * 65_537)
    refused("InvalidParameterException", secrets.delete_secret, SecretId="none", RecoveryWindowInDays=3)
    refused("NotImplemented", secrets.rotate_secret, SecretId="none")
