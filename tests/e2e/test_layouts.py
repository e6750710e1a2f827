"""Topics that change under a worker or between workers: expired unread, created again, with more partitions."""

from __future__ import annotations

import json

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined] # re-exported all the same

from tests.e2e.conftest import run_sop
from tests.e2e.harness import DEADLINE_S, DECISIONS, INPUTS, INTERNAL, LATEST, OUTPUTS, STOP_S, Bench, Worker, until
from tests.e2e.stories import Visit

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

VISIT = Visit("job-1", "partner-1")
EXPIRED = "are no longer there and were never read"


@pytest.fixture(params=["redis", "memory"])
def any_bench(request: pytest.FixtureRequest, redis_bench: Bench, bench: Bench) -> Bench:
    """Return a bench with checkpoints in Redis, or one without."""
    return redis_bench if request.param == "redis" else bench


def admin(bench: Bench) -> AdminClient:
    return AdminClient({"bootstrap.servers": bench.brokers, "log_level": 0})


def expire(bench: Bench, *topics: str) -> None:
    """Delete all records of topics, as their retention would."""
    ends = [TopicPartition(*place, -1) for place in bench._places(topics)]
    client = admin(bench)
    for deleted in client.delete_records(ends).values():
        deleted.result(DEADLINE_S)


def delete(bench: Bench, topic: str) -> None:
    """Delete a topic. A worker that still asks for it may cause the broker to create it again at once."""
    client, name = admin(bench), bench.prefix + topic
    if name in client.list_topics(timeout=10).topics:
        client.delete_topics([name])[name].result(DEADLINE_S)


def create_again(bench: Bench, topic: str) -> None:
    """Delete a topic while no worker runs, and create it again."""
    client = admin(bench)
    delete(bench, topic)
    until(lambda: bench.prefix + topic not in client.list_topics(timeout=10).topics)
    bench.create(topic)


def grow(bench: Bench, partitions: int) -> None:
    topics = [*INPUTS, *INTERNAL, *OUTPUTS, "internal.progress"]
    client = admin(bench)
    raised = client.create_partitions([NewPartitions(bench.prefix + topic, partitions) for topic in topics])
    for each in raised.values():
        each.result(DEADLINE_S)


def ends_with_70(worker: Worker) -> str:
    """Wait for a worker to end with status 70; return the last line of its log."""
    until(lambda: worker.process.poll() is not None, lambda: worker.log)
    assert worker.process.wait(STOP_S) == 70, worker.log
    return worker.log.splitlines()[-1]


def read_booking(bench: Bench) -> None:
    """Have a worker read the booking of a visit and stop."""
    worker = bench.start_ready()
    bench.feed_lines(VISIT.booking)
    bench.wait_until_idle()
    assert worker.stop() == 0


@pytest.mark.parametrize("topics", [("cancellations", "tickets"), ("locations",)])
def test_records_that_expire_unread_stop_workers_unless_that_is_accepted(
    any_bench: Bench, topics: tuple[str, ...]
) -> None:
    bench = any_bench
    read_booking(bench)
    bench.feed_lines([*VISIT.report, *VISIT.claim])
    expire(bench, *topics)
    assert EXPIRED in ends_with_70(bench.start())
    assert bench.read(*DECISIONS) == []
    result = run_sop("status", env=bench.environment())
    assert result.returncode == 1
    assert "were deleted before they were read" in result.stderr
    bench.workers.clear()
    accepting = bench.start_ready(SOP_ACCEPT_TRIMMED_INPUTS="true")
    bench.wait_until_idle()
    assert EXPIRED in accepting.log
    assert accepting.stop() == 0
    result = run_sop("status", env=bench.environment())
    assert "were deleted before they were read" in result.stderr
    assert result.returncode == 0
    again = bench.start_ready()
    assert again.stop() == 0


