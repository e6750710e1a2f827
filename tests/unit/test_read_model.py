"""How the read model takes records, names and times, without a database."""

from __future__ import annotations

import pytest

from agents.sops import catalogue
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.events import JobBooked, Site
from schemas.outputs import DeadLetter
from streams.runtime.ports import TP
from surfaces.read_model.case_page import REPORTS_AFTER_US, REPORTS_BEFORE_US, _spans
from surfaces.read_model.entries import EntryReader, case_of, category_of, city_of
from surfaces.read_model.sql_store import published_at
from surfaces.read_model.stored import page_key, read_page_key
from surfaces.read_model.tables import LOOKUP_CHARS, lookup
from surfaces.sink.ports import Record

TOPICS = catalogue.topics("here.")
HOUR_US = 3_600_000_000


def test_all_topics_are_read_but_those_of_workers_alone_and_the_latest_decisions() -> None:
    read = set(EntryReader(TOPICS, Limits()).topics)
    assert set(TOPICS.all) - read == {TOPICS.latest, TOPICS.cases, TOPICS.partners, TOPICS.watches}
    assert read - set(TOPICS.all) <= {TOPICS.acts}
    assert TOPICS.acts in read


@pytest.mark.parametrize("name", ["job-17", "ü|%'\"\\", "x" * LOOKUP_CHARS, ""])
def test_a_usual_name_is_looked_up_as_it_is(name: str) -> None:
    assert lookup(name) == name


def test_a_name_that_a_database_does_not_take_is_looked_up_by_one_of_its_own() -> None:
    names = ["a\0b", "x" * (LOOKUP_CHARS + 1), "x" * (LOOKUP_CHARS + 2), "x" * LOOKUP_CHARS + "y", "\U0001f3e0" * 1000]
    found = [lookup(name) for name in names]
    assert len(set(found)) == len(names)
    assert all(len(each) <= LOOKUP_CHARS and "\0" not in each and lookup(each) == each for each in found)


def letter(topic: str, key: bytes | None, value: bytes | None, **members: object) -> DeadLetter:
    return DeadLetter(topic=topic, partition=0, offset=0, reason="data.lat: no", key=key, value=value, **members)  # type: ignore[arg-type]


EVENT = b'{"source":"/s","id":"1","type":"job.booked","subject":"job-1"}'


@pytest.mark.parametrize(
    ("refused", "case_id"),
    [
        (letter("jobs", b"job-2", EVENT), "job-1"),
        (letter("jobs", b"job-2", b"no event"), "job-2"),
        (letter("jobs", b"job-2", None), "job-2"),
        (letter("jobs", b"job-2", EVENT, value_bytes=99_999), "job-2"),
        (letter("jobs", None, None), None),
        (letter("jobs", b"\xff", b""), None),
        (letter("jobs", b"  ", b""), None),
        (letter("locations", b"p-1", EVENT), None),
    ],
)
def test_a_refused_record_belongs_to_the_case_that_it_names(refused: DeadLetter, case_id: str | None) -> None:
    assert case_of(refused, "locations") == case_id
    assert refused.cause == "data.lat"


def test_a_city_has_one_name_and_a_category_one_spelling() -> None:
    booking = JobBooked("c", " AC  repair", "BENGALURU", Site(1.0, 2.0), "residential", "today")
    assert (city_of(booking), category_of(booking)) == ("bangalore", "ac repair")


def test_an_event_that_a_worker_refuses_is_not_read() -> None:
    reader = EntryReader(TOPICS, Limits(value_bytes=1_000))
    record = Record(TP(TOPICS.inputs[0], 0), "id", 0, 0, b"k", b'{"specversion":"1.0"}', [])
    with pytest.raises(InvalidMessage, match="id: missing"):
        reader.read(record)
    with pytest.raises(InvalidMessage, match="value: 1001 bytes"):
        reader.read(record._replace(value=b" " * 1_001))


def test_another_record_of_the_workers_is_passed_over() -> None:
    reader = EntryReader(TOPICS, Limits())
    record = Record(TP(TOPICS.progress, 0), "id", 0, 0, b"attempts", b"anything", [])
    assert reader.read(record) is None
    with pytest.raises(InvalidMessage, match="another version"):
        reader.read(record._replace(key=b"progress", value=b'{"positions":{}}'))


@pytest.mark.parametrize(
    ("timestamp", "instant"), [(-1, 0), (0, 0), (1_700_000_000_000, 1_700_000_000_000_000), (2**62, 0)]
)
def test_a_timestamp_that_is_no_date_is_none(timestamp: int, instant: int) -> None:
    assert published_at(Record(TP("t", 0), "id", 0, timestamp, None, None, [])) == instant


def test_reports_are_looked_for_around_facts_once() -> None:
    near, far = REPORTS_AFTER_US + REPORTS_BEFORE_US, REPORTS_AFTER_US + REPORTS_BEFORE_US + 1
    at = 100 * HOUR_US
    assert list(_spans([])) == []
    assert list(_spans([at, at, at + near])) == [(at - REPORTS_BEFORE_US, at + near + REPORTS_AFTER_US)]
    assert list(_spans([at, at + far])) == [
        (at - REPORTS_BEFORE_US, at + REPORTS_AFTER_US),
        (at + far - REPORTS_BEFORE_US, at + far + REPORTS_AFTER_US),
    ]


def test_a_page_key_is_read_as_it_was_written() -> None:
    assert read_page_key(page_key(0, 2**63 - 1), 2) == (0, 2**63 - 1)
