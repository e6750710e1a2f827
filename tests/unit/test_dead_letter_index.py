"""Records that are in the dead letters already."""

from __future__ import annotations

from streams.processor.deduplication import DeadLetterIndex


def test_a_record_found_there_is_met_once_whenever_that_is() -> None:
    found = DeadLetterIndex()
    for offset in (7, 8):
        found.add(("jobs", 0, offset), f"reason {offset}")
    assert found.pop(("jobs", 0, 7)) == "reason 7"
    later = DeadLetterIndex()
    later.load(found.dump())
    met = [later.pop(("jobs", 0, offset)) for offset in (7, 8, 8, 9)]
    assert (met, bool(later), later.changed) == ([None, "reason 8", None, None], False, True)


def test_what_version_0_1_kept_is_known_without_its_reason() -> None:
    dead_letters = DeadLetterIndex()
    dead_letters.load(b'[["jobs",0,7]]')
    assert [dead_letters.pop(("jobs", 0, offset)) for offset in (7, 8)] == ["", None]
