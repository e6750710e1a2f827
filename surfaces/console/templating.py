"""Renders pages: Jinja2 with escaping on, and what every page shows of its visitor and of the data's age."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from agents.sops.statement import has_statement
from surfaces.console import text
from surfaces.console.charts import bar_chart
from surfaces.console.parts import parts_of, visitor_of
from surfaces.console.rows import row_text

FOLDER: Final = Path(__file__).parent
STATIC: Final = FOLDER / "static"


@cache
def static_href(name: str) -> str:
    """Return the address of a static file, which changes with its content, so that browsers may keep it."""
    return f"/static/{name}?v={sha256((STATIC / name).read_bytes()).hexdigest()[:16]}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions: tuple[Callable[..., object], ...] = (
        text.words, text.body_title, text.clause_text, text.duration, text.exact, text.number, text.href, text.query,
        text.statements_href, has_statement,
        static_href, row_text, bar_chart,
    )  # fmt: skip
    environment.globals |= {each.__name__: each for each in functions}
    return environment


async def page(request: Request, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """Return a page made from a template and values, beside those that every page has."""
    parts, visitor = parts_of(request), visitor_of(request)
    now = parts.now_us()
    common = {
        "now": now,
        "ago": lambda us, shown=None: text.time_tag(us, now, shown=shown),
        "path": request.url.path,
        "visitor": visitor,
        "has_tokens": parts.access.has_tokens,
        "form_token": parts.sessions.form_token(visitor.owner) if visitor.owner else "",
        "freshness": parts.freshness(),
    }
    # in a thread, since a page of a large case takes a while
    content = await parts.ask(_environment().get_template(template).render, {**common, **values})
    return HTMLResponse(content, status)
