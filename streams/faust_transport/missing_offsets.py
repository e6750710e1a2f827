"""Positions that are not in the log any more: behind what the keeper lets be skipped, or the end of the worker."""
# ruff: noqa: SLF001 - see `streams.faust_transport.transport`

from __future__ import annotations

from collections.abc import Mapping

from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.faust_transport.assignment import Assignment
from streams.faust_transport.batch import OffsetProvider, TransportError
from streams.faust_transport.client import BatchConsumerThread


async def go_on_behind(
    thread: BatchConsumerThread,
    assignment: Assignment,
    offset_provider: OffsetProvider,
    positions: Mapping[TopicPartition, int],
) -> None:
    """Go on behind records that were deleted before they were read, if the keeper lets that happen.

    `positions` are those that were out of range. Raises what the keeper does if not, and TransportError where a log
    ends before its position.
    """
    for partition, position in positions.items():
        tp = TP(*partition)
        earliest, end = await thread.call_thread(_bounds, thread, tp)
        if assignment.closed:
            return
        if position > end:
            raise TransportError(
                f"{tp.topic}-{tp.partition}: reading stood at {position}, but the log ends at {end}: "
                "Kafka has lost records, or the topic was created again"
            )
        if position < earliest:
            offset_provider.skipped(tp, position, earliest)
            await thread.call_thread(_jump, thread, assignment.generation, tp, earliest)
            assignment.move_on(tp, earliest)


async def _bounds(thread: BatchConsumerThread, tp: TP) -> tuple[int, int]:
    client, partition = thread._ensure_consumer(), TopicPartition(*tp)
    earliest = await client.beginning_offsets([partition])
    end = await client.end_offsets([partition])
    return earliest[partition], end[partition]


async def _jump(thread: BatchConsumerThread, generation: int, tp: TP, position: int) -> None:
    if thread._ready(generation):
        thread._ensure_consumer().seek(TopicPartition(*tp), position)
