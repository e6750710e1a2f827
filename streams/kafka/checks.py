"""Checks at the start of a worker: the topics' configuration loses nothing, and the ACLs allow all that a worker does.

Without the second check a client that may not read a topic would wait for its records forever. A broker without an
authorizer allows everything.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TransactionalIdAuthorizationFailed,
)
from confluent_kafka import KafkaError as LibrdkafkaError
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined] # not marked for export

from schemas.errors import UsageError
from schemas.topics import Topics
from streams.kafka.connection import MESSAGE_BYTES_MAX, SILENT_LOGGER, KafkaConnection
from streams.kafka.rights import topics_read
from streams.kafka.topic_admin import read_cluster
from streams.kafka.topic_setup import SIZE_MIN, Difference, TopicTargets, differences
from streams.kafka.topics import REQUEST_TIMEOUT_S, admin_client

RECORD_OVERHEAD_BYTES: Final = 256
"""More than a record alone in its batch takes beyond its key and value, with the headers of an output."""

Granted = frozenset[AclOperation]


class CheckedTopics(NamedTuple):
    """Warnings of one line each, and the largest record that each output topic accepts, as far as readable."""

    warnings: list[str]
    sizes: Mapping[str, int]


async def check_topics(connection: KafkaConnection, topics: Topics, targets: TopicTargets) -> CheckedTopics:
    """Check the configuration of topics that exist.

    Raises `UsageError` when the brokers cannot be reached, and when a topic is so different that a worker cannot start,
    as when its records are so small that an input record could be neither processed nor dead-lettered.
    """
    cluster = await read_cluster(connection, topics.all)
    found = list(differences(topics, targets, cluster))
    if errors := list(_lines(each for each in found if each.severity == "error")):
        raise UsageError("; ".join(errors))
    sizes = {name: size for name in topics.written if (size := cluster.size(name)) is not None}
    warnings = list(_lines(found))
    if cluster.hidden:
        reason = "this user has no right to DescribeConfigs"
        warnings.append(f"the configuration of {', '.join(cluster.hidden)} is not checked: {reason}")
    return CheckedTopics(warnings, sizes)


def dead_letter_bytes_max(sizes: Mapping[str, int], topics: Topics) -> int:
    """Return the largest dead letter, key included, that its topic accepts; `sizes` are `CheckedTopics.sizes`."""
    return min(MESSAGE_BYTES_MAX, sizes.get(topics.dead_letters, SIZE_MIN)) - RECORD_OVERHEAD_BYTES


def _lines(found: Iterable[Difference]) -> Iterator[str]:
    """Yield one line for each difference, with all topics that it is the same for."""
    names: defaultdict[Difference, list[str]] = defaultdict(list)
    for each in found:
        names[each._replace(topic="")].append(each.topic)
    for each, same in names.items():
        yield f"{', '.join(same)}: {each.setting} is {each.present}, it should be {each.wanted}: {each.why}"


async def check_rights(connection: KafkaConnection, topics: Topics, *, group: str, transactional_id: str) -> None:
    """Raise `UsageError`, naming every missing right, unless this user may do what a worker does.

    `transactional_id` is a sample of those that workers use. Topics that do not exist are skipped: creating them will
    succeed or fail with an error of its own. Also raises `UsageError` when the brokers cannot be reached.
    """
    try:
        denied = await _denied_ids(connection, group, transactional_id)
        granted = await asyncio.to_thread(_topic_rights, connection, topics.all)
    except KafkaException as error:
        raise UsageError(f"Kafka at {connection.brokers}: {error.args[0].str()}") from error
    missing = [
        *_missing(AclOperation.READ, topics_read(topics), granted),
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
