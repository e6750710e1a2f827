"""The pages of docs/specification/ name everything that the code has, and most of them nothing else."""

import re
from pathlib import Path

from msgspec import Struct

from agents.sops.catalogue import ALERTS, CLAUSES, OUTPUTS, POLICIES, topics
from agents.sops.offline_service.checks import CHECKS
from agents.sops.offline_service.refund import REFUND
from agents.sops.offline_service.tagging import TAGGING as OFFLINE_TAGGING
from agents.sops.out_of_scope.paf import PAF
from agents.sops.out_of_scope.rating_reversal import RATING_REVERSAL
from agents.sops.out_of_scope.tagging import TAGGING
from schemas.events import FIELDS
from schemas.fields import Choice, Field, Object
from schemas.outputs import (
    WITHDRAWN,
    ActionBody,
    ActionMessage,
    AlertBody,
    AlertMessage,
    DeadLetter,
    DecisionMessage,
    vocabulary,
)
from schemas.topics import ACTS, CHECKPOINTS, INPUTS, INTERNAL, LATEST
from sop.main import COMMANDS

PAGES = Path(__file__).parents[2] / "docs" / "specification"


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of all table rows of a section and its subsections, without the header rows."""
    text = (PAGES / page).read_text(encoding="utf-8")
    section = re.split(r"^## ", text.partition(f"\n## {heading}\n")[2], flags=re.MULTILINE)[0]
    tables = re.findall(r"^\|.*\|\n\| --- .*\n((?:\|.*\n)+)", section, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for table in tables for line in table.splitlines()]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def described(field: Field) -> list[str]:
    """Return the words of a field in a row of events: its name, and the values that it may have."""
    name = field.name if field.required else f"{field.name}?"
    if isinstance(field.kind, Object) and field.name == "site":
        name = f"site {{{', '.join(each.name for each in field.kind.fields)}}}"
    return [name, *(field.kind.values if isinstance(field.kind, Choice) else ())]


def test_every_event_type_is_specified_with_its_fields_and_values_in_order() -> None:
    table = {
        cells[0].strip("`"): quoted(re.sub(r"\(.*?\)", "", cells[1])) for cells in rows("contracts.md", "Events in")
    }
    assert table == {name: [word for field in fields for word in described(field)] for name, fields in FIELDS.items()}


def test_every_topic_is_specified() -> None:
    assert [name for cells in rows("contracts.md", "Topics") for name in quoted(cells[0])] == [
        *INPUTS,
        *topics().decisions,
        LATEST,
        *(topic for topic in topics().outputs if topic not in topics().decisions),
        *INTERNAL,
        ACTS,
        CHECKPOINTS,
    ]


def test_every_policy_key_is_specified() -> None:
    assert [key for cells in rows("contracts.md", "Policy") for key in quoted(cells[0])] == list(POLICIES.keys)


def test_every_command_is_specified() -> None:
    table = [
        command for cells in rows("contracts.md", "Command line") for command in re.findall(r"`sop ([\w-]+)", cells[0])
    ]
    assert set(table) == set(COMMANDS)


def test_every_clause_is_specified_in_the_words_of_the_glossary() -> None:
    table = {clause: text.replace("*", "") for clause, text in rows("domain.md", "Clauses")}
    assert table == {clause: each.text for clause, each in CLAUSES.items()}


def test_every_outcome_and_every_reason_is_specified() -> None:
    cells = [*rows("domain.md", "Decisions"), *rows("domain.md", "Offline service")]
    specified = {*quoted(" ".join(cell for row in cells for cell in row)), WITHDRAWN}
    for body in OUTPUTS.bodies.values():
        assert specified.issuperset(vocabulary(body, "outcome") + vocabulary(body, "reasons"))


def test_every_field_of_an_output_is_specified() -> None:
    specified = {word.rstrip("?") for row in rows("contracts.md", "Decisions out") for word in quoted(" ".join(row))}
    structs: list[type[Struct]] = [DecisionMessage, ActionMessage, ActionBody, AlertMessage, AlertBody, DeadLetter]
    for struct in [*structs, *OUTPUTS.bodies.values()]:
        assert set(struct.__struct_fields__) - {"body"} <= specified


def test_every_row_of_the_tables_is_specified_in_order() -> None:
    cells = [*rows("domain.md", "Decisions"), *rows("domain.md", "Offline service")]
    specified = [row[0] for row in cells if re.fullmatch(r"[A-Z]\d+a?", row[0])]
    tables = (TAGGING, PAF, RATING_REVERSAL, OFFLINE_TAGGING, REFUND)
    names = [row.name.partition("-")[0] for table in tables for row in table.rows]
    assert specified == list(dict.fromkeys(names))


def test_every_check_of_a_proof_is_specified_with_its_clauses() -> None:
    table = [(cells[0].strip("`"), cells[2]) for cells in rows("domain.md", "Offline service") if len(cells) == 3]
    assert table == [(check.reason, ", ".join(check.clauses)) for check in CHECKS]


def test_every_action_is_specified() -> None:
    table = [quoted(cells[0])[0] for cells in rows("domain.md", "Actions")]
    assert sorted(table) == sorted(OUTPUTS.action_codes)


def test_every_alert_is_specified_with_its_type_and_severity() -> None:
    table = {cells[0].strip("`"): cells[1] for cells in rows("domain.md", "Alerts")}
    assert table == {kind.name: f"{'moment' if kind.is_moment else 'condition'}, {kind.severity}" for kind in ALERTS}
