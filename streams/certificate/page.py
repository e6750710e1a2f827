"""The certificate as a page for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

import msgspec

from streams.audit.note import Verifier
from streams.certificate.findings import STATUSES, Finding
from streams.certificate.statement import Predicate, Statement, summary
from streams.files.html_page import html_page

SHOWN_MAX: Final = 1_000
"""How many revisions the page lists; the certificate has all."""

_WORDS: Final = {
    "same": "decided anew with the same result",
    "different": "decided anew with another result",
    "missing": "ought to be there, or was there, and is not in the archive",
    "extra": "in the archive, but the facts do not lead to it",
    "erased": "not decided anew, since personal data that it rests on were erased",
}

_STYLE: Final = """
.same { color: var(--good); } .other { color: var(--bad); }
.verdict { border-left: .3rem solid; font-weight: bold; padding-left: 1rem; }
dl { display: grid; gap: .2rem 1rem; grid-template-columns: max-content 1fr; } dt { color: var(--muted); }
dd { margin: 0; } pre { white-space: pre-wrap; } article { border-top: 1px solid var(--line); padding: 1rem 0; }
"""


def page_of(statement: Statement, verifier: Verifier) -> str:
    """Return the page of a certificate that this key has signed."""
    found = statement.predicate
    content = f"""<h1>Replay certificate</h1>
{_verdict(found)}
<p>Every decision in the range was made anew from the archived facts, under the policies that were in force, at the
positions and the instant at which it was made. This page only shows what the certificate beside it says; the
certificate alone is signed.</p>
{_counts(found)}
<h2>What was decided anew</h2>
{_subject(statement, verifier)}
{_differing(found)}"""
    return html_page(f"Replay certificate: {found.archive}", content, _STYLE)


def _verdict(found: Predicate) -> str:
    if found.is_all_same:
        return '<p class="verdict same">All are the same.</p>'
    if found.is_empty:
        return '<p class="verdict other">There was nothing to compare.</p>'
    return f'<p class="verdict other">Not all are the same: {escape(summary(found.revisions))} revisions.</p>'


def _counts(found: Predicate) -> str:
    rows = "".join(
        f'<tr><th scope="row">{status}</th><td class="number">{found.decisions[status]}</td>'
        f'<td class="number">{found.revisions[status]}</td><td>{_WORDS[status]}</td></tr>\n'
        for status in STATUSES
    )
    return f"""<div class="wide" tabindex="0" role="region" aria-label="Counts"><table>
<caption>Cases: {found.cases}; by decision and by revision</caption>
<thead><tr><th scope="col">Status</th><th scope="col">Decisions</th><th scope="col">Revisions</th>
<th scope="col">Meaning</th></tr></thead>
<tbody>
{rows}</tbody>
</table></div>"""


def _subject(statement: Statement, verifier: Verifier) -> str:
    found = statement.predicate
    span = found.range
    rows = [
        ("Archive", found.archive),
        ("Its SHA-256", statement.subject[0].digest.get("sha256", "")),
        ("Case", span.case or "all"),
        ("Published from", span.begin or "the beginning"),
        ("Published before", span.end or "the end"),
        ("Policies known", ", ".join(found.policies)),
        ("Decided by", f"{found.program.name} {found.program.version}"),
        ("Signed by", str(verifier)),
    ]
    checkpoint = (
        "<p><strong>The archive has no log: nothing shows that its files are as they were written.</strong></p>"
    )
    if found.trusts_index:
        rows.append(("Its records found by", "the index, which sop audit verify checks and no checkpoint covers"))
    if found.checkpoint is not None:
        checkpoint = f"<h2>Checkpoint of the archive</h2>\n<pre>{escape(found.checkpoint)}</pre>"
    return f"{_list(rows)}\n{checkpoint}"


def _differing(found: Predicate) -> str:
    if not found.differing:
        return ""
    more = len(found.differing) - SHOWN_MAX
    rest = f"<p>{more} more are in the certificate.</p>" if more > 0 else ""
    articles = "\n".join(map(_article, found.differing[:SHOWN_MAX]))
    return f"<h2>Revisions that are not the same</h2>\n{articles}\n{rest}"


def _article(finding: Finding) -> str:
    rows = [
        ("Status", finding.status),
        ("Why", finding.why or ""),
        ("Archived at", finding.place or ""),
        ("Decision id", finding.decision_id or ""),
        ("Inputs", finding.inputs or ""),
        ("As of", finding.asof or ""),
        ("Facts only in the archive", ", ".join(finding.facts.archived_only)),
        ("Facts only decided anew", ", ".join(finding.facts.decided_only)),
        ("Clauses only in the archive", ", ".join(finding.clauses.archived_only)),
        ("Clauses only decided anew", ", ".join(finding.clauses.decided_only)),
        ("Facts that it rests on", ", ".join(finding.rests_on)),
    ]
    title = f"{finding.decision_key}, revision {finding.revision}"
    return f"<article>\n<h3>{escape(title)}</h3>\n{_list(row for row in rows if row[1])}{_fields(finding)}\n</article>"


def _fields(finding: Finding) -> str:
    if not finding.fields:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(each.field)}</th><td>{_value(each.archived)}</td>'
        f"<td>{_value(each.decided)}</td></tr>\n"
        for each in finding.fields
    )
    place = finding.place or finding.decision_key
    return f"""
<div class="wide" tabindex="0" role="region" aria-label="Fields of {escape(place)}"><table>
<thead><tr><th scope="col">Field</th><th scope="col">In the archive</th><th scope="col">Decided anew</th></tr></thead>
<tbody>
{rows}</tbody>
</table></div>"""


def _value(value: object) -> str:
    return "" if value is None else escape(msgspec.json.encode(value).decode())


def _list(rows: Iterable[tuple[str, str]]) -> str:
    return "<dl>\n" + "\n".join(_rows(rows)) + "\n</dl>"


def _rows(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    return (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
