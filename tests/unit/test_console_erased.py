"""What the console says of a case that was erased."""

from __future__ import annotations

from pathlib import Path

from schemas.policy.model import HOUR
from schemas.timestamps import format_instant
from streams.operations.erasure import tombstones
from tests.consoles import ALL, console
from tests.read_models import write
from tests.unit.test_console_access import browser, form_token, log_in
from tests.unit.test_console_pages import START, case_records, ordered


async def test_an_erased_case_says_so_and_what_was_decided_last(tmp_path: Path) -> None:
    feed = case_records("job-1", "p-1", "text")
    with console(tmp_path, ordered(feed), now_us=START + 4 * HOUR) as found:
        (tombstone,) = tombstones(feed.topics, ["job-1"], None, START + 3 * HOUR)
        write(found.store, [feed.add(tombstone.topic, "job-1", tombstone.value, START + 3 * HOUR)])
        async with browser(found) as client:
            await log_in(client, ALL)
            assert "/cases/job-1" in (await client.get("/cases")).text
            for path in ("/cases/job-1", "/statements/job-1"):
                answer = await client.get(path)
                assert answer.status_code == 200
                assert "This case was erased on" in answer.text
                assert format_instant(START + 3 * HOUR) in answer.text
                assert 'tone-provisional">provisional' in answer.text
            for path in ("/", "/dead-letters", "/cases", "/partners/p-1"):
                assert (await client.get(path)).status_code == 200, path
            data = {"form_token": form_token(await client.get("/")), "why": "curious"}
            assert "This case was erased on" in (await client.post("/cases/job-1", data=data)).text
            assert found.acts.written == []
            absent = await client.get("/cases/job-2")
            assert (absent.status_code, "if it was erased long ago" in absent.text) == (404, True)
