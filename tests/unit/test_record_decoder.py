"""What a consumed record is decoded to: an event, a presence query or answer, a forwarded event, or a refusal."""

from __future__ import annotations

import msgspec
import pytest

from agents.presence.queries import PresenceAnswer, PresenceQuery, presence_rules
from agents.sops import catalogue
from schemas.codec.encoder import decode_dead_letter
from schemas.codec.limits import Limits, RecordSizes
from schemas.errors import Fatal, InvalidMessage
from schemas.events import Event
from schemas.policy.model import DAY, HOUR, SECOND
from schemas.timestamps import LATEST_US
from streams.processor.decoder import Origin, RecordDecoder, forwarded, is_for_partner, partition_of
from streams.processor.internal_messages import AnswerMessage, QueryMessage, pack
from streams.processor.outbox import Outbox
from streams.runtime.ports import TP, Stored
from tests.scenario import MIDNIGHT, POLICY, Scenario

TOPICS = catalogue.topics("x.")
DECODER = RecordDecoder(TOPICS, Limits())
LINES = dict(zip(("booked", "report"), Scenario().booked("08:00").report("09:00").lines(), strict=True))
QUERY = PresenceQuery("job-1", "p1", "/s#t1", MIDNIGHT, None, presence_rules(POLICY), stay=False)
LATER = MIDNIGHT + DAY
AT_EIGHT = MIDNIGHT + 8 * HOUR
LATEST_MS = LATEST_US // 1000


def stored(value: bytes | None, timestamp: int = LATER // 1000) -> Stored:
    return Stored(7, b"k", value, (("h", b"1"),), timestamp)


def test_a_record_of_an_input_topic_is_an_event() -> None:
    decoded = DECODER.decode(TP("x.jobs", 2), stored(LINES["booked"]), LATER)
    assert isinstance(decoded.content, Event)
    assert (decoded.content.type, decoded.content.subject) == ("job.booked", "job-1")
    assert decoded.origin.record_id == ("x.jobs", 2, 7)


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff"])
def test_a_record_that_is_no_event_is_refused_with_a_reason(value: bytes | None) -> None:
    decoded = DECODER.decode(TP("x.jobs", 2), stored(value), LATER)
    assert isinstance(decoded.content, InvalidMessage)
    assert decoded.content.reason


def test_a_refusal_keeps_no_traceback() -> None:
    """The traceback would keep all records of the batch in memory, in a cycle that is never collected."""
    refused = DECODER.decode(TP("x.jobs", 2), stored(b"{"), LATER).content
    assert isinstance(refused, InvalidMessage)
    assert (refused.__traceback__, refused.__context__, refused.__cause__) == (None, None, None)


@pytest.mark.parametrize("timestamp", [-1, 0, AT_EIGHT // SECOND, AT_EIGHT // 1000, 2_383_120_800_000, 2**62], ids=str)
def test_the_worker_s_clock_and_not_the_record_says_what_is_too_far_in_the_future(timestamp: int) -> None:
    record = stored(LINES["booked"], timestamp)
    accepted = DECODER.decode(TP("x.jobs", 2), record, AT_EIGHT - HOUR).content
    refused = DECODER.decode(TP("x.jobs", 2), record, AT_EIGHT - HOUR - 1).content
    assert isinstance(accepted, Event)
    assert isinstance(refused, InvalidMessage)
    assert refused.reason == "time: too far in the future"


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [(-1, None), (0, 0), (LATEST_MS, LATEST_MS * 1000), (LATEST_MS + 1, None), (2**63 - 1, None)],
)
def test_a_timestamp_out_of_range_is_none(timestamp: int, expected: int | None) -> None:
    record = DECODER.decode(TP("x.jobs", 2), stored(b"{", timestamp), LATER)
    assert record.origin.timestamp_us == expected
    out = Outbox(TOPICS, 2, 4, 1_000)
    out.add_dead_letter(record.origin, "value: not an event")
    (letter,) = out.drain()
    assert decode_dead_letter(letter.value).value == b"{"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Stored(7, b"k", b"{" * 262_145), "value: 262145 bytes, at most 262144"),
        (Stored(7, b"k" * 262_145, b"{"), "key: 262145 bytes, at most 262144"),
        (Stored(7, None, None, (("h", b"1" * 262_142),)), "headers: 262145 bytes, at most 262144"),
        (Stored(7, None, None, (("h" * 262_143, None),)), "headers: 262145 bytes, at most 262144"),
        (Stored(7, None, None, (("ce_specversion", b"1.0"), ("ce_id", b"\xff" * 262_145))), "headers: 262171 bytes"),
        (Stored(7, b"k", b"{", (), 0, RecordSizes(1 << 30, 1, 0)), "value: 1073741824 bytes, at most 262144"),
        (Stored(7, b"k", LINES["booked"], (), 0, RecordSizes(400, 1, 1 << 30)), "headers: 1073741824 bytes, at most"),
    ],
)
def test_a_record_with_a_too_large_part_is_refused_undecoded(record: Stored, reason: str) -> None:
    decoded = DECODER.decode(TP("x.jobs", 2), record, LATER)
    assert isinstance(decoded.content, InvalidMessage)
    assert decoded.content.reason.startswith(reason)
    assert decoded.origin.original_sizes == record.original_sizes


