"""A task with a fake processor: what it publishes, saves and holds back, and what its successor restores."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from schemas.errors import Unavailable
from streams.memory.store import MemoryStore
from streams.runtime.ports import TP, Batches, Changes, Checkpoint
from streams.runtime.positions import format_inputs
from streams.runtime.progress import PROGRESS_KEY, unpack_progress
from streams.runtime.task import Task
from tests.unit.cluster import (
    DECISIONS,
    JOBS,
    TICKETS,
    Cluster,
    Echo,
    records,
    starts,
)


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster(b"j0", b"j1", b"j2")
    for value in (b"t0", b"t1"):
        made.kafka.append(TICKETS, b"", value)
    return made


async def test_a_step_publishes_its_outputs_with_its_progress(cluster: Cluster) -> None:
    task, _ = cluster.owner(now=7)
    assert await task.recover() == starts()
    await task.step([(JOBS, records(0, b"j0", b"j1"))])
    assert cluster.outputs() == [b"j0", b"j1"]
    _, progress = (each for each in cluster.kafka.committed(TP("progress", 0)) if each.key == PROGRESS_KEY)
    found = unpack_progress(progress.value or b"")
    assert (found.positions, found.consumed, found.now) == ({"jobs-0": 2}, {"jobs-0": 2}, 7)


async def test_what_was_received_is_counted_from_zero_in_every_input_partition(cluster: Cluster) -> None:
    task, _ = cluster.owner()
    await task.recover()
    assert task.metrics.received == {"jobs-0": 0, "tickets-0": 0, "answers-0": 0}


async def test_a_task_stopped_after_a_step_leaves_a_checkpoint(cluster: Cluster) -> None:
    task, _ = cluster.owner()
    await task.recover()
    await task.step([(JOBS, records(0, b"j0", b"j1"))])
    await task.stop()
    assert cluster.state.checkpoint is not None
    assert format_inputs(cluster.state.checkpoint.inputs) == "jobs-0:1"
    successor, processor = cluster.owner()
    assert await successor.recover() == starts(jobs=2)
    assert processor.restored == []


async def test_nothing_is_saved_while_records_wait_for_the_store(cluster: Cluster) -> None:
    task, processor = cluster.owner()
    await task.recover()
    processor.is_waiting = True
    await task.step([(JOBS, records(0, b"j0", b"j1"))])
    assert task.health.unsaved
    await task.stop()
    assert cluster.state.checkpoint is None
    successor, _ = cluster.owner()
    assert await successor.recover() == starts()


@pytest.mark.parametrize("is_full", [False, True])
async def test_no_more_is_fetched_once_too_much_waits(cluster: Cluster, *, is_full: bool) -> None:
    task, processor = cluster.owner()
    await task.recover()
    processor.is_full = is_full
    assert task.wants_more(JOBS) is not is_full


class Held(Echo):
    """A processor whose records and names wait for the store for some calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls

    async def process(self, batches: Batches, now: int) -> None:
        await super().process(batches, now)
        self.calls -= 1
        self.is_waiting = self.calls > 0


async def test_until_it_has_caught_up_a_task_waits_for_the_store(cluster: Cluster) -> None:
    await after_a_crash(cluster)
    processor = Held(calls=4)
    successor, _ = cluster.owner(processor=processor)
    await successor.recover()
    await successor.step([(JOBS, records(0, b"j0", b"j1", b"j2"))])
    assert not processor.is_waiting
    assert processor.calls <= 0


async def test_a_task_that_catches_up_waits_for_the_store_for_a_limited_time(cluster: Cluster) -> None:
    await after_a_crash(cluster)
    successor, _ = cluster.owner(processor=Held(calls=1_000), store_retry_s=0.1)
    await successor.recover()
    with pytest.raises(Unavailable, match=r"does not answer; waited for 0\.1 s"):
        await successor.step([(JOBS, records(0, b"j0", b"j1", b"j2"))])


