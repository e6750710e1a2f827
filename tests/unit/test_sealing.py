"""What is personal in each record is sealed under the key of whom it is about, and nothing else is."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from agents.case.case import Case
from agents.presence.queries import LocationFix, PresenceAnswer, PresenceQuery, PresenceRules
from schemas.codec.headers import Headers
from schemas.errors import Fatal, UsageError
from schemas.events import Site
from streams.archive.layout import SegmentName
from streams.archive.lookup import lookup_of
from streams.archive.records import ArchivedRecord
from streams.processor.internal_messages import AnswerMessage, pack, reopened
from streams.sealing.person_keys import PersonKeys, make_master_key, read_master_key
from streams.sealing.personal import NOBODY, case, customer, partner
from streams.sealing.sealing import Opener, seal

CASE: Final = "job-1"
AT_MS: Final = 1_764_300_000_000
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


def name_of(topic: str) -> SegmentName:
    return SegmentName(topic, 0, 0, 0, 1 << 40, "id", date(2026, 11, 21))


def record(value: bytes | None, key: str = CASE, headers: Headers = (), at: int = AT_MS) -> ArchivedRecord:
    return ArchivedRecord(7, at, key.encode(), value, headers)


def event(kind: str, data: object, subject: str = CASE, **more: object) -> bytes:
    base = {"specversion": "1.0", "id": "e-1", "source": "/a", "type": kind, "subject": subject, "data": data}
    return json.dumps({**base, **more}).encode()


def sealed_in(keys: PersonKeys, topic: str, each: ArchivedRecord) -> ArchivedRecord:
    (sealed,) = seal(keys, name_of(topic), [each])
    assert Opener(keys).open(name_of(topic), sealed) == (each, False)
    return sealed


def letter(value: bytes, topic: str = "jobs") -> bytes:
    data = {"topic": topic, "offset": 3, "reason": "data: x", "value": b64encode(value).decode(), "key": "am9iLTE="}
    return event("dead-letter", data, source="/sop/workers")


def binary(kind: str, subject: str) -> Headers:
    named = {"specversion": "1.0", "id": "e-1", "source": "/a", "type": kind, "subject": subject}
    return tuple((f"ce_{name}", value.encode()) for name, value in named.items())


ROWS: Final[list[tuple[str, dict[str, Any], str, list[str]]]] = [
    # a field is personal if its value begins with *, or is an object with such values
    ("job.booked", {"customer_id": "*c-9", "city": "x", "site": {"lat": "*1"}, "amount": {"a": "1"}}, "jobs", ["case"]),
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


def booked(keys: PersonKeys, case_id: str, customer_id: str, at: int = AT_MS) -> ArchivedRecord:
    booking = record(event("job.booked", {"customer_id": customer_id, "city": "x"}, case_id), case_id, at=at)
    return seal(keys, name_of("jobs"), [booking])[0]


def is_erased(keys: PersonKeys, each: ArchivedRecord) -> bool:
    return Opener(keys).open(name_of("jobs"), each).is_erased


def test_a_customer_is_erased_with_all_their_cases_and_nobody_else(keys: PersonKeys) -> None:
    mine, more, others = booked(keys, "a", "c-1"), booked(keys, "b", "c-1"), booked(keys, "c", "c-2")
    assert keys.cases_of(customer("c-1")) == ["a", "b"]
    assert keys.erase(customer("c-1"), ["a", "b"], AT_MS) == 2
    assert [is_erased(keys, each) for each in (mine, more, others)] == [True, True, False]
    assert keys.cases_of(customer("c-1")) == []


def test_what_an_erased_customer_left_elsewhere_is_dropped_and_a_new_case_is_kept(keys: PersonKeys) -> None:
    booked(keys, "a", "c-1")
    keys.erase(customer("c-1"), ["a"], AT_MS)
    late, before = booked(keys, "a", "c-1", AT_MS + 9), booked(keys, "b", "c-1")
    after = booked(keys, "n", "c-1", AT_MS + 9)
    assert [is_erased(keys, each) for each in (late, before, after)] == [True, True, False]
    assert [b"sealed:erased:" in (each.value or b"") for each in (late, before, after)] == [True, True, False]


def test_nothing_of_a_destroyed_key_and_of_a_person_is_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite"
    keys = PersonKeys(str(path), bytes(32))
    booked(keys, "a", "customer-9")
    key_id = keys.key_of(case("a")).id
    (wrapped,) = keys._database.execute("SELECT wrapped FROM keys WHERE key_id = ?", (key_id,)).fetchone()
    assert wrapped in path.read_bytes()
    keys.erase(customer("customer-9"), ["a"], AT_MS)
    keys.close()
    left = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert [each for each in (wrapped, key_id.encode(), b"customer-9") if each in left] == []


def test_a_sealed_part_is_bound_to_its_record(keys: PersonKeys) -> None:
    sealed = booked(keys, "a", "c-1")
    with pytest.raises(Fatal, match="jobs-0@8 of id: a sealed part is not of this record"):
        Opener(keys).open(name_of("jobs"), sealed._replace(offset=8))


def test_without_keys_all_that_is_sealed_counts_as_erased(keys: PersonKeys) -> None:
    sealed = booked(keys, "a", "c-1")
    assert Opener(None).open(name_of("jobs"), sealed) == (sealed, True)
    plain = record(event("job.booked", {"customer_id": "c-1"}))
    assert Opener(None).open(name_of("jobs"), plain) == (plain, False)


def test_a_file_of_keys_belongs_to_one_master_key(tmp_path: Path) -> None:
    master, path = str(tmp_path / "master"), str(tmp_path / "keys.sqlite")
    make_master_key(master)
    PersonKeys(path, read_master_key(master)).close()
    with pytest.raises(UsageError, match="it belongs to another master key"):
        PersonKeys(path, bytes(32))
    with pytest.raises(UsageError, match="master: File exists"):
        make_master_key(master)
    for content in (b"", b"abc", b"\xff"):
        Path(master).write_bytes(content)
        with pytest.raises(UsageError, match="master: not a master key"):
            read_master_key(master)


def test_repeated_members_are_all_sealed(keys: PersonKeys) -> None:
    value = event("ticket.media_added", {}).replace(b"{}", b'{"url": "one", "u\\u0072l" : "two", "url":"three"}')
    text = (sealed_in(keys, "tickets", record(value)).value or b"").decode()
    assert [each for each in ("one", "two", "three") if each in text] == []
    assert len(msgspec.json.decode(text)["data"]) == 1
