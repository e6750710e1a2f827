"""Packs a whole checkpoint at once, for tests of its content."""

from __future__ import annotations

from streams.runtime.ports import Changes, Processor


def packed(work: Processor) -> Changes:
    """Return what a checkpoint would write now."""
    changes = work.freeze()
    while not work.pack(1):
        pass
    return changes
