"""A page for people as one file of HTML: it loads nothing, and nothing runs in it."""

from __future__ import annotations

from html import escape
from typing import Final

_STYLE: Final = """
:root {
  color-scheme: light dark;
  --page: #fff; --text: #1a1a1a; --muted: #595959; --line: #c8c8c8; --bar: #2f5fb3; --good: #1a6b2f; --bad: #a3161c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #1a1a1a; --text: #eee; --muted: #b0b0b0; --line: #4a4a4a; --bar: #8fb3f5; --good: #7fd694; --bad: #ff9a9e;
  }
}
html { background: var(--page); color: var(--text); }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1.5rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.2rem; margin-top: 2rem; }
h3 { font-size: 1rem; margin: 0; }
table { border-collapse: collapse; width: 100%; } .wide { overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
td, dd, h3, pre { overflow-wrap: anywhere; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
"""


def html_page(title: str, content: str, style: str = "") -> str:
    """Return a page with a title (text) and a content (HTML), and `style` for what only this page has."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>{_STYLE}{style}</style>
</head>
<body>
<main>
{content}
</main>
</body>
</html>
"""
