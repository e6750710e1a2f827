"""A snapshot holds the objects as they were when it began, even if they change while it is packed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.snapshot import Snapshot

IDS = "abcdef"
CHANGES = st.tuples(st.just("change"), st.sets(st.sampled_from(IDS), min_size=1))
ADVANCES = st.tuples(st.just("advance"), st.integers(1, 3))


@given(frozen=st.sets(st.sampled_from(IDS)), actions=st.lists(st.one_of(CHANGES, ADVANCES)))
def test_it_holds_one_moment(frozen: set[str], actions: list[tuple[str, set[str] | int]]) -> None:
    objects = {each: [0] for each in IDS}
    snapshot = Snapshot(objects, "x:".__add__, bytes)
    blobs: dict[str, bytes | None] = {}
    snapshot.begin(set(frozen), blobs)
    for _, what in actions:
        if isinstance(what, int):
            snapshot.advance(what)
        else:
            snapshot.before_change(what)
            for each in what:
                objects[each].append(1)
    while not snapshot.complete:
        assert snapshot.advance(1) == 1
    assert blobs == {f"x:{each}": b"\0" for each in frozen}


def test_no_more_is_packed_at_once_than_asked_for() -> None:
    blobs: dict[str, bytes | None] = {}
    snapshot = Snapshot(dict.fromkeys(IDS, 7), str, lambda number: bytes([number]))
    snapshot.begin(set(IDS), blobs)
    assert [snapshot.advance(4), len(blobs), snapshot.complete] == [4, 4, False]
    assert [snapshot.advance(4), len(blobs), snapshot.complete] == [2, 6, True]
    assert snapshot.advance(4) == 0