def test_outputs_that_expire_before_they_are_read_back_stop_workers_unless_that_is_accepted(
    redis_bench: Bench,
) -> None:
    bench = redis_bench
    bench.start_ready(SOP_CHECKPOINT_INTERVAL_S="600")
    bench.feed_lines([*VISIT.booking, *VISIT.report, *VISIT.claim])
    until(lambda: bool(bench.read("decisions.paf")))
    bench.workers.pop().kill()
    count = len(bench.read("decisions.paf"))
    expire(bench, "decisions.paf")
    line = ends_with_70(bench.start())
    assert f"{bench.prefix}decisions.paf-" in line
    assert f"are no longer there, in no checkpoint; messages missing: {count}; bring them" in line
    assert bench.read("decisions.paf") == []
    bench.workers.clear()
    worker = bench.start_ready(SOP_ACCEPT_TRIMMED_INPUTS="true")
    until(lambda: bool(bench.read("decisions.paf")), lambda: worker.log)
    assert f"messages missing: {count}; going on without them" in worker.log
    assert worker.stop() == 0
    status = run_sop("status", env=bench.environment())
    assert (status.returncode, "offsets were deleted before they were read" in status.stderr) == (0, True)
    again = bench.start_ready()
    assert again.stop() == 0


def test_outputs_in_a_checkpoint_may_expire(redis_bench: Bench) -> None:
    bench = redis_bench
    worker = bench.start_ready()
    bench.feed_lines([*VISIT.booking, *VISIT.report, *VISIT.claim])
    bench.wait_until_idle()
    assert bench.read("decisions.paf")
    assert worker.stop() == 0
    expire(bench, *(topic for topic in OUTPUTS if topic != LATEST))
    again = bench.start_ready()
    bench.feed_lines(VISIT.booking)
    bench.wait_until_idle()
    assert again.stop() == 0
    assert {record.topic for record in bench.outputs()} == {LATEST}


def test_a_deleted_topic_ends_a_running_worker_and_stops_the_next(any_bench: Bench) -> None:
    bench = any_bench
    worker = bench.start_ready()
    bench.feed_lines(VISIT.booking)
    bench.wait_until_idle()
    delete(bench, "tickets")
    assert f"{bench.prefix}tickets: deleted" in ends_with_70(worker)
    create_again(bench, "tickets")
    assert f"{bench.prefix}tickets: deleted and created again" in ends_with_70(bench.start())
    result = run_sop("status", env=bench.environment())
    assert result.returncode == 1
    assert f"sop: {bench.prefix}tickets: deleted and created again since" in result.stderr


def test_more_partitions_end_a_running_worker_and_stop_the_next(any_bench: Bench) -> None:
    bench = any_bench
    worker = bench.start_ready()
    bench.feed_lines(VISIT.booking)
    bench.wait_until_idle()
    grow(bench, 5)
    assert "the topics have 5 partitions now, 4 when this worker started" in ends_with_70(worker)
    assert "the topics have 5 partitions, this group's state was made under 4" in ends_with_70(bench.start())
    result = run_sop("status", env=bench.environment())
    assert result.returncode == 1
    assert "sop: the topics have 5 partitions, but the workers' state is for 4" in result.stderr


@pytest.mark.parametrize("topic", ["tickets", "actions"])
def test_a_topic_that_was_created_again_is_read_from_its_beginning_if_that_is_accepted(
    any_bench: Bench, topic: str
) -> None:
    bench = any_bench
    read_booking(bench)
    create_again(bench, topic)
    assert f"{bench.prefix}{topic}: deleted and created again" in ends_with_70(bench.start())
    bench.workers.clear()
    worker = bench.start_ready(SOP_ACCEPT_TRIMMED_INPUTS="true")
    bench.feed_lines([*VISIT.report, *VISIT.claim])
    bench.wait_until_idle()
    assert worker.stop() == 0
    assert {json.loads(record.value)["data"]["case_id"] for record in bench.read("decisions.paf")} == {"job-1"}
    again = bench.start_ready()
    assert again.stop() == 0
