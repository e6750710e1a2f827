"""What an account of one input partition holds for a fault, and what is told of all."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from streams.operations.accounting import Account, Overview
from streams.runtime.ports import TP, Quarantined

JOBS = TP("jobs", 0)
DISPOSITIONS = {"applied": 3, "duplicate": 1, "dead_lettered": 1, "forwarded": 1}


@pytest.mark.parametrize(
    ("position", "consumed", "dispositions", "problem"),
    [
        (0, 0, {}, None),
        (6, 6, DISPOSITIONS, None),
        (9, 6, DISPOSITIONS, None),
        (6, 5, DISPOSITIONS, "5 records consumed, 6 accounted for"),
        (9, 7, DISPOSITIONS, "7 records consumed, 6 accounted for"),
        (5, 6, DISPOSITIONS, "6 records consumed where 5 offsets were read"),
        (11, 6, DISPOSITIONS, "read up to 11, but the topic ends at 10"),
    ],
)
def test_counts_are_held_against_each_other_and_against_offsets(
    position: int, consumed: int, dispositions: Mapping[str, int], problem: str | None
) -> None:
    assert Account(JOBS, 10, 0, position, consumed, dispositions).problem == problem


@pytest.mark.parametrize(
    ("earliest", "awaited", "problem"),
    [
        (6, 6, None),
        (7, 6, "6 to 6 are no longer there and were never read"),
        (3, 0, "0 to 2 are no longer there and were never read"),
        (7, None, None),
    ],
)
def test_what_expired_unread_is_a_fault(earliest: int, awaited: int | None, problem: str | None) -> None:
    assert Account(JOBS, 10, 0, 6, 6, DISPOSITIONS, earliest, awaited).problem == problem


def test_what_expired_unread_and_was_accepted_is_told_and_no_fault() -> None:
    found = Overview([Account(JOBS, 10, 0, 6, 6, DISPOSITIONS, 6, 6)], {}, {}, {"jobs-0": 2, "actions-1": 3})
    assert list(found.problems()) == []
    assert [line.partition(",")[0] for line in found.accepted_losses()] == [
        "jobs-0: 2 offsets were deleted before they were read",
        "actions-1: 3 offsets were deleted before they were read",
    ]


def test_what_another_producer_s_open_transaction_holds_up_is_a_fault() -> None:
    account = Account(JOBS, 10, 0, 6, 6, DISPOSITIONS, is_held_up=True)
    assert account.problem == "nothing from 10 on can be read until the transaction of another producer there has ended"


@pytest.mark.parametrize(("committed", "position", "lag"), [(0, 0, 10), (4, 6, 4), (6, 4, 4), (10, 10, 0)])
def test_lag_is_what_neither_the_task_nor_the_group_has_read(committed: int, position: int, lag: int) -> None:
    assert Account(JOBS, 10, committed, position).lag == lag


def test_what_does_not_add_up_and_what_is_set_aside_is_told() -> None:
    accounts = [Account(JOBS, 10, 0, 6, 6, DISPOSITIONS), Account(TP("jobs", 1), 10, 0, 6, 5, DISPOSITIONS)]
    found = Overview(accounts, {"case:job-7": Quarantined("internal: KeyError", "1.2")}, {}, {})
    assert list(found.problems()) == [
        "jobs-1: 5 records consumed, 6 accounted for",
        "case:job-7 is set aside: internal: KeyError (version 1.2)",
    ]
