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
from surfaces.read_model.views import HourCount

HOURS: Final = 24
ROWS: Final = 24
SERIES_MAX: Final = 8


async def overview(request: Request) -> Response:
    """Show the overview."""
    parts = parts_of(request)
    now = parts.now_us()
    found = await parts.ask(parts.model.overview, now, hours=HOURS, rows=ROWS)
    return await page(
        request,
        "overview.html",
        found=found,
        rows=sorted([*found.latest, *found.latest_alerts], key=lambda row: (-row.published_at, -row.seq))[:ROWS],
        decisions=hour_bars(found.hours, now, "decision"),
        alerts=hour_bars(found.hours, now, "alert"),
        outcomes=_outcomes(found.hours),
        unaccounted=[each for each in found.progress if not each.is_accounted_for],
        hours=HOURS,
    )


def hour_bars(hours: Sequence[HourCount], now: int, kind: str) -> list[Bar]:
    """Return a bar for each of the last hours with what was published of a kind, by name, the rarest as others."""
    first = now // HOUR * HOUR - (HOURS - 1) * HOUR
    counts: Counter[tuple[int, str]] = Counter()
    totals: Counter[str] = Counter()
    for each in hours:
        if each.kind == kind:
            totals[each.name] += each.count
            counts[each.hour, each.name] += each.count
    names = [name for name, _ in totals.most_common(SERIES_MAX - (len(totals) > SERIES_MAX))]
    bars = []
    for number in range(HOURS):
        hour = first + number * HOUR
        shown = [(f"series-{at}", name, counts[hour, name]) for at, name in enumerate(names)]
        if len(names) < len(totals):
            others = sum(counts[hour, name] for name in totals if name not in names)
            shown.append((f"series-{SERIES_MAX - 1}", "others", others))
        bars.append(Bar(format_instant(hour)[11:16], number % 6 == 0, shown))
    return bars


def _outcomes(hours: Sequence[HourCount]) -> list[tuple[str, str, int]]:
    """Return how many decisions of each kind had each outcome, the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in hours:
        if each.kind == "decision":
            counts[each.name, each.outcome] += each.count
    return [(*key, count) for key, count in counts.most_common()]
