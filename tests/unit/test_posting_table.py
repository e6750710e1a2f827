"""The posting table covers what the rules can decide, and page, client and kit have the same table."""

import re
from pathlib import Path

import pytest

from agents.sops.offline_service import OFFLINE_SERVICE
from agents.sops.out_of_scope import OUT_OF_SCOPE
from agents.sops.registry import SOPS
from agents.sops.table_sop import TableSop
from schemas.outputs import WITHDRAWN, kind_of
from sop_client import PostingTable
from streams.kit.export import kit_files
from streams.kit.posting import Line, Rule, posting_table, posting_table_bytes
from streams.kit.posting import PostingTable as Published

TOP = Path(__file__).parents[2]
TABLE: Published = posting_table()
WORDS = {"1": "1", "proven_amount": "`proven_amount`"}


def decided(sop: TableSop) -> set[tuple[str, str, str, str]]:  # type: ignore[type-arg] # of whatever facts
    """Return every (kind, SOP, outcome, status) that the tables of an SOP can lead to."""
    found = set()
    for table in sop.decisions:
        found.add((kind_of(table.kind), sop.name, WITHDRAWN, "final"))
        for row in table.rows:
            found.add((kind_of(table.kind), sop.name, row.outcome, row.status))
            if row.final_from is not None:
                found.add((kind_of(table.kind), sop.name, row.outcome, "provisional"))
    return found


def test_there_is_one_rule_for_whatever_can_be_decided_and_no_other() -> None:
    assert SOPS == (OUT_OF_SCOPE, OFFLINE_SERVICE)
    keys = [rule.key for rule in TABLE.rules]
    assert len(keys) == len({*keys})
    assert {*keys} == decided(OUT_OF_SCOPE) | decided(OFFLINE_SERVICE)


def test_nothing_stands_in_the_ledger_for_what_is_provisional_or_withdrawn() -> None:
    posting = [rule for rule in TABLE.rules if rule.lines]
    assert posting
    assert not any(rule.status == "provisional" or rule.outcome == WITHDRAWN for rule in posting)


def test_lines_name_accounts_of_the_table() -> None:
    used = {line.account for rule in TABLE.rules for line in rule.lines}
    assert used == set(TABLE.accounts)


def test_client_and_kit_have_the_table_as_it_is() -> None:
    copy = TOP / "clients" / "python" / "src" / "sop_client" / "posting_table.json"
    assert copy.read_bytes() == posting_table_bytes() == kit_files()["posting_table.json"]
    PostingTable.current()


def in_words(lines: tuple[Line, ...]) -> str:
    return ", ".join(f"{line.side} {WORDS[line.amount]} on `{line.account}`" for line in lines) or "nothing"


def row(rule: Rule) -> str:
    cells = (f"`{rule.kind}`", f"`{rule.subject_of}`", f"`{rule.outcome}`", rule.status, in_words(rule.lines))
    return f"| {' | '.join((*cells, rule.meaning))} |"


@pytest.fixture(scope="module")
def page() -> str:
    return (TOP / "docs" / "consuming.md").read_text(encoding="utf-8")


def test_the_page_has_every_rule_in_order(page: str) -> None:
    shown = re.findall(r"^\| `\w+` \| `(?!partner_id|case_id)\w+` \| .*$", page, re.MULTILINE)
    assert shown == [row(rule) for rule in TABLE.rules]


def test_the_page_has_every_account_in_order(page: str) -> None:
    shown = re.findall(r"^\| `(\w+)` \| `(partner_id|case_id)` \| `?([\w ]+?)`? \| (.*) \|$", page, re.MULTILINE)
    wanted = [
        (name, each.holder, "the currency" if each.unit == "currency" else each.unit, each.meaning)
        for name, each in TABLE.accounts.items()
    ]
    assert shown == wanted
