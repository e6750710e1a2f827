"""What the batch transport decides without a broker: splitting, room, order, commits, and who reads what."""

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
from streams.faust_transport.batch import Batch, BatchOptions, TransportError, split
from streams.faust_transport.client import BatchConsumerThread
from streams.faust_transport.membership import PartitionNumberAssignor
from streams.kafka.record_batches import Record

A0, B0, A1, B1 = TP("a", 0), TP("b", 0), TP("a", 1), TP("b", 1)


def record(offset: int, value: bytes | None = b"", key: bytes | None = None) -> Record:
    return Record(offset, 0, 0, key, value, ())


@dataclass
class FakeOffsetProvider:
    safe: dict[TP, int] = field(default_factory=dict)
    full: set[TP] = field(default_factory=set)

    async def on_assigned(self, tps: frozenset[TP]) -> Mapping[TP, int]:
        return dict.fromkeys(tps, 0)

    async def on_revoked(self, tps: frozenset[TP]) -> None:
        self.safe = {tp: offset for tp, offset in self.safe.items() if tp not in tps}

    def wants_more(self, tp: TP) -> bool:
        return tp not in self.full

    def on_position(self, tp: TP, offset: int) -> None:  # noqa: ARG002 - the port's
        return

    def on_offsets_deleted(self, tp: TP, first: int, end: int) -> None:
        raise AssertionError((tp, first, end))

    def committable(self, tp: TP) -> int | None:
        return self.safe.get(tp)


class Bench:
    """An assignment, the batches that its handler received, its errors and how often it woke up the consumer."""

    def __init__(self, *tps: TP, in_flight_max: int = 2) -> None:
        self.handled: list[Batch] = []
        self.positions: dict[TP, int] = {}
        self.errors: list[BaseException] = []
        self.wake_ups = 0
        self.raises: BaseException | None = None
        self.assignment = Assignment(
            frozenset(tps),
            7,
            options=BatchOptions(records_max=1, in_flight_max=in_flight_max),
            on_position=self.positions.__setitem__,
            fail=self.errors.append,
            wake_up=self._wake_up,
        )
        self.assignment.seek(dict.fromkeys(tps, 0))

    def handle(self, batch: Batch) -> None:
        if self.raises is not None:
            raise self.raises
        self.handled.append(batch)

    def _wake_up(self) -> None:
        self.wake_ups += 1

    def fetchable(self, offset_provider: FakeOffsetProvider | None = None) -> set[TP]:
        return self.assignment.fetchable(offset_provider or FakeOffsetProvider())

    def fetch(self, tp: TP, *offsets: int) -> list[Batch]:
        """Deliver records as fetched, in batches of one."""
        return self.assignment.deliver(tp, [record(offset) for offset in offsets], offsets[-1] + 1)

    def dispatch(self, *batches: Batch) -> None:
        for each in batches:
            self.assignment.dispatch(each, self.handle)


@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    records_max=st.integers(1, 10),
    bytes_max=st.integers(1, 100),
)
def test_splitting_keeps_all_records_in_order_within_the_limits(
    sizes: list[int], records_max: int, bytes_max: int
) -> None:
    records = [record(3 * index, b"v" * size, b"k") for index, size in enumerate(sizes)]
    options = BatchOptions(records_max=records_max, bytes_max=bytes_max)
    batches = list(split(A0, records, 999, Bench(A0).assignment, options))
    assert [record for one in batches for record in one.records] == records
    assert [one.next_offset for one in batches] == [one.records[-1].offset + 1 for one in batches[:-1]] + [999]
    for one in batches:
        assert len(one.records) <= records_max
        assert len(one.records) == 1 or sum(len(r.value or b"") + len(r.key or b"") for r in one.records) <= bytes_max


def test_a_record_without_key_and_value_has_no_size() -> None:
    records = [record(0, None), record(1, None)]
    assert len(list(split(A0, records, 2, Bench(A0).assignment, BatchOptions(bytes_max=1)))) == 1


@pytest.mark.parametrize("name", ["records_max", "bytes_max", "in_flight_max", "fetch_wait_ms", "release_s"])
def test_limits_that_let_nothing_through_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be positive, not 0"):
        BatchOptions(**{name: 0})


def test_a_partition_with_its_fill_of_batches_in_flight_is_fetched_again_once_one_is_done() -> None:
    bench = Bench(A0, A1)
    (first,) = bench.fetch(A0, 0)
    assert bench.fetchable() == {A0, A1}
    bench.dispatch(first, *bench.fetch(A0, 1))
    assert bench.fetchable() == {A1}  # although its handler has received both
    assert bench.wake_ups == 0
    first.done()
    assert bench.fetchable() == {A0, A1}
    assert bench.wake_ups == 1
    first.done()  # once more changes nothing
    bench.fetch(A0, 2)
    assert bench.fetchable() == {A1}


