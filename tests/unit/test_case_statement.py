"""`sop case --statement`: what partners are told of the decisions of a case, with nothing about anybody else."""

import json
from pathlib import Path
from typing import Any

import pytest

from sop.main import run
from tests.scenario import Scenario

CUSTOMER, OTHER = "customer-zq17", "partner-zq42"
NAME, PHONE, LINK = "Zebulon Quartzfield", "9876543217", "https://media.example/proof/zq.jpg"
IMAGE = "zq-undeliverable"
OTHERS = (CUSTOMER, OTHER, NAME, "Zebulon", PHONE, LINK, "media.example", IMAGE, "28.6139", "77.209", "1500")


def case_of_two_partners() -> Scenario:
    """Two partners of one job cancel; a customer then says that the second one was paid outside the platform."""
    return (
        Scenario()
        .booked(customer_id=CUSTOMER)
        .assigned(partner=OTHER)
        .report("10:00", 43, partner=OTHER)
        .ticket("10:00")
        .image("10:05", url=IMAGE)
        .validated("10:10")
        .partner_cancelled("10:20", marked="none")
        .assigned("11:00", partner="p1")
        .report("12:00", 2000)
        .partner_cancelled("12:00")
        .complaint("13:00", refund_requested=True)
        .identified("13:10", name=NAME, phone=f"+91{PHONE}")
        .proof("13:20", payee_name=NAME, payee_phone=f"+91{PHONE}", proof_url=LINK)
    )


@pytest.fixture
def events_file(tmp_path: Path) -> str:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(case_of_two_partners().lines()) + b"\n")
    return str(path)


@pytest.fixture
def shown(events_file: str, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs `sop case --statement` and returns what it prints."""

    def show(*more: str) -> str:
        assert run(["case", "job-1", "--input", events_file, "--statement", *more]) == 0
        return capsys.readouterr().out

    return show


def test_each_current_decision_about_a_partner_has_a_statement(shown: Any) -> None:
    titles = [line for line in shown().splitlines() if line and not line.startswith(" ")]
    assert titles == [
        "For partner p1: the penalty (PAF) for a cancellation",
        f"For partner {OTHER}: the penalty (PAF) for a cancellation",
        "For partner p1: the report of a service outside the platform",
        "For partner p1: the tag of the job",
        f"For partner {OTHER}: the tag of the job",
    ]


def test_the_json_has_the_same_statements_with_their_decisions(shown: Any) -> None:
    found = json.loads(shown("--json"))
    assert found["case_id"] == "job-1"
    paf = next(each for each in found["statements"] if (each["kind"], each["partner_id"]) == ("paf", "p1"))
    assert (paf["outcome"], paf["status"], paf["language"]) == ("upheld", "final", "en")
    assert paf["decision_id"] in paf["sections"][-1]["paragraphs"][0]
    text = shown()
    assert [each for each in found["statements"] if each["title"] not in text] == []
    for section in paf["sections"]:
        assert "\n    ".join((f"  {section['heading']}", *section["paragraphs"])) in text


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_statement_in_hindi_has_the_same_parts(shown: Any, form: tuple[str, ...]) -> None:
    text = shown("--language", "hi", *form)
    assert "पार्टनर p1 के लिए: कैंसिलेशन की पेनल्टी (PAF)" in text
    assert "21 नवंबर 2026, 17:30 बजे (भारतीय मानक समय) से लागू।" in text
    english, hindi = json.loads(shown("--json")), json.loads(shown("--json", "--language", "hi"))
    for one, other in zip(english["statements"], hindi["statements"], strict=True):
        assert one["decision_id"] == other["decision_id"]
        assert [len(each["paragraphs"]) for each in one["sections"]] == [
            len(each["paragraphs"]) for each in other["sections"]
        ]


@pytest.mark.parametrize("language", ["en", "hi"])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_partner_is_told_nothing_about_anybody_else(shown: Any, form: tuple[str, ...], language: str) -> None:
    text = shown("--partner", "p1", "--language", language, *form)
    assert text.count("p1") >= 3
    assert [each for each in OTHERS if each in text] == []


def test_statements_are_chosen_by_kind_and_partner(shown: Any) -> None:
    found = json.loads(shown("--kind", "paf", "--partner", OTHER, "--json"))["statements"]
    assert [(each["kind"], each["partner_id"], each["outcome"]) for each in found] == [("paf", OTHER, "waived")]


def test_a_statement_is_as_of_until(shown: Any) -> None:
    found = json.loads(shown("--json", "--until", "2026-11-21T10:07:00Z"))["statements"]
    assert [(each["kind"], each["status"]) for each in found] == [("tagging", "provisional")]


def test_a_refund_has_no_statement(events_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["case", "job-1", "--input", events_file, "--statement", "--kind", "refund"]) == 2
    assert capsys.readouterr().err == "sop: job-1: no decision of kind refund has a statement for a partner\n"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--statement", "--language", "fr"), "'fr' is not one of 'en', 'hi'"),
        (("--language", "hi"), "use them with --statement"),
        (("--kind", "paf"), "use them with --statement"),
        (("--statement", "--partner", "nobody"), "no decision about nobody has a statement for a partner"),
        (("--statement", "--until", "2026-11-21T07:00:00Z"), "no event of this case"),
    ],
)
def test_a_mistake_is_one_line(
    events_file: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], error: str
) -> None:
    assert run(["case", "job-1", "--input", events_file, *arguments]) == 2
    captured = capsys.readouterr()
    assert (captured.out, error in captured.err, captured.err.count("\n")) == ("", True, 1)