async def test_a_task_stopped_before_its_first_step_writes_no_checkpoint(cluster: Cluster) -> None:
    killed, _ = cluster.owner(saves=False)
    await killed.recover()
    await killed.step([(JOBS, records(0, b"j0"))])
    stopped, _ = cluster.owner()
    await stopped.recover()
    await stopped.stop()
    successor, processor = cluster.owner()
    await successor.recover()
    assert cluster.state.checkpoint is None
    assert processor.restored == [b"j0"]


async def after_a_crash(cluster: Cluster) -> tuple[Task, Echo]:
    """Return the successor of an owner that had read j0, j1 and t0 and saved nothing."""
    killed, _ = cluster.owner(now=100, saves=False)
    await killed.recover()
    await killed.step([(JOBS, records(0, b"j0", b"j1")), (TICKETS, records(0, b"t0"))])
    task, processor = cluster.owner(now=50)
    await task.recover()
    return task, processor


async def test_nothing_is_published_before_all_is_read_that_the_last_owner_had_read(cluster: Cluster) -> None:
    task, processor = await after_a_crash(cluster)
    await task.step([(JOBS, records(0, b"j0", b"j1"))])
    assert processor.evaluated_at == []
    assert cluster.state.checkpoint is None
    await task.step([(TICKETS, records(0, b"t0"))])
    assert processor.evaluated_at


async def test_records_that_the_last_owner_had_not_read_wait_for_those_that_it_had(cluster: Cluster) -> None:
    task, processor = await after_a_crash(cluster)
    await task.step([(JOBS, records(0, b"j0", b"j1", b"j2"))])
    assert processor.processed == [b"j0", b"j1"]
    await task.step([(TICKETS, records(0, b"t0", b"t1"))])
    assert processor.processed == [b"j0", b"j1", b"t0", b"j2", b"t1"]


async def after_a_crash_behind_a_marker(cluster: Cluster) -> tuple[Task, Echo]:
    """Return the successor of an owner that had read j0, t0 and the transaction marker after it."""
    killed, _ = cluster.owner(saves=False)
    await killed.recover()
    killed.enqueue(TICKETS, records(0, b"t0"))
    killed.advance(TICKETS, 2)
    await killed.step(await killed._inbox.take(10))
    await killed.step([(JOBS, records(0, b"j0"))])
    task, processor = cluster.owner()
    await task.recover()
    return task, processor


async def test_a_record_after_a_marker_shows_that_all_before_it_is_read(cluster: Cluster) -> None:
    task, processor = await after_a_crash_behind_a_marker(cluster)
    await task.step([(JOBS, records(0, b"j0"))])
    await task.step([(TICKETS, [*records(0, b"t0"), *records(2, b"t2")])])
    assert processor.processed == [b"j0", b"t0", b"t2"]
    assert processor.positions == {"jobs-0": 1, "tickets-0": 3}


async def test_held_records_are_not_lost_if_only_a_marker_was_left_to_read_again(cluster: Cluster) -> None:
    task, processor = await after_a_crash_behind_a_marker(cluster)
    await task.step([(JOBS, records(0, b"j0", b"j1"))])
    task.enqueue(TICKETS, records(0, b"t0"))
    task.advance(TICKETS, 2)
    await task.step(await task._inbox.take(10))
    assert processor.evaluated_at == []
    await task.step([(JOBS, records(2, b"j2"))])
    assert processor.processed == [b"j0", b"t0", b"j1", b"j2"]
    assert processor.positions == {"jobs-0": 3, "tickets-0": 2}


