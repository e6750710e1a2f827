"""Creates the topics that are missing, and counts the partitions of those that exist."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code

from schemas.errors import UsageError
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection


@asynccontextmanager
async def admin_client(connection: KafkaConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    """Give a started admin client; a KafkaError within the block becomes a `UsageError`."""
    admin = AIOKafkaAdminClient(**connection.client_options())
    try:
        await admin.start()
        yield admin
    except KafkaError as error:
        raise UsageError(connection.describe_error(error)) from error
    finally:
        await admin.close()


async def prepare_topics(connection: KafkaConnection, topics: Topics, partitions: int, replicas: int) -> int:
    """Create the topics that are missing and return how many partitions all of them have.

    Raises `UsageError` when the brokers cannot be reached or refuse a topic, and when the topics differ in their number
    of partitions: a case's events would be spread over several tasks.
    """
    async with admin_client(connection) as admin:
        existing = await _partition_counts(admin, topics.all)
        count = max(existing.values(), default=partitions)
        for name in topics.all:
            if name in existing:
                continue
            new = _new_topic(name, topics, count, replicas, connection)
            for _, code, *message in (await admin.create_topics([new])).topic_errors:
                if code not in {NoError.errno, TopicAlreadyExistsError.errno}:  # another worker may have been faster
                    reason = " ".join(filter(None, message)) or for_code(code).__name__
                    raise UsageError(f"Kafka at {connection.brokers}: cannot create {name}: {reason}")
        counts = await _partition_counts(admin, topics.all)
    different = sorted(f"{name} has {number}" for name, number in counts.items() if number != count)
    if different:
        raise UsageError(
            f"Kafka at {connection.brokers}: all topics need {count} partitions; {', '.join(different)}. Raise these, "
            "then run sop rebuild if anything was decided already (docs/operations.md, Topics that change)"
        )
    return count


async def partition_counts(connection: KafkaConnection, names: Sequence[str]) -> dict[str, int]:
    """Return the number of partitions of each named topic that exists.

    Raises `UsageError` when the brokers cannot be reached.
    """
    async with admin_client(connection) as admin:
        return await _partition_counts(admin, names)


async def _partition_counts(admin: AIOKafkaAdminClient, wanted: Sequence[str]) -> dict[str, int]:
    existing = set(await admin.list_topics())
    names = [name for name in wanted if name in existing]
    if not names:
        return {}
    described = await admin.describe_topics(names)
    return {each["topic"]: len(each["partitions"]) for each in described}


def _new_topic(name: str, topics: Topics, partitions: int, replicas: int, connection: KafkaConnection) -> NewTopic:
    # A dead letter holds the refused record in Base64 with its headers, so it is larger than what came in.
    bytes_max = connection.message_bytes_max // 2 if name in topics.inputs else connection.message_bytes_max
    configs = {"max.message.bytes": str(bytes_max)}
    if name == topics.progress:
        configs["cleanup.policy"] = "compact"
    return NewTopic(name=name, num_partitions=partitions, replication_factor=replicas, topic_configs=configs)
