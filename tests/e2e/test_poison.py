"""Poison is found over some restarts: records are refused, cases are quarantined, and the others are decided."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.runtime.watchdog import EXIT_STALLED
from tests.e2e.conftest import run_sop
from tests.e2e.harness import Bench, Worker, until
from tests.e2e.stories import Visit
from tests.e2e.verifier import Data, emitted, violations, violations_by_kind
from tests.faults.runs import RunRecorder

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

POISONED_WORKER = Path(__file__).with_name("poisoned_worker.py")
LIVES_MAX = 8
EXIT_FATAL = 70


def start(bench: Bench, how: str, case_id: str) -> Worker:
    log_file = bench.folder / f"worker-{len(bench.workers) + 1}.log"
    stall_s = 2 if how == "hangs" else 20  # a busy machine is no failure
    settings = {"SOP_LOOP_STALL_S_MAX": stall_s, "SOP_SESSION_TIMEOUT_S": 2, "SOP_CHECKPOINT_INTERVAL_S": 5}
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, POISONED_WORKER, how, case_id],
            env=bench.environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    bench.workers.append(Worker(process, log_file))
    return bench.workers[-1]


@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [
        ("raises", EXIT_FATAL, "internal: KeyError"),
        ("hangs", EXIT_STALLED, "internal: the process ended"),
        ("kills", -signal.SIGKILL, "internal: the process ended"),
    ],
)
def test_a_poison_record_is_refused_and_the_others_are_decided(
    redis_bench: Bench, how: str, status: int, reason: str
) -> None:
    bench = redis_bench
    visits = [Visit(f"job-{number}", f"partner-{number}") for number in range(6)]
    assert bench.start_ready().stop() == 0  # makes the topics
    lines = [line for each in visits for line in (*each.booking, *each.report, *each.claim)]
    of_the_case = [*visits[3].booking, *visits[3].claim]
    bench.feed_lines([line for line in lines if line not in of_the_case or line == of_the_case[0]])
    cases = {each.case_id for each in visits} - {"job-3"}
    deaths = 0
    while ends(worker := start(bench, how, "job-3"), lambda: bool(refused(bench)) and decided(bench) == cases):
        assert worker.process.wait() == status, worker.log
        deaths += 1
        assert deaths < LIVES_MAX
    assert deaths >= 3, [each.log for each in bench.workers]
    messages = emitted(bench.outputs())
    found = {kind: len(each) for kind, each in violations_by_kind(messages).items()}
    entry = {"fault": f"F9 a record that {how}", "seed": "-", "faults": 1, "events": len(lines), "found": found}
    RunRecorder.from_environment().add({**entry, "figures": {"ended by it until it was refused": deaths}})
    assert violations(messages) == []
    assert [(each["reason"], each["topic"]) for each in refused(bench)] == [(reason, f"{bench.prefix}jobs")]
    assert "98765" not in "".join(each.log for each in bench.workers)


def test_a_case_that_cannot_be_decided_when_due_is_quarantined(redis_bench: Bench) -> None:
    bench = redis_bench
    visits = [Visit(f"job-{number}", f"partner-{number}") for number in range(6)]
    assert bench.start_ready().stop() == 0  # makes the topics
    bench.feed_lines([line for each in visits for line in (*each.booking, *each.report, *each.claim)])
    deaths = 0
    while ends(worker := start(bench, "raises_when_due", "job-3"), lambda: "is quarantined" in worker.log):
        assert worker.process.wait() == EXIT_FATAL, worker.log
        deaths += 1
        assert deaths < LIVES_MAX
    until(lambda: decided(bench) == {each.case_id for each in visits}, bench.lag)
    result = run_sop("status", env=bench.environment())
    (line,) = result.stderr.splitlines()
    assert (result.returncode, line.partition(" (")[0]) == (1, "sop: case:job-3 is quarantined: internal: KeyError")
    assert refused(bench) == []
    assert violations(emitted(bench.outputs())) == []
    assert "98765" not in "".join(each.log for each in bench.workers)


def ends(worker: Worker, condition: Callable[[], bool]) -> bool:
    """Wait until a worker ends or a condition holds; return whether it ended."""
    until(lambda: worker.process.poll() is not None or condition(), lambda: worker.log)
    return worker.process.poll() is not None


def refused(bench: Bench) -> list[Data]:
    return [each.data for each in emitted(bench.read("dead-letters"))]


def decided(bench: Bench) -> set[str]:
    return {each.data["case_id"] for each in emitted(bench.read("decisions.paf"))}
