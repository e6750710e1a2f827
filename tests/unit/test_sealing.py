"""What is personal in each record is sealed under the key of whom it is about, and nothing else is."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow.parquet as pq
import pytest

from agents.case.case import Case
from agents.presence.queries import LocationFix, PresenceAnswer, PresenceQuery, PresenceRules
from schemas.codec.headers import Headers
from schemas.events import Site
from streams.archive.lookup import lookup_of
from streams.archive.reading import ArchiveReader
from streams.archive.records import ArchivedRecord
from streams.archive.segment import NAME_KEY
from streams.processor.internal_messages import AnswerMessage, pack, reopened
from streams.runtime.ports import TP
from streams.sealing.people import NOBODY, case, customer, partner
from streams.sealing.person_keys import PersonKeys
from streams.sealing.sealing import Opener, seal
from tests.archives import archive_in
from tests.archives import record as archived_record
from tests.sealed import (
    AT_MS,
    CASE,
    binary,
    event,
    forwarded,
    headers_of,
    in_base64,
    letter,
    name_of,
    record,
    refused,
    sealed_in,
)

PAYEE: Final = {
    "claimed_partner_id": "p-2",
    "payee_name": "*Hepzibah",
    "payee_phone": "*98765",
    "proof_url": "*https://x/1.jpg",
}


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[PersonKeys]:
    found = PersonKeys(str(tmp_path / "keys.sqlite"), bytes(32))
    yield found
    found.close()


ROWS: Final[list[tuple[str, dict[str, Any], str, list[str]]]] = [
    # a field is personal if its value begins with *, or is an object with such values
    ("job.booked", {"customer_id": "*c-9", "site": {"lat": "*1"}, "amount": {"amount": "1"}}, "jobs", ["case"]),
    ("job.line_item_added", {"line_id": "l", "description": "*for Zebulon"}, "jobs", ["case"]),
    ("location.reported", {"lat": "*12.3", "lon": "*77.1", "accuracy_m": 5.0}, "locations", ["partner"]),
    ("ticket.media_added", {"ticket_id": "t", "url": "*https://x/2.jpg", "sha256": "ab"}, "tickets", ["case"]),
    ("ticket.partner_identified", {"partner_id": "p-2", "name": "*Zeb", "phone": "*98"}, "tickets", ["p-2"]),
    ("ticket.payment_proof_added", {**PAYEE, "method": "upi"}, "tickets", ["case", "p-2"]),
    ("ticket.created", {"ticket_id": "t", "kind": "out_of_scope", "comment": "*call me"}, "tickets", ["case"]),
    ("cancellation.recorded", {"by": "customer", "partner_id": "p-2"}, "cancellations", []),
    ("decision.paf", {"case_id": CASE, "proof_url": "*a", "previous": {"proof_url": "*y"}}, "decisions.paf", ["case"]),
    ("alert", {"labels": {"image": "*https://x/1", "city": "x"}, "summary": "two cases"}, "alerts", [NOBODY]),
    ("some.day", {"anything": "*at all", "else": {"x": "*y"}}, "jobs", ["case"]),
]  # fmt: skip


def starred(value: object) -> Iterator[str]:
    """Yield the personal texts in a value."""
    if isinstance(value, dict):
        for each in value.values():
            yield from starred(each)
    elif isinstance(value, str) and value.startswith("*"):
        yield value


@pytest.mark.parametrize(("kind", "data", "topic", "people"), ROWS, ids=[row[0] for row in ROWS])
def test_personal_fields_are_sealed_and_no_others(
    keys: PersonKeys, kind: str, data: dict[str, Any], topic: str, people: list[str]
) -> None:
    subject = "p-1" if topic == "locations" else CASE
    for each in (
        record(event(kind, data, subject), subject),
        record(json.dumps(data).encode(), subject, binary(kind, subject)),
    ):
        if topic.startswith(("decisions", "alerts")) and each.headers:
            continue
        sealed = sealed_in(keys, topic, each)
        text = (sealed.value or b"").decode()
        assert [planted for planted in starred(data) if planted in text] == []
        assert lookup_of(topic, sealed) == lookup_of(topic, each)
        found = json.loads(text)
        kept = found if each.headers else found["data"]
        for name, value in data.items():
            if not list(starred(value)):
                assert kept[name] == value
        persons = {"case": case(CASE), "partner": partner("p-1"), "p-2": partner("p-2"), NOBODY: NOBODY}
        for person in people:
            assert keys.key_of(persons[person]).id in text


IN_BASE64: Final = b64encode(b"Zebulon")
BOOKED: Final = "job.booked"
WHOLE: Final[list[tuple[str, str, ArchivedRecord, str]]] = [
    ("no JSON", "jobs", record(b"Zebulon 98765"), case(CASE)),
    ("no object", "tickets", record(b'["Zebulon"]'), case(CASE)),
    ("no JSON of a partner", "locations", record(b"Zebulon", "p-1"), partner("p-1")),
    ("of nobody", "jobs", record(b"Zebulon", ""), NOBODY),
    ("data in base64", "jobs", record(event(BOOKED, None, data_base64=IN_BASE64.decode())), case(CASE)),
    (
        "data in a header",
        "jobs",
        record(b"", headers=(*binary(BOOKED, CASE), ("ce_data_base64", IN_BASE64))),
        case(CASE),
    ),
    ("an unknown attribute", "jobs", record(event(BOOKED, {}, contact="Zebulon")), case(CASE)),
    (
        "an unknown header",
        "jobs",
        record(b"{}", headers=(*binary(BOOKED, CASE), ("ce_contact", b"Zebulon"))),
        case(CASE),
    ),
    ("a header beside an event", "jobs", record(event(BOOKED, {}), headers=(("contact", b"Zebulon"),)), case(CASE)),
    (
        "data in a header beside a value",
        "jobs",
        record(b"{}", headers=(*binary(BOOKED, CASE), ("ce_data_base64", IN_BASE64))),
        case(CASE),
    ),
    (
        "an unknown field of a known object",
        "jobs",
        record(event(BOOKED, {"amount": {"amount": "1", "payer_phone": "98765"}})),
        case(CASE),
    ),
    ("a known field of another kind", "jobs", record(event(BOOKED, {"city": {"name": "Zebulon"}})), case(CASE)),
    ("a string that looks sealed", "jobs", record(event(BOOKED, {"city": "sealed:Zebulon:"})), case(CASE)),
    (
        "a dead letter with an unknown header",
        "dead-letters",
        record(letter(b"{}", headers=[*headers_of(BOOKED), ["ce_contact", IN_BASE64.decode()]])),
        case(CASE),
    ),
    ("a dead letter without JSON", "dead-letters", record(letter(b"Zebulon 98765")), case(CASE)),
    ("a dead letter of a partner", "dead-letters", record(letter(b"Zebulon", "x.locations")), partner("job-1")),
    ("a dead letter", "dead-letters", record(letter(event(BOOKED, {"customer_id": "Zebulon"}))), case(CASE)),
    ("a foreign output", "decisions.tagging", record(b"Zebulon"), NOBODY),
]


@pytest.mark.parametrize(("topic", "each", "person"), [row[1:] for row in WHOLE], ids=[row[0] for row in WHOLE])
def test_what_cannot_be_read_is_sealed_as_a_whole(
    keys: PersonKeys, topic: str, each: ArchivedRecord, person: str
) -> None:
    sealed = sealed_in(keys, topic, each)
    text = (sealed.value or b"") + b"".join(value or b"" for _, value in sealed.headers)
    planted = (b"Zebulon", b"98765", b64encode(b"Zebulon")[:8])
    assert [word for word in planted if word in text] == []
    assert lookup_of(topic, sealed).subject == lookup_of(topic, each).subject
    keys.erase(person, (), AT_MS)
    assert Opener(keys).open(name_of(topic), sealed).is_erased


@pytest.mark.parametrize("person", [partner("p-1"), case(CASE)])
def test_an_answer_is_both_the_partners_and_the_cases(keys: PersonKeys, person: str) -> None:
    query = PresenceQuery(CASE, "p-1", "f", 1, Site(12.9, 77.6), PresenceRules(1.0, 1.0, 1, 1, 1, 1, 1), stay=True)
    answer = pack(AnswerMessage(PresenceAnswer(query, LocationFix("r", 1, None, Site(12.9, 77.6)), None, None)))
    sealed = sealed_in(keys, "internal.cases", record(answer))
    assert keys.cases_of(partner("p-1")) == [CASE]
    keys.erase(person, (), AT_MS)
    assert Opener(keys).open(name_of("internal.cases"), sealed).is_erased


@pytest.mark.parametrize("person", [partner("p-9"), case("job-9")])
def test_a_reopened_case_is_nobodys(keys: PersonKeys, person: str) -> None:
    value = pack(reopened(Case(CASE)))
    sealed = sealed_in(keys, "internal.cases", record(value))
    assert (sealed.value or b"").startswith(b'"sealed:')
    assert Opener(keys).open(name_of("internal.cases"), sealed).record.value == value
    keys.erase(person, (), AT_MS)
    assert Opener(keys).open(name_of("internal.cases"), sealed).is_erased


IDENTIFIED: Final = {"ticket_id": "t", "partner_id": "p-2", "name": "Zebulon", "phone": "98765"}
KIND: Final = "ticket.partner_identified"
IN_HEADER: Final = ("ce_data_base64", b64encode(json.dumps(IDENTIFIED).encode()))
DATA_IN_HEADER: Final = (*binary(KIND, CASE), IN_HEADER)
OF_A_PARTNER: Final[list[tuple[str, str, ArchivedRecord]]] = [
    ("an event", "tickets", record(event(KIND, IDENTIFIED))),
    ("forwarded", "internal.cases", record(forwarded(event(KIND, IDENTIFIED)))),
    ("forwarded in Base64", "internal.cases", record(forwarded(in_base64(KIND, IDENTIFIED)))),
    ("forwarded in a header", "internal.cases", record(forwarded(b"", DATA_IN_HEADER))),
    ("in Base64", "tickets", record(in_base64(KIND, IDENTIFIED))),
    ("in a header", "tickets", record(b"", headers=DATA_IN_HEADER)),
    ("in Base64 and refused", "dead-letters", record(letter(in_base64(KIND, IDENTIFIED), "tickets"))),
    ("the payee", "tickets", record(in_base64("ticket.payment_proof_added", {**PAYEE, "payee_name": "Zebulon"}))),
]


@pytest.mark.parametrize(("topic", "each"), [row[1:] for row in OF_A_PARTNER], ids=[row[0] for row in OF_A_PARTNER])
@pytest.mark.parametrize("person", [partner("p-2"), case(CASE)])
def test_what_is_of_a_partner_is_theirs_in_whatever_it_comes(
    keys: PersonKeys, person: str, topic: str, each: ArchivedRecord
) -> None:
    sealed = sealed_in(keys, topic, each)
    assert keys.cases_of(partner("p-2")) == [CASE]
    keys.erase(person, (), AT_MS)
    opened = Opener(keys).open(name_of(topic), sealed)
    is_whole = topic == "internal.cases" or b"base64" in (each.value or b"")  # else the case has none of it
    assert opened.is_erased or (person == case(CASE) and not is_whole)
    if person == partner("p-2"):
        text = (opened.record.value or b"") + b"".join(value or b"" for _, value in opened.record.headers)
        assert [word for word in (b"Zebulon", b"98765", IN_HEADER[1][:40]) if word in text] == []


REPORT: Final = event("location.reported", {"lat": 12.3, "lon": 77.1}, "p-2", time="2025-11-28T03:20:00Z")
"""Of the instant AT_MS."""
FACT: Final = event(KIND, IDENTIFIED, time="2025-11-28T03:20:00Z")
LATE: Final[list[tuple[str, str, bytes, Headers]]] = [
    ("a report", "locations", REPORT, ()),
    ("a fact", "tickets", FACT, ()),
    (
        "in binary mode",
        "tickets",
        json.dumps(IDENTIFIED).encode(),
        (*binary(KIND, CASE), ("ce_time", b"2025-11-28T03:20:00Z")),
    ),
    ("forwarded", "internal.cases", forwarded(FACT, at=AT_MS + 9), ()),
    ("an event without time forwarded", "internal.cases", forwarded(event(KIND, IDENTIFIED)), ()),
    ("a refused fact", "dead-letters", refused(FACT), ()),
    (
        "a refused fact without time",
        "dead-letters",
        refused(event(KIND, IDENTIFIED), AT_MS * 1000),
        (),
    ),
]


@pytest.mark.parametrize(("topic", "value", "headers"), [row[1:] for row in LATE], ids=[row[0] for row in LATE])
@pytest.mark.parametrize("is_before", [True, False])
def test_what_is_from_before_an_erasure_is_dropped_however_late_it_comes(
    keys: PersonKeys, is_before: bool, topic: str, value: bytes, headers: Headers
) -> None:
    keys.erase(partner("p-2"), (), AT_MS if is_before else AT_MS - 1)
    each = record(value, "p-2" if topic == "locations" else CASE, headers, AT_MS + 60_000)
    (sealed,) = seal(keys, name_of(topic), [each])
    opened = Opener(keys).open(name_of(topic), sealed)
    assert opened.is_erased == is_before
    assert (opened.record == each) != is_before


@pytest.mark.parametrize(("topic", "value"), [("internal.cases", pack(reopened(Case(CASE)))), ("jobs", b"Zebulon")])
def test_what_is_nobodys_from_before_an_erasure_is_dropped_for_good(keys: PersonKeys, topic: str, value: bytes) -> None:
    keys.erase(partner("p-9"), (), AT_MS)
    keys.erase(partner("p-8"), (), AT_MS - 9)
    records = [record(value, "", at=AT_MS + after) for after in (0, 1)]
    if topic == "internal.cases":
        records = [each._replace(key=CASE.encode()) for each in records]
    sealed = seal(keys, name_of(topic), records)
    assert [Opener(keys).open(name_of(topic), each).is_erased for each in sealed] == [True, False]


@pytest.mark.parametrize("value", [event(BOOKED, {"customer_id": "c-1"}), in_base64(BOOKED, {"customer_id": "c-1"})])
def test_a_customer_is_known_by_bookings_in_either_form(keys: PersonKeys, value: bytes) -> None:
    seal(keys, name_of("jobs"), [record(value)])
    assert keys.cases_of(customer("c-1")) == [CASE]


@pytest.mark.parametrize(
    ("is_sealed", "url", "is_erased"),
    [
        (False, "sealed:0123456789abcdef:AAAAAAAAAAAAAAAAAAAAAA==", False),
        (
            None,
            "sealed:0123456789abcdef:AAAAAAAAAAAAAAAAAAAAAA==",
            True,
        ),  # a file that does not say whether it is sealed
        (None, "sealed:x:", False),
        (None, "sealed:erased:x", False),
        (None, "sealed:erased:", True),
    ],
)
def test_only_what_was_sealed_is_opened(keys: PersonKeys, is_sealed: bool | None, url: str, is_erased: bool) -> None:
    each = record(event("ticket.media_added", {"url": url}))._replace(is_sealed=is_sealed)
    assert Opener(keys).open(name_of("tickets"), each).is_erased == is_erased


def test_a_file_says_whether_its_records_are_sealed(keys: PersonKeys, tmp_path: Path) -> None:
    tp = TP("tickets", 0)
    value = event("ticket.media_added", {"url": "sealed:erased:"})
    for number, given in enumerate((None, keys)):
        archived = archive_in(tmp_path / str(number))
        (name,) = archived.add([archived_record(tp, 0, value)], keys=given)
        ((_, found),) = ArchiveReader(archived.folder).records(["tickets"])
        assert found.is_sealed == (given is not None)
        opened = Opener(keys).open(name, found)
        assert (opened.record.value, opened.is_erased) == (value, False)
        path = archived.path / name.path
        table = pq.read_table(path)
        pq.write_table(table.replace_schema_metadata({NAME_KEY: name.path.encode()}), path)  # as earlier versions did
        ((_, found),) = ArchiveReader(archived.folder).records(["tickets"])
        assert found.is_sealed is None


def test_until_where_links_are_known_never_goes_back(keys: PersonKeys) -> None:
    name = name_of("jobs")
    for each in (name, name._replace(next=5), name._replace(topic="tickets", next=3)):
        seal(keys, each, [])
    assert keys.positions() == {name.tp: ("id", name.next), TP("tickets", 0): ("id", 3)}
    seal(keys, name._replace(next=2, topic_id="another"), [])
    assert keys.positions()[name.tp] == ("another", 2)


def test_what_earlier_versions_have_sealed_is_still_opened(keys: PersonKeys) -> None:
    """They sealed data in Base64 under the case's key alone, and left headers of dead letters as they were."""
    name, key = name_of("dead-letters"), keys.key_of(case(CASE))

    def sealed(part: bytes) -> bytes:
        text = urlsafe_b64encode(key.cipher.encrypt(part, [f"{name.tp.name}@7 of id".encode()]))
        return b'"sealed:%b:%b"' % (key.id.encode(), text)

    data = b'"%b"' % b64encode(json.dumps(IDENTIFIED).encode())
    before = letter(in_base64(KIND, IDENTIFIED), "tickets", headers=[["contact", "eA=="]])
    after = letter(in_base64(KIND, IDENTIFIED).replace(data, sealed(data)), "tickets", headers=[["contact", "eA=="]])
    assert before != after
    opened = Opener(keys).open(name, record(after)._replace(is_sealed=None))
    assert opened == (record(before), False)


def test_repeated_members_are_all_sealed(keys: PersonKeys) -> None:
    value = event("ticket.media_added", {}).replace(b"{}", b'{"url": "one", "u\\u0072l" : "two", "url":"three"}')
    text = (sealed_in(keys, "tickets", record(value)).value or b"").decode()
    assert [each for each in ("one", "two", "three") if each in text] == []
    assert len(msgspec.json.decode(text)["data"]) == 1
