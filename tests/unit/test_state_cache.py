"""Which cases and tracks stay in memory when there are too many."""

from __future__ import annotations

import pytest

from agents.case.case import Case
from agents.presence.track import Track
from schemas.errors import StoreLost
from streams.memory.store import MemoryState, MemoryStore
from streams.processor.state_cache import CASES_PER_TRACK, StateCache
from streams.runtime.ports import Checkpoint


def freeze(cache: StateCache) -> dict[str, bytes | None]:
    blobs: dict[str, bytes | None] = {}
    cache.freeze(blobs)
    assert cache.pack(10**6)
    return blobs


async def test_those_left_alone_the_longest_go_and_those_not_saved_stay() -> None:
    cases = {case_id: Case(case_id) for case_id in "abcde"}
    cache = StateCache(cases, {}, MemoryStore(MemoryState()))
    cache.touch(set("abcde"), ())
    freeze(cache)
    cache.touch(["a"], ())
    freeze(cache)
    cache.touch(["b"], ())
    assert cache.trim(2) == ["c", "d", "e"]
    assert set(cases) == {"a", "b"}
    assert cache.trim(0) == ["a"]
    assert set(cases) == {"b"}, "b is not in the store yet"


async def test_a_track_counts_as_several_cases() -> None:
    tracks = {f"p{number}": Track(f"p{number}") for number in range(5)}
    cache = StateCache({}, tracks, MemoryStore(MemoryState()))
    cache.touch((), list(tracks))
    freeze(cache)
    cache.trim(2 * CASES_PER_TRACK)
    assert list(tracks) == ["p3", "p4"]


async def test_what_is_not_saved_is_packed_where_there_is_too_much_and_lost_nowhere() -> None:
    cases = {case_id: Case(case_id) for case_id in "abcdef"}
    for case in cases.values():
        case.decided_at = ord(case.case_id)
    state = MemoryState()
    store = MemoryStore(state)
    saved = await store.claim() or Checkpoint({}, {}, {})
    cache = StateCache(cases, {}, store)
    cache.spilled_at_once = 1
    cache.touch(set("abcdef"), ())
    cache.spill(2, "b", ())
    assert list(cases) == ["b", "f"]
    assert await cache.load("ab", ()) == []
    blobs: dict[str, bytes | None] = {}
    packed = cache.freeze(blobs)
    assert set(packed) == set("abcdef")
    assert await cache.load("c", ()) == [], "it is being saved and cannot be loaded yet"
    assert not cache.pack(1)
    assert cache.pack(9)
    await store.save(saved, blobs, {})
    assert cache.trim(0) == ["d", "e", *"bfac"]
    assert await cache.load("abcdef", ()) == list("abcdef")
    assert {case_id: case.decided_at for case_id, case in cases.items()} == {each: ord(each) for each in "abcdef"}


async def test_tracks_that_are_not_saved_are_packed_as_well() -> None:
    tracks = {f"p{number}": Track(f"p{number}") for number in range(4)}
    cache = StateCache({}, tracks, MemoryStore(MemoryState()))
    cache.spilled_at_once = 1
    cache.touch((), list(tracks))
    cache.spill(1 * CASES_PER_TRACK, (), ["p1"])
    assert list(tracks) == ["p1"]
    assert await cache.load((), ["p0"]) == []
    assert tracks["p0"].partner_id == "p0"
    assert set(freeze(cache)) == {"partner:p0", "partner:p1", "partner:p2", "partner:p3"}


@pytest.mark.parametrize("key", ["case:a", "partner:a"])
@pytest.mark.parametrize("blob", [b"", b"garbage", b"\x28\xb5\x2f\xfd", b"\xc1"])
async def test_what_cannot_be_read_as_the_store_has_it_is_the_store_s_fault(key: str, blob: bytes) -> None:
    store = MemoryStore(MemoryState(blobs={key: blob}))
    await store.claim()
    with pytest.raises(StoreLost, match=rf"^{key} cannot be read as the store has it \(\w+\): empty the store"):
        await StateCache({}, {}, store).load(["a"], ["a"])


async def test_what_was_let_go_is_not_brought_in_again_before_the_store_has_heard_of_it() -> None:
    cases = {case_id: Case(case_id) for case_id in "ab"}
    store = MemoryStore(MemoryState())
    saved = await store.claim() or Checkpoint({}, {}, {})
    cache = StateCache(cases, {}, store)
    cache.touch("ab", ())
    await store.save(saved, freeze(cache), {})
    cache.remove_case("a")
    assert cache.changed
    assert await cache.load("a", ()) == []
    blobs = freeze(cache)
    assert blobs == {"case:a": None}
    assert await cache.load("a", ()) == []
    await store.save(saved, blobs, {})
    cache.trim(9)
    assert await cache.load("a", ()) == []
    assert list(cases) == ["b"]


async def test_what_was_let_go_while_it_is_being_packed_is_packed_as_it_was() -> None:
    cases = {"a": Case("a")}
    cache = StateCache(cases, {}, MemoryStore(MemoryState()))
    cache.touch("a", ())
    blobs: dict[str, bytes | None] = {}
    cache.freeze(blobs)
    cache.remove_case("a")
    assert cache.pack(9)
    assert blobs["case:a"]
    assert freeze(cache) == {"case:a": None}


async def test_what_begins_anew_after_it_was_let_go_is_saved() -> None:
    tracks = {"p": Track("p")}
    cache = StateCache({}, tracks, MemoryStore(MemoryState()))
    cache.remove_track("p")
    tracks["p"] = Track("p")
    cache.touch((), ["p"])
    assert freeze(cache)["partner:p"]


async def test_departed_cases_are_dropped_first_and_come_back_as_what_remains() -> None:
    cases = {case_id: Case(case_id) for case_id in "abc"}
    store = MemoryStore(MemoryState())
    saved = await store.claim() or Checkpoint({}, {}, {})
    cache = StateCache(cases, {}, store)
    cases["c"].decided_at = 7
    cases["c"].depart()
    cache.touch("abc", ())
    await store.save(saved, freeze(cache), {})
    assert cache.trim(9, ["c"]) == ["c"]
    assert await cache.load("c", ()) == ["c"]
    assert (cases["c"].last_revisions, cases["c"].decided_at) == ((), 7)
