"""Checks at the start of a worker that Kafka's ACLs allow everything that a worker does.

Without this check a client that may not read a topic would wait for its records forever. A broker without an authorizer
allows everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TransactionalIdAuthorizationFailed
from confluent_kafka import KafkaError as LibrdkafkaError
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined] # not marked for export

from schemas.errors import UsageError
from schemas.topics import Topics
from streams.kafka.connection import SILENT_LOGGER, KafkaConnection
from streams.kafka.topics import admin_client

READ, WRITE = "Read", "Write"
_OPERATIONS: Final = {READ: AclOperation.READ, WRITE: AclOperation.WRITE}
_REQUEST_TIMEOUT_S: Final = 15.0

Granted = frozenset[AclOperation]


async def check_rights(connection: KafkaConnection, topics: Topics, *, group: str, transactional_id: str) -> None:
    """Raise `UsageError`, naming every missing right, unless this user may do what a worker does.

    `transactional_id` is a sample of those that workers use. Topics that do not exist are skipped: creating them will
    succeed or fail with an error of its own. Also raises `UsageError` when the brokers cannot be reached.
    """
    read = (*topics.inputs, *topics.internal, *topics.outputs)
    written = (*topics.internal, *topics.outputs)
    try:
        denied = await _denied_ids(connection, group, transactional_id)
        granted = await asyncio.to_thread(_topic_rights, connection, read)
    except KafkaException as error:
        raise UsageError(f"Kafka at {connection.brokers}: {error.args[0].str()}") from error
    missing = [*_missing(READ, read, granted), *_missing(WRITE, written, granted), *denied]
    if missing:
        raise UsageError(f"Kafka at {connection.brokers}: this user has no right to {', '.join(missing)}")


def _missing(right: str, names: Sequence[str], granted: Mapping[str, Granted]) -> Iterator[str]:
    denied = [name for name in names if name in granted and _OPERATIONS[right] not in granted[name]]
    if denied:
        yield f"{right} on topic {', '.join(denied)}"


def _topic_rights(connection: KafkaConnection, names: Sequence[str]) -> dict[str, Granted]:
    """Return the allowed operations by topic, for topics that exist or are hidden from this user; blocks."""
    admin = AdminClient(connection.librdkafka_options(), logger=SILENT_LOGGER)
    described = admin.describe_topics(
        TopicCollection(list(names)), include_authorized_operations=True, request_timeout=_REQUEST_TIMEOUT_S
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
        (group, 0, f"{READ} on group {group}"),
        (transactional_id, 1, f"{WRITE} on transactional id {transactional_id}"),
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
