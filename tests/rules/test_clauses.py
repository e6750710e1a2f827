"""Every clause is stated by a row of some table and named by a rule, and no clause that does not exist is."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from agents.sops.catalogue import CLAUSES
from tests.rules.table import rows_of

RULES = Path(__file__).parent
AGENTS = RULES.parents[1] / "agents"
DEFINITIONS = {"OOS-1"}
"""Clauses that say what a word means: no decision cites them."""


def clauses_of_rows() -> set[str]:
    """Return the clauses that the rows of all tables state."""
    modules = [import_module(f"tests.rules.{path.stem}") for path in sorted(RULES.glob("test_*.py"))]
    rows = [row for module in modules for row in rows_of(getattr(module, "TABLE", []))]
    return {clause for row in rows for expected in row.expected for clause in expected.clauses.split()}


def clauses_in_rules() -> set[str]:
    """Return the clauses that the source of the rules names."""
    sources = [path.read_text() for path in sorted(AGENTS.rglob("*.py")) if path.name != "clauses.py"]
    return set(re.findall(r"\b(?:OOS|DIS)-\d+\b", "\n".join(sources)))


def test_every_clause_is_stated_by_some_row() -> None:
    assert clauses_of_rows() == set(CLAUSES) - DEFINITIONS


def test_every_clause_is_named_by_some_rule() -> None:
    assert clauses_in_rules() == set(CLAUSES)
