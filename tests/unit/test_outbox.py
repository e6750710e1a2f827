"""To which topic and partition each record of a step goes, and with which key."""

from __future__ import annotations

import json

import pytest

from agents.presence.queries import PresenceAnswer, PresenceQuery, presence_rules
from agents.sops import catalogue
from schemas.codec.encoder import decode_dead_letter
from schemas.codec.headers import Headers
from schemas.codec.limits import RecordSizes
from schemas.errors import InvalidMessage
from schemas.outputs import OutputMessage
from schemas.policy.model import PolicySet
from streams.processor.decoder import Origin, partition_of
from streams.processor.internal_messages import AnswerMessage, Forwarded, QueryMessage, unpack
from streams.processor.outbox import Outbox
from streams.replay.replay import Replay
from streams.runtime.ports import Outgoing
from tests.scenario import MIDNIGHT, POLICY, Scenario

TOPICS = catalogue.topics("x.")
PARTITIONS = 8
DEAD_LETTER_BYTES_MAX = 20_000
QUERY = PresenceQuery("job-1", "p1", "/s#t1", MIDNIGHT, None, presence_rules(POLICY), stay=False)
ORIGIN = Origin("x.jobs", 3, 17, 1_795_219_200_000, b"\xffkey", b"value", (("ce_id", b"e"),))


def outbox() -> Outbox:
    return Outbox(TOPICS, 3, PARTITIONS, DEAD_LETTER_BYTES_MAX)


def messages_of_a_case() -> list[OutputMessage]:
    scenario = Scenario().booked().assigned().ticket("10:00").cancelled("10:30")
    return list(Replay(PolicySet((), POLICY)).run(scenario.events(), MIDNIGHT + 10**12))


def outputs() -> list[Outgoing]:
    out = outbox()
    out.add_outputs("case:job-1", messages_of_a_case())
    return out.drain()


def test_outputs_go_to_the_task_s_own_number_keyed_by_case_or_alert() -> None:
    messages = messages_of_a_case()
    records = outputs()
    own = [record for record in records if record.topic != "x.decisions.latest"]
    assert [catalogue.decode_message(record.value) for record in own] == messages
    assert {record.partition for record in records} == {3}
    for record in own:
        if record.topic == "x.alerts":
            assert len(record.key or b"") == 32
        else:
            assert record.key == b"job-1"
    assert {"x.decisions.tagging", "x.decisions.paf", "x.actions"} <= {record.topic for record in records}


def test_every_decision_goes_to_the_topic_of_latest_decisions_too_under_its_key() -> None:
    records = outputs()
    latest = [(record.key, record.value) for record in records if record.topic == "x.decisions.latest"]
    decisions = [record.value for record in records if record.topic in TOPICS.decisions]
    assert [value for _, value in latest] == decisions
    assert [key for key, _ in latest] == [json.loads(value)["data"]["decision_key"].encode() for value in decisions]
    assert {key for key, _ in latest} == {b"job-1|tagging|out_of_scope|p1", b"job-1|paf|out_of_scope|p1"}


def test_every_output_says_that_it_is_a_cloud_event() -> None:
    out = outbox()
    out.add_dead_letter(ORIGIN, "value: no JSON")
    headers = {record.headers for record in [*outputs(), *out.drain()]}
    assert headers == {(("content-type", b"application/cloudevents+json; charset=utf-8"),)}


def test_a_decision_of_version_0_1_gets_the_key_that_it_does_not_name() -> None:
    (value,) = (record.value for record in outputs() if record.topic == "x.decisions.paf")
    envelope = json.loads(value)
    for name in ("decision_key", "previous", "cause"):
        del envelope["data"][name]
    del envelope["asof"]
    old = json.dumps(envelope).encode()
    record = outbox().latest_decision(old)
    assert record[:4] == ("x.decisions.latest", 3, b"job-1|paf|out_of_scope|p1", old)


def test_only_decisions_go_to_the_topic_of_latest_decisions() -> None:
    action = next(record.value for record in outputs() if record.topic == "x.actions")
    with pytest.raises(InvalidMessage):
        outbox().latest_decision(action)


def test_queries_go_to_the_partner_and_answers_to_the_case() -> None:
    presence_answer = PresenceAnswer(QUERY, None, None, None)
    out = outbox()
    out.add_queries([QUERY])
    out.add_answers([presence_answer])
    query, answer = out.drain()
    assert (query.topic, query.partition, query.key) == ("x.internal.partners", partition_of("p1", 8), b"p1")
    assert unpack(query.value) == QueryMessage(QUERY)
    assert (answer.topic, answer.partition, answer.key) == ("x.internal.cases", partition_of("job-1", 8), b"job-1")
    assert unpack(answer.value) == AnswerMessage(presence_answer)


