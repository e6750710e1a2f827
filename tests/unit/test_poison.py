"""A record that a worker cannot survive is found over some lives, refused, and the others are taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import pytest

from schemas.errors import Fatal, Unavailable
from streams.memory.store import MemoryState, MemoryStore
from streams.runtime.chunk_runner import QUARANTINED_MAX
from streams.runtime.health import Health
from streams.runtime.poison_isolation import ATTEMPT_LOG_KEY, ISOLATE_US, AttemptLog, unpack_attempt_log
from streams.runtime.ports import TP, Batches, Outgoing, Quarantined
from streams.runtime.shared_lock import SharedLock
from streams.runtime.task import Task
from tests.simulation.kafka import SimulatedKafka, SimulatedLog, SimulatedPublisher
from tests.unit.test_task import JOBS, SETTINGS, TICKETS, Repeats, StoppedClock, records

ANSWERS = TP("answers", 0)


class Killed(BaseException):
    """What no handler sees: the process is gone."""


class Poisoned(Repeats):
    """Work that something happens to when it takes a certain value."""

    def __init__(self, value: bytes, happens: Callable[[], None]) -> None:
        super().__init__()
        self._value = value
        self._happens = happens

    async def process(self, batches: Batches, now: int) -> None:
        if any(record.value == self._value for _, records_ in batches for record in records_):
            self._happens()
        await super().process(batches, now)


class Lives:
    """Owners of one partition number, one after another; none writes a checkpoint, unless told otherwise."""

    def __init__(self, values: Sequence[bytes], happens: Callable[[], None], *, poison: bytes = b"poison") -> None:
        self.kafka = SimulatedKafka()
        self._state = MemoryState()
        self._values = values
        for value in values:
            self.kafka.append(JOBS, b"", value)
            self.kafka.append(ANSWERS, b"", value)
        self.checkpoint_interval = 10**18
        self.topic = JOBS
        self.make_work: Callable[[], Repeats] = lambda: Poisoned(poison, happens)
        self.version = "1"
        self.clock = StoppedClock(0)
        self.attempts = SharedLock()
        self.deaths: list[BaseException] = []

    async def live(self) -> bool:
        """Have an owner take all values in one step, then have nothing to do; return whether it survives."""
        self.work = self.make_work()
        self.task = Task(
            0,
            self.work,
            replace(SETTINGS, checkpoint_interval=self.checkpoint_interval, version=self.version),
            publisher=SimulatedPublisher(self.kafka, "sop-0"),
            log=SimulatedLog(self.kafka),
            store=MemoryStore(self._state),
            clock=self.clock,
            health=Health(),
            attempts=self.attempts,
        )
        try:
            read_to = (await self.task.recover()).get(self.topic, 0)
            new = records(0, *self._values)[read_to:]
            await self.task.step([(self.topic, new)] if new else [])
            await asyncio.sleep(0)  # a checkpoint is written
            await self.task.step([])
        except (Fatal, Unavailable, Killed) as death:
            self.deaths.append(death)
            return False
        return True

    def said(self) -> list[bytes]:
        return [record.value or b"" for record in self.kafka.committed(TP("said", 0))]

    def notes(self) -> list[AttemptLog]:
        found = self.kafka.committed(TP("progress", 0))
        return [unpack_attempt_log(record.value or b"") for record in found if record.key == ATTEMPT_LOG_KEY]


def raises() -> None:
    raise KeyError("+91 98765 43210")


def kills() -> None:
    raise Killed


def store_is_away() -> None:
    raise Unavailable("Redis: no answer")


VALUES = [b"a", b"b", b"poison", b"c"]


async def lived(lives: Lives, most: int) -> int:
    """Live until an owner survives; return which."""
    for number in range(1, most + 1):
        if await lives.live():
            return number
    raise AssertionError(f"none of {most} survived: {lives.deaths}")


async def test_a_record_that_raises_is_refused_after_three_attempts_and_the_others_are_taken() -> None:
    lives = Lives(VALUES, raises)
    assert await lived(lives, 6) == 5
    assert set(lives.said()) == {b"a", b"b", b"c", b"jobs-0@2 internal: KeyError"}
    assert lives.said().count(b"jobs-0@2 internal: KeyError") == 1


async def test_a_death_names_the_record_and_the_error_but_nothing_that_the_event_says() -> None:
    lives = Lives(VALUES, raises)
    await lived(lives, 6)
    told = [str(death) for death in lives.deaths]
    assert told[0].startswith("jobs-0@0..3: KeyError (")
    assert told[0].endswith(")")
    for number in (1, 2, 3):
        assert told[number].startswith("jobs-0@2: KeyError (")
        assert told[number].endswith(f"), attempt {number} of 3")
    assert not any("98765" in line for line in told)


async def test_a_record_that_kills_is_refused_too() -> None:
    lives = Lives(VALUES, kills)
    assert await lived(lives, 6) == 6
    assert set(lives.said()) == {b"a", b"b", b"c", b"jobs-0@2 internal: the process ended"}


async def test_attempts_count_although_what_comes_first_differs_from_life_to_life() -> None:
    lives = Lives([b"poison", b"a"], raises)
    for number in range(8):
        lives.topic = (JOBS, TICKETS)[number % 2]
        assert not await lives.live()
    told = [str(death).partition(": ")[0] for death in lives.deaths]
    assert told == ["jobs-0@0..1", "tickets-0@0..1", *["jobs-0@0", "tickets-0@0"] * 3]
    lives.topic = JOBS
    assert await lives.live()
    assert lives.said() == [b"jobs-0@0 internal: KeyError", b"a"]


async def test_another_version_counts_its_attempts_anew() -> None:
    lives = Lives(VALUES, raises)
    assert not any([await lives.live() for _ in range(3)])
    lives.version = "2"
    assert await lived(lives, 6) == 4
    assert [str(death)[-6:] for death in lives.deaths[1:]] == ["1 of 3", "2 of 3", "1 of 3", "2 of 3", "3 of 3"]


async def test_no_record_is_blamed_for_kills_between_which_it_went_well() -> None:
    plan = [b"a", b"a", b"c", b"a", b"a", b"c", b"a", b"a", b"nobody"]
    lives = Lives([b"a", b"b", b"c"], kills)
    lives.make_work = lambda: Poisoned(plan[len(lives.deaths)], kills)
    assert await lived(lives, len(plan)) == len(plan)
    assert set(lives.said()) == {b"a", b"b", b"c"}


async def test_no_record_is_blamed_for_kills_by_what_another_task_of_the_process_tries() -> None:
    class Slow(Repeats):
        async def process(self, batches: Batches, now: int) -> None:
            for _ in range(10):
                await asyncio.sleep(0)
            await super().process(batches, now)

    innocent, guilty = Lives([b"a"], kills), Lives([b"poison"], kills)
    innocent.make_work = Slow
    while len(guilty.deaths) < 8:
        innocent.attempts = guilty.attempts = SharedLock()
        others = asyncio.create_task(innocent.live())
        await asyncio.sleep(0)
        survives = await guilty.live()
        if survives:
            assert await others
            break
        others.cancel()  # the same process
        await asyncio.wait([others])
    assert guilty.said() == [b"jobs-0@0 internal: the process ended"]
    assert set(innocent.said()) == {b"a"}


async def test_nothing_is_suspected_any_more_after_a_minute_without_a_death() -> None:
    lives = Lives([b"a", b"poison"], raises)
    lives.checkpoint_interval = 0
    assert not any([await lives.live() for _ in range(3)])
    lives.make_work = Repeats
    assert await lives.live()
    assert lives.notes()[-1].attempts
    while not lives.task.health.saves:
        await lives.task.step([])
        await asyncio.sleep(0)
    lives.clock.now = ISOLATE_US
    await lives.task.step([])
    assert not lives.notes()[-1].attempts


async def test_after_a_death_what_came_straight_is_taken_before_what_tasks_sent_on() -> None:
    lives = Lives([b"a"], kills, poison=b"a")
    assert not await lives.live()
    lives.make_work = Repeats
    assert await lives.live()
    await lives.task.step([(ANSWERS, records(0, b"sent on")), (JOBS, records(1, b"straight"))])
    assert lives.work.taken == [b"a", b"straight", b"sent on"]


async def test_no_record_is_blamed_for_a_store_that_does_not_answer() -> None:
    lives = Lives(VALUES, store_is_away)
    assert not any([await lives.live() for _ in range(8)])
    assert all(isinstance(death, Unavailable) for death in lives.deaths)
    assert b"internal" not in b"".join(lives.said())


async def test_no_record_is_blamed_for_an_output_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    add = SimulatedKafka.add

    def refuse(kafka: SimulatedKafka, transactional_id: str, epoch: int, record: Outgoing) -> int:
        if record.topic == "said":
            raise Fatal("said: a record too large")
        return add(kafka, transactional_id, epoch, record)

    lives = Lives([b"a"], raises)
    monkeypatch.setattr(SimulatedKafka, "add", refuse)
    assert not any([await lives.live() for _ in range(8)])
    monkeypatch.undo()
    assert await lives.live()
    assert lives.said() == [b"a"]


async def test_no_record_is_blamed_for_kills_while_others_are_taken_with_it() -> None:
    class Storm(Repeats):
        async def process(self, batches: Batches, now: int) -> None:
            if sum(len(records_) for _, records_ in batches) > 1:
                raise Killed
            await super().process(batches, now)

    lives = Lives([b"%d" % number for number in range(60)], kills)
    lives.make_work = Storm
    assert await lived(lives, 6) == 3
    assert lives.said() == [b"%d" % number for number in range(60)]


class Named(Repeats):
    """Work that concludes upon names: those of the values taken, and those that are due from the beginning."""

    def __init__(self, due: Sequence[str], poison: Collection[str], happens: Callable[[], None]) -> None:
        super().__init__()
        self.aside: list[str] = []
        self.evaluated: list[str] = []
        self._due = list(due)
        self._poison = poison
        self._happens = happens
        self._touched: list[str] = []

    async def process(self, batches: Batches, now: int) -> None:
        await super().process(batches, now)
        self._touched += [(record.value or b"").decode() for _, records_ in batches for record in records_]

    def defer(self) -> Sequence[str]:
        touched, self._touched = self._touched, []
        return touched

    async def due(self, now: int, limit: int) -> Sequence[str]:
        due, self._due = self._due[:limit], self._due[limit:]
        return await super().due(now, limit) or due

    async def evaluate(self, now: int, positions: Mapping[str, int], names: Sequence[str]) -> list[Outgoing]:
        for name in [*self.defer(), *names]:
            if name in self._poison and name not in self.aside:
                self._happens()
            self.evaluated.append(name)
        return await super().evaluate(now, positions, names)

    def quarantine(self, name: str) -> None:
        self.aside.append(name)


def named(
    values: Sequence[bytes], due: Sequence[str], happens: Callable[[], None], poison: Collection[str] = ("bad",)
) -> Lives:
    lives = Lives(values, happens)
    lives.make_work = lambda: Named(due, poison, happens)
    return lives


@pytest.mark.parametrize(
    ("happens", "reason"), [(raises, "internal: KeyError"), (kills, "internal: the process ended")]
)
async def test_a_name_that_cannot_be_concluded_upon_is_set_aside_and_all_else_goes_on(
    happens: Callable[[], None], reason: str
) -> None:
    lives = named([b"a"], ["x", "bad", "y"], happens)
    assert await lived(lives, 6) == (5 if happens is raises else 6)
    assert isinstance(lives.work, Named)
    assert lives.work.aside == ["bad"]
    assert set(lives.work.evaluated) == {"a", "x", "y"}
    assert lives.said() == [b"a"]
    assert lives.task.progress().quarantined == {"bad": Quarantined(reason, "1")}


async def test_a_death_names_what_could_not_be_concluded_upon() -> None:
    lives = named([], ["x", "bad", "y"], raises)
    await lived(lives, 6)
    told = [str(death) for death in lives.deaths]
    assert told[0].startswith("x, bad, y: KeyError (")
    assert told[3].startswith("bad: KeyError (")
    assert told[3].endswith("), attempt 3 of 3")


@pytest.mark.parametrize("saves", [True, False])
async def test_what_is_set_aside_stays_so_for_later_owners(saves: bool) -> None:
    lives = named([b"a"], ["bad"], raises)
    await lived(lives, 6)
    if saves:
        await lives.task.stop()
    assert await lives.live()
    assert isinstance(lives.work, Named)
    assert lives.work.aside == ["bad"]
    assert "bad" in lives.task.progress().quarantined


async def test_what_comes_of_answers_is_laid_to_a_name_and_not_to_the_answer() -> None:
    lives = named([b"a", b"bad", b"c"], [], raises)
    lives.topic = ANSWERS
    assert await lived(lives, 7) == 6
    assert isinstance(lives.work, Named)
    assert lives.work.aside == ["bad"]
    assert set(lives.said()) == {b"a", b"bad", b"c"}


async def test_what_the_recovery_touched_is_laid_to_a_name_and_not_to_the_record_read_first() -> None:
    class Recalls(Named):
        """Work of which a recovery touches something."""

        async def begin(self, counts: Mapping[str, Mapping[str, int]]) -> None:
            await super().begin(counts)
            self._touched.append("bad")

    lives = named([b"a"], [], raises)
    lives.make_work = lambda: Recalls([], ["bad"], raises)
    assert await lived(lives, 6) == 5
    assert isinstance(lives.work, Recalls)
    assert lives.work.aside == ["bad"]
    assert lives.said() == [b"a"]


async def test_a_death_after_a_checkpoint_is_noticed_too() -> None:
    class Later(Named):
        """What is due comes due after a checkpoint, in every life."""

        async def due(self, now: int, limit: int) -> Sequence[str]:
            self.asked += 1
            return await super().due(now, limit) if self.asked > 1 else ()

        asked = 0

    lives = named([b"a"], [], kills)
    lives.checkpoint_interval = 0
    lives.make_work = lambda: Later(["bad"], ["bad"], kills)
    assert await lived(lives, 6) == 5
    assert isinstance(lives.work, Later)
    assert lives.work.aside == ["bad"]


async def test_another_version_tries_again_what_was_set_aside() -> None:
    lives = named([], ["bad"], raises)
    await lived(lives, 6)
    lives.make_work = lambda: Named([], [], raises)
    lives.version = "2"
    assert await lives.live()
    assert isinstance(lives.work, Named)
    assert lives.work.evaluated == ["bad"]
    assert lives.task.progress().quarantined == {}


async def test_when_too_many_names_are_quarantined_the_worker_itself_is_broken() -> None:
    names = [f"bad{number}" for number in range(QUARANTINED_MAX + 1)]
    lives = named([], names, raises, names)
    assert not any([await lives.live() for _ in range(6 * QUARANTINED_MAX)])
    assert str(lives.deaths[-1]).startswith(
        f"bad{QUARANTINED_MAX}: internal: KeyError; {QUARANTINED_MAX} names are in quarantine already"
    )


async def test_a_fault_in_what_was_concluded_upon_before_is_not_laid_to_the_record_read_last() -> None:
    lives = named([b"a", b"bad", b"c"], [], raises, poison=[])
    assert await lives.live()
    lives.make_work = lambda: Named([], ["bad"], raises)
    assert await lived(lives, 6) == 5
    assert isinstance(lives.work, Named)
    assert lives.work.aside == ["bad"]
    assert b"internal" not in b"".join(lives.said())
