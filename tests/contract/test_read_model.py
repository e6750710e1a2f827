"""What the console is told is what the topics hold, in SQLite and in PostgreSQL."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import LargeBinary, select

from schemas.errors import UsageError
from schemas.policy.model import HOUR
from schemas.timestamps import DAY_US
from streams.simulator.rng import Rng
from surfaces.read_model import case_list
from surfaces.read_model.database import Database
from surfaces.read_model.model import SqlReadModel
from surfaces.read_model.tables import metadata
from surfaces.read_model.views import COUNT_MAX, CaseFilter
from tests.read_models import (
    RECORDS,
    TOPICS,
    Expected,
    all_cases,
    positions_behind,
)

FILTERS = ("kind", "outcome", "status", "city", "category", "partner", "clause", "reason", "action")


pytestmark = pytest.mark.usefixtures("postgres_first")


@pytest.fixture(scope="module")
def expected() -> Expected:
    """Return what the records mean, found out without a database."""
    return Expected(RECORDS)


def test_cases_come_with_the_latest_message_first_each_once(model: SqlReadModel, expected: Expected) -> None:
    found = all_cases(model, CaseFilter())
    assert [each.latest_at for each in found] == sorted(expected.latest_at.values(), reverse=True)
    assert {each.case_id: each.latest_at for each in found} == expected.latest_at
    for each in found:
        assert {one.decision_id for one in each.decisions} == {
            one.decision_id for one in expected.decisions.values() if one.body.case_id == each.case_id
        }
        assert sorted(each.open_actions) == sorted(
            one.body.code for one in expected.open_actions() if one.body.case_id == each.case_id
        )


@pytest.mark.parametrize("rare_max", [0, 5_000])
@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_selects_the_cases_that_have_its_value_now(
    model: SqlReadModel, expected: Expected, name: str, rare_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_list, "RARE_MAX", rare_max)
    values = expected.values(name)
    assert values
    for value in (*values, "no such value"):
        wanted: dict[str, Any] = {name: value}
        found = all_cases(model, CaseFilter(**wanted))
        assert {each.case_id for each in found} == expected.cases_with(**wanted)


def test_filters_combine_and_those_about_a_decision_hold_for_one_decision(
    model: SqlReadModel, expected: Expected
) -> None:
    rng = Rng("filters")
    sizes = Counter[bool]()
    for _ in range(150):
        names = {rng.pick(FILTERS) for _ in range(rng.whole(2, 3))}
        wanted: dict[str, Any] = {name: rng.pick(sorted(expected.values(name))) for name in sorted(names)}
        matching = expected.cases_with(**wanted)
        assert {each.case_id for each in all_cases(model, CaseFilter(**wanted))} == matching, wanted
        sizes[bool(matching)] += 1
    assert min(sizes[True], sizes[False]) > 10
    outcome = "partner_led_cancellation/out_of_scope"
    assert expected.cases_with(kind="paf") & expected.cases_with(outcome=outcome)
    assert all_cases(model, CaseFilter(kind="paf", outcome=outcome)) == []


def test_a_range_of_time_has_its_start_and_not_its_end(model: SqlReadModel, expected: Expected) -> None:
    times = sorted(expected.latest_at.values())
    since, until = times[len(times) // 3], times[-2]
    found = all_cases(model, CaseFilter(since=since, until=until))
    assert sorted(each.latest_at for each in found) == [at for at in times if since <= at < until]


def test_more_cases_than_are_counted_are_called_more(
    model: SqlReadModel, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert COUNT_MAX > len(expected.latest_at) > 4
    assert not model.cases(CaseFilter(), limit=2).is_more
    monkeypatch.setattr(case_list, "COUNT_MAX", 3)
    page = model.cases(CaseFilter(), limit=2)
    assert (page.count, page.is_more) == (3, True)


def test_facets_count_what_occurs_now(model: SqlReadModel, expected: Expected) -> None:
    facets = model.facets()
    decisions = list(expected.decisions.values())
    assert facets.kinds == Counter(each.body.kind for each in decisions)
    assert facets.outcomes == Counter(each.body.outcome for each in decisions)
    assert facets.statuses == Counter(each.body.status for each in decisions)
    assert facets.clauses == Counter(clause for each in decisions for clause in each.body.clauses)
    assert facets.reasons == Counter(reason for each in decisions for reason in each.body.reasons)
    assert facets.actions == Counter(each.body.code for each in expected.open_actions())
    for name, counted in (("city", facets.cities), ("category", facets.categories)):
        assert counted == {value: len(expected.cases_with(**{name: value})) for value in expected.values(name)}


def test_the_overview_shows_what_the_topics_hold(model: SqlReadModel, expected: Expected) -> None:
    now = RECORDS[-1].timestamp * 1000
    overview = model.overview(now, hours=10_000, rows=9)
    assert overview.cases == len(expected.latest_at)
    assert [each.seq for each in overview.latest] == sorted((each.seq for each in overview.latest), reverse=True)
    assert [each.id for each in overview.latest] == [each.decision_id for each in expected.revisions[:-10:-1]]
    assert {(each.hour, each.kind, each.name, each.outcome): each.count for each in overview.hours} == expected.hours
    assert all(each.hour > now - HOUR for each in model.overview(now, hours=1).hours)
    assert {each.cause: each.count for each in overview.causes} == Counter(
        letter.reason.partition(":")[0] for letter in expected.dead_letters
    )
    opened = expected.open_actions()
    assert {each.code: each.count for each in overview.open_actions} == Counter(each.body.code for each in opened)
    for each in overview.open_actions:
        same = [one.body for one in opened if one.body.code == each.code]
        assert each.oldest_at == min(one.time for one in same)
        assert each.first_due_at == min((one.due_at for one in same if one.due_at is not None), default=None)
    for at in (now, RECORDS[len(RECORDS) // 2].timestamp * 1000, 0):
        shown = model.overview(at, rows=1_000)
        assert {row.id for row in shown.firing} == expected.firing(at)
        assert shown.firing_count == len(expected.firing(at))
    assert expected.firing(0)
    assert {each.tp: (each.offset, each.records, each.skipped) for each in overview.positions} == {
        tp: (behind.offset, expected.records[tp], expected.unreadable[tp])
        for tp, behind in positions_behind(RECORDS).items()
    }
    assert expected.unreadable.total() > 0


def test_a_case_has_its_records_as_they_came(model: SqlReadModel, expected: Expected) -> None:
    for case_id in (*expected.latest_at, "job-of-nobody"):
        found = model.case(case_id)
        if case_id == "job-of-nobody":
            assert found is None
            continue
        assert found is not None
        assert {each.place.name for each in found.facts} == expected.places("fact", case_id)
        assert {each.record.place.name for each in found.decisions} == expected.places("decision", case_id)
        assert {each.record.place.name for each in found.actions} == expected.places("action", case_id)
        assert {each.record.place.name for each in found.alerts} == expected.places("alert", case_id)
        assert {each.record.place.name for each in found.dead_letters} == expected.places("dead_letter", case_id)
        for each in (*found.facts, *found.reports, *(one.record for one in found.decisions)):
            record = expected.at[each.place.name]
            assert (each.key, each.value, each.published_at) == (record.key, record.value, record.timestamp * 1000)
            assert list(each.headers) == list(record.headers)
        assert {each.place.name for each in found.reports} == expected.reports_of(case_id)
    assert any(expected.places("dead_letter", case_id) for case_id in expected.latest_at) or expected.dead_letters
    assert any(expected.reports_of(case_id) for case_id in expected.latest_at)


def test_too_many_reports_are_cut(model: SqlReadModel, expected: Expected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surfaces.read_model.case_page.REPORTS_MAX", 3)
    case_id = max(expected.latest_at, key=lambda each: len(expected.reports_of(each)))
    found = model.case(case_id)
    assert found is not None
    assert (len(found.reports), found.are_reports_cut) == (3, True)


def test_everything_is_found_by_its_id_or_a_prefix(model: SqlReadModel, expected: Expected) -> None:
    decision = next(iter(expected.decisions.values()))
    action, alert = next(iter(expected.actions.values())), next(iter(expected.alerts.values()))
    ids = {
        "case": decision.body.case_id,
        "partner": next(iter(expected.engagements))[0],
        "ticket": next(iter(expected.claims)),
        "decision": decision.decision_id,
        "action": action.action_id,
        "alert": alert.alert_id,
    }
    for kind, wanted in ids.items():
        assert (kind, wanted) in [(each.kind, each.id) for each in model.find(f" {wanted} ")]
        assert (kind, wanted) in [(each.kind, each.id) for each in model.find(wanted[:-1], limit=10_000)]
        assert all(each.id.startswith(wanted[:-1]) for each in model.find(wanted[:-1], limit=10_000))
        assert model.find(wanted)[0].id == wanted
    assert [each.case_id for each in model.find(decision.decision_id)] == [decision.body.case_id]
    assert model.find("") == model.find("   ") == ()
    assert list(model.find("nothing has this id")) == []


def test_a_partner_has_engagements_penalties_and_claims(model: SqlReadModel, expected: Expected) -> None:
    partners = {partner_id for partner_id, _ in expected.engagements}
    for partner_id in partners:
        pages, before = list[str](), None
        while True:
            found = model.partner(partner_id, before=before, limit=1)
            assert found is not None
            pages += [each.case_id for each in found.engagements]
            before = found.next_page
            if before is None:
                break
        assert sorted(pages) == sorted(case for partner, case in expected.engagements if partner == partner_id)
        found = model.partner(partner_id, limit=1_000)
        assert found is not None
        assert {each.case_id: each.is_assigned for each in found.engagements} == {
            case: is_assigned for (partner, case), is_assigned in expected.engagements.items() if partner == partner_id
        }
        assert found.assignments == sum(each.is_assigned for each in found.engagements)
        assert found.claims == sum(partner == partner_id for partner in expected.claims.values())
        assert found.claims == 0 or any(each.has_claim for each in found.engagements)
        penalties = Counter(
            (each.body.effective_at // DAY_US * DAY_US, each.body.outcome)
            for each in expected.decisions.values()
            if each.body.kind == "paf" and each.body.partner_id == partner_id
        )
        assert {(each.day, each.outcome): each.count for each in found.penalties} == penalties
        assert {each.id for each in found.alerts} == {
            each.alert_id for each in expected.alerts.values() if each.body.labels.get("partner_id") == partner_id
        }
    assert model.partner("partner-of-nobody") is None
    assert set(expected.claims.values()) & partners


def test_dead_letters_come_by_cause_and_by_place(model: SqlReadModel, expected: Expected) -> None:
    for cause in model.causes():
        names, before = list[str](), None
        while True:
            page = model.dead_letters(cause=cause.cause, before=before, limit=3)
            assert {each.message.cause for each in page.dead_letters} == {cause.cause}
            names += [each.record.place.name for each in page.dead_letters]
            before = page.next_page
            if before is None:
                break
        assert len(names) == len(set(names)) == cause.count
        one = model.dead_letter(names[0])
        assert one is not None
        assert one.record.value == expected.at[names[0]].value
        assert one.record.published_at == cause.last_at
        refused = expected.at[f"{one.message.topic}-{one.message.partition}@{one.message.offset}"]
        assert one.message.value == refused.value
    assert len(model.dead_letters(limit=10_000).dead_letters) == len(expected.dead_letters)
    for name in ("nowhere-0@1", f"{TOPICS.dead_letters}-0@999999", f"{TOPICS.actions}-0@0", "@", "x"):
        assert model.dead_letter(name) is None


def test_changes_are_the_messages_after_a_number(model: SqlReadModel, expected: Expected) -> None:
    everything = model.changes(0, limit=100_000)
    assert len(everything.rows) == expected.hours.total()
    assert not everything.is_cut
    numbers = [row.seq for row in everything.rows]
    assert numbers == sorted(set(numbers))
    assert everything.last_seq == numbers[-1]
    some = model.changes(numbers[-6], limit=5)
    assert (some.rows, some.is_cut) == (everything.rows[-5:], False)
    assert model.changes(numbers[0], limit=5) == replace(some, is_cut=True)
    nothing = model.changes(numbers[-1])
    assert (nothing.rows, nothing.last_seq, nothing.is_cut) == ((), numbers[-1], False)


def test_policies_are_those_of_the_decisions(model: SqlReadModel, expected: Expected) -> None:
    (policy,) = model.policies()
    times = [each.body.effective_at for each in expected.revisions]
    assert policy.name == expected.revisions[0].body.policy
    assert (policy.first_at, policy.last_at) == (min(times), max(times))
    assert (policy.revisions, policy.current) == (len(expected.revisions), len(expected.decisions))


@pytest.mark.parametrize("key", ["", "x", "1", "1-2-3", "-1-2", "1.5-2", "٣-٤", "1" * 20 + "-1"])
def test_a_page_that_is_none_is_refused(model: SqlReadModel, key: str) -> None:
    with pytest.raises(UsageError, match="is no page"):
        model.cases(CaseFilter(), before=key)
    assert model.cases(CaseFilter(), before="9" * 19 + "-1").cases
    with pytest.raises(UsageError, match="is no page"):
        model.dead_letters(before=f"{key}-")


def test_nothing_personal_is_outside_the_bytes_of_records(filled: Database, expected: Expected) -> None:
    personal = expected.personal
    assert len(personal) > 50
    with filled.reading() as connection:
        for table in metadata.sorted_tables:
            columns = [column for column in table.columns if not isinstance(column.type, LargeBinary)]
            for row in connection.execute(select(*columns)):
                for value in row:
                    assert not isinstance(value, float)
                    assert value not in personal, table.name
    filled.reader.dispose()
