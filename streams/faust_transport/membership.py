"""Membership of the consumer group: a group protocol of our own, and why the broker refuses a join.

Kafka lets a member into a group if its protocol is that of the others. Ours has its own type, so members with
assignors of other kinds, who would take partitions of some topics only, are kept out by the broker: those of the
`consumer` type with whatever assignor, and those that leave the assignment to the broker (KIP-848), which would turn a
group of the `consumer` type into one of theirs.
"""
# ruff: noqa: SLF001 - the base classes offer no other way; aiokafka's version is pinned for it

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import aiokafka
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest
from confluent_kafka import KafkaError

PROTOCOL_TYPE: Final = "sop-streams"
JOIN_AGAIN_AFTER_S: Final = 3.0
_ON_THE_WAY: Final = frozenset({0, KafkaError.MEMBER_ID_REQUIRED, KafkaError.REBALANCE_IN_PROGRESS})
"""What the broker answers to a member that is being let in."""


class PartitionNumberAssignor(RangePartitionAssignor):  # type: ignore[misc] # without types
    """Gives partition n of every topic to one member, for topics with the same number of partitions."""

    name = "partition-number"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no membership: Kafka's name of the error (empty: there was no answer), and its words."""

    name: str
    words: str


UNANSWERED: Final = Refusal("", "the broker has not answered the request to join")


class GroupMember(GroupCoordinator):  # type: ignore[misc] # without types
    """aiokafka's coordinator with our protocol; it goes on asking to be let in, and remembers why it is not."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.refusal = UNANSWERED
        super().__init__(*arguments, **options)

    def trouble(self) -> Refusal | None:
        """Return why it is no member of a group that has agreed on who reads what; None where it is, if for nothing."""
        task = self._coordination_task
        error = self._pending_exception or (task.exception() if task.done() and not task.cancelled() else None)
        if error is not None:
            return Refusal(type(error).__name__, str(error))
        if self.generation > 0 and not self._subscription.reassignment_in_progress:
            return None
        return self.refusal

    async def _send_req(self, request: Any) -> Any:
        if isinstance(request, JoinGroupRequest):
            request._protocol_type = PROTOCOL_TYPE
        response = await super()._send_req(request)
        if isinstance(request, JoinGroupRequest | SyncGroupRequest) and response.error_code not in _ON_THE_WAY:
            error = KafkaError(response.error_code)
            self.refusal = Refusal(error.name(), error.str())
        elif isinstance(request, JoinGroupRequest):
            self.refusal = UNANSWERED
        return response

    async def _push_error_to_user(self, error: Exception) -> None:
        """Ask again after a while where it is about joining: aiokafka would wait for a reader, who waits for a join."""
        if not self._subscription.reassignment_in_progress:
            await super()._push_error_to_user(error)
            return
        if self.refusal is UNANSWERED:
            self.refusal = Refusal(type(error).__name__, str(error))
        await asyncio.wait([self._closing], timeout=JOIN_AGAIN_AFTER_S)


class GroupConsumer(aiokafka.AIOKafkaConsumer):  # type: ignore[misc] # without types
    """aiokafka's consumer as a `GroupMember`; topics are to be subscribed to after its start."""

    _coordinator: GroupMember | None

    async def start(self) -> None:
        """Connect; the coordinator made for it has nothing to do yet and is replaced."""
        await super().start()
        assert self._coordinator is not None
        await self._coordinator.close()
        self._coordinator = GroupMember(
            self._client,
            self._subscription,
            group_id=self._group_id,
            group_instance_id=self._group_instance_id,
            heartbeat_interval_ms=self._heartbeat_interval_ms,
            session_timeout_ms=self._session_timeout_ms,
            retry_backoff_ms=self._retry_backoff_ms,
            enable_auto_commit=self._enable_auto_commit,
            assignors=self._partition_assignment_strategy,
            exclude_internal_topics=self._exclude_internal_topics,
            rebalance_timeout_ms=self._rebalance_timeout_ms,
            max_poll_interval_ms=self._max_poll_interval_ms,
        )

    def refusal(self) -> Refusal | None:
        """Return why it is no member of a stable group, None where it is one. Callable from any thread."""
        member = self._coordinator
        return member.trouble() if isinstance(member, GroupMember) else UNANSWERED
