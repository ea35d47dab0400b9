# SPDX-License-Identifier: Apache-2.0
"""Signatures, shapes of answers and errors, as AWS's clients see them."""

import datetime
import json
import os
import pathlib
import re
import stat
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from botocore.exceptions import ClientError

from conftest import ONCE


def code(error):
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def signed(api, body=b"Action=GetCallerIdentity&Version=2011-06-15", service="sts", when=None, presigned=None, monkeypatch=None):
    """A signed request as botocore makes it, to be changed before it is sent."""
    credentials = botocore.credentials.Credentials(
        api.environment["AWS_ACCESS_KEY_ID"], api.environment["AWS_SECRET_ACCESS_KEY"])
    url = api.environment["AWS_ENDPOINT_URL"] + "/"
    if presigned is not None:
        request = botocore.awsrequest.AWSRequest("GET", url + "?" + body.decode())
        auth = botocore.auth.SigV4QueryAuth(credentials, service, "us-east-1", expires=presigned)
    else:
        request = botocore.awsrequest.AWSRequest(
            "POST", url, data=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
        auth = botocore.auth.SigV4Auth(credentials, service, "us-east-1")
    if when is not None:
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_: when)
    auth.add_auth(request)
    return request.prepare()


def send(request):
    """Status and body."""
    raw = urllib.request.Request(
        request.url, data=request.body, headers=dict(request.headers.items()), method=request.method)
    try:
        with urllib.request.urlopen(raw, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def error_code(body):
    return re.search("<Code>(.*?)</Code>", body)[1]


def test_who_am_i(api):
    identity = api.client("sts").get_caller_identity()
    assert identity["Account"] == "123456789012"
    assert identity["Arn"] == "arn:aws:iam::123456789012:root"


def test_the_keys_are_private_and_stay(api):
    path = api.region.directory / "keys/access.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = api.region.command("env").stdout
    assert f"export AWS_SECRET_ACCESS_KEY={api.environment['AWS_SECRET_ACCESS_KEY']}\n" in text


def test_several_keys(api):
    made = json.loads(api.region.command("access-key", "create", "ci", "--json").stdout)
    other = api.client(
        "sts", ONCE, aws_access_key_id=made["accessKeyId"], aws_secret_access_key=made["secretAccessKey"])
    assert other.get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/ci"
    assert api.client("sts").get_caller_identity()["Arn"].endswith(":root")
    listed = json.loads(api.region.command("access-key", "--json").stdout)
    assert [key["user"] for key in listed] == ["root", "ci"] and "secretAccessKey" not in listed[1]
    # A key's secret is good for that key alone.
    mixed = api.client("sts", ONCE, aws_access_key_id=made["accessKeyId"])
    with pytest.raises(ClientError) as error:
        mixed.get_caller_identity()
    assert code(error) == ("SignatureDoesNotMatch", 403)
    api.region.command("access-key", "delete", made["accessKeyId"])
    with pytest.raises(ClientError) as error:
        other.get_caller_identity()
    assert code(error) == ("InvalidClientTokenId", 403)
    result = api.region.command("access-key", "delete", listed[0]["accessKeyId"], check=False)
    assert result.returncode != 0 and "stays" in result.stderr


def test_the_aws_cli(api):
    line = [
        str(pathlib.Path(sys.executable).parent / "aws"), "--endpoint-url", api.environment["AWS_ENDPOINT_URL"], "--output",
        "json", "rds", "describe-db-clusters", "--db-cluster-identifier", "demo"]
    environment = {**os.environ, **api.environment, "AWS_PAGER": ""}
    result = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    cluster = json.loads(result.stdout)["DBClusters"][0]
    assert cluster["Status"] == "available" and cluster["Port"] == api.region.port
    assert cluster["DBClusterMembers"][0]["IsClusterWriter"] is True
    line[-1] = "nobody"
    result = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode != 0 and "DBClusterNotFoundFault" in result.stderr


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"aws_secret_access_key": "x" * 40}, ("SignatureDoesNotMatch", 403)),
        ({"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE"}, ("InvalidClientTokenId", 403)),
        ({"aws_session_token": "token"}, ("InvalidClientTokenId", 403)),
        ({"region_name": "eu-west-1"}, ("SignatureDoesNotMatch", 403)),
    ])
def test_wrong_credentials(api, change, expected):
    with pytest.raises(ClientError) as error:
        api.client("rds", ONCE, **change).describe_db_clusters()
    assert code(error) == expected


def test_signed_by_botocore(api):
    assert send(signed(api))[0] == 200


def test_a_changed_body(api):
    request = signed(api)
    request.body = request.body[:-1] + b"2"
    status, body = send(request)
    assert (status, error_code(body)) == (403, "SignatureDoesNotMatch")
    assert "<Type>Sender</Type>" in body and "<RequestId>" in body


def test_no_signature(api):
    request = signed(api)
    del request.headers["Authorization"]
    status, body = send(request)
    assert (status, error_code(body)) == (403, "MissingAuthenticationToken")


@pytest.mark.parametrize("minutes, expected", [(-14, 200), (14, 200), (-16, 400), (16, 400)])
def test_clock_skew(api, minutes, expected, monkeypatch):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    status, body = send(signed(api, when=now, monkeypatch=monkeypatch))
    assert status == expected
    assert expected == 200 or error_code(body) == "RequestExpired"


def test_presigned(api, monkeypatch):
    assert send(signed(api, presigned=60))[0] == 200
    changed = signed(api, presigned=60)
    changed.url = changed.url.replace("GetCallerIdentity", "GetSessionToken")
    assert send(changed)[0] == 403
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=90)
    status, body = send(signed(api, presigned=60, when=past, monkeypatch=monkeypatch))
    assert (status, error_code(body)) == (400, "RequestExpired")


@pytest.mark.parametrize(
    "body, expected",
    [
        (b"Action=Nothing&Version=2014-10-31", (400, "InvalidAction")),
        (b"Action=DescribeDBClusters&Version=2010-01-01", (400, "InvalidAction")),
        (b"Version=2014-10-31", (400, "MissingAction")),
        (b"Action=DescribeDBClusters&Version=2014-10-31&MaxRecords=ten", (400, "MalformedInput")),
        (b"Action=DescribeDBClusters&Version=2014-10-31&Filters=x", (400, "MalformedInput")),
        (b"Action=CreateDBCluster&Version=2014-10-31&Engine=aurora-mysql", (400, "MissingParameter")),
        (b"Action=CreateGlobalCluster&Version=2014-10-31&GlobalClusterIdentifier=g", (501, "NotImplemented")),
    ])
def test_malformed_requests(api, body, expected):
    status, text = send(signed(api, body, service="rds"))
    assert (status, error_code(text)) == expected
    assert 'xmlns="http://rds.amazonaws.com/doc/2014-10-31/"' in text


def test_too_large(api):
    status, body = send(signed(api, b"Action=DescribeDBClusters&x=" + b"y" * (2 << 20), service="rds"))
    assert (status, error_code(body)) == (413, "RequestEntityTooLarge")
    assert 'xmlns="http://rds.amazonaws.com/doc/2014-10-31/"' in body and "<RequestId>" in body
