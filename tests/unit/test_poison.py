"""A poison record or name is found over several lives of a worker and given up; the others are processed."""

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
from tests.unit.cluster import JOBS, SETTINGS, TICKETS, Echo, StoppedClock, records

ANSWERS = TP("answers", 0)


class Killed(BaseException):
    """The end of the process, which no handler sees."""


class Poisoned(Echo):
    """A processor to which something happens when it processes a certain value."""

    def __init__(self, value: bytes, happens: Callable[[], None]) -> None:
        super().__init__()
        self._value = value
        self._happens = happens

    async def process(self, batches: Batches, now: int) -> None:
        if any(record.value == self._value for _, records_ in batches for record in records_):
            self._happens()
        await super().process(batches, now)


class Lives:
    """Owners of one partition number, one after another; by default none writes a checkpoint."""

    def __init__(self, values: Sequence[bytes], happens: Callable[[], None], *, poison: bytes = b"poison") -> None:
        self.kafka = SimulatedKafka()
        self._state = MemoryState()
        self._values = values
        for value in values:
            self.kafka.append(JOBS, b"", value)
            self.kafka.append(ANSWERS, b"", value)
        self.checkpoint_interval = 10**18
        self.topic = JOBS
        self.make_processor: Callable[[], Echo] = lambda: Poisoned(poison, happens)
        self.version = "1"
        self.clock = StoppedClock(0)
        self.attempts = SharedLock()
        self.deaths: list[BaseException] = []

    async def live(self) -> bool:
        """Have an owner process all values in one step, then idle; return whether it survives."""
        self.processor = self.make_processor()
        self.task = Task(
            0,
            self.processor,
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

    def outputs(self) -> list[bytes]:
        return [record.value or b"" for record in self.kafka.committed(TP("decisions", 0))]

    def attempt_logs(self) -> list[AttemptLog]:
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
    """Start owners until one survives; return its number."""
    for number in range(1, most + 1):
        if await lives.live():
            return number
    raise AssertionError(f"none of {most} survived: {lives.deaths}")


async def test_a_record_that_raises_is_refused_after_three_attempts_and_the_others_are_processed() -> None:
    lives = Lives(VALUES, raises)
    assert await lived(lives, 6) == 5
    assert set(lives.outputs()) == {b"a", b"b", b"c", b"jobs-0@2 internal: KeyError"}
    assert lives.outputs().count(b"jobs-0@2 internal: KeyError") == 1


async def test_a_death_names_the_record_and_the_error_but_quotes_nothing_of_the_event() -> None:
    lives = Lives(VALUES, raises)
    await lived(lives, 6)
    deaths = [str(death) for death in lives.deaths]
    assert deaths[0].startswith("jobs-0@0..3: KeyError (")
    assert deaths[0].endswith(")")
    for number in (1, 2, 3):
        assert deaths[number].startswith("jobs-0@2: KeyError (")
        assert deaths[number].endswith(f"), attempt {number} of 3")
    assert not any("98765" in line for line in deaths)


async def test_a_record_that_kills_is_refused_too() -> None:
    lives = Lives(VALUES, kills)
    assert await lived(lives, 6) == 6
    assert set(lives.outputs()) == {b"a", b"b", b"c", b"jobs-0@2 internal: the process ended"}


async def test_attempts_count_even_if_each_life_starts_with_another_record() -> None:
    lives = Lives([b"poison", b"a"], raises)
    for number in range(8):
        lives.topic = (JOBS, TICKETS)[number % 2]
        assert not await lives.live()
    deaths = [str(death).partition(": ")[0] for death in lives.deaths]
    assert deaths == ["jobs-0@0..1", "tickets-0@0..1", *["jobs-0@0", "tickets-0@0"] * 3]
    lives.topic = JOBS
    assert await lives.live()
    assert lives.outputs() == [b"jobs-0@0 internal: KeyError", b"a"]


async def test_another_version_starts_its_own_count_of_attempts() -> None:
    lives = Lives(VALUES, raises)
    assert not any([await lives.live() for _ in range(3)])
    lives.version = "2"
    assert await lived(lives, 6) == 4
    assert [str(death)[-6:] for death in lives.deaths[1:]] == ["1 of 3", "2 of 3", "1 of 3", "2 of 3", "3 of 3"]


async def test_no_record_is_blamed_for_kills_between_which_it_succeeded() -> None:
    plan = [b"a", b"a", b"c", b"a", b"a", b"c", b"a", b"a", b"nobody"]
    lives = Lives([b"a", b"b", b"c"], kills)
    lives.make_processor = lambda: Poisoned(plan[len(lives.deaths)], kills)
    assert await lived(lives, len(plan)) == len(plan)
    assert set(lives.outputs()) == {b"a", b"b", b"c"}


async def test_no_record_is_blamed_for_a_kill_by_another_task_of_the_process() -> None:
    class Slow(Echo):
        async def process(self, batches: Batches, now: int) -> None:
            for _ in range(10):
                await asyncio.sleep(0)
            await super().process(batches, now)

    innocent, guilty = Lives([b"a"], kills), Lives([b"poison"], kills)
    innocent.make_processor = Slow
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
    assert guilty.outputs() == [b"jobs-0@0 internal: the process ended"]
    assert set(innocent.outputs()) == {b"a"}


async def test_nothing_is_suspected_after_a_minute_without_a_death() -> None:
    lives = Lives([b"a", b"poison"], raises)
    lives.checkpoint_interval = 0
    assert not any([await lives.live() for _ in range(3)])
    lives.make_processor = Echo
    assert await lives.live()
    assert lives.attempt_logs()[-1].attempts
    while not lives.task.health.saves:
        await lives.task.step([])
        await asyncio.sleep(0)
    lives.clock.now = ISOLATE_US
    await lives.task.step([])
    assert not lives.attempt_logs()[-1].attempts


async def test_after_a_death_direct_records_are_processed_before_forwarded_ones() -> None:
    lives = Lives([b"a"], kills, poison=b"a")
    assert not await lives.live()
    lives.make_processor = Echo
    assert await lives.live()
    await lives.task.step([(ANSWERS, records(0, b"forwarded")), (JOBS, records(1, b"direct"))])
    assert lives.processor.processed == [b"a", b"direct", b"forwarded"]


async def test_no_record_is_blamed_for_a_store_that_does_not_answer() -> None:
    lives = Lives(VALUES, store_is_away)
    assert not any([await lives.live() for _ in range(8)])
    assert all(isinstance(death, Unavailable) for death in lives.deaths)
    assert b"internal" not in b"".join(lives.outputs())


async def test_no_record_is_blamed_for_an_output_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    add = SimulatedKafka.add

    def refuse(kafka: SimulatedKafka, transactional_id: str, epoch: int, record: Outgoing) -> int:
        if record.topic == "decisions":
            raise Fatal("decisions: a record too large")
        return add(kafka, transactional_id, epoch, record)

    lives = Lives([b"a"], raises)
    monkeypatch.setattr(SimulatedKafka, "add", refuse)
    assert not any([await lives.live() for _ in range(8)])
    monkeypatch.undo()
    assert await lives.live()
    assert lives.outputs() == [b"a"]


async def test_no_record_is_blamed_for_kills_while_others_are_processed_with_it() -> None:
    class Storm(Echo):
        async def process(self, batches: Batches, now: int) -> None:
            if sum(len(records_) for _, records_ in batches) > 1:
                raise Killed
            await super().process(batches, now)

    lives = Lives([b"%d" % number for number in range(60)], kills)
    lives.make_processor = Storm
    assert await lived(lives, 6) == 3
    assert lives.outputs() == [b"%d" % number for number in range(60)]


class Named(Echo):
    """A processor that evaluates names: those of the values processed, and those that are due from the beginning."""

    def __init__(self, due: Sequence[str], poison: Collection[str], happens: Callable[[], None]) -> None:
        super().__init__()
        self.quarantined: list[str] = []
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
            if name in self._poison and name not in self.quarantined:
                self._happens()
            self.evaluated.append(name)
        return await super().evaluate(now, positions, names)

    def quarantine(self, name: str) -> None:
        self.quarantined.append(name)


def named(
    values: Sequence[bytes], due: Sequence[str], happens: Callable[[], None], poison: Collection[str] = ("bad",)
) -> Lives:
    lives = Lives(values, happens)
    lives.make_processor = lambda: Named(due, poison, happens)
    return lives


@pytest.mark.parametrize(
    ("happens", "reason"), [(raises, "internal: KeyError"), (kills, "internal: the process ended")]
)
async def test_a_poison_name_is_quarantined_and_everything_else_continues(
    happens: Callable[[], None], reason: str
) -> None:
    lives = named([b"a"], ["x", "bad", "y"], happens)
    assert await lived(lives, 6) == (5 if happens is raises else 6)
    assert isinstance(lives.processor, Named)
    assert lives.processor.quarantined == ["bad"]
    assert set(lives.processor.evaluated) == {"a", "x", "y"}
    assert lives.outputs() == [b"a"]
    assert lives.task.progress().quarantined == {"bad": Quarantined(reason, "1")}


async def test_a_death_names_the_names_that_could_not_be_evaluated() -> None:
    lives = named([], ["x", "bad", "y"], raises)
    await lived(lives, 6)
    deaths = [str(death) for death in lives.deaths]
    assert deaths[0].startswith("x, bad, y: KeyError (")
    assert deaths[3].startswith("bad: KeyError (")
    assert deaths[3].endswith("), attempt 3 of 3")


@pytest.mark.parametrize("saves", [True, False])
async def test_a_quarantined_name_stays_so_for_later_owners(saves: bool) -> None:
    lives = named([b"a"], ["bad"], raises)
    await lived(lives, 6)
    if saves:
        await lives.task.stop()
    assert await lives.live()
    assert isinstance(lives.processor, Named)
    assert lives.processor.quarantined == ["bad"]
    assert "bad" in lives.task.progress().quarantined


async def test_a_fault_after_an_answer_is_blamed_on_the_name_and_not_on_the_answer() -> None:
    lives = named([b"a", b"bad", b"c"], [], raises)
    lives.topic = ANSWERS
    assert await lived(lives, 7) == 6
    assert isinstance(lives.processor, Named)
    assert lives.processor.quarantined == ["bad"]
    assert set(lives.outputs()) == {b"a", b"bad", b"c"}


async def test_a_fault_after_recovery_is_blamed_on_the_name_and_not_on_the_first_record() -> None:
    class Restores(Named):
        """A processor of which recovery touches a name."""

        async def begin(self, counts: Mapping[str, Mapping[str, int]] | None) -> None:
            await super().begin(counts)
            self._touched.append("bad")

    lives = named([b"a"], [], raises)
    lives.make_processor = lambda: Restores([], ["bad"], raises)
    assert await lived(lives, 6) == 5
    assert isinstance(lives.processor, Restores)
    assert lives.processor.quarantined == ["bad"]
    assert lives.outputs() == [b"a"]


async def test_a_death_after_a_checkpoint_is_found_too() -> None:
    class Later(Named):
        """Its names are due only after a checkpoint, in every life."""

        async def due(self, now: int, limit: int) -> Sequence[str]:
            self.asked += 1
            return await super().due(now, limit) if self.asked > 1 else ()

        asked = 0

    lives = named([b"a"], [], kills)
    lives.checkpoint_interval = 0
    lives.make_processor = lambda: Later(["bad"], ["bad"], kills)
    assert await lived(lives, 6) == 5
    assert isinstance(lives.processor, Later)
    assert lives.processor.quarantined == ["bad"]


async def test_another_version_tries_quarantined_names_again() -> None:
    lives = named([], ["bad"], raises)
    await lived(lives, 6)
    lives.make_processor = lambda: Named([], [], raises)
    lives.version = "2"
    assert await lives.live()
    assert isinstance(lives.processor, Named)
    assert lives.processor.evaluated == ["bad"]
    assert lives.task.progress().quarantined == {}


async def test_when_too_many_names_are_quarantined_the_worker_itself_is_broken() -> None:
    names = [f"bad{number}" for number in range(QUARANTINED_MAX + 1)]
    lives = named([], names, raises, names)
    assert not any([await lives.live() for _ in range(6 * QUARANTINED_MAX)])
    assert f"; {QUARANTINED_MAX} names are quarantined already" in str(lives.deaths[-1])


async def test_a_fault_of_a_name_touched_before_is_not_blamed_on_the_last_record() -> None:
    lives = named([b"a", b"bad", b"c"], [], raises, poison=[])
    assert await lives.live()
    lives.make_processor = lambda: Named([], ["bad"], raises)
    assert await lived(lives, 6) == 5
    assert isinstance(lives.processor, Named)
    assert lives.processor.quarantined == ["bad"]
    assert b"internal" not in b"".join(lives.outputs())
