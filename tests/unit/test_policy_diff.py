"""`sop policy diff`: it agrees with two replays that are compared by hand."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.case.cities import compared
from agents.sops.catalogue import POLICIES
from sop.main import run
from streams.what_if.difference import DifferenceSummary
from streams.what_if.page import bar_chart

A = 'label = "a"\n'
B = """label = "b"
proof.min_images = 2
park.duration = "30 min"
paf.claim_window = "1 h"
offline.name_similarity = 1.0
"""
UNTIL = ("--until", "2030-01-01T00:00:00Z")

Last = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the events of a day, with duplicates, late and malformed ones."""
    file = tmp_path_factory.mktemp("day") / "events.jsonl"
    shares = ["--malformed", "0.01", "--late", "0.05", "--duplicates", "0.03"]
    assert run(["simulate", "--jobs", "120", "--seed", "11", *shares, "--out", str(file)]) == 0
    return file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_text(A)
    Path("b.toml").write_text(B)
    return tmp_path


def last_revisions(events: Path, policy: str) -> Last:
    """Return the data of the last revision of every decision of a replay, withdrawn ones aside."""
    assert run(["replay", str(events), "--policy", policy, *UNTIL, "--out", "out.jsonl"]) == 0
    last: Last = {}
    for line in Path("out.jsonl").read_bytes().splitlines():
        message = json.loads(line)
        if message["type"].startswith("decision."):
            last[message["data"]["decision_key"]] = message["data"]
    return {key: data for key, data in last.items() if data["outcome"] != "withdrawn"}


def difference(events: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["policy", "diff", *arguments, "--input", str(events), *UNTIL, "--json"]) == 0
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return] # an object


@pytest.mark.usefixtures("folder")
def test_it_agrees_with_two_replays_compared_by_hand(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = difference(events, "a.toml", "b.toml", capsys=capsys)
    a, b = last_revisions(events, "a.toml"), last_revisions(events, "b.toml")
    assert found["decisions"] == len(a.keys() | b.keys())

    transitions: Counter[tuple[str, str, str, str]] = Counter()
    partners: Counter[str] = Counter()
    for key in a.keys() | b.keys():
        old, new = a.get(key), b.get(key)
        texts = ["none" if each is None else f"{each['outcome']} ({each['status']})" for each in (old, new)]
        if texts[0] != texts[1]:
            data = old or new
            assert data is not None
            transitions[data["kind"], data["subject_of"], texts[0], texts[1]] += 1
            partners[data["partner_id"] or "unknown"] += 1
    assert len(transitions) > 2
    by_outcome = [each for each in found["transitions"] if each["before"] != each["after"]]
    assert {
        (each["kind"], each["subject_of"], each["before"], each["after"]): each["decisions"] for each in by_outcome
    } == dict(transitions)
    changed = [each for each in found["changed"] if each["before"] != each["after"]]
    assert Counter(each["partner_id"] or "unknown" for each in changed) == partners

    def penalties(last: Last) -> set[str]:
        upheld = {("upheld", "final"), ("reversal_scheduled", "final")}
        return {
            key for key, data in last.items() if (data["outcome"], data["status"]) in upheld and data["kind"] == "paf"
        }

    def refunds(last: Last) -> Decimal:
        due = [data["proven_amount"]["amount"] for data in last.values() if data["outcome"].startswith("eligible_")]
        return sum(map(Decimal, due), Decimal())

    accounts = {each["account"]: each for each in found["accounts"]}
    assert int(accounts["penalties"]["added"]) == len(penalties(b) - penalties(a))
    assert int(accounts["penalties"]["removed"]) == len(penalties(a) - penalties(b))
    assert [Decimal(accounts["refunds"][side]) for side in ("before", "after")] == [refunds(a), refunds(b)]
    assert sum(each["penalties"] for each in found["partners"]) == len(penalties(b)) - len(penalties(a))
    assert sum(each["penalties"] for each in found["cities"]) == len(penalties(b)) - len(penalties(a))
    assert sum(each["decisions"] for each in found["cities"]) == len(found["changed"])
    names = [each["name"] for each in found["cities"]]
    assert names == [compared(each, POLICIES.default) for each in names], "by one name each"


@pytest.mark.usefixtures("folder")
def test_a_policy_that_differs_in_its_name_alone_changes_nothing(
    events: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = difference(events, "built-in", "a.toml", capsys=capsys)
    assert (found["changed"], found["transitions"]) == ([], [])
    assert all(each["added"] == each["removed"] == "0" for each in found["accounts"])


@pytest.mark.usefixtures("folder")
def test_it_prints_tables_and_writes_a_page_that_fetches_and_runs_nothing(
    events: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["a.toml", "b.toml", "--input", str(events), "--html", "page.html"]
    assert run(["policy", "diff", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "decisions about" in printed
    assert {"penalties", "partner", "city"} <= set(printed.split())
    page = Path("page.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") == 3
    for forbidden in ("<script", "http:", "https:", "src=", "@import", "url(", "<link", "onload="):
        assert forbidden not in page


@pytest.mark.usefixtures("folder")
def test_it_writes_the_result_for_the_console(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = difference(events, "a.toml", "b.toml", "--out", "found.json", capsys=capsys)
    assert json.loads(Path("found.json").read_bytes()) == found
    written = msgspec.json.decode(Path("found.json").read_bytes(), type=DifferenceSummary)
    assert written.changed_count == len(found["changed"]) > 0


def test_what_a_plot_names_is_escaped() -> None:
    assert "<b>" not in bar_chart([("<b>", 1)], "<b>")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["a.toml", "b.toml"], "--input: name the events to decide under both policies"),
        (["a.toml", "b.toml", "--input", "absent.jsonl"], "absent.jsonl"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["policy", "diff", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line
