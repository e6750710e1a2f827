"""What a line about a decision, an action, an alert, a refused record or an act shows, in the page and live."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.timestamps import format_instant
from surfaces.console.text import body_title, exact, href, query, words
from surfaces.read_model.views import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class RowText:
    """The texts of a line. `tone` is what its badge means, and its colour; `href` is empty if it leads nowhere."""

    seq: int
    kind: str
    time: str
    exact: str
    subject: str
    href: str
    name: str
    outcome: str
    tone: str
    badge: str
    detail: str


def row_text(row: Row) -> RowText:
    """Return the texts of a line."""
    return RowText(
        seq=row.seq,
        kind="refused" if row.kind == "dead_letter" else row.kind,
        time=format_instant(row.published_at),
        exact=exact(row.published_at),
        subject=row.subject,
        href=_href(row),
        name=body_title(row.name) if row.kind == "decision" else _name(row),
        outcome="" if row.kind in {"action", "alert"} else _outcome(row),
        tone=tone(row),
        badge=_badge(row),
        detail=", ".join(words(each) for each in row.reasons) if row.kind == "decision" else "",
    )


def tone(row: Row) -> str:
    """Return what a row means: one word of the visual language."""
    match row.kind:
        case "decision":
            return "withdrawn" if row.outcome == "withdrawn" else row.status
        case "alert":
            return row.status if row.outcome == "firing" else "resolved"
        case "action":
            return row.outcome
        case "dead_letter":
            return "refused"
    return "act"


def _badge(row: Row) -> str:
    match row.kind:
        case "decision":
            return "withdrawn" if row.outcome == "withdrawn" else row.status
        case "alert":
            return row.outcome if row.outcome == "resolved" else f"{row.status} {row.outcome}"
        case "dead_letter":
            return "refused"
    return row.outcome if row.kind == "action" else "act"


def _name(row: Row) -> str:
    return row.name if row.kind == "dead_letter" else words(row.name)


def _outcome(row: Row) -> str:
    return row.outcome if row.kind in {"dead_letter", "act"} else words(row.outcome)


def _href(row: Row) -> str:
    match row.kind:
        case "dead_letter":
            return href("dead-letters", row.place.name)
        case "act":
            return "/acts"
        case "alert" if row.about == "partner":
            return href("partners", row.subject)
        case "alert" if row.about == "city":
            return query("/cases", [("city", row.subject)])
    return href("cases", row.subject)
