"""The console in a real Chromium: every page, accessible, from one origin, with and without scripts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from schemas.policy.model import DAY
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.embedded_kafka.free_ports import HOST, free_port
from streams.operations.erasure import tombstones
from streams.process.clock import SystemClock
from tests.console_process import ConsoleProcess, ConsoleTopics, console_process, find_chromium
from tests.consoles import ALL
from tests.e2e.harness import until
from tests.read_models import Feed, simulated
from tests.unit.test_console_pages import HOSTILE, case_records
from tests.unit.test_console_policies import difference, document, published, put

PREFIX = "console-in-a-browser."
CASE, PARTNER, ERASED = "job-1", "p-1", "job-2"
PAGES = {
    "overview": "/",
    "cases": "/cases",
    "filtered cases": "/cases?kind=paf&since=2025-01-01",
    "no cases": "/cases?partner=nobody",
    "case": f"/cases/{CASE}",
    "statements": f"/statements/{CASE}",
    "statements in Hindi": f"/statements/{CASE}?language=hi",
    "partner": f"/partners/{PARTNER}",
    "policy": "/policy",
    "policy difference": "/policy/differences/strict.json",
    "erased case": f"/cases/{ERASED}",
    "dead letters": "/dead-letters",
    "health": "/health",
    "acts": "/acts",
    "find": "/find?q=job",
    "login": "/login",
    "not found": "/cases/nothing",
}
WIDTHS = (1440, 1024, 390)
_numbers = count(1)


@dataclass
class Served:
    """A console, and the topics that it reads, to which cases can be added."""

    console: ConsoleProcess
    topics: ConsoleTopics
    feed: Feed

    @property
    def url(self) -> str:
        return self.console.url

    def add_case(self, case_id: str, text: str = "text") -> str:
        """Write a new case to Kafka as if it was published now; return its id."""
        self.feed.records.clear()
        case_records(case_id, PARTNER, text, self.feed)
        now_ms = SystemClock().now_us() // 1000
        self.topics.write(each._replace(timestamp=now_ms) for each in self.feed.records)
        return case_id


@pytest.fixture(scope="module")
def served(kafka: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield a console that has read a simulated day, a case of its own and a hostile one."""
    topics, feed = ConsoleTopics(kafka.address, PREFIX), Feed.after(simulated(40))
    case_records(CASE, PARTNER, "text", feed)
    case_records(HOSTILE, f"partner {HOSTILE}", HOSTILE, feed)
    case_records(ERASED, PARTNER, "text", feed)
    now_us = SystemClock().now_us()
    (erased,) = tombstones(feed.topics, [ERASED], None, now_us)
    feed.add(erased.topic, ERASED, erased.value, now_us)
    policy = document("strict", now_us + DAY, "proof.min_images = 2", "park.duration = '1 h'")
    topics.write([*feed.records, *published(("strict", policy), ("strict", "no TOML ="), at=now_us)])
    folder, differences = tmp_path_factory.mktemp("console"), tmp_path_factory.mktemp("differences")
    put(differences, "strict.json", difference())
    put(differences, "broken.json", b"{")
    settings = {"SOP_CONSOLE_WORKERS": f"{HOST}:{free_port()}", "SOP_CONSOLE_POLICY_DIFFS": str(differences)}
    with console_process(folder, topics, **settings) as console:
        yield Served(console, topics, feed)


@pytest.fixture(autouse=True)
def _leaves_no_process_or_thread_behind() -> None:
    """Replace the guard of all tests: Chromium keeps processes of its own until its fixture closes it."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Yield a real Chromium; without one the test is skipped, or fails in CI."""
    program = find_chromium()
    if program is None:
        reason = "no chromium on the PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


