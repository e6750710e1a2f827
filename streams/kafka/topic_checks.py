"""Checks at the start of a worker that the topics' configuration loses nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAuthorizationFailedError

from schemas.errors import UsageError
from schemas.topics import Topics
from streams.kafka.connection import MESSAGE_BYTES_MAX, KafkaConnection
from streams.kafka.topics import admin_client

SIZE_CONFIG: Final = "max.message.bytes"
IN_SYNC_CONFIG: Final = "min.insync.replicas"
CLEANUP_CONFIG: Final = "cleanup.policy"
DEAD_LETTER_FACTOR: Final = 2
"""How much larger a dead letter may be than the record in it: Base64, headers, and origin."""

SIZE_MIN: Final = 1_000_000
"""The smallest `max.message.bytes` of a topic that a worker writes to; Kafka's default is a little more."""

RECORD_OVERHEAD_BYTES: Final = 128
"""The size of a record alone in its batch, beyond its key and value."""

Configs = Mapping[str, Mapping[str, str]]


class CheckedTopics(NamedTuple):
    """Warnings of one line each, and the largest record that each output topic accepts, as far as readable."""

    warnings: list[str]
    sizes: Mapping[str, int]


async def check_topics(connection: KafkaConnection, topics: Topics) -> CheckedTopics:
    """Check the configuration of topics that exist.

    Raises `UsageError` when the brokers cannot be reached, and when an output topic accepts only records so small that
    an input record could be neither processed nor dead-lettered.
    """
    wanted = topics.all
    async with admin_client(connection) as admin:
        replicas = _replicas(await admin.describe_topics(list(wanted)))
        brokers = len((await admin.describe_cluster())["brokers"])
        configs, hidden = await _configs(admin, wanted)
    refuse_small(configs, topics)
    written = (*topics.outputs, *topics.internal)
    sizes = {name: size for name in written if (size := _number(configs, name, SIZE_CONFIG)) is not None}
    found = [*_hidden(hidden), *_too_small(sizes, connection), *warnings(configs, replicas, brokers, topics)]
    return CheckedTopics(found, sizes)


def dead_letter_bytes_max(sizes: Mapping[str, int], topics: Topics) -> int:
    """Return the largest dead letter, key included, that its topic accepts; `sizes` are `CheckedTopics.sizes`."""
    return min(MESSAGE_BYTES_MAX, sizes.get(topics.dead_letters, SIZE_MIN)) - RECORD_OVERHEAD_BYTES


def refuse_small(configs: Configs, topics: Topics) -> None:
    """Raise `UsageError` if a topic is known to accept less than a worker must be able to write there."""
    small = []
    for name in (*topics.outputs, *topics.internal):
        size, (needed, what) = _number(configs, name, SIZE_CONFIG), _needed(configs, topics, name)
        if size is not None and size < needed:
            small.append(f"{name}: {SIZE_CONFIG} is {size}, it must be at least {needed} to hold {what}")
    if small:
        raise UsageError("; ".join(small))


def _needed(configs: Configs, topics: Topics, name: str) -> tuple[int, str]:
    """Return how many bytes a topic must accept at least, and for what."""
    factor = {topics.dead_letters: DEAD_LETTER_FACTOR, topics.cases: 1, topics.partners: 1}.get(name, 0)
    inputs = ((factor * (_number(configs, each, SIZE_CONFIG) or 0), f"what {each} accepts") for each in topics.inputs)
    return max((SIZE_MIN, "what a worker writes"), *inputs, key=lambda needed: needed[0])


def _too_small(sizes: Mapping[str, int], connection: KafkaConnection) -> Iterator[str]:
    small = [name for name, size in sizes.items() if size < connection.message_bytes_max]
    if small:
        yield (
            f"{', '.join(small)}: {SIZE_CONFIG} is less than {connection.message_bytes_max}: a case with so many facts "
            "that a decision is larger will be quarantined"
        )


def warnings(configs: Configs, replicas: Mapping[str, int], brokers: int, topics: Topics) -> Iterator[str]:
    """Yield a warning for each topic that may lose records on a cluster of this many brokers."""
    written = (*topics.outputs, topics.progress, topics.cases, topics.partners)
    if brokers > 1:
        for name in (*topics.inputs, *written):
            if replicas.get(name, brokers) < 2:
                yield f"{name} has one replica on a cluster of {brokers} brokers: it is lost with its broker"
            elif (_number(configs, name, IN_SYNC_CONFIG) or 2) < 2:
                yield f"{name}: {IN_SYNC_CONFIG} is 1: a record that only one broker has is lost with it"
    for name in topics.inputs:
        cleanup = configs.get(name, {}).get(CLEANUP_CONFIG, "")
        if "compact" in cleanup:
            yield f"{name}: {CLEANUP_CONFIG} is {cleanup}: Kafka deletes all but the last event of a key, read or not"
    for name in written:
        cleanup = configs.get(name, {}).get(CLEANUP_CONFIG, "")
        if name != topics.progress and "compact" in cleanup:
            yield f"{name}: {CLEANUP_CONFIG} is {cleanup}: Kafka deletes superseded revisions"
        if name == topics.progress and cleanup == "delete":
            yield f"{name}: {CLEANUP_CONFIG} is delete: Kafka may delete how far the workers have read; use compact"


def _hidden(names: Sequence[str]) -> Iterator[str]:
    if names:
        yield f"the configuration of {', '.join(names)} is not checked: this user has no right to DescribeConfigs"


def _number(configs: Configs, topic: str, name: str) -> int | None:
    value = configs.get(topic, {}).get(name)
    return None if value is None else int(value)


def _replicas(described: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the smallest number of replicas of each topic."""
    return {
        each["topic"]: min(len(partition["replicas"]) for partition in each["partitions"])
        for each in described
        if each["partitions"]
    }


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> tuple[Configs, list[str]]:
    """Return the readable configurations, and the topics whose are not; a topic just created may be in neither."""
    found: dict[str, dict[str, str]] = {}
    hidden: list[str] = []
    for response in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names]):
        for code, _, _, name, entries in response.resources:
            if code == 0:
                found[name] = {entry[0]: entry[1] for entry in entries}
            elif code == TopicAuthorizationFailedError.errno:
                hidden.append(name)
    return found, hidden
