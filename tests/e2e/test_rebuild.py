"""Partitions are added while cases are open: `sop rebuild`, then workers again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined] # re-exported all the same

from tests.e2e.conftest import replayed, run_sop
from tests.e2e.harness import DEADLINE_S, INPUTS, INTERNAL, OUTPUTS, STOP_S, Bench, Worker, until
from tests.e2e.stories import Visit
from tests.e2e.verifier import Emitted, emitted, outcome, violations
from tests.zygote import SOP

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

VISITS = [Visit(f"job-{number}", f"partner-{number % 5}", metres=50.0 * number) for number in range(12)]
MORE = 6
CONFLICT = VISITS[0].booking[0].replace(b"residential", b"commercial")


def grow(bench: Bench) -> None:
    topics = [*INPUTS, *INTERNAL, *OUTPUTS, "internal.progress"]
    client = AdminClient({"bootstrap.servers": bench.brokers, "log_level": 0})
    raised = client.create_partitions([NewPartitions(bench.prefix + topic, MORE) for topic in topics])
    for each in raised.values():
        each.result(DEADLINE_S)
    bench.partitions = MORE


def before(bench: Bench) -> list[bytes]:
    """Feed bookings for all cases, claims for a third of them, and one conflict; return the lines."""
    lines = [each for visit in VISITS for each in [*visit.booking, *visit.report]]
    lines += [each for visit in VISITS[::3] for each in visit.claim]
    lines.append(CONFLICT)
    bench.feed_lines(lines)
    bench.wait_until_idle()
    return lines


def after(bench: Bench) -> list[bytes]:
    lines = [each for number, visit in enumerate(VISITS) if number % 3 for each in visit.claim]
    lines += VISITS[0].booking
    bench.feed_lines(lines)
    return lines


def needs_rebuild(bench: Bench) -> None:
    worker = bench.start()
    until(lambda: worker.process.poll() is not None, lambda: worker.log)
    assert worker.process.wait(STOP_S) == 70, worker.log
    assert "sop rebuild" in worker.log.splitlines()[-1]
    bench.workers.remove(worker)


def rebuild(bench: Bench) -> None:
    """Run the command until it succeeds; a killed worker is a member for a while."""
    results: list[subprocess.CompletedProcess[str]] = []

    def done() -> bool:
        results.append(run_sop("rebuild", env=bench.environment()))
        assert results[-1].returncode == 0 or "members" in results[-1].stderr, results[-1].stderr
        return results[-1].returncode == 0

    until(done)


def in_order(bench: Bench) -> list[Emitted]:
    return emitted(sorted(bench.outputs(), key=lambda record: record.timestamp_ms))


def unexpected(messages: list[Emitted]) -> list[str]:
    """Return the violations, except that chains of moved cases continue in another partition."""
    return [each for each in violations(messages) if ": on partitions " not in each and ":None after " not in each]


def check_outcome(bench: Bench, worker: Worker, lines: list[bytes], folder: Path) -> None:
    bench.wait_until_idle()
    assert worker.stop() == 0
    messages = in_order(bench)
    assert unexpected(messages) == []
    file = folder / "all.jsonl"
    file.write_bytes(b"".join(each + b"\n" for each in lines))
    assert outcome(each.envelope for each in messages) == replayed(file, folder / "all.out")
    result = run_sop("status", env=bench.environment())
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(name="bench")
def redis_bench_with_short_sessions(redis_bench: Bench) -> Bench:
    redis_bench.settings["SOP_SESSION_TIMEOUT_S"] = "2"  # for so long a worker that died is a member of the group
    return redis_bench


@pytest.mark.parametrize("is_killed", [False, True])
def test_cases_continue_in_their_new_partition(bench: Bench, tmp_path: Path, *, is_killed: bool) -> None:
    worker = bench.start_ready()
    lines = before(bench)
    worker.kill() if is_killed else worker.stop()
    grow(bench)
    needs_rebuild(bench)
    rebuild(bench)
    worker = bench.start_ready()
    check_outcome(bench, worker, lines + after(bench), tmp_path)


def test_no_worker_starts_after_a_killed_rebuild_until_it_is_repeated(bench: Bench, tmp_path: Path) -> None:
    worker = bench.start_ready()
    lines = before(bench)
    assert worker.stop() == 0
    grow(bench)
    lines += after(bench)
    with subprocess.Popen([SOP, "rebuild"], env=bench.environment(), stderr=subprocess.PIPE) as command:
        assert command.stderr is not None
        assert command.stderr.readline().startswith(b"partition 0: ")
        command.kill()
    needs_rebuild(bench)
    rebuild(bench)
    rebuild(bench)
    check_outcome(bench, bench.start_ready(), lines, tmp_path)


def test_a_rebuilt_state_lost_by_redis_is_rebuilt_again(bench: Bench, tmp_path: Path) -> None:
    worker = bench.start_ready()
    lines = before(bench)
    assert worker.stop() == 0
    grow(bench)
    rebuild(bench)
    worker = bench.start_ready()
    lines += after(bench)
    bench.wait_until_idle()
    assert worker.stop() == 0
    bench.settings["SOP_REDIS_URL"] = bench.redis_url.removesuffix("/0") + "/7"
    needs_rebuild(bench)
    rebuild(bench)
    check_outcome(bench, bench.start_ready(), lines, tmp_path)


def test_a_rebuild_needs_redis_and_all_workers_stopped(bench: Bench) -> None:
    bench.start_ready()
    result = run_sop("rebuild", env=bench.environment())
    assert (result.returncode, "stop all workers" in result.stderr) == (2, True), result.stderr
    result = run_sop("rebuild", env=bench.environment(SOP_REDIS_URL=""))
    assert (result.returncode, "SOP_REDIS_URL" in result.stderr) == (2, True), result.stderr
