"""What other policies would decide, as a page for people."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from streams.files.html_page import html_page
from streams.what_if.difference import Affected, PolicyDifference

SHOWN_MAX: Final = 20
"""How many partners, cities and bars are shown."""
DECISIONS_MAX: Final = 1_000
LABEL: Final = 18
BAR: Final = 12
GAP: Final = 8
WIDTH: Final = 760
NUMBER: Final = 80
"""A bar is below its label, whatever the label's length, with a number at its end (pixels)."""

_STYLE: Final = """
svg { display: block; max-width: 100%; height: auto; margin-bottom: .5rem; }
svg text { font: 13px system-ui, sans-serif; fill: currentColor; }
svg rect { fill: var(--bar); }
"""


def page(found: PolicyDifference) -> str:
    """Return the page."""
    title = f"From {found.before} to {found.after}"
    shown = found.changed[:DECISIONS_MAX]
    sections = (
        _section(
            "Decisions by kind and outcome",
            outcome_chart(found),
            ("kind", "about", "from", "to", "#decisions"),
            [
                (*map(_words, (each.kind, each.subject_of, each.before, each.after)), each.decisions)
                for each in found.transitions
            ],
        ),
        _section(
            "Penalties, ratings and money",
            "",
            ("account", "unit", "#before", "#after", "#added", "#lifted"),
            [
                (_words(each.account), each.unit, each.before, each.after, each.added, each.removed)
                for each in found.accounts
            ],
        ),
        _most_affected("Partners most affected", found.partners),
        _most_affected("Cities most affected", found.cities),
        _section(
            "Changed decisions",
            f"<p>{len(shown)} of {len(found.changed)}.</p>",
            ("decision", "city", "from", "to", "fields"),
            [
                (each.decision_key, each.city, *map(_words, (each.before, each.after, ", ".join(each.fields) or "all")))
                for each in shown
            ],
        ),
    )
    summary = f"<p>{found.changed_count} of {found.decisions} decisions about {found.events} events change.</p>"
    return html_page(title, "\n".join((f"<h1>{escape(title)}</h1>", summary, *sections)), _STYLE)


def outcome_chart(found: PolicyDifference) -> str:
    """Return a chart of the changed decisions by kind and outcome, as inline SVG."""
    bars = [
        (_words(f"{each.kind}: {each.before} → {each.after}"), each.decisions)
        for each in sorted(found.transitions, key=lambda each: -each.decisions)[:SHOWN_MAX]
    ]
    return bar_chart(bars, "changed decisions by kind and outcome")


def bar_chart(bars: Sequence[tuple[str, int]], title: str) -> str:
    """Return a chart with a horizontal bar for each name and number, as inline SVG."""
    most = max((count for _, count in bars), default=0) or 1
    shapes = []
    for place, (name, count) in enumerate(bars):
        y = place * (LABEL + BAR + GAP) + LABEL
        length = count / most * WIDTH
        shapes.append(
            f'<text x="0" y="{y - 5}">{escape(name)}</text>'
            f'<rect x="0" y="{y}" width="{length:.1f}" height="{BAR}">'
            f"<title>{escape(name)}: {count}</title></rect>"
            f'<text x="{length + 6:.1f}" y="{y + 11}">{count}</text>'
        )
    height = max(len(bars), 1) * (LABEL + BAR + GAP)
    return (
        f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {WIDTH + NUMBER} {height}" '
        f'width="{WIDTH + NUMBER}">{"".join(shapes)}</svg>'
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _most_affected(title: str, affected: Sequence[Affected]) -> str:
    shown = affected[:SHOWN_MAX]
    chart = bar_chart([(each.name, each.decisions) for each in shown], title)
    rows = [(each.name, each.decisions, f"{each.penalties:+d}") for each in shown]
    return _section(title, chart, ("name", "#decisions", "#penalties"), rows)


def _section(title: str, before: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a title, what comes `before` a table (HTML), and the table; a head that begins with # is that of numbers.

    The table scrolls by itself where it is too wide.
    """
    kinds = [' class="number"' if head.startswith("#") else "" for head in heads]
    head_cells = "".join(
        f'<th scope="col"{kind}>{escape(head.removeprefix("#"))}</th>' for kind, head in zip(kinds, heads, strict=True)
    )
    lines = (
        "".join(f"<td{kind}>{escape(str(cell))}</td>" for kind, cell in zip(kinds, row, strict=True)) for row in rows
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"""<h2>{escape(title)}</h2>
{before}
<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}"><table>
<thead><tr>{head_cells}</tr></thead>
<tbody>{body}</tbody>
</table></div>"""
