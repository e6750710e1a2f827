"""Checking the configuration of topics that somebody else created, on a real broker."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported all the same

from agents.sops import catalogue
from schemas.errors import UsageError
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.kafka.checks import SIZE_MIN, check_topics, refuse_small, warnings
from streams.kafka.connection import KafkaConnection
from streams.kafka.topics import prepare_topics, read_layout


def create_topic(kafka: EmbeddedKafka, name: str, config: dict[str, str]) -> None:
    new = NewTopic(name, 1, 1, config=config)
    admin = AdminClient({"bootstrap.servers": kafka.address})
    for future in admin.create_topics([new]).values():
        future.result()


async def test_topics_that_a_worker_created_cause_no_warning(kafka: EmbeddedKafka, prefix: str) -> None:
    connection, topics = KafkaConnection(kafka.address), catalogue.topics(prefix)
    await prepare_topics(connection, topics, 1, 1)
    await read_layout(connection, topics.all)  # waits until every broker knows them
    checked = await check_topics(connection, topics)
    assert checked.warnings == []
    assert checked.sizes == dict.fromkeys(topics.written, 8 * 1024 * 1024)


async def test_a_dead_letter_topic_too_small_for_the_inputs_is_refused(kafka: EmbeddedKafka, prefix: str) -> None:
    connection, topics = KafkaConnection(kafka.address), catalogue.topics(prefix)
    create_topic(kafka, topics.dead_letters, {"max.message.bytes": "1048588"})
    await prepare_topics(connection, topics, 1, 1)
    with pytest.raises(UsageError, match=r"dead-letters: max\.message\.bytes is 1048588, it must be at least 8388608"):
        await check_topics(connection, topics)


async def test_output_topics_of_kafka_s_default_size_cause_a_warning(kafka: EmbeddedKafka, prefix: str) -> None:
    connection, topics = KafkaConnection(kafka.address), catalogue.topics(prefix)
    for name in (topics.actions, *topics.inputs):
        create_topic(kafka, name, {})
    await prepare_topics(connection, topics, 1, 1)
    checked = await check_topics(connection, topics)
    assert checked.sizes[topics.actions] == 1_048_588
    (warning,) = checked.warnings
    assert warning.startswith(f"{topics.actions}: max.message.bytes is less than 8388608: a case ")


TOPICS = catalogue.topics()


@pytest.mark.parametrize(
    ("name", "inputs", "needed", "what"),
    [
        *((name, 400_000, SIZE_MIN, "what a worker writes") for name in (*TOPICS.outputs, *TOPICS.internal)),
        ("dead-letters", 500_001, 1_000_002, "what jobs accepts"),
        ("internal.cases", 1_000_001, 1_000_001, "what jobs accepts"),
        ("internal.partners", 1_000_001, 1_000_001, "what jobs accepts"),
        ("internal.progress", 1_000_001, SIZE_MIN, "what a worker writes"),
        ("actions", 1_000_001, SIZE_MIN, "what a worker writes"),
    ],
)
def test_a_topic_that_accepts_too_little_is_refused(name: str, inputs: int, needed: int, what: str) -> None:
    def configs(size: int) -> dict[str, dict[str, str]]:
        sizes = dict.fromkeys(TOPICS.inputs, inputs) | {name: size}
        return {each: {"max.message.bytes": str(at)} for each, at in sizes.items()}

    refuse_small(configs(needed), TOPICS)
    with pytest.raises(UsageError) as refused:
        refuse_small(configs(needed - 1), TOPICS)
    message = f"{name}: max.message.bytes is {needed - 1}, it must be at least {needed} to hold {what}"
    assert str(refused.value) == message


def test_topics_of_unknown_configuration_are_accepted() -> None:
    refuse_small({}, TOPICS)


async def test_an_unsuitable_cleanup_policy_causes_a_warning(kafka: EmbeddedKafka, prefix: str) -> None:
    connection, topics = KafkaConnection(kafka.address), catalogue.topics(prefix)
    create_topic(kafka, topics.inputs[0], {"cleanup.policy": "compact,delete"})
    create_topic(kafka, topics.actions, {"cleanup.policy": "compact", "max.message.bytes": "8388608"})
    create_topic(kafka, topics.progress, {"cleanup.policy": "delete", "max.message.bytes": "8388608"})
    await prepare_topics(connection, topics, 1, 1)
    found = (await check_topics(connection, topics)).warnings
    assert [line.partition(": ")[0] for line in found] == [topics.inputs[0], topics.actions, topics.progress]


@pytest.mark.parametrize(
    ("replicas", "in_sync", "brokers", "warning"),
    [
        (1, "1", 1, ""),
        (1, "1", 3, "jobs has one replica on a cluster of 3 brokers: it is lost with its broker"),
        (3, "1", 3, "jobs: min.insync.replicas is 1: a record that only one broker has is lost with it"),
        (3, "2", 3, ""),
    ],
)
def test_records_that_one_broker_could_lose_cause_a_warning(
    replicas: int, in_sync: str, brokers: int, warning: str
) -> None:
    topics = catalogue.topics()
    everywhere: Mapping[str, int] = dict.fromkeys((*topics.consumed, *topics.outputs, topics.progress), replicas)
    configs = {name: {"min.insync.replicas": in_sync, "cleanup.policy": ""} for name in everywhere}
    lines = list(warnings(configs, everywhere, brokers, topics))
    assert (lines[0] if lines else "") == warning
    assert len(lines) in {0, len(everywhere)}
