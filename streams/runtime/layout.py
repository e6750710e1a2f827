"""Compares the topics that a state was made from with those that exist now: offsets hold for the same topics only."""

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
"""The number of partitions in the layout of a state that `sop rebuild` has begun to replace; no topic has that many."""


def find_recreated(made_under: Layout | None, present: Layout, *, accepts: bool) -> frozenset[str]:
    """Return the topics that were deleted and created again since a state was made; none if its layout is not known.

    Raises `Fatal`, which says how to go on, when the number of partitions has changed, and when topics were created
    again unless the settings accept to read these from their beginning.
    """
    if made_under is None:
        return frozenset()
    if made_under.partitions == UNFINISHED:
        raise Fatal("this group's state is being rebuilt, or sop rebuild did not finish: run sop rebuild")
    if made_under.partitions != present.partitions:
        raise Fatal(
            f"the topics have {present.partitions} partitions, this group's state was made under "
            f"{made_under.partitions}, and most cases belong to another partition now: stop all workers and run "
            "sop rebuild"
        )
    recreated = with_new_ids(made_under, present)
    if recreated and not accepts:
        raise Fatal(
            f"{', '.join(sorted(recreated))}: deleted and created again since this group last read or wrote there, so "
            "its positions are no longer valid; SOP_ACCEPT_TRIMMED_INPUTS=true starts at the beginning of the new "
            "topics, without what was never read of the old ones"
        )
    return recreated


def find_change(before: Layout, now: Layout) -> str | None:
    """Return a change of the layout with which a running worker cannot go on; None if there is none."""
    if missing := sorted(before.ids.keys() - now.ids.keys()):
        return f"{', '.join(missing)}: deleted while this worker runs"
    if before.partitions != now.partitions:
        return f"the topics have {now.partitions} partitions now, {before.partitions} when this worker started"
    if recreated := sorted(with_new_ids(before, now)):
        return f"{', '.join(recreated)}: deleted and created again while this worker runs"
    return None


def without_id(layout: Layout | None, topic: str) -> Layout | None:
    """Return a layout without a topic that is derived from others: no state rests on it."""
    if layout is None:
        return None
    return Layout(layout.partitions, {name: id_ for name, id_ in layout.ids.items() if name != topic})


def without_topics(checkpoint: Checkpoint, topics: Collection[str]) -> Checkpoint:
    """Return a checkpoint without the positions and counts of some topics."""
    return structs.replace(
        checkpoint,
        inputs=of_other_topics(checkpoint.inputs, topics),
        outputs=of_other_topics(checkpoint.outputs, topics),
        counts=of_other_topics(checkpoint.counts, topics),
        consumed=of_other_topics(checkpoint.consumed, topics),
        first_offsets=of_other_topics(checkpoint.first_offsets, topics),
        skipped=of_other_topics(checkpoint.skipped, topics),
        emitted_counts=of_other_topics(checkpoint.emitted_counts, topics),
        recreated_topics={name: of_other_topics(ends, topics) for name, ends in checkpoint.recreated_topics.items()},
    )


def without_recreated(progress: Progress, present: Layout) -> Progress:
    """Return progress without the positions and counts of topics that were created again since."""
    recreated = with_new_ids(progress.layout, present) if progress.layout is not None else frozenset[str]()
    if not recreated:
        return progress
    return structs.replace(
        progress,
        positions=of_other_topics(progress.positions, recreated),
        first_offsets=of_other_topics(progress.first_offsets, recreated),
        skipped=of_other_topics(progress.skipped, recreated),
        emitted_counts=of_other_topics(progress.emitted_counts, recreated),
        recreated_topics={name: of_other_topics(ends, recreated) for name, ends in progress.recreated_topics.items()},
    )


def with_new_ids(made_under: Layout, present: Layout) -> frozenset[str]:
    """Return the topics whose ids have changed since an earlier layout."""
    return frozenset(topic for topic, id_ in made_under.ids.items() if present.ids.get(topic, id_) != id_)


def of_other_topics(by_name: Mapping[str, T], topics: Collection[str]) -> dict[str, T]:
    """Return the entries, by `topic-partition`, of all topics but these."""
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
            found = find_change(self._initial, await self._read())
        except Unavailable as error:
            logger.info("the topics cannot be checked: %s", error)
            return
        if found is not None and found == self._suspected:
            raise Fatal(f"{found}; after a restart the worker says how to go on")
        self._suspected = found
