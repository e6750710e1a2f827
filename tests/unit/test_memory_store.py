"""The memory store keeps deadlines in order, and does not grow when they move."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.memory.store import MemoryState, MemoryStore
from streams.runtime.ports import Changes, Checkpoint
from streams.runtime.timers import SLACK

NOTHING = Checkpoint({}, {}, {})


@given(
    st.lists(st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers(0, 9)), max_size=12), st.integers(0, 9)
)
async def test_due_cases_are_those_saved_last_the_earliest_first(saves: list[dict[str, int | None]], now: int) -> None:
    store = MemoryStore(MemoryState())
    await store.claim()
    latest: dict[str, int | None] = {}
    for deadlines in saves:
        await store.save(NOTHING, Changes({}, deadlines))
        latest |= deadlines
        expected = sorted((at, case_id) for case_id, at in latest.items() if at is not None and at <= now)
        assert await store.due(now, 99) == [case_id for _, case_id in expected]
        assert await store.due(now, 2) == [case_id for _, case_id in expected[:2]]


async def test_a_deadline_that_moves_ten_thousand_times_is_kept_once() -> None:
    state = MemoryState()
    store = MemoryStore(state)
    await store.claim()
    for at in range(10_000):
        await store.save(NOTHING, Changes({}, {"a": at}))
    assert len(state.deadlines._heap) <= SLACK + 2
    assert await store.due(10_000, 5) == ["a"]
