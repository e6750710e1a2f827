"""What the read model forgets of a case and of a partner, in SQLite and in PostgreSQL, in whatever order it reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from agents.case.case import NO_LONGER_KEPT
from streams.operations.erasure import tombstones
from surfaces.read_model.database import Database
from surfaces.read_model.model import SqlReadModel
from surfaces.read_model.tables import metadata
from surfaces.read_model.views import CaseFilter
from surfaces.sink.ports import Record
from tests.read_models import NOW_US, RECORDS, TOPICS, Feed, all_cases, store_in, write

pytestmark = pytest.mark.usefixtures("postgres_first")


def events(kind: str) -> Iterator[dict[str, object]]:
    """Yield the events of a type among the records."""
    for each in RECORDS:
        if each.tp.topic in TOPICS.inputs and f'"{kind}"'.encode() in (each.value or b""):
            found = json.loads(each.value or b"")
            if found["type"] == kind:
                yield found


WITH_MEDIA = {each["subject"] for each in events("ticket.media_added")}
BOOKED = next(each for each in events("job.booked") if each["subject"] in WITH_MEDIA)
CASE = str(BOOKED["subject"])
LINKS = [one["data"]["url"] for one in events("ticket.media_added") if one["subject"] == CASE]  # type: ignore[index]
CUSTOMER = BOOKED["data"]["customer_id"]  # type: ignore[index]
REPORT = next(events("location.reported"))
PARTNER = str(REPORT["subject"])


def feed_with_tombstones() -> tuple[Sequence[Record], Sequence[Record]]:
    """Return the tombstones of a case and a partner, and records that come for them later."""
    feed = Feed.after(RECORDS)
    erased = [
        feed.add(each.topic, each.subject, each.value, NOW_US) for each in tombstones(TOPICS, [CASE], PARTNER, NOW_US)
    ]
    late = [
        feed.add(TOPICS.of("job.booked"), CASE, json.dumps(BOOKED).encode(), NOW_US),
        feed.add(TOPICS.locations, PARTNER, json.dumps(REPORT).encode(), NOW_US),
    ]
    return erased, [*late, *(feed.add_dead_letter(each, NO_LONGER_KEPT, NOW_US) for each in late)]


def stored(database: Database) -> bytes:
    """Return all values of all rows."""
    with database.reading() as connection:
        rows = [row for table in metadata.sorted_tables for row in connection.execute(select(table))]
    return b"\n".join(each if isinstance(each, bytes) else str(each).encode() for row in rows for each in row)


def left(text: bytes) -> list[str]:
    """Return what is left of the case and of the partner in some bytes."""
    place = json.dumps(REPORT["data"])[1:30]
    return [each for each in (str(CUSTOMER), *map(str, LINKS), place) if each.encode() in text]


@pytest.mark.parametrize("is_first", [False, True])
def test_nothing_is_left_of_an_erased_case_and_partner(database: Database, is_first: bool, tmp_path: Path) -> None:
    erased, late = feed_with_tombstones()
    with closing(store_in(database)) as store:
        write(store, [*erased, *RECORDS] if is_first else RECORDS, 500)
        assert is_first or set(left(stored(database))) >= {CUSTOMER, *LINKS}
        write(store, late if is_first else [*erased, *late], 500)
        assert left(stored(database)) == []
        model = SqlReadModel(database)
        found = model.case(CASE)
        assert found is not None
        assert (found.facts, found.decisions, found.dead_letters) == ((), (), ())
        assert found.erasure is not None
        assert found.erasure.at == NOW_US
        assert bool(found.erasure.decisions) != is_first
        assert len(all_cases(model, CaseFilter())) > 5
        letters = Counter(each.message.cause for each in model.dead_letters(limit=1_000).dead_letters)
        assert {each.cause: each.count for each in model.causes()} == letters, "what is gone is not counted"
        assert model.partner(PARTNER) is not None
    assert left(b"".join(each.read_bytes() for each in tmp_path.iterdir())) == []


def test_it_is_still_known_after_a_restart_who_was_erased(database: Database) -> None:
    erased, late = feed_with_tombstones()
    with closing(store_in(database)) as store:
        write(store, [*RECORDS, *erased])
    with closing(store_in(database)) as store:
        write(store, late)
        assert left(stored(database)) == []


def test_an_erased_case_has_no_open_action(database: Database) -> None:
    with closing(store_in(database)) as store:
        write(store, RECORDS)
        model = SqlReadModel(database)
        case = next(each for each in all_cases(model, CaseFilter()) if each.open_actions)
        before = Counter(model.facets().actions)
        (tombstone,) = tombstones(TOPICS, [case.case_id], None, NOW_US)
        write(store, [Feed.after(RECORDS).add(tombstone.topic, case.case_id, tombstone.value, NOW_US)])
        assert Counter(model.facets().actions) == before - Counter(case.open_actions)
        assert case.case_id not in {
            each.case_id for code in before for each in all_cases(model, CaseFilter(action=code))
        }, "no page lists what nobody can do"
