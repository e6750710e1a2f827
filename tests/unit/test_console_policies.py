"""The console's page of policies: what is published, what is refused of it, and what `sop policy diff` found."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest

from schemas.codec.headers import Headers
from schemas.errors import UsageError
from schemas.policy.model import DAY, HOUR
from schemas.timestamps import format_instant, parse_instant
from streams.config.settings import Settings
from streams.operations.signature_check import signature_headers
from streams.runtime.ports import TP
from streams.what_if.difference import (
    AccountChange,
    Affected,
    ChangedDecision,
    PolicyDifference,
    Transition,
)
from surfaces.console.differences import FILES_MAX, DifferenceFolder
from surfaces.console.pages.policy import DECISIONS_MAX
from surfaces.sink.ports import Record
from tests.consoles import TestConsole, console
from tests.read_models import NOW_US, TOPICS, simulated, write
from tests.unit.test_console_access import browser
from tests.unit.test_console_pages import HOSTILE, parsed
from tests.unit.test_policy_signatures import ONE, TWO, lines


def document(label: str, starts_at: int, *keys: str) -> str:
    return "\n".join([f"label = {json.dumps(label)}", f"effective_from = {format_instant(starts_at)}", *keys, ""])


PAST = document("past", NOW_US - DAY, 'park.duration = "2 h"')
NOW = document("now", NOW_US - HOUR, 'park.duration = "1 h"')
COMING = document("coming", NOW_US + DAY, "proof.min_images = 3")


def published(
    *records: tuple[str, str | None],
    at: int = NOW_US - 2 * DAY,
    first: int = 0,
    headers: Headers = (),
    topic: str = "1",
) -> list[Record]:
    """Return records of the topic of policies, given by key and value."""
    return [
        Record(
            TP(TOPICS.policies, 0),
            topic,
            offset,
            at // 1000,
            key.encode(),
            None if value is None else value.encode(),
            headers,
        )
        for offset, (key, value) in enumerate(records, first)
    ]


async def page_of(found: TestConsole, path: str = "/policy", status: int = 200) -> str:
    async with browser(found) as client:
        answer = await client.get(path)
        assert answer.status_code == status, answer.text
        html = parsed(answer.text)
        assert len(html.ids) == len(set(html.ids))
        assert [each for each in html.addresses if not each.startswith(("/", "#"))] == []
        return answer.text


def rows(page: str, section: str) -> list[str]:
    """Return the text of each row of a section's table, its head aside."""
    (body,) = re.findall(rf'aria-labelledby="{section}">\s*<header>.*?</section>', page, re.DOTALL)
    found = re.findall(r"<tr.*?</tr>", body.partition("<tbody>")[2], re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in found]


async def test_what_is_published_is_shown_with_what_is_in_force_and_what_is_to_come(tmp_path: Path) -> None:
    (tmp_path / "filed.toml").write_text(document("filed", NOW_US - 10 * DAY, "presence.radius_m = 400.0"))
    settings = Settings(policies=(str(tmp_path / "filed.toml"),))
    records = published(("past", PAST), ("now", NOW), ("coming", COMING))
    with console(tmp_path, records, settings, now_us=NOW_US) as found:
        page = await page_of(found)
        versions = rows(page, "versions")
        for row, (label, state, starts_at, key, source) in zip(
            versions,
            [
                ("default", "earlier", None, "nothing", "built in"),
                ("filed", "earlier", NOW_US - 10 * DAY, "presence.radius_m = 400.0", "a file"),
                (
                    "past",
                    "earlier",
                    NOW_US - DAY,
                    "park.duration = 2 h (built in: 3 h)",
                    "published 2 d ago not signed",
                ),
                ("now", "in force now", NOW_US - HOUR, "park.duration = 1 h", "published 2 d ago not signed"),
                ("coming", "to come", NOW_US + DAY, "proof.min_images = 3", "published 2 d ago not signed"),
            ],
            strict=True,
        ):
            assert re.match(rf"{label}@[0-9a-f]{{16}} {state}", row), row
            assert starts_at is None or format_instant(starts_at)[:10] in row
            assert key in row
            assert row.endswith(source), row
        assert re.search(r"in force now: <span[^>]*>now@", page)
        assert [row.split("policies-0")[1] for row in rows(page, "publications")] == ["@2", "@1", "@0"]
        assert 'id="p-policies-0@1"' in page
        assert 'href="#p-policies-0@1"' in page