async def test_a_limited_number_of_records_is_held(cluster: Cluster) -> None:
    for number in range(3, 40):
        cluster.kafka.append(JOBS, b"", b"j%d" % number)
    task, processor = await after_a_crash(cluster)
    values = [record.value or b"" for record in cluster.kafka.committed(JOBS)]
    wanted = []
    for first in range(0, 20, 5):
        wanted.append((task.wants_more(JOBS), task.wants_more(TICKETS)))
        await task.step([(JOBS, records(first, *values[first : first + 5]))])
    assert wanted == [(True, True)] * 3 + [(False, True)]
    await task.step([(TICKETS, records(0, b"t0"))])
    assert task.wants_more(JOBS)
    assert processor.processed == [b"j0", b"j1", b"t0", *values[2:20]]


async def test_time_does_not_go_back_with_a_slower_clock(cluster: Cluster) -> None:
    task, processor = await after_a_crash(cluster)
    await task.step([(JOBS, records(0, b"j0", b"j1")), (TICKETS, records(0, b"t0"))])
    assert set(processor.evaluated_at) == {100}


async def test_records_read_before_by_an_owner_with_a_faster_clock_are_processed_as_of_its_time(
    cluster: Cluster,
) -> None:
    task, processor = await after_a_crash(cluster)
    await task.step([(JOBS, records(0, b"j0"))])
    assert task._is_catching_up()
    assert set(processor.processed_at) == {100}


async def test_time_does_not_go_back_after_an_owner_that_ended_cleanly(cluster: Cluster) -> None:
    task, _ = cluster.owner(now=100)
    await task.recover()
    await task.step([(JOBS, records(0, b"j0"))])
    await task.stop()
    successor, processor = cluster.owner(now=50)
    await successor.recover()
    await successor.step([(JOBS, records(1, b"j1"))])
    assert (processor.processed_at, processor.evaluated_at) == ([100], [100])


async def test_checkpoints_continue_after_the_clock_was_set_back(cluster: Cluster) -> None:
    task, _ = cluster.owner(now=10**15)
    await task.recover()
    task._clock.now = 10**9  # type: ignore[attr-defined] # a stopped clock
    await task.step([(JOBS, records(0, b"j0"))])
    await task._checkpointer.finish()
    assert cluster.state.checkpoint is not None
    assert cluster.state.checkpoint.inputs == {"jobs-0": 1}


async def test_a_checkpoint_holds_one_moment(cluster: Cluster) -> None:
    saved: list[tuple[Checkpoint, bytes, int]] = []

    class Watched(MemoryStore):
        async def save(self, saved_: Checkpoint, changes: Changes) -> None:
            saved.append((saved_, changes.blobs["taken"] or b"", cluster.kafka.bounds(DECISIONS)[1]))
            await super().save(saved_, changes)

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
        assert each.outputs["decisions-0"] <= end


async def test_a_checkpoint_is_packed_bit_by_bit_between_steps(cluster: Cluster) -> None:
    task, processor = cluster.owner()
    processor.calls_to_pack = 3
    await task.recover()
    for number in range(3):
        await task.step([(JOBS, records(number, f"j{number}".encode()))])
        await others_are_done()
        assert cluster.state.checkpoint is None
    await task.step([])
    await others_are_done()
    assert cluster.state.checkpoint is not None
    assert cluster.state.checkpoint.inputs["jobs-0"] == 1, "the position when the state was frozen"


async def others_are_done() -> None:
    await asyncio.gather(*asyncio.all_tasks() - {cast("asyncio.Task[None]", asyncio.current_task())})


async def test_records_that_come_soon_after_a_step_are_published_together(cluster: Cluster) -> None:
    task, processor = cluster.owner(step_spacing_s=0.4)
    await task.recover()
    running = asyncio.create_task(task.run())
    task.enqueue(JOBS, records(0, b"j0"))
    await processor.has_evaluated.wait()
    processor.has_evaluated.clear()
    for number in range(1, 4):
        task.enqueue(JOBS, records(number, f"j{number}".encode()))
    await processor.has_evaluated.wait()
    task.finish()
    await running
    assert processor.steps == [[b"j0"], [b"j1", b"j2", b"j3"]]
