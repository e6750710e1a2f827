"""The page of a partner."""

from __future__ import annotations

from collections import Counter, defaultdict

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from schemas.policy.model import DAY
from schemas.timestamps import format_instant
from surfaces.console.charts import Bar
from surfaces.console.parts import parts_of
from surfaces.console.templating import page
from surfaces.console.text import href
from surfaces.read_model.views import PartnerRecords

DAYS_MAX = 60
OUTCOME_TONES = {"upheld": "upheld", "waived": "waived", "reversal_scheduled": "reversed", "withdrawn": "withdrawn"}


async def partner(request: Request) -> Response:
    """Show a partner."""
    parts = parts_of(request)
    partner_id = request.path_params["partner_id"] or request.query_params.get("id", "")
    before = request.query_params.get("before") or None
    found = await parts.ask(parts.model.partner, partner_id, before=before)
    if found is None:
        raise HTTPException(404, f"No case that has been read names a partner {partner_id!r}.")
    totals: Counter[str] = Counter()
    for each in found.penalties:
        totals[each.outcome] += each.count
    return await page(
        request,
        "partner.html",
        found=found,
        bars=penalty_bars(found),
        totals=totals.most_common(),
        own_href=href("partners", partner_id),
    )


def penalty_bars(found: PartnerRecords) -> list[Bar]:
    """Return a bar for each day from the first penalty to the last, at most so many days."""
    days: defaultdict[int, list[tuple[str, str, int]]] = defaultdict(list)
    for each in sorted(found.penalties, key=lambda each: each.outcome):
        days[each.day].append((OUTCOME_TONES.get(each.outcome, "other"), each.outcome, each.count))
    if not days:
        return []
    last = max(days)
    first = max(min(days), last - (DAYS_MAX - 1) * DAY)
    span = range(first, last + DAY, DAY)
    return [
        Bar(format_instant(day)[5:10], number % 7 == 0 and number < max(len(span) - 2, 1), days.get(day, []))
        for number, day in enumerate(span)
    ]
