"""Checks at the start of a worker: the topics' configuration loses nothing, and the ACLs allow all that a worker does.

Without the second check a client that may not read a topic would wait for its records forever. A broker without an
authorizer allows everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from confluent_kafka import KafkaError as LibrdkafkaError
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined] # not marked for export

from schemas.errors import UsageError
from schemas.topics import Topics
from streams.kafka.connection import MESSAGE_BYTES_MAX, SILENT_LOGGER, KafkaConnection
from streams.kafka.topics import CLEANUP_CONFIG, REQUEST_TIMEOUT_S, SIZE_CONFIG, admin_client

IN_SYNC_CONFIG: Final = "min.insync.replicas"
DEAD_LETTER_FACTOR: Final = 2
"""How much larger a dead letter may be than the record in it: Base64, headers, and origin."""

SIZE_MIN: Final = 1_000_000
"""The smallest `max.message.bytes` of a topic that a worker writes to; Kafka's default is a little more."""

RECORD_OVERHEAD_BYTES: Final = 256
"""More than a record alone in its batch takes beyond its key and value, with the headers of an output."""

Configs = Mapping[str, Mapping[str, str]]
Granted = frozenset[AclOperation]


class CheckedTopics(NamedTuple):
    """Warnings of one line each, and the largest record that each output topic accepts, as far as readable."""

    warnings: list[str]
    sizes: Mapping[str, int]


async def check_topics(connection: KafkaConnection, topics: Topics) -> CheckedTopics:
    """Check the configuration of topics that exist.

    Raises `UsageError` when the brokers cannot be reached, and when an output topic accepts only records so small that
    an input record could be neither processed nor dead-lettered.
    """
    async with admin_client(connection) as admin:
        replicas = _replicas(await admin.describe_topics(list(topics.all)))
        brokers = len((await admin.describe_cluster())["brokers"])
        configs, hidden = await _configs(admin, topics.all)
    refuse_small(configs, topics)
    sizes = {name: size for name in topics.written if (size := _number(configs, name, SIZE_CONFIG)) is not None}
    found = []
    if hidden:
        reason = "this user has no right to DescribeConfigs"
        found.append(f"the configuration of {', '.join(hidden)} is not checked: {reason}")
    if small := [name for name, size in sizes.items() if size < connection.message_bytes_max]:
        limit = f"{SIZE_CONFIG} is less than {connection.message_bytes_max}"
        quarantined = "a case with so many facts that a decision is larger will be quarantined"
        found.append(f"{', '.join(small)}: {limit}: {quarantined}")
    found += warnings(configs, replicas, brokers, topics)
    return CheckedTopics(found, sizes)


def dead_letter_bytes_max(sizes: Mapping[str, int], topics: Topics) -> int:
    """Return the largest dead letter, key included, that its topic accepts; `sizes` are `CheckedTopics.sizes`."""
    return min(MESSAGE_BYTES_MAX, sizes.get(topics.dead_letters, SIZE_MIN)) - RECORD_OVERHEAD_BYTES


def refuse_small(configs: Configs, topics: Topics) -> None:
    """Raise `UsageError` if a topic is known to accept less than a worker must be able to write there."""
    small = []
    for name in topics.written:
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


def warnings(configs: Configs, replicas: Mapping[str, int], brokers: int, topics: Topics) -> Iterator[str]:
    """Yield a warning for each topic that may lose records on a cluster of this many brokers."""
    if brokers > 1:
        for name in topics.all:
            if replicas.get(name, brokers) < 2:
                yield f"{name} has one replica on a cluster of {brokers} brokers: it is lost with its broker"
            elif (_number(configs, name, IN_SYNC_CONFIG) or 2) < 2:
                yield f"{name}: {IN_SYNC_CONFIG} is 1: a record that only one broker has is lost with it"
    for name in topics.inputs:
        cleanup = configs.get(name, {}).get(CLEANUP_CONFIG, "")
        if "compact" in cleanup:
            yield f"{name}: {CLEANUP_CONFIG} is {cleanup}: Kafka deletes all but the last event of a key, read or not"
    kept_by_key = {topics.progress: "how far the workers have read", topics.latest: "the latest revision of a decision"}
    for name in topics.written:
        cleanup = configs.get(name, {}).get(CLEANUP_CONFIG, "")
        if name not in kept_by_key and "compact" in cleanup:
            yield f"{name}: {CLEANUP_CONFIG} is {cleanup}: Kafka deletes superseded revisions"
        if name in kept_by_key and "delete" in cleanup:
            yield f"{name}: {CLEANUP_CONFIG} is {cleanup}: Kafka may delete {kept_by_key[name]}; use compact"


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


async def check_rights(connection: KafkaConnection, topics: Topics, *, group: str, transactional_id: str) -> None:
    """Raise `UsageError`, naming every missing right, unless this user may do what a worker does.

    `transactional_id` is a sample of those that workers use. Topics that do not exist are skipped: creating them will
    succeed or fail with an error of its own. Also raises `UsageError` when the brokers cannot be reached.
    """
    read = (*topics.inputs, *topics.internal, *topics.outputs)
    try:
        denied = await _denied_ids(connection, group, transactional_id)
        granted = await asyncio.to_thread(_topic_rights, connection, topics.all)
    except KafkaException as error:
        raise UsageError(f"Kafka at {connection.brokers}: {error.args[0].str()}") from error
    missing = [
        *_missing(AclOperation.READ, read, granted),
        *_missing(AclOperation.WRITE, topics.written, granted),
        *denied,
    ]
    if missing:
        raise UsageError(f"Kafka at {connection.brokers}: this user has no right to {', '.join(missing)}")


def _missing(operation: AclOperation, names: Sequence[str], granted: Mapping[str, Granted]) -> Iterator[str]:
    denied = [name for name in names if name in granted and operation not in granted[name]]
    if denied:
        yield f"{operation.name.capitalize()} on topic {', '.join(denied)}"


def _topic_rights(connection: KafkaConnection, names: Sequence[str]) -> dict[str, Granted]:
    """Return the allowed operations by topic, for topics that exist or are hidden from this user; blocks."""
    admin = AdminClient(connection.librdkafka_options(), logger=SILENT_LOGGER)
    described = admin.describe_topics(
        TopicCollection(list(names)), include_authorized_operations=True, request_timeout=REQUEST_TIMEOUT_S
    )
    granted: dict[str, Granted] = {}
    for name, future in described.items():
        try:
            granted[name] = frozenset(future.result().authorized_operations)
        except KafkaException as error:
            if error.args[0].code() == LibrdkafkaError.TOPIC_AUTHORIZATION_FAILED:
                granted[name] = frozenset()
            elif error.args[0].code() < 0:  # an error of librdkafka itself: the brokers did not answer
                raise
    return granted


async def _denied_ids(connection: KafkaConnection, group: str, transactional_id: str) -> list[str]:
    """Return the missing rights on the group and the transactional id: to look up a coordinator needs the same."""
    lookups = (
        (group, 0, f"Read on group {group}"),
        (transactional_id, 1, f"Write on transactional id {transactional_id}"),
    )
    denied: list[str] = []
    async with admin_client(connection) as admin:
        for name, kind, right in lookups:
            try:
                await admin.find_coordinator(name, kind)
            except (GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed):
                denied.append(right)
            except KafkaError as error:
                if not error.retriable:  # on a new cluster the first look-up creates the coordinator's topic
                    raise
    return denied
