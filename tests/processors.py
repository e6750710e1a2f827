"""Processors over a memory store, for tests of their state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from msgspec import structs

from agents.sops import catalogue
from schemas.codec.limits import Limits
from schemas.policy.model import PolicySet, Presence
from streams.memory.store import MemoryState, MemoryStore
from streams.policies.source import FixedPolicies
from streams.processor.processor import SopProcessor
from streams.processor.settings import ProcessorSettings
from streams.runtime.ports import Changes, Checkpoint, Processor
from tests.scenario import POLICY

WITHOUT_WAIT: Final = structs.replace(POLICY, presence=Presence(reading_wait=0))
"""A policy under which a case waits for no answer."""
SETTINGS: Final = ProcessorSettings(
    topics=catalogue.topics(),
    partitions=1,
    policies=FixedPolicies(PolicySet((), WITHOUT_WAIT)),
    limits=Limits(),
    facts_per_case_max=99,
    cached_cases_max=99,
)


async def owner_of(state: MemoryState, partition: int = 0, **settings: Any) -> SopProcessor:
    """Return a processor that resumes from the state's checkpoint, with some of `SETTINGS` replaced."""
    return await owner_with(MemoryStore(state), partition, **settings)


async def owner_with(store: MemoryStore, partition: int = 0, **settings: Any) -> SopProcessor:
    """Return a processor that resumes from a store's checkpoint, with some of `SETTINGS` replaced."""
    checkpoint = await store.claim()
    processor = SopProcessor(partition, replace(SETTINGS, **settings), store)
    await processor.begin(None if checkpoint is None else checkpoint.counts)
    return processor


async def save(processor: SopProcessor) -> None:
    """Save a checkpoint, without `mark_saved`."""
    changes, checkpoint = packed(processor), Checkpoint({}, {}, processor.counts())
    await processor._store.save(checkpoint, changes)


def packed(processor: Processor) -> Changes:
    """Return what a checkpoint would contain now."""
    changes = processor.freeze()
    while not processor.pack(1):
        pass
    return changes
