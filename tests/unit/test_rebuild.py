"""A rebuild for more partitions, between tasks over a simulated Kafka: the outcome is that of an undisturbed run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import pytest

from agents.sops import catalogue
from schemas.errors import Fatal
from streams.memory.store import MemoryState, MemoryStore
from streams.operations.rebuild.kafka_history import PastRebuilds, RebuildRecord
from streams.operations.rebuild.rebuild import Rebuild
from streams.processor.decoder import partition_of
from streams.processor.processor import SopProcessor
from streams.processor.settings import ProcessorSettings
from streams.runtime.health import Health
from streams.runtime.ports import TP, Layout
from streams.runtime.settings import TaskSettings
from streams.runtime.shared_lock import SharedLock
from streams.runtime.task import Task
from tests.e2e.harness import Record, feed_of
from tests.e2e.stories import LONG_AGO, Visit
from tests.e2e.verifier import Data, Emitted, Outcome, emitted, outcome, violations
from tests.processors import SETTINGS
from tests.scenario import destination, line
from tests.simulation.kafka import SimulatedKafka, SimulatedLog, SimulatedPublisher

TOPICS = catalogue.topics()
NOW = LONG_AGO + 10**12
VISITS = [Visit(f"job-{number}", f"partner-{number % 3}", metres=90.0 * number) for number in range(9)]


def closer_report(visit: Visit, before_us: int = 2, metres: float = 3000.0) -> bytes:
    """Return a late report that puts the partner far away when the ticket was opened."""
    lat, lon = destination(metres)
    data = {"lat": lat, "lon": lon, "accuracy_m": 10.0}
    return line(
        "location.reported", visit.partner_id, visit.ticket_at - before_us, f"{before_us}-{visit.case_id}", data
    )


CONFLICT = VISITS[0].booking[0].replace(b"residential", b"commercial")
NO_EVENT = b"no event"
BEFORE = [
    *(line for visit in VISITS for line in [*visit.booking, *visit.report]),
    *(line for visit in VISITS[::2] for line in visit.claim),
    CONFLICT,
    NO_EVENT,
]
AFTER = [
    *(line for visit in VISITS[1::2] for line in visit.claim),
    *VISITS[0].booking,
    *(closer_report(visit) for visit in VISITS),
]
STILL_LATER = [closer_report(visit, 1, 150.0) for visit in VISITS]
MOVED = (": on partitions ", ":None after ")
"""What the verifier reports of revision chains that continue in another partition."""


class StoppedClock:
    """A clock that always shows the same instant."""

    def now_us(self) -> int:
        return NOW


@dataclass
class Group:
    """The tasks of one consumer group, and their checkpoints."""

    partitions: int
    kafka: SimulatedKafka = field(default_factory=lambda: SimulatedKafka(_counter()))
    states: defaultdict[int, MemoryState] = field(default_factory=lambda: defaultdict(MemoryState))
    ids: dict[str, str] = field(default_factory=lambda: dict.fromkeys(TOPICS.all, "id"))
    accepts_trimmed: bool = False

    @property
    def settings(self) -> TaskSettings:
        return TaskSettings(
            input_topics=TOPICS.consumed,
            internal_topics=TOPICS.internal,
            required_topics=(*(topic for topic in TOPICS.inputs if topic != TOPICS.locations), TOPICS.cases),
            accepts_trimmed=self.accepts_trimmed,
            output_topics=TOPICS.outputs,
            decision_topics=TOPICS.decisions,
            latest_topic=TOPICS.latest,
            progress_topic=TOPICS.progress,
            layout=Layout(self.partitions, dict(self.ids)),
            step_records_max=100,
            checkpoint_interval=0,
            store_retry_s=10.0,
            transaction_timeout_s=1.0,
            version="1",
        )

    @property
    def processor_settings(self) -> ProcessorSettings:
        return replace(SETTINGS, partitions=self.partitions)

    def task(self, number: int) -> Task:
        store = MemoryStore(self.states[number])
        return Task(
            number,
            SopProcessor(number, self.processor_settings, store),
            self.settings,
            publisher=SimulatedPublisher(self.kafka, f"group-{number}"),
            log=SimulatedLog(self.kafka),
            store=store,
            clock=StoppedClock(),
            health=Health(),
            attempts=SharedLock(),
        )

    def feed(self, lines: Sequence[bytes], *, misplaced: bool = False) -> None:
        for at, each in enumerate(lines):
            feed = feed_of(each)
            number = at % self.partitions if misplaced else partition_of((feed.key or b"").decode(), self.partitions)
            self.kafka.append(TP(feed.topic, number), feed.key, feed.value)

    async def run(self, *, stops: bool = True, steps_max: int = 1000) -> None:
        """Run all tasks until they are idle, or for a number of steps; without `stops` they die then."""
        tasks = [self.task(number) for number in range(self.partitions)]
        positions: dict[TP, int] = {}
        for task in tasks:
            positions |= await task.recover()
        idle = 0
        while idle < 2 and steps_max:  # the step after the last records acts on deadlines
            idle += 1
            steps_max -= 1
            for task in tasks:
                found = {
                    tp: self.kafka.committed(tp, at) for tp, at in positions.items() if tp.partition == task.partition
                }
                batches = [(tp, records) for tp, records in found.items() if records]
                positions |= {tp: records[-1].offset + 1 for tp, records in batches}
                idle = 0 if batches else idle
                await task.step(batches)
        if stops:
            for task in tasks:
                await task.stop()

    async def rebuild(self, partitions: int) -> None:
        self.partitions = partitions
        numbers = range(partitions)
        rebuild = Rebuild(
            TOPICS,
            self.settings,
            self.processor_settings,
            log=SimulatedLog(self.kafka),
            publishers=[SimulatedPublisher(self.kafka, f"group-{number}") for number in numbers],
            stores=[MemoryStore(self.states[number]) for number in numbers],
        )
        await rebuild.run(lambda *_: None)
        await rebuild.stop()

    def messages(self) -> list[Emitted]:
        records = [
            Record(topic, number, each.offset, each.key, each.value or b"", each.timestamp, tuple(each.headers))
            for topic in (*TOPICS.outputs, TOPICS.latest)
            for number in range(self.partitions)
            for each in self.kafka.committed(TP(topic, number))
        ]
        return emitted(sorted(records, key=lambda record: abs(record.timestamp_ms)))

    def outcome(self) -> Outcome:
        return outcome(each.envelope for each in self.messages())


def own(messages: list[Emitted]) -> list[Data]:
    """Return the messages on the topics of their types; a rebuild fills that of the latest decisions again."""
    return [each.envelope for each in messages if each.record.topic != TOPICS.latest]


def _counter(step: int = 1) -> Callable[[], int]:
    at = count(step, step)
    return lambda: next(at)


@pytest.mark.parametrize(("old", "new"), [(1, 2), (1, 3), (2, 3), (2, 4), (4, 6), (3, 3)])
@pytest.mark.parametrize("stops", [True, False])
async def test_the_outcome_after_a_rebuild_is_that_of_an_undisturbed_run(old: int, new: int, *, stops: bool) -> None:
    undisturbed = Group(new)
    undisturbed.feed([*BEFORE, *AFTER])
    await undisturbed.run()
    group = Group(old)
    group.feed(BEFORE)
    await group.run(stops=stops)
    await group.rebuild(new)
    group.feed(AFTER)
    await group.run()
    assert group.outcome() == undisturbed.outcome()
    assert [each for each in violations(group.messages()) if not any(moved in each for moved in MOVED)] == []


@pytest.mark.parametrize(("old", "grown", "new"), [(1, 2, 3), (2, 3, 4), (2, 3, 6), (4, 6, 8)])
@pytest.mark.parametrize("stops", [True, False])
async def test_the_order_of_records_is_known_although_clocks_run_backwards(
    old: int, grown: int, new: int, *, stops: bool
) -> None:
    undisturbed = Group(new)
    undisturbed.feed([*BEFORE, *AFTER, *STILL_LATER])
    await undisturbed.run()
    group = Group(old, SimulatedKafka(_counter(-1)))
    group.feed(BEFORE)
    await group.run(stops=stops)
    await group.rebuild(grown)
    group.feed(AFTER)
    await group.run(stops=stops)
    await group.rebuild(new)
    before = len(group.messages())
    await group.run()
    assert len(group.messages()) == before
    group.feed(STILL_LATER)
    await group.run()
    assert group.outcome() == undisturbed.outcome()
    assert [each for each in violations(group.messages()) if not any(moved in each for moved in MOVED)] == []


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
@pytest.mark.parametrize("stops", [True, False])
async def test_records_in_transit_between_tasks_arrive_at_their_new_partition(steps: int, *, stops: bool) -> None:
    lines = [line for line in BEFORE if line not in (CONFLICT, NO_EVENT)]
    undisturbed = Group(6)
    undisturbed.feed([*lines, *AFTER])
    await undisturbed.run()
    group = Group(4)
    group.feed(lines, misplaced=True)
    await group.run(stops=stops, steps_max=steps)
    await group.rebuild(6)
    group.feed(AFTER, misplaced=True)
    await group.run()
    assert group.outcome() == undisturbed.outcome()
    assert [each for each in violations(group.messages()) if not any(moved in each for moved in MOVED)] == []


async def test_a_rebuild_emits_nothing_and_neither_do_tasks_without_new_records() -> None:
    group = Group(2)
    group.feed(BEFORE)
    await group.run()
    before = group.messages()
    await group.rebuild(3)
    await group.rebuild(3)
    await group.run()
    after = group.messages()
    assert own(after) == own(before)


async def test_checkpoints_lost_after_a_second_rebuild_need_another_rebuild() -> None:
    group = Group(1)
    group.feed(BEFORE)
    await group.run()
    await group.rebuild(2)
    await group.rebuild(5)
    group.states.clear()
    with pytest.raises(Fatal, match="sop rebuild"):
        await group.run()
    await group.rebuild(5)
    group.feed(AFTER)
    await group.run()
    undisturbed = Group(5)
    undisturbed.feed([*BEFORE, *AFTER])
    await undisturbed.run()
    assert group.outcome() == undisturbed.outcome()


async def test_no_task_resumes_from_an_unfinished_rebuild() -> None:
    group = Group(1)
    group.feed(BEFORE)
    await group.run()
    await group.rebuild(2)
    state = group.states[1]
    assert state.checkpoint is not None
    await MemoryStore(state).claim()
    layout = Layout(0, {})
    state.checkpoint = type(state.checkpoint)({}, {}, {}, layout=layout)
    with pytest.raises(Fatal, match="did not finish"):
        await group.run()


async def test_a_rebuild_refuses_to_miss_records_that_decisions_rest_on() -> None:
    group = Group(1)
    group.feed(BEFORE)
    await group.run()
    group.kafka.delete_before(TP("jobs", 0), 2)
    with pytest.raises(Fatal, match="jobs-0: 0 to 1 are no longer there"):
        await group.rebuild(2)


async def test_dead_letters_of_a_topic_that_was_created_again_are_ignored() -> None:
    jobs = TP("jobs", 0)
    group = Group(1)
    for _ in BEFORE:
        group.kafka.append(jobs, b"", NO_EVENT)
    await group.run()
    group.kafka.recreate(jobs)
    group.ids["jobs"] = "another"
    group.feed(BEFORE)
    group.accepts_trimmed = True
    await group.run()
    group.accepts_trimmed = False
    before = group.outcome()
    await group.rebuild(2)
    await group.run()
    assert group.outcome() == before
    for number in range(2):
        saved = group.states[number].checkpoint
        assert saved is not None
        assert ("jobs" in saved.recreated_topics) == (number == 0)


async def expire(group: Group, topic: str) -> int:
    """Abort a transaction in a topic's first partition, then delete all its records; return where it ends."""
    aborts = SimulatedPublisher(group.kafka, "group-0")
    await aborts.start()
    await aborts.abort([TP(topic, 0)])
    _, end = group.kafka.bounds(TP(topic, 0))
    group.kafka.delete_before(TP(topic, 0), end)
    return end


