"""Inputs that an open transaction of another producer blocks are logged, once."""

from __future__ import annotations

import pytest
from faust.types import TP

from streams.faust_transport.batch import EndOffsets
from streams.faust_transport.blocked_inputs import WARN_AFTER_S, BlockedInputs

JOBS, TICKETS = TP("jobs", 0), TP("tickets", 0)
OPEN, READABLE = EndOffsets(3, 5), EndOffsets(5, 5)


def test_a_blocked_partition_is_logged_once_and_again_when_it_can_be_read(caplog: pytest.LogCaptureFixture) -> None:
    blocked = BlockedInputs()
    blocked.look({JOBS: OPEN, TICKETS: READABLE}, 0.0)
    blocked.look({JOBS: OPEN, TICKETS: OPEN}, WARN_AFTER_S - 1)
    assert caplog.messages == []
    for now_s in (WARN_AFTER_S, WARN_AFTER_S + 1):
        blocked.look({JOBS: OPEN, TICKETS: OPEN}, now_s)
        assert [line.partition(" by another")[0] for line in caplog.messages] == ["jobs-0: blocked at offset 3"]
    blocked.look({JOBS: READABLE, TICKETS: READABLE}, WARN_AFTER_S + 2)
    assert caplog.messages[1:] == ["jobs-0: no longer blocked"]


def test_one_transaction_after_another_blocks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    blocked = BlockedInputs()
    for offset in range(10):
        blocked.look({JOBS: EndOffsets(offset, 20)}, offset * WARN_AFTER_S / 2)
    assert caplog.messages == []


def test_a_partition_that_another_worker_reads_now_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    blocked = BlockedInputs()
    for now_s in (0.0, WARN_AFTER_S):
        blocked.look({JOBS: OPEN}, now_s)
    blocked.look({}, WARN_AFTER_S + 1)
    assert len(caplog.messages) == 1
    blocked.look({JOBS: OPEN}, WARN_AFTER_S + 2)
    assert len(caplog.messages) == 1
