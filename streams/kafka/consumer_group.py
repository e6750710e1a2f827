"""Reads the members of a consumer group, their partitions, and its committed offsets from Kafka's group coordinator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError

from schemas.errors import UsageError
from streams.kafka.connection import KafkaConnection
from streams.kafka.topics import admin_client
from streams.runtime.ports import TP


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
    ((_, name, state, _, _, found, *_),) = described.groups
    members = [GroupMember(client, host.lstrip("/"), _numbers(assigned)) for _, client, host, _, assigned in found]
    members.sort(key=lambda member: (member.partitions or (), member.client, member.host))
    return ConsumerGroup(name, state, members)


async def committed_offsets(connection: KafkaConnection, group: str) -> dict[TP, int]:
    """Return the offsets that a group has committed.

    Raises `UsageError` when the brokers cannot be reached or refuse to show them.
    """
    async with admin_client(connection) as admin:
        try:
            found = await admin.list_consumer_group_offsets(group)
        except KafkaError as error:
            reason = f"cannot read the offsets of group {group}: {error}"
            raise UsageError(f"Kafka at {connection.brokers}: {reason}") from error
    return {TP(tp.topic, tp.partition): at.offset for tp, at in found.items() if at.offset >= 0}


def _numbers(assignment: bytes) -> Sequence[int] | None:
    """Return the partition numbers of an assignment in the standard consumer format; None for another format."""
    if not assignment:
        return ()
    try:
        decoded = ConsumerProtocolMemberAssignment.decode(assignment)
    except ValueError:
        return None
    return sorted({number for _, numbers in decoded.assignment for number in numbers})
