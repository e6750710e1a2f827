"""`sop case`: the story of one case as text and as JSON, and what it keeps to itself."""

import json
from pathlib import Path

import pytest

from agents.clauses import CLAUSES
from streams.cli.main import run
from tests.scenario import Scenario

SECRETS = {"name": "Anjali Rao", "phone": "+919810012345"}


def case_of_two_sides() -> Scenario:
    """A job whose partner claims out of scope from the site, is cancelled on, and was paid offline."""
    return (
        Scenario()
        .booked()
        .assigned()
        .line_item("09:30", "200.00")
        .report("10:00", 43)
        .ticket("10:00")
        .image("10:05")
        .validated("10:10")
        .cancelled("10:20", by="customer", reason="incorrect_service_booked")
        .ticket("11:00", "o1", kind="offline_service", by="customer")
        .identified("11:10", **SECRETS)
    )


@pytest.fixture
def recorded(tmp_path: Path) -> str:
    """A file with that case and another one, told by another source."""
    other = Scenario("job-2").booked().assigned(partner="p2").ticket("10:00", "t9").report("10:00", 900, partner="p2")
    elsewhere = [line.replace(b'"/s"', b'"/elsewhere"') for line in other.lines()]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join([*elsewhere, *case_of_two_sides().lines()]) + b"\n")
    return str(path)


def lines_of(recorded: str, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    assert run(["case", "job-1", "--input", recorded, *more]) == 0
    return capsys.readouterr().out.splitlines()


def test_facts_presence_and_decisions_are_listed_in_time_order(
    recorded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = lines_of(recorded, capsys)
    times = [line[:20] for line in told if line.startswith("2026-")]
    assert times == sorted(times)
    assert "9 facts, 1 location reports of p1" in told[1]
    at_ten = [line[22:] for line in told if line.startswith("2026-11-21T10:00:00Z")]
    assert at_ten[0].startswith("ticket.created")
    assert at_ten[1].startswith("presence of p1")
    assert "43 m from the site" in at_ten[1]
    assert at_ten[2] == "decision tagging, revision 1: partner_led_cancellation/out_of_scope, provisional, for p1"


def test_each_revision_tells_status_changes_clauses_and_evidence(
    recorded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = lines_of(recorded, capsys)
    second = told.index(
        "2026-11-21T10:10:00Z  decision tagging, revision 2: partner_led_cancellation/out_of_scope, final, for p1"
    )
    assert told[second + 1] == "    changed: effective_at, evidence, status"
    assert told[second + 2] == f"    OOS-5: {CLAUSES['OOS-5']}"
    assert told[second + 3].startswith("    evidence: ")
    assert "t1" in told[second + 3]


def test_what_is_outstanding_stands_at_the_end(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = lines_of(recorded, capsys)
    heads = [line for line in told if line.startswith(("open actions", "firing alerts"))]
    assert heads[0].startswith("open actions: ")
    assert any(line.startswith("    ask_customer_for_payment_proof (o1") for line in told[told.index(heads[0]) :])


def test_the_story_ends_where_it_is_told_to(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = lines_of(recorded, capsys, "--until", "2026-11-21T10:07:00Z")
    assert told[0].startswith("case job-1 as of 2026-11-21T10:07:00Z")
    assert not any("ticket.validated" in line for line in told)


def test_the_json_holds_the_messages_as_a_replay_writes_them(
    recorded: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    out = tmp_path / "out.jsonl"
    assert run(["replay", recorded, "--out", str(out)]) == 0
    replayed = [json.loads(line) for line in out.read_bytes().splitlines()]
    capsysbinary.readouterr()

    assert run(["case", "job-1", "--input", recorded, "--json"]) == 0
    story = json.loads(capsysbinary.readouterr().out)

    assert [each["message"] for each in story["messages"]] == [
        message for message in replayed if message["subject"] == "job-1"
    ]
    assert len(story["facts"]) == 9
    assert story["location_reports"] == {"p1": 1}
    assert story["presence_answers"][0]["closest"]["distance_m"] == pytest.approx(43, abs=0.5)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_name_phone_or_coordinate_is_shown(
    form: tuple[str, ...], recorded: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run(["case", "job-1", "--input", recorded, *form]) == 0
    told = capfdbinary.readouterr().out.decode()
    assert "ticket.partner_identified" in told
    for secret in (*SECRETS.values(), "28.6139", "77.209"):
        assert secret not in told


def test_a_refused_event_that_names_the_case_is_told(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(recorded)
    spoilt = b'{"specversion": "1.0", "subject": "job-1"}\n{"specversion": "1.0", "subject": "job-2"}\nnot JSON\n'
    before = path.read_bytes().count(b"\n")
    path.write_bytes(path.read_bytes() + spoilt)
    told = lines_of(recorded, capsys)
    at = told.index(next(line for line in told if line.startswith("refused")))
    assert [line.strip() for line in told[at + 1 :] if line.strip()] == [f"{recorded}-0@{before + 1}: id: missing"]
    document = json.loads("".join(lines_of(recorded, capsys, "--json")))
    assert document["refused"] == [{"record": f"{recorded}-0@{before + 1}", "reason": "id: missing"}]
