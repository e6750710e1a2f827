"""Records are counted by partition and disposition, and counting resumes from a checkpoint."""

from __future__ import annotations

from streams.processor.dispositions import Dispositions
from streams.runtime.ports import TP

JOBS, TICKETS = TP("jobs", 0), TP("tickets", 0)


def test_counts_are_by_partition_and_disposition() -> None:
    dispositions = Dispositions()
    for tp, disposition in ((JOBS, "applied"), (JOBS, "applied"), (JOBS, "duplicate"), (TICKETS, "forwarded")):
        dispositions.add(tp, disposition)  # type: ignore[arg-type]
    assert dispositions.copy() == {"jobs-0": {"applied": 2, "duplicate": 1}, "tickets-0": {"forwarded": 1}}
    assert dispositions.consumed(JOBS) == 3
    assert dispositions.consumed(TP("locations", 0)) == 0


def test_counting_resumes_from_a_checkpoint_without_changing_it() -> None:
    saved = {"jobs-0": {"applied": 5}}
    dispositions = Dispositions()
    dispositions.restore(saved)
    dispositions.add(JOBS, "applied")
    dispositions.add(JOBS, "dead_lettered")
    assert dispositions.copy() == {"jobs-0": {"applied": 6, "dead_lettered": 1}}
    assert saved == {"jobs-0": {"applied": 5}}


def test_a_copy_does_not_change() -> None:
    dispositions = Dispositions()
    dispositions.add(JOBS, "applied")
    copy = dispositions.copy()
    dispositions.add(JOBS, "applied")
    assert copy == {"jobs-0": {"applied": 1}}
