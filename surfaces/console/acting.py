"""Acts: a form that may be sent only from here and by whoever has the right, and a record before anything is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from schemas.outputs import Act
from surfaces.console.access import Right
from surfaces.console.parts import parts_of, visitor_of
from surfaces.console.visitors import FORM_TOKEN, comes_from_elsewhere

WHY_CHARS_MAX: Final = 500


async def checked_form(request: Request, right: Right | None) -> Mapping[str, str]:
    """Return the fields of a form; raises a 403 if it was made elsewhere, or its sender lacks a right."""
    parts, visitor = parts_of(request), visitor_of(request)
    fields = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    is_ours = visitor.owner is not None and parts.sessions.is_form_token(fields.get(FORM_TOKEN, ""), visitor.owner)
    if not is_ours or comes_from_elsewhere(request):
        raise HTTPException(403, "This form is not from this console, or is too old. Load its page again.")
    if right is not None and not visitor.person.may(right):
        raise HTTPException(403, f"{visitor.person.name or 'Whoever is not logged in'} has no right to {right}.")
    return fields


async def act_of(
    request: Request, form: Mapping[str, str], what: str, subject: str, records: Sequence[str] = ()
) -> None:
    """Write what somebody is about to do; raises a 400 without a reason, and `Unavailable` unless Kafka has it."""
    why = " ".join(form.get("why", "").split())
    if not why or len(why) > WHY_CHARS_MAX:
        raise HTTPException(400, f"Say why, in at most {WHY_CHARS_MAX} characters.")
    parts, visitor = parts_of(request), visitor_of(request)
    act = Act(who=visitor.person.name, address=visitor.address, what=what, why=why, records=tuple(records))
    await parts.acts.write(act, subject, parts.now_us())
