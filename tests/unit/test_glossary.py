"""The glossary covers every clause, and its page matches the command."""

import re
from pathlib import Path

import pytest

from agents.glossary import CLAUSE_TEXTS, ENTRIES, WORDS
from agents.sops.catalogue import CLAUSES
from sop.main import run

PAGE = Path(__file__).parents[2] / "docs" / "glossary.md"


def test_every_clause_is_explained_in_the_order_of_the_sops() -> None:
    assert list(CLAUSE_TEXTS) == list(CLAUSES)


def test_no_two_entries_have_the_same_name() -> None:
    assert len({name.casefold() for name in ENTRIES}) == len(WORDS) + len(CLAUSE_TEXTS)


def test_the_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["glossary", "--markdown"]) == 0
    assert capsys.readouterr().out == PAGE.read_text(encoding="utf-8")


def test_without_a_word_every_entry_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["glossary"]) == 0
    shown = capsys.readouterr().out
    assert re.findall(r"^(?! )(.+)$", shown, re.MULTILINE) == list(ENTRIES)


@pytest.mark.parametrize(
    ("word", "text"), [("PAF", "does not expand"), ("bpc", "does not expand"), ("oos-18", "fault")]
)
def test_a_word_is_found_in_any_letter_case(word: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["glossary", word]) == 0
    assert text in " ".join(capsys.readouterr().out.split())


def test_a_misspelled_word_brings_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["glossary", "PFA"]) == 2
    assert capsys.readouterr().err == "sop: PFA: not in the glossary; did you mean PAF?\n"
