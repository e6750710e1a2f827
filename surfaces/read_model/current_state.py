"""The last revision of each decision and action, and the last message about each alert.

The greatest revision counts, never the one that came last; an alert has no revisions, so its latest message counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, select

from agents.sops.keys import published_key
from schemas.outputs import ActionMessage, AlertMessage, AnyDecision
from surfaces.read_model.counts import Counts
from surfaces.read_model.tables import actions, alerts, decision_terms, decisions, lookup, pair, policies, stored_text
from surfaces.read_model.writing import Values, added, earliest, insert_rows, latest, replaced, upsert

_REVISED: Final = (
    *("partner_no", "decision_id", "revision", "status", "outcome", "reasons", "clauses", "policy", "effective_at"),
)


class StoredAlertMessage(NamedTuple):
    """A message about an alert with the number of its row and of its case."""

    seq: int
    published_at: int
    case_no: int | None
    message: AlertMessage


def write_decisions(
    connection: Connection,
    decided: Sequence[tuple[int, AnyDecision]],
    partner_nos: Mapping[str, int],
    counts: Counts,
) -> None:
    """Write revisions of decisions, given with the numbers of their cases."""
    if not decided:
        return
    _write_policies(connection, [message for _, message in decided])
    case_nos = {case_no for case_no, _ in decided}
    present: dict[str, Values] = {
        row.decision_key: row._asdict()
        for row in connection.execute(select(decisions).where(decisions.c.case_no.in_(case_nos)))
    }
    next_no = (connection.scalar(select(func.max(decisions.c.decision_no))) or 0) + 1
    new: dict[str, Values] = {}
    for case_no, message in decided:
        body = message.body
        key = message.decision_key or published_key(body)  # messages of version 0.1 have none
        before = new.get(key) or present.get(key)
        if before is not None and message.revision <= before["revision"]:
            continue
        new[key] = {
            "decision_no": next_no if before is None else before["decision_no"],
            "case_no": case_no,
            "decision_key": key,
            "partner_no": None if body.partner_id is None else partner_nos[lookup(body.partner_id)],
            **_decision_values(message),
        }
        next_no += before is None
    upsert(connection, decisions, list(new.values()), **dict.fromkeys(_REVISED, replaced))
    _write_terms(connection, [(present.get(key), row) for key, row in new.items()], counts)


def _decision_values(message: AnyDecision) -> Values:
    body = message.body
    return {
        "kind": lookup(body.kind),
        "subject_of": lookup(body.subject_of),
        "decision_id": lookup(message.decision_id),
        "revision": message.revision,
        "status": body.status,
        "outcome": lookup(body.outcome),
        "reasons": stored_text(" ".join(body.reasons)),
        "clauses": stored_text(" ".join(body.clauses)),
        "policy": lookup(body.policy),
        "effective_at": body.effective_at,
    }


def _write_policies(connection: Connection, messages: Sequence[AnyDecision]) -> None:
    rows: dict[str, dict[str, object]] = {}
    for message in messages:
        name, at = lookup(message.body.policy), message.body.effective_at
        known = rows.get(name)
        first, last, count = (at, at, 0) if known is None else (known["first_at"], known["last_at"], known["revisions"])
        rows[name] = {
            "policy": name,
            "first_at": min(first, at),  # type: ignore[call-overload] # numbers
            "last_at": max(last, at),  # type: ignore[call-overload] # the same
            "revisions": count + 1,  # type: ignore[operator] # the same
        }
    upsert(connection, policies, list(rows.values()), first_at=earliest, last_at=latest, revisions=added)


def _write_terms(connection: Connection, changed: Iterable[tuple[Values | None, Values]], counts: Counts) -> None:
    """Write what the decisions that have changed are filtered by, and count it."""
    gone: list[Values] = []
    new: list[Values] = []
    for before, after in changed:
        counts.change("policy", None if before is None else before["policy"], -1)
        counts.change("policy", after["policy"], 1)
        old_terms, new_terms = set() if before is None else _terms(before), _terms(after)
        for terms, rows, by in ((old_terms - new_terms, gone, -1), (new_terms - old_terms, new, 1)):
            for name, value in sorted(terms):
                counts.change(name, value, by)
                rows.append({"term": pair(name, value), "decision_no": after["decision_no"]})
    if gone:
        connection.execute(_DELETE_TERM, [{f"its_{name}": value for name, value in row.items()} for row in gone])
    insert_rows(connection, decision_terms, new)


def _terms(row: Values) -> set[tuple[str, str]]:
    """Return fields and values that a row of `decisions` is found by."""
    single = {(name, row[name]) for name in ("kind", "outcome", "status")}
    several = (("reason", row["reasons"]), ("clause", row["clauses"]))
    return single | {(name, lookup(value)) for name, values in several for value in values.split()}


_DELETE_TERM: Final = delete(decision_terms).where(
    decision_terms.c.term == bindparam("its_term"),
    decision_terms.c.decision_no == bindparam("its_decision_no"),
)


def write_actions(connection: Connection, acted: Sequence[tuple[int, ActionMessage]], counts: Counts) -> None:
    """Write revisions of actions, given with the numbers of their cases."""
    if not acted:
        return
    ids = {lookup(message.action_id) for _, message in acted}
    found = connection.execute(select(actions).where(actions.c.action_id.in_(ids)))
    present: dict[str, Values] = {row.action_id: row._asdict() for row in found}
    next_no = (connection.scalar(select(func.max(actions.c.action_no))) or 0) + 1
    new: dict[str, Values] = {}
    for case_no, message in acted:
        body, action_id = message.body, lookup(message.action_id)
        before = new.get(action_id) or present.get(action_id)
        if before is not None and message.revision <= before["revision"]:
            continue
        new[action_id] = {
            "action_no": next_no if before is None else before["action_no"],
            "action_id": action_id,
            "case_no": case_no,
            "code": lookup(body.code),
            "state": body.state,
            "revision": message.revision,
            "opened_at": body.time,
            "due_at": body.due_at,
        }
        next_no += before is None
    for action_id, row in new.items():
        for action, by in ((present.get(action_id), -1), (row, 1)):
            if action is not None and action["state"] == "open":
                counts.change("action", action["code"], by)
    revised = dict.fromkeys(("state", "revision", "opened_at", "due_at"), replaced)
    upsert(connection, actions, list(new.values()), **revised)


def write_alerts(connection: Connection, alerted: Sequence[StoredAlertMessage], partner_nos: Mapping[str, int]) -> None:
    """Write messages about alerts."""
    if not alerted:
        return
    ids = {lookup(each.message.alert_id) for each in alerted}
    found = connection.execute(select(alerts).where(alerts.c.alert_id.in_(ids)))
    present: dict[str, Values] = {row.alert_id: row._asdict() for row in found}
    next_no = (connection.scalar(select(func.max(alerts.c.alert_no))) or 0) + 1
    new: dict[str, Values] = {}
    for each in alerted:
        body, alert_id = each.message.body, lookup(each.message.alert_id)
        before = new.get(alert_id) or present.get(alert_id)
        if before is not None and each.published_at < before["published_at"]:
            continue
        partner_id = body.labels.get("partner_id")
        new[alert_id] = {
            "alert_no": next_no if before is None else before["alert_no"],
            "alert_id": alert_id,
            "case_no": each.case_no,
            "partner_no": None if partner_id is None else partner_nos[lookup(partner_id)],
            "name": lookup(body.name),
            "state": body.state,
            "ends_at": body.ends_at,
            "published_at": each.published_at,
            "seq": each.seq,
        }
        next_no += before is None
    changed = dict.fromkeys(("state", "ends_at", "published_at", "seq"), replaced)
    upsert(connection, alerts, list(new.values()), **changed)
