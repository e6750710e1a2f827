"""Writes statements for partners as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from agents.sops.statement import Statement
from schemas.outputs import AnyDecision


def statement_text(statement: Statement) -> Iterator[str]:
    """Yield the lines of a statement."""
    yield statement.title
    for section in statement.sections:
        yield f"  {section.heading}"
        yield from (f"    {paragraph}" for paragraph in section.paragraphs)
    yield ""


def statements_json(case_id: str, statements: Sequence[tuple[AnyDecision, Statement]]) -> bytes:
    """Return the statements of a case as one JSON object, each with the decision that it is about."""
    members = [
        {
            "decision_id": decision.decision_id,
            "decision_key": decision.decision_key,
            "revision": decision.revision,
            "partner_id": decision.body.partner_id,
            "kind": decision.body.kind,
            "subject_of": decision.body.subject_of,
            "status": decision.body.status,
            "outcome": decision.body.outcome,
            **msgspec.to_builtins(statement),
        }
        for decision, statement in statements
    ]
    return msgspec.json.encode({"case_id": case_id, "statements": members})
