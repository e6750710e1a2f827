"""The topics' set-up on a real broker: what a worker finds when it starts, and `sop topics`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported all the same

from agents.sops import catalogue
from schemas.errors import UsageError
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.kafka.checks import check_topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.topic_setup import TopicTargets
from streams.kafka.topics import prepare_topics, read_layout
from tests.e2e.conftest import run_sop

TARGETS = TopicTargets(partitions=1)
SopTopics = Callable[..., subprocess.CompletedProcess[str]]


def create_topic(kafka: EmbeddedKafka, name: str, config: dict[str, str], partitions: int = 1) -> None:
    new = NewTopic(name, partitions, 1, config=config)
    admin = AdminClient({"bootstrap.servers": kafka.address})
    for future in admin.create_topics([new]).values():
        future.result()


@pytest.fixture
def sop_topics(kafka: EmbeddedKafka, prefix: str) -> SopTopics:
    """Return a function that runs `sop topics` over the test's topics."""
    variables = {"SOP_BROKERS": kafka.address, "SOP_TOPIC_PREFIX": prefix, "SOP_PARTITIONS": "1"}

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return run_sop("topics", *arguments, env=variables | more)

    return run


def documents(done: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_topics_that_a_worker_created_cause_no_warning(kafka: EmbeddedKafka, prefix: str) -> None:
    connection, topics = KafkaConnection(kafka.address), catalogue.topics(prefix)
    await prepare_topics(connection, topics, TARGETS)
    await read_layout(connection, topics.all)  # waits until every broker knows them
    checked = await check_topics(connection, topics, TARGETS)
    assert checked.warnings == []
    assert checked.sizes == dict.fromkeys(topics.written, 8 * 1024 * 1024)


async def test_a_dead_letter_topic_too_small_for_the_inputs_is_refused(kafka: EmbeddedKafka, prefix: str) -> None:
    connection, topics = KafkaConnection(kafka.address), catalogue.topics(prefix)
    create_topic(kafka, topics.dead_letters, {"max.message.bytes": "1048588"})
    await prepare_topics(connection, topics, TARGETS)
    refused = r"dead-letters: max\.message\.bytes is 1048588, it should be at least 8388608: it must hold 2 times what "
    with pytest.raises(UsageError, match=refused):
        await check_topics(connection, topics, TARGETS)


async def test_output_topics_of_kafka_s_default_size_cause_a_warning(kafka: EmbeddedKafka, prefix: str) -> None:
    connection, topics = KafkaConnection(kafka.address), catalogue.topics(prefix)
    for name in (topics.actions, topics.alerts, *topics.inputs):
        create_topic(kafka, name, {})
    await prepare_topics(connection, topics, TARGETS)
    checked = await check_topics(connection, topics, TARGETS)
    assert checked.sizes[topics.actions] == 1_048_588
    (warning,) = checked.warnings
    names = f"{topics.actions}, {topics.alerts}"
    assert warning.startswith(f"{names}: max.message.bytes is 1048588, it should be at least 8388608: a case ")


async def test_an_unsuitable_cleanup_policy_causes_a_warning(kafka: EmbeddedKafka, prefix: str) -> None:
    connection, topics = KafkaConnection(kafka.address), catalogue.topics(prefix)
    create_topic(kafka, topics.inputs[0], {"cleanup.policy": "compact,delete"})
    create_topic(kafka, topics.actions, {"cleanup.policy": "compact", "max.message.bytes": "8388608"})
    create_topic(kafka, topics.progress, {"cleanup.policy": "delete", "max.message.bytes": "8388608"})
    await prepare_topics(connection, topics, TARGETS)
    found = (await check_topics(connection, topics, TARGETS)).warnings
    assert [line.partition(": ")[0] for line in found] == [topics.inputs[0], topics.actions, topics.progress]


def test_missing_topics_are_shown_then_created_and_are_as_they_should_be(sop_topics: SopTopics, prefix: str) -> None:
    topics = catalogue.topics(prefix)
    missing = sop_topics("check", "--json")
    assert missing.returncode == 1
    assert [(each["topic"], each["is"]) for each in documents(missing)] == [(name, "missing") for name in topics.known]
    planned = sop_topics("create")
    assert planned.returncode == 0
    assert f"would create {topics.progress}: partitions=1, replicas=1, " in planned.stdout
    assert sop_topics("check").returncode == 1
    created = sop_topics("create", "--apply", "--json")
    assert created.returncode == 0
    assert [each["topic"] for each in documents(created)] == list(topics.known)
    checked = sop_topics("check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout == f"all {len(topics.known)} topics are as they should be\n"
    again = sop_topics("create", "--apply")
    assert again.stdout == f"0 topics created, {len(topics.known)} exist already\n"


def test_differences_are_shown_and_applied_but_not_partitions(
    kafka: EmbeddedKafka, sop_topics: SopTopics, prefix: str
) -> None:
    topics = catalogue.topics(prefix)
    assert sop_topics("create", "--apply").returncode == 0
    admin = AdminClient({"bootstrap.servers": kafka.address})
    for future in admin.delete_topics([topics.inputs[0], topics.actions]).values():
        future.result()
    create_topic(kafka, topics.inputs[0], {"cleanup.policy": "compact", "retention.ms": "1000"})
    create_topic(kafka, topics.actions, {"max.message.bytes": "1000"}, partitions=2)
    shown = sop_topics("check")
    assert shown.returncode == 1
    assert "can be set with --apply" in shown.stdout
    before = documents(sop_topics("check", "--json"))
    assert {(each["topic"], each["setting"]) for each in before if each["setting"] != "partitions"} == {
        (topics.inputs[0], "cleanup.policy"),
        (topics.inputs[0], "retention.ms"),
        (topics.actions, "max.message.bytes"),
    }
    applied = sop_topics("check", "--apply", "--json")
    assert applied.returncode == 1
    assert f"{topics.actions}: max.message.bytes set to 8388608\n" in applied.stderr
    assert {each["setting"] for each in documents(applied)} == {"partitions"}
    assert sop_topics("check", "--apply", "--json").stderr == ""


def test_a_topic_that_the_cluster_refuses_is_named_and_the_others_go_on(sop_topics: SopTopics, prefix: str) -> None:
    refused = sop_topics("create", "--apply", SOP_REPLICAS="3")
    lines = refused.stderr.splitlines()
    assert refused.returncode == 1
    assert [line.partition(" cannot be created: ")[0] for line in lines] == [
        f"sop: {name}" for name in catalogue.topics(prefix).known
    ]
