"""The topics that a state was made from, held against those that are there now: a position is good for no others."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, TypeVar

from msgspec import structs

from schemas.errors import Fatal, Unavailable
from streams.runtime.ports import TP, Checkpoint, Layout
from streams.runtime.progress import Progress

T = TypeVar("T")

logger = logging.getLogger("sop.worker")

LOOK_EVERY_S: Final = 5.0
"""How often a worker compares the topics with those that it started with."""

UNFINISHED: Final = 0
"""So many partitions has the layout of a state that `sop rebuild` has begun to replace; no topics have none."""


def recreated(made_under: Layout | None, present: Layout, *, accepts: bool) -> frozenset[str]:
    """Return the topics that were deleted and created again since; nothing is known of a state of version 0.1.

    Raises `Fatal`, which says how to go on, where the number of partitions is another one, and where topics were
    created again and it is not accepted to read them from their beginning.
    """
    if made_under is None:
        return frozenset()
    if made_under.partitions == UNFINISHED:
        raise Fatal("this group's state is being rebuilt, or sop rebuild did not come to its end: run sop rebuild")
    if made_under.partitions != present.partitions:
        raise Fatal(
            f"the topics have {present.partitions} partitions, this group's state was made under "
            f"{made_under.partitions}, and most cases belong to another partition now: stop all workers and run "
            "sop rebuild"
        )
    others = replaced(made_under, present)
    if others and not accepts:
        raise Fatal(
            f"{', '.join(sorted(others))}: deleted and created again since this group last read or wrote there, so its "
            "positions say nothing; SOP_ACCEPT_TRIMMED_INPUTS=true begins at the beginning of what is there now and "
            "does without what was not read before"
        )
    return others


def changed(before: Layout, now: Layout) -> str | None:
    """Return what makes going on unsafe for a worker that started under an earlier layout; None if nothing does."""
    if missing := sorted(before.ids.keys() - now.ids.keys()):
        return f"{', '.join(missing)}: deleted while this worker runs"
    if before.partitions != now.partitions:
        return f"the topics have {now.partitions} partitions now, {before.partitions} when this worker started"
    if others := sorted(replaced(before, now)):
        return f"{', '.join(others)}: deleted and created again while this worker runs"
    return None


def without(saved: Checkpoint, topics: Collection[str]) -> Checkpoint:
    """Return a checkpoint without the positions and counts of some topics."""
    return structs.replace(
        saved,
        inputs=of_others(saved.inputs, topics),
        outputs=of_others(saved.outputs, topics),
        counts=of_others(saved.counts, topics),
        consumed=of_others(saved.consumed, topics),
        first_offsets=of_others(saved.first_offsets, topics),
        skipped=of_others(saved.skipped, topics),
        emitted_counts=of_others(saved.emitted_counts, topics),
        recreated_topics={topic: of_others(ends, topics) for topic, ends in saved.recreated_topics.items()},
    )


def in_present(told: Progress, present: Layout) -> Progress:
    """Return what was told, without the positions and counts of topics that are others now."""
    others = replaced(told.layout, present) if told.layout is not None else frozenset[str]()
    if not others:
        return told
    return structs.replace(
        told,
        positions=of_others(told.positions, others),
        first_offsets=of_others(told.first_offsets, others),
        skipped=of_others(told.skipped, others),
        emitted_counts=of_others(told.emitted_counts, others),
        recreated_topics={topic: of_others(ends, others) for topic, ends in told.recreated_topics.items()},
    )


def replaced(made_under: Layout, present: Layout) -> frozenset[str]:
    """Return the topics that have another id than under an earlier layout."""
    return frozenset(topic for topic, id_ in made_under.ids.items() if present.ids.get(topic, id_) != id_)


def of_others(by_name: Mapping[str, T], topics: Collection[str]) -> dict[str, T]:
    """Return what is known by `topic-partition` of other topics than these."""
    return {name: each for name, each in by_name.items() if TP.parse(name).topic not in topics}


class LayoutWatch:
    """Compares the topics with their layout when the worker started; `read` returns the present layout."""

    def __init__(self, read: Callable[[], Awaitable[Layout]], initial: Layout) -> None:
        self._read = read
        self._initial = initial
        self._suspected: str | None = None

    async def look(self) -> None:
        """Compare once.

        Raises `Fatal` when two looks in a row find the same change: a broker that has just started knows few topics.
        """
        try:
            found = changed(self._initial, await self._read())
        except Unavailable as error:
            logger.info("the topics cannot be looked at: %s", error)
            return
        if found is not None and found == self._suspected:
            raise Fatal(f"{found}; a restart tells how to go on")
        self._suspected = found