async def test_what_is_published_later_is_shown_without_a_restart(tmp_path: Path) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        assert "No policy was published." in await page_of(found)
        write(found.store, published(("now", NOW)))
        assert re.search(r"in force now: <span[^>]*>now@", await page_of(found))
        write(
            found.store, published(("now", document("now", NOW_US - HOUR)), ("other", "no TOML ="), first=1, at=NOW_US)
        )
        publications = rows(await page_of(found), "publications")
        assert "refused label: &#39;now&#39; cannot be changed: it is in force from" in publications[1]
        assert "refused not TOML:" in publications[0]
        assert re.search(r"in force now: <span[^>]*>now@", await page_of(found))


async def test_a_policy_is_withdrawn_before_it_is_in_force(tmp_path: Path) -> None:
    records = published(("coming", COMING), ("coming", None), ("never", None))
    with console(tmp_path, records, now_us=NOW_US) as found:
        page = await page_of(found)
        assert [row.partition("@")[0] for row in rows(page, "versions")] == ["default"]
        last, withdrawn, first = rows(page, "publications")
        assert "changes nothing" in last
        assert "is withdrawn" in withdrawn
        assert "is in force from" in first


async def test_only_the_topic_that_there_is_now_counts(tmp_path: Path) -> None:
    with console(tmp_path, published(("now", NOW), ("past", PAST)), now_us=NOW_US) as found:
        write(found.store, published(("coming", COMING), topic="2"))
        assert [row.partition("@")[0] for row in rows(await page_of(found), "versions")] == ["default", "coming"]


def signed(*signers: object) -> Headers:
    return signature_headers(lines(*signers, document=NOW))  # type: ignore[arg-type] # they are signers


@pytest.mark.parametrize(
    ("headers", "keys", "shown"),
    [
        (signed(ONE, TWO), (ONE, TWO), "signed by one, two"),
        (signed(ONE, TWO), (), "2 signatures, not checked: this console has no SOP_POLICY_KEYS"),
        (signed(ONE), (), "1 signature, not checked"),
        ((), (), "not signed"),
        (signed(ONE), (ONE, TWO), "refused signatures: only one has signed it, 2 have to"),
    ],
)
async def test_who_has_signed_is_named_where_it_can_be_known(
    tmp_path: Path, headers: Headers, keys: tuple[object, ...], shown: str
) -> None:
    settings = Settings(policy_keys=tuple(str(each.verifier) for each in keys))  # type: ignore[attr-defined]
    with console(tmp_path, published(("now", NOW), headers=headers), settings, now_us=NOW_US) as found:
        page = await page_of(found)
        (row,) = rows(page, "publications")
        assert shown in row
        assert len(rows(page, "versions")) == (1 if "refused" in shown else 2)


async def test_what_a_document_carries_is_text_and_never_markup(tmp_path: Path) -> None:
    label = HOSTILE.replace("\u202e", "").replace("\u2028", "")
    records = published((label, document(label, NOW_US - HOUR)), (HOSTILE, HOSTILE))
    with console(tmp_path, records, now_us=NOW_US) as found:
        page = await page_of(found)
        assert page.count("alert(1)") > 3
        html = parsed(page)
        assert [each.partition("?")[0] for each in html.scripts] == ["/static/console.js"]
        assert (html.handlers, "img" in html.tags) == ([], False)


