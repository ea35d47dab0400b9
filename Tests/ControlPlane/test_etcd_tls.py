# SPDX-License-Identifier: Apache-2.0
"""The control plane's state in an etcd that is reached through TLS and asks for certificates."""

import json
import ssl
import urllib.request

import pytest
from botocore.exceptions import EndpointConnectionError

from authority import Authority
from conftest import ONCE, etcd_server, running
from harness.region import Region, until


class Secure:
    def __init__(self, directory):
        directory.mkdir(exist_ok=True)
        self.authority = Authority(directory)
        self.server, self.client = self.authority.sign("etcd"), self.authority.sign("control")
        self.stranger = Authority(directory, "stranger")
        self.context = ssl.create_default_context(cafile=self.authority.file)
        self.context.load_cert_chain(*self.client)

    def serve(self):
        certificate, key = self.server
        return etcd_server("https", [
            "--cert-file", str(certificate), "--key-file", str(key), "--client-cert-auth",
            "--trusted-ca-file", str(self.authority.file)], self.context)

    def options(self, authority=None, client=None):
        certificate, key = client or self.client
        return [
            "--state-ca", str(authority or self.authority.file), "--state-cert", str(certificate), "--state-key", str(key)]


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    return Secure(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def address(secure):
    with secure.serve() as address:
        yield address


def test_a_region_keeps_its_state_there(secure, address):
    with running("--no-demo", "--state", f"https://{address}/one", *secure.options()) as api:
        name = api.name("sg")
        api.rds.create_db_subnet_group(
            DBSubnetGroupName=name, DBSubnetGroupDescription="d", SubnetIds=["subnet-1", "subnet-2"])
        request = urllib.request.Request(f"https://{address}/v3/kv/range", data=json.dumps({
            "key": "L2JvcmVhbGlz", "range_end": "L2JvcmVhbGl0", "count_only": True}).encode())
        with urllib.request.urlopen(request, timeout=10, context=secure.context) as answer:
            assert int(json.load(answer)["count"]) >= 2
        assert not (api.region.directory / "control.sqlite").exists()
        # The place and the files are remembered.
        api.region.down()
        api.region.arguments = api.region.arguments[:-8]
        assert "--state" not in api.region.arguments
        api.region.up()
        api.wait_answers()
        assert api.rds.describe_db_subnet_groups(DBSubnetGroupName=name)["DBSubnetGroups"]


@pytest.mark.parametrize("wrong", ["authority", "certificate"])
def test_strangers_are_refused(secure, address, wrong):
    """A server that another authority has signed, and a client that etcd does not know."""
    options = secure.options(authority=secure.stranger.file)
    if wrong == "certificate":
        options = secure.options(client=secure.stranger.sign("control"))
    with running("--no-demo", "--state", f"https://{address}/{wrong}", *options) as api:
        def reason():
            found = next(p for p in api.region.status()["processes"] if p["role"] == "control")
            return found.get("reason")
        assert "etcd at" in until("the control plane says why", reason, 60)
        with pytest.raises(EndpointConnectionError):
            api.client("rds", ONCE).describe_db_clusters()


def test_files_that_do_not_fit(secure, address, tmp_path):
    region = Region(tmp_path / "r")
    place = ["up", "--state", f"https://{address}", "--state-cert", str(secure.client[0])]
    assert "go together" in region.command(*place, check=False).stderr
