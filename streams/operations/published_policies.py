"""The policies on the topic `policies` of a cluster, beside those in files (contracts.md, "Policy")."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from schemas.errors import Fatal, Unavailable, UsageError
from schemas.policy.model import Policy, PolicySet
from schemas.topics import Topics
from streams.config.settings import Settings
from streams.kafka.connection import KafkaConnection
from streams.kafka.log import KafkaLog
from streams.kafka.single_record import prepare_topic, send_record
from streams.kafka.topic_setup import topic_targets
from streams.kafka.topics import partition_counts
from streams.operations.signature_check import signature_check, signature_headers
from streams.policies.book import PolicyBook
from streams.policies.source import FixedPolicies, PolicySource
from streams.policies.topic import PolicyTopic, why_not_taken
from streams.runtime.ports import Place


def policy_topic(settings: Settings, connection: KafkaConnection, topics: Topics, in_files: PolicySet) -> PolicyTopic:
    """Return the policies that are published, beside those in files; nothing is read yet.

    Raises `UsageError` if SOP_POLICY_KEYS cannot be used.
    """
    return PolicyTopic(KafkaLog(connection), topics.policies, PolicyBook(in_files, signature_check(settings)))


async def worker_policies(
    settings: Settings, connection: KafkaConnection, topics: Topics, in_files: PolicySet
) -> PolicySource:
    """Return what a worker decides under: all policies by their dates, or for a shadow its own, whatever its date.

    Raises `UsageError` if that is not known, Kafka does not answer, or SOP_POLICY_KEYS cannot be used.
    """
    if not settings.shadow:
        return policy_topic(settings, connection, topics, in_files)
    known = (await read_policies(settings, connection, topics, in_files)).policies
    for policy in known.dated:
        if policy.label == settings.shadow:
            return FixedPolicies(PolicySet([structs.replace(policy, effective_from=None)], known.default))
    raise UsageError(f"SOP_SHADOW: {settings.shadow!r} is no policy in SOP_POLICIES or on {topics.policies}")


async def read_policies(
    settings: Settings, connection: KafkaConnection, topics: Topics, in_files: PolicySet
) -> PolicyBook:
    """Return the policies in files and those published by now; none of the latter if there is no such topic.

    Raises `UsageError` if Kafka does not answer.
    """
    book = PolicyBook(in_files, signature_check(settings))
    if await partition_counts(connection, [], optional=[topics.policies]):
        try:
            await PolicyTopic(KafkaLog(connection), topics.policies, book).read()
        except Fatal as error:
            raise UsageError(str(error)) from error
    return book


async def create_policy_topic(settings: Settings, connection: KafkaConnection, topics: Topics) -> None:
    """Create the topic if it is missing; raises `UsageError` if that cannot be done."""
    if reason := await prepare_topic(connection, topics, topic_targets(settings), topics.policies):
        raise UsageError(f"Kafka at {connection.brokers}: cannot create {topics.policies}: {reason}")


async def publish_policy(
    settings: Settings,
    connection: KafkaConnection,
    topics: Topics,
    in_files: PolicySet,
    policy: Policy,
    document: str,
    signatures: Sequence[str],
    now: int,
) -> tuple[Place, str | None]:
    """Publish a document with its signatures, at an instant (microseconds).

    Returns where it is, and why workers that have the same files do not take it, None if they do. Raises `UsageError`
    if Kafka does not take it.
    """
    try:
        place = await send_record(
            connection,
            topics.policies,
            document.encode(),
            partition=0,
            key=policy.label.encode(),
            headers=signature_headers(signatures),
            timestamp_ms=now // 1000,
        )
    except Unavailable as error:
        raise UsageError(str(error)) from error
    book = PolicyBook(in_files, signature_check(settings))
    return place, await why_not_taken(KafkaLog(connection), book, policy, place)
