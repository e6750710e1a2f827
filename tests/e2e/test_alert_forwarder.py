"""`sop alerts forward` against a real Kafka, a real Alertmanager and real webhooks, killed and restarted."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported all the same
from msgspec import structs
from standardwebhooks import Webhook

from schemas.codec.encoder import alert_id, encode_message
from schemas.outputs import AlertBody, AlertMessage
from schemas.timestamps import SECOND_US
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.embedded_kafka.free_ports import HOST, free_port
from streams.process.clock import SystemClock
from tests.alertmanager import PROGRAMS, Alertmanager
from tests.e2e.harness import STOP_S, until
from tests.recorder import Recorder, Request, recorder
from tests.tools import find_tool
from tests.zygote import SOP

NOW = SystemClock().now_us()
HOUR = 3_600 * SECOND_US
RESEND_S = 2.0
"""Long enough that an alert does not end because the machine was busy for a few seconds."""
SECRETS = [f"whsec_{base64.b64encode(letter * 32).decode()}" for letter in (b"n", b"o")]


def condition(case: str, **labels: str) -> AlertBody:
    """Return a condition alert about a case that began to fire an hour ago."""
    return AlertBody(
        name="validated_off_site",
        severity="critical",
        state="firing",
        key=("case_id",),
        labels={"case_id": case, **labels},
        summary="the claim was validated although the partner was not at the site",
        evidence=("/desk#1", "/apps/partner#2"),
        starts_at=NOW - HOUR,
    )


def moment(case: str, ends_at: int) -> AlertBody:
    return structs.replace(condition(case), name="mocked_location", ends_at=ends_at)


def resolved(body: AlertBody) -> AlertBody:
    return structs.replace(body, state="resolved", ends_at=SystemClock().now_us())


class Topic:
    """The topic `alerts` of one test, with two partitions."""

    def __init__(self, brokers: str, prefix: str) -> None:
        self.brokers, self.prefix, self.name = brokers, prefix, f"{prefix}alerts"
        admin = AdminClient({"bootstrap.servers": brokers})
        admin.create_topics([NewTopic(self.name, 2, 1)])[self.name].result(30)
        self._producer = Producer({"bootstrap.servers": brokers, "transactional.id": prefix, "linger.ms": 0})
        self._producer.init_transactions(30)

    def emit(self, *bodies: AlertBody, commit: bool = True) -> None:
        """Publish alerts in one transaction, as a worker does."""
        self._producer.begin_transaction()
        for body in bodies:
            message = AlertMessage(body=body, alert_id=alert_id(body), subject=body.labels["case_id"])
            partition = len(message.subject) % 2
            self._producer.produce(self.name, encode_message(message), message.alert_id, partition)
        self._producer.flush(30)
        if commit:
            self._producer.commit_transaction(30)
        else:
            self._producer.abort_transaction(30)


class Forwarder:
    """A `sop alerts forward` process over a topic, with its data in `folder`."""

    def __init__(self, topic: Topic, folder: Path, *arguments: str) -> None:
        self._arguments = arguments
        self._environment = {
            "SOP_BROKERS": topic.brokers,
            "SOP_TOPIC_PREFIX": topic.prefix,
            "SOP_DATA_DIR": str(folder / "data"),
            "SOP_ALERTS_RESEND_S": str(RESEND_S),
            "SOP_CONSOLE_URL": "http://127.0.0.1:8765",
        }
        self._log_file = folder / "forwarder.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._log_file.read_text()

    def start(self) -> None:
        with self._log_file.open("ab") as log:
            command = [str(SOP), "alerts", "forward", *self._arguments]
            self._process = subprocess.Popen(command, env=self._environment, stdin=subprocess.DEVNULL, stderr=log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(STOP_S)


@pytest.fixture
def topic(kafka: EmbeddedKafka, prefix: str) -> Topic:
    return Topic(kafka.address, prefix)


@pytest.fixture
def secrets_file(tmp_path: Path) -> str:
    file = tmp_path / "secrets"
    file.write_text("".join(f"{each}\n" for each in SECRETS))
    return str(file)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Yield what ends servers and processes after the test."""
    with ExitStack() as stack:
        yield stack


def start(stack: ExitStack, topic: Topic, folder: Path, *arguments: str) -> Forwarder:
    forwarder = Forwarder(topic, folder, *arguments)
    stack.callback(forwarder.kill)
    forwarder.start()
    return forwarder


def start_alertmanager(stack: ExitStack, folder: Path) -> tuple[Alertmanager, Recorder]:
    find_tool(*PROGRAMS)
    notified = stack.enter_context(recorder())
    server = Alertmanager(folder / "alertmanager", notified.url)
    stack.callback(server.kill)
    server.start()
    return server, notified


