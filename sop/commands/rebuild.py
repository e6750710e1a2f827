"""`sop rebuild`: rebuilds the state from Kafka when the topics have more partitions."""

import asyncio
import sys

import click

from agents.sops import catalogue
from agents.sops.catalogue import POLICIES
from schemas.errors import UsageError
from schemas.policy.model import PolicySet
from schemas.topics import Topics
from streams.config.settings import Settings, settings_from
from streams.kafka.checks import check_topics
from streams.kafka.connection import KafkaConnection, connect_kafka
from streams.kafka.consumer_group import describe_group
from streams.kafka.log import KafkaLog
from streams.kafka.publisher import KafkaPublisher
from streams.kafka.topic_setup import common_counts, topic_targets
from streams.kafka.topics import partition_counts, read_layout
from streams.operations.published_policies import worker_policies
from streams.operations.rebuild.rebuild import Rebuild
from streams.redis.checks import check_redis
from streams.redis.connection import connect_redis
from streams.redis.store import RedisStore
from streams.runtime.ports import Layout
from streams.worker import REDIS_WAIT_TIMEOUTS, processor_settings, task_settings, version_with


@click.command()
def command() -> None:
    """Rebuild the workers' state from Kafka after partitions were added to the topics.

    Stop all workers first and use their settings. The command reads all topics once per partition, decides nothing, and
    replaces the checkpoints in Redis. If it is interrupted, run it again.
    """
    settings = settings_from()
    asyncio.run(_rebuild(settings, POLICIES.load_all(settings.policies)))


async def _rebuild(settings: Settings, in_files: PolicySet) -> None:
    redis = connect_redis(settings)
    if redis is None:
        raise UsageError(
            "SOP_REDIS_URL: not set, but the rebuilt state is written to Redis; without Redis, start over with new "
            "topics (SOP_TOPIC_PREFIX, SOP_GROUP) and produce all events to them again"
        )
    connection, topics = connect_kafka(settings), catalogue.topics(settings.topic_prefix, settings.written_prefix)
    try:
        await check_redis(redis, REDIS_WAIT_TIMEOUTS * settings.redis_timeout_s)
        layout = await _layout(connection, topics)
        group = await describe_group(connection, settings.workers_group)
        if group.members:
            raise UsageError(
                f"group {settings.workers_group} has {len(group.members)} members: stop all workers; a killed worker "
                "stays a member for SOP_SESSION_TIMEOUT_S"
            )
        sizes = (await check_topics(connection, topics, topic_targets(settings))).sizes
        namespace, numbers = settings.namespace, range(layout.partitions)
        rebuild = Rebuild(
            topics,
            task_settings(settings, topics, layout, version_with(sizes)),
            processor_settings(
                settings,
                topics,
                await worker_policies(settings, connection, topics, in_files),
                layout.partitions,
                sizes,
            ),
            log=KafkaLog(connection),
            publishers=[
                KafkaPublisher(connection, f"{namespace}-{number}", timeout_s=settings.transaction_timeout_s)
                for number in numbers
            ],
            stores=[RedisStore(redis, namespace, number) for number in numbers],
        )
        try:
            await rebuild.run(_print_partition)
        finally:
            await rebuild.stop()
    finally:
        await redis.aclose()


async def _layout(connection: KafkaConnection, topics: Topics) -> Layout:
    """Return the layout of the topics; raises `UsageError` unless all have the same number of partitions."""
    layout = await read_layout(connection, topics.all)
    counts = common_counts(topics, await partition_counts(connection, topics.all))
    if fewer := sorted(name for name, count in counts.items() if count < layout.partitions):
        raise UsageError(f"all topics need {layout.partitions} partitions, but these have fewer: {', '.join(fewer)}")
    return layout


def _print_partition(number: int, cases: int, partners: int) -> None:
    print(f"partition {number}: {cases} cases, {partners} partners", file=sys.stderr)
