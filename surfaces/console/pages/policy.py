"""The policies: those in force, what each changes, and how many decisions were made under each."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from agents.sops.catalogue import POLICIES
from schemas.policy.document import value_text
from surfaces.console.parts import parts_of
from surfaces.console.templating import page


async def policy(request: Request) -> Response:
    """Show the policies."""
    parts = parts_of(request)
    seen = await parts.ask(parts.model.policies)
    in_force = parts.policies.at(parts.now_us())
    versions = parts.policies.all
    return await page(
        request,
        "policy.html",
        in_force=in_force,
        versions=[(each, list(POLICIES.changes(each))) for each in versions],
        keys=list(POLICIES.values(in_force)),
        seen=seen,
        value_text=value_text,
        known={each.name for each in versions},
    )
