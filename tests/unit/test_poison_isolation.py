"""What is suspected, in which portions it is done, and when suspicion ends."""

from __future__ import annotations

import pytest

from streams.runtime.poison_isolation import (
    NAMES_MAX,
    SINGLES_MAX,
    WIDE_MAX,
    Attempt,
    AttemptLog,
    Chunk,
    PoisonIsolation,
    pack_attempt_log,
    ranges_of,
)
from streams.runtime.ports import Stored
from tests.unit.test_task import JOBS, TICKETS, records

BATCHES = [(JOBS, records(0, *(b"%d" % number for number in range(5)))), (TICKETS, records(7, b"x", b"y"))]

SINGLE = Attempt({"jobs-0": (1, 2)}, 1, number=1)


def suspecting(*suspects: Attempt, version: str = "1") -> PoisonIsolation:
    found = PoisonIsolation("1")
    found.restore(AttemptLog(version, suspects))
    return found


@pytest.mark.parametrize(
    ("known", "chunks"),
    [
        ([], [{"jobs-0": (0, 5), "tickets-0": (7, 9)}]),
        (
            [Attempt({"jobs-0": (1, 3)}, 2)],
            [{"jobs-0": (0, 1)}, {"jobs-0": (1, 2)}, {"jobs-0": (2, 3)}, {"jobs-0": (3, 5), "tickets-0": (7, 9)}],
        ),
        ([Attempt({"jobs-0": (0, 9)}, 9)], [*({"jobs-0": (at, at + 1)} for at in range(5)), {"tickets-0": (7, 9)}]),
        (
            [Attempt({"jobs-0": (0, 9)}, 65)],
            [{"jobs-0": (0, 2)}, {"jobs-0": (2, 4)}, {"jobs-0": (4, 5)}, {"tickets-0": (7, 9)}],
        ),
        ([Attempt({"jobs-0": (0, 9)}, 900)], [{"jobs-0": (0, 5)}, {"tickets-0": (7, 9)}]),
        (
            [Attempt({"jobs-0": (4, 9), "tickets-0": (0, 8)}, 99)],
            [{"jobs-0": (0, 4)}, {"jobs-0": (4, 5)}, {"tickets-0": (7, 8)}, {"tickets-0": (8, 9)}],
        ),
        (
            [Attempt({"tickets-0": (7, 8)}, 1)],
            [{"jobs-0": (0, 5)}, {"tickets-0": (7, 8)}, {"tickets-0": (8, 9)}],
        ),
        (
            [Attempt({"jobs-0": (0, 9)}, 900), SINGLE],
            [{"jobs-0": (0, 1)}, {"jobs-0": (1, 2)}, {"jobs-0": (2, 5)}, {"tickets-0": (7, 9)}],
        ),
        ([Attempt({"jobs-0": (90, 91)}, 1)], [{"jobs-0": (0, 5), "tickets-0": (7, 9)}]),
    ],
)
def test_suspects_are_done_in_chunks_of_which_a_64th_of_them_is_one(known: list[Attempt], chunks: list[object]) -> None:
    found = [ranges_of(chunk.batches) for chunk in suspecting(*known).chunks(BATCHES)]
    assert found == chunks


@pytest.mark.parametrize(
    ("known", "chunks"),
    [
        ([], ["abcd"]),
        ([("b", "d", "x")], ["b", "d", "ac"]),
        ([("d",), ("b", "x")], ["b", "d", "ac"]),
        ([tuple("abc" + "x" * 90)], ["ab", "c", "d"]),
        ([(*"abc", *map(str, range(90))), ("c",)], ["c", "ab", "d"]),
    ],
)
def test_suspected_names_come_first(known: list[tuple[str, ...]], chunks: list[str]) -> None:
    suspects = suspecting(*(Attempt({}, 0, names) for names in known))
    assert ["".join(chunk.names) for chunk in suspects.name_chunks("abcd")] == chunks


