"""Only workers are members of the group, and a worker that cannot join ends with a reason."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import Consumer, TopicPartition

from schemas.topics import INPUTS
from streams.embedded_kafka.broker import EmbeddedKafka
from tests.brokers import FormattedKafka
from tests.e2e.conftest import run_sop
from tests.e2e.harness import Bench, Worker, until
from tests.e2e.stories import Visit
from tests.e2e.verifier import emitted

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

VISIT = Visit("job-1", "partner-1")
STALLED = 75
SESSION_S_MIN, MEMBERS_MAX = 6, 2
REFUSALS = {"INCONSISTENT_GROUP_PROTOCOL", "GROUP_ID_NOT_FOUND", "_FATAL"}
STALL_S = 4
FOREIGN: Mapping[str, Mapping[str, str]] = {
    "range": {"partition.assignment.strategy": "range"},
    "sticky": {"partition.assignment.strategy": "cooperative-sticky"},
    "of the broker": {"group.protocol": "consumer"},
}
"""Assignors of other consumers; the last leaves the assignment to the broker (KIP-848)."""


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A broker with a limit on members, Kafka's default limit on sessions, and assignment by the broker."""
    properties = {"group.min.session.timeout.ms": str(SESSION_S_MIN * 1000), "group.max.size": str(MEMBERS_MAX)}
    with FormattedKafka(tmp_path_factory.mktemp("kafka"), properties) as broker:
        yield broker


def ended(worker: Worker) -> tuple[int, str]:
    """Wait for a worker to end; return its exit status and the last line of its log."""
    until(lambda: worker.process.poll() is not None, lambda: worker.log)
    return worker.process.wait(), worker.log.splitlines()[-1]


@contextmanager
def member(bench: Bench, options: Mapping[str, str]) -> Iterator[tuple[Consumer, list[str]]]:
    """Yield a consumer of `jobs` in the group of the workers, and the list of its errors."""
    errors: list[str] = []
    consumer = Consumer(
        {
            "bootstrap.servers": bench.brokers,
            "group.id": bench.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "latest",
            "log_level": 0,
            "error_cb": lambda error: errors.append(error.name()),
            **options,
        }
    )
    consumer.subscribe([f"{bench.prefix}jobs"])
    try:
        yield consumer, errors
    finally:
        consumer.close()


def joins(consumer: Consumer, errors: list[str]) -> bool:
    """Poll until a consumer has partitions; return False if it gets an error first."""

    def is_decided() -> bool:
        message = consumer.poll(0.1)
        if message is not None and (error := message.error()) is not None:
            errors.append(error.name())
        return bool(consumer.assignment() or REFUSALS.intersection(errors))

    until(is_decided, lambda: errors)
    return bool(consumer.assignment())


async def protocol_of(bench: Bench) -> tuple[str, str]:
    """Return type and name of the protocol of the workers' group."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.brokers)
    await admin.start()
    try:
        (described,) = await admin.describe_consumer_groups([bench.group])
    finally:
        await admin.close()
    ((_, _, _, kind, name, *_),) = described.groups
    return kind, name


@pytest.mark.parametrize("assignor", FOREIGN)
def test_other_consumers_cannot_join_the_group_of_a_worker(bench: Bench, assignor: str) -> None:
    worker = bench.start_ready()
    with member(bench, FOREIGN[assignor]) as (consumer, errors):
        assert not joins(consumer, errors)
        bench.feed_lines([*VISIT.booking, *VISIT.claim])
        bench.wait_until_idle()
    decided = [each for each in emitted(bench.outputs()) if each.type.startswith("decision.")]
    assert decided
    last = {(each.type, each.data["partner_id"]): each.data for each in decided}
    assert all("booking_missing" not in each["reasons"] for each in last.values())
    assert worker.log.count("partitions ") == 1, "partitions were never assigned again"
    status = run_sop("status", env=bench.environment())
    assert status.returncode == 0, status.stderr


@pytest.mark.parametrize("assignor", FOREIGN)
def test_a_worker_waits_for_other_consumers_to_leave_its_group(bench: Bench, assignor: str) -> None:
    """As in an upgrade from version 0.1, whose workers had the range assignor."""
    bench.create(*INPUTS)
    with member(bench, FOREIGN[assignor]) as (consumer, errors):
        assert joins(consumer, errors)
        consumer.commit(offsets=[TopicPartition(f"{bench.prefix}jobs", 0, 0)], asynchronous=False)
        waiting, impatient = bench.start(), bench.start(SOP_STEP_STALL_S_MAX=STALL_S)
        status, line = ended(impatient)
        assert status == STALLED
        assert f"no stable membership of the group for {STALL_S} s: SOP_GROUP={bench.group}: " in line
        assert "(INCONSISTENT_GROUP_PROTOCOL); stop its other members" in line
        assert waiting.partitions == ""
    bench.workers.remove(impatient)
    until(lambda: waiting.partitions == "0, 1, 2, 3", lambda: waiting.log)
    bench.feed_lines(VISIT.booking)
    bench.wait_until_idle()
    assert asyncio.run(protocol_of(bench)) == ("sop-streams", "partition-number")


def test_a_worker_without_a_partition_stays_in_the_group(make_bench: Callable[[str], Bench]) -> None:
    bench = make_bench("")
    bench.partitions = 1
    first = bench.start_ready()
    standby = bench.start(SOP_STEP_STALL_S_MAX=STALL_S)
    until(lambda: "none" in (first.partitions, standby.partitions), lambda: standby.log)
    since = time.monotonic()
    until(lambda: standby.process.poll() is not None or time.monotonic() > since + 2 * STALL_S)
    assert standby.process.poll() is None, standby.log
    assert first.stop() == 0
    until(lambda: standby.partitions == "0", lambda: standby.log)


def test_a_worker_that_cannot_join_reports_why(bench: Bench) -> None:
    status, line = ended(bench.start(SOP_STEP_STALL_S_MAX=STALL_S, SOP_SESSION_TIMEOUT_S=SESSION_S_MIN - 1))
    assert (status, f"(INVALID_SESSION_TIMEOUT); SOP_SESSION_TIMEOUT_S is {SESSION_S_MIN - 1}" in line) == (
        STALLED,
        True,
    ), line
    members = [bench.start_ready() for _ in range(MEMBERS_MAX)]
    status, line = ended(bench.start(SOP_STEP_STALL_S_MAX=STALL_S))
    assert (status, "(GROUP_MAX_SIZE_REACHED); run fewer workers" in line) == (STALLED, True), line
    until(lambda: {each.partitions for each in members} == {"0, 1", "2, 3"}, lambda: [each.log for each in members])
