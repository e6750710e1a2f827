"""Topics that get more partitions while cases are open: `sop rebuild`, and workers that go on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined] # re-exported all the same

from tests.e2e.conftest import replayed, run_sop
from tests.e2e.harness import DEADLINE_S, INPUTS, INTERNAL, OUTPUTS, SOP, STOP_S, Bench, Worker, until
from tests.e2e.stories import Visit
from tests.e2e.verifier import Said, faults, outcome, said

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
    """Have all cases begun, a third of them claimed, one fact refused; return the lines fed."""
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


def refuses(bench: Bench) -> None:
    worker = bench.start()
    until(lambda: worker.process.poll() is not None, lambda: worker.log)
    assert worker.process.wait(STOP_S) == 70, worker.log
    assert "sop rebuild" in worker.log.splitlines()[-1]
    bench.workers.remove(worker)


def rebuild(bench: Bench) -> None:
    """Run the command to its end; one that was killed is a member for a while."""
    told: list[subprocess.CompletedProcess[str]] = []

    def done() -> bool:
        told.append(run_sop("rebuild", env=bench.environment()))
        assert told[-1].returncode == 0 or "members" in told[-1].stderr, told[-1].stderr
        return told[-1].returncode == 0

    until(done)


def in_order(bench: Bench) -> list[Said]:
    return said(sorted(bench.outputs(), key=lambda record: record.timestamp_ms))


def unexpected(messages: list[Said]) -> list[str]:
    """Return what is wrong, but that chains of cases that moved go on in another partition, at its positions."""
    return [each for each in faults(messages) if ": on partitions " not in each and ":None after " not in each]


def ends_as_replayed(bench: Bench, worker: Worker, lines: list[bytes], folder: Path) -> None:
    bench.wait_until_idle()
    assert worker.stop() == 0
    messages = in_order(bench)
    assert unexpected(messages) == []
    file = folder / "all.jsonl"
    file.write_bytes(b"".join(each + b"\n" for each in lines))
    assert outcome(each.envelope for each in messages) == replayed(file, folder / "all.out")
    told = run_sop("status", env=bench.environment())
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("is_killed", [False, True])
def test_cases_go_on_where_they_belong_now(redis_bench: Bench, tmp_path: Path, *, is_killed: bool) -> None:
    bench = redis_bench
    worker = bench.start_ready()
    lines = before(bench)
    worker.kill() if is_killed else worker.stop()
    grow(bench)
    refuses(bench)
    rebuild(bench)
    worker = bench.start_ready()
    ends_as_replayed(bench, worker, lines + after(bench), tmp_path)


def test_a_rebuild_that_was_killed_lets_no_worker_begin_and_is_done_again(redis_bench: Bench, tmp_path: Path) -> None:
    bench = redis_bench
    worker = bench.start_ready()
    lines = before(bench)
    assert worker.stop() == 0
    grow(bench)
    lines += after(bench)
    with subprocess.Popen([SOP, "rebuild"], env=bench.environment(), stderr=subprocess.PIPE) as command:
        assert command.stderr is not None
        assert command.stderr.readline().startswith(b"partition 0: ")
        command.kill()
    refuses(bench)
    rebuild(bench)
    rebuild(bench)
    ends_as_replayed(bench, bench.start_ready(), lines, tmp_path)


def test_a_rebuilt_state_that_redis_lost_is_rebuilt_again(redis_bench: Bench, tmp_path: Path) -> None:
    bench = redis_bench
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
    refuses(bench)
    rebuild(bench)
    ends_as_replayed(bench, bench.start_ready(), lines, tmp_path)


def test_nothing_is_rebuilt_while_a_worker_runs_nor_without_redis(redis_bench: Bench) -> None:
    bench = redis_bench
    bench.start_ready()
    told = run_sop("rebuild", env=bench.environment())
    assert (told.returncode, "stop all workers" in told.stderr) == (2, True), told.stderr
    told = run_sop("rebuild", env=bench.environment(SOP_REDIS_URL=""))
    assert (told.returncode, "SOP_REDIS_URL" in told.stderr) == (2, True), told.stderr
