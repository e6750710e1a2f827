"""Every clause is traced: to a row of a table, or by name to a rule; and no rule names a clause that does not exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from agents.sops.catalogue import CLAUSES
from tests.rules import (
    test_actions,
    test_cancelling_actions,
    test_offline,
    test_offline_actions,
    test_paf,
    test_rating_reversal,
    test_refund,
    test_tagging,
)
from tests.rules.table import Row, StepRow

AGENTS = Path(__file__).parents[2] / "agents"
NEVER_EMITTED = {"OOS-1"}
"""What a table row never cites: the definition itself."""


def clauses_of_rows() -> set[str]:
    """Return every clause that some row of some table expects."""
    tables: list[list[Any]] = [
        test_tagging.TABLE,
        test_paf.TABLE,
        test_rating_reversal.TABLE,
        test_offline.TABLE,
        test_refund.TABLE,
        test_actions.TABLE,
        test_cancelling_actions.TABLE,
        test_offline_actions.TABLE,
    ]
    found: set[str] = set()
    for parameters in (parameters for table in tables for parameters in table):
        (row,) = parameters.values
        if isinstance(row, StepRow):
            found.update(row.clauses)
        elif isinstance(row, Row) and row.expected is not None:
            found.update(row.expected.clauses)
    return found


def clauses_in_rules() -> set[str]:
    """Return every clause id that the rules' source names."""
    sources = [path.read_text() for path in sorted((AGENTS / "sops").rglob("*.py")) if path.name != "clauses.py"]
    return set(re.findall(r"\b(?:OOS|DIS)-\d+\b", "\n".join(sources)))


def test_every_clause_is_expected_by_some_row() -> None:
    assert set(CLAUSES) - clauses_of_rows() == NEVER_EMITTED


def test_rows_expect_no_unknown_clause() -> None:
    assert clauses_of_rows() <= set(CLAUSES)


def test_every_clause_is_named_by_some_rule() -> None:
    assert set(CLAUSES) - clauses_in_rules() == set()


def test_rules_name_no_unknown_clause() -> None:
    assert clauses_in_rules() <= set(CLAUSES)
