"""A task against a fake work: what it publishes, saves and holds back, and what its successor is told."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from schemas.errors import InvalidMessage
from streams.memory.store import MemoryState, MemoryStore
from streams.runtime.health import Health
from streams.runtime.ports import TP, Batches, Changes, Checkpoint, Incoming, Layout, Outgoing, Stored
from streams.runtime.positions import format_inputs
from streams.runtime.progress import PROGRESS_KEY, unpack_progress
from streams.runtime.settings import TaskSettings
from streams.runtime.shared_lock import SharedLock
from streams.runtime.task import Task
from tests.simulation.kafka import SimulatedKafka, SimulatedLog, SimulatedPublisher

JOBS, TICKETS, ANSWERS, SAID = TP("jobs", 0), TP("tickets", 0), TP("answers", 0), TP("said", 0)
SETTINGS = TaskSettings(
    input_topics=("jobs", "tickets", "answers"),
    internal_topics=("answers",),
    required_topics=("jobs",),
    accepts_trimmed=False,
    output_topics=("said",),
    progress_topic="progress",
    layout=Layout(1, {"jobs": "J", "tickets": "T", "answers": "A", "said": "S"}),
    step_records_max=10,
    checkpoint_interval=0,
    transaction_timeout_s=30.0,
    version="1",
)


FOREIGN = b"foreign"


class Repeats:
    """Work that says every value it takes, and when; writes down what it is told."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.recalled_values: list[bytes] = []
        self.former_of: dict[bytes, set[str]] = {}
        """In which topics that are there no more the places are that a value recalled names."""
        self.taken_at: list[int] = []
        self.concluded_at: list[int] = []
        self.has_concluded = asyncio.Event()
        self.steps: list[list[bytes]] = []
        self.goes = 1
        """How often a checkpoint has to be gone on with until it is packed."""
        self.expires: list[str] = []
        self.asked_what_expired: list[int] = []
        self._left = 0
        self._new: list[bytes] = []
        self._changed = False

    async def begin(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        self.begun = counts

    def restore_output(self, topic: str, record: Stored, former: Collection[str] = ()) -> Mapping[str, int]:
        assert topic in SETTINGS.output_topics
        if record.value == FOREIGN:
            raise InvalidMessage("value: foreign")
        self.recalled_values.append(record.value or b"")
        self.former_of[record.value or b""] = set(former)
        return {}

    async def apply_restored(self) -> None:
        return

    def forget_positions(self, topics: Collection[str]) -> None:
        self.forgotten = set(topics)

    async def process(self, batches: Batches, now: int) -> None:
        self.taken_at.append(now)
        if batches:
            self.steps.append([record.value or b"" for _, records in batches for record in records])
        for _, records in batches:
            values = [record.value or b"" for record in records]
            self._new += values
            self.taken += values
        self._changed = self._changed or bool(batches)

    def refuse(self, tp: TP, record: Incoming, reason: str) -> None:
        self._new.append(f"{tp.name}@{record.offset} {reason}".encode())

    def defer(self) -> Sequence[str]:
        return ()

    async def due(self, now: int, limit: int) -> Sequence[str]:  # noqa: ARG002 - the port's
        return ()

    async def expired(self, now: int, limit: int) -> Sequence[str]:
        self.asked_what_expired.append(now)
        return [name for name in self.expires if limit]

    def quarantine(self, name: str) -> None:
        raise AssertionError(name)

    async def evaluate(self, now: int, positions: Mapping[str, int], names: Sequence[str]) -> list[Outgoing]:  # noqa: ARG002
        self.concluded_at.append(now)
        self.has_concluded.set()
        self.positions = dict(positions)
        said = [Outgoing("said", 0, b"", value) for value in self._new]
        self._new = []
        return said

    def counts(self) -> dict[str, dict[str, int]]:
        return {}

    @property
    def changed(self) -> bool:
        return self._changed

    def freeze(self) -> Changes:
        self._changed = False
        self._left = self.goes
        return Changes({"taken": b",".join(self.taken)}, {})

    def pack(self, count: int) -> bool:
        assert count > 0
        self._left -= 1
        return self._left <= 0

    def mark_saved(self) -> None:
        return


class StoppedClock:
    def __init__(self, now: int) -> None:
        self.now = now

    def now_us(self) -> int:
        return self.now


class Cluster:
    """A broker and a store, for one owner after the other; the values are those of records on `JOBS`."""

    def __init__(self, *values: bytes) -> None:
        self.kafka = SimulatedKafka()
        for value in values:
            self.kafka.append(JOBS, b"", value)
        self.state = MemoryState()

    def owner(self, now: int = 100, *, partition: int = 0, saves: bool = True, **others: Any) -> tuple[Task, Repeats]:
        work = Repeats()
        interval = SETTINGS.checkpoint_interval if saves else 10**18
        settings = replace(SETTINGS, checkpoint_interval=interval, **others)
        task = Task(
            partition,
            work,
            settings,
            publisher=SimulatedPublisher(self.kafka, f"sop-{partition}"),
            log=SimulatedLog(self.kafka),
            store=MemoryStore(MemoryState() if partition else self.state),
            clock=StoppedClock(now),
            health=Health(),
            attempts=SharedLock(),
        )
        return task, work

    def said(self) -> list[bytes | None]:
        return [record.value for record in self.kafka.committed(SAID)]


def starts(jobs: int = 0, tickets: int = 0) -> dict[TP, int]:
    return {JOBS: jobs, TICKETS: tickets, ANSWERS: 0}


def records(first: int, *values: bytes) -> Sequence[Stored]:
    return [Stored(first + number, b"", value) for number, value in enumerate(values)]


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster(b"j0", b"j1", b"j2")
    for value in (b"t0", b"t1"):
        made.kafka.append(TICKETS, b"", value)
    return made


async def test_a_step_publishes_what_follows_with_how_far_it_has_read(cluster: Cluster) -> None:
    task, _ = cluster.owner(now=7)
    assert await task.recover() == starts()
    await task.step([(JOBS, records(0, b"j0", b"j1"))])
    assert cluster.said() == [b"j0", b"j1"]
    _, progress = (each for each in cluster.kafka.committed(TP("progress", 0)) if each.key == PROGRESS_KEY)
    told = unpack_progress(progress.value or b"")
    assert (told.positions, told.consumed, told.now) == ({"jobs-0": 2}, {"jobs-0": 2}, 7)


async def test_a_task_stopped_after_a_step_leaves_a_checkpoint_to_its_successor(cluster: Cluster) -> None:
    task, _ = cluster.owner()
    await task.recover()
    await task.step([(JOBS, records(0, b"j0", b"j1"))])
    await task.stop()
    assert cluster.state.checkpoint is not None
    assert format_inputs(cluster.state.checkpoint.inputs) == "jobs-0:1"
    successor, work = cluster.owner()
    assert await successor.recover() == starts(jobs=2)
    assert work.recalled_values == []


async def test_a_task_stopped_before_its_first_step_leaves_the_checkpoint_as_it_was(cluster: Cluster) -> None:
    killed, _ = cluster.owner(saves=False)
    await killed.recover()
    await killed.step([(JOBS, records(0, b"j0"))])
    stopped, _ = cluster.owner()
    await stopped.recover()
    await stopped.stop()
    successor, work = cluster.owner()
    await successor.recover()
    assert cluster.state.checkpoint is None
    assert work.recalled_values == [b"j0"]


async def after_a_crash(cluster: Cluster) -> tuple[Task, Repeats]:
    """Return who comes after an owner that had read j0, j1 and t0 and saved nothing."""
    killed, _ = cluster.owner(now=100, saves=False)
    await killed.recover()
    await killed.step([(JOBS, records(0, b"j0", b"j1")), (TICKETS, records(0, b"t0"))])
    task, work = cluster.owner(now=50)
    await task.recover()
    return task, work


async def test_nothing_goes_out_before_all_is_read_that_the_last_owner_had(cluster: Cluster) -> None:
    task, work = await after_a_crash(cluster)
    await task.step([(JOBS, records(0, b"j0", b"j1"))])
    assert work.concluded_at == []
    assert cluster.state.checkpoint is None
    await task.step([(TICKETS, records(0, b"t0"))])
    assert work.concluded_at


async def test_what_the_last_owner_had_not_read_waits_for_what_it_had(cluster: Cluster) -> None:
    task, work = await after_a_crash(cluster)
    await task.step([(JOBS, records(0, b"j0", b"j1", b"j2"))])
    assert work.taken == [b"j0", b"j1"]
    await task.step([(TICKETS, records(0, b"t0", b"t1"))])
    assert work.taken == [b"j0", b"j1", b"t0", b"j2", b"t1"]


async def after_a_crash_behind_a_marker(cluster: Cluster) -> tuple[Task, Repeats]:
    """Return who comes after an owner that had read j0, and t0 and the marker of a transaction behind it."""
    killed, _ = cluster.owner(saves=False)
    await killed.recover()
    killed.enqueue(TICKETS, records(0, b"t0"))
    killed.advance(TICKETS, 2)
    await killed.step(await killed._inbox.take(10))
    await killed.step([(JOBS, records(0, b"j0"))])
    task, work = cluster.owner()
    await task.recover()
    return task, work


async def test_what_comes_behind_a_marker_shows_that_all_before_it_is_read(cluster: Cluster) -> None:
    task, work = await after_a_crash_behind_a_marker(cluster)
    await task.step([(JOBS, records(0, b"j0"))])
    await task.step([(TICKETS, [*records(0, b"t0"), *records(2, b"t2")])])
    assert work.taken == [b"j0", b"t0", b"t2"]
    assert work.positions == {"jobs-0": 1, "tickets-0": 3}


async def test_what_waited_is_not_lost_where_a_marker_was_all_that_was_to_be_read_again(cluster: Cluster) -> None:
    task, work = await after_a_crash_behind_a_marker(cluster)
    await task.step([(JOBS, records(0, b"j0", b"j1"))])
    task.enqueue(TICKETS, records(0, b"t0"))
    task.advance(TICKETS, 2)
    await task.step(await task._inbox.take(10))
    assert work.concluded_at == []
    await task.step([(JOBS, records(2, b"j2"))])
    assert work.taken == [b"j0", b"t0", b"j1", b"j2"]
    assert work.positions == {"jobs-0": 3, "tickets-0": 2}


async def test_of_what_waits_only_so_much_is_kept(cluster: Cluster) -> None:
    for number in range(3, 40):
        cluster.kafka.append(JOBS, b"", b"j%d" % number)
    task, work = await after_a_crash(cluster)
    values = [record.value or b"" for record in cluster.kafka.committed(JOBS)]
    wanted = []
    for first in range(0, 20, 5):
        wanted.append((task.wants_more(JOBS), task.wants_more(TICKETS)))
        await task.step([(JOBS, records(first, *values[first : first + 5]))])
    assert wanted == [(True, True)] * 3 + [(False, True)]
    await task.step([(TICKETS, records(0, b"t0"))])
    assert task.wants_more(JOBS)
    assert work.taken == [b"j0", b"j1", b"t0", *values[2:20]]


async def test_time_does_not_go_back_with_a_slower_clock(cluster: Cluster) -> None:
    task, work = await after_a_crash(cluster)
    await task.step([(JOBS, records(0, b"j0", b"j1")), (TICKETS, records(0, b"t0"))])
    assert set(work.concluded_at) == {100}


async def test_what_an_owner_with_a_faster_clock_had_read_is_read_again_as_of_its_time(cluster: Cluster) -> None:
    task, work = await after_a_crash(cluster)
    await task.step([(JOBS, records(0, b"j0"))])
    assert task._is_catching_up()
    assert set(work.taken_at) == {100}


async def test_time_does_not_go_back_after_an_owner_that_ended_as_it_should(cluster: Cluster) -> None:
    task, _ = cluster.owner(now=100)
    await task.recover()
    await task.step([(JOBS, records(0, b"j0"))])
    await task.stop()
    successor, work = cluster.owner(now=50)
    await successor.recover()
    await successor.step([(JOBS, records(1, b"j1"))])
    assert (work.taken_at, work.concluded_at) == ([100], [100])


async def test_checkpoints_go_on_though_the_clock_is_put_back(cluster: Cluster) -> None:
    task, _ = cluster.owner(now=10**15)
    await task.recover()
    task._clock.now = 10**9  # type: ignore[attr-defined] # a stopped clock
    await task.step([(JOBS, records(0, b"j0"))])
    await task._checkpointer.finish()
    assert cluster.state.checkpoint is not None
    assert cluster.state.checkpoint.inputs == {"jobs-0": 1}


async def test_what_is_saved_is_of_one_moment(cluster: Cluster) -> None:
    saved: list[tuple[Checkpoint, bytes, int]] = []

    class Watched(MemoryStore):
        async def save(
            self,
            saved_: Checkpoint,
            blobs: Mapping[str, bytes | None],
            deadlines: Mapping[str, int | None],
            expiries: Mapping[str, int | None] = {},
        ) -> None:
            saved.append((saved_, blobs["taken"] or b"", cluster.kafka.bounds(SAID)[1]))
            await super().save(saved_, blobs, deadlines, expiries)

    task, _ = cluster.owner()
    task._store = task._checkpointer._store = Watched(cluster.state)
    await task.recover()
    for number in range(3):
        await task.step([(JOBS, records(number, f"j{number}".encode()))])
        await asyncio.sleep(0)
    await task.stop()
    assert [each.inputs["jobs-0"] for each, _, _ in saved][-1] == 3
    for each, taken, end in saved:
        assert len(taken.split(b",")) == each.inputs["jobs-0"]
        assert each.outputs["said-0"] <= end


async def test_a_checkpoint_is_packed_by_and_by_between_steps(cluster: Cluster) -> None:
    task, work = cluster.owner()
    work.goes = 3
    await task.recover()
    for number in range(3):
        await task.step([(JOBS, records(number, f"j{number}".encode()))])
        await others_are_done()
        assert cluster.state.checkpoint is None
    await task.step([])
    await others_are_done()
    assert cluster.state.checkpoint is not None
    assert cluster.state.checkpoint.inputs["jobs-0"] == 1, "where the work stood when it was frozen"


async def others_are_done() -> None:
    await asyncio.gather(*asyncio.all_tasks() - {cast("asyncio.Task[None]", asyncio.current_task())})


async def test_what_comes_soon_after_a_step_goes_out_together(cluster: Cluster) -> None:
    task, work = cluster.owner(step_spacing_s=0.4)
    await task.recover()
    running = asyncio.create_task(task.run())
    task.enqueue(JOBS, records(0, b"j0"))
    await work.has_concluded.wait()
    work.has_concluded.clear()
    for number in range(1, 4):
        task.enqueue(JOBS, records(number, f"j{number}".encode()))
    await work.has_concluded.wait()
    task.finish()
    await running
    assert work.steps == [[b"j0"], [b"j1", b"j2", b"j3"]]
