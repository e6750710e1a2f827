"""What the brokers let this user do, looked at when a worker starts: a right that is missing is told at once.

Otherwise a client that may not read a topic waits for its records for ever. A broker that keeps no account of rights
allows everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from schemas.errors import UsageError
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection, trouble

READ, WRITE = "Read", "Write"
_BITS: Final = {READ: 1 << 3, WRITE: 1 << 4}
_METADATA: Final = 3
_VERSION: Final = 8
"""The first one that tells rights is also the last that aiokafka's header fits."""


class _Rights(Response):  # type: ignore[misc] # published without types
    API_KEY = _METADATA
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8")))),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("authorized_operations", Int32),
    )


class _AskStruct(RequestStruct):  # type: ignore[misc] # published without types
    API_KEY = _METADATA
    API_VERSION = _VERSION
    RESPONSE_TYPE = _Rights
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _Ask(Request[_AskStruct]):  # type: ignore[misc] # published without types
    API_KEY = _METADATA

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_AskStruct]) -> _AskStruct:
        return request_struct_class(list(self._topics), False, False, True)


async def refuse_missing_rights(
    connection: KafkaConnection, topics: Topics, *, group: str, transactional_id: str
) -> None:
    """Raise `UsageError`, naming all that is missing, unless this user may do what a worker does.

    `transactional_id` stands for all that begin like it. Topics that do not exist are passed over: they are made, or
    it is told that they cannot be. Raises `UsageError` too when the brokers cannot be reached.
    """
    read = (*topics.inputs, *topics.internal, *topics.outputs)
    written = (*topics.internal, *topics.outputs)
    try:
        granted = await _topic_rights(connection, read)
        denied = await _denied_ids(connection, group, transactional_id)
    except KafkaError as error:
        raise UsageError(trouble(connection, error)) from error
    missing = [*_missing(READ, read, granted), *_missing(WRITE, written, granted), *denied]
    if missing:
        raise UsageError(f"Kafka at {connection.brokers}: this user has no right to {', '.join(missing)}")


def _missing(right: str, names: Sequence[str], granted: Mapping[str, int]) -> Iterator[str]:
    denied = [name for name in names if name in granted and not granted[name] & _BITS[right]]
    if denied:
        yield f"{right} on topic {', '.join(denied)}"


async def _topic_rights(connection: KafkaConnection, names: Sequence[str]) -> dict[str, int]:
    """Return the rights, as Kafka's bits, to the topics that exist or are hidden from this user."""
    client = AIOKafkaClient(**connection.client_options())
    try:
        await client.bootstrap()
        told = (await client.send(client.get_random_node(), _Ask(names))).to_object()
    finally:
        await client.close()
    hidden = TopicAuthorizationFailedError.errno
    return {
        each["topic"]: 0 if each["error_code"] == hidden else each["authorized_operations"]
        for each in told["topics"]
        if each["error_code"] in {0, hidden}
    }


async def _denied_ids(connection: KafkaConnection, group: str, transactional_id: str) -> list[str]:
    """Return what is missing to join the group and to use the transactional id; asking for who keeps them tells."""
    admin = AIOKafkaAdminClient(**connection.client_options())
    asked = (
        (group, 0, f"{READ} on group {group}"),
        (transactional_id, 1, f"{WRITE} on transactional id {transactional_id}"),
    )
    denied: list[str] = []
    try:
        await admin.start()
        for name, kind, right in asked:
            try:
                await admin.find_coordinator(name, kind)
            except (GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed):
                denied.append(right)
            except KafkaError as error:
                if not error.retriable:  # a cluster without any group or transaction yet makes room for the first
                    raise
    finally:
        await admin.close()
    return denied
