# SPDX-License-Identifier: Apache-2.0
"""The control plane's state in etcd: what is there, who leads, and what a second control plane does."""

import base64
import json
import pathlib
import subprocess
import tempfile
import urllib.request

import boto3
import pytest

from harness.region import BOREALIS, Failed, free_port, kill, until
from test_resources import refused


def call(etcd, path, **request):
    data = json.dumps(request).encode()
    url = f"http://{etcd.removeprefix('etcd://')}/v3/{path}"
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=10) as answer:
        return json.load(answer)


def b64(text):
    return base64.b64encode(text.encode()).decode()


def keys(etcd, prefix):
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    answer = call(etcd, "kv/range", key=b64(prefix), range_end=b64(end), keys_only=True)
    return [base64.b64decode(pair["key"]).decode() for pair in answer.get("kvs", [])]


def test_what_is_asked_for_is_there(etcd, etcd_api):
    name = etcd_api.name("sg")
    etcd_api.rds.create_db_subnet_group(
        DBSubnetGroupName=name, DBSubnetGroupDescription="d", SubnetIds=["subnet-1", "subnet-2"])
    assert f"/borealis/one/doc/subnetGroup/{name}" in keys(etcd, "/borealis/one/doc/")
    assert not (etcd_api.region.directory / "control.sqlite").exists()
    etcd_api.rds.delete_db_subnet_group(DBSubnetGroupName=name)
    assert f"/borealis/one/doc/subnetGroup/{name}" not in keys(etcd, "/borealis/one/doc/")


def test_the_place_is_fixed(etcd_api):
    with pytest.raises(Failed) as error:
        etcd_api.region.command("up", "--state", "sqlite", "--data", etcd_api.region.directory)
    assert "already running" in error.value.line


def second(etcd_api, directory):
    """Another control plane over the same region, as another machine would have it."""
    region = etcd_api.region.directory
    settings = json.loads((region / "run/control.json").read_text())
    keys = pathlib.Path(directory) / "access.json"
    keys.write_text((region / "keys/access.json").read_text())
    settings |= {
        "port": free_port(), "lock": f"{directory}/lock", "failureFile": f"{directory}/error", "accessKeys": str(keys)}
    path = pathlib.Path(directory) / "control.json"
    path.write_text(json.dumps(settings))
    process = subprocess.Popen(
        [BOREALIS, "control", "--config", str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=open(f"{directory}/log", "wb"))
    return process, settings["port"], pathlib.Path(directory) / "log"


def test_one_leads_and_the_other_takes_over(etcd, etcd_api):
    with tempfile.TemporaryDirectory(prefix="bt-") as directory:
        process, port, log = second(etcd_api, directory)
        try:
            until("the second one waits", lambda: "another control plane leads" in log.read_text(), 60)
            name = etcd_api.name("sg")
            etcd_api.rds.create_db_subnet_group(
                DBSubnetGroupName=name, DBSubnetGroupDescription="d", SubnetIds=["subnet-1", "subnet-2"])
            # The leader is told that it does not lead any more: what it tries to write is refused, and it ends.
            first = etcd_api.region.process("control")
            call(etcd, "kv/deleterange", key=b64("/borealis/one/leader"))
            environment = {**etcd_api.environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
            other = boto3.client(
                "rds", endpoint_url=environment["AWS_ENDPOINT_URL"], region_name="us-east-1",
                aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"])

            def leads():
                try:
                    return other.describe_db_subnet_groups(DBSubnetGroupName=name)["DBSubnetGroups"]
                except Exception:
                    return None
            until("the second one leads, with all that the first one knew", leads, 60)
            try:
                etcd_api.rds.delete_db_subnet_group(DBSubnetGroupName=name)
            except Exception:
                pass
            until("the first one has ended", lambda: etcd_api.region.process("control") != first, 60)
            assert other.describe_db_subnet_groups(DBSubnetGroupName=name)["DBSubnetGroups"]
            other.delete_db_subnet_group(DBSubnetGroupName=name)
        finally:
            process.terminate()
            process.wait(30)
    # An orderly end hands the leadership back at once.
    until("the first one leads again", lambda: _answers(etcd_api), 60)
    refused(etcd_api.rds.describe_db_subnet_groups, "DBSubnetGroupNotFoundFault", DBSubnetGroupName=name)


def _answers(api):
    try:
        return api.rds.describe_account_attributes()
    except Exception:
        return None


def test_a_large_change_is_all_or_nothing(etcd, etcd_api):
    """More documents than one transaction of etcd takes: a batch that was stored is carried out by the next leader."""
    first = etcd_api.region.process("control")
    record = {"id": "", "description": "d", "subnets": [{"id": "subnet-1", "zone": "us-east-1a"}], "tags": []}
    changes = []
    for number in range(90):
        value = base64.b64encode(json.dumps({**record, "id": f"batch-{number}"}).encode()).decode()
        changes.append({"put": {"_0": {"kind": "subnetGroup", "id": f"batch-{number}"}, "_1": value}})
    call(etcd, "kv/put", key=b64("/borealis/one/batch/000"), value=b64(json.dumps(changes)))
    kill(first)
    until("another one answers", lambda: etcd_api.region.process("control") not in (None, first), 60)
    until("it answers", lambda: _answers(etcd_api), 60)
    pages = etcd_api.rds.get_paginator("describe_db_subnet_groups").paginate()
    found = [g["DBSubnetGroupName"] for page in pages for g in page["DBSubnetGroups"]]
    assert sum(name.startswith("batch-") for name in found) == 90
    assert keys(etcd, "/borealis/one/batch/") == []
    for name in found:
        if name.startswith("batch-"):
            etcd_api.rds.delete_db_subnet_group(DBSubnetGroupName=name)
