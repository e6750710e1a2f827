"""Which refused records may be sent again, how often, and what a terminal is shown of them."""

from __future__ import annotations

import msgspec
import pytest

from schemas.outputs import DeadLetter
from schemas.topics import Topics
from streams.operations.dead_letters import REDRIVES_HEADER, DeadLetterRecord, Selection, redrive_of
from streams.terminal.printable import printable_bytes

TOPICS = Topics("x.")


def dead_letter(
    offset: int,
    *,
    topic: str = "x.jobs",
    value: bytes | None = b"{}",
    reason: str = "id: missing",
    redrives: bytes = b"",
) -> DeadLetterRecord:
    headers = (("ce_id", b"e"), *(((REDRIVES_HEADER, redrives),) if redrives else ()))
    return DeadLetterRecord(
        f"x.dead-letters-0@{offset}",
        DeadLetter(topic=topic, partition=0, offset=offset, reason=reason, value=value, key=b"k", headers=headers),
    )


def test_records_are_sent_in_their_order() -> None:
    found = redrive_of([dead_letter(7, value=b"7"), dead_letter(3, value=b"3")], TOPICS, 3)
    assert [each.dead_letter.offset for each in found.sent] == [3, 7]
    assert found.kept == []


def test_a_record_refused_again_is_sent_once_from_its_latest_letter() -> None:
    found = redrive_of([dead_letter(3), dead_letter(9, redrives=b"1"), dead_letter(5, value=b"other")], TOPICS, 3)
    assert [(each.dead_letter.offset, each.redrives) for each in found.sent] == [(5, 0), (9, 1)]


def test_a_record_without_value_and_one_with_an_empty_one_are_two() -> None:
    found = redrive_of([dead_letter(3, value=None), dead_letter(5, value=b"")], TOPICS, 3)
    assert [each.dead_letter.value for each in found.sent] == [None, b""]


def test_a_record_sent_as_often_as_allowed_is_kept_whatever_its_first_letter_says() -> None:
    found = redrive_of([dead_letter(3), dead_letter(9, redrives=b"3")], TOPICS, 3)
    assert found.sent == []
    assert [(each.dead_letter.offset, why) for each, why in found.kept] == [(9, "was sent again 3 times already")]


def test_a_record_of_which_only_the_beginning_is_there_is_kept() -> None:
    cut = [
        DeadLetterRecord(each.place, msgspec.structs.replace(each.dead_letter, value_bytes=size))
        for each, size in ((dead_letter(3), 1 << 30), (dead_letter(5, value=None), 0))
    ]
    found = redrive_of([*cut, dead_letter(9)], TOPICS, 3)
    assert [each.dead_letter.offset for each in found.sent] == [9]
    why = "the dead letter has only the beginning of it"
    assert [(each.dead_letter.offset, told) for each, told in found.kept] == [(3, why), (5, why)]


@pytest.mark.parametrize("topic", ["jobs", "x.actions", "x.internal.cases", "other"])
def test_nothing_is_sent_to_a_topic_that_is_no_input(topic: str) -> None:
    found = redrive_of([dead_letter(3, topic=topic)], TOPICS, 3)
    assert found.sent == []
    assert len(found.kept) == 1


@pytest.mark.parametrize(
    ("value", "count"), [(b"", 0), (b"2", 2), (b"-2", 0), (b"two", 0), (b"\xb2", 0), (b"9" * 5000, 0)]
)
def test_the_count_of_redrives_is_read_from_its_header(value: bytes, count: int) -> None:
    each = dead_letter(3, redrives=value)
    assert each.redrives == count
    assert each.headers == [("ce_id", b"e")]


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        (Selection(), True),
        (Selection(topic="jobs"), True),
        (Selection(topic="tickets"), False),
        (Selection(cause="data.site.lat"), True),
        (Selection(cause="data"), False),
        (Selection(origins=frozenset(["x.jobs-0@3"])), True),
        (Selection(origins=frozenset(["x.jobs-0@33"])), False),
        (Selection(topic="jobs", cause="type"), False),
    ],
)
def test_a_selection_takes_what_meets_all_that_it_says(selection: Selection, taken: bool) -> None:
    assert selection.takes(dead_letter(3, reason="data.site.lat: missing"), "x.") is taken


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Žofie 🙂".encode(), "Žofie 🙂"),
        (b"a\xff", "a\\xff"),
        (b"a\nsop: all is well\x1b[2J\r", "a\\nsop: all is well\\x1b[2J\\r"),
        ("\u202egnp.exe".encode(), "\\u202egnp.exe"),
    ],
)
def test_a_terminal_is_shown_nothing_that_could_move_its_cursor(value: bytes, shown: str) -> None:
    assert printable_bytes(value) == shown
