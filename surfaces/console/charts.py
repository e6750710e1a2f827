"""Plots as SVG made here: a stacked bar for each hour or day, with a title on each part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from surfaces.console.text import number

HEIGHT: Final = 120
BAR: Final = 20
GAP: Final = 4
AXIS: Final = 18
BARS_MIN: Final = 24
"""For how many bars there is room at least, so that few of them are not drawn large."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: what it is about, whether that is written below it, and its parts (tone, name, count) from below."""

    label: str
    is_labelled: bool
    parts: Sequence[tuple[str, str, int]]


def bar_chart(bars: Sequence[Bar], title: str) -> Markup:
    """Return a stacked bar chart; the numbers are in its titles, and have to be in a table beside it as well."""
    most = max((sum(count for *_, count in bar.parts) for bar in bars), default=0) or 1
    width = max(len(bars), BARS_MIN) * (BAR + GAP)
    shapes = [
        f'<line class="axis" x1="0" x2="{width}" y1="{HEIGHT}" y2="{HEIGHT}"/>',
        f'<text class="most" x="0" y="10">{number(most)}</text>',
    ]
    for place, bar in enumerate(bars):
        x, top = place * (BAR + GAP) + GAP / 2, float(HEIGHT)
        for tone, name, count in bar.parts:
            height = count / most * (HEIGHT - 16)
            top -= height
            if count:
                words = escape(f"{bar.label}: {number(count)} {name}")
                shapes.append(
                    f'<rect class="tone-{escape(tone)}" x="{x:g}" y="{top:.1f}" width="{BAR}" '
                    f'height="{height:.1f}"><title>{words}</title></rect>'
                )
        if bar.is_labelled:
            shapes.append(f'<text class="tick" x="{x + BAR / 2:g}" y="{HEIGHT + 13}">{escape(bar.label)}</text>')
    return Markup(  # noqa: S704 - its parts are escaped above
        f'<svg class="chart" role="img" aria-label="{escape(title)}" viewBox="0 0 {width} {HEIGHT + AXIS}" '
        f'preserveAspectRatio="xMinYMid meet">{"".join(shapes)}</svg>'
    )
