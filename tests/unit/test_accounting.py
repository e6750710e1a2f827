"""What an account reports as a problem, and what the overview reports."""

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
        (5, 6, DISPOSITIONS, "6 records consumed, but only 5 offsets read"),
        (11, 6, DISPOSITIONS, "read up to 11, but the topic ends at 10"),
    ],
)
def test_counts_must_add_up_and_match_the_offsets(
    position: int, consumed: int, dispositions: Mapping[str, int], problem: str | None
) -> None:
    assert Account(JOBS, 10, 0, position, consumed, dispositions).problem == problem


@pytest.mark.parametrize(
    ("earliest", "read_up_to", "problem"),
    [
        (6, 6, None),
        (7, 6, "6 to 6 were deleted before they were read"),
        (3, 0, "0 to 2 were deleted before they were read"),
        (7, None, None),
    ],
)
def test_records_deleted_before_they_were_read_are_a_problem(
    earliest: int, read_up_to: int | None, problem: str | None
) -> None:
    assert Account(JOBS, 10, 0, 6, 6, DISPOSITIONS, earliest, read_up_to).problem == problem


def test_an_accepted_loss_is_reported_and_is_no_problem() -> None:
    found = Overview([Account(JOBS, 10, 0, 6, 6, DISPOSITIONS, 6, 6)], {}, {}, {"jobs-0": 2, "actions-1": 3})
    assert list(found.problems()) == []
    assert [line.partition(",")[0] for line in found.accepted_losses()] == [
        "jobs-0: 2 offsets were deleted before they were read",
        "actions-1: 3 offsets were deleted before they were read",
    ]


def test_an_open_transaction_of_another_producer_is_a_problem() -> None:
    account = Account(JOBS, 10, 0, 6, 6, DISPOSITIONS, is_blocked=True)
    assert account.problem == "blocked at 10 until another producer ends its open transaction there"


@pytest.mark.parametrize(("committed", "position", "lag"), [(0, 0, 10), (4, 6, 4), (6, 4, 4), (10, 10, 0)])
def test_lag_is_what_is_neither_read_nor_committed(committed: int, position: int, lag: int) -> None:
    assert Account(JOBS, 10, committed, position).lag == lag


def test_problems_of_accounts_and_quarantined_cases_are_reported() -> None:
    accounts = [Account(JOBS, 10, 0, 6, 6, DISPOSITIONS), Account(TP("jobs", 1), 10, 0, 6, 5, DISPOSITIONS)]
    found = Overview(accounts, {"case:job-7": Quarantined("internal: KeyError", "1.2")}, {}, {})
    assert list(found.problems()) == [
        "jobs-1: 5 records consumed, 6 accounted for",
        "case:job-7 is quarantined: internal: KeyError (version 1.2)",
    ]
