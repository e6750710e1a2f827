"""The page of a case; exact places, names and phones only with the right to see them, each look an act."""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET, structs
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from schemas.codec.headers import Headers, name_bytes
from schemas.events import AnyEvent, Money, Site
from schemas.timestamps import format_instant, parse_instant
from streams.terminal.message_text import PRIVATE, public_data
from surfaces.console.access import Right
from surfaces.console.acting import act_of, checked_form
from surfaces.console.case_map import case_map
from surfaces.console.parts import parts_of, visitor_of
from surfaces.console.story import Story, story_of
from surfaces.console.templating import page
from surfaces.console.text import exact, words
from surfaces.read_model.views import CaseErasure, CaseRecords, StoredRecord

RAW_CHARS_MAX: Final = 20_000
INSTANTS: Final = frozenset({"effective_at"})
WORDS: Final = frozenset({"outcome", "status", "resolve_at"})


async def case(request: Request) -> Response:
    """Show a case without personal data, or what is left of one that was erased."""
    records = await records_of(request)
    if records.erasure is not None:
        return await erased(request, records, records.erasure)
    return await _page(request, await _story(request, records), sees_personal=False)


async def personal(request: Request) -> Response:
    """Show a case with personal data, once this look is on record."""
    form = await checked_form(request, Right.SEE_PERSONAL)
    records = await records_of(request)
    if records.erasure is not None:
        return await erased(request, records, records.erasure)
    story = await _story(request, records)
    await act_of(request, form, "see_personal", records.case_id)
    return await _page(request, story, sees_personal=True)


async def records_of(request: Request) -> CaseRecords:
    """Return what is stored of the case that an address names; raises `HTTPException` (404) if there is nothing."""
    parts = parts_of(request)
    case_id = request.path_params["case_id"] or request.query_params.get("id", "")
    records = await parts.ask(parts.model.case, case_id)
    if records is None:
        raise HTTPException(
            404,
            f"No case {case_id!r} has been seen. If it is new, it may not have been read yet; if it was erased long "
            "ago, Kafka may no longer say so.",
        )
    return records


async def erased(request: Request, records: CaseRecords, erasure: CaseErasure) -> Response:
    """Say that a case was erased, and what stays of it."""
    return await page(request, "erased_case.html", records=records, erasure=erasure)


async def _story(request: Request, records: CaseRecords) -> Story:
    parts = parts_of(request)
    known = await parts.ask(parts.policies)
    return await parts.ask(story_of, records, known.history, parts.limits, parts.now_us())


async def _page(request: Request, story: Story, *, sees_personal: bool) -> Response:
    site = None if story.timeline is None else story.timeline.site
    drawn = None
    if sees_personal and site is not None and story.radius_m is not None:
        drawn = case_map(site, story.radius_m, story.presences)
    return await page(
        request,
        "case.html",
        story=story,
        records=story.records,
        sees_personal=sees_personal,
        may_see_personal=visitor_of(request).person.may(Right.SEE_PERSONAL),
        drawn=drawn,
        site=site,
        fields=lambda event: fact_fields(event, sees_personal=sees_personal),
        raw=raw_text,
        shown=shown_value,
        parameter=parameter_text,
        header_texts=header_texts,
    )


def fact_fields(event: AnyEvent, *, sees_personal: bool) -> list[tuple[str, str, bool]]:
    """Return the fields of an event that have a value: name, text, and whether it is hidden."""
    shown, found = public_data(event), list[tuple[str, str, bool]]()
    for name, value in structs.asdict(event.data).items():
        if value is None:
            continue
        if name in shown or sees_personal:
            found.append((name, _plain(value), False))
        elif name in PRIVATE:
            found.append((name, "hidden", True))
    return found


def shown_value(name: str, value: object) -> str:
    """Return a field of a decision, as a message or its struct has it, as text."""
    if value is None or value is UNSET:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(words(str(each)) if name == "reasons" else str(each) for each in value) or "none"
    if isinstance(value, dict):
        return " ".join(str(each) for each in value.values())
    if isinstance(value, int) and name in INSTANTS:
        return format_instant(value)
    return words(value) if isinstance(value, str) and name in WORDS else _plain(value)


def parameter_text(value: str) -> str:
    """Return a parameter of an action as text: instants as people read them."""
    try:
        return exact(parse_instant(value))
    except ValueError:
        return words(value)


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Money():
            return f"{value.amount} {value.currency}"
        case Site():
            return f"{value.lat}, {value.lon}"
    return str(value)


def raw_text(record: StoredRecord) -> str:
    """Return the value of a record as text, with bytes that are no UTF-8 replaced, up to a limit."""
    return _text(record.value)


def header_texts(headers: Headers) -> list[tuple[str, str]]:
    """Return headers as text."""
    return [(name_bytes(name).decode(errors="replace"), _text(value)) for name, value in headers]


def _text(value: bytes | None) -> str:
    if value is None:
        return "no value"
    text = value.decode(errors="replace")
    more = len(text) - RAW_CHARS_MAX
    return f"{text[:RAW_CHARS_MAX]} … and {more} characters more" if more > 0 else text
