"""Records that are no longer there and that what was said rests on: to go on without them could contradict it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from schemas.errors import Fatal


def refuse_missing(
    names: Iterable[str], starts: Mapping[str, int], earliest: Mapping[str, int], read: Mapping[str, int]
) -> None:
    """Refuse to recover where records are gone that an earlier owner had read and that are in no checkpoint.

    All by `topic-partition`: where the state would have to be made again from, the earliest offset that is kept, the
    next offset that was to be read when something was last said. Where nothing was begun there is nothing to miss.

    Raises `Fatal` that says which are missing, and how to go on.
    """
    for name in names:
        start = starts.get(name)
        if start is None:
            continue
        end = min(earliest[name], read.get(name, 0))
        if start < end:
            raise Fatal(
                f"{name}: {start} to {end - 1} are no longer there, in no checkpoint, and decisions rest on them: "
                "bring them or the checkpoints back, or have these cases decided anew without them by "
                "SOP_ACCEPT_TRIMMED_INPUTS=true"
            )