@pytest.mark.parametrize(
    ("chunk", "attempts"),
    [
        (Chunk([(JOBS, records(3, b"x"))]), 2),
        (Chunk([], ["a"]), 2),
        (Chunk([(JOBS, records(3, b"x", b"y"))]), 0),
        (Chunk([], ["a", "b"]), 0),
        (Chunk([(JOBS, records(3, b"x"))], ["a"]), 0),
    ],
)
def test_attempts_count_at_what_is_alone(chunk: Chunk, attempts: int) -> None:
    assert Attempt.of(chunk, 2).number == attempts


def test_nothing_at_hand_is_one_portion() -> None:
    assert [chunk.batches for chunk in suspecting(SINGLE).chunks([])] == [[]]


ALONE = Chunk([(JOBS, records(1, b"x"))])


@pytest.mark.parametrize(
    ("known", "read_to", "remains"),
    [
        (SINGLE, 2, False),
        (SINGLE, 1, True),
        (Attempt({"jobs-0": (0, 9)}, 9), 8, True),
        (Attempt({"jobs-0": (0, 9)}, 9), 9, False),
        (Attempt({"jobs-0": (1, 2)}, 1, number=2, error="KeyError"), 2, True),
        (Attempt({"jobs-0": (1, 2)}, 1, number=3, error="KeyError"), 2, False),
        (Attempt({}, 0, ("a", "b")), 2, True),
    ],
)
def test_what_went_well_is_suspected_no_more_unless_it_raised_before(
    known: Attempt, read_to: int, remains: bool
) -> None:
    suspects = suspecting(known)
    suspects.mark_done(ALONE, {"jobs-0": read_to})
    assert suspects.log().attempts == ((known,) if remains else ())


def test_names_that_went_well_one_by_one_are_suspected_no_more() -> None:
    suspects = suspecting(Attempt({}, 0, ("a", "b")))
    suspects.mark_done(Chunk([], ["a"]), {})
    assert suspects.log().attempts
    suspects.mark_done(Chunk([], ["b"]), {})
    assert not suspects.log().attempts


def test_attempts_go_on_when_what_went_well_once_is_done_again() -> None:
    suspects = suspecting(SINGLE)
    suspects.mark_done(ALONE, {"jobs-0": 2})
    again = suspects.next_attempt(ALONE)
    assert again == Attempt({"jobs-0": (1, 2)}, 1, number=2)
    assert suspects.log(again).attempts == (again,)


def test_what_a_checkpoint_holds_is_suspected_no_more() -> None:
    suspects = suspecting(SINGLE, Attempt({"jobs-0": (0, 9)}, 9), Attempt({}, 0, ("a",)))
    suspects.begin({"jobs-0": 2}, 0)
    assert suspects.log().attempts == (Attempt({"jobs-0": (0, 9)}, 9), Attempt({}, 0, ("a",)))


def test_attempts_by_another_version_do_not_count() -> None:
    assert suspecting(SINGLE).next_attempt(ALONE) == Attempt({"jobs-0": (1, 2)}, 1, number=2)
    assert suspecting(SINGLE, version="2").next_attempt(ALONE) == Attempt({"jobs-0": (1, 2)}, 1, number=1)


def test_a_note_carries_the_latest_suspects_only() -> None:
    singles = [Attempt({"jobs-0": (at, at + 1)}, 1, number=1) for at in range(SINGLES_MAX + 5)]
    wide = [Attempt({"jobs-0": (at, at + 9)}, 9) for at in range(WIDE_MAX + 5)]
    noted = suspecting(*singles, *wide).log(singles[0]).attempts
    assert set(map(repr, noted)) == set(map(repr, [*singles[6:], singles[0], *wide[5:]]))


def test_a_note_carries_so_many_names_only_that_it_fits_into_a_record() -> None:
    wide = [Attempt({}, 0, tuple(f"case:{'x' * 250}{at}-{name}" for name in range(NAMES_MAX))) for at in range(4)]
    note = suspecting(*wide).log()
    assert note.attempts == tuple(wide[2:])
    assert len(pack_attempt_log(note)) < 1_000_000


def test_the_records_of_a_portion_may_be_stored_ones() -> None:
    assert ranges_of([(JOBS, [Stored(3, None, None), Stored(9, None, None)])]) == {"jobs-0": (3, 10)}
