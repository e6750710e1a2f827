"""Membership of the consumer group: a group protocol type of our own, and the reason for a refused join.

Kafka admits a member only if its protocol type is that of the group. With a type of our own, the broker keeps out
members that would take partitions of some topics only: those of type `consumer`, with any assignor, and those that
leave the assignment to the broker (KIP-848), which would convert a group of type `consumer` to theirs.
"""
# ruff: noqa: SLF001 - the base classes offer no other way; the version of aiokafka is pinned for it

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
_JOINING: Final = frozenset({0, KafkaError.MEMBER_ID_REQUIRED, KafkaError.REBALANCE_IN_PROGRESS})
"""The broker's answers to a member that it is about to admit."""


class PartitionNumberAssignor(RangePartitionAssignor):  # type: ignore[misc] # without types
    """Assigns partition n of every topic to the same member; the topics have equally many partitions."""

    name = "partition-number"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the broker does not admit this member: Kafka's name of the error (empty: no answer yet) and its text."""

    name: str
    text: str


UNANSWERED: Final = Refusal("", "the broker has not answered the request to join")


class GroupMember(GroupCoordinator):  # type: ignore[misc] # without types
    """aiokafka's coordinator with our protocol type; it keeps trying to join and remembers why it was refused."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._last_refusal = UNANSWERED
        super().__init__(*arguments, **options)

    def refusal(self) -> Refusal | None:
        """Return why this is no member of a stable group; None if it is one, even without partitions."""
        task = self._coordination_task
        error = self._pending_exception or (task.exception() if task.done() and not task.cancelled() else None)
        if error is not None:
            return Refusal(type(error).__name__, str(error))
        if self.generation > 0 and not self._subscription.reassignment_in_progress:
            return None
        return self._last_refusal

    async def _send_req(self, request: Any) -> Any:
        if isinstance(request, JoinGroupRequest):
            request._protocol_type = PROTOCOL_TYPE
        response = await super()._send_req(request)
        if isinstance(request, JoinGroupRequest | SyncGroupRequest) and response.error_code not in _JOINING:
            error = KafkaError(response.error_code)
            self._last_refusal = Refusal(error.name(), error.str())
        elif isinstance(request, JoinGroupRequest):
            self._last_refusal = UNANSWERED
        return response

    async def _push_error_to_user(self, error: Exception) -> None:
        """Try to join again after a while; aiokafka would wait for a reader, and the reader waits for the join."""
        if not self._subscription.reassignment_in_progress:
            await super()._push_error_to_user(error)
            return
        if self._last_refusal is UNANSWERED:
            self._last_refusal = Refusal(type(error).__name__, str(error))
        await asyncio.wait([self._closing], timeout=JOIN_AGAIN_AFTER_S)


class GroupConsumer(aiokafka.AIOKafkaConsumer):  # type: ignore[misc] # without types
    """aiokafka's consumer with a `GroupMember` as its coordinator; subscribe to topics after it has started."""

    _coordinator: GroupMember | None

    async def start(self) -> None:
        """Connect, and replace the coordinator, which has nothing to do yet."""
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
        """Return why this is no member of a stable group; None if it is one. Callable from any thread."""
        member = self._coordinator
        return member.refusal() if isinstance(member, GroupMember) else UNANSWERED
