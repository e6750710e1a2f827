"""Who is in the group: workers only, and one that is not let in says so and ends."""

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
from tests.e2e.verifier import said

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
"""Assignors of members that are no workers; the last leaves the assignment to the broker (KIP-848)."""


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A broker with Kafka's own limit on sessions, one on members, and groups of which it assigns the partitions."""
    properties = {"group.min.session.timeout.ms": str(SESSION_S_MIN * 1000), "group.max.size": str(MEMBERS_MAX)}
    with FormattedKafka(tmp_path_factory.mktemp("kafka"), properties) as broker:
        yield broker


def ended(worker: Worker) -> tuple[int, str]:
    """Return a worker's exit status and its last line, once it has ended by itself."""
    until(lambda: worker.process.poll() is not None, lambda: worker.log)
    return worker.process.returncode, worker.log.splitlines()[-1]


@contextmanager
def member(bench: Bench, options: Mapping[str, str]) -> Iterator[tuple[Consumer, list[str]]]:
    """Give a consumer of `jobs` under the group of the workers, and the names of the errors that it met with."""
    told: list[str] = []
    consumer = Consumer(
        {
            "bootstrap.servers": bench.brokers,
            "group.id": bench.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "latest",
            "log_level": 0,
            "error_cb": lambda error: told.append(error.name()),
            **options,
        }
    )
    consumer.subscribe([f"{bench.prefix}jobs"])
    try:
        yield consumer, told
    finally:
        consumer.close()


def let_in(consumer: Consumer, told: list[str]) -> bool:
    """Poll until a consumer has partitions (True) or an error (False)."""

    def settled() -> bool:
        message = consumer.poll(0.1)
        if message is not None and (error := message.error()) is not None:
            told.append(error.name())
        return bool(consumer.assignment() or REFUSALS.intersection(told))

    until(settled, lambda: told)
    return bool(consumer.assignment())


async def protocol_of(bench: Bench) -> tuple[str, str]:
    """Return the protocol of the workers' group as Kafka has it, type and name."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.brokers)
    await admin.start()
    try:
        (described,) = await admin.describe_consumer_groups([bench.group])
    finally:
        await admin.close()
    ((_, _, _, kind, name, *_),) = described.groups
    return kind, name


@pytest.mark.parametrize("assignor", FOREIGN)
def test_kafka_lets_no_other_member_into_the_group_of_a_worker(bench: Bench, assignor: str) -> None:
    worker = bench.start_ready()
    with member(bench, FOREIGN[assignor]) as (consumer, told):
        assert not let_in(consumer, told)
        bench.feed_lines([*VISIT.booking, *VISIT.claim])
        bench.wait_until_idle()
    decided = [each for each in said(bench.outputs()) if each.type.startswith("decision.")]
    assert decided
    last = {(each.type, each.data["partner_id"]): each.data for each in decided}
    assert all("booking_missing" not in each["reasons"] for each in last.values())
    assert worker.log.count("partitions ") == 1, "the group was never assigned anew"
    status = run_sop("status", env=bench.environment())
    assert status.returncode == 0, status.stderr


@pytest.mark.parametrize("assignor", FOREIGN)
def test_a_worker_that_finds_others_in_its_group_waits_for_them_to_leave(bench: Bench, assignor: str) -> None:
    """As in an upgrade from version 0.1, whose workers had the range assignor."""
    bench.create(*INPUTS)
    with member(bench, FOREIGN[assignor]) as (consumer, told):
        assert let_in(consumer, told)
        consumer.commit(offsets=[TopicPartition(f"{bench.prefix}jobs", 0, 0)], asynchronous=False)
        patient, hasty = bench.start(), bench.start(SOP_STEP_STALL_S_MAX=STALL_S)
        status, line = ended(hasty)
        assert status == STALLED
        assert f"no stable membership of the group for {STALL_S} s: SOP_GROUP={bench.group}: " in line
        assert "(INCONSISTENT_GROUP_PROTOCOL); stop its other members" in line
        assert patient.partitions == ""
    bench.workers.remove(hasty)
    until(lambda: patient.partitions == "0, 1, 2, 3", lambda: patient.log)
    bench.feed_lines(VISIT.booking)
    bench.wait_until_idle()
    assert asyncio.run(protocol_of(bench)) == ("sop-streams", "partition-number")


def test_a_standby_without_a_partition_is_a_member_like_any_other(make_bench: Callable[[str], Bench]) -> None:
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


def test_what_the_broker_has_against_a_worker_is_told(bench: Bench) -> None:
    status, line = ended(bench.start(SOP_STEP_STALL_S_MAX=STALL_S, SOP_SESSION_TIMEOUT_S=SESSION_S_MIN - 1))
    assert (status, f"(INVALID_SESSION_TIMEOUT); SOP_SESSION_TIMEOUT_S is {SESSION_S_MIN - 1}" in line) == (
        STALLED,
        True,
    ), line
    members = [bench.start_ready() for _ in range(MEMBERS_MAX)]
    status, line = ended(bench.start(SOP_STEP_STALL_S_MAX=STALL_S))
    assert (status, "(GROUP_MAX_SIZE_REACHED); run fewer workers" in line) == (STALLED, True), line
    until(lambda: {each.partitions for each in members} == {"0, 1", "2, 3"}, lambda: [each.log for each in members])
