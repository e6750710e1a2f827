"""Deduplication of an input: duplicates, conflicts and facts beyond the limit of a case, in input order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from schemas.codec.limits import Limits
from streams.replay.deduplicate import Deduplicated, deduplicate
from streams.replay.input_record import InputRecord
from tests.scenario import Scenario, line

PLACE = {"lat": 28.6, "lon": 77.2, "accuracy_m": 5}


def rated(name: str, case_id: str = "job-1", stars: int = 3, at: int = 0) -> bytes:
    return line("job.rated", case_id, at, name, {"stars": stars})


def deduplicated(lines: Sequence[bytes], facts_max: int = 99) -> Deduplicated:
    return deduplicate(
        enumerate(InputRecord("f", 0, n, each) for n, each in enumerate(lines, 1)), Limits(), None, facts_max
    )


def accepted_and_refused(found: Deduplicated) -> tuple[list[str], list[str]]:
    """Return the ids of accepted events, and line and reason of refused records."""
    refused = [f"{each.record.offset} {each.reason.partition(':')[0]}" for each in found.refused]
    return [event.id for event in found.events], refused


FACTS_MAX = [
    ("as many as allowed", ["a", "b"], ["a", "b"], []),
    ("one too many", ["a", "b", "c"], ["a", "b"], ["3 subject"]),
    ("in the order of input, not of time", ["c", "b", "a"], ["c", "b"], ["3 subject"]),
    ("a duplicate is not counted", ["a", "a", "b"], ["a", "b"], []),
    ("a duplicate is accepted by a full case", ["a", "b", "a", "b"], ["a", "b"], []),
]


@pytest.mark.parametrize(
    ("names", "accepted", "refused"), [row[1:] for row in FACTS_MAX], ids=[row[0] for row in FACTS_MAX]
)
def test_a_case_accepts_a_limited_number_of_facts(names: list[str], accepted: list[str], refused: list[str]) -> None:
    assert accepted_and_refused(deduplicated([rated(name, at=ord(name)) for name in names], 2)) == (accepted, refused)


def test_the_reason_names_the_case() -> None:
    (refused,) = deduplicated([rated("a"), rated("b")], 1).refused
    assert refused.reason == "subject: job-1 has as many facts as a case may have"


def test_each_case_is_counted_separately_and_reports_are_not_counted() -> None:
    reports = [line("location.reported", "job-1", n, f"r{n}", PLACE) for n in range(5)]
    lines = [rated("a"), *reports, rated("b", "job-2"), rated("c", "job-2")]
    assert accepted_and_refused(deduplicated(lines, 1)) == (["a", *(f"r{n}" for n in range(5)), "b"], ["8 subject"])


def test_a_fact_beyond_the_limit_claims_no_identity() -> None:
    lines = [rated("a"), rated("b"), rated("b", stars=4), rated("b", "job-2"), rated("b", "job-2"), rated("b")]
    found = deduplicated(lines, 1)
    assert accepted_and_refused(found) == (["a", "b"], ["2 subject", "3 subject", "6 id"])
    assert found.duplicates == 1


def test_a_conflict_is_not_counted() -> None:
    lines = [rated("a"), rated("a", stars=4), rated("b")]
    assert accepted_and_refused(deduplicated(lines, 2)) == (["a", "b"], ["2 id"])


def test_an_unreadable_record_is_not_counted() -> None:
    found = deduplicated([b"{", *Scenario().booked().lines(), b"[]", rated("a")], 2)
    assert accepted_and_refused(found) == (["booked", "a"], ["1 value", "3 value"])
