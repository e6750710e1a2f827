"""The page of statements: what it shows to whom, in which language, and of which revision."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from schemas.outputs import AnyDecision
from schemas.policy.model import HOUR
from surfaces.console.pages.statement import current_decisions
from surfaces.console.text import href
from tests.consoles import TestConsole, console
from tests.unit.test_console_access import browser
from tests.unit.test_console_pages import ODD_IDS, PERSONAL, START, case_records, ordered, parsed


@pytest.fixture
def served(tmp_path: Path) -> Iterator[TestConsole]:
    """A console that has read a case with both sides, in which every free text is `planted`."""
    records = ordered(case_records("job-1", "p-1", "planted"))
    with console(tmp_path, records, now_us=START + 4 * HOUR) as found:
        yield found


def decisions(served: TestConsole) -> list[AnyDecision]:
    records = served.parts.model.case("job-1")
    assert records is not None
    return [each.message for each in records.decisions]


def current(served: TestConsole, kind: str, subject_of: str = "out_of_scope") -> AnyDecision:
    records = served.parts.model.case("job-1")
    assert records is not None
    (found,) = (
        each for each in current_decisions(records) if (each.body.kind, each.body.subject_of) == (kind, subject_of)
    )
    return found


def articles(answer: httpx.Response) -> list[str]:
    """Return the statements of a page, as HTML."""
    return re.findall(r"<article.*?</article>", answer.text, re.DOTALL)


@pytest.mark.parametrize("case_id", ODD_IDS)
async def test_statements_are_found_whatever_the_id_of_the_case(tmp_path: Path, case_id: str) -> None:
    with console(tmp_path, ordered(case_records(case_id, "p-1", "text")), now_us=START + 4 * HOUR) as found:
        async with browser(found) as client:
            page = await client.get(href("cases", case_id))
            told = [each for each in parsed(page.text).addresses if each.startswith("/statements/")]
            assert len(told) == 6
            for address in told:
                assert len(articles(await client.get(address))) == 1


async def test_the_page_of_a_case_leads_to_the_statement_of_each_decision_in_each_language(served: TestConsole) -> None:
    async with browser(served) as client:
        page = await client.get("/cases/job-1")
        told = [each for each in parsed(page.text).addresses if each.startswith("/statements/")]
        paf = current(served, "paf").decision_id
        assert f"/statements/job-1?decision={paf}&language=hi" in told
        for address in told:
            answer = await client.get(address)
            (article,) = articles(answer)
            assert f'lang="{address[-2:]}"' in article
            assert re.search(r"decision=(\w+)", address)[1] in article  # type: ignore[index] # it is quoted


async def test_without_a_decision_all_current_statements_are_shown(served: TestConsole) -> None:
    async with browser(served) as client:
        shown = articles(await client.get("/statements/job-1"))
    assert [re.search(r"<h2[^>]*>(.*?)</h2>", each)[1] for each in shown] == [  # type: ignore[index]
        "For partner p-1: the penalty (PAF) for a cancellation",
        "For partner p-1: the report of a service outside the platform",
        "For partner p-1: the tag of the job",
    ]


async def test_a_statement_can_be_read_in_hindi(served: TestConsole) -> None:
    async with browser(served) as client:
        answer = await client.get("/statements/job-1?language=hi")
    assert {'<article class="panel statement" lang="hi"'} == {
        each.partition(" aria-labelledby")[0] for each in articles(answer)
    }
    assert "पार्टनर p-1 के लिए: कैंसिलेशन की पेनल्टी (PAF)" in answer.text
    assert '<a lang="en" hreflang="en" href="/statements/job-1?language=en">English</a>' in answer.text


@pytest.mark.parametrize("language", ["en", "hi"])
async def test_a_statement_holds_nothing_about_others_and_is_no_act(served: TestConsole, language: str) -> None:
    async with browser(served) as client:
        shown = "".join(articles(await client.get(f"/statements/job-1?language={language}")))
    assert "p-1" in shown
    assert [each for each in (*PERSONAL, "planted", "javascript", "http", "499") if each in shown] == []
    assert served.acts.written == []


async def test_a_replaced_revision_says_so(served: TestConsole) -> None:
    paf = current(served, "paf")
    ids = {each.decision_id for each in decisions(served) if each.body.partner_id} - {
        each.decision_id for each in (paf, current(served, "tagging"), current(served, "tagging", "offline_service"))
    }
    assert ids
    async with browser(served) as client:
        for decision_id in ids:
            replaced = await client.get(f"/statements/job-1?decision={decision_id}")
            assert (replaced.status_code, "A later revision has replaced" in replaced.text) == (200, True)
        now = await client.get(f"/statements/job-1?decision={paf.decision_id}")
        assert "A later revision has replaced" not in now.text


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/statements/job-1?language=fr", 400, "is none of en, hi"),
        ("/statements/job-1?decision=0", 404, "has a statement for a partner"),
        ("/statements/nothing", 404, "No case"),
        ("/statements/", 404, "No case"),
    ],
)
async def test_what_is_not_there_is_told(served: TestConsole, path: str, status: int, text: str) -> None:
    async with browser(served) as client:
        answer = await client.get(path)
    assert (answer.status_code, text in answer.text) == (status, True)
