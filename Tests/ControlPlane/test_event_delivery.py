# SPDX-License-Identifier: Apache-2.0
"""Event subscriptions: what their HTTP receivers get, also when these or the control plane fail in between."""

import base64
import contextlib
import http.server
import json
import ssl
import threading

import pytest

from authority import Authority
from harness.region import kill, until

ACCOUNT = "arn:aws:sns:us-east-1:123456789012:"


class Receiver:
    """An HTTP server that keeps what it is sent and answers as it is told to."""

    def __init__(self, context=None):
        receiver = self
        self.received, self.answers, self.scheme = [], [], "https" if context else "http"

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver.answers.pop(0) if receiver.answers else 200
                receiver.received.append((status, self.path, dict(self.headers.items()), json.loads(body)))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def address(self):
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}/events"

    def taken(self):
        """The events of the messages that it has accepted."""
        return [json.loads(message["Message"]) for status, _, _, message in list(self.received) if status == 200]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


@pytest.fixture
def receiver():
    with contextlib.closing(Receiver()) as receiver:
        yield receiver


@pytest.fixture
def topic(api):
    arn = ACCOUNT + api.name("topic")
    yield arn
    api.region.command("topic", "remove", arn, check=False)


@pytest.fixture
def subscription(api, topic):
    """One to changes of parameter groups, which cost nothing to make."""
    name = api.name("sub")
    made = api.rds.create_event_subscription(
        SubscriptionName=name, SnsTopicArn=topic, SourceType="db-parameter-group",
        EventCategories=["configuration change"])["EventSubscription"]
    assert made["Status"] == "topic-not-exist"
    yield name
    api.rds.delete_event_subscription(SubscriptionName=name)


@pytest.fixture(scope="module")
def group(api):
    name = api.name("pg")
    api.rds.create_db_parameter_group(
        DBParameterGroupName=name, DBParameterGroupFamily="aurora-postgresql15", Description="d")
    yield name
    api.rds.delete_db_parameter_group(DBParameterGroupName=name)


def change(api, group, value):
    api.rds.modify_db_parameter_group(DBParameterGroupName=group, Parameters=[
        {"ParameterName": "work_mem", "ParameterValue": str(value), "ApplyMethod": "immediate"}])


def status(api, subscription):
    return api.rds.describe_event_subscriptions(SubscriptionName=subscription)["EventSubscriptionsList"][0]["Status"]


def values(receiver):
    return [event["Event Message"].split()[4] for event in receiver.taken()]


def test_a_message_is_as_sns_sends_it(api, receiver, topic, subscription, group):
    api.region.command("topic", "set", topic, receiver.address.replace("//", "//user:secret@"))
    assert status(api, subscription) == "active"
    listed = json.loads(api.region.command("topic", "--json").stdout)
    assert topic in [t["arn"] for t in listed] and "secret" not in json.dumps(listed)
    change(api, group, 5000)
    until("the message is there", lambda: receiver.received, 30)
    _, path, headers, message = receiver.received[0]
    assert path == "/events"
    assert headers["authorization"] == "Basic " + base64.b64encode(b"user:secret").decode()
    assert headers["x-amz-sns-message-type"] == "Notification"
    assert headers["x-amz-sns-topic-arn"] == message["TopicArn"] == topic
    assert headers["x-amz-sns-message-id"] == message["MessageId"]
    assert (message["Type"], message["Subject"]) == ("Notification", "RDS Notification Message")
    assert message["MessageAttributes"]["EventID"] == {"Type": "String", "Value": "RDS-EVENT-0037"}
    event = json.loads(message["Message"])
    listed = api.rds.describe_events(SourceType="db-parameter-group", SourceIdentifier=group)["Events"][-1]
    assert event["Event Source"] == "db-parameter-group" and event["Source ID"] == group
    assert event["Source ARN"] == listed["SourceArn"] and event["Event Message"] == listed["Message"]
    assert event["Event ID"].endswith("#RDS-EVENT-0037")
    assert event["Event Time"] == listed["Date"].strftime("%Y-%m-%d %H:%M:%S.") + f"{listed['Date'].microsecond // 1000:03}"


def test_it_is_tried_again_until_it_is_taken(api, receiver, topic, subscription, group):
    receiver.answers = [500, 429, 503]
    api.region.command("topic", "set", topic, receiver.address)
    for value in (5001, 5002, 5003):
        change(api, group, value)
    until("all are there", lambda: len(receiver.taken()) == 3, 60)
    assert values(receiver) == ["5001", "5002", "5003"]
    # A message that comes again has the identifier that it had before.
    assert len({message["MessageId"] for _, _, _, message in receiver.received[:4]}) == 1
    assert len({message["MessageId"] for _, _, _, message in receiver.received}) == 3
    # What will never be taken is left out; what comes after it is not.
    receiver.answers = [410]
    change(api, group, 5004)
    change(api, group, 5005)
    until("the next one is there", lambda: values(receiver)[3:] == ["5005"], 30)


def test_nothing_is_lost_when_the_control_plane_dies(api, receiver, topic, subscription, group):
    receiver.answers = [500] * 2
    api.region.command("topic", "set", topic, receiver.address)
    change(api, group, 5006)
    until("it was refused", lambda: receiver.received, 30)
    old = api.region.process("control")
    kill(old)
    until("another one answers", lambda: api.region.process("control") not in (None, old), 60)
    api.wait_answers()
    change(api, group, 5007)
    until("both are there", lambda: len(receiver.taken()) >= 2, 60)
    assert list(dict.fromkeys(values(receiver))) == ["5006", "5007"]


def test_who_does_not_want_it_does_not_get_it(api, receiver, topic, subscription, group):
    api.region.command("topic", "set", topic, receiver.address)
    rds, other = api.rds, api.name("pg")
    rds.create_db_parameter_group(
        DBParameterGroupName=other, DBParameterGroupFamily="aurora-postgresql15", Description="d")
    rds.add_source_identifier_to_subscription(SubscriptionName=subscription, SourceIdentifier=group)
    change(api, other, 5100)
    rds.modify_event_subscription(SubscriptionName=subscription, Enabled=False)
    change(api, group, 5101)
    rds.modify_event_subscription(SubscriptionName=subscription, Enabled=True)
    change(api, group, 5102)
    until("the one is there", lambda: values(receiver) == ["5102"], 30)
    rds.delete_db_parameter_group(DBParameterGroupName=other)


def test_https(api, topic, subscription, group, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.sign("receiver")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with contextlib.closing(Receiver(context)) as receiver:
        # Without the authority nobody is told anything.
        api.region.command("topic", "set", topic, receiver.address)
        change(api, group, 5200)
        until("it was tried", lambda: "CERTIFICATE_VERIFY_FAILED" in log(api), 30)
        assert receiver.received == []
        api.region.command("topic", "set", topic, receiver.address, "--ca", authority.file)
        until("it is there", lambda: values(receiver) == ["5200"], 60)


def log(api):
    return (api.region.directory / "logs/control.log").read_text()


def test_topics_that_cannot_be(api):
    for arguments, said in [
            (["set", "arn:aws:sqs:us-east-1:123456789012:x", "http://127.0.0.1/"], "is not arn:aws:sns"),
            (["set", ACCOUNT + "x", "ftp://127.0.0.1/"], "neither http"),
            (["remove", ACCOUNT + "nobody"], "there is no topic")]:
        result = api.region.command("topic", *arguments, check=False)
        assert result.returncode != 0 and said in result.stderr
