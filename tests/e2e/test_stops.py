"""Each service of the stack may stop: decisions go on, and what was away catches up, with nothing lost or twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.policy.model import HOUR
from streams.embedded_kafka.free_ports import HOST
from streams.process.clock import SystemClock
from tests.e2e.compose import Stack, running, until
from tests.e2e.harness import feed_of
from tests.e2e.stories import Visit
from tests.e2e.test_stack import get, in_order

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
LEFT_OUT = {"demo", "prometheus"}
STOPPED = ("console", "alert-forwarder", "alertmanager", "postgres", "redis")


def test_a_service_that_stops_delays_no_decision_and_catches_up(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        for service in in_order():
            if service not in LEFT_OUT:
                stack.start(service)
        reader = Decisions(stack)
        visits = [far_visit("before")]
        feed(stack, visits)
        until(lambda: reader.decided(visits), lambda: stack.log("worker-1"))
        for service in STOPPED:
            stack.stop(service)
            visits.append(far_visit(service))
            feed(stack, visits[-1:])
            until(lambda: reader.decided(visits), lambda: stack.log("worker-1"))
            stack.start(service)
        until(lambda: alerted(stack) == {each.case_id for each in visits}, lambda: stack.log("alert-forwarder"))
        until(lambda: in_the_console(stack) == reader.counts(), lambda: stack.log("console"))
        assert max(reader.counts().values()) == 1
        assert "Traceback" not in "".join(stack.log(name) for name in ("worker-1", "worker-2", *STOPPED[:2]))


def far_visit(name: str) -> Visit:
    """Return a visit, an hour ago, whose partner was too far away: that is an alert."""
    return Visit(f"job-{name}", f"partner-{name}", SystemClock().now_us() - HOUR, metres=3000.0)


def feed(stack: Stack, visits: Iterable[Visit]) -> None:
    producer = Producer({"bootstrap.servers": f"{HOST}:{stack.port('kafka', 19092)}", "partitioner": "murmur2_random"})
    for visit in visits:
        for line in (*visit.booking, *visit.report, *visit.claim):
            each = feed_of(line)
            producer.produce(each.topic, each.value, each.key)
    assert producer.flush(30) == 0


class Decisions:
    """The decisions that came out so far."""

    def __init__(self, stack: Stack) -> None:
        self._found: list[dict[str, Any]] = []
        self._positions: dict[int, int] = {}
        self._stack = stack

    def counts(self) -> Counter[str]:
        """Return how often each revision of a penalty is on its topic."""
        self._read()
        return Counter(each["id"] for each in self._found)

    def decided(self, visits: Iterable[Visit]) -> bool:
        """Return whether there is a penalty decision about each visit."""
        self._read()
        return {each.case_id for each in visits} <= {each["subject"] for each in self._found}

    def _read(self) -> None:
        address = f"{HOST}:{self._stack.port('kafka', 19092)}"
        consumer = Consumer({"bootstrap.servers": address, "group.id": "test", "isolation.level": "read_committed"})
        partitions = consumer.list_topics("decisions.paf", 30).topics["decisions.paf"].partitions
        consumer.assign([TopicPartition("decisions.paf", each, self._positions.get(each, 0)) for each in partitions])
        try:
            while (message := consumer.poll(0.5)) is not None:
                assert message.error() is None, message.error()
                self._positions[message.partition() or 0] = (message.offset() or 0) + 1
                self._found.append(json.loads(message.value() or b""))
        finally:
            consumer.close()


def in_the_console(stack: Stack) -> Counter[str]:
    """Return how often each revision of a penalty is in the console's read model."""
    with psycopg.connect(stack.database_url("sop"), autocommit=True) as database:
        rows = database.execute("SELECT value FROM sop_console.messages WHERE kind = 'decision' AND name = 'paf'")
        return Counter(json.loads(row[0])["id"] for row in rows)


def alerted(stack: Stack) -> set[str]:
    """Return the cases about which Alertmanager has the alert."""
    given = get(stack, "alertmanager", 9093, "/api/v2/alerts")
    return {each["labels"]["case_id"] for each in given if each["labels"]["alertname"] == "validated_off_site"}
