"""The stream of new rows."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from surfaces.console.live import TooManyStreamsError
from surfaces.console.parts import parts_of, visitor_of


async def live(request: Request) -> Response:
    """Stream rows after `Last-Event-ID`, or after the number in the address, as server-sent events."""
    after = request.headers.get("last-event-id") or request.query_params.get("after", "")
    stream = parts_of(request).feed.stream(visitor_of(request).address, int(after) if after.isdecimal() else None)
    try:
        first = await anext(stream)
    except TooManyStreamsError:
        text = "There are as many live views as there may be. This page can be loaded again instead.\n"
        return PlainTextResponse(text, 503, headers={"Retry-After": "30", "Connection": "close"})

    async def events() -> AsyncIterator[bytes]:
        yield first
        try:
            async for event in stream:
                yield event
        finally:
            await stream.aclose()

    return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
