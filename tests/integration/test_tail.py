"""`sop tail` as a process over a real Kafka: what it shows, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from confluent_kafka import Producer

from agents.sops import catalogue
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.kafka.connection import KafkaConnection
from streams.kafka.topic_setup import TopicTargets
from streams.kafka.topics import prepare_topics
from tests.brokers import FaultyKafka
from tests.e2e.harness import until
from tests.scenario import Scenario
from tests.zygote import SOP

JOB_1, JOB_2 = (Scenario(name).booked().assigned().lines() for name in ("job-1", "job-2"))


class Tail:
    """A running `sop tail`; its standard error goes to a file, and its output to another one unless it is a pipe."""

    def __init__(self, brokers: str, prefix: str, folder: Path, *arguments: str, output: int | BinaryIO | None) -> None:
        self._out, self._err = folder / "out", folder / "err"
        variables = {"SOP_BROKERS": brokers, "SOP_TOPIC_PREFIX": prefix}
        others = {name: value for name, value in os.environ.items() if not name.startswith("SOP_")}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [SOP, "tail", *arguments], env=others | variables, stdout=output or out, stderr=err
            )

    @property
    def lines(self) -> list[str]:
        return self._out.read_text().splitlines()

    @property
    def errors(self) -> list[str]:
        return self._err.read_text().splitlines()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


StartTail = Callable[..., Tail]


@pytest.fixture
def topics_of_test(kafka: EmbeddedKafka, prefix: str) -> EmbeddedKafka:
    create_topics(kafka.address, prefix)
    return kafka


def create_topics(brokers: str, prefix: str) -> None:
    targets = TopicTargets(partitions=2)
    asyncio.run(prepare_topics(KafkaConnection(brokers), catalogue.topics(prefix), targets))


@pytest.fixture
def tail(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> Iterator[StartTail]:
    """Return a function that starts `sop tail` over the test's topics; all are killed afterwards."""
    started: list[Tail] = []

    def start(*arguments: str, brokers: str = kafka.address, output: int | None = None) -> Tail:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Tail(brokers, prefix, folder, *arguments, output=output))
        return started[-1]

    yield start
    for each in started:
        each.kill()


class Writer:
    """Produces records to the test's topics."""

    def __init__(self, brokers: str, prefix: str) -> None:
        self._producer = Producer({"bootstrap.servers": brokers, "log_level": 0})
        self._prefix = prefix

    def write(self, topic: str, *values: bytes) -> None:
        for value in values:
            self._producer.produce(self._prefix + topic, value, key=b"k")
        assert self._producer.flush(60) == 0

    def write_until(self, topic: str, value: bytes, seen: Callable[[], object], shown: Callable[[], object]) -> None:
        """Write a record again and again until it is seen: a tail shows what is written after it has started."""

        def is_seen() -> bool:
            self.write(topic, value)
            return bool(seen())

        until(is_seen, shown)


def test_messages_of_a_case_are_shown_as_they_come_and_a_signal_ends_it(
    topics_of_test: EmbeddedKafka, prefix: str, tail: StartTail
) -> None:
    writer = Writer(topics_of_test.address, prefix)
    writer.write("jobs", JOB_1[0])  # before it started: not shown
    text, as_json = tail("jobs", f"{prefix}tickets", "--case", "job-1"), tail("jobs", "--json")
    writer.write_until("jobs", JOB_1[1], lambda: text.lines and as_json.lines, lambda: as_json.errors)
    writer.write("jobs", JOB_2[0], b"\x1b[2J", JOB_1[0])
    until(lambda: "job.booked" in text.lines[-1] and as_json.lines[-1].encode() == JOB_1[0], lambda: as_json.errors)
    assert {line.split("  ")[2] for line in text.lines} == {"job-1"}
    assert {line.split("  ")[3] for line in text.lines[:-1]} == {"job.assigned"}
    assert {line.encode() for line in as_json.lines} == {JOB_1[1], JOB_2[0], JOB_1[0]}
    (unreadable,) = as_json.errors
    assert unreadable.startswith(f"sop: {prefix}jobs-")
    assert unreadable.endswith(": not a JSON object")
    for each, number in ((text, signal.SIGINT), (as_json, signal.SIGTERM)):
        each.process.send_signal(number)
        assert each.process.wait(60) == 0
    assert text.errors == []


def test_a_closed_pipe_ends_it_quietly(topics_of_test: EmbeddedKafka, prefix: str, tail: StartTail) -> None:
    writer = Writer(topics_of_test.address, prefix)
    started = tail("jobs", output=subprocess.PIPE)
    assert started.process.stdout is not None
    os.set_blocking(started.process.stdout.fileno(), False)
    writer.write_until("jobs", JOB_1[0], started.process.stdout.read, lambda: started.errors)
    started.process.stdout.close()
    writer.write_until("jobs", JOB_1[0], lambda: started.process.poll() is not None, lambda: started.errors)
    assert (started.process.returncode, started.errors) == (0, [])


def test_what_cannot_be_shown_is_refused_in_one_line_with_status_2(
    topics_of_test: EmbeddedKafka, prefix: str, tail: StartTail
) -> None:
    for started, reason in (
        (tail("job"), "sop: job: no such topic; did you mean jobs?; the topics are jobs, tickets, "),
        (tail(brokers="127.0.0.1:1"), "sop: Kafka at 127.0.0.1:1 does not answer"),
    ):
        assert started.process.wait(60) == 2
        (line,) = started.errors
        assert line.startswith(reason)


def test_it_waits_for_brokers_that_are_away_and_goes_on(prefix: str, tail: StartTail, tmp_path: Path) -> None:
    with FaultyKafka(tmp_path / "kafka") as broker:
        create_topics(broker.address, prefix)
        started = tail("jobs", brokers=broker.address)
        Writer(broker.address, prefix).write_until("jobs", JOB_1[0], lambda: started.lines, lambda: started.errors)
        broker.kill()
        until(lambda: bool(started.errors), lambda: started.lines)
        broker.start()
        until(lambda: len(started.errors) == 2, lambda: started.errors)
        Writer(broker.address, prefix).write_until(
            "jobs", JOB_2[0], lambda: "job-2" in started.lines[-1], lambda: started.lines
        )
        away, back = started.errors
    assert away.startswith(f"sop: Kafka at {broker.address} does not answer")
    assert away.endswith("; waiting")
    assert back == f"sop: Kafka at {broker.address} answers again"
