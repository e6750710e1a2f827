"""Records that are in the dead letters already."""

from __future__ import annotations

from streams.casework.letters import Letters


def test_a_record_found_there_is_met_once_whenever_that_is() -> None:
    found = Letters()
    for offset in (7, 8):
        found.found(("jobs", 0, offset))
    assert found.met(("jobs", 0, 7))
    later = Letters()
    later.load(found.dump())
    met = [later.met(("jobs", 0, offset)) for offset in (7, 8, 8, 9)]
    assert (met, bool(later), later.changed) == ([False, True, False, False], False, True)
