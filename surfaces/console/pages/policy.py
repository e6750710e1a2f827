"""The policies: those known, what each changes, what was published, and what `sop policy diff` found."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agents.sops.catalogue import POLICIES
from schemas.policy.document import value_text
from streams.what_if.difference import UNKNOWN
from streams.what_if.page import SHOWN_MAX, outcome_chart
from surfaces.console.parts import parts_of
from surfaces.console.templating import page

DECISIONS_MAX: Final = 200
"""How many changed decisions are shown."""


async def policy(request: Request) -> Response:
    """Show the policies."""
    parts = parts_of(request)
    seen, found = await parts.ask(parts.model.policies), await parts.ask(parts.policies)
    known = found.history.latest
    in_force = known.at(parts.now_us())
    return await page(
        request,
        "policy.html",
        in_force=in_force,
        versions=[(each, list(POLICIES.changes(each))) for each in known.all],
        published=found.published,
        publications=found.publications[::-1],
        differences=await parts.ask(parts.differences.files),
        has_folder=parts.differences.is_given,
        keys=list(POLICIES.values(in_force)),
        seen=seen,
        value_text=value_text,
        known=found.history.names,
    )


async def difference(request: Request) -> Response:
    """Show one result of `sop policy diff`."""
    parts, name = parts_of(request), request.path_params["name"]
    found = await parts.ask(parts.differences.difference, name)
    if found is None:
        raise HTTPException(404, f"No result {name!r} of sop policy diff can be read.")
    return await page(
        request,
        "policy_difference.html",
        name=name,
        found=found,
        plot=Markup(outcome_chart(found)),  # noqa: S704 - what it names is escaped there
        partners=found.partners[:SHOWN_MAX],
        cities=found.cities[:SHOWN_MAX],
        unknown=UNKNOWN,
        changed=found.changed[:DECISIONS_MAX],
    )
