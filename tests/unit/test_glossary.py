"""The glossary: every clause, the words of the SOPs, and a page that says what the command says."""

import re
from pathlib import Path

import pytest

from agents.clauses import CLAUSES
from streams.cli.main import run
from streams.glossary import CLAUSE_TEXTS, ENTRIES, WORDS

PAGE = Path(__file__).parents[2] / "docs" / "glossary.md"


def test_every_clause_has_a_sentence_in_the_order_of_the_sops() -> None:
    assert list(CLAUSE_TEXTS) == list(CLAUSES)


def test_words_and_clauses_have_names_of_their_own() -> None:
    assert len({name.casefold() for name in ENTRIES}) == len(WORDS) + len(CLAUSE_TEXTS)


def test_the_page_is_what_the_command_makes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["glossary", "--markdown"]) == 0
    assert capsys.readouterr().out == PAGE.read_text(encoding="utf-8")


def test_without_a_word_every_entry_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["glossary"]) == 0
    told = capsys.readouterr().out
    assert re.findall(r"^(?! )(.+)$", told, re.MULTILINE) == list(ENTRIES)


@pytest.mark.parametrize(("word", "told"), [("PAF", "does not spell"), ("bpc", "does not spell"), ("oos-18", "fault")])
def test_a_word_is_found_in_any_letter_case(word: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["glossary", word]) == 0
    assert told in " ".join(capsys.readouterr().out.split())


def test_a_near_miss_of_a_word_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["glossary", "PFA"]) == 2
    assert capsys.readouterr().err == "sop: PFA: not in the glossary; did you mean PAF?\n"