class Watched:
    """A page whose requests and complaints are kept."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        self.page.on("console", lambda message: self._note(message.type, message.text))

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and "404 (Not Found)" not in text:
            self.complaints.append(text)

    def log_in(self, url: str) -> None:
        self.page.goto(f"{url}/login")
        self.page.get_by_label("Your token").fill(ALL)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(f"{url}/")


@pytest.fixture
def watched(chromium: Browser, served: Served) -> Iterator[Watched]:
    with chromium.new_context(viewport={"width": 1440, "height": 1000}) as context:
        page = Watched(context)
        yield page
        url = served.url
        assert [each for each in page.requests if not each.startswith(f"{url}/")] == []
        assert page.complaints == []


def serious(page: Page) -> list[str]:
    """Return what axe finds on a page that is serious or critical."""
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found.response["violations"]
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


def test_axe_finds_what_is_wrong(watched: Watched, served: Served) -> None:
    watched.page.goto(f"{served.url}/login")
    watched.page.evaluate("document.querySelector('label[for=token]').remove()")
    assert any("label" in each for each in serious(watched.page))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(name: str, scheme: str, served: Served, watched: Watched) -> None:
    page = watched.page
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of its words
    page.goto(served.url + PAGES[name])
    expect(page.locator("h1")).to_be_visible()
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert serious(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_every_width(name: str, served: Served, watched: Watched) -> None:
    page = watched.page
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(served.url + PAGES[name])
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width


def test_new_rows_are_counted_and_come_in_when_they_are_asked_for(served: Served, watched: Watched) -> None:
    page = watched.page
    page.goto(served.url)
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    before = page.locator("#live-rows").inner_text()
    case_id = served.add_case(f"new-{next(_numbers)}")
    show = page.get_by_role("button", name="new")
    expect(show).to_be_visible()
    assert page.locator("#live-rows").inner_text() == before  # nothing moves
    show.click()
    expect(page.locator("#live-rows").get_by_role("link", name=case_id).first).to_be_visible()
    until(lambda: has_shown_all(show), page.content)


def has_shown_all(show: Locator) -> bool:
    """Return whether no row waits to be shown; those that do, since they came after a click, are asked for."""
    if show.is_hidden():
        return True
    show.click()
    return False


def test_followed_rows_come_in_at_once_and_paused_ones_do_not_come(served: Served, watched: Watched) -> None:
    page = watched.page
    page.goto(served.url)
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    page.get_by_role("button", name="Follow").click()
    case_id = served.add_case(f"new-{next(_numbers)}")
    expect(page.locator("#live-rows").get_by_role("link", name=case_id, exact=True).first).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("paused", exact=True)).to_be_visible()
    missed = served.add_case(f"new-{next(_numbers)}")
    page.get_by_role("button", name="Pause").click()  # goes on behind the last row that it got
    expect(page.locator("#live-rows").get_by_role("link", name=missed, exact=True).first).to_be_visible()


def test_without_scripts_everything_can_be_read(chromium: Browser, served: Served) -> None:
    url = served.url
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{url}/cases")
        page.get_by_text("Filter", exact=True).click()
        page.get_by_label("partner id").fill(PARTNER)
        page.get_by_role("button", name="Apply").click()
        assert f"partner={PARTNER}" in page.url
        page.get_by_role("link", name=CASE, exact=True).click()
        expect(page.get_by_role("heading", name="What holds now")).to_be_visible()
        entry = page.locator(".entry-decision").first
        expect(entry.get_by_text("fired:")).to_be_hidden()
        entry.locator("summary").click()
        expect(entry.get_by_text("fired:")).to_be_visible()
        page.get_by_label("Find a case").fill(PARTNER)
        page.get_by_role("button", name="Find").click()
        assert page.url == f"{url}/partners/{PARTNER}"


def test_a_statement_is_read_and_printed_without_scripts_in_both_languages(chromium: Browser, served: Served) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{served.url}/cases/{CASE}")
        page.locator(".decision").first.get_by_role("link", name="English").click()
        told = page.get_by_role("article")
        expect(told).to_have_count(1)
        expect(told.get_by_role("heading", name="What would change it")).to_be_visible()
        page.get_by_role("link", name="हिन्दी").click()
        expect(told).to_have_attribute("lang", "hi")
        expect(told.get_by_role("heading", name="किस बात से निर्णय बदल सकता है")).to_be_visible()
        page.emulate_media(media="print")
        expect(told).to_be_visible()
        expect(page.get_by_role("navigation")).to_have_count(0)
        expect(page.locator(".top, .foot, .choice").locator("visible=true")).to_have_count(0)


def test_evidence_leads_to_its_fact_and_back(served: Served, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{served.url}/cases/{CASE}")
    page.locator(".entry-decision .evidence a").first.click()
    fact = page.locator("li:target")
    expect(fact.get_by_text("cited by")).to_be_visible()
    expect(fact.locator("details")).to_have_attribute("open", "")
    fact.locator(".cited a").first.click()
    expect(page.locator("li.entry-decision:target")).to_be_visible()


def test_personal_data_is_shown_once_it_is_on_record(served: Served, watched: Watched) -> None:
    url = served.url
    watched.log_in(url)
    page = watched.page
    page.goto(f"{url}/cases/{CASE}")
    expect(page.locator("svg.map")).to_have_count(0)
    why = f"a dispute, {next(_numbers)}"
    page.get_by_label("Why").fill(why)
    page.get_by_role("button", name="Show personal data").click()
    expect(page.locator("svg.map")).to_be_visible()
    assert serious(page) == []
    page.goto(f"{url}/acts")
    while page.get_by_text(why).count() == 0:
        page.wait_for_timeout(100)
        page.reload()
    expect(page.get_by_role("row").filter(has_text=why)).to_contain_text("root")


def test_the_keyboard_is_enough(served: Served, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{served.url}/cases")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # opens the filters
    expect(page.get_by_label("kind")).to_be_visible()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"


def test_an_id_is_copied_in_one_click(chromium: Browser, served: Served) -> None:
    url = served.url
    with chromium.new_context() as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
        page = context.new_page()
        page.goto(f"{url}/cases/{CASE}")
        page.get_by_role("button", name=f"Copy {CASE}").click()
        expect(page.get_by_text("Copied")).to_be_attached()
        assert page.evaluate("navigator.clipboard.readText()") == CASE


def test_what_events_carry_runs_nowhere(served: Served, watched: Watched) -> None:
    page = watched.page
    watched.log_in(served.url)
    name = quote(HOSTILE, safe="")
    for path in ("/", "/cases", f"/cases/{name}", f"/partners/{quote('partner ' + HOSTILE, safe='')}", "/dead-letters"):
        page.goto(served.url + path)
        expect(page.get_by_text("alert(1)").first).to_be_attached()
    page.goto(served.url)
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    page.get_by_role("button", name="Follow").click()
    served.add_case(f"{HOSTILE}{next(_numbers)}", HOSTILE)
    expect(page.locator("#live-rows tr.fresh").first).to_contain_text("alert(1)")
    assert served.console.log.read_text().count("ERROR") == 0
