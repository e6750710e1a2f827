"""Inputs that an open transaction of somebody else keeps from being read are told, once."""

from __future__ import annotations

import pytest
from faust.types import TP

from streams.faust_transport.batch import EndOffsets
from streams.faust_transport.blocked_inputs import WARN_AFTER_S, BlockedInputs

JOBS, TICKETS = TP("jobs", 0), TP("tickets", 0)
OPEN, READABLE = EndOffsets(3, 5), EndOffsets(5, 5)


def test_what_stays_open_is_told_once_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    held_up = BlockedInputs()
    held_up.look({JOBS: OPEN, TICKETS: READABLE}, 0.0)
    held_up.look({JOBS: OPEN, TICKETS: OPEN}, WARN_AFTER_S - 1)
    assert caplog.messages == []
    for now_s in (WARN_AFTER_S, WARN_AFTER_S + 1):
        held_up.look({JOBS: OPEN, TICKETS: OPEN}, now_s)
        assert [line.partition(" can be read")[0] for line in caplog.messages] == ["jobs-0: nothing from 3 on"]
    held_up.look({JOBS: READABLE, TICKETS: READABLE}, WARN_AFTER_S + 2)
    assert caplog.messages[1:] == ["jobs-0: can be read on"]


def test_one_transaction_after_the_other_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    held_up = BlockedInputs()
    for offset in range(10):
        held_up.look({JOBS: EndOffsets(offset, 20)}, offset * WARN_AFTER_S / 2)
    assert caplog.messages == []


def test_of_a_partition_that_is_somebody_else_s_nothing_more_is_told(caplog: pytest.LogCaptureFixture) -> None:
    held_up = BlockedInputs()
    for now_s in (0.0, WARN_AFTER_S):
        held_up.look({JOBS: OPEN}, now_s)
    held_up.look({}, WARN_AFTER_S + 1)
    assert len(caplog.messages) == 1
    held_up.look({JOBS: OPEN}, WARN_AFTER_S + 2)
    assert len(caplog.messages) == 1
