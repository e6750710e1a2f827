"""The page of statements: what a partner is told of the decisions of a case, to read and to print."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agents.sops.statement import Statement, statement
from agents.sops.tables.statements import LANGUAGES, Language
from schemas.errors import UsageError
from schemas.outputs import AnyDecision
from surfaces.console.pages.case import erased, records_of
from surfaces.console.story import chain_of
from surfaces.console.templating import page
from surfaces.read_model.views import CaseRecords

LANGUAGE_NAMES: Final[dict[Language, str]] = {"en": "English", "hi": "हिन्दी"}


async def statements(request: Request) -> Response:
    """Show the statements about the current decisions of a case, or about one of its decisions, in one language."""
    decision_id = request.query_params.get("decision")
    language = _language(request.query_params.get("language", "en"))
    records = await records_of(request)
    if records.erasure is not None:
        return await erased(request, records, records.erasure)
    current = current_decisions(records)
    decisions = current if decision_id is None else decisions_with_id(records, decision_id)
    found = statements_about(decisions, language)
    if decision_id is not None and not found:
        raise HTTPException(
            404, f"No decision {decision_id!r} of the case {records.case_id!r} has a statement for a partner."
        )
    return await page(
        request,
        "statement.html",
        case_id=records.case_id,
        decision_id=decision_id,
        language=language,
        language_names=LANGUAGE_NAMES,
        found=[(decision, each, decision not in current) for decision, each in found],
    )


def current_decisions(records: CaseRecords) -> list[AnyDecision]:
    """Return the last revision of every decision of a case, by decision key."""
    last: dict[str, AnyDecision] = {}
    for message in (each.message for each in records.decisions):
        known = last.get(chain_of(message))
        if known is None or message.revision > known.revision:
            last[chain_of(message)] = message
    return [last[key] for key in sorted(last)]


def decisions_with_id(records: CaseRecords, decision_id: str) -> list[AnyDecision]:
    """Return the revision of a decision that has an id, none if none of the case has."""
    return [each.message for each in records.decisions if each.message.decision_id == decision_id][:1]


def statements_about(decisions: list[AnyDecision], language: Language) -> list[tuple[AnyDecision, Statement]]:
    """Return those decisions that a partner is told of, with their statements."""
    made = ((each, statement(each.body, each.decision_id, language)) for each in decisions)
    return [(each, found) for each, found in made if found is not None]


def _language(text: str) -> Language:
    for language in LANGUAGES:
        if text == language:
            return language
    raise UsageError(f"language: {text!r} is none of {', '.join(LANGUAGES)}")
