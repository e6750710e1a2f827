"""What the topics must be set to so that nothing is lost in them, looked at when a worker starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from schemas.errors import UsageError
from schemas.topics import Topics
from streams.kafka.connection import MESSAGE_BYTES_MAX, KafkaConnection

SIZE: Final = "max.message.bytes"
IN_SYNC: Final = "min.insync.replicas"
CLEANUP: Final = "cleanup.policy"
DEAD_LETTER_FACTOR: Final = 2
"""How much larger a dead letter may be than the record in it: Base64, its headers, and where it came from."""

SIZE_MIN: Final = 1_000_000
"""What any topic that is written to has to take; Kafka's default is a little more."""

RECORD_OVERHEAD_BYTES: Final = 128
"""How much larger than its key and value a record is, alone in its batch."""

Configs = Mapping[str, Mapping[str, str]]


class CheckedTopics(NamedTuple):
    """Warnings, in one line each, and how many bytes a record may have, by topic written to, where that may be read."""

    warnings: list[str]
    sizes: Mapping[str, int]


async def check_topics(connection: KafkaConnection, topics: Topics) -> CheckedTopics:
    """Return what there is to be told of existing topics.

    Raises `UsageError` when the brokers do not answer, and where a topic takes only records so small that what comes in
    could neither be taken nor refused.
    """
    wanted = topics.all
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
    refuse_small(configs, topics)
    written = (*topics.outputs, *topics.internal)
    sizes = {name: size for name in written if (size := _number(configs, name, SIZE)) is not None}
    told = [*_hidden(hidden), *_tight(sizes, connection), *warnings(configs, replicas, brokers, topics)]
    return CheckedTopics(told, sizes)


def dead_letter_bytes_max(sizes: Mapping[str, int], topics: Topics) -> int:
    """Return how large a dead letter and its key may be, by what the topics take (`CheckedTopics.sizes`)."""
    return min(MESSAGE_BYTES_MAX, sizes.get(topics.dead_letters, SIZE_MIN)) - RECORD_OVERHEAD_BYTES


def refuse_small(configs: Configs, topics: Topics) -> None:
    """Raise `UsageError` if a topic is not to take what a worker has to write there, as far as that is known."""
    small = []
    for name in (*topics.outputs, *topics.internal):
        size, (needed, what) = _number(configs, name, SIZE), _needed(configs, topics, name)
        if size is not None and size < needed:
            small.append(f"{name}: {SIZE} is {size}, it has to be at least {needed} to hold {what}")
    if small:
        raise UsageError("; ".join(small))


def _needed(configs: Configs, topics: Topics, name: str) -> tuple[int, str]:
    """Return how many bytes a topic's records need at least, and for what."""
    factor = {topics.dead_letters: DEAD_LETTER_FACTOR, topics.cases: 1, topics.partners: 1}.get(name, 0)
    inputs = ((factor * (_number(configs, each, SIZE) or 0), f"what {each} takes") for each in topics.inputs)
    return max((SIZE_MIN, "what a worker says"), *inputs, key=lambda needed: needed[0])


def _tight(sizes: Mapping[str, int], connection: KafkaConnection) -> Iterator[str]:
    """Yield which topics take less than a worker can say."""
    tight = [name for name, size in sizes.items() if size < connection.message_bytes_max]
    if tight:
        yield (
            f"{', '.join(tight)}: {SIZE} is less than {connection.message_bytes_max}: a case with so many facts that a "
            "decision is larger will be set aside"
        )


def warnings(configs: Configs, replicas: Mapping[str, int], brokers: int, topics: Topics) -> Iterator[str]:
    """Yield what may lose something on a cluster of so many brokers."""
    written = (*topics.outputs, topics.progress, topics.cases, topics.partners)
    if brokers > 1:
        for name in (*topics.inputs, *written):
            if replicas.get(name, brokers) < 2:
                yield f"{name} has one replica on a cluster of {brokers} brokers: it is lost with its broker"
            elif (_number(configs, name, IN_SYNC) or 2) < 2:
                yield f"{name}: {IN_SYNC} is 1: what one broker alone acknowledged is lost with it"
    for name in topics.inputs:
        cleanup = configs.get(name, {}).get(CLEANUP, "")
        if "compact" in cleanup:
            yield f"{name}: {CLEANUP} is {cleanup}: of the events with one key all but the last are lost, read or not"
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
