"""Input positions as a message has them, and comparisons of positions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.positions import advance_to, format_inputs, has_reached, parse_inputs

POSITIONS = st.dictionaries(st.sampled_from(["jobs-3", "a-b-0", "internal.cases-12"]), st.integers(0, 10**12))


def test_inputs_name_the_last_offset_read_of_each_partition_in_order() -> None:
    assert format_inputs({"tickets-3": 89, "jobs-3": 121, "locations-3": 0}) == "jobs-3:120,tickets-3:88"
    assert format_inputs({}) == ""


@given(POSITIONS)
def test_inputs_are_read_back_as_they_were_written(positions: dict[str, int]) -> None:
    assert parse_inputs(format_inputs(positions)) == {name: at for name, at in positions.items() if at > 0}


@given(POSITIONS, POSITIONS)
def test_raised_positions_are_at_or_after_both(first: dict[str, int], second: dict[str, int]) -> None:
    raised = dict(first)
    advance_to(raised, second)
    assert has_reached(raised, first)
    assert has_reached(raised, second)
    assert all(at in (first.get(name), second.get(name)) for name, at in raised.items())


@pytest.mark.parametrize(
    ("positions", "wanted", "holds"),
    [
        ({}, {}, True),
        ({}, {"jobs-0": 0}, True),
        ({}, {"jobs-0": 1}, False),
        ({"jobs-0": 1}, {"jobs-0": 1}, True),
        ({"jobs-0": 5, "tickets-0": 1}, {"jobs-0": 1, "tickets-0": 2}, False),
        ({"jobs-0": 5}, {}, True),
    ],
)
def test_reached_asks_every_partition(positions: dict[str, int], wanted: dict[str, int], holds: bool) -> None:
    assert has_reached(positions, wanted) is holds
