# SPDX-License-Identifier: Apache-2.0
"""What botocore writes our codecs read, and what they write botocore reads: random values for many operations of services
of every protocol. $CODEC_SEED repeats a run.
"""

import base64
import datetime
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import random
import subprocess
import urllib.parse

import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROBE = os.environ.get("CODECPROBE", str(ROOT / ".build/release/codecprobe"))
SEED = int(os.environ.get("CODEC_SEED", random.randrange(1 << 30)))
OPERATIONS = int(os.environ.get("CODEC_OPERATIONS", 60))
# service, botocore's protocol
SERVICES = [
    ("rds", "query"), ("sts", "query"), ("iam", "query"), ("ec2", "ec2"), ("kms", "json"), ("secretsmanager", "json"),
    ("logs", "json"), ("rds-data", "rest-json"), ("lambda", "rest-json"), ("dsql", "rest-json"), ("batch", "rest-json")]


def deriver():
    loader = importlib.machinery.SourceFileLoader("derive", str(ROOT / "scripts/derive-shapes"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("derive", loader))
    loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def probe():
    with subprocess.Popen([PROBE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        def ask(**order):
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())
        yield ask
        process.stdin.close()


class Values:
    """Random values of botocore's shapes: as botocore takes them."""

    TEXTS = ["x", "two words", "ümlaut €", "a&b=c+d%20", "<tag attr='1'>", "line\nline", "0", "true"]

    def __init__(self, rng):
        self.rng = rng

    def make(self, shape, depth=0, place=None):
        kind = shape.type_name
        if kind == "structure":
            chosen = [
                name for name, member in shape.members.items()
                if name in shape.required_members or member.serialization.get("location") == "statusCode" or depth < 4 and self.rng.random() < 0.6]
            # A form cannot say that a structure is there and empty.
            if not chosen and depth:
                chosen = list(shape.members)[:1]
            return {
                name: self.make(shape.members[name], depth + 1, shape.members[name].serialization.get("location"))
                for name in chosen}
        if kind == "list":
            if depth > 5:
                return []
            return [self.make(shape.member, depth + 1, place) for _ in range(self.rng.randint(1, 3))]
        if kind == "map":
            return {} if depth > 5 else {
                f"k{n}": self.make(shape.value, depth + 1, place) for n in range(self.rng.randint(1, 2))}
        if kind in ("string", "character"):
            if getattr(shape, "enum", None):
                return self.rng.choice(shape.enum)
            return self.rng.choice(["x", "y-1", "abc"] if place in ("header", "headers") else self.TEXTS)
        if place == "statusCode":
            return self.rng.choice([200, 201, 202])
        if kind == "integer":
            return self.rng.randint(-2**31, 2**31 - 1)
        if kind == "long":
            return self.rng.randint(-2**63, 2**63 - 1)
        if kind in ("float", "double"):
            return self.rng.choice([0.5, -2.25, 1024.0])
        if kind == "boolean":
            return self.rng.random() < 0.5
        if kind == "timestamp":
            return datetime.datetime.fromtimestamp(self.rng.randint(0, 2**32), datetime.timezone.utc)
        if kind == "blob":
            return self.rng.randbytes(self.rng.randint(1, 20))
        raise AssertionError(kind)


def cleaned(value):
    """Without what the wire cannot tell from nothing: empty lists, maps and structures."""
    if isinstance(value, dict):
        fields = {key: cleaned(item) for key, item in value.items()}
        return {key: item for key, item in fields.items() if item not in ({}, [], None)}
    if isinstance(value, list):
        return [item for item in map(cleaned, value) if item not in ({}, [], None)]
    return value


def from_probe(value):
    if isinstance(value, dict):
        if "time" in value:
            return datetime.datetime.fromtimestamp(value["time"] / 1000, datetime.timezone.utc)
        if "blob" in value:
            return base64.b64decode(value["blob"])
        return {key: from_probe(item) for key, item in value["fields"].items()}
    return [from_probe(item) for item in value] if isinstance(value, list) else value


def to_probe(value):
    if isinstance(value, dict):
        return {"fields": {key: to_probe(item) for key, item in value.items()}}
    if isinstance(value, list):
        return [to_probe(item) for item in value]
    if isinstance(value, bool):
        return {"flag": value}
    if isinstance(value, float):
        return {"number": value}
    if isinstance(value, datetime.datetime):
        return {"time": int(value.timestamp() * 1000)}
    if isinstance(value, bytes):
        return {"blob": base64.b64encode(value).decode()}
    return value


def is_plain(shape, seen=()):
    """Whether a shape has nothing that a table does not describe: event streams, documents, recursion."""
    if shape is None or shape.type_name not in ("structure", "list", "map"):
        return True
    if shape.name in seen or getattr(shape, "is_document_type", False):
        return False
    seen = (*seen, shape.name)
    if shape.type_name == "structure":
        return not any(
            m.serialization.get("eventstream") or m.serialization.get("jsonvalue") or m.serialization.get("streaming")
            for m in shape.members.values()) and all(is_plain(m, seen) for m in shape.members.values())
    return is_plain(shape.member if shape.type_name == "list" else shape.value, seen)


def has_raw_payload(shape):
    """Whether the body is one member as it is: botocore always reads that as a text, even when it is a blob or absent."""
    payload = shape.serialization.get("payload") if shape else None
    return payload is not None and shape.members[payload].type_name in ("blob", "string")


@pytest.mark.parametrize("service, protocol", SERVICES)
def test_against_botocore(service, protocol, probe, tmp_path):
    derive = deriver()
    made = derive.Deriver(service)
    assert made.protocol.split()[0] == protocol
    table = tmp_path / f"{service}.table"
    table.write_text("\n".join(line for entry in made.lines() for line in derive.wrap(entry)))
    model = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)
    rng = random.Random(f"{SEED} {service}")
    values = Values(rng)
    serializer = botocore.serialize.create_serializer(protocol, include_validation=False)
    parser = botocore.parsers.create_parser(protocol)
    names = rng.sample(sorted(model.operation_names), min(OPERATIONS, len(model.operation_names)))
    checked = 0
    for name in names:
        operation = model.operation_model(name)
        where = f"CODEC_SEED={SEED}, {service} {name}"
        if is_plain(operation.input_shape):
            parameters = values.make(operation.input_shape) if operation.input_shape else {}
            written = serializer.serialize_to_request(parameters, operation)
            answer = probe(table=str(table), request=request(written))
            assert answer.get("operation") == name, (where, answer, written)
            assert cleaned(from_probe(answer["input"])) == cleaned(parameters), where
            checked += 1
        if is_plain(operation.output_shape) and not has_raw_payload(operation.output_shape):
            output = values.make(operation.output_shape) if operation.output_shape else {}
            answer = probe(table=str(table), operation=name, output=to_probe(output))
            assert "status" in answer, (where, answer)
            response = {
                "status_code": answer["status"], "headers": answer["headers"], "body": base64.b64decode(answer["body"])}
            read = parser.parse(response, operation.output_shape)
            read.pop("ResponseMetadata", None)
            assert cleaned(read) == cleaned(output), (where, response)
            checked += 1
    assert checked > 0


def request(written):
    """botocore's request as it would go over the wire."""
    body = written["body"]
    headers = dict(written["headers"].items())
    if isinstance(body, dict):
        body = urllib.parse.urlencode(body, doseq=True)
    if isinstance(body, str):
        body = body.encode()
    path, _, query = written["url_path"].partition("?")
    more = urllib.parse.urlencode(written["query_string"] or {}, doseq=True, quote_via=urllib.parse.quote)
    return {
        "method": written["method"], "path": path, "query": "&".join(part for part in (query, more) if part),
        "headers": {key: value.decode() if isinstance(value, bytes) else str(value) for key, value in headers.items()},
        "body": base64.b64encode(body or b"").decode()}


@pytest.mark.parametrize("service, protocol", SERVICES)
def test_errors(service, protocol, probe, tmp_path):
    derive = deriver()
    made = derive.Deriver(service)
    table = tmp_path / f"{service}.table"
    table.write_text("\n".join(line for entry in made.lines() for line in derive.wrap(entry)))
    nothing = {"method": "POST", "path": "/no/such/thing", "query": "", "headers": {}, "body": ""}
    if protocol in ("query", "ec2"):
        nothing["body"] = base64.b64encode(b"Action=Nothing").decode()
        expected = "InvalidAction"
    else:
        expected = "UnknownOperationException"
    assert probe(table=str(table), request=nothing)["error"] == expected
