"""What is suspected, in which portions it is done, and when suspicion ends."""

from __future__ import annotations

import pytest

from streams.runtime.poison_isolation import (
    NAMES_MAX,
    SINGLES_MAX,
    WIDE_MAX,
    AttemptLog,
    Chunk,
    PoisonIsolation,
    Suspect,
    pack_attempt_log,
    ranges_of,
    suspect_of,
)
from streams.runtime.ports import Stored
from tests.unit.test_task import JOBS, TICKETS, records

BATCHES = [(JOBS, records(0, *(b"%d" % number for number in range(5)))), (TICKETS, records(7, b"x", b"y"))]

SINGLE = Suspect({"jobs-0": (1, 2)}, 1, attempts=1)


def suspecting(*suspects: Suspect, version: str = "1") -> PoisonIsolation:
    found = PoisonIsolation("1")
    found.recall(AttemptLog(version, suspects))
    return found


@pytest.mark.parametrize(
    ("known", "chunks"),
    [
        ([], [{"jobs-0": (0, 5), "tickets-0": (7, 9)}]),
        (
            [Suspect({"jobs-0": (1, 3)}, 2)],
            [{"jobs-0": (0, 1)}, {"jobs-0": (1, 2)}, {"jobs-0": (2, 3)}, {"jobs-0": (3, 5), "tickets-0": (7, 9)}],
        ),
        ([Suspect({"jobs-0": (0, 9)}, 9)], [*({"jobs-0": (at, at + 1)} for at in range(5)), {"tickets-0": (7, 9)}]),
        (
            [Suspect({"jobs-0": (0, 9)}, 65)],
            [{"jobs-0": (0, 2)}, {"jobs-0": (2, 4)}, {"jobs-0": (4, 5)}, {"tickets-0": (7, 9)}],
        ),
        ([Suspect({"jobs-0": (0, 9)}, 900)], [{"jobs-0": (0, 5)}, {"tickets-0": (7, 9)}]),
        (
            [Suspect({"jobs-0": (4, 9), "tickets-0": (0, 8)}, 99)],
            [{"jobs-0": (0, 4)}, {"jobs-0": (4, 5)}, {"tickets-0": (7, 8)}, {"tickets-0": (8, 9)}],
        ),
        (
            [Suspect({"tickets-0": (7, 8)}, 1)],
            [{"jobs-0": (0, 5)}, {"tickets-0": (7, 8)}, {"tickets-0": (8, 9)}],
        ),
        (
            [Suspect({"jobs-0": (0, 9)}, 900), SINGLE],
            [{"jobs-0": (0, 1)}, {"jobs-0": (1, 2)}, {"jobs-0": (2, 5)}, {"tickets-0": (7, 9)}],
        ),
        ([Suspect({"jobs-0": (90, 91)}, 1)], [{"jobs-0": (0, 5), "tickets-0": (7, 9)}]),
    ],
)
def test_suspects_are_done_in_chunks_of_which_a_64th_of_them_is_one(known: list[Suspect], chunks: list[object]) -> None:
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
    suspects = suspecting(*(Suspect({}, 0, names) for names in known))
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
    assert suspect_of(chunk, 2).attempts == attempts


def test_nothing_at_hand_is_one_portion() -> None:
    assert [chunk.batches for chunk in suspecting(SINGLE).chunks([])] == [[]]


ALONE = Chunk([(JOBS, records(1, b"x"))])


@pytest.mark.parametrize(
    ("known", "read_to", "remains"),
    [
        (SINGLE, 2, False),
        (SINGLE, 1, True),
        (Suspect({"jobs-0": (0, 9)}, 9), 8, True),
        (Suspect({"jobs-0": (0, 9)}, 9), 9, False),
        (Suspect({"jobs-0": (1, 2)}, 1, attempts=2, error="KeyError"), 2, True),
        (Suspect({"jobs-0": (1, 2)}, 1, attempts=3, error="KeyError"), 2, False),
        (Suspect({}, 0, ("a", "b")), 2, True),
    ],
)
def test_what_went_well_is_suspected_no_more_unless_it_raised_before(
    known: Suspect, read_to: int, remains: bool
) -> None:
    suspects = suspecting(known)
    suspects.went_well(ALONE, {"jobs-0": read_to})
    assert suspects.note().suspects == ((known,) if remains else ())


def test_names_that_went_well_one_by_one_are_suspected_no_more() -> None:
    suspects = suspecting(Suspect({}, 0, ("a", "b")))
    suspects.went_well(Chunk([], ["a"]), {})
    assert suspects.note().suspects
    suspects.went_well(Chunk([], ["b"]), {})
    assert not suspects.note().suspects


def test_attempts_go_on_when_what_went_well_once_is_done_again() -> None:
    suspects = suspecting(SINGLE)
    suspects.went_well(ALONE, {"jobs-0": 2})
    again = suspects.next_of(ALONE)
    assert again == Suspect({"jobs-0": (1, 2)}, 1, attempts=2)
    assert suspects.note(again).suspects == (again,)


def test_what_a_checkpoint_holds_is_suspected_no_more() -> None:
    suspects = suspecting(SINGLE, Suspect({"jobs-0": (0, 9)}, 9), Suspect({}, 0, ("a",)))
    suspects.begin({"jobs-0": 2}, 0)
    assert suspects.note().suspects == (Suspect({"jobs-0": (0, 9)}, 9), Suspect({}, 0, ("a",)))


def test_attempts_by_another_version_do_not_count() -> None:
    assert suspecting(SINGLE).next_of(ALONE) == Suspect({"jobs-0": (1, 2)}, 1, attempts=2)
    assert suspecting(SINGLE, version="2").next_of(ALONE) == Suspect({"jobs-0": (1, 2)}, 1, attempts=1)


def test_a_note_carries_the_latest_suspects_only() -> None:
    singles = [Suspect({"jobs-0": (at, at + 1)}, 1, attempts=1) for at in range(SINGLES_MAX + 5)]
    wide = [Suspect({"jobs-0": (at, at + 9)}, 9) for at in range(WIDE_MAX + 5)]
    noted = suspecting(*singles, *wide).note(singles[0]).suspects
    assert set(map(repr, noted)) == set(map(repr, [*singles[6:], singles[0], *wide[5:]]))


def test_a_note_carries_so_many_names_only_that_it_fits_into_a_record() -> None:
    wide = [Suspect({}, 0, tuple(f"case:{'x' * 250}{at}-{name}" for name in range(NAMES_MAX))) for at in range(4)]
    note = suspecting(*wide).note()
    assert note.suspects == tuple(wide[2:])
    assert len(pack_attempt_log(note)) < 1_000_000


def test_the_records_of_a_portion_may_be_stored_ones() -> None:
    assert ranges_of([(JOBS, [Stored(3, None, None), Stored(9, None, None)])]) == {"jobs-0": (3, 10)}
