"""Reads the members of a consumer group, and their partitions, from Kafka's group coordinator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from streams.kafka.connection import KafkaConnection
from streams.kafka.topics import admin_client


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member's client id, host, and partition numbers (None if its assignment has a custom format)."""

    client: str
    host: str
    partitions: Sequence[int] | None


@dataclass(frozen=True, slots=True)
class ConsumerGroup:
    """A group's name, its state in Kafka's words, and its members, sorted."""

    name: str
    state: str
    members: Sequence[GroupMember]


async def describe_group(connection: KafkaConnection, group: str) -> ConsumerGroup:
    """Return a group of any protocol type; the state of a group that does not exist is `Dead`.

    Raises `UsageError` when the brokers cannot be reached.
    """
    async with admin_client(connection) as admin:
        (described,) = await admin.describe_consumer_groups([group])
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
    """Return the partition numbers of an assignment in the standard consumer format; None for another format."""
    if not assignment:
        return ()
    try:
        decoded = ConsumerProtocolMemberAssignment.decode(assignment)
    except ValueError:
        return None
    return sorted({number for _, numbers in decoded.assignment for number in numbers})
