"""What the batch transport decides without a broker: cutting, room, turns, commits, closing, and who reads what."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.faust_transport.app import BatchApp, batch_agent, batch_topic, register_transport
from streams.faust_transport.assignment import Assignment, partial_numbers
from streams.faust_transport.batch import Batch, BatchOptions, TransportError, cut
from streams.faust_transport.client import BatchConsumerThread
from streams.faust_transport.membership import PartitionNumberAssignor
from streams.kafka.record_batches import Record

A0, B0, A1, B1 = TP("a", 0), TP("b", 0), TP("a", 1), TP("b", 1)


def record(offset: int, value: bytes | None = b"", key: bytes | None = None) -> Record:
    return Record(offset, 0, 0, key, value, ())


@dataclass
class FakeKeeper:
    safe: dict[TP, int] = field(default_factory=dict)
    full: set[TP] = field(default_factory=set)

    async def assigned(self, tps: frozenset[TP]) -> Mapping[TP, int]:
        return dict.fromkeys(tps, 0)

    async def revoked(self, tps: frozenset[TP]) -> None:
        self.safe = {tp: offset for tp, offset in self.safe.items() if tp not in tps}

    def wants(self, tp: TP) -> bool:
        return tp not in self.full

    def passed(self, tp: TP, offset: int) -> None:  # noqa: ARG002 - the port's
        return

    def skipped(self, tp: TP, first: int, end: int) -> None:
        raise AssertionError((tp, first, end))

    def committable(self, tp: TP) -> int | None:
        return self.safe.get(tp)


class Bench:
    """An assignment whose handlers note their batches and wait for a gate where one is set."""

    def __init__(self, *tps: TP, in_flight_max: int = 2) -> None:
        self.handled: list[tuple[TP, int]] = []
        self.gates: dict[TP, asyncio.Event] = {}
        self.passed: dict[TP, int] = {}
        self.faults: list[BaseException] = []
        self.nudges = 0
        self.raises: BaseException | None = None
        self.assignment = Assignment(
            frozenset(tps),
            7,
            handlers=dict.fromkeys("ab", self._handle),
            in_flight_max=in_flight_max,
            passed=self.passed.__setitem__,
            fail=self.faults.append,
            nudge=self._nudge,
        )
        self.assignment.place(dict.fromkeys(tps, 0))

    async def _handle(self, batch: Batch) -> None:
        if self.raises is not None:
            raise self.raises
        if batch.tp in self.gates:
            await self.gates[batch.tp].wait()
        self.handled.append((batch.tp, batch.records[0].offset))

    def _nudge(self) -> None:
        self.nudges += 1

    def read(self, tp: TP, *offsets: int) -> None:
        self.assignment.accept(tp, [batch(tp, offset) for offset in offsets])

    async def deliver(self) -> list[tuple[TP, int]]:
        """Hand over what is due, let handlers run, and return what was handed over."""
        due = list(self.assignment.due())
        for one in due:
            self.assignment.enter(one)
        await let_loop_run()
        return [(one.tp, one.records[0].offset) for one in due]


def batch(tp: TP, offset: int) -> Batch:
    return Batch(tp, [record(offset)], offset + 1, 7)


async def let_loop_run() -> None:
    for _ in range(5):  # more turns of the loop than a lane takes from its queue to its end
        await asyncio.sleep(0)


@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    records_max=st.integers(1, 10),
    bytes_max=st.integers(1, 100),
)
def test_cutting_keeps_all_records_in_order_within_the_bounds(
    sizes: list[int], records_max: int, bytes_max: int
) -> None:
    records = [record(3 * index, b"v" * size, b"k") for index, size in enumerate(sizes)]
    batches = list(cut(A0, records, 999, 7, BatchOptions(records_max=records_max, bytes_max=bytes_max)))
    assert [record for one in batches for record in one.records] == records
    assert [one.next_offset for one in batches] == [one.records[-1].offset + 1 for one in batches[:-1]] + [999]
    for one in batches:
        assert len(one.records) <= records_max
        assert len(one.records) == 1 or sum(len(r.value or b"") + len(r.key or b"") for r in one.records) <= bytes_max


def test_a_record_without_key_and_value_has_no_weight() -> None:
    records = [record(0, None), record(1, None)]
    assert len(list(cut(A0, records, 2, 7, BatchOptions(bytes_max=1)))) == 1


@pytest.mark.parametrize("name", ["records_max", "bytes_max", "in_flight_max", "fetch_wait_ms", "drain_s"])
def test_bounds_that_let_nothing_through_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} has to be positive, not 0"):
        BatchOptions(**{name: 0})


async def test_only_so_many_batches_of_a_partition_are_under_way() -> None:
    bench = Bench(A0, A1)
    bench.gates[A0] = asyncio.Event()
    bench.read(A0, 0, 1, 2)
    bench.read(A1, 0, 1, 2)
    assert await bench.deliver() == [(A0, 0), (A0, 1), (A1, 0), (A1, 1)]
    assert await bench.deliver() == [(A1, 2)]
    assert bench.assignment.wanted(FakeKeeper()) == {A1}
    assert bench.nudges == 1  # A1 got room again
    bench.gates[A0].set()
    await let_loop_run()
    assert bench.assignment.wanted(FakeKeeper()) == {A1}  # there is room for A0, but it has a batch waiting
    assert bench.nudges == 2
    assert await bench.deliver() == [(A0, 2)]
    assert bench.assignment.wanted(FakeKeeper()) == {A0, A1}
    await bench.assignment.close(1.0)


async def test_a_partition_without_room_is_not_fetched() -> None:
    bench = Bench(A0, A1)
    bench.gates[A0] = asyncio.Event()
    bench.read(A0, 0)
    await bench.deliver()
    assert bench.assignment.wanted(FakeKeeper()) == {A0, A1}
    bench.read(A0, 1)
    await bench.deliver()
    assert bench.assignment.wanted(FakeKeeper()) == {A1}
    bench.gates[A0].set()
    await bench.assignment.close(1.0)


def test_a_partition_of_which_the_keeper_wants_no_more_is_not_fetched() -> None:
    offset_provider = FakeKeeper(full={A0})
    assert Bench(A0, A1).assignment.wanted(offset_provider) == {A1}


async def test_batches_of_one_partition_number_take_turns() -> None:
    bench = Bench(A0, B0)
    bench.gates[A0] = asyncio.Event()
    bench.read(A0, 0)
    await bench.deliver()
    bench.read(B0, 0)
    await bench.deliver()
    assert bench.handled == []
    bench.gates[A0].set()
    await let_loop_run()
    assert bench.handled == [(A0, 0), (B0, 0)]
    await bench.assignment.close(1.0)


def test_a_log_that_went_back_is_refused() -> None:
    bench = Bench(A0)
    bench.read(A0, 5)
    with pytest.raises(TransportError, match=r"a\[0\] went back: reading stood at 6, now 3 comes"):
        bench.read(A0, 3)


@pytest.mark.parametrize(("entered", "then"), [([], 1), ([0], 0), ([0], 2), ([0, 1, 2], 2)])
async def test_a_batch_lost_or_repeated_on_the_way_is_refused(entered: list[int], then: int) -> None:
    bench = Bench(A0, in_flight_max=3)
    bench.read(A0, 0, 1, 2)
    due = list(bench.assignment.due())
    for index in entered:
        bench.assignment.enter(due[index])
    with pytest.raises(TransportError, match=rf"a\[0\]: batch at {then} came out of turn"):
        bench.assignment.enter(due[then])
    await bench.assignment.close(1.0)


async def test_commits_follow_the_keeper_only_forward_and_no_further_than_delivered() -> None:
    bench, offset_provider = Bench(A0, A1), FakeKeeper()
    bench.read(A0, 0, 1, 2, 3)
    await bench.deliver()
    assert bench.assignment.committable(offset_provider) == {}
    offset_provider.safe = {A0: 1, A1: 0}
    assert bench.assignment.committable(offset_provider) == {A0: 1, A1: 0}
    assert bench.assignment.committable(offset_provider) == {A0: 1, A1: 0}  # until it is noted as done
    bench.assignment.commit({A0: 1, A1: 0})
    assert bench.assignment.committable(offset_provider) == {}
    offset_provider.safe = {A0: 9, A1: 9}
    assert bench.assignment.committable(offset_provider) == {A0: 2}
    bench.assignment.commit({A0: 2})
    offset_provider.safe = {A0: 1}
    assert bench.assignment.committable(offset_provider) == {}
    await bench.assignment.close(1.0)


async def test_closing_waits_for_the_batch_in_hand_and_drops_those_behind_it() -> None:
    bench = Bench(A0)
    bench.gates[A0] = asyncio.Event()
    bench.read(A0, 0, 1)
    await bench.deliver()
    closing = asyncio.create_task(bench.assignment.close(10.0))
    await let_loop_run()
    assert not closing.done()
    assert not bench.assignment.open
    bench.gates[A0].set()
    await closing
    assert bench.handled == [(A0, 0)]
    assert bench.faults == []


async def test_closing_does_not_wait_for_ever() -> None:
    bench = Bench(A0, A1)
    bench.gates[A0] = asyncio.Event()
    bench.read(A0, 0)
    bench.read(A1, 0)
    await bench.deliver()
    with pytest.raises(TransportError, match=r"handlers of 1 partitions were not done within 0\.01 s"):
        await bench.assignment.close(0.01)
    bench.gates[A0].set()
    await let_loop_run()


@pytest.mark.parametrize(
    ("raised", "told"),
    [(ValueError("no"), ValueError), (asyncio.CancelledError(), TransportError)],
    ids=["exception", "cancellation"],
)
async def test_a_handler_that_fails_is_told_and_its_partition_goes_no_further(
    raised: BaseException, told: type[BaseException]
) -> None:
    bench = Bench(A0)
    bench.raises = raised
    bench.read(A0, 0, 1)
    await bench.deliver()
    bench.raises = None
    await let_loop_run()
    assert [type(fault) for fault in bench.faults] == [told]
    assert bench.handled == []
    await bench.assignment.close(1.0)


class Cluster:
    def __init__(self, topics: list[str], partitions: int) -> None:
        self._counts = dict.fromkeys(topics, partitions)

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(self._counts[topic]))


@pytest.mark.parametrize("partitions", range(1, 13))
@pytest.mark.parametrize("members", [1, 2, 3])
def test_a_partition_number_of_every_topic_goes_to_one_member(partitions: int, members: int) -> None:
    topics = [f"topic-{number}" for number in range(6)]
    metadata = ConsumerProtocolMemberMetadata(0, topics, b"")
    assigned = PartitionNumberAssignor.assign(
        Cluster(topics, partitions), {f"member-{number}": metadata for number in range(members)}
    )
    held = {member: dict(one.assignment) for member, one in assigned.items()}
    for by_topic in held.values():
        assert len({tuple(numbers) for numbers in by_topic.values()}) <= 1
        assert not by_topic or len(by_topic) == len(topics)
    everything = sorted(
        (topic, n) for by_topic in held.values() for topic, numbers in by_topic.items() for n in numbers
    )
    assert everything == [(topic, number) for topic in topics for number in range(partitions)]


@pytest.mark.parametrize(
    ("tps", "partial"),
    [
        ([], []),
        ([A0, B0], []),
        ([A0, B0, A1, B1], []),
        ([A0], [0]),
        ([A0, B0, A1], [1]),
        ([A0, B1], [0, 1]),
        ([A0, B0, TP("c", 1)], [1]),
    ],
)
def test_a_number_that_comes_without_some_topic_is_noticed(tps: list[TP], partial: list[int]) -> None:
    assert partial_numbers(frozenset(tps), {"a", "b"}) == partial


def make_app(**settings: Any) -> BatchApp:
    register_transport()
    return BatchApp("group", broker="kafkabatch://127.0.0.1:1", offset_provider=FakeKeeper(), **settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("processing_guarantee", "exactly_once"),
        ("producer_threaded", True),
        ("topic_allow_declare", True),
        ("topic_disable_leader", False),
        ("web_enabled", True),
    ],
)
def test_settings_that_break_the_promises_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}=.* cannot be used with batches"):
        make_app(**{name: value})


def test_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="tables cannot be used"):
        make_app().Table("counts")


def test_a_topic_has_one_handler() -> None:
    async def handle(_: Batch) -> None: ...

    app = make_app()
    batch_agent(app, batch_topic(app, "a", "b"), handle, name="one")
    with pytest.raises(ValueError, match="topic b has a handler already"):
        batch_agent(app, batch_topic(app, "b"), handle, name="two")


def test_the_client_hangs_up_in_the_event_loop_of_its_own_thread() -> None:
    """Faust does so in the app's: uvloop's connections and timers are then closed under the hands of their loop."""
    own = asyncio.new_event_loop()
    closed_in: list[asyncio.AbstractEventLoop] = []

    async def close() -> None:
        closed_in.append(asyncio.get_running_loop())

    thread = BatchConsumerThread.__new__(BatchConsumerThread)
    thread.thread_loop = own
    part = SimpleNamespace(close=close)
    thread._consumer = SimpleNamespace(_closed=False, _client=part, _coordinator=part)

    async def steps(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def app() -> None:
        thread.close()
        await steps(5)

    asyncio.run(app())
    assert closed_in == []
    own.run_until_complete(steps(5))
    own.close()
    assert closed_in == [own, own]
    assert thread._consumer._closed
