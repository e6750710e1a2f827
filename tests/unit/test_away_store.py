"""A store that is away delays only what it alone has; nothing of that is lost, and its order is kept."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from schemas.errors import StoreLost, Unavailable
from schemas.policy.model import DAY, HOUR
from streams.memory.store import MemoryState
from streams.processor import waiting
from streams.processor.processor import STORE_LOOK_EVERY_US, SopProcessor
from streams.runtime.ports import TP, Outgoing
from tests.failing_store import FailingStore
from tests.processors import owner_with, save
from tests.scenario import MIDNIGHT, Scenario
from tests.unit.test_processor import records

TICKETS = TP("tickets", 0)
NOW = MIDNIGHT + 11 * HOUR
LATER = MIDNIGHT + DAY


class Bench:
    """A processor whose cases leave the memory with each save."""

    processor: SopProcessor

    def __init__(self, state: MemoryState) -> None:
        self.state = state
        self.is_away = False
        self._offset = 0

    @classmethod
    async def begin(cls, state: MemoryState | None = None, cached_cases_max: int = 0) -> Bench:
        bench = cls(state or MemoryState())
        store = FailingStore(bench.state, bench._answer)
        bench.processor = await owner_with(store, cached_cases_max=cached_cases_max)
        await bench.processor.apply_restored()
        return bench

    def _answer(self) -> None:
        if self.is_away:
            raise Unavailable("Redis: no answer")

    async def decided(self, *lines: bytes, now: int = NOW, names: Sequence[str] = ()) -> set[str]:
        """Process and evaluate; return the cases that were decided."""
        await self.processor.process([(TICKETS, records(lines, self._offset))] if lines else [], LATER)
        self._offset += len(lines)
        return subjects(await self.processor.evaluate(now, {}, names))

    async def save(self) -> None:
        await save(self.processor)
        self.processor.mark_saved()

    def waits(self) -> bool:
        return self.processor.is_waiting

    def is_full(self) -> bool:
        return self.processor.is_full

    def counts(self) -> dict[str, int]:
        return self.processor.counts().get(TICKETS.name, {})


def subjects(outgoing: Sequence[Outgoing]) -> set[str]:
    return {(each.key or b"").decode().partition("/")[0] for each in outgoing if each.topic == "decisions.tagging"}


def claim(case_id: str) -> Scenario:
    return Scenario(case_id).booked("08:00").assigned("09:00").ticket("10:00", f"{case_id}-t")


def begun(case_id: str) -> list[bytes]:
    return claim(case_id).lines()


def continued(case_id: str) -> bytes:
    return claim(case_id).validated("10:30", "not_genuine", f"{case_id}-t").lines()[-1]


async def with_old_away() -> Bench:
    """Return a bench whose store, which has the case `old`, is away."""
    bench = await Bench.begin()
    await bench.decided(*begun("old"))
    await bench.save()
    bench.is_away = True
    return bench


async def test_what_is_new_or_in_memory_is_decided() -> None:
    bench = await Bench.begin()
    bench.is_away = True
    assert await bench.decided(*begun("new")) == {"new"}
    assert await bench.decided(continued("new")) == {"new"}
    assert not bench.waits()


async def test_what_only_the_store_has_waits_and_delays_nothing_else() -> None:
    bench = await with_old_away()
    assert await bench.decided(continued("old"), *begun("new")) == {"new"}
    assert bench.waits()
    assert await bench.decided(continued("new")) == {"new"}
    assert bench.counts() == {"applied": 7, "waiting": 1}
    bench.is_away = False
    assert await bench.decided() == {"old"}
    assert not bench.waits()
    assert bench.counts() == {"applied": 8}


async def test_of_two_conflicting_events_that_wait_the_first_is_accepted() -> None:
    bench = await with_old_away()
    genuine = claim("old").validated("10:30", "genuine", "old-t").lines()[-1]
    assert await bench.decided(continued("old")) == set()
    assert await bench.decided(genuine) == set()
    bench.is_away = False
    await bench.decided()
    straight = await Bench.begin(cached_cases_max=99)
    await straight.decided(*begun("old"), continued("old"))
    await straight.decided(genuine)
    assert bench.counts() == straight.counts()
    assert bench.counts()["dead_lettered"] == 1


async def test_after_a_restart_what_the_last_owner_saved_is_not_new() -> None:
    first = await Bench.begin()
    await first.decided(*begun("old"))
    await first.save()
    bench = await Bench.begin(first.state)
    bench.is_away = True
    assert await bench.decided(continued("old"), *begun("new")) == {"new"}
    bench.is_away = False
    assert await bench.decided() == {"old"}


async def test_a_damaged_segment_of_names_is_named() -> None:
    first = await Bench.begin()
    await first.decided(*begun("old"))
    await first.save()
    first.state.blobs["names:1"] = b"damaged"
    with pytest.raises(StoreLost, match="names:1: the stored value cannot be read"):
        await Bench.begin(first.state)


async def test_a_deadline_of_a_case_in_the_store_passes_once_it_answers() -> None:
    bench = await Bench.begin()
    await bench.decided(*begun("old"))
    await bench.save()
    (due,) = bench.state.deadlines.values()
    bench.is_away = True
    assert await bench.processor.due(due, 99) == []
    assert await bench.processor.expired(due, 99) == []
    assert await bench.decided(now=due, names=["case:old"]) == set()
    assert bench.waits()
    bench.is_away = False
    assert await bench.processor.due(due + STORE_LOOK_EVERY_US, 99) == ["case:old"]
    await bench.decided(now=due)
    assert not bench.waits()


async def test_a_name_is_not_loaded_without_the_records_that_wait_for_it() -> None:
    bench = await with_old_away()
    await bench.decided(continued("old"))
    bench.is_away = False
    assert subjects(await bench.processor.evaluate(NOW, {}, ["case:old"])) == set()
    assert await bench.decided() == {"old"}


async def test_a_limited_number_of_bytes_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "WAITING_BYTES_MAX", 2 * len(continued("old")))
    bench = await with_old_away()
    await bench.decided(continued("old"))
    assert not bench.is_full()
    await bench.decided(continued("old"), continued("old"))
    assert bench.is_full()
    bench.is_away = False
    await bench.decided()
    assert not bench.is_full()
