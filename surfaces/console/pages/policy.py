"""The policies: those in force, what each changes, and how many decisions were made under each."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from agents.sops.catalogue import POLICIES
from schemas.durations import duration_text
from schemas.policy.model import DURATION, Key, Policy
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
        versions=[(each, list(changes(each))) for each in versions],
        keys=[(name, key, key_text(key, value)) for name, key, value in POLICIES.values(in_force)],
        seen=seen,
        known={each.name for each in versions},
    )


def changes(version: Policy) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Yield what a policy changes: key, value, built-in value, clauses."""
    built_in = {name: value for name, _, value in POLICIES.values(POLICIES.default)}
    for name, key, value in POLICIES.values(version):
        if value != built_in[name]:
            yield name, key_text(key, value), key_text(key, built_in[name]), key.clauses


def key_text(key: Key, value: object) -> str:
    """Return the value of a key as text."""
    if key.unit == DURATION and isinstance(value, int):
        return duration_text(value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {other}" for name, other in value.items()) or "none"
    return str(value)
