"""Creates the topics that are missing, and reads their layout: partition counts and Kafka's topic ids."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError as AIOKafkaError
from aiokafka.errors import NoError, TopicAlreadyExistsError, for_code
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, TopicDescription  # type: ignore[attr-defined] # not marked for export

from schemas.errors import Unavailable, UsageError
from schemas.topics import Topics
from streams.kafka.connection import SILENT_LOGGER, KafkaConnection
from streams.kafka.topic_setup import TopicTargets, common_counts, new_configs, topic_table
from streams.runtime.ports import Layout

Found = TypeVar("Found")

_RETRY_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
REQUEST_TIMEOUT_S: Final = 15.0


@asynccontextmanager
async def admin_client(connection: KafkaConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    """Give a started admin client; an error of the client within the block becomes a `UsageError`."""
    admin = AIOKafkaAdminClient(**connection.client_options())
    try:
        await admin.start()
        yield admin
    except AIOKafkaError as error:
        raise UsageError(connection.describe_error(error)) from error
    finally:
        await admin.close()


async def prepare_topics(connection: KafkaConnection, topics: Topics, targets: TopicTargets) -> int:
    """Create the topics that are missing and return how many partitions all of them have, that of policies aside.

    Raises `UsageError` when the brokers cannot be reached or refuse a topic, and when the topics differ in their number
    of partitions: a case's events would be spread over several tasks.
    """
    async with admin_client(connection) as admin:
        read = partial(_partition_counts, admin, topics.all)
        existing = await read()
        missing = {name: new for name, new in new_topics(topics, targets, existing).items() if name in topics.created}
        for name, new in missing.items():
            if reason := await create_topic(admin, new):
                raise UsageError(f"Kafka at {connection.brokers}: cannot create {name}: {reason}")
        counts = await _until_known(read, lambda found: missing.keys() <= found.keys()) if missing else existing
    _refuse_missing(connection, [name for name in topics.all if name not in counts])
    counts = common_counts(topics, counts)
    count = max(counts.values())
    different = sorted(f"{name} has {number}" for name, number in counts.items() if number != count)
    if different:
        raise UsageError(
            f"Kafka at {connection.brokers}: all topics need {count} partitions; {', '.join(different)}. Add "
            "partitions there, then run sop rebuild if anything was decided already "
            "(docs/operations.md, Topics that change)"
        )
    return count


def new_topics(topics: Topics, targets: TopicTargets, existing: Mapping[str, int]) -> dict[str, NewTopic]:
    """Return the topics to create, given the partition counts of those that exist, which the others get too."""
    count = max(common_counts(topics, existing).values(), default=targets.partitions)
    return {
        name: NewTopic(
            name=name,
            num_partitions=setup.partitions or count,
            replication_factor=targets.replicas,
            topic_configs=new_configs(setup, targets),
        )
        for name, setup in topic_table(topics).items()
        if name not in existing
    }


async def create_topic(admin: AIOKafkaAdminClient, new: NewTopic) -> str | None:
    """Create a topic, unless another worker was faster; return why Kafka refuses, if it does."""
    for _, code, *message in (await admin.create_topics([new])).topic_errors:
        if code not in {NoError.errno, TopicAlreadyExistsError.errno}:
            return " ".join(filter(None, message)) or for_code(code).__name__
    return None


async def partition_counts(
    connection: KafkaConnection, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, int]:
    """Return the number of partitions of each topic; optional topics may be missing.

    Raises `UsageError` when the brokers cannot be reached or a topic does not exist.
    """
    async with admin_client(connection) as admin:
        counts = await _partition_counts(admin, [*names, *optional])
    _refuse_missing(connection, [name for name in names if name not in counts])
    return counts


def _refuse_missing(connection: KafkaConnection, names: Sequence[str]) -> None:
    if names:
        raise UsageError(f"Kafka at {connection.brokers} has no topic {', '.join(names)}")


async def _partition_counts(admin: AIOKafkaAdminClient, wanted: Sequence[str]) -> dict[str, int]:
    described = {each["topic"]: each for each in await admin.describe_topics()}  # all that exist
    return {
        name: len(described[name]["partitions"])
        for name in wanted
        if name in described and described[name]["error_code"] == NoError.errno
    }


async def _until_known(read: Callable[[], Awaitable[Found]], is_complete: Callable[[Found], bool]) -> Found:
    """Return what is read, if need be again for a few seconds: not every broker knows a new topic at once."""
    found = await read()
    for pause_s in _RETRY_PAUSES_S:
        if is_complete(found):
            break
        await asyncio.sleep(pause_s)
        found = await read()
    return found


def describe_topics(
    admin: AdminClient, names: Sequence[str], timeout_s: float
) -> dict[str, TopicDescription | KafkaError]:
    """Return the description of each topic that exists, or why there is none; blocks."""
    described = admin.describe_topics(TopicCollection(list(names)), request_timeout=timeout_s)
    found: dict[str, TopicDescription | KafkaError] = {}
    for name, future in described.items():
        try:
            found[name] = future.result()
        except KafkaException as error:
            reason: KafkaError = error.args[0]
            if reason.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                found[name] = reason
    return found


class TopicLayout:
    """Reads the layout of the named topics."""

    def __init__(self, connection: KafkaConnection, names: Sequence[str]) -> None:
        self._admin = AdminClient(connection.librdkafka_options(), logger=SILENT_LOGGER)
        self._names = list(names)

    async def read(self) -> Layout:
        """Return the ids of the topics that exist, and the largest number of partitions among them.

        Raises `Unavailable` if the brokers do not answer.
        """
        return await asyncio.to_thread(self._read)

    def _read(self) -> Layout:
        ids, partitions = {}, 0
        for name, topic in describe_topics(self._admin, self._names, REQUEST_TIMEOUT_S).items():
            if isinstance(topic, KafkaError):
                raise Unavailable(f"{name} cannot be described: {topic.str()}")
            ids[name] = str(topic.topic_id)
            partitions = max(partitions, len(topic.partitions))
        return Layout(partitions, ids)


async def read_layout(connection: KafkaConnection, names: Sequence[str]) -> Layout:
    """Return the layout of topics that exist; waits a few seconds for brokers that do not know all of them yet.

    Raises `UsageError` if the brokers do not answer or a topic does not exist.
    """
    topics = TopicLayout(connection, names)
    try:
        found = await _until_known(topics.read, lambda layout: len(layout.ids) == len(names))
    except Unavailable as error:
        raise UsageError(f"Kafka at {connection.brokers}: {error}") from error
    _refuse_missing(connection, [name for name in names if name not in found.ids])
    return found
