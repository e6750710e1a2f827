"""Checks for records that are gone; without them a worker could contradict its outputs or decide on half a case."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from schemas.errors import Fatal

logger = logging.getLogger("sop.task")


def refuse_missing(
    names: Iterable[str],
    starts: Mapping[str, int],
    earliest: Mapping[str, int],
    read: Mapping[str, int],
    *,
    accepts: bool,
) -> None:
    """Check that the records are there that an earlier owner had read and that no checkpoint holds.

    `names` are partitions as `topic-partition`, by which the mappings have: where the state has to be made again from
    (left out where nothing was read), the log start offset, and the next offset to read when progress was last
    published. With `accepts`, missing records are only logged.

    Raises `Fatal`, which says which are missing and how to go on.
    """
    for name in names:
        start = starts.get(name)
        if start is None:
            continue
        end = min(earliest[name], read.get(name, 0))
        if start >= end:
            continue
        gone = f"{name}: {start} to {end - 1} are no longer there, in no checkpoint, and decisions rest on them"
        if not accepts:
            raise Fatal(
                f"{gone}: bring them or the checkpoints back, or have these cases decided anew without them by "
                "SOP_ACCEPT_TRIMMED_INPUTS=true"
            )
        _warn(gone)


def unread_count(name: str, position: int, earliest: int, *, accepts: bool) -> int:
    """Return how many offsets of a partition were deleted before they were read, 0 if none.

    `position` is the next offset to read, `earliest` the log start offset. With `accepts`, the loss is only logged.

    Raises `Fatal`, which says which offsets are missing and how to go on.
    """
    if position >= earliest:
        return 0
    gone = f"{name}: {position} to {earliest - 1} are no longer there and were never read"
    if not accepts:
        raise Fatal(
            f"{gone}: cases would be decided without them; produce these records again after a restart with "
            "SOP_ACCEPT_TRIMMED_INPUTS=true, which goes on without them, and give the topic a longer retention"
        )
    _warn(gone)
    return earliest - position


def forgotten_count(name: str, position: int, earliest: int, missing: int, *, accepts: bool) -> int:
    """Return how many messages of an output partition were deleted before they were read back, 0 if none.

    `position` is the offset up to which the partition is part of the state, `earliest` its log start offset, `missing`
    how many published messages were not found; other offsets are transaction markers. With `accepts`, the loss is only
    logged.

    Raises `Fatal`, which says which messages are missing and how to go on.
    """
    if position >= earliest or missing <= 0:
        return 0
    gone = f"{name}: {position} to {earliest - 1} are no longer there, in no checkpoint; messages missing: {missing}"
    if not accepts:
        raise Fatal(
            f"{gone}; bring them or the checkpoints back, or have them published again by "
            "SOP_ACCEPT_TRIMMED_INPUTS=true, and give the topic a longer retention"
        )
    _warn(gone)
    return missing


def _warn(gone: str) -> None:
    logger.warning("%s; going on without them, as SOP_ACCEPT_TRIMMED_INPUTS says", gone)


def refuse_truncated(name: str, position: int, end: int) -> None:
    """Raise `Fatal` if a partition ends before the next offset to read: records that were read are lost."""
    if position > end:
        raise Fatal(
            f"{name}: read up to {position}, but the log ends at {end}: Kafka has lost records, and others would be "
            "taken for them; restore the topic"
        )
