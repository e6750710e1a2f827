"""Positions that are out of a partition's range: skips offsets that were deleted before they were read."""
# ruff: noqa: SLF001 - see `streams.faust_transport.transport`

from __future__ import annotations

from collections.abc import Mapping

from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.faust_transport.assignment import Assignment
from streams.faust_transport.batch import OffsetProvider, TransportError
from streams.faust_transport.client import BatchConsumerThread


async def skip_deleted_offsets(
    thread: BatchConsumerThread,
    assignment: Assignment,
    offset_provider: OffsetProvider,
    positions: Mapping[TopicPartition, int],
) -> None:
    """Continue each of `positions`, which were out of range, at its partition's log start offset.

    Raises what the offset provider raises if it does not accept the loss, and TransportError where a log ends before
    the position.
    """
    for partition, position in positions.items():
        tp = TP(*partition)
        earliest, end = await thread.call_thread(_bounds, thread, tp)
        if assignment.closed:
            return
        if position > end:
            raise TransportError(
                f"{tp.topic}-{tp.partition}: the position was {position}, but the log ends at {end}: "
                "Kafka has lost records, or the topic was created again"
            )
        if position < earliest:
            offset_provider.on_offsets_deleted(tp, position, earliest)
            await thread.call_thread(_seek, thread, assignment.generation, tp, earliest)
            assignment.advance(tp, earliest)


async def _bounds(thread: BatchConsumerThread, tp: TP) -> tuple[int, int]:
    client, partition = thread._ensure_consumer(), TopicPartition(*tp)
    earliest = await client.beginning_offsets([partition])
    end = await client.end_offsets([partition])
    return earliest[partition], end[partition]


async def _seek(thread: BatchConsumerThread, generation: int, tp: TP, position: int) -> None:
    if thread._is_ready(generation):
        thread._ensure_consumer().seek(TopicPartition(*tp), position)
