"""Which cases and tracks stay in memory when there are too many, and that none is lost."""

from __future__ import annotations

import pytest

from agents.case.case import Case
from agents.presence.track import Track
from schemas.errors import StoreLost
from streams.memory.store import MemoryState, MemoryStore
from streams.processor.state_cache import CASES_PER_TRACK, StateCache
from streams.processor.subject import Subjects
from streams.runtime.ports import Changes, Checkpoint


def cases(ids: str) -> Subjects:
    return Subjects(set(ids))


def partners(*ids: str) -> Subjects:
    return Subjects(partners=set(ids))


def freeze(cache: StateCache) -> dict[str, bytes | None]:
    blobs: dict[str, bytes | None] = {}
    cache.freeze(blobs)
    assert cache.pack(10**6)
    return blobs


async def test_the_least_recently_changed_are_evicted_but_none_that_is_dirty() -> None:
    objects = {case_id: Case(case_id) for case_id in "abcde"}
    cache = StateCache(objects, {}, {}, MemoryStore(MemoryState()))
    cache.mark_dirty(cases("abcde"))
    freeze(cache)
    cache.mark_dirty(cases("a"))
    freeze(cache)
    cache.mark_dirty(cases("b"))
    assert cache.evict(2) == ["c", "d", "e"]
    assert set(objects) == {"a", "b"}
    assert cache.evict(0) == ["a"]
    assert set(objects) == {"b"}, "b is not in the store yet"


async def test_a_track_counts_as_several_cases() -> None:
    tracks = {f"p{number}": Track(f"p{number}") for number in range(5)}
    cache = StateCache({}, tracks, {}, MemoryStore(MemoryState()))
    cache.mark_dirty(partners(*tracks))
    freeze(cache)
    cache.evict(2 * CASES_PER_TRACK)
    assert list(tracks) == ["p3", "p4"]


async def test_too_many_dirty_cases_are_kept_packed_and_none_is_lost() -> None:
    objects = {case_id: Case(case_id) for case_id in "abcdef"}
    for case in objects.values():
        case.decided_at = ord(case.case_id)
    store = MemoryStore(MemoryState())
    saved = await store.claim() or Checkpoint({}, {}, {})
    cache = StateCache(objects, {}, {}, store)
    cache.packing_slack = 1
    cache.mark_dirty(cases("abcdef"))
    cache.pack_dirty(2, in_use=cases("b"))
    assert list(objects) == ["b", "f"]
    assert await cache.load(cases("ab")) == []
    blobs: dict[str, bytes | None] = {}
    frozen = cache.freeze(blobs)
    assert set(frozen) == set("abcdef")
    assert await cache.load(cases("c")) == [], "it is being saved and cannot be loaded yet"
    assert not cache.pack(1)
    assert cache.pack(9)
    await store.save(saved, Changes(blobs))
    assert cache.evict(0) == ["d", "e", *"bfac"]
    assert sorted(await cache.load(cases("abcdef"))) == list("abcdef")
    assert {case_id: case.decided_at for case_id, case in objects.items()} == {each: ord(each) for each in "abcdef"}


async def test_too_many_dirty_tracks_are_kept_packed_too() -> None:
    tracks = {f"p{number}": Track(f"p{number}") for number in range(4)}
    cache = StateCache({}, tracks, {}, MemoryStore(MemoryState()))
    cache.packing_slack = 1
    cache.mark_dirty(partners(*tracks))
    cache.pack_dirty(1 * CASES_PER_TRACK, in_use=partners("p1"))
    assert list(tracks) == ["p1"]
    assert await cache.load(partners("p0")) == []
    assert tracks["p0"].partner_id == "p0"
    assert set(freeze(cache)) == {"partner:p0", "partner:p1", "partner:p2", "partner:p3"}


@pytest.mark.parametrize("key", ["case:a", "partner:a"])
@pytest.mark.parametrize("blob", [b"", b"garbage", b"\x28\xb5\x2f\xfd", b"\xc1"])
async def test_an_unreadable_blob_is_the_store_s_fault(key: str, blob: bytes) -> None:
    store = MemoryStore(MemoryState(blobs={key: blob}))
    await store.claim()
    with pytest.raises(StoreLost, match=rf"^{key}: the stored value cannot be read \(\w+\); empty the store"):
        await StateCache({}, {}, {}, store).load(Subjects({"a"}, {"a"}))


async def test_a_removed_case_is_not_loaded_again_before_its_deletion_is_saved() -> None:
    objects = {case_id: Case(case_id) for case_id in "ab"}
    store = MemoryStore(MemoryState())
    saved = await store.claim() or Checkpoint({}, {}, {})
    cache = StateCache(objects, {}, {}, store)
    cache.mark_dirty(cases("ab"))
    await store.save(saved, Changes(freeze(cache)))
    cache.remove_case("a")
    assert cache.changed
    assert await cache.load(cases("a")) == []
    blobs = freeze(cache)
    assert blobs == {"case:a": None}
    assert await cache.load(cases("a")) == []
    await store.save(saved, Changes(blobs))
    cache.evict(9)
    assert await cache.load(cases("a")) == []
    assert list(objects) == ["b"]


async def test_a_case_removed_during_a_snapshot_is_packed_as_it_was() -> None:
    cache = StateCache({"a": Case("a")}, {}, {}, MemoryStore(MemoryState()))
    cache.mark_dirty(cases("a"))
    blobs: dict[str, bytes | None] = {}
    cache.freeze(blobs)
    cache.remove_case("a")
    assert cache.pack(9)
    assert blobs["case:a"]
    assert freeze(cache) == {"case:a": None}


async def test_a_track_that_begins_anew_after_its_removal_is_saved() -> None:
    tracks = {"p": Track("p")}
    cache = StateCache({}, tracks, {}, MemoryStore(MemoryState()))
    cache.remove_track("p")
    tracks["p"] = Track("p")
    cache.mark_dirty(partners("p"))
    assert freeze(cache)["partner:p"]


async def test_departed_cases_are_evicted_first_and_are_loaded_as_departed() -> None:
    objects = {case_id: Case(case_id) for case_id in "abc"}
    store = MemoryStore(MemoryState())
    saved = await store.claim() or Checkpoint({}, {}, {})
    cache = StateCache(objects, {}, {}, store)
    objects["c"].decided_at = 7
    objects["c"].depart()
    cache.departed.add("c")
    cache.mark_dirty(cases("abc"))
    await store.save(saved, Changes(freeze(cache)))
    assert (cache.evict(9), cache.departed) == (["c"], set())
    assert (await cache.load(cases("c")), cache.departed) == ([], {"c"})
    assert (objects["c"].last_revisions, objects["c"].decided_at) == ((), 7)
