"""Which attempts are suspected, how that splits records and names into chunks, and when suspicion ends."""

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
from tests.unit.cluster import JOBS, TICKETS, records

BATCHES = [(JOBS, records(0, *(b"%d" % number for number in range(5)))), (TICKETS, records(7, b"x", b"y"))]

SINGLE = Attempt({"jobs-0": (1, 2)}, 1, number=1)


def isolation_of(*attempts: Attempt, version: str = "1") -> PoisonIsolation:
    found = PoisonIsolation("1")
    found.restore(AttemptLog(version, attempts))
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
def test_a_suspected_chunk_is_split_into_64_parts(known: list[Attempt], chunks: list[object]) -> None:
    found = [ranges_of(chunk.batches) for chunk in isolation_of(*known).chunks(BATCHES)]
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
    isolation = isolation_of(*(Attempt({}, 0, names) for names in known))
    assert ["".join(chunk.names) for chunk in isolation.name_chunks("abcd")] == chunks


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
def test_attempts_count_at_a_single_record_or_name(chunk: Chunk, attempts: int) -> None:
    assert Attempt.of(chunk, 2).number == attempts


def test_no_records_make_one_empty_chunk() -> None:
    assert [chunk.batches for chunk in isolation_of(SINGLE).chunks([])] == [[]]


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
def test_a_chunk_that_is_done_is_suspected_no_more_unless_it_raised_before(
    known: Attempt, read_to: int, remains: bool
) -> None:
    isolation = isolation_of(known)
    isolation.mark_done(ALONE, {"jobs-0": read_to})
    assert isolation.log().attempts == ((known,) if remains else ())


def test_names_that_are_done_one_by_one_are_suspected_no_more() -> None:
    isolation = isolation_of(Attempt({}, 0, ("a", "b")))
    isolation.mark_done(Chunk([], ["a"]), {})
    assert isolation.log().attempts
    isolation.mark_done(Chunk([], ["b"]), {})
    assert not isolation.log().attempts


def test_attempts_are_counted_on_when_a_done_record_is_tried_again() -> None:
    isolation = isolation_of(SINGLE)
    isolation.mark_done(ALONE, {"jobs-0": 2})
    again = isolation.next_attempt(ALONE)
    assert again == Attempt({"jobs-0": (1, 2)}, 1, number=2)
    assert isolation.log(again).attempts == (again,)


def test_records_in_a_checkpoint_are_suspected_no_more() -> None:
    isolation = isolation_of(SINGLE, Attempt({"jobs-0": (0, 9)}, 9), Attempt({}, 0, ("a",)))
    isolation.begin({"jobs-0": 2}, 0)
    assert isolation.log().attempts == (Attempt({"jobs-0": (0, 9)}, 9), Attempt({}, 0, ("a",)))


def test_attempts_by_another_version_do_not_count() -> None:
    assert isolation_of(SINGLE).next_attempt(ALONE) == Attempt({"jobs-0": (1, 2)}, 1, number=2)
    assert isolation_of(SINGLE, version="2").next_attempt(ALONE) == Attempt({"jobs-0": (1, 2)}, 1, number=1)


def test_the_log_has_the_latest_attempts_only() -> None:
    singles = [Attempt({"jobs-0": (at, at + 1)}, 1, number=1) for at in range(SINGLES_MAX + 5)]
    wide = [Attempt({"jobs-0": (at, at + 9)}, 9) for at in range(WIDE_MAX + 5)]
    logged = isolation_of(*singles, *wide).log(singles[0]).attempts
    assert set(map(repr, logged)) == set(map(repr, [*singles[6:], singles[0], *wide[5:]]))


def test_the_log_has_few_enough_names_for_a_record() -> None:
    wide = [Attempt({}, 0, tuple(f"case:{'x' * 250}{at}-{name}" for name in range(NAMES_MAX))) for at in range(4)]
    log = isolation_of(*wide).log()
    assert log.attempts == tuple(wide[2:])
    assert len(pack_attempt_log(log)) < 1_000_000


def test_ranges_run_from_the_first_offset_to_the_end() -> None:
    assert ranges_of([(JOBS, [Stored(3, None, None), Stored(9, None, None)])]) == {"jobs-0": (3, 10)}