def test_an_event_is_forwarded_to_the_partition_of_its_subject() -> None:
    out = outbox()
    for event in Scenario("job-9").booked("08:00").report("09:00").events():
        out.add_forwarded(ORIGIN, event)
    fact, report = out.drain()
    assert (fact.topic, fact.partition, fact.key) == ("x.internal.cases", partition_of("job-9", 8), b"job-9")
    assert (report.topic, report.partition, report.key) == ("x.internal.partners", partition_of("p1", 8), b"p1")
    assert unpack(fact.value) == Forwarded("x.jobs", 3, 17, ORIGIN.timestamp, b"\xffkey", b"value", (("ce_id", b"e"),))


def test_a_dead_letter_distinguishes_null_from_empty() -> None:
    for key, value in ((None, None), (b"", b"")):
        out = outbox()
        out.add_dead_letter(Origin("x.jobs", 3, 17, 1 << 62, key, value, (("h", None),)), "value: missing")
        (record,) = out.drain()
        letter = decode_dead_letter(record.value)
        assert (record.key, letter.key, letter.value, letter.headers) == (key, key, value, (("h", None),))


def test_a_dead_letter_contains_the_record_unchanged() -> None:
    out = outbox()
    out.add_dead_letter(ORIGIN, "id: missing")
    (record,) = out.drain()
    assert (record.topic, record.partition, record.key) == ("x.dead-letters", 3, b"\xffkey")
    letter = decode_dead_letter(record.value)
    assert (letter.topic, letter.partition, letter.offset) == ORIGIN.record_id
    assert (letter.value, letter.key, letter.reason) == (b"value", b"\xffkey", "id: missing")
    assert letter.headers == (("ce_id", b"e"),)


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        pytest.param(b"key", b"v" * DEAD_LETTER_BYTES_MAX, (), id="value"),
        pytest.param(b"key", b"v" * (DEAD_LETTER_BYTES_MAX * 3 // 4 - 100), (), id="value in Base64"),
        pytest.param(b"\0" * 3_000, b"v", (), id="key of control characters"),
        pytest.param(b"k" * DEAD_LETTER_BYTES_MAX, None, (), id="key"),
        pytest.param(b"key", None, (("h", b"h" * DEAD_LETTER_BYTES_MAX),), id="headers"),
        pytest.param(b"key", b"", (("\0" * DEAD_LETTER_BYTES_MAX, None),), id="name of a header"),
    ],
)
def test_a_record_too_large_for_a_dead_letter_is_truncated(key: bytes, value: bytes | None, headers: Headers) -> None:
    out = outbox()
    out.add_dead_letter(Origin("x.jobs", 3, 17, 0, key, value, headers), "value: too much")
    (record,) = out.drain()
    assert len(record.value) + len(record.key or b"") <= DEAD_LETTER_BYTES_MAX
    letter = decode_dead_letter(record.value)
    assert letter.is_truncated
    assert letter.value_bytes == len(value or b"")
    assert (record.key, letter.key, letter.headers) == (key[:1024], key[:1024], ())
    assert letter.value == (None if value is None else value[:1024])


def test_a_dead_letter_that_just_fits_is_complete() -> None:
    out = outbox()
    for size in range(14_000, 15_000):
        out.add_dead_letter(Origin("x.jobs", 3, 17, 0, b"key", b"v" * size, ()), "value: too much")
    dead_letters = [(record, decode_dead_letter(record.value)) for record in out.drain()]
    complete = [record for record, letter in dead_letters if not letter.is_truncated]
    assert 0 < len(complete) < len(dead_letters)
    largest = max(len(record.value) + len(record.key or b"") for record in complete)
    assert DEAD_LETTER_BYTES_MAX - 4 < largest <= DEAD_LETTER_BYTES_MAX
    assert all(b"value_bytes" not in record.value for record in complete)


def test_the_dead_letter_of_a_truncated_record_has_its_original_size() -> None:
    out = outbox()
    out.add_dead_letter(
        Origin("x.jobs", 3, 17, 0, b"key", b"beginning", (), RecordSizes(1 << 30, 3, 0)), "value: too much"
    )
    (record,) = out.drain()
    letter = decode_dead_letter(record.value)
    assert (letter.value, letter.value_bytes) == (b"beginning", 1 << 30)


def test_drained_records_are_gone() -> None:
    out = outbox()
    assert out.drain() == []
    out.add_queries([QUERY])
    assert len(out.drain()) == 1
    assert out.drain() == []
