"""What the pages of the console show, and what they never let through."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from schemas.codec.decoder import decode_record
from schemas.codec.encoder import encode_act
from schemas.codec.limits import Limits
from schemas.errors import Unavailable
from schemas.outputs import Act
from schemas.policy.model import HOUR
from schemas.timestamps import format_instant
from streams.kit.deciding import decide
from streams.kit.scenario import Arrival
from surfaces.console.pages.cases import csv_cell
from surfaces.console.parts import Freshness
from surfaces.sink.ports import Record
from tests.consoles import ACTOR, ALL, LOOKER, TestConsole, console
from tests.read_models import Feed, simulated
from tests.unit.test_console_access import browser, form_token, log_in

START = 1_750_000_000_000_000
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}/../%2f#?&\u202e\u2028</td>"
PAGES = [
    "/",
    "/cases",
    "/policy",
    "/dead-letters",
    "/health",
    "/acts",
    "/find",
    "/login",
    "/find?q=job",
    "/nothing-here",
]
ODD_IDS = ["a/b", "/a", "a/", "a//b", "..", ".", "a b", "ünï", "a?b#c", "%2F", "a\\b", "a;b"]
PERSONAL = ("12.971599", "77.594566", "+919812345678", "Ravi Kumar")


@dataclass
class Found(HTMLParser):
    """Finds what a browser would take for elements and addresses."""

    scripts: list[str] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        if tag == "script":
            self.scripts.append(values.get("src") or "inline")
        self.handlers += [name for name in values if name.startswith("on") or name == "style"]
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action", "formaction"}]
        self.ids += [value or "" for name, value in attrs if name == "id"]


def parsed(text: str) -> Found:
    found = Found()
    found.feed(text)
    return found


def events_of(case_id: str, partner_id: str, text: str) -> Iterator[tuple[str, dict[str, object]]]:
    yield (
        "job.booked",
        {
            "customer_id": text,
            "category": text,
            "city": text,
            "site": {"lat": 12.971599, "lon": 77.594566},
            "premises": "residential",
            "scheduled_for": text,
        },
    )
    yield "job.assigned", {"partner_id": partner_id, "partner_group": text}
    yield "job.line_item_added", {"line_id": text, "amount": {"amount": "1.00", "currency": "INR"}, "description": text}
    yield (
        "ticket.created",
        {"ticket_id": text, "kind": "out_of_scope", "opened_by": "partner", "reason": "out_of_scope"},
    )
    yield "ticket.media_added", {"ticket_id": text, "added_by": "partner", "url": f"javascript:alert(1)//{text}"}
    yield "ticket.created", {"ticket_id": f"{text}2", "kind": "offline_service", "opened_by": "customer"}
    yield (
        "ticket.partner_identified",
        {"ticket_id": f"{text}2", "partner_id": partner_id, "name": "Ravi Kumar", "phone": "+919812345678"},
    )
    yield (
        "ticket.payment_proof_added",
        {
            "ticket_id": f"{text}2",
            "claimed_partner_id": partner_id,
            "method": "upi",
            "proof_url": f"javascript:alert(1)//{text}",
            "legible": True,
            "payee_name": "Ravi Kumar",
            "payee_phone": "+919812345678",
            "amount": {"amount": "499.00", "currency": "INR"},
            "paid_on": "2025-06-15",
            "service_date": "2025-06-15",
        },
    )
    yield "cancellation.recorded", {"by": "partner", "reason": "out_of_scope", "marked_against": "partner"}


def case_records(case_id: str, partner_id: str, text: str = HOSTILE, feed: Feed | None = None) -> Feed:
    """Return the records of a case whose free fields all have a text, and what a worker makes of them."""
    feed = feed or Feed()
    arrivals = []
    for number, (kind, data) in enumerate(events_of(case_id, partner_id, text)):
        at = START + number * 60_000_000
        envelope = {
            "specversion": "1.0",
            "id": f"{text}{number}",
            "source": f"/apps/{number}",
            "type": kind,
            "subject": case_id,
            "time": format_instant(at),
            "data": data,
        }
        line = json.dumps(envelope).encode()
        feed.add(feed.topics.of(kind), case_id, line, at)
        arrivals.append(Arrival(at, line, decode_record(line, None, Limits(), at)))
    report = {"lat": 12.971599, "lon": 77.594566, "accuracy_m": 12.0, "mocked": False}
    for minute in (3, 8):
        at = START + minute * 60_000_000
        envelope = {**envelope, "type": "location.reported", "subject": partner_id, "id": f"r{minute}"}
        line = json.dumps({**envelope, "time": format_instant(at), "data": report}).encode()
        feed.add(feed.topics.locations, partner_id, line, at)
        arrivals.append(Arrival(at, line, decode_record(line, None, Limits(), at)))
    for emitted in decide(sorted(arrivals, key=lambda each: each.at)):
        feed.add_message(emitted.message, emitted.at)
    broken = feed.add(feed.topics.of("job.booked"), case_id, f'{{"broken": "{text!r}"'.encode(), START)
    feed.add_dead_letter(broken, f"data.{text}: {text}", START + HOUR)
    act = Act(who=text, address=text, what="see_personal", why=text)
    feed.add(feed.topics.acts, case_id, encode_act(act, case_id, START), START)
    return feed


def ordered(feed: Feed) -> list[Record]:
    return sorted(feed.records, key=lambda record: record.timestamp)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestConsole]:
    records = ordered(case_records(HOSTILE, f"partner {HOSTILE}"))
    with console(tmp_path_factory.mktemp("hostile"), records, now_us=START + 4 * HOUR) as found:
        yield found


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestConsole]:
    records = simulated(60)
    now_us = max(record.timestamp for record in records) * 1000
    with console(tmp_path_factory.mktemp("day"), records, now_us=now_us) as found:
        yield found


async def every_page(client: httpx.AsyncClient, paths: list[str]) -> list[tuple[str, httpx.Response]]:
    return [(path, await client.get(path)) for path in paths]


@pytest.mark.parametrize("page", PAGES)
async def test_every_page_is_whole_without_anything_to_show(tmp_path: Path, page: str) -> None:
    with console(tmp_path, now_us=START) as found:
        async with browser(found) as client:
            answer = await client.get(page)
            assert answer.status_code == (404 if page == "/nothing-here" else 200)
            found_html = parsed(answer.text)
            assert {"html", "main", "h1", "nav", "header", "footer"} <= found_html.tags
            assert len(found_html.ids) == len(set(found_html.ids))


async def test_every_page_of_a_simulated_day_is_whole_and_links_only_here(day: TestConsole) -> None:
    async with browser(day) as client:
        cases = (await client.get("/cases.json?limit=200")).json()["cases"]
        ids = [case["case_id"] for case in cases]
        partners = {each["partner_id"] for case in cases for each in case["decisions"]} - {None}
        assert len(ids) >= 10
        told = [f"/statements/{name}?language={language}" for name in ids for language in ("en", "hi")]
        paths = [*PAGES, *told, *(f"/cases/{name}" for name in ids), *(f"/partners/{name}" for name in partners)]
        for path, answer in await every_page(client, paths):
            assert answer.status_code == (404 if path == "/nothing-here" else 200), (path, answer.text)
            html = parsed(answer.text)
            assert len(html.ids) == len(set(html.ids)), path
            assert [each for each in html.addresses if not each.startswith(("/", "#"))] == [], path


async def test_what_events_carry_is_text_on_every_page_and_never_markup(hostile: TestConsole) -> None:
    name = quote(HOSTILE, safe="")
    partner, place = quote(f"partner {HOSTILE}", safe=""), hostile.parts.model.dead_letters().dead_letters[0]
    paths = [
        *("/", "/cases", "/acts", "/dead-letters", "/health", "/policy"),
        *(f"/cases/{name}", f"/partners/{partner}", f"/find?q={name}", f"/dead-letters?cause={name}"),
        *(f"/dead-letters/{place.record.place.name}", f"/redrive?record={place.record.place.name}"),
        *(f"/statements/{name}", f"/statements/{name}?language=hi"),
        *(f"/cases?city={name}&partner={name}&reason={name}", f"/login?next={name}", f"/cases/x{name}"),
    ]
    async with browser(hostile) as client:
        await log_in(client, ALL)
        answers = await every_page(client, paths)
        token = form_token(answers[0][1])
        seen = await client.post(f"/cases/{name}", data={"form_token": token, "why": HOSTILE})
        assert seen.status_code == 200
        assert sum("alert(1)" in answer.text for _, answer in answers) > 8
        for path, answer in [*answers, ("personal", seen)]:
            if answer.status_code == 303:
                assert answer.headers["location"] == f"/cases/{name}"
                continue
            html = parsed(answer.text)
            assert [each.partition("?")[0] for each in html.scripts] == ["/static/console.js"], path
            assert (html.handlers, "img" in html.tags) == ([], False), path
            assert [each for each in html.addresses if not each.startswith(("/", "#"))] == [], path
            assert [each for each in html.addresses if each.startswith("//")] == [], path
            assert "49" not in re.findall(r"\{\{|49(?=/\.\.)", answer.text)


@pytest.mark.parametrize("case_id", ODD_IDS)
async def test_a_case_is_found_under_any_id(tmp_path: Path, case_id: str) -> None:
    records = ordered(case_records(case_id, "p-1", "text"))
    with console(tmp_path, records, now_us=START + 4 * HOUR) as found:
        async with browser(found) as client:
            listed = parsed((await client.get("/cases")).text).addresses
            (address,) = [each for each in listed if each.startswith("/cases/")]
            page = await client.get(address)
            assert (page.status_code, "What holds now" in page.text) == (200, True)
            assert (await client.get(f"/find?q={quote(case_id, safe='')}")).headers["location"] == address


async def test_personal_data_is_on_no_page_and_in_no_export(tmp_path: Path) -> None:
    records = ordered(case_records("job-1", "p-1", "text"))
    with console(tmp_path, records, now_us=START + 4 * HOUR) as found:
        async with browser(found) as client:
            await log_in(client, ALL)
            paths = [
                "/",
                "/cases",
                "/cases.json",
                "/cases.csv",
                "/cases/job-1",
                "/statements/job-1",
                "/statements/job-1?language=hi",
                "/partners/p-1",
                "/dead-letters",
                "/find?q=job",
            ]
            for path, answer in await every_page(client, paths):
                assert [each for each in PERSONAL if each in answer.text] == [], path
            assert found.acts.written == []


async def test_a_look_at_personal_data_is_on_record_before_anything_is_shown(tmp_path: Path) -> None:
    records = ordered(case_records("job-1", "p-1", "text"))
    with console(tmp_path, records, now_us=START + 4 * HOUR) as found:
        async with browser(found) as client:
            await log_in(client, LOOKER)
            data = {"form_token": form_token(await client.get("/cases/job-1"))}
            assert (await client.post("/cases/job-1", data={**data, "why": "  "})).status_code == 400
            found.acts.problem = "Kafka at k:9092 does not take it"
            refused = await client.post("/cases/job-1", data={**data, "why": "a dispute"})
            assert (refused.status_code, "does not take it" in refused.text) == (503, True)
            assert [each for each in PERSONAL if each in refused.text] == []
            found.acts.problem = ""
            seen = await client.post("/cases/job-1", data={**data, "why": " a  dispute "})
            assert [each for each in PERSONAL if each not in seen.text] == []
            assert '<svg class="map"' in seen.text
            ((act, subject),) = found.acts.written
            assert (act.who, act.address, act.what, act.why) == ("lena", "127.0.0.1", "see_personal", "a dispute")
            assert subject == "job-1"


async def test_who_may_act_may_not_see_personal_data_and_the_other_way_round(tmp_path: Path) -> None:
    records = ordered(case_records("job-1", "p-1", "text"))
    with console(tmp_path, records, now_us=START + 4 * HOUR) as found:
        place = found.parts.model.dead_letters().dead_letters[0].record.place.name
        for token, path in ((ACTOR, "/cases/job-1"), (ACTOR, f"/dead-letters/{place}"), (LOOKER, "/redrive")):
            async with browser(found) as client:
                await log_in(client, token)
                data = {"form_token": form_token(await client.get("/")), "why": "curious", "record": place}
                assert (await client.post(path, data=data)).status_code == 403
                page = (await client.get("/cases/job-1")).text
                assert ("Show personal data" in page) == (token == LOOKER)
        assert (found.acts.written, found.redrives.sent) == ([], [])


async def test_records_are_sent_again_after_a_dry_run_and_a_record_of_it(tmp_path: Path) -> None:
    records = ordered(case_records("job-1", "p-1", "text"))
    with console(tmp_path, records, now_us=START + 4 * HOUR) as found:
        async with browser(found) as client:
            await log_in(client, ACTOR)
            cause = quote("data.text", safe="")
            plan = await client.get(f"/redrive?cause={cause}")
            assert "1 would be sent, 0 kept" in plan.text
            data = {"form_token": form_token(plan), "cause": "data.text", "record": "", "count": "1"}
            assert (await client.post("/redrive", data=data)).status_code == 400  # no reason
            changed = await client.post("/redrive", data={**data, "count": "2", "why": "mended"})
            assert (changed.status_code, found.redrives.sent) == (400, [])
            done = await client.post("/redrive", data={**data, "why": "mended"})
            assert "1 records were sent again" in done.text
            ((act, subject),) = found.acts.written
            assert (act.what, act.why, act.who, subject) == ("redrive", "mended", "anna", "data.text")
            assert act.records == tuple(each.place for each in found.redrives.sent)


async def test_a_redrive_that_stops_half_way_says_what_was_sent(tmp_path: Path) -> None:
    feed = case_records("job-1", "p-1", "text")
    case_records("job-2", "p-1", "text", feed)
    with console(tmp_path, ordered(feed), now_us=START + 4 * HOUR) as found:
        found.redrives.refuses_after = 1
        async with browser(found) as client:
            await log_in(client, ACTOR)
            plan = await client.get("/redrive?cause=data.text")
            data = {"form_token": form_token(plan), "cause": "data.text", "count": "2", "why": "mended"}
            page = (await client.post("/redrive", data=data)).text
            assert ("Not all were sent" in page, "1 of 2" in page) == (True, True)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\N{FULLWIDTH EQUALS SIGN}"])
def test_a_cell_that_a_spreadsheet_would_take_for_a_formula_is_text(start: str) -> None:
    assert csv_cell(f"{start}cmd|'/c calc'!A0") == f"'{start}cmd|'/c calc'!A0"


async def test_an_export_as_csv_has_a_line_for_each_decision_and_no_formula(tmp_path: Path) -> None:
    records = ordered(case_records("=HYPERLINK(1)", "+p-1", "@text"))
    with console(tmp_path, records, now_us=START + 4 * HOUR) as found:
        async with browser(found) as client:
            answer = await client.get("/cases.csv")
            assert answer.headers["content-disposition"] == 'attachment; filename="cases.csv"'
            lines = list(csv.DictReader(io.StringIO(answer.text)))
            exported = (await client.get("/cases.json")).json()["cases"]
            assert len(lines) == sum(len(case["decisions"]) or 1 for case in exported) > 1
            assert {line["case_id"] for line in lines} == {"'=HYPERLINK(1)"}
            assert [cell for line in lines for cell in line.values() if cell[:1] in {*"=+-@"}] == []


async def test_filters_are_in_the_address_and_pages_go_on_by_key(day: TestConsole) -> None:
    async with browser(day) as client:
        first = (await client.get("/cases.json?kind=paf&limit=2")).json()
        assert first["cases"]
        ids = [case["case_id"] for case in first["cases"]]
        while first["next"]:
            first = (await client.get(first["next"])).json()
            ids += [case["case_id"] for case in first["cases"]]
        assert len(ids) == len(set(ids))
        shown = (await client.get("/cases?kind=paf&since=2025-01-01")).text
        assert ("selected>PAF" in shown, 'value="2025-01-01"' in shown) == (True, True)
        assert "/cases.csv?kind=paf&amp;since=2025-01-01" in shown


@pytest.mark.parametrize("wrong", ["since=yesterday", "until=2025-13-01", "before=nonsense", "limit=0"])
async def test_an_address_that_cannot_be_used_says_why(day: TestConsole, wrong: str) -> None:
    async with browser(day) as client:
        assert (await client.get(f"/cases.json?{wrong}")).status_code == 400


async def test_pages_say_how_old_their_data_is(tmp_path: Path) -> None:
    with console(tmp_path, now_us=START) as found:
        async with browser(found) as client:
            found.freshness = Freshness(has_caught_up=True, as_of=START - HOUR, problem="Kafka does not answer")
            page = (await client.get("/")).text
            assert ("Kafka does not answer" in page, "1 h ago" in page) == (True, True)
            assert (await client.get("/readyz")).status_code == 503
            found.freshness = Freshness(has_caught_up=False, as_of=START)
            assert "Still reading" in (await client.get("/")).text
            assert (await client.get("/readyz")).status_code == 503
            found.freshness = Freshness(has_caught_up=True, as_of=START)
            assert (await client.get("/readyz")).text == "ready\n"
            assert (await client.get("/healthz")).text == "ok\n"


async def test_a_database_that_does_not_answer_is_a_page_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with console(tmp_path, now_us=START) as found:

        def away(*_: object, **__: object) -> None:
            raise Unavailable("PostgreSQL: connection refused")

        monkeypatch.setattr(found.parts.model, "overview", away)
        async with browser(found) as client:
            page = await client.get("/")
            assert (page.status_code, "connection refused" in page.text) == (503, True)
