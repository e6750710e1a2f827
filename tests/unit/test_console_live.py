"""The live feed: each stream gets new rows in order, at most so many, and is told what it did not get."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from schemas.errors import Unavailable
from streams.runtime.ports import Place
from surfaces.console.live import (
    KEPT_ROWS,
    ROWS_AT_ONCE,
    STREAMS_MAX,
    STREAMS_PER_ADDRESS_MAX,
    LiveFeed,
    TooManyStreamsError,
)
from surfaces.read_model.views import Changes, Row


def row(seq: int) -> Row:
    return Row(
        seq=seq,
        kind="decision",
        place=Place("decisions.paf", 0, seq),
        published_at=seq,
        time=seq,
        subject=f"job-{seq}",
        name="paf",
        outcome="upheld",
        status="final",
    )


@dataclass
class Rows:
    """What the read model has; `gives_max` rows at a time, as it does."""

    rows: list[Row] = field(default_factory=list)
    gives_max: int = KEPT_ROWS
    is_away: bool = False

    async def changes(self, after: int) -> Changes:
        if self.is_away:
            raise Unavailable("away")
        found = [each for each in self.rows if each.seq > after]
        given = tuple(found[-self.gives_max :])
        return Changes(given, given[-1].seq if given else after, is_cut=len(given) < len(found))

    async def last_seq(self) -> int:
        return self.rows[-1].seq if self.rows else 0


@asynccontextmanager
async def running(rows: Rows) -> AsyncIterator[LiveFeed]:
    feed = LiveFeed(rows.changes, rows.last_seq)
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def reached(feed: LiveFeed, seq: int) -> None:
    async with asyncio.timeout(10):
        while feed._last_seq < seq:  # noqa: ASYNC110 - it tells its streams, nobody else
            await asyncio.sleep(0.01)


async def begun(feed: LiveFeed, after: int | None = None) -> AsyncGenerator[bytes, None]:
    stream = feed.stream("127.0.0.1", after)
    assert (await anext(stream)).startswith(b"retry:")
    return stream


async def next_event(stream: AsyncGenerator[bytes, None]) -> tuple[int, Any]:
    async with asyncio.timeout(10):
        name, _, data, *_ = (await anext(stream)).decode().split("\n")
    return int(name.removeprefix("id: ")), json.loads(data.removeprefix("data: "))


async def test_a_stream_begins_now_and_gets_rows_in_order() -> None:
    rows = Rows([row(1), row(2)])
    async with running(rows) as feed:
        await reached(feed, 2)
        stream = await begun(feed)
        rows.rows += [row(3), row(4)]
        seq, data = await next_event(stream)
        assert (seq, [each["subject"] for each in data["rows"]], data["skipped"]) == (4, ["job-3", "job-4"], 0)
        await stream.aclose()


async def test_a_stream_goes_on_behind_the_last_event_that_it_got() -> None:
    rows = Rows([row(1)])
    async with running(rows) as feed:
        await reached(feed, 1)
        rows.rows += [row(2), row(3)]
        await reached(feed, 3)
        stream = await begun(feed, after=2)
        assert [each["seq"] for each in (await next_event(stream))[1]["rows"]] == [3]
        await stream.aclose()


async def test_streams_end_when_the_server_does() -> None:
    rows = Rows([row(1)])
    async with running(rows) as feed:
        await reached(feed, 1)
        stream = await begun(feed)
        waiting = asyncio.create_task(anext(stream, None))
        await asyncio.sleep(0)
        feed.close()
        async with asyncio.timeout(10):
            assert await waiting is None


async def test_of_too_many_rows_the_latest_come_and_the_rest_is_counted() -> None:
    rows = Rows([row(1)])
    async with running(rows) as feed:
        await reached(feed, 1)
        stream = await begun(feed)
        rows.rows += [row(seq) for seq in range(2, 2 + ROWS_AT_ONCE + 50)]
        seq, data = await next_event(stream)
        assert (len(data["rows"]), data["skipped"], data["is_cut"]) == (ROWS_AT_ONCE, 50, False)
        assert data["rows"][-1]["seq"] == seq
        await stream.aclose()


async def test_rows_that_the_read_model_did_not_give_are_said_to_be_missing() -> None:
    rows = Rows([row(1)], gives_max=5)
    async with running(rows) as feed:
        await reached(feed, 1)
        stream = await begun(feed)
        rows.rows += [row(seq) for seq in range(2, 40)]
        _, data = await next_event(stream)
        assert (len(data["rows"]), data["is_cut"]) == (5, True)
        await stream.aclose()


async def test_a_read_model_that_is_away_is_asked_again() -> None:
    rows = Rows([row(1)])
    async with running(rows) as feed:
        await reached(feed, 1)
        stream = await begun(feed)
        rows.is_away = True
        rows.rows.append(row(2))
        for _ in range(3):
            await asyncio.sleep(0.1)
        rows.is_away = False
        assert (await next_event(stream))[0] == 2
        await stream.aclose()


@pytest.mark.parametrize("several", [False, True])
async def test_there_are_so_many_streams_for_an_address_and_in_all(several: bool) -> None:
    feed = LiveFeed(Rows().changes, Rows().last_seq)
    streams = []
    most = STREAMS_MAX if several else STREAMS_PER_ADDRESS_MAX
    for number in range(most):
        streams.append(feed.stream(f"10.0.0.{number}" if several else "10.0.0.1", None))
        await anext(streams[-1])
    with pytest.raises(TooManyStreamsError):
        await anext(feed.stream("10.9.9.9" if several else "10.0.0.1", None))
    await streams.pop().aclose()
    again = feed.stream("10.9.9.9" if several else "10.0.0.1", None)
    await anext(again)
    for each in (again, *streams):
        await each.aclose()
    assert feed._streams.total() == 0
