"""A name that was ever saved is never taken for new, and few others are taken for saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.processor import stored_names
from streams.processor.stored_names import StoredNames


def begun() -> StoredNames:
    names = StoredNames()
    names.begin()
    return names


def resumed(saved: Mapping[str, bytes]) -> StoredNames:
    names = StoredNames()
    for key in stored_names.KEYS:
        if key in saved:
            names.load(saved[key])
    return names


@given(st.lists(st.lists(st.text(), max_size=5), max_size=5))
def test_what_was_added_may_be_there_also_after_checkpoints(added: Sequence[Sequence[str]]) -> None:
    names, saved = begun(), dict[str, bytes]()
    for some in added:
        names.add(some)
        saved.update(names.dump())
        names = resumed(saved)
    assert all(names.may_have(each) for some in added for each in some)


def test_an_empty_store_has_nothing_and_its_first_checkpoint_says_so() -> None:
    names = begun()
    assert not names.may_have("case:a")
    assert not resumed(dict(names.dump())).may_have("case:a")


def test_a_checkpoint_without_names_may_have_any() -> None:
    names = resumed({"case:a": b"..."})
    names.add(["case:a"])
    assert names.may_have("case:b")
    assert dict(names.dump()) == {}


def test_a_checkpoint_writes_only_the_segments_that_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_names, "SEGMENT_BITS", 1 << 10)
    names, writes = begun(), list[set[str]]()
    for number in range(10):
        names.add(f"case:{number}-{each}" for each in range(50))
        writes.append({key for key, _ in names.dump()})
    assert dict(names.dump()) == {}
    assert max(map(len, writes)) == 2
    assert set.union(*writes) == set(stored_names.KEYS[: len(set.union(*writes))])
    assert len(set.union(*writes)) > 3


def test_few_names_seem_to_be_there() -> None:
    names = begun()
    names.add(f"case:{number}" for number in range(100_000))
    seeming = sum(names.may_have(f"partner:{number}") for number in range(10_000))
    assert seeming < 200
