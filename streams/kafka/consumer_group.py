"""Who is in a consumer group, and which partition numbers are whose, as Kafka's coordinator tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError

from schemas.errors import UsageError
from streams.kafka.connection import KafkaConnection


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member of a group: its client's name, its host, its partition numbers (None: written in a way of its own)."""

    client: str
    host: str
    partitions: Sequence[int] | None


@dataclass(frozen=True, slots=True)
class ConsumerGroup:
    """A group, its state in Kafka's words, and its members in the order of their names."""

    name: str
    state: str
    members: Sequence[GroupMember]


async def describe_group(connection: KafkaConnection, group: str) -> ConsumerGroup:
    """Return who is in a group of any protocol; a group that does not exist is `Dead`.

    Raises `UsageError` when Kafka does not answer.
    """
    admin = AIOKafkaAdminClient(**connection.client_options())
    try:
        await admin.start()
        (described,) = await admin.describe_consumer_groups([group])
    except KafkaError as error:
        raise UsageError(connection.describe_error(error)) from error
    finally:
        await admin.close()
    ((_, name, state, _, _, described_members, *_),) = described.groups
    members = sorted(
        (
            GroupMember(client, host.lstrip("/"), _numbers(assignment))
            for _, client, host, _, assignment in described_members
        ),
        key=lambda member: (member.partitions or (), member.client, member.host),
    )
    return ConsumerGroup(name, state, members)


def _numbers(assignment: bytes) -> Sequence[int] | None:
    """Return the partition numbers of an assignment in the consumers' own form."""
    if not assignment:
        return ()
    try:
        decoded = ConsumerProtocolMemberAssignment.decode(assignment)
    except ValueError:
        return None
    return sorted({number for _, numbers in decoded.assignment for number in numbers})
