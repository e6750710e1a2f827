"""The live view: rows as they come into the read model, as server-sent events.

One task asks the read model; streams share what it found. Each stream gets at most so many rows a second, and is told
how many it did not get.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

import msgspec

from schemas.errors import Unavailable
from surfaces.console.rows import row_text
from surfaces.read_model.views import Changes, Row

STREAMS_MAX: Final = 200
STREAMS_PER_ADDRESS_MAX: Final = 16
ROWS_PER_SECOND: Final = 20
ROWS_AT_ONCE: Final = 100
"""How many may come at once after a quiet time."""
EVENT_PAUSE_S: Final = 0.2
"""After an event, so that rows that come close together come in one."""
KEPT_ROWS: Final = 1_000
POLL_S: Final = 0.2
PING_S: Final = 15.0


class TooManyStreamsError(Exception):
    """There are as many live views as there may be."""


class LiveFeed:
    """Asks `changes` (after a number) for new rows, keeps the latest, and streams them.

    `last_seq` is the number after which to begin.
    """

    def __init__(self, changes: Callable[[int], Awaitable[Changes]], last_seq: Callable[[], Awaitable[int]]) -> None:
        self._changes = changes
        self._first_seq = last_seq
        self._rows: deque[Row] = deque(maxlen=KEPT_ROWS)
        self._last_seq = 0
        self._dropped_up_to = 0
        """Rows up to this number are not kept, or never were."""
        self._arrival = asyncio.Event()
        self._streams: Counter[str] = Counter()
        self._is_closed = False

    async def run(self) -> None:
        """Fetch new rows until cancelled; a read model that does not answer is asked again."""
        is_started = False
        while True:
            try:
                if not is_started:
                    self._last_seq = self._dropped_up_to = await self._first_seq()
                    is_started = True
                self._take(await self._changes(self._last_seq))
            except Unavailable:
                pass  # every page says so
            await asyncio.sleep(POLL_S)

    def _take(self, changes: Changes) -> None:
        if changes.is_cut and changes.rows:
            self._rows.clear()
            self._dropped_up_to = changes.rows[0].seq - 1
        for row in changes.rows:
            if len(self._rows) == KEPT_ROWS:
                self._dropped_up_to = self._rows[0].seq
            self._rows.append(row)
        if changes.last_seq != self._last_seq:
            self._last_seq = changes.last_seq
            arrived, self._arrival = self._arrival, asyncio.Event()
            arrived.set()

    def close(self) -> None:
        """End all streams, since the server ends; browsers come again by themselves."""
        self._is_closed = True
        self._arrival.set()

    async def stream(self, address: str, after: int | None) -> AsyncGenerator[bytes, None]:
        """Yield the events of one stream, from the rows after a number on; None: from now on.

        Raises `TooManyStreamsError` before the first event.
        """
        if self._streams.total() >= STREAMS_MAX or self._streams[address] >= STREAMS_PER_ADDRESS_MAX:
            raise TooManyStreamsError
        self._streams[address] += 1
        try:
            yield b"retry: 3000\n\n"
            async for event in self._events(self._last_seq if after is None else after):
                yield event
        finally:
            self._streams[address] -= 1
            if not self._streams[address]:
                del self._streams[address]

    async def _events(self, seq: int) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        allowance, filled_s = float(ROWS_AT_ONCE), loop.time()
        seq = min(seq, self._last_seq)  # of a read model that has been made anew since
        while not self._is_closed:
            if self._last_seq <= seq:
                try:
                    async with asyncio.timeout(PING_S):
                        await self._arrival.wait()
                except TimeoutError:
                    yield b": still here\n\n"
                continue
            rows = [row for row in self._rows if row.seq > seq]
            is_cut, seq = seq < self._dropped_up_to, self._last_seq
            allowance = min(allowance + (loop.time() - filled_s) * ROWS_PER_SECOND, ROWS_AT_ONCE)
            filled_s = loop.time()
            shown = rows[max(len(rows) - int(allowance), 0) :]
            allowance -= len(shown)
            if rows:
                yield _event(seq, shown, len(rows) - len(shown), is_cut=is_cut)
            await asyncio.sleep(EVENT_PAUSE_S)


def _event(seq: int, rows: list[Row], skipped: int, *, is_cut: bool) -> bytes:
    """Return an event with its rows, how many were left out, and whether there were more than that."""
    data = msgspec.json.encode({"rows": [row_text(row) for row in rows], "skipped": skipped, "is_cut": is_cut})
    return b"id: %d\nevent: rows\ndata: %s\n\n" % (seq, data)
