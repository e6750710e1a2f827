"""`sop case` over a real Kafka: the current decisions come first, from the topic of latest decisions."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported all the same

from agents.sops import catalogue
from schemas.topics import Topics
from sop.main import run
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.kafka.connection import KafkaConnection
from streams.kafka.topic_setup import TopicTargets
from streams.kafka.topics import prepare_topics
from streams.processor.decoder import partition_of
from tests.scenario import Scenario

PARTITIONS = 3
CASES = ("job-1", "job-10", "a|b %")


def case_of(case_id: str) -> Scenario:
    return Scenario(case_id).booked().assigned().report("10:00", 43).ticket("10:00").image("10:05").validated("10:10")


def decisions_of(case_id: str) -> list[dict[str, Any]]:
    return [each for each in case_of(case_id).messages() if each["type"].startswith("decision.")]


def latest_of(case_id: str) -> list[dict[str, Any]]:
    """Return the last revision of every decision, in the order of their keys."""
    latest = {each["data"]["decision_key"]: each for each in decisions_of(case_id)}
    return [latest[key] for key in sorted(latest)]


@pytest.fixture
def inputs(kafka: EmbeddedKafka, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Topics:
    """Return topics, of which the inputs exist, with the facts of three cases; the environment names them."""
    monkeypatch.setenv("SOP_BROKERS", kafka.address)
    monkeypatch.setenv("SOP_TOPIC_PREFIX", prefix)
    topics = catalogue.topics(prefix)
    new = [NewTopic(name, PARTITIONS, 1) for name in topics.inputs]
    admin = AdminClient({"bootstrap.servers": kafka.address})
    for future in admin.create_topics(new).values():
        future.result()
    producer = Producer({"bootstrap.servers": kafka.address, "partitioner": "murmur2_random", "log_level": 0})
    for fact in (line for case_id in CASES for line in case_of(case_id).lines()):
        members = json.loads(fact)
        producer.produce(topics.of(members["type"]), fact, key=members["subject"])
    assert producer.flush(60) == 0
    return topics


@pytest.fixture
def topics(kafka: EmbeddedKafka, inputs: Topics) -> Topics:
    """Return topics with the facts and decisions of these cases."""
    topics = inputs
    asyncio.run(prepare_topics(KafkaConnection(kafka.address), topics, TopicTargets(partitions=PARTITIONS)))
    producer = Producer({"bootstrap.servers": kafka.address, "log_level": 0})
    for case_id in CASES:
        number = partition_of(case_id, PARTITIONS)
        for message in decisions_of(case_id):
            key = message["data"]["decision_key"]
            producer.produce(topics.latest, json.dumps(message), key=key, partition=number)
        producer.produce(topics.latest, b"foreign", key=b"job-1|foreign", partition=number)
        for value in (json.dumps(message), None):
            producer.produce(topics.latest, value, key=f"{case_id}|removed", partition=number)
    assert producer.flush(60) == 0
    return topics


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what `sop case` prints, without any error."""
    assert run(["case", *arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


@pytest.mark.usefixtures("topics")
def test_the_current_decisions_are_shown_before_the_timeline_unless_another_instant_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = shown(capsys, "job-1").splitlines()
    assert lines[0] == f"current decisions: {len(latest_of('job-1'))}"
    assert lines[1] == "    decision tagging, revision 2: partner_led_cancellation/out_of_scope, final, for p1"
    assert lines[lines.index("") + 1].startswith("case job-1 as of 2026-11-21T10:10:00Z")
    document = json.loads(shown(capsys, "job-1", "--json"))
    assert document["latest_decisions"] == latest_of("job-1")
    assert document["facts"]
    assert shown(capsys, "job-1", "--until", "2026-11-21T10:00:00Z").startswith("case job-1 as of ")


@pytest.mark.usefixtures("topics")
def test_latest_reads_them_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for case_id in CASES:
        document = json.loads(shown(capsys, case_id, "--latest", "--json"))
        assert document == {"case_id": case_id, "latest_decisions": latest_of(case_id)}
    text = shown(capsys, "job-1", "--latest")
    assert text.startswith("current decisions: 1\n")
    assert "as of" not in text
    assert run(["case", "job-2", "--latest"]) == 2
    refused = capsys.readouterr().err
    assert refused.startswith("sop: job-2: no current decision in decisions.latest of kafka://")


@pytest.mark.usefixtures("topics")
def test_statements_are_about_them(capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = json.loads(shown(capsys, "job-1", "--statement", "--json"))["statements"]
    (latest,) = latest_of("job-1")
    assert (found["decision_id"], found["revision"]) == (latest["id"], 2)
    assert shown(capsys, "job-1", "--statement").startswith(found["title"])


@pytest.mark.usefixtures("inputs")
def test_without_the_topic_statements_are_about_what_the_events_lead_to(capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = json.loads(shown(capsys, "job-1", "--statement", "--json"))["statements"]
    assert (found["kind"], found["status"], found["revision"]) == ("tagging", "final", 2)


@pytest.mark.usefixtures("inputs")
def test_without_the_topic_the_timeline_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "job-1").startswith("case job-1 as of ")
