"""Refused records: by cause, one in full, and sent again after a dry run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agents.sops import catalogue
from schemas.codec.headers import name_bytes
from schemas.errors import Unavailable
from streams.operations.dead_letters import DeadLetterRecord, Redrive, plan_redrive
from surfaces.console.access import Right
from surfaces.console.acting import act_of, checked_form
from surfaces.console.parts import parts_of, visitor_of
from surfaces.console.templating import page
from surfaces.console.text import query
from surfaces.read_model.views import StoredDeadLetter

ROWS: Final = 50
REDRIVE_MAX: Final = 500
"""Most records that one act sends again."""
REDRIVES_MAX: Final = 3
"""How often one record may be sent again in total, as in `sop dead-letters redrive`."""


async def dead_letters(request: Request) -> Response:
    """Show the causes, and a page of refused records."""
    parts = parts_of(request)
    cause, before = request.query_params.get("cause") or None, request.query_params.get("before") or None
    causes = await parts.ask(parts.model.causes)
    found = await parts.ask(parts.model.dead_letters, cause=cause, before=before, limit=ROWS)
    return await page(
        request,
        "dead_letters.html",
        causes=causes,
        cause=cause,
        found=found,
        may_act=visitor_of(request).person.may(Right.ACT),
        next_href=found.next_page and query("/dead-letters", [("cause", cause), ("before", found.next_page)]),
    )


async def dead_letter(request: Request) -> Response:
    """Show one refused record; its content only to those who may see personal data, since nobody knows what it has."""
    return await _letter_page(request, await _letter(request, request.path_params["place"]), content=None)


async def content(request: Request) -> Response:
    """Show one refused record with its content, once this look is on record."""
    form = await checked_form(request, Right.SEE_PERSONAL)
    letter = await _letter(request, request.path_params["place"])
    await act_of(request, form, "see_personal", letter.record.place.name)
    return await _letter_page(request, letter, content=(letter.message.value or b"").decode(errors="replace"))


async def _letter_page(request: Request, letter: StoredDeadLetter, *, content: str | None) -> Response:
    message, person = letter.message, visitor_of(request).person
    return await page(
        request,
        "dead_letter.html",
        letter=letter,
        record=DeadLetterRecord(letter.record.place.name, message),
        headers=[(name_bytes(name).decode(errors="replace"), len(value or b"")) for name, value in message.headers],
        may_act=person.may(Right.ACT),
        may_see_personal=person.may(Right.SEE_PERSONAL),
        content=content,
    )


async def plan(request: Request) -> Response:
    """Show what would be sent again, and what would be kept: the dry run."""
    if not visitor_of(request).person.may(Right.ACT):
        raise HTTPException(403, "Sending records again needs the right to act.")
    cause, place = request.query_params.get("cause", ""), request.query_params.get("record", "")
    planned = await _plan(request, cause, place)
    return await page(request, "redrive.html", cause=cause, place=place, planned=planned, most=REDRIVE_MAX, sent=None)


async def redrive(request: Request) -> Response:
    """Send records again, once that is on record."""
    parts = parts_of(request)
    form = await checked_form(request, Right.ACT)
    cause, place = form.get("cause", ""), form.get("record", "")
    planned = await _plan(request, cause, place)
    if not planned.sent:
        raise HTTPException(400, "There is nothing to send again.")
    places = [each.place for each in planned.sent]
    if form.get("count") != str(len(places)):
        raise HTTPException(400, "Other records would be sent than the dry run showed. Look at it once more.")
    await act_of(request, form, "redrive", cause or places[0], places)
    sent, problem = list[tuple[DeadLetterRecord, str]](), ""
    try:
        async for each in parts.redriver.send(planned.sent):
            sent.append(each)
    except Unavailable as error:
        problem = str(error)
    return await page(
        request, "redrive.html", cause=cause, place=place, planned=planned, most=REDRIVE_MAX, sent=sent, problem=problem
    )


async def _letter(request: Request, place: str) -> StoredDeadLetter:
    parts = parts_of(request)
    letter = await parts.ask(parts.model.dead_letter, place)
    if letter is None:
        raise HTTPException(404, f"No dead letter {place!r} has been read.")
    return letter


async def _plan(request: Request, cause: str, place: str) -> Redrive:
    """Return what to send again of the latest records of a cause, or of one record."""
    parts = parts_of(request)
    letters: Sequence[StoredDeadLetter]
    if place:
        letters = [await _letter(request, place)]
    elif cause:
        letters = (await parts.ask(parts.model.dead_letters, cause=cause, limit=REDRIVE_MAX)).dead_letters
    else:
        raise HTTPException(400, "Name a cause or a record.")
    topics = catalogue.topics(parts.prefix)
    records = [DeadLetterRecord(each.record.place.name, each.message) for each in letters]
    return plan_redrive(records, topics, REDRIVES_MAX)
