"""What the topics must be set to so that nothing is lost in them, looked at when a worker starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from schemas.errors import UsageError
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection

SIZE: Final = "max.message.bytes"
IN_SYNC: Final = "min.insync.replicas"
CLEANUP: Final = "cleanup.policy"
DEAD_LETTER_FACTOR: Final = 2
"""How much larger a dead letter may be than the record in it: Base64, its headers, and where it came from."""

Configs = Mapping[str, Mapping[str, str]]


async def check_topics(connection: KafkaConnection, topics: Topics) -> list[str]:
    """Return warnings about existing topics, in one line each.

    Raises `UsageError` when the brokers do not answer, and where a record could come in that no dead letter can hold:
    a worker could neither take nor refuse it.
    """
    wanted = (*topics.consumed, *topics.outputs, topics.progress)
    admin = AIOKafkaAdminClient(**connection.client_options())
    try:
        await admin.start()
        replicas = _replicas(await admin.describe_topics(list(wanted)))
        brokers = len((await admin.describe_cluster())["brokers"])
        configs, hidden = await _configs(admin, wanted)
    except KafkaError as error:
        raise UsageError(f"Kafka at {connection.brokers}: the topics cannot be looked at: {error}") from error
    finally:
        await admin.close()
    refuse_small_dead_letters(configs, topics)
    return [*_hidden(hidden), *warnings(configs, replicas, brokers, topics)]


def refuse_small_dead_letters(configs: Configs, topics: Topics) -> None:
    """Raise `UsageError` if the dead letters are not to take what the inputs take."""
    room = _number(configs, topics.dead_letters, SIZE)
    for name in topics.inputs:
        size = _number(configs, name, SIZE)
        if room is not None and size is not None and room < DEAD_LETTER_FACTOR * size:
            needed = f"{SIZE} is {room}, it has to be at least {DEAD_LETTER_FACTOR * size}"
            raise UsageError(f"{topics.dead_letters}: {needed} to hold what {name} takes")


def warnings(configs: Configs, replicas: Mapping[str, int], brokers: int, topics: Topics) -> Iterator[str]:
    """Yield what may lose something on a cluster of so many brokers."""
    written = (*topics.outputs, topics.progress, topics.cases, topics.partners)
    if brokers > 1:
        for name in (*topics.inputs, *written):
            if replicas.get(name, brokers) < 2:
                yield f"{name} has one replica on a cluster of {brokers} brokers: it is lost with its broker"
            elif (_number(configs, name, IN_SYNC) or 2) < 2:
                yield f"{name}: {IN_SYNC} is 1: what one broker alone acknowledged is lost with it"
    for name in written:
        cleanup = configs.get(name, {}).get(CLEANUP, "")
        if name != topics.progress and "compact" in cleanup:
            yield f"{name}: {CLEANUP} is {cleanup}: revisions that others supersede would be gone"
        if name == topics.progress and cleanup == "delete":
            yield f"{name}: {CLEANUP} is delete: how far the last worker had read could be forgotten; use compact"


def _hidden(names: Sequence[str]) -> Iterator[str]:
    if names:
        yield f"the settings of {', '.join(names)} may not be read (DescribeConfigs): they are not checked"


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
    """Return the settings of the topics, and whose may not be read; of one made a moment ago there may be neither."""
    found: dict[str, dict[str, str]] = {}
    hidden: list[str] = []
    for response in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names]):
        for code, _, _, name, entries in response.resources:
            if code == 0:
                found[name] = {entry[0]: entry[1] for entry in entries}
            elif code == TopicAuthorizationFailedError.errno:
                hidden.append(name)
    return found, hidden
