"""Checks for records that are gone: without them a worker could contradict its outputs or decide half a case."""

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
    """Check that no record is gone that an earlier owner has read and no checkpoint holds.

    `names` are partitions, each as `topic-partition`. By name, `starts` has the offset from which the state has to be
    rebuilt (none if nothing was read), `earliest` the log start offset, and `read` the next offset to read as last
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
                f"{gone}: bring them or the checkpoints back, or set SOP_ACCEPT_TRIMMED_INPUTS=true to decide these "
                "cases anew without them"
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
            f"{gone}: cases would be decided without them; set SOP_ACCEPT_TRIMMED_INPUTS=true to go on, restart, "
            "produce these records again, and give the topic a longer retention"
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
            f"{gone}; bring them or the checkpoints back, or set SOP_ACCEPT_TRIMMED_INPUTS=true to publish them "
            "again, and give the topic a longer retention"
        )
    _warn(gone)
    return missing


def _warn(gone: str) -> None:
    logger.warning("%s; going on without them, since SOP_ACCEPT_TRIMMED_INPUTS is set", gone)


def refuse_truncated(name: str, position: int, end: int) -> None:
    """Raise `Fatal` if a partition ends before the next offset to read: records that were read are lost."""
    if position > end:
        raise Fatal(
            f"{name}: read up to {position}, but the log ends at {end}: Kafka has lost records, and new ones would get "
            "their offsets; restore the topic"
        )
