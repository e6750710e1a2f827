"""Records that are no longer there: to go on without them could contradict what was said, or decide on half a case."""

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
    """Refuse to recover where records are gone that an earlier owner had read and that are in no checkpoint.

    All by `topic-partition`: where the state would have to be made again from, the earliest offset that is kept, the
    next offset that was to be read when something was last said. Where nothing was begun there is nothing to miss.
    `accepts` says whether to go on without them, with a warning.

    Raises `Fatal` that says which are missing, and how to go on, where that is not accepted.
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

    Takes the next offset to read, the earliest that is kept, and whether to go on without what lies between.

    Raises `Fatal` that says which are missing, and how to go on, where that is not accepted.
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

    Takes the offset up to which it is part of the state, the earliest that is kept, how many messages were said there
    and are not found, and whether to go on without them. What else lies there are markers of transactions.

    Raises `Fatal` that says which are missing, and how to go on, where that is not accepted.
    """
    if position >= earliest or missing <= 0:
        return 0
    gone = f"{name}: {position} to {earliest - 1} are no longer there, in no checkpoint; messages missing: {missing}"
    if not accepts:
        raise Fatal(
            f"{gone}; bring them or the checkpoints back, or have them said again by SOP_ACCEPT_TRIMMED_INPUTS=true, "
            "and give the topic a longer retention"
        )
    _warn(gone)
    return missing


def _warn(gone: str) -> None:
    logger.warning("%s; going on without them, as SOP_ACCEPT_TRIMMED_INPUTS says", gone)


def refuse_truncated(name: str, position: int, end: int) -> None:
    """Raise `Fatal` where a partition ends before the next offset to read: records that were read are lost."""
    if position > end:
        raise Fatal(
            f"{name}: read up to {position}, but the log ends at {end}: Kafka has lost records, and others would be "
            "taken for them; restore the topic"
        )
