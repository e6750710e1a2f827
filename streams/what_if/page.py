"""One page of HTML about what other policies would decide: nothing is fetched, and nothing runs in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from streams.what_if.difference import Affected, PolicyDifference

SHOWN_MAX: Final = 20
"""How many partners, cities and bars are shown."""
DECISIONS_MAX: Final = 1_000
BAR: Final = 18
GAP: Final = 6
WIDTH: Final = 360
LABEL: Final = 420

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
  color: #1a1a1a; background: #fff }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; width: 100% }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #d0d0d0; vertical-align: top }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
svg text { font: 13px system-ui, sans-serif; fill: currentColor }
svg rect { fill: #2f5fb3 }
svg { max-width: 100% }
@media (prefers-color-scheme: dark) { body { color: #eaeaea; background: #16181c }
  th, td { border-color: #444 } svg rect { fill: #8fb3f5 } }
"""


def page(found: PolicyDifference) -> str:
    """Return the page."""
    title = f"From {found.before} to {found.after}"
    shown = found.changed[:DECISIONS_MAX]
    decisions = [
        (each.decision_key, each.city, each.before, each.after, ", ".join(each.fields) or "all") for each in shown
    ]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{len(found.changed)} of {found.decisions} decisions about {found.events} events change.</p>",
        "<h2>Decisions by kind and outcome</h2>",
        outcome_chart(found),
        _table(
            ("kind", "about", "from", "to", "#decisions"),
            [(each.kind, each.subject_of, each.before, each.after, each.decisions) for each in found.transitions],
        ),
        "<h2>Penalties, ratings and money</h2>",
        _table(
            ("account", "unit", "#before", "#after", "#added", "#lifted"),
            [
                (each.account.replace("_", " "), each.unit, each.before, each.after, each.added, each.removed)
                for each in found.accounts
            ],
        ),
        *_most_affected("Partners most affected", found.partners),
        *_most_affected("Cities most affected", found.cities),
        "<h2>Changed decisions</h2>",
        f"<p>{len(shown)} of {len(found.changed)}.</p>",
        _table(("decision", "city", "from", "to", "fields"), decisions),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def outcome_chart(found: PolicyDifference) -> str:
    """Return a chart of the changed decisions by kind and outcome, as inline SVG."""
    bars = [
        (f"{each.kind}: {each.before} → {each.after}", each.decisions)
        for each in sorted(found.transitions, key=lambda each: -each.decisions)[:SHOWN_MAX]
    ]
    return bar_chart(bars, "changed decisions by kind and outcome")


def bar_chart(bars: Sequence[tuple[str, int]], title: str) -> str:
    """Return a chart with a horizontal bar for each name and number, as inline SVG."""
    most = max((count for _, count in bars), default=0) or 1
    shapes = []
    for place, (name, count) in enumerate(bars):
        y = place * (BAR + GAP)
        length = count / most * WIDTH
        shapes.append(
            f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}">'
            f"<title>{escape(name)}: {count}</title></rect>"
            f'<text x="{LABEL + length + 6:.1f}" y="{y + 13}">{count}</text>'
        )
    height = max(len(bars), 1) * (BAR + GAP)
    return (
        f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {LABEL + WIDTH + 60} {height}" '
        f'width="{LABEL + WIDTH + 60}">{"".join(shapes)}</svg>'
    )


def _most_affected(title: str, affected: Sequence[Affected]) -> Iterable[str]:
    shown = affected[:SHOWN_MAX]
    yield f"<h2>{escape(title)}</h2>"
    yield bar_chart([(each.name, each.decisions) for each in shown], title)
    yield _table(
        ("name", "#decisions", "#penalties"), [(each.name, each.decisions, f"{each.penalties:+d}") for each in shown]
    )


def _table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table; a title that begins with # is that of numbers."""
    kinds = [' class="number"' if title.startswith("#") else "" for title in titles]
    heads = "".join(
        f'<th scope="col"{kind}>{escape(title.removeprefix("#"))}</th>'
        for kind, title in zip(kinds, titles, strict=True)
    )
    lines = (
        "".join(f"<td{kind}>{escape(str(cell))}</td>" for kind, cell in zip(kinds, row, strict=True)) for row in rows
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
