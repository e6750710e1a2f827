"""The batch transport against a real broker, with real worker processes that are started, stopped and killed."""

import itertools
import json
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported all the same

from streams.embedded_kafka.broker import EmbeddedKafka
from tests.integration.transport_worker import Plan

DEADLINE_S, POLL_S = 60.0, 0.02

Note = dict[str, Any]
Place = tuple[str, int]


class Bench:
    """The topics of one test, the workers that read them, and the notes of these."""

    def __init__(self, broker: str, prefix: str, folder: Path) -> None:
        self.broker, self._prefix, self.folder = broker, prefix, folder
        self._admin = AdminClient({"bootstrap.servers": broker})
        self._workers: list[subprocess.Popen[str]] = []
        (folder / "positions").mkdir()

    def topics(self, *names: str, partitions: int) -> list[str]:
        full = [self._prefix + name for name in names]
        for made in self._admin.create_topics([NewTopic(name, partitions, 1) for name in full]).values():
            made.result()
        return full

    def fill(self, topic: str, partitions: int, count: int, *, first: int = 0, size: int = 8) -> None:
        """Produce `count` records to each partition, with the values first, first + 1, … padded to `size` bytes."""
        producer = Producer({"bootstrap.servers": self.broker, "linger.ms": 5, "log_level": 0})
        for number, partition in itertools.product(range(first, first + count), range(partitions)):
            producer.produce(topic, f"{number:0{size}}".encode(), b"key", partition)
        assert producer.flush(DEADLINE_S) == 0

    def delete_before(self, topic: str, offset: int) -> None:
        """Delete the records before an offset from a topic's only partition, as its retention would."""
        for deleted in self._admin.delete_records([TopicPartition(topic, 0, offset)]).values():
            deleted.result(DEADLINE_S)

    def plan(self, topics: list[str], **more: Any) -> Plan:
        return Plan(
            broker=self.broker,
            group=self._prefix + "group",
            topics=topics,
            positions=str(self.folder / "positions"),
            notes=str(self.folder / "notes"),
            **more,
        )

    def start(self, plan: Plan) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.integration.transport_worker", plan.to_json()]
        with (self.folder / "log").open("a") as log:
            worker = subprocess.Popen(command, stderr=log, stdout=log, text=True)
        self._workers.append(worker)
        return worker

    def stop(self, worker: subprocess.Popen[str], by: signal.Signals = signal.SIGTERM) -> int:
        worker.send_signal(by)
        return worker.wait(DEADLINE_S)

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()

    def set_position(self, place: Place, offset: int) -> None:
        (self.folder / "positions" / f"{place[0]}-{place[1]}.position").write_text(str(offset))

    def notes(self, what: str | None = None) -> list[Note]:
        file = self.folder / "notes"
        lines = file.read_text().splitlines() if file.exists() else []
        notes = [json.loads(line) for line in lines if line.endswith("}")]
        return [note for note in notes if what is None or note["what"] == what]

    def offsets(self, what: str = "done") -> dict[Place, list[int]]:
        read: dict[Place, list[int]] = defaultdict(list)
        for note in self.notes(what):
            read[note["tp"][0], note["tp"][1]] += note["offsets"]
        return dict(read)

    def committed(self, plan: Plan, places: list[Place]) -> dict[Place, int]:
        consumer = Consumer({"bootstrap.servers": self.broker, "group.id": plan.group})
        found = consumer.committed([TopicPartition(*place) for place in places], timeout=DEADLINE_S)
        consumer.close()
        return {(tp.topic, tp.partition): tp.offset for tp in found}

    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def bench(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(kafka.address, prefix, tmp_path)
    yield bench
    bench.close()


def until(holds: Callable[[], bool], describe: Callable[[], object] = str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, describe()
        time.sleep(POLL_S)


def places(topics: list[str], partitions: int) -> list[Place]:
    return list(itertools.product(topics, range(partitions)))


def every(where: list[Place], offsets: range) -> dict[Place, list[int]]:
    return {place: list(offsets) for place in where}


def read_all(bench: Bench, want: Mapping[Place, list[int]]) -> Callable[[], bool]:
    total = sum(map(len, want.values()))
    return lambda: sum(map(len, bench.offsets().values())) >= total


def test_every_record_comes_once_in_order_in_bounded_batches(bench: Bench) -> None:
    topics = bench.topics("a", "b", "c", partitions=3)
    bench.fill(topics[0], 3, 700)
    bench.fill(topics[1], 3, 700, size=1000)
    bench.fill(topics[2], 3, 700)
    want = every(places(topics, 3), range(700))
    worker = bench.start(bench.plan(topics, options={"records_max": 100, "bytes_max": 20_000}))
    until(read_all(bench, want))
    assert bench.stop(worker) == 0
    assert bench.offsets() == want
    assert max(len(note["offsets"]) for note in bench.notes("done")) <= 100
    assert max(len(note["offsets"]) for note in bench.notes("done") if note["tp"][0] == topics[1]) <= 20
    assert all([int(v) for v in note["values"]] == note["offsets"] for note in bench.notes("done"))


def test_reading_starts_at_the_given_positions_and_nowhere_else(bench: Bench) -> None:
    topics = bench.topics("a", partitions=4)
    bench.fill(topics[0], 4, 50)
    plan = bench.plan(topics)
    consumer = Consumer({"bootstrap.servers": bench.broker, "group.id": plan.group})
    consumer.commit(offsets=[TopicPartition(topics[0], p, 30) for p in range(4)], asynchronous=False)
    consumer.close()
    bench.set_position((topics[0], 1), 0)
    bench.set_position((topics[0], 2), 40)
    bench.set_position((topics[0], 3), 50)
    worker = bench.start(plan)
    until(lambda: len(bench.offsets().get((topics[0], 2), ())) == 10 and len(bench.offsets()) == 3)
    bench.fill(topics[0], 4, 1, first=50)
    want = {0: range(51), 1: range(51), 2: range(40, 51), 3: range(50, 51)}
    until(read_all(bench, {(topics[0], p): list(offsets) for p, offsets in want.items()}))
    assert bench.stop(worker) == 0
    assert bench.offsets() == {(topics[0], p): list(offsets) for p, offsets in want.items()}


def test_group_offsets_never_pass_what_the_offset_provider_allows(bench: Bench) -> None:
    topics = bench.topics("a", partitions=2)
    where = places(topics, 2)
    bench.fill(topics[0], 2, 40)
    plan = bench.plan(topics, commit_max=17)
    worker = bench.start(plan)
    until(lambda: bench.committed(plan, where) == dict.fromkeys(where, 17))
    assert bench.stop(worker) == 0
    assert bench.offsets() == every(where, range(40))
    assert bench.committed(plan, where) == dict.fromkeys(where, 17)
    worker = bench.start(bench.plan(topics))
    until(lambda: bench.committed(plan, where) == dict.fromkeys(where, 40))
    assert bench.stop(worker) == 0


@pytest.mark.timeout(300)
def test_a_clean_handover_repeats_nothing_and_nothing_old_arrives(bench: Bench) -> None:
    topics = bench.topics("a", "b", partitions=5)
    where = places(topics, 5)
    plan = bench.plan(topics, handler_s=dict.fromkeys("01234", 0.005), store=False, options={"records_max": 10})
    workers = [bench.start(plan)]
    produced = fill_until_spread(bench, topics, 5, over=1, first=0)
    for count in (2, 3):
        workers.append(bench.start(plan))
        produced = fill_until_spread(bench, topics, 5, over=count, first=produced)
    for held in holdings(bench.notes()).values():  # the same partition numbers of all topics
        assert {p for topic, p in held if topic == topics[0]} == {p for topic, p in held if topic == topics[1]}
    for count in (2, 1):
        assert bench.stop(workers.pop(0)) == 0
        produced = fill_until_spread(bench, topics, 5, over=count, first=produced)
    want = every(where, range(produced))
    until(read_all(bench, want), bench.log)
    assert bench.stop(workers.pop()) == 0
    assert bench.offsets() == want
    for pid in {note["pid"] for note in bench.notes()}:
        assert_pairs([note for note in bench.notes() if note["pid"] == pid])


def holdings(notes: list[Note]) -> dict[int, list[Place]]:
    """Return the partitions that each process holds after `notes`."""
    held: dict[int, list[Place]] = {}
    for note in notes:
        if note["what"] == "positioned":
            held[note["pid"]] = [(topic, partition) for topic, partition in note["tps"]]
        elif note["what"] == "revoked":
            held[note["pid"]] = []
    return {pid: tps for pid, tps in held.items() if tps}


def fill_until_spread(bench: Bench, topics: list[str], partitions: int, *, over: int, first: int) -> int:
    """Produce to all of `topics` until `over` workers hold everything; return the number after the last produced."""
    produced = first

    def spread() -> bool:
        nonlocal produced
        held = holdings(bench.notes())
        if len(held) == over and sum(map(len, held.values())) == len(topics) * partitions:
            return True
        for topic in topics:
            bench.fill(topic, partitions, 20, first=produced)
        produced += 20
        return False

    until(spread, bench.log)
    return produced


def assert_pairs(notes: list[Note]) -> None:
    """Check that a process receives batches only of partitions that it holds, all of one generation."""
    held: set[Place] = set()
    generations: set[int] = set()
    positioned = False
    for note in notes:
        match note["what"]:
            case "assigned":
                assert not held
                held, generations, positioned = {(t, p) for t, p in note["tps"]}, set(), False
            case "positioned":
                positioned = True
            case "revoked":
                assert held == {(t, p) for t, p in note["tps"]}
                held = set()
            case "position":
                assert positioned
                assert tuple(note["tp"]) in held
            case _:
                assert positioned
                assert tuple(note["tp"]) in held
                generations.add(note["generation"])
                assert len(generations) == 1


@pytest.mark.timeout(300)
def test_after_a_kill_reading_continues_at_the_given_positions(bench: Bench) -> None:
    topics = bench.topics("a", partitions=3)
    where = places(topics, 3)
    bench.fill(topics[0], 3, 400)
    plan = bench.plan(topics, handler_s=dict.fromkeys("012", 0.02), options={"records_max": 20})
    worker = bench.start(plan)
    until(lambda: len(bench.notes("done")) > 10)
    assert bench.stop(worker, signal.SIGKILL) == -signal.SIGKILL
    kept = {place: int((bench.folder / "positions" / f"{place[0]}-{place[1]}.position").read_text()) for place in where}
    before = len(bench.notes())
    worker = bench.start(plan)
    until(lambda: all(bench.offsets()[place][-1] == 399 for place in where))
    assert bench.stop(worker) == 0
    after: dict[Place, list[int]] = defaultdict(list)
    for note in bench.notes()[before:]:
        if note["what"] == "done":
            after[note["tp"][0], note["tp"][1]] += note["offsets"]
    assert after == {place: list(range(kept[place], 400)) for place in where}


def test_a_handler_that_raises_ends_the_worker_with_its_batch_unread(bench: Bench) -> None:
    topic, *_ = topics = bench.topics("a", partitions=1)
    bench.fill(topic, 1, 30)
    worker = bench.start(bench.plan(topics, raise_at=15, options={"records_max": 10}))
    assert worker.wait(DEADLINE_S) == 70
    assert "stopped: ValueError: cannot handle 10" in bench.log()
    assert bench.offsets() == {(topic, 0): list(range(10))}
    plan = bench.plan(topics, options={"records_max": 10})
    assert bench.committed(plan, [(topic, 0)])[topic, 0] <= 10
    worker = bench.start(plan)
    until(lambda: len(bench.offsets()[topic, 0]) == 30)
    assert bench.stop(worker) == 0
    assert bench.offsets() == {(topic, 0): list(range(30))}


def test_without_a_broker_the_worker_says_so_and_ends(bench: Bench) -> None:
    plan = bench.plan(["a"])
    plan.broker = "127.0.0.1:1"
    assert bench.start(plan).wait(DEADLINE_S) == 70
    assert "stopped: KafkaConnectionError: KafkaConnectionError: Unable to bootstrap" in bench.log()
    assert "Traceback" not in bench.log()


def test_an_offset_provider_that_raises_ends_the_worker(bench: Bench) -> None:
    topics = bench.topics("a", partitions=1)
    bench.fill(topics[0], 1, 5)
    worker = bench.start(bench.plan(topics, raise_assigned=True))
    assert worker.wait(DEADLINE_S) == 70
    assert "stopped: OSError: no positions to be had" in bench.log()
    assert bench.offsets("began") == {}


def test_work_that_does_not_end_cannot_hold_up_a_stop(bench: Bench) -> None:
    topics = bench.topics("a", partitions=1)
    bench.fill(topics[0], 1, 5)
    worker = bench.start(bench.plan(topics, handler_s={"0": 600.0}, options={"release_s": 0.5}))
    until(lambda: bench.offsets("began") != {})
    assert bench.stop(worker) == 70
    assert "were not released within 0.5 s" in bench.log()
    assert bench.notes("revoked") == []


def test_a_stop_waits_for_the_batch_in_hand_and_records_it(bench: Bench) -> None:
    topics = bench.topics("a", partitions=1)
    bench.fill(topics[0], 1, 30)
    plan = bench.plan(topics, handler_s={"0": 0.5}, store=False, options={"records_max": 10})
    worker = bench.start(plan)
    until(lambda: bench.offsets("began") != {})
    assert bench.stop(worker) == 0
    assert bench.offsets() == {(topics[0], 0): list(range(10))} == bench.offsets("began")
    assert bench.committed(plan, [(topics[0], 0)]) == {(topics[0], 0): 10}


def test_an_error_in_faust_after_everything_was_released_is_logged_and_no_failure(bench: Bench) -> None:
    topics = bench.topics("a", partitions=1)
    bench.fill(topics[0], 1, 3)
    worker = bench.start(plan := bench.plan(topics, crash_when_stopped=True))
    until(read_all(bench, {(topics[0], 0): [0, 1, 2]}))
    assert bench.stop(worker) == 0
    assert "stopped cleanly" in bench.log()
    assert "broke while stopping" in bench.log()
    assert bench.committed(plan, [(topics[0], 0)]) == {(topics[0], 0): 3}


def test_a_worker_stopped_while_the_group_rebalances_ends_cleanly(bench: Bench) -> None:
    topics = bench.topics("a", partitions=1)
    worker = bench.start(plan := bench.plan(topics, revoked_s=6.0))
    until(lambda: holdings(bench.notes()) != {})
    bench.start(plan)  # it joins while the first one lets go
    assert bench.stop(worker) == 0
    assert "Crashed" not in bench.log()


def test_a_slow_partition_does_not_hold_up_the_others(bench: Bench) -> None:
    topics = bench.topics("a", "b", partitions=3)
    for topic in topics:
        bench.fill(topic, 3, 200)
    worker = bench.start(bench.plan(topics, handler_s={"0": 600.0}, options={"records_max": 10, "release_s": 0.1}))
    want = every([(topic, p) for topic in topics for p in (1, 2)], range(200))
    until(read_all(bench, want))
    for topic in topics:
        bench.fill(topic, 3, 10, first=200)
    want = every(list(want), range(210))
    until(read_all(bench, want))
    assert bench.offsets() == want
    assert bench.stop(worker) == 70


@pytest.mark.timeout(300)
def test_an_offset_provider_may_take_longer_than_the_groups_session(bench: Bench) -> None:
    topics = bench.topics("a", partitions=1)
    bench.fill(topics[0], 1, 5)
    worker = bench.start(bench.plan(topics, assigned_s=8.0))
    until(lambda: bench.offsets() != {})
    assert bench.stop(worker) == 0
    noted = [note["what"] for note in bench.notes() if note["what"] != "position"]
    assert noted == ["assigned", "positioned", "began", "done", "revoked"]


def test_topics_that_cannot_be_read_together_are_refused(bench: Bench) -> None:
    topics = bench.topics("a", partitions=2) + bench.topics("b", partitions=3)
    worker = bench.start(bench.plan(topics))
    assert worker.wait(DEADLINE_S) == 70
    assert f"must have the same number of partitions: {topics[0]} 2, {topics[1]} 3" in bench.log()
