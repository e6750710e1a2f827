"""A record that a worker cannot survive is found over some lives, refused, and the others are taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from schemas.errors import Fatal, Unavailable
from streams.ports import TP, Outgoing, Stored
from streams.stores.memory import MemoryState, MemoryStore
from streams.task.suspects import Note, Suspects, ranges_of
from streams.task.task import Task
from streams.task.work import Batches
from tests.simulation.kafka import SimulatedKafka, SimulatedLog, SimulatedPublisher
from tests.unit.test_task import JOBS, SETTINGS, TICKETS, Repeats, StoppedClock, records


class Killed(BaseException):
    """What no handler sees: the process is gone."""


class Poisoned(Repeats):
    """Work that something happens to when it takes a certain value."""

    def __init__(self, value: bytes, happens: Callable[[], None]) -> None:
        super().__init__()
        self._value = value
        self._happens = happens

    async def take(self, batches: Batches) -> None:
        if any(record.value == self._value for _, records_ in batches for record in records_):
            self._happens()
        await super().take(batches)


class Lives:
    """Owners of one partition number, one after another; none writes a checkpoint."""

    def __init__(self, values: Sequence[bytes], happens: Callable[[], None], *, poison: bytes = b"poison") -> None:
        self.kafka = SimulatedKafka()
        self._state = MemoryState()
        self._values = values
        self._poison = poison
        self._happens = happens
        self.work = Poisoned(poison, happens)
        self.deaths: list[BaseException] = []

    async def live(self) -> bool:
        """Have an owner take all values in one step; return whether it survives."""
        self.work = Poisoned(self._poison, self._happens)
        task = Task(
            0,
            self.work,
            replace(SETTINGS, checkpoint_interval=10**18),
            publisher=SimulatedPublisher(self.kafka, "sop-0"),
            log=SimulatedLog(self.kafka),
            store=MemoryStore(self._state),
            clock=StoppedClock(0),
        )
        try:
            await task.recover()
            await task.step([(JOBS, records(0, *self._values))])
        except (Fatal, Unavailable, Killed) as death:
            self.deaths.append(death)
            return False
        return True

    def said(self) -> list[bytes | None]:
        return [record.value for record in self.kafka.committed(TP("said", 0))]


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
    assert await lived(lives, 6) == 4
    assert set(lives.said()) == {b"a", b"b", b"c", b"jobs-0@2 internal: KeyError"}
    assert lives.said().count(b"jobs-0@2 internal: KeyError") == 1


async def test_a_death_names_the_record_and_the_error_but_nothing_that_the_event_says() -> None:
    lives = Lives(VALUES, raises)
    await lived(lives, 6)
    told = [str(death) for death in lives.deaths]
    assert told[0].startswith("jobs-0@0..3: KeyError (")
    assert told[0].endswith("), attempt 1 of 3")
    assert told[1].startswith("jobs-0@2: KeyError (")
    assert told[2].endswith("), attempt 3 of 3")
    assert not any("98765" in line for line in told)


async def test_a_record_that_kills_is_refused_too() -> None:
    lives = Lives(VALUES, kills)
    assert await lived(lives, 6) == 5
    assert set(lives.said()) == {b"a", b"b", b"c", b"jobs-0@2 internal: the process ended"}


async def test_no_record_is_blamed_for_a_store_that_does_not_answer() -> None:
    lives = Lives(VALUES, store_is_away)
    assert not any([await lives.live() for _ in range(8)])
    assert all(isinstance(death, Unavailable) for death in lives.deaths)
    assert b"internal" not in b"".join(each or b"" for each in lives.said())


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


BATCHES = [(JOBS, records(0, *(b"%d" % number for number in range(5)))), (TICKETS, records(7, b"x", b"y"))]


@pytest.mark.parametrize(
    ("ranges", "portions"),
    [
        ({}, [{"jobs-0": (0, 5), "tickets-0": (7, 9)}]),
        ({"jobs-0": (1, 3)}, [{"jobs-0": (0, 1)}, {"jobs-0": (1, 2)}, {"jobs-0": (2, 3)}, "rest"]),
        ({"jobs-0": (0, 9)}, [*({"jobs-0": (at, at + 1)} for at in range(5)), {"tickets-0": (7, 9)}]),
        ({"tickets-0": (7, 8)}, [{"tickets-0": (7, 8)}, {"jobs-0": (0, 5), "tickets-0": (8, 9)}]),
        ({"jobs-0": (90, 91)}, [{"jobs-0": (0, 5)}, {"tickets-0": (7, 9)}]),
    ],
)
def test_suspects_are_portions_of_their_own(ranges: dict[str, tuple[int, int]], portions: list[object]) -> None:
    suspects = Suspects()
    suspects.recall(Note(ranges, 1))
    rest = {"jobs-0": (3, 5), "tickets-0": (7, 9)}
    found = [ranges_of(portion) for portion in suspects.portions(BATCHES)]
    assert found == [rest if each == "rest" else each for each in portions]


def test_nothing_at_hand_is_one_portion() -> None:
    suspects = Suspects()
    suspects.recall(Note({"jobs-0": (1, 2)}, 1))
    assert list(suspects.portions([])) == [[]]


def test_the_records_of_a_portion_may_be_stored_ones() -> None:
    assert ranges_of([(JOBS, [Stored(3, None, None), Stored(9, None, None)])]) == {"jobs-0": (3, 10)}
