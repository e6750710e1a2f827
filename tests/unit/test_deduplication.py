"""Records that have a dead letter already, and records that were forwarded already."""

from __future__ import annotations

from streams.processor.deduplication import DeadLetterIndex


def test_a_record_with_a_dead_letter_is_recognised_once_also_after_a_checkpoint() -> None:
    index = DeadLetterIndex()
    for offset in (7, 8):
        index.add(("jobs", 0, offset), f"reason {offset}")
    assert index.pop(("jobs", 0, 7)) == "reason 7"
    later = DeadLetterIndex()
    later.load(index.dump())
    reasons = [later.pop(("jobs", 0, offset)) for offset in (7, 8, 8, 9)]
    assert (reasons, bool(later), later.changed) == ([None, "reason 8", None, None], False, True)


def test_an_index_of_version_0_1_has_no_reasons() -> None:
    dead_letters = DeadLetterIndex()
    dead_letters.load(b'[["jobs",0,7]]')
    assert [dead_letters.pop(("jobs", 0, offset)) for offset in (7, 8)] == ["", None]
