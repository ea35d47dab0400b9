# SPDX-License-Identifier: Apache-2.0
"""The control plane's state in etcd: what is there, who leads, and what a second control plane does."""

import base64
import http.server
import json
import pathlib
import subprocess
import tempfile
import threading
import urllib.request

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from conftest import ONCE, running
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


class Cut:
    """A way to etcd on which the answer to the next change can be lost."""

    def __init__(self, target):
        self.target, self.armed, self.lost = target, None, threading.Event()
        cut = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with urllib.request.urlopen(urllib.request.Request(f"http://{cut.target}{self.path}", data=body)) as answer:
                    status, text = answer.status, answer.read()
                if cut.armed and self.path == "/v3/kv/txn" and cut.armed in body:
                    cut.armed = None
                    cut.lost.set()
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def cut(etcd):
    cut = Cut(etcd.removeprefix("etcd://"))
    yield cut
    cut.server.shutdown()
    cut.server.server_close()


def test_a_change_whose_answer_is_lost(cut):
    """etcd has made it, and nobody has said so: the control plane reads what there is instead of believing in what it had."""
    with running("--no-demo", "--state", f"etcd://127.0.0.1:{cut.server.server_port}/two") as api:
        name, old = api.name("sg"), api.region.process("control")
        wish = {"DBSubnetGroupName": name, "DBSubnetGroupDescription": "d", "SubnetIds": ["subnet-1", "subnet-2"]}
        cut.armed = b64(f"/borealis/two/doc/subnetGroup/{name}").encode()
        with pytest.raises((ClientError, BotoCoreError)):
            api.client("rds", ONCE).create_db_subnet_group(**wish)
        assert cut.lost.is_set()
        until("another one answers", lambda: api.region.process("control") not in (None, old), 60)
        api.wait_answers()
        assert api.rds.describe_db_subnet_groups(DBSubnetGroupName=name)["DBSubnetGroups"]
        refused(api.rds.create_db_subnet_group, "DBSubnetGroupAlreadyExists", **wish)


def test_a_large_change_whose_answer_is_lost(cut, etcd):
    """In the middle of a batch: nothing else is written before the next leader has carried out the rest."""
    with running("--no-demo", "--state", f"etcd://127.0.0.1:{cut.server.server_port}/three") as api:
        events = [f"{number:020}" for number in range(150)]
        for event in events:
            record = {
                "id": event, "sourceType": "db-cluster", "source": "c", "sourceARN": "a", "event": "RDS-EVENT-0170",
                "categories": [], "message": "m", "date": 1}
            call(etcd, "kv/put", key=b64(f"/borealis/three/doc/event/{event}"), value=b64(json.dumps(record)))
        # They are too old, so whoever reads them drops them at once: more than one transaction of etcd takes.
        cut.armed = b64(f"/borealis/three/doc/event/{events[77]}").encode()
        kill(api.region.process("control"))
        until("the answer is lost", cut.lost.is_set, 60)
        log = api.region.directory / "logs/control.log"
        until("who was not answered has ended", lambda: "does not lead any more" in log.read_text(), 60)
        api.wait_answers()
        until("the events are gone", lambda: not keys(etcd, "/borealis/three/doc/event/"), 60)
        assert keys(etcd, "/borealis/three/batch/") == []


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
