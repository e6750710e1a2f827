"""Packs a checkpoint at once, for tests of its content."""

from __future__ import annotations

from streams.runtime.ports import Changes, Processor


def packed(processor: Processor) -> Changes:
    """Return what a checkpoint would contain now."""
    changes = processor.freeze()
    while not processor.pack(1):
        pass
    return changes
