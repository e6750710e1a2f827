"""The pages of docs/specification/ name what the code has: nothing less, nothing else."""

import re
from pathlib import Path

from schemas.codec.fields import FIELDS, Choice, Field, Object
from schemas.policy.keys import KEY_NOTES
from schemas.topics import INPUTS, INTERNAL, OUTPUTS
from streams.cli.main import COMMANDS

PAGES = Path(__file__).parents[2] / "docs" / "specification"


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of all table rows of a section and its subsections, without the head of each table."""
    text = (PAGES / page).read_text(encoding="utf-8")
    section = re.split(r"^## ", text.partition(f"\n## {heading}\n")[2], flags=re.MULTILINE)[0]
    tables = re.findall(r"^\|.*\|\n\| --- .*\n((?:\|.*\n)+)", section, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for table in tables for line in table.splitlines()]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def told(field: Field) -> list[str]:
    """Return what a row of events says of a field: its name, and the values that it may have."""
    name = field.name if field.required else f"{field.name}?"
    if isinstance(field.kind, Object) and field.name == "site":
        name = f"site {{{', '.join(each.name for each in field.kind.fields)}}}"
    return [name, *(field.kind.values if isinstance(field.kind, Choice) else ())]


def test_every_event_type_is_specified_with_its_fields_and_values_in_order() -> None:
    table = {
        cells[0].strip("`"): quoted(re.sub(r"\(.*?\)", "", cells[1])) for cells in rows("contracts.md", "Events in")
    }
    assert table == {name: [word for field in fields for word in told(field)] for name, fields in FIELDS.items()}


def test_every_topic_is_specified() -> None:
    assert [name for cells in rows("contracts.md", "Topics") for name in quoted(cells[0])] == [
        *INPUTS,
        *OUTPUTS,
        *INTERNAL,
    ]


def test_every_policy_key_is_specified() -> None:
    assert [key for cells in rows("contracts.md", "Policy") for key in quoted(cells[0])] == list(KEY_NOTES)


def test_every_command_is_specified() -> None:
    table = [
        command for cells in rows("contracts.md", "Command line") for command in re.findall(r"`sop ([\w-]+)", cells[0])
    ]
    assert set(table) == set(COMMANDS)
