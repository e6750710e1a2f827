"""Words, instants and addresses as pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlencode

from markupsafe import Markup

from agents.sops.catalogue import CLAUSES, OUTPUTS
from agents.sops.tables.statements import Language
from schemas.policy.model import DAY, HOUR, MINUTE, SECOND
from schemas.timestamps import format_instant

_STEPS: Final = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))
_ABBREVIATIONS: Final = frozenset({"paf", "oos", "bpc", "mg", "otp", "rwm"})


def words(name: str) -> str:
    """Return a name of a vocabulary in words: `cancelled_at_site/out_of_scope` with spaces, `paf` in capitals."""
    found = name.replace("/", " / ").replace("_", " ").split(" ")
    return " ".join(each.upper() if each in _ABBREVIATIONS else each for each in found)


def clause_text(clause: str) -> str:
    """Return what a clause says, in a few words; empty for one that this version does not know."""
    return CLAUSES[clause].summary if clause in CLAUSES else ""


def duration(us: int) -> str:
    """Return a duration in its largest unit, or two of them: `3 d 4 h`, `12 min`, `0 s`."""
    us = abs(us)
    for (step, unit), (smaller, smaller_unit) in zip(_STEPS, (*_STEPS[1:], (0, "")), strict=True):
        if us >= step:
            rest = us % step // smaller if smaller and us < 3 * step and step > MINUTE else 0
            return f"{us // step} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    return "0 s"


def relative(us: int, now: int) -> str:
    """Return an instant as seen from now: `12 min ago`, `in 3 h`, `now`."""
    apart = us - now
    if abs(apart) < SECOND:
        return "now"
    return f"in {duration(apart)}" if apart > 0 else f"{duration(apart)} ago"


def exact(us: int) -> str:
    """Return an instant to read: `2026-11-27 14:03:22 UTC`."""
    return f"{format_instant(us)[:19].replace('T', ' ')} UTC"


def time_tag(us: int, now: int, *, shown: str | None = None) -> Markup:
    """Return an instant as an element: relative unless `shown` says otherwise, exact in its title."""
    if shown is not None:
        return Markup('<time datetime="{}" title="{}">{}</time>').format(format_instant(us), exact(us), shown)
    tag = Markup('<time datetime="{}" title="{}" data-relative>{}</time>')
    return tag.format(format_instant(us), exact(us), relative(us, now))


def href(page: str, name: str) -> str:
    """Return the address of the page of a case or partner, whatever its id; browsers resolve `.` and `..` in paths."""
    return f"/{page}/?id={quote(name, safe='')}" if name in {".", ".."} else f"/{page}/{quote(name, safe='')}"


def query(path: str, parameters: Sequence[tuple[str, str | None]]) -> str:
    """Return an address, which may have parameters already, with those of others that have a value."""
    given = [(name, value) for name, value in parameters if value]
    return f"{path}{'&' if '?' in path else '?'}{urlencode(given)}" if given else path


def statements_href(case_id: str, decision_id: str | None, language: Language) -> str:
    """Return the address of the statements of a case, or of that about one decision."""
    return query(href("statements", case_id), [("decision", decision_id), ("language", language)])


def number(count: int) -> str:
    """Return a count with thin spaces between groups of digits."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def body_title(kind: str) -> str:
    """Return how explanations call a kind of decision, the kind itself for one that this version does not know."""
    return OUTPUTS.bodies[kind].title if kind in OUTPUTS.bodies else words(kind)
