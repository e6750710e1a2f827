"""Reads how topics are set up on a cluster, and changes their configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined] # not marked for export
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from schemas.errors import UsageError
from streams.kafka.connection import SILENT_LOGGER, KafkaConnection
from streams.kafka.topic_setup import Cluster, Difference, TopicState
from streams.kafka.topics import REQUEST_TIMEOUT_S, admin_client

_UNKNOWN: Final = KafkaError.UNKNOWN_TOPIC_OR_PART
_DENIED: Final = KafkaError.TOPIC_AUTHORIZATION_FAILED


async def read_cluster(connection: KafkaConnection, names: Sequence[str]) -> Cluster:
    """Return how the topics that exist are set up; a topic just created may be missing.

    Raises `UsageError` when the brokers cannot be reached, or this user may not see a topic.
    """
    async with admin_client(connection) as admin:
        brokers = len((await admin.describe_cluster())["brokers"])
    try:
        return await asyncio.to_thread(_read, connection, names, brokers)
    except KafkaException as error:
        raise UsageError(f"Kafka at {connection.brokers}: {_reason(error)}") from error


async def apply(connection: KafkaConnection, changes: Sequence[Difference]) -> list[str | None]:
    """Set what differs, one by one; return for each why Kafka refuses it, None where it is set."""
    return await asyncio.to_thread(_apply, connection, changes)


def _apply(connection: KafkaConnection, changes: Sequence[Difference]) -> list[str | None]:
    admin = _client(connection)
    refusals: list[str | None] = []
    for each in changes:
        entry = ConfigEntry(each.setting, each.value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, each.topic, incremental_configs=[entry])
        try:
            for future in admin.incremental_alter_configs([resource], request_timeout=REQUEST_TIMEOUT_S).values():
                future.result()
        except KafkaException as error:
            refusals.append(_reason(error))
        else:
            refusals.append(None)
    return refusals


def _read(connection: KafkaConnection, names: Sequence[str], brokers: int) -> Cluster:
    admin = _client(connection)
    described, unseen = _results(admin.describe_topics(TopicCollection(list(names)), request_timeout=REQUEST_TIMEOUT_S))
    if unseen:
        raise UsageError(
            f"Kafka at {connection.brokers}: this user has no right to Describe on topic {', '.join(unseen)}"
        )
    resources = {ConfigResource(ResourceType.TOPIC, name): name for name in described}
    asked = admin.describe_configs(list(resources), request_timeout=REQUEST_TIMEOUT_S) if resources else {}
    configs, hidden = _results({resources[each]: future for each, future in asked.items()})
    states = {}
    for name, topic in described.items():
        if replicas := [len(each.replicas) for each in topic.partitions]:  # none of a topic that is being deleted
            entries = {each.name: each.value for each in configs.get(name, {}).values() if each.value is not None}
            states[name] = TopicState(len(replicas), min(replicas), entries)
    return Cluster(brokers, states, tuple(hidden))


def _results(futures: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the results by topic, and the topics that this user may not ask about.

    Topics that do not exist are in neither. Raises KafkaException for any other error.
    """
    found, denied = {}, []
    for name, future in futures.items():
        try:
            found[name] = future.result()
        except KafkaException as error:
            code = error.args[0].code()
            if code == _DENIED:
                denied.append(name)
            elif code != _UNKNOWN:
                raise
    return found, denied


def _client(connection: KafkaConnection) -> AdminClient:
    return AdminClient(connection.librdkafka_options(), logger=SILENT_LOGGER)


def _reason(error: KafkaException) -> str:
    return str(error.args[0].str())
