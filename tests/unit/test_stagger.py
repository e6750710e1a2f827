"""Turns come once in an interval, after a pause, and at different times for different partition numbers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.inbox import next_turn, phase

INTERVAL = 0.03
SLACK = 1e-6


@given(now=st.floats(0, 1e6), number=st.integers(0, 999))
def test_a_turn_comes_after_half_an_interval_and_before_one_and_a_half(now: float, number: int) -> None:
    assert INTERVAL / 2 - SLACK <= next_turn(now, INTERVAL, number) - now <= 1.5 * INTERVAL + SLACK


@given(now=st.floats(0, 1e6), number=st.integers(0, 999))
def test_turns_are_an_interval_apart(now: float, number: int) -> None:
    first = next_turn(now, INTERVAL, number)
    assert next_turn(first + SLACK, INTERVAL, number) == pytest.approx(first + INTERVAL, abs=2 * SLACK)


@pytest.mark.parametrize("count", [2, 4, 8, 64])
def test_turns_of_neighbours_lie_apart(count: int) -> None:
    phases = sorted(phase(number) for number in range(count))
    gaps = [later - earlier for earlier, later in pairwise([*phases, phases[0] + 1])]
    assert min(gaps) > 0.4 / count


def test_without_an_interval_every_turn_is_now() -> None:
    assert next_turn(7.0, 0.0, 3) == 7.0
