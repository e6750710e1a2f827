"""Which refused records may be sent again and how often, and how a terminal shows them."""

from __future__ import annotations

import msgspec
import pytest

from agents.sops import catalogue
from schemas.outputs import DeadLetter
from streams.operations.dead_letters import REDRIVES_HEADER, DeadLetterRecord, Selection, plan_redrive
from streams.terminal.printable import printable_bytes

TOPICS = catalogue.topics("x.")


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


def test_records_are_sent_in_the_order_of_their_offsets() -> None:
    found = plan_redrive([dead_letter(7, value=b"7"), dead_letter(3, value=b"3")], TOPICS, 3)
    assert [each.dead_letter.offset for each in found.sent] == [3, 7]
    assert found.kept == []


def test_a_record_refused_again_is_sent_once_with_its_latest_count() -> None:
    found = plan_redrive([dead_letter(3), dead_letter(9, redrives=b"1"), dead_letter(5, value=b"other")], TOPICS, 3)
    assert [(each.dead_letter.offset, each.redrives) for each in found.sent] == [(5, 0), (9, 1)]


def test_null_and_empty_values_are_different_records() -> None:
    found = plan_redrive([dead_letter(3, value=None), dead_letter(5, value=b"")], TOPICS, 3)
    assert [each.dead_letter.value for each in found.sent] == [None, b""]


def test_a_record_sent_as_often_as_allowed_is_kept() -> None:
    found = plan_redrive([dead_letter(3), dead_letter(9, redrives=b"3")], TOPICS, 3)
    assert found.sent == []
    assert [(each.dead_letter.offset, why) for each, why in found.kept] == [(9, "already sent again 3 times")]


def test_a_truncated_record_is_kept() -> None:
    cut = [
        DeadLetterRecord(each.place, msgspec.structs.replace(each.dead_letter, value_bytes=size))
        for each, size in ((dead_letter(3), 1 << 30), (dead_letter(5, value=None), 0))
    ]
    found = plan_redrive([*cut, dead_letter(9)], TOPICS, 3)
    assert [each.dead_letter.offset for each in found.sent] == [9]
    why = "the dead letter has only the beginning of the record"
    assert [(each.dead_letter.offset, reason) for each, reason in found.kept] == [(3, why), (5, why)]


@pytest.mark.parametrize("topic", ["jobs", "x.actions", "x.internal.cases", "other"])
def test_only_input_topics_are_sent_to(topic: str) -> None:
    found = plan_redrive([dead_letter(3, topic=topic)], TOPICS, 3)
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
    ("selection", "included"),
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
def test_a_selection_includes_what_meets_all_criteria(selection: Selection, included: bool) -> None:
    assert selection.includes(dead_letter(3, reason="data.site.lat: missing"), "x.") is included


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Žofie 🙂".encode(), "Žofie 🙂"),
        (b"a\xff", "a\\xff"),
        (b"a\nsop: all is well\x1b[2J\r", "a\\nsop: all is well\\x1b[2J\\r"),
        ("\u202egnp.exe".encode(), "\\u202egnp.exe"),
    ],
)
def test_control_characters_are_escaped_for_a_terminal(value: bytes, shown: str) -> None:
    assert printable_bytes(value) == shown