def notifications(notified: Recorder) -> list[tuple[str, dict[str, str]]]:
    """Return the state and the labels of every alert that Alertmanager has told a receiver of, in order."""
    found = (each for request in notified.requests for each in json.loads(request.body)["alerts"])
    return [(each["status"], each["labels"]) for each in found]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def verified(request: Request) -> dict[str, Any]:
    """Return the payload of a webhook's request, after a check with the reference library under each secret."""
    payloads: list[dict[str, Any]] = [Webhook(secret).verify(request.body, request.headers) for secret in SECRETS]
    return payloads[0]


def messages(received: Recorder) -> list[tuple[str, str]]:
    """Return type and case of what a webhook has got, once for each id, as receivers do."""
    unique = {request.headers["webhook-id"]: verified(request) for request in received.requests}
    return [(each["type"], each["data"]["labels"]["case_id"]) for each in unique.values()]


def test_an_alert_fires_in_alertmanager_until_it_is_resolved(topic: Topic, tmp_path: Path, stack: ExitStack) -> None:
    server, notified = start_alertmanager(stack, tmp_path)
    mumbai, ends_at = condition("job-1", city="mumbai"), NOW + HOUR
    topic.emit(condition("job-aborted"), commit=False)
    topic.emit(mumbai, moment("job-22", ends_at), moment("job-past", NOW - HOUR), condition("job-3"))
    forwarder = start(stack, topic, tmp_path, "--alertmanager", server.url)
    until(lambda: server.alerts().keys() >= {"job-1", "job-22", "job-3"}, lambda: forwarder.log)
    alert = server.alerts()["job-1"]
    assert alert["labels"] == {
        "alertname": "validated_off_site",
        "severity": "critical",
        "case_id": "job-1",
        "city": "mumbai",
    }
    assert alert["annotations"]["summary"] == mumbai.summary
    assert alert["annotations"]["console"] == alert["generatorURL"] == "http://127.0.0.1:8765/cases/job-1"
    assert instant(alert["startsAt"]).timestamp() == pytest.approx(mumbai.starts_at / SECOND_US)
    assert instant(server.alerts()["job-22"]["endsAt"]).timestamp() == pytest.approx(ends_at / SECOND_US)

    first_end = instant(alert["endsAt"]).timestamp()
    until(lambda: SystemClock().now_us() / SECOND_US > first_end)
    assert server.alerts().keys() == {"job-1", "job-22", "job-3"}

    topic.emit(condition("job-1", city="pune"), resolved(condition("job-3")))
    until(
        lambda: sum(state == "resolved" for state, _ in notifications(notified)) == 2, lambda: notifications(notified)
    )
    assert server.alerts()["job-1"]["labels"]["city"] == "pune"
    assert server.alerts().keys() == {"job-1", "job-22"}
    states = [(state, labels["case_id"], labels.get("city", "")) for state, labels in notifications(notified)]
    assert sorted(states) == [
        ("firing", "job-1", "mumbai"),
        ("firing", "job-1", "pune"),
        ("firing", "job-22", ""),
        ("firing", "job-3", ""),
        ("resolved", "job-1", "mumbai"),
        ("resolved", "job-3", ""),
    ]
    assert forwarder.stop() == 0, forwarder.log


def test_alerts_survive_a_kill_of_either_side(topic: Topic, tmp_path: Path, stack: ExitStack) -> None:
    server, notified = start_alertmanager(stack, tmp_path)
    topic.emit(condition("job-1"))
    forwarder = start(stack, topic, tmp_path, "--alertmanager", server.url)
    until(lambda: "job-1" in server.alerts(), lambda: forwarder.log)

    forwarder.kill()
    topic.emit(condition("job-22"))
    forwarder.start()
    until(lambda: server.alerts().keys() == {"job-1", "job-22"}, lambda: forwarder.log)

    server.kill()
    topic.emit(resolved(condition("job-22")), condition("job-3"))
    until(lambda: "no answer" in forwarder.log, lambda: forwarder.log)
    server.start()
    until(lambda: server.alerts().keys() == {"job-1", "job-3"}, lambda: forwarder.log)
    assert "works again" in forwarder.log
    assert {labels["case_id"] for state, labels in notifications(notified) if state == "firing"} >= {"job-1", "job-3"}


