"""Fills the topic of latest decisions from the topics that it is derived from, where it does not hold them yet.

That is so for a topic that was created again, for the first owner after version 0.1, which had no such topic, and after
a hanging transaction was aborted in some of these topics only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

from schemas.errors import InvalidMessage
from streams.runtime.health import Health
from streams.runtime.ports import TP, Outgoing, OutputLog, Processor


async def first_decisions(hanging: Iterable[TP], *, log: OutputLog, processor: Processor) -> list[bytes]:
    """Return the keys of the decisions that hang in some decision topics and have no revision before.

    Once the transaction is aborted there, these decisions were never made, although the topic of latest decisions may
    hold them.
    """
    keys: dict[bytes, None] = {}
    for tp in hanging:
        async for records in log.read_hanging(tp):
            for record in records:
                with suppress(InvalidMessage):
                    if (key := processor.first_decision_key(record)) is not None:
                        keys[key] = None
    return list(keys)


async def fill_latest(
    sources: Iterable[TP],
    *,
    log: OutputLog,
    processor: Processor,
    publish: Callable[[Sequence[Outgoing]], Awaitable[None]],
    health: Health,
) -> None:
    """Publish all revisions of `sources`, in their order; the last of each decision is the one that compaction keeps.

    It can be interrupted and repeated. Records of other producers are skipped.
    """
    for tp in sources:
        async for records in log.read(tp, 0):
            health.progress += 1
            outgoing = []
            for record in records:
                with suppress(InvalidMessage):
                    outgoing.append(processor.latest_decision(record))
            if outgoing:
                await publish(outgoing)
