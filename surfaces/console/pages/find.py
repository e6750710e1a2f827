"""The box that finds anything by its id."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from surfaces.console.parts import parts_of
from surfaces.console.templating import page
from surfaces.console.text import href
from surfaces.read_model.views import Found


async def find(request: Request) -> Response:
    """Go to what has this id if it is one thing, else show all that has it or begins with it."""
    parts = parts_of(request)
    text = request.query_params.get("q", "").strip()[:512]
    found: Sequence[Found] = await parts.ask(parts.model.find, text) if text else ()
    exact = {found_href(each) for each in found if each.id == text}
    if len(exact) == 1:
        return RedirectResponse(exact.pop(), 303)
    return await page(request, "find.html", text=text, found=[(each, found_href(each)) for each in found])


def found_href(found: Found) -> str:
    """Return the page of something that was found."""
    if found.case_id is not None:
        fragment = f"#d-{found.id}" if found.kind == "decision" else ""
        return href("cases", found.case_id) + fragment
    return href("partners", found.id)