def test_all_records_of_a_fetch_are_delivered_and_no_more_are_fetched_before_most_of_them_are_done() -> None:
    bench = Bench(A0)
    batches = bench.fetch(A0, 0, 1, 2)
    bench.dispatch(*batches)
    assert bench.handled == batches
    batches[0].done()
    assert (bench.fetchable(), bench.wake_ups) == (set(), 0)
    batches[1].done()
    assert (bench.fetchable(), bench.wake_ups) == ({A0}, 1)


def test_a_partition_of_which_the_offset_provider_wants_no_more_is_not_fetched() -> None:
    assert Bench(A0, A1).fetchable(FakeOffsetProvider(full={A0})) == {A1}


def test_a_position_is_reported_once_the_handler_has_received_every_record_before_it() -> None:
    bench = Bench(A0)
    first, second = bench.fetch(A0, 0, 1)
    bench.assignment.advance(A0, 5)  # markers follow
    bench.dispatch(first)
    assert bench.positions == {}
    bench.dispatch(second)
    assert bench.positions == {A0: 5}
    bench.assignment.advance(A0, 7)
    assert bench.positions == {A0: 7}


def test_a_log_that_went_back_is_refused() -> None:
    bench = Bench(A0)
    bench.fetch(A0, 5)
    with pytest.raises(TransportError, match=r"a\[0\] went back: the position was 6, the next record has 3"):
        bench.fetch(A0, 3)


@pytest.mark.parametrize(("received", "then"), [([], 1), ([0], 0), ([0], 2), ([0, 1, 2], 2)])
def test_a_batch_lost_or_repeated_on_the_way_is_an_error(received: list[int], then: int) -> None:
    bench = Bench(A0, in_flight_max=3)
    batches = bench.fetch(A0, 0, 1, 2)
    bench.dispatch(*(batches[index] for index in received), batches[then])
    assert bench.handled == [batches[index] for index in received]
    (error,) = bench.errors
    assert isinstance(error, TransportError)
    assert str(error) == f"a[0]: batch at {then} came out of order"


def test_commits_follow_the_offset_provider_only_forward_and_no_further_than_delivered() -> None:
    bench, offset_provider = Bench(A0, A1), FakeOffsetProvider()
    bench.fetch(A0, 0, 1)
    assert bench.assignment.committable(offset_provider) == {}
    offset_provider.safe = {A0: 1, A1: 0}
    assert bench.assignment.committable(offset_provider) == {A0: 1, A1: 0}
    assert bench.assignment.committable(offset_provider) == {A0: 1, A1: 0}  # until they are committed
    bench.assignment.commit({A0: 1, A1: 0})
    assert bench.assignment.committable(offset_provider) == {}
    offset_provider.safe = {A0: 9, A1: 9}
    assert bench.assignment.committable(offset_provider) == {A0: 2}
    bench.assignment.commit({A0: 2})
    offset_provider.safe = {A0: 1}
    assert bench.assignment.committable(offset_provider) == {}


def test_batches_of_a_closed_assignment_are_dropped() -> None:
    bench = Bench(A0)
    first, second = bench.fetch(A0, 0, 1)
    bench.dispatch(first)
    bench.assignment.closed = True
    assert not bench.assignment.is_open
    bench.dispatch(second)
    assert (bench.handled, bench.errors) == ([first], [])


def test_an_error_of_the_handler_is_reported() -> None:
    bench = Bench(A0)
    bench.raises = ValueError("no")
    bench.dispatch(*bench.fetch(A0, 0))
    assert bench.errors == [bench.raises]
    assert bench.positions == {}


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
def test_partition_numbers_assigned_for_some_topics_only_are_found(tps: list[TP], partial: list[int]) -> None:
    assert partial_numbers(frozenset(tps), {"a", "b"}) == partial


def make_app(**settings: Any) -> BatchApp:
    register_transport()
    return BatchApp("group", broker="kafkabatch://127.0.0.1:1", offset_provider=FakeOffsetProvider(), **settings)


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
def test_settings_under_which_records_could_be_lost_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}=.* cannot be used with batches"):
        make_app(**{name: value})


def test_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="tables cannot be used"):
        make_app().Table("counts")


def test_a_topic_has_one_handler() -> None:
    def handle(_: Batch) -> None: ...

    app = make_app()
    batch_agent(app, batch_topic(app, "a", "b"), handle, name="one")
    with pytest.raises(ValueError, match="topic b has a handler already"):
        batch_agent(app, batch_topic(app, "b"), handle, name="two")


def test_the_client_closes_its_connections_in_the_event_loop_of_its_own_thread() -> None:
    """Faust closes them in the app's loop, which can crash the process under uvloop."""
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
