"""What a new owner does with changed topics: expired unread, truncated, created again, with more partitions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from schemas.errors import Fatal
from streams.runtime.layout import find_change
from streams.runtime.poison_isolation import ATTEMPT_LOG_KEY, ATTEMPTS_MAX, Attempt, AttemptLog, pack_attempt_log
from streams.runtime.ports import TP, Checkpoint, Layout, Outgoing, Stored
from tests.simulation.kafka import SimulatedPublisher
from tests.unit.cluster import ANSWERS, JOBS, SETTINGS, TICKETS, Cluster, records, starts

LAYOUT = SETTINGS.layout


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster(b"j0", b"j1", b"j2")
    for value in (b"t0", b"t1"):
        made.kafka.append(TICKETS, b"", value)
    return made


async def has_read(cluster: Cluster, *batches: tuple[TP, Sequence[Stored]], saves: bool) -> None:
    """Have an owner read batches and die; it writes a checkpoint only with `saves`."""
    task, _ = cluster.owner(saves=saves)
    await task.recover()
    await task.step(batches)
    if saves:
        await task.stop()


async def test_deleted_records_are_not_waited_for(cluster: Cluster) -> None:
    killed, _ = cluster.owner(saves=False)
    await killed.recover()
    await killed.step([(TICKETS, records(0, b"t0", b"t1"))])
    cluster.kafka.delete_before(TICKETS, 2)
    task, processor = cluster.owner()
    assert await task.recover() == starts(tickets=2)
    await task.step([(JOBS, records(0, b"j0"))])
    assert processor.processed == [b"j0"]
    assert processor.evaluated_at


async def test_records_that_decisions_rest_on_may_not_be_deleted(cluster: Cluster) -> None:
    killed, _ = cluster.owner(saves=False)
    await killed.recover()
    await killed.step([(JOBS, records(0, b"j0", b"j1"))])
    cluster.kafka.delete_before(JOBS, 1)
    task, _ = cluster.owner()
    with pytest.raises(Fatal, match="jobs-0: 0 to 0 are no longer there, in no checkpoint, and decisions rest on them"):
        await task.recover()


async def test_records_that_decisions_rest_on_may_be_deleted_if_that_is_accepted(cluster: Cluster) -> None:
    killed, _ = cluster.owner(saves=False)
    await killed.recover()
    await killed.step([(JOBS, records(0, b"j0", b"j1"))])
    cluster.kafka.delete_before(JOBS, 1)
    task, processor = cluster.owner(saves=False, accepts_trimmed=True)
    assert await task.recover() == starts(jobs=1)
    await task.step([(JOBS, records(1, b"j1"))])
    assert processor.evaluated_at
    successor, _ = cluster.owner()
    assert await successor.recover() == starts(jobs=1)


async def test_records_in_a_checkpoint_may_be_deleted(cluster: Cluster) -> None:
    task, _ = cluster.owner()
    await task.recover()
    await task.step([(JOBS, records(0, b"j0", b"j1"))])
    await task.stop()
    cluster.kafka.delete_before(JOBS, 2)
    successor, _ = cluster.owner()
    assert await successor.recover() == starts(jobs=2)


async def test_records_before_the_first_start_may_be_deleted(cluster: Cluster) -> None:
    cluster.kafka.delete_before(JOBS, 1)
    for _ in range(2):
        task, _ = cluster.owner(saves=False)
        assert await task.recover() == starts(jobs=1)
        await task.step([(JOBS, records(1, b"j1"))])
    cluster.kafka.delete_before(JOBS, 2)
    task, _ = cluster.owner()
    with pytest.raises(Fatal, match="jobs-0: 1 to 1 "):
        await task.recover()


@pytest.mark.parametrize("saves", [True, False])
@pytest.mark.parametrize(
    ("tp", "earliest", "gone"),
    [
        (TICKETS, 1, None),
        (TICKETS, 2, "tickets-0: 1 to 1 are no longer there and were never read"),
        (ANSWERS, 0, None),
        (ANSWERS, 3, "answers-0: 0 to 2 are no longer there and were never read"),
    ],
)
async def test_unread_records_may_not_be_deleted_after_the_first_start(
    cluster: Cluster, saves: bool, tp: TP, earliest: int, gone: str | None
) -> None:
    for value in (b"a0", b"a1", b"a2"):
        cluster.kafka.append(ANSWERS, b"", value)
    await has_read(cluster, (JOBS, records(0, b"j0")), (TICKETS, records(0, b"t0")), saves=saves)
    cluster.kafka.delete_before(tp, earliest)
    task, _ = cluster.owner()
    if gone is None:
        await task.recover()
    else:
        with pytest.raises(Fatal, match=gone):
            await task.recover()


@pytest.mark.parametrize("saves", [True, False])
async def test_deleted_unread_records_are_counted_if_that_is_accepted(cluster: Cluster, saves: bool) -> None:
    await has_read(cluster, (TICKETS, records(0, b"t0")), saves=saves)
    cluster.kafka.delete_before(JOBS, 2)
    task, processor = cluster.owner(accepts_trimmed=True)
    assert (await task.recover())[JOBS] == 2
    assert task.progress().skipped == {"jobs-0": 2}
    await task.step([(JOBS, records(2, b"j2")), (TICKETS, records(0, b"t0", b"t1")[saves:])])
    await task.stop()
    successor, _ = cluster.owner()
    await successor.recover()
    assert successor.progress().skipped == {"jobs-0": 2}
    assert b"j2" in processor.processed


@pytest.mark.parametrize("saves", [True, False])
async def test_an_input_that_ends_before_the_position_is_refused(cluster: Cluster, saves: bool) -> None:
    await has_read(cluster, (JOBS, records(0, b"j0", b"j1", b"j2")), saves=saves)
    cluster.kafka.truncate(JOBS, 2)
    task, _ = cluster.owner()
    with pytest.raises(Fatal, match="jobs-0: read up to 3, but the log ends at 2"):
        await task.recover()


@pytest.mark.parametrize("accepts", [True, False])
async def test_a_running_task_skips_deleted_offsets_only_if_that_is_accepted(cluster: Cluster, accepts: bool) -> None:
    task, _ = cluster.owner(accepts_trimmed=accepts)
    await task.recover()
    if accepts:
        task.skip_deleted(JOBS, 1, 4)
        assert task.progress().skipped == {"jobs-0": 3}
    else:
        with pytest.raises(Fatal, match="jobs-0: 1 to 3 are no longer there and were never read"):
            task.skip_deleted(JOBS, 1, 4)


async def test_offsets_without_records_count_as_read_once_all_before_them_are_processed(cluster: Cluster) -> None:
    task, _ = cluster.owner(saves=False)
    await task.recover()
    task.enqueue(JOBS, records(0, b"j0"))
    task.advance(JOBS, 2)
    await task.step([])
    assert task.progress().positions == {}
    await task.step(await task._inbox.take(10))
    await task.step([])
    assert task.progress().positions == {"jobs-0": 2}


@pytest.mark.parametrize("saves", [True, False])
@pytest.mark.parametrize("accepts", [True, False])
async def test_state_made_under_another_number_of_partitions_is_refused(
    cluster: Cluster, saves: bool, accepts: bool
) -> None:
    await has_read(cluster, (JOBS, records(0, b"j0")), saves=saves)
    for number in (0, 4):
        task, _ = cluster.owner(partition=number, layout=Layout(5, LAYOUT.ids), accepts_trimmed=accepts)
        with pytest.raises(Fatal, match=r"have 5 partitions, this group's state was made under 1"):
            await task.recover()


@pytest.mark.parametrize("saves", [True, False])
@pytest.mark.parametrize("topic", ["jobs", "answers", "decisions"])
async def test_a_topic_created_again_is_refused(cluster: Cluster, saves: bool, topic: str) -> None:
    await has_read(cluster, (JOBS, records(0, b"j0")), saves=saves)
    task, _ = cluster.owner(layout=Layout(1, {**LAYOUT.ids, topic: "another"}))
    with pytest.raises(Fatal, match=f"^{topic}: deleted and created again"):
        await task.recover()


@pytest.mark.parametrize("saves", [True, False])
async def test_a_topic_created_again_is_read_from_its_beginning_if_that_is_accepted(
    cluster: Cluster, saves: bool
) -> None:
    await has_read(cluster, (JOBS, records(0, b"j0", b"j1")), (TICKETS, records(0, b"t0")), saves=saves)
    cluster.kafka.recreate(JOBS)
    cluster.kafka.append(JOBS, b"", b"new")
    created_again = Layout(1, {**LAYOUT.ids, "jobs": "another"})
    task, processor = cluster.owner(layout=created_again, accepts_trimmed=True)
    assert await task.recover() == starts(tickets=1 if saves else 0)
    assert processor.forgotten == {"jobs"}
    await task.step([(JOBS, records(0, b"new")), (TICKETS, records(0, b"t0", b"t1")[saves:])])
    assert b"new" in processor.processed
    await task.stop()
    successor, _ = cluster.owner(layout=created_again)
    assert await successor.recover() == starts(jobs=1, tickets=2)


def recreate_jobs(cluster: Cluster) -> Layout:
    """Create the topic again with a record; return the new layout."""
    cluster.kafka.recreate(JOBS)
    cluster.kafka.append(JOBS, b"", b"new")
    return Layout(1, {**LAYOUT.ids, "jobs": "another"})


@pytest.mark.parametrize("saves", [True, False])
async def test_outputs_from_before_and_after_a_topic_was_created_again_are_told_apart(
    cluster: Cluster, saves: bool
) -> None:
    await has_read(cluster, (JOBS, records(0, b"j0")), saves=saves)
    await has_read(cluster, (JOBS, records(0, b"j0", b"j1")[saves:]), saves=False)
    created_again = recreate_jobs(cluster)
    killed, _ = cluster.owner(layout=created_again, saves=False, accepts_trimmed=True)
    await killed.recover()
    await killed.step([(JOBS, records(0, b"new"))])
    successor, processor = cluster.owner(layout=created_again, accepts_trimmed=True)
    await successor.recover()
    assert processor.recreated_of[b"j1"] == {"jobs"}
    assert processor.recreated_of[b"new"] == set()
    await successor.step([(TICKETS, records(0, b"t0"))])
    assert not processor.evaluated_at, "the record that its predecessor had read of the new topic is missing"
    await successor.step([(JOBS, records(0, b"new"))])
    assert processor.evaluated_at


async def test_the_outputs_that_refer_to_a_deleted_topic_stay_known(cluster: Cluster) -> None:
    await has_read(cluster, (JOBS, records(0, b"j0")), saves=False)
    created_again = recreate_jobs(cluster)
    accepting, _ = cluster.owner(layout=created_again, accepts_trimmed=True)
    await accepting.recover()
    await accepting.step([(JOBS, records(0, b"new"))])
    await accepting.stop()
    later, _ = cluster.owner(layout=created_again)
    await later.recover()
    await later.step([(TICKETS, records(0, b"t0"))])
    await later.stop()
    cluster.state.checkpoint = None
    without_checkpoint, processor = cluster.owner(layout=created_again)
    await without_checkpoint.recover()
    assert processor.recreated_of == {b"j0": {"jobs"}, b"new": set(), b"t0": set()}


async def test_outputs_created_again_do_not_refer_to_deleted_inputs(cluster: Cluster) -> None:
    await has_read(cluster, (JOBS, records(0, b"j0", b"j1", b"j2")), saves=False)
    created_again = recreate_jobs(cluster)
    accepting, _ = cluster.owner(layout=created_again, saves=False, accepts_trimmed=True)
    await accepting.recover()
    cluster.kafka.recreate(TP("decisions", 0))
    both = Layout(1, {**created_again.ids, "decisions": "another"})
    again, _ = cluster.owner(layout=both, saves=False, accepts_trimmed=True)
    await again.recover()
    await again.step([(JOBS, records(0, b"new"))])
    successor, processor = cluster.owner(layout=both)
    await successor.recover()
    assert processor.recreated_of == {b"new": set()}


async def test_a_record_is_not_suspected_for_one_of_a_deleted_topic(cluster: Cluster) -> None:
    killer = Attempt({"jobs-0": (0, 1)}, 1, number=ATTEMPTS_MAX, error="KeyError")
    await has_read(cluster, (TICKETS, records(0, b"t0")), saves=False)
    former = SimulatedPublisher(cluster.kafka, "sop-0")
    await former.start()
    await former.publish([Outgoing("progress", 0, ATTEMPT_LOG_KEY, pack_attempt_log(AttemptLog("1", (killer,))))])
    created_again = recreate_jobs(cluster)
    killed, _ = cluster.owner(layout=created_again, saves=False, accepts_trimmed=True)
    await killed.recover()
    for task, processor in (cluster.owner(layout=created_again, saves=False) for _ in range(2)):
        await task.recover()
        await task.step([(JOBS, records(0, b"new")), (TICKETS, records(0, b"t0"))])
        assert b"new" in processor.processed


async def test_a_checkpoint_without_a_layout_is_continued(cluster: Cluster) -> None:
    cluster.state.checkpoint = Checkpoint({"jobs-0": 1}, {}, {}, ended_cleanly=True)
    task, _ = cluster.owner()
    assert await task.recover() == starts(jobs=1)
    await task.step([(JOBS, records(1, b"j1"))])
    await task.stop()
    assert cluster.state.checkpoint.layout == LAYOUT


@pytest.mark.parametrize(
    ("now", "change"),
    [
        (Layout(2, {"a": "1", "b": "2"}), None),
        (Layout(2, {"a": "1", "b": "3"}), "b: deleted and created again while this worker runs"),
        (Layout(2, {"b": "2"}), "a: deleted while this worker runs"),
        (Layout(3, {"a": "1", "b": "2"}), "the topics have 3 partitions now, 2 when this worker started"),
    ],
)
def test_a_change_of_the_topics_is_found_while_a_worker_runs(now: Layout, change: str | None) -> None:
    assert find_change(Layout(2, {"a": "1", "b": "2"}), now) == change
