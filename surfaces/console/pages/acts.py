"""What people did in the console."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from surfaces.console.parts import parts_of
from surfaces.console.templating import page
from surfaces.console.text import query


async def acts(request: Request) -> Response:
    """Show a page of acts."""
    parts = parts_of(request)
    found = await parts.ask(parts.model.acts, before=request.query_params.get("before") or None)
    return await page(
        request,
        "acts.html",
        found=found,
        next_href=found.next_page and query("/acts", [("before", found.next_page)]),
    )
