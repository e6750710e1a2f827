"""The list of cases: filters, pages and counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal_column, select, tuple_

from surfaces.read_model.stored import decision_summary, page_key, read_page_key, select_decisions
from surfaces.read_model.tables import (
    HAS_NO_END,
    IS_OPEN,
    actions,
    alerts,
    cases,
    decision_terms,
    decisions,
    facets,
    lookup,
    pair,
    partners,
)
from surfaces.read_model.views import COUNT_MAX, CaseFilter, CasePage, CaseSummary, Facets

RARE_MAX: Final = 5_000
"""A value that occurs at most so often is looked up first; with others, cases are gone through from the newest on."""
_FACETS: Final = {
    "kinds": "kind",
    "outcomes": "outcome",
    "statuses": "status",
    "cities": "city",
    "categories": "category",
    "clauses": "clause",
    "reasons": "reason",
    "actions": "action",
}
_COLUMNS: Final = ("kind", "outcome", "status")
_SETS: Final = ("clause", "reason")


def read_cases(connection: Connection, wanted: CaseFilter, before: str | None, limit: int) -> CasePage:
    """Return a page of cases (`ReadModel.cases`)."""
    matching = select(cases.c.latest_at, cases.c.case_no).where(cases.c.latest_at.is_not(None), *_conditions(wanted))
    rare = _rare(connection, wanted)
    if rare is not None:
        matching = matching.where(cases.c.case_no.in_(rare))
    # An expression cannot be read from the index in order, so that few cases are looked up and sorted.
    order = cases.c.latest_at if rare is None else literal_column("+cases.latest_at")
    page = matching.order_by(order.desc(), cases.c.case_no.desc())
    if before is None:  # the rows of the first page are counted with it
        rows = connection.execute(page.limit(max(limit, COUNT_MAX) + 1)).all()
        count = len(rows)
    else:
        page = page.where(tuple_(cases.c.latest_at, cases.c.case_no) < tuple_(*read_page_key(before, 2)))
        rows = connection.execute(page.limit(limit + 1)).all()
        count = connection.scalar(select(func.count()).select_from(matching.limit(COUNT_MAX + 1).subquery())) or 0
    shown = rows[:limit]
    next_page = page_key(*shown[-1]) if len(rows) > limit else None
    return CasePage(
        _summaries(connection, [row.case_no for row in shown]), next_page, min(count, COUNT_MAX), count > COUNT_MAX
    )


def read_facets(connection: Connection) -> Facets:
    """Return the choices of the filters (`ReadModel.facets`)."""
    values: dict[str, dict[str, int]] = defaultdict(dict)
    query = select(facets).where(facets.c.field.in_(_FACETS.values()), facets.c.occurrences > 0)
    for row in connection.execute(query.order_by(facets.c.field, facets.c.value)):
        values[row.field][row.value] = row.occurrences
    return Facets(**{plural: values[name] for plural, name in _FACETS.items()})


def _conditions(wanted: CaseFilter) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions on a row of `cases`."""
    if wanted.city is not None:
        yield cases.c.city == lookup(wanted.city)
    if wanted.category is not None:
        yield cases.c.category == lookup(wanted.category)
    if wanted.since is not None:
        yield cases.c.latest_at >= wanted.since
    if wanted.until is not None:
        yield cases.c.latest_at < wanted.until
    if wanted.action is not None:
        is_open = and_(actions.c.case_no == cases.c.case_no, actions.c.code == lookup(wanted.action), IS_OPEN)
        yield exists().where(is_open)
    of_decision = list(_decision_conditions(wanted))
    if of_decision:
        yield exists().where(decisions.c.case_no == cases.c.case_no, *of_decision)


def _decision_conditions(wanted: CaseFilter) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions on one row of `decisions`."""
    if wanted.partner is not None:
        yield decisions.c.partner_no == _partner_no(wanted.partner)
    for name in _COLUMNS:
        value = getattr(wanted, name)
        if value is not None:
            yield decisions.c[name] == lookup(value)
    for name in _SETS:
        value = getattr(wanted, name)
        if value is not None:
            yield exists().where(
                decision_terms.c.term == pair(name, value),
                decision_terms.c.decision_no == decisions.c.decision_no,
            )


def _partner_no(partner_id: str) -> ColumnElement[int]:
    return select(partners.c.partner_no).where(partners.c.partner_id == lookup(partner_id)).scalar_subquery()


def _rare(connection: Connection, wanted: CaseFilter) -> Select[Any] | None:
    """Return the cases that have the value of a filter which few have, None if there is no such filter."""
    of_decisions = select(decisions.c.case_no)
    if wanted.partner is not None:
        return of_decisions.where(decisions.c.partner_no == _partner_no(wanted.partner))
    names = [name for name in _FACETS.values() if getattr(wanted, name) is not None]
    if not names:
        return None
    pairs = tuple_(facets.c.field, facets.c.value).in_([(name, lookup(getattr(wanted, name))) for name in names])
    counts = {row.field: row.occurrences for row in connection.execute(select(facets).where(pairs))}
    rarest = min(names, key=lambda name: counts.get(name, 0))
    value = lookup(getattr(wanted, rarest))
    if counts.get(rarest, 0) > RARE_MAX or rarest in {"city", "category"}:  # these have an index in order
        return None
    if rarest == "action":
        return select(actions.c.case_no).where(actions.c.code == value, IS_OPEN)
    having = of_decisions.join(decision_terms, decision_terms.c.decision_no == decisions.c.decision_no)
    return having.where(decision_terms.c.term == pair(rarest, value))


def _summaries(connection: Connection, numbers: Sequence[int]) -> tuple[CaseSummary, ...]:
    """Return cases, given by their numbers, in this order."""
    found = connection.execute(select(cases).where(cases.c.case_no.in_(numbers)))
    rows = {row.case_no: row for row in found}
    decided, opened, firing = defaultdict(list), defaultdict(list), defaultdict(list)
    query = select_decisions().where(decisions.c.case_no.in_(numbers))
    for row in connection.execute(query.order_by(decisions.c.effective_at, decisions.c.decision_key)):
        decided[row.case_no].append(decision_summary(row))
    for case_no, code in connection.execute(
        select(actions.c.case_no, actions.c.code)
        .where(actions.c.case_no.in_(numbers), IS_OPEN)
        .order_by(actions.c.opened_at, actions.c.code)
    ):
        opened[case_no].append(code)
    for case_no, name in connection.execute(
        select(alerts.c.case_no, alerts.c.name).where(alerts.c.case_no.in_(numbers), HAS_NO_END).order_by(alerts.c.seq)
    ):
        firing[case_no].append(name)
    return tuple(
        CaseSummary(
            case_id=rows[number].case_id,
            latest_at=rows[number].latest_at,
            city=rows[number].city,
            category=rows[number].category,
            decisions=tuple(decided[number]),
            open_actions=tuple(opened[number]),
            firing_alerts=tuple(firing[number]),
        )
        for number in numbers
    )