async def test_decisions_are_explained_under_the_policies_that_their_worker_knew(tmp_path: Path) -> None:
    """Of decisions that were made before a policy was published, under the policies before it."""
    records = simulated(60)
    now_us = max(each.timestamp for each in records) * 1000
    policy = 'label = "strict"\n\n[proof]\nmin_images = 9\n[presence]\nradius_m = 1.0\n'
    otherwise = "Worked out anew, this leads to"
    with console(tmp_path, records, now_us=now_us) as found:

        async def cases() -> list[str]:
            async with browser(found) as client:
                listed = (await client.get("/cases.json?limit=200")).json()["cases"]
                return [(await client.get(f"/cases/{each['case_id']}")).text for each in listed]

        before = await cases()
        write(found.store, published(("strict", policy), at=now_us))
        assert "strict@" in (await page_of(found))
        assert [otherwise in each for each in await cases()] == [otherwise in each for each in before]


def difference(after: str = "strict@1234", count: int = 2) -> PolicyDifference:
    return PolicyDifference(
        before="default@0123",
        after=after,
        events=1_000,
        decisions=300,
        transitions=[
            Transition(kind="paf", subject_of="out_of_scope", before="none", after="upheld (final)", decisions=count)
        ],
        accounts=[
            AccountChange(account="penalties", unit="PAF", before="3", after="5", added="3", removed="1"),
            AccountChange(account="refunds", unit="INR", before="10", after="10", added="0", removed="0"),
        ],
        changed=[
            ChangedDecision(
                decision_key=f"job-{number}|paf",
                kind="paf",
                subject_of="out_of_scope",
                case_id=f"job-{number}",
                partner_id="p-1" if number else None,
                city="Mumbai",
                before="none",
                after="upheld (final)",
                fields=[],
            )
            for number in range(count)
        ],
        partners=[Affected(name="p-1", decisions=1, penalties=1), Affected(name="unknown", decisions=1, penalties=1)],
        cities=[Affected(name="Mumbai", decisions=2, penalties=2)],
    )


def put(folder: Path, name: str, found: PolicyDifference | bytes, at: int = NOW_US - HOUR) -> None:
    content = found if isinstance(found, bytes) else msgspec.json.encode(found)
    (folder / name).write_bytes(content)
    os.utime(folder / name, ns=(at * 1000, at * 1000))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "differences"
    found.mkdir()
    return found


async def test_differences_are_listed_the_last_one_first_and_each_has_its_page(tmp_path: Path, folder: Path) -> None:
    put(folder, "one.json", difference("one@1"), NOW_US - 2 * HOUR)
    put(folder, "a #?%.json", difference("two@2", DECISIONS_MAX + 1))
    put(folder, "page.html", b"<p>")
    with console(tmp_path, settings=Settings(console_policy_diffs=str(folder)), now_us=NOW_US) as found:
        page = await page_of(found)
        last, first = rows(page, "differences")
        assert last.startswith("default@0123 → two@2 a #?%.json 201 of 300 about 1 000 events penalties: 3 → 5 PAF")
        assert ("refunds" in last, last.endswith("1 h ago"), first.endswith("2 h ago")) == (False, True, True)
        addresses = [each for each in parsed(page).addresses if each.startswith("/policy/")]
        assert addresses == ["/policy/differences/a%20%23%3F%25.json", "/policy/differences/one.json"]
        shown = await page_of(found, addresses[0])
        assert "201 of 300 decisions about 1\u202f000 events change" in shown
        assert len(rows(shown, "changed")) == DECISIONS_MAX
        assert "200 of 201" in shown
        assert '<a class="id" href="/cases/job-7">job-7</a>' in shown
        assert rows(shown, "partners") == ["p-1 1 +1", "unknown 1 +1"]
        assert 'href="/partners/unknown"' not in shown
        put(folder, "one.json", difference("three@3"), NOW_US)
        assert "three@3" in rows(await page_of(found), "differences")[0]
        (folder / "one.json").unlink()
        assert len(rows(await page_of(found), "differences")) == 1