async def test_a_rebuild_refuses_to_miss_outputs_unless_that_is_accepted() -> None:
    group = Group(1)
    group.feed(BEFORE)
    await group.run()
    before, decided = group.outcome(), len(group.kafka.committed(TP("decisions.paf", 0)))
    end = await expire(group, "decisions.paf")
    lost = f"decisions.paf-0: 0 to {end - 1} are no longer there, in no checkpoint; messages missing: {decided}"
    with pytest.raises(Fatal, match=lost):
        await group.rebuild(2)
    group.accepts_trimmed = True
    await group.rebuild(2)
    group.accepts_trimmed = False
    await group.rebuild(3)
    await group.run()
    assert group.outcome() == before
    saved = group.states[0].checkpoint
    assert saved is not None
    assert saved.skipped == {"decisions.paf-0": decided}


async def test_a_rebuild_may_miss_transaction_markers() -> None:
    group = Group(1)
    group.feed(BEFORE)
    await group.run()
    assert group.kafka.committed(TP("decisions.refund", 0)) == []
    await expire(group, "decisions.refund")
    await group.rebuild(2)


def test_the_last_rebuild_before_a_record_is_known() -> None:
    records = [
        RebuildRecord({1: {"alerts-0": 4}, 2: {"alerts-0": 4}, 3: {"alerts-0": 9}}),
        RebuildRecord({3: {"alerts-1": 0}}),
    ]
    past_rebuilds = PastRebuilds(records)
    assert [past_rebuilds.before(TP("alerts", 0), offset) for offset in (0, 3, 4, 8, 9)] == [0, 0, 2, 2, 3]
    assert [past_rebuilds.before(TP("alerts", number), 0) for number in (1, 2)] == [3, 0]
    assert (past_rebuilds.last, PastRebuilds([]).last) == (3, 0)