def test_parts_of_the_largest_size_are_accepted() -> None:
    record = stored(LINES["booked"])._replace(key=b"k" * 262_144, headers=(("h", b"1" * 262_141),))
    assert isinstance(DECODER.decode(TP("x.jobs", 2), record, LATER).content, Event)


def test_a_forwarded_event_is_not_checked_against_a_second_clock() -> None:
    first = DECODER.decode(TP("x.jobs", 2), stored(LINES["booked"]), AT_EIGHT)
    behind = DECODER.decode(TP(TOPICS.cases, 0), Stored(99, b"k", pack(forwarded(first.origin)), (), 5), MIDNIGHT - DAY)
    assert behind.content == first.content


def test_queries_and_answers_are_decoded_from_internal_topics() -> None:
    answer = PresenceAnswer(QUERY, None, None, None, {"x.locations-0": 3})
    assert DECODER.decode(TP(TOPICS.partners, 0), stored(pack(QueryMessage(QUERY))), LATER).content == QUERY
    assert DECODER.decode(TP(TOPICS.cases, 0), stored(pack(AnswerMessage(answer))), LATER).content == answer


def test_a_forwarded_record_keeps_its_origin_and_timestamp() -> None:
    first = DECODER.decode(TP("x.jobs", 2), stored(LINES["booked"]), LATER)
    again = DECODER.decode(TP(TOPICS.cases, 0), Stored(99, b"k", pack(forwarded(first.origin)), (), 5), LATER)
    assert again.tp == TP(TOPICS.cases, 0)
    assert again.origin == first.origin
    assert again.content == first.content


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
@pytest.mark.parametrize("value", [None, b"", b"\xff"])
@pytest.mark.parametrize("header", [("h", None), ("h", b""), ("", b"\xff"), ("caf\udce9", None), ("caf\ufffd", b"1")])
def test_a_record_is_forwarded_byte_for_byte(
    key: bytes | None, value: bytes | None, header: tuple[str, bytes | None]
) -> None:
    origin = Origin("x.jobs", 2, 7, -1, key, value, (header, ("other", None)))
    decoded = DECODER.decode(TP(TOPICS.cases, 0), stored(pack(forwarded(origin))), LATER)
    assert decoded.origin == origin


def test_a_record_forwarded_by_version_0_1_is_decoded() -> None:
    first = Origin("x.jobs", 2, 7, 5, b"k", LINES["booked"], (("h", b"1"),))
    message = ("forwarded", "x.jobs", 2, 7, 5, b"k", LINES["booked"], (("h", b"1"),))
    assert DECODER.decode(TP(TOPICS.cases, 0), stored(msgspec.msgpack.encode(message)), LATER).origin == first


@pytest.mark.parametrize(
    "value", [None, b"", b"{}", b"\xff\xff", b"\x93\xa8question", b"\x90", b"\x91\x01", b"\x91" * 9999]
)
def test_a_foreign_record_on_an_internal_topic_is_refused(value: bytes | None) -> None:
    decoded = DECODER.decode(TP(TOPICS.cases, 0), stored(value), LATER)
    assert isinstance(decoded.content, InvalidMessage)
    assert decoded.content.reason.startswith("value: not an internal message")
    assert decoded.content.__traceback__ is None
    assert decoded.origin.record_id == (TOPICS.cases, 0, 7)


@pytest.mark.parametrize("message", [("question",), ("notice", 1), ("answer", {})])
def test_an_internal_message_of_another_version_stops_the_worker(message: tuple[object, ...]) -> None:
    with pytest.raises(Fatal, match=rf"^{TOPICS.cases}-0@7: an internal message of another version"):
        DECODER.decode(TP(TOPICS.cases, 0), stored(msgspec.msgpack.encode(message)), LATER)


def test_location_reports_are_distinguished_from_facts() -> None:
    for name, line in LINES.items():
        content = DECODER.decode(TP("x.jobs", 0), stored(line), LATER).content
        assert isinstance(content, Event)
        assert is_for_partner(content) is (name == "report")


@pytest.mark.parametrize(
    ("key", "hashed"),  # from the tests of Apache Kafka's own clients
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_keys_go_to_the_partitions_that_apache_kafka_chooses(key: str, hashed: int) -> None:
    assert partition_of(key, 12) == (hashed & 0x7FFFFFFF) % 12
