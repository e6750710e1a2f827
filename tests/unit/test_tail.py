"""What `sop tail` prints of a record, in words and as JSON."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from agents.sops import catalogue
from schemas.codec.encoder import encode_dead_letter
from schemas.codec.limits import Limits
from schemas.errors import UsageError
from schemas.outputs import DeadLetter
from streams.operations.tail import json_line, subject, tailed_topics, text_line
from streams.runtime.ports import Stored
from tests.scenario import Scenario

TOPICS = catalogue.topics("p.")
CASE = Scenario().booked().assigned().line_item("09:30", "200.00").report("10:00", 43).ticket("10:00").image("10:05")


def text_of(topic: str, value: bytes | None, headers: tuple[tuple[str, bytes | None], ...] = ()) -> str:
    return text_line(f"p.{topic}", Stored(7, b"k", value, headers), TOPICS, Limits())


def output(kind: str) -> bytes:
    """Return the first message of a type that the case leads to."""
    return next(json.dumps(each).encode() for each in CASE.messages() if each["type"] == kind)


@pytest.mark.parametrize("name", ["jobs", "p.jobs"])
def test_topics_are_named_with_or_without_the_prefix(name: str) -> None:
    assert tailed_topics((name, "decisions.latest", name), TOPICS, "p.") == ("p.jobs", "p.decisions.latest")


def test_without_a_name_the_outputs_are_shown() -> None:
    assert tailed_topics((), TOPICS, "p.") == TOPICS.outputs


def test_an_unknown_topic_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"^job: no such topic; did you mean jobs\?; the topics are jobs, tickets, "):
        tailed_topics(("job",), TOPICS, "p.")


def test_a_fact_is_described_without_personal_data() -> None:
    booked = CASE.lines()[0]
    time, topic, case, kind, ref, fields = text_of("jobs", booked).split("  ")
    assert (time, topic, case, kind, ref) == ("2026-11-21T08:00:00Z", "p.jobs", "job-1", "job.booked", "/s#booked")
    assert "city=Delhi" in fields
    assert "site" not in fields


def test_a_decision_is_described_with_reasons_and_clauses() -> None:
    time, topic, case, text = text_of("decisions.tagging", output("decision.tagging")).split("  ")
    assert (time, topic, case) == ("2026-11-21T10:00:00Z", "p.decisions.tagging", "job-1")
    assert text == ("decision tagging, revision 1: partner_led_cancellation/out_of_scope, provisional, for p1 [OOS-5]")


def test_an_action_is_described() -> None:
    assert text_of("actions", output("action")).split("  ")[3].startswith("action open: ")


def test_a_dead_letter_is_described_by_record_and_reason() -> None:
    letter = DeadLetter(
        topic="p.jobs", partition=2, offset=9, reason="data.site.lat: not a number", value=b"{", key=b"k"
    )
    shown = text_of("dead-letters", encode_dead_letter(letter, time=0))
    assert shown == "1970-01-01T00:00:00Z  p.dead-letters  k  refused p.jobs-2@9: data.site.lat: not a number"


@pytest.mark.parametrize(
    ("topic", "value", "reason"),
    [
        ("jobs", None, "value: missing"),
        ("jobs", b"\xff", "value: not JSON"),
        ("jobs", b'{"specversion": "0.3"}', "specversion: not 1.0"),
        ("actions", b"[]", "value: not a decision, action or alert"),
        ("actions", None, "value: not a decision, action or alert"),
        ("dead-letters", b"{}", "value: not a dead letter"),
    ],
)
def test_a_record_that_cannot_be_read_is_one_line_with_the_reason(topic: str, value: bytes | None, reason: str) -> None:
    shown = text_of(topic, value)
    assert shown.startswith(f"-  p.{topic}  -  {reason}")
    assert shown.endswith("(offset 7)")


HOSTILE = "job-\x1b[2J\x9b31m\u202e\r\nforged"


def test_nothing_in_a_message_moves_the_cursor_or_forges_a_line() -> None:
    fact = Scenario(HOSTILE).booked(category=HOSTILE).lines()[0]
    assert "\\x1b" in text_of("jobs", fact)
    assert text_of("jobs", fact).isprintable()
    assert text_of("jobs", b'"' + HOSTILE.encode()).isprintable()


def test_as_json_the_envelope_has_its_bytes() -> None:
    for value in (*CASE.lines(), output("decision.tagging"), '{"subject":"जय"}'.encode()):
        assert (json_line(Stored(0, None, value)) or "").encode() == value


@pytest.mark.parametrize("value", [json.dumps({"subject": HOSTILE}), json.dumps({"s": HOSTILE}, indent=2)])
def test_as_json_a_record_is_one_line_of_visible_characters_with_the_same_value(value: str) -> None:
    raw = value.replace("\\u202e", "\u202e").replace("\\u009b", "\x9b").encode()
    line = json_line(Stored(0, None, raw)) or ""
    assert line.isprintable()
    assert json.loads(line) == json.loads(raw)


@pytest.mark.parametrize("value", [None, b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_has_no_json_line(value: bytes | None) -> None:
    assert json_line(Stored(0, None, value)) is None


def test_an_event_in_binary_mode_is_shown_as_its_envelope() -> None:
    members = json.loads(CASE.lines()[0])
    data = json.dumps(members.pop("data")).encode()
    headers = [(f"ce_{name}", str(value).encode()) for name, value in members.items() if name != "datacontenttype"]
    record = Stored(0, b"job-1", data, [*headers, ("content-type", b"application/json")])
    assert subject(record) == "job-1"
    assert json.loads(json_line(record) or "") == json.loads(CASE.lines()[0])
    assert text_line("p.jobs", record, TOPICS, Limits()).split("  ")[3] == "job.booked"
    assert json_line(record._replace(value=b"{")) is None
    encoded = Stored(0, b"job-1", None, [*headers, ("ce_data_base64", b64encode(data))])
    assert json.loads(json_line(encoded) or "")["data_base64"] == b64encode(data).decode()


def test_a_foreign_record_among_the_dead_letters_is_shown() -> None:
    foreign = json.loads(encode_dead_letter(DeadLetter(topic="t", partition=0, offset=0, reason="r", value=None)))
    value = json.dumps(foreign | {"time": 5}).encode()
    assert text_of("dead-letters", value) == "5  p.dead-letters  -  refused t-0@0: r"
    assert json.loads(json_line(Stored(0, None, value)) or "")["time"] == 5
