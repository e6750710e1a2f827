"""The list of cases: filters, pages by key, and the same as CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from schemas.errors import UsageError
from schemas.policy.model import DAY
from schemas.timestamps import format_instant, parse_instant
from surfaces.console.parts import parts_of
from surfaces.console.templating import page
from surfaces.console.text import query
from surfaces.read_model.views import COUNT_MAX, CaseFilter, CasePage

ROWS: Final = 50
EXPORT_ROWS: Final = 500
FIELDS: Final = ("kind", "outcome", "status", "city", "category", "partner", "clause", "reason", "action")
TIMES: Final = ("since", "until")
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
    "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip
"""What makes a spreadsheet take a cell for a formula."""
COLUMNS: Final = (
    *("case_id", "latest_at", "city", "category", "kind", "subject_of", "partner_id", "outcome", "status"),
    *("revision", "reasons", "clauses", "effective_at", "decision_id", "open_actions", "firing_alerts"),
)


async def cases(request: Request) -> Response:
    """Show a page of cases."""
    parts, given = parts_of(request), _given(request)
    found = await _page(request, ROWS)
    facets = await parts.ask(parts.model.facets)
    choices = {
        "kind": facets.kinds, "outcome": facets.outcomes, "status": facets.statuses, "city": facets.cities,
        "category": facets.categories, "clause": facets.clauses, "reason": facets.reasons, "action": facets.actions,
    }  # fmt: skip
    return await page(
        request,
        "cases.html",
        found=found,
        given=given,
        choices=choices,
        count_max=COUNT_MAX,
        is_first=not request.query_params.get("before"),
        next_href=found.next_page and query("/cases", [*given.items(), ("before", found.next_page)]),
        csv_href=_same(request, "/cases.csv"),
        json_href=_same(request, "/cases.json"),
        without={name: query("/cases", [item for item in given.items() if item[0] != name]) for name in given},
    )


async def cases_csv(request: Request) -> Response:
    """Return the cases of a page as CSV, a line for each decision; cells that look like formulas are made text."""
    found = await _page(request, _rows(request))
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(COLUMNS)
    for row in _documents(found):
        for decision in row["decisions"] or [{}]:
            cells = {**row, **decision}
            writer.writerow([csv_cell(cells.get(name)) for name in COLUMNS])
    return Response(lines.getvalue(), media_type="text/csv; charset=utf-8", headers=_download("cases.csv"))


async def cases_json(request: Request) -> Response:
    """Return the cases of a page as JSON, with the address of the next page."""
    found = await _page(request, _rows(request))
    given = [*_given(request).items(), ("limit", request.query_params.get("limit"))]
    following = found.next_page and query("/cases.json", [*given, ("before", found.next_page)])
    document = {"cases": _documents(found), "count": found.count, "is_more": found.is_more, "next": following}
    return Response(msgspec.json.encode(document), media_type="application/json")


def csv_cell(value: object) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    text = ";".join(map(str, value)) if isinstance(value, list | tuple) else "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def _documents(found: CasePage) -> list[dict[str, Any]]:
    documents = []
    for case in found.cases:
        document = msgspec.to_builtins(case)
        document["latest_at"] = format_instant(case.latest_at)
        for decision in document["decisions"]:
            decision["effective_at"] = format_instant(decision["effective_at"])
        documents.append(document)
    return documents


def _download(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _rows(request: Request) -> int:
    text = request.query_params.get("limit", str(ROWS))
    if not text.isdecimal() or not 1 <= int(text) <= EXPORT_ROWS:
        raise UsageError(f"limit: a whole number from 1 to {EXPORT_ROWS}")
    return int(text)


async def _page(request: Request, rows: int) -> CasePage:
    parts, given = parts_of(request), _given(request)
    values: dict[str, Any] = {name: given[name] for name in FIELDS if name in given}
    values |= {name: _instant(name, given[name]) for name in TIMES if name in given}
    wanted = CaseFilter(**values)
    before = request.query_params.get("before") or None
    return await parts.ask(parts.model.cases, wanted, before=before, limit=rows)


def _given(request: Request) -> Mapping[str, str]:
    """Return the filters in the address that have a value."""
    return {name: value for name in (*FIELDS, *TIMES) if (value := request.query_params.get(name, "").strip())}


def _instant(name: str, text: str) -> int:
    """Return the instant of a day (UTC) or an RFC 3339 date-time; a day counts to its end in `until`."""
    try:
        if "T" in text:
            return parse_instant(text)
        return parse_instant(f"{text}T00:00:00Z") + (DAY if name == "until" else 0)
    except ValueError:
        raise UsageError(f"{name}: a day such as 2026-11-27, or an instant such as 2026-11-27T10:00:00Z") from None


def _same(request: Request, path: str) -> str:
    return query(path, [*_given(request).items(), ("before", request.query_params.get("before"))])