def make_huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.write_bytes(b'{"before": '), "no result of sop policy diff --out: Input data was truncated"),
        (lambda path: path.write_bytes(b"{}"), "no result of sop policy diff --out: Object missing required field"),
        (lambda path: path.mkdir(), "not a regular file"),
        (os.mkfifo, "not a regular file"),
        (lambda path: path.symlink_to("nowhere"), "No such file or directory"),
        (make_huge, "longer than 67108864 bytes"),
    ],
)
async def test_a_file_that_cannot_be_read_says_why_and_hides_no_other(
    tmp_path: Path, folder: Path, spoil: Callable[[Path], object], why: str
) -> None:
    put(folder, "good.json", difference())
    spoil(folder / "bad.json")
    with console(tmp_path, settings=Settings(console_policy_diffs=str(folder)), now_us=NOW_US) as found:
        listed = rows(await page_of(found), "differences")
        (bad,) = [each for each in listed if "bad.json" in each]
        assert f"unreadable {why}" in bad
        assert len(listed) == 2
        await page_of(found, "/policy/differences/bad.json", 404)
        await page_of(found, "/policy/differences/good.json")


@pytest.mark.parametrize("name", ["absent.json", "..%2Ftokens.toml", "%2Fetc%2Fpasswd", "good.json%00"])
async def test_no_other_file_is_shown(tmp_path: Path, folder: Path, name: str) -> None:
    put(folder, "good.json", difference())
    with console(tmp_path, settings=Settings(console_policy_diffs=str(folder)), now_us=NOW_US) as found:
        async with browser(found) as client:
            answer = await client.get(httpx.URL(f"http://127.0.0.1:8765/policy/differences/{name}"))
            assert answer.status_code == 404, answer.text


async def test_without_a_folder_the_page_says_how_to_get_one(tmp_path: Path, folder: Path) -> None:
    with console(tmp_path, now_us=NOW_US) as found:
        assert "Name one in SOP_CONSOLE_POLICY_DIFFS" in await page_of(found)
        await page_of(found, "/policy/differences/good.json", 404)
    with console(tmp_path, settings=Settings(console_policy_diffs=str(folder)), now_us=NOW_US) as found:
        assert "Nothing was compared yet." in await page_of(found)


def with_every_text(value: object, text: str) -> object:
    """Return a JSON value with another text everywhere."""
    match value:
        case dict():
            return {name: with_every_text(each, text) for name, each in value.items()}
        case list():
            return [with_every_text(each, text) for each in value]
    return text if isinstance(value, str) else value


async def test_what_a_difference_carries_is_text_and_never_markup(tmp_path: Path, folder: Path) -> None:
    hostile = json.dumps(with_every_text(json.loads(msgspec.json.encode(difference())), HOSTILE)).encode()
    put(folder, "hostile.json", hostile)
    with console(tmp_path, settings=Settings(console_policy_diffs=str(folder)), now_us=NOW_US) as found:
        for path in ("/policy", "/policy/differences/hostile.json"):
            page = await page_of(found, path)
            assert page.count("alert(1)") > 3
            html = parsed(page)
            assert [each.partition("?")[0] for each in html.scripts] == ["/static/console.js"]
            assert (html.handlers, "img" in html.tags) == ([], False)


def test_so_many_files_are_listed(folder: Path) -> None:
    for number in range(FILES_MAX + 3):
        put(folder, f"{number}.json", difference(), parse_instant("2026-01-01T00:00:00Z") + number)
    listed = [each.name for each in DifferenceFolder(str(folder)).files()]
    assert listed == [f"{number}.json" for number in range(FILES_MAX + 2, 2, -1)]


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^SOP_CONSOLE_POLICY_DIFFS: .*absent: no folder$"):
        DifferenceFolder(str(tmp_path / "absent"))
