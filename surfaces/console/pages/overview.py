"""The first page: what is decided now, what fires, what is to be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from schemas.policy.model import HOUR
from schemas.timestamps import format_instant
from surfaces.console.charts import Bar
from surfaces.console.parts import parts_of
from surfaces.console.templating import page
from surfaces.read_model.views import HourCount, Overview

HOURS: Final = 24
ROWS: Final = 24
TONES: Final = ("final", "provisional", "withdrawn")


async def overview(request: Request) -> Response:
    """Show the overview."""
    parts = parts_of(request)
    now = parts.now_us()
    found = await parts.ask(parts.model.overview, now, hours=HOURS, rows=ROWS)
    return await page(
        request,
        "overview.html",
        found=found,
        rows=sorted([*found.latest, *found.latest_alerts], key=lambda row: -row.seq)[:ROWS],
        decisions=hour_bars(found.hours, now, "decision"),
        alerts=hour_bars(found.hours, now, "alert"),
        outcomes=_outcomes(found.hours),
        lag=worker_lag(found),
        unaccounted=[each for each in found.progress if not each.is_accounted_for],
        hours=HOURS,
    )


def hour_bars(hours: Sequence[HourCount], now: int, kind: str) -> list[Bar]:
    """Return a bar for each of the last hours with what was published of a kind, by name."""
    first = now // HOUR * HOUR - (HOURS - 1) * HOUR
    names = sorted({each.name for each in hours if each.kind == kind})
    counts: Counter[tuple[int, str]] = Counter()
    for each in hours:
        if each.kind == kind:
            counts[each.hour, each.name] += each.count
    bars = []
    for number in range(HOURS):
        hour = first + number * HOUR
        label = format_instant(hour)[11:16]
        shown = [(f"series-{at % 6}", name, counts[hour, name]) for at, name in enumerate(names)]
        bars.append(Bar(label, number % 6 == 0, shown))
    return bars


def _outcomes(hours: Sequence[HourCount]) -> list[tuple[str, str, int]]:
    """Return how many decisions of each kind had each outcome, the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in hours:
        if each.kind == "decision":
            counts[each.name, each.outcome] += each.count
    return [(*key, count) for key, count in counts.most_common()]


def worker_lag(found: Overview) -> int | None:
    """Return how many input records that are in Kafka no worker has read; None while no worker has said anything."""
    ends = {each.tp: each.offset for each in found.positions}
    if not found.progress:
        return None
    return sum(max(ends.get(each.tp, 0) - each.position, 0) for each in found.progress)
