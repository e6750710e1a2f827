"""How the workers and the console do, for people and for what watches processes."""

from __future__ import annotations

from math import isinf

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from surfaces.console.parts import parts_of
from surfaces.console.templating import page
from surfaces.console.workers import WorkerReport
from surfaces.read_model.views import Row


async def health(request: Request) -> Response:
    """Show workers, partitions, lag, throughput, latency and accounts."""
    parts = parts_of(request)
    found = await parts.ask(parts.model.overview, parts.now_us(), hours=24, rows=200)
    return await page(
        request,
        "health.html",
        found=found,
        workers=parts.workers(),
        delay_text=delay_text,
        lags=found.lags,
        latency=latency(found.latest),
        per_hour=sum(each.count for each in found.hours if each.kind == "decision") / 24,
    )


def latency(rows: tuple[Row, ...]) -> tuple[int, int, int] | None:
    """Return the median and the 95th percentile (microseconds) from a decision's time to its publication, of how many.

    None without decisions. Late events count from when they happened.
    """
    delays = sorted(max(row.published_at - row.time, 0) for row in rows if row.kind == "decision")
    if not delays:
        return None
    return delays[len(delays) // 2], delays[min(len(delays) * 95 // 100, len(delays) - 1)], len(delays)


def delay_text(worker: WorkerReport) -> str:
    """Return within which time a worker decided 95 % of events."""
    if worker.delay_s is None:
        return "\u2013"
    return f"over {worker.delay_s_max:g} s" if isinf(worker.delay_s) else f"up to {worker.delay_s:g} s"


async def is_alive(_: Request) -> Response:
    """Answer as long as the process does."""
    return PlainTextResponse("ok\n")


async def is_ready(request: Request) -> Response:
    """Answer with 200 once the read model has caught up with Kafka and goes on doing so."""
    freshness = parts_of(request).freshness()
    if freshness.has_caught_up and not freshness.problem:
        return PlainTextResponse("ready\n")
    return PlainTextResponse(f"{freshness.problem or 'reading'}\n", 503)