def test_a_dead_a_silent_and_a_refusing_receiver_delay_nobody(
    topic: Topic, tmp_path: Path, stack: ExitStack, secrets_file: str
) -> None:
    silent = stack.enter_context(socket.create_server((HOST, 0)))
    refusing = stack.enter_context(recorder([400], b"start time must be before end time"))
    live = stack.enter_context(recorder())
    nowhere, black_hole = (f"http://{HOST}:{port}" for port in (free_port(), silent.getsockname()[1]))
    arguments = [word for url in (nowhere, black_hole, refusing.url) for word in ("--alertmanager", url)]
    for url in (f"{nowhere}/hook?token=t0ken", f"{black_hole}/hook", live.url):
        arguments += ["--webhook", url, secrets_file]
    forwarder = start(stack, topic, tmp_path, *arguments)
    cases = ["job-1", "job-22", "job-333"]
    for case in cases:
        topic.emit(condition(case))
        until(lambda: bool(live.requests) and messages(live)[-1][1] == case, lambda: forwarder.log)  # noqa: B023 - waits
    assert messages(live) == [("alert.firing", case) for case in cases]
    until(lambda: len(refusing.requests) > len(cases), lambda: forwarder.log)
    refusal = f"Alertmanager 3 at {refusing.url}: refuses alerts (400): start time must be before end time"
    assert forwarder.log.count(refusal) == 1
    assert forwarder.stop() == 0
    assert "t0ken" not in forwarder.log
    assert "whsec_" not in forwarder.log


def test_a_webhook_gets_what_it_missed_in_order_and_under_the_same_id(
    topic: Topic, tmp_path: Path, stack: ExitStack, secrets_file: str
) -> None:
    received = stack.enter_context(recorder([500, 200]))
    old = condition("job-old")
    topic.emit(old, resolved(old), condition("job-1"))
    forwarder = start(stack, topic, tmp_path, "--webhook", received.url, secrets_file)
    until(lambda: "answers with 500" in forwarder.log, lambda: forwarder.log)
    forwarder.kill()
    topic.emit(resolved(condition("job-1")))
    forwarder.start()
    until(lambda: len(received.requests) == 3, lambda: forwarder.log)
    assert forwarder.stop() == 0

    tried, tried_again, other = (request.headers["webhook-id"] for request in received.requests)
    assert tried == tried_again != other
    assert messages(received) == [("alert.firing", "job-1"), ("alert.resolved", "job-1")]
    assert (
        verified(received.requests[0])["data"]["starts_at"]
        == json.loads(received.requests[-1].body)["data"]["starts_at"]
    )


def test_a_webhook_that_is_gone_is_left_alone_until_the_next_start(
    topic: Topic, tmp_path: Path, stack: ExitStack, secrets_file: str
) -> None:
    gone, live = stack.enter_context(recorder([410])), stack.enter_context(recorder())
    arguments = ("--webhook", gone.url, secrets_file, "--webhook", live.url, secrets_file)
    topic.emit(condition("job-1"))
    forwarder = start(stack, topic, tmp_path, *arguments)
    until(lambda: "gone (410)" in forwarder.log, lambda: forwarder.log)
    topic.emit(resolved(condition("job-1")), condition("job-22"))
    until(lambda: len(live.requests) == 3, lambda: forwarder.log)
    assert len(gone.requests) == 1
    assert forwarder.stop() == 0
    gone.statuses = [200]
    forwarder.start()
    until(lambda: len(gone.requests) == 2, lambda: forwarder.log)
    assert messages(gone) == [("alert.firing", "job-1"), ("alert.firing", "job-22")]
    assert len(live.requests) == 3


def test_alerts_go_on_firing_while_kafka_does_not_answer(
    topic: Topic, kafka: EmbeddedKafka, tmp_path: Path, stack: ExitStack
) -> None:
    server, notified = start_alertmanager(stack, tmp_path)
    topic.emit(condition("job-1"))
    forwarder = start(stack, topic, tmp_path, "--alertmanager", server.url)
    until(lambda: "job-1" in server.alerts(), lambda: forwarder.log)
    assert kafka.pid is not None
    stack.callback(os.kill, kafka.pid, signal.SIGCONT)
    os.kill(kafka.pid, signal.SIGSTOP)
    until(lambda: "does not answer" in forwarder.log, lambda: forwarder.log)
    ends_at = instant(server.alerts()["job-1"]["endsAt"])
    until(lambda: instant(server.alerts()["job-1"]["endsAt"]) > ends_at, lambda: forwarder.log)
    os.kill(kafka.pid, signal.SIGCONT)
    topic.emit(resolved(condition("job-1")))
    until(lambda: "resolved" in [state for state, _ in notifications(notified)], lambda: forwarder.log)
    assert [state for state, _ in notifications(notified)] == ["firing", "resolved"]
    assert forwarder.log.count("does not answer") == 1
    assert "aiokafka" not in forwarder.log
