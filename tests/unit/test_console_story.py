"""The story of a case: explained revisions, evidence, what changed, and what comes if nothing else happens."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from agents.sops.catalogue import POLICIES
from schemas.codec.limits import Limits
from schemas.events import LOCATION_REPORT, Site
from schemas.outputs import WITHDRAWN
from schemas.policy.model import HOUR
from streams.policies.history import PolicyHistory
from surfaces.console.case_map import case_map
from surfaces.console.story import Fact, Revision, Story, story_of
from surfaces.read_model.database import SqliteDatabase
from surfaces.read_model.model import SqlReadModel
from surfaces.read_model.views import CaseFilter
from tests.read_models import simulated, store_in, write

POLICY = POLICIES.load_all(())
START = simulated(120)[0].timestamp * 1000


def stories(folder: Path, hours: int) -> list[Story]:
    """Return the stories of all decided cases of a simulated day, so many hours after it began."""
    records = simulated(120)
    now_us = START + hours * HOUR
    database = SqliteDatabase(folder / "console.sqlite")
    store = store_in(database, now_us)
    write(store, [each for each in records if each.timestamp * 1000 <= now_us])
    model = SqlReadModel(database)
    found = [model.case(case.case_id) for case in model.cases(CaseFilter(), limit=200).cases]
    store.close()
    return [story_of(each, PolicyHistory(POLICY), Limits(), now_us) for each in found if each is not None]


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> list[Story]:
    return stories(tmp_path_factory.mktemp("evening"), 30)


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> list[Story]:
    return stories(tmp_path_factory.mktemp("later"), 24 * 5)


def facts_of(story: Story) -> list[str]:
    return [entry.content.event.ref for entry in story.entries if isinstance(entry.content, Fact)]


def revisions(of: list[Story]) -> list[Revision]:
    return [entry.content for story in of for entry in story.entries if isinstance(entry.content, Revision)]


def test_every_revision_is_explained_by_the_row_that_fired(later: list[Story]) -> None:
    found = revisions(later)
    assert len(found) > 40
    for each in found:
        body, explained = each.stored.message.body, each.explained
        assert explained is not None
        if body.outcome != WITHDRAWN:
            assert (explained.outcome, explained.status) == (body.outcome, body.status), body
            assert [row.outcome for row in explained.rows if row.fired] == [body.outcome]
            assert all(row.failing for row in explained.rows[:-1])
            assert explained.rows[-1].clauses == body.clauses


def test_evidence_is_named_by_its_kind_and_facts_know_who_cites_them(later: list[Story]) -> None:
    for story in later:
        anchors = {each.anchor for each in revisions([story])}
        facts = {entry.content.event.ref: entry.content for entry in story.entries if isinstance(entry.content, Fact)}
        for each in revisions([story]):
            for ref, kind in each.evidence:
                assert kind
                if kind != LOCATION_REPORT:
                    assert each.anchor in {anchor for anchor, _ in facts[ref].cited_by}
        assert {anchor for fact in facts.values() for anchor, _ in fact.cited_by} <= anchors


def test_what_changed_is_said_with_the_value_before(later: list[Story]) -> None:
    changed = [each for each in revisions(later) if each.changes]
    assert changed
    for each in changed:
        for name, before, now in each.changes:
            assert name in each.stored.message.changed
            assert before != now


def test_what_holds_is_the_last_revision_of_each_decision(later: list[Story]) -> None:
    for story in later:
        last: dict[str, int] = {}
        for each in revisions([story]):
            message = each.stored.message
            last[message.decision_key] = max(last.get(message.decision_key, 0), message.revision)
        assert {each.stored.message.decision_key: each.stored.message.revision for each in story.current} == last


def test_what_is_ahead_is_what_came_where_no_fact_came_between(evening: list[Story], later: list[Story]) -> None:
    after = {story.records.case_id: story for story in later}
    checked = 0
    for story in evening:
        then = after[story.records.case_id]
        if facts_of(then) != facts_of(story):
            continue
        known = {each.stored.message.decision_id for each in revisions([story])}
        came = sorted(
            each.stored.message.body.effective_at
            for each in revisions([then])
            if each.stored.message.decision_id not in known
        )
        became = [ahead.at for ahead in story.ahead if "becomes" in ahead.text]
        assert [at for at in became if at <= START + 24 * 5 * HOUR] == came
        checked += len(came)
    assert checked > 0


def test_a_timeline_is_in_order_and_facts_come_before_what_rests_on_them(later: list[Story]) -> None:
    for story in later:
        assert [entry.at for entry in story.entries] == sorted(entry.at for entry in story.entries)
        places = {
            entry.content.event.ref: at for at, entry in enumerate(story.entries) if isinstance(entry.content, Fact)
        }
        for at, entry in enumerate(story.entries):
            if isinstance(entry.content, Revision):
                assert all(places[ref] < at for ref, _ in entry.content.evidence if ref in places)


def test_the_map_has_the_site_the_ring_and_a_circle_for_each_report(later: list[Story]) -> None:
    drawn = 0
    for story in later:
        if story.timeline is None or story.timeline.site is None or story.radius_m is None:
            continue
        svg = str(case_map(story.timeline.site, story.radius_m, story.presences))
        fixes = [fix for each in story.presences for fix in each.fixes if fix.place is not None]
        assert svg.count('class="point"') == len(fixes)
        assert (svg.count('class="ring"'), svg.count('class="site"')) == (1, 1)
        root = ET.fromstring(svg)  # noqa: S314 - our own
        half = float(root.attrib["viewBox"].split()[2]) / 2
        for circle in root.iter("circle"):
            assert abs(float(circle.attrib.get("cx", 0))) <= half
            assert abs(float(circle.attrib.get("cy", 0))) <= half
        drawn += len(fixes)
    assert drawn > 10


def test_a_map_without_reports_is_a_ring_around_the_site() -> None:
    assert "500 m" in str(case_map(Site(0.0, 179.999), 500.0, ()))
