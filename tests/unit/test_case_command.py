"""`sop case`: the timeline of one case as text and as JSON, without personal data."""

import json
from pathlib import Path

import pytest

from agents.sops.catalogue import CLAUSES
from sop.main import run
from tests.scenario import Scenario

SECRETS = {"name": "Anjali Rao", "phone": "+919810012345"}


def case_of_both_sops() -> Scenario:
    """A job with an out-of-scope claim from the site, a cancellation and a report of an offline service."""
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
def events_file(tmp_path: Path) -> str:
    """A file with that case and another case from another source."""
    other = Scenario("job-2").booked().assigned(partner="p2").ticket("10:00", "t9").report("10:00", 900, partner="p2")
    elsewhere = [line.replace(b'"/s"', b'"/elsewhere"') for line in other.lines()]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join([*elsewhere, *case_of_both_sops().lines()]) + b"\n")
    return str(path)


def lines_of(events_file: str, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    assert run(["case", "job-1", "--input", events_file, *more]) == 0
    return capsys.readouterr().out.splitlines()


def test_facts_presence_and_decisions_are_listed_in_time_order(
    events_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = lines_of(events_file, capsys)
    times = [line[:20] for line in shown if line.startswith("2026-")]
    assert times == sorted(times)
    assert "9 facts, 1 location reports of p1" in shown[1]
    at_ten = [line[22:] for line in shown if line.startswith("2026-11-21T10:00:00Z")]
    assert at_ten[0].startswith("ticket.created")
    assert at_ten[1].startswith("presence of p1")
    assert "43 m from the site" in at_ten[1]
    assert at_ten[2] == "decision tagging, revision 1: partner_led_cancellation/out_of_scope, provisional, for p1"


def test_each_revision_shows_status_changes_clauses_and_evidence(
    events_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = lines_of(events_file, capsys)
    second = shown.index(
        "2026-11-21T10:10:00Z  decision tagging, revision 2: partner_led_cancellation/out_of_scope, final, for p1"
    )
    assert shown[second + 1] == "    changed: effective_at, evidence, status"
    assert shown[second + 2] == f"    OOS-5: {CLAUSES['OOS-5'].summary}"
    assert shown[second + 3].startswith("    evidence: ")
    assert "t1" in shown[second + 3]


def test_open_actions_and_firing_alerts_are_listed_at_the_end(
    events_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = lines_of(events_file, capsys)
    heads = [line for line in shown if line.startswith(("open actions", "firing alerts"))]
    assert heads[0].startswith("open actions: ")
    assert any(line.startswith("    ask_customer_for_payment_proof (o1") for line in shown[shown.index(heads[0]) :])


def test_each_decision_is_explained_row_by_row(events_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines_of(events_file, capsys)
    fails = "a check of the proof fails (proof_missing)"
    at = shown.index("tagging (offline service) for p1: offline_service/not_tagged, provisional")
    assert shown[at + 1 : at + 8] == [
        f"    O1 offline_service/no_booking: no, {fails}; the type is not no_booking (cancelled_then_served)",
        f"    O2 offline_service/cancelled_then_served: no, {fails}",
        f"    O3 offline_service/partial: no, {fails}",
        "    O4 offline_service/not_tagged: no, no proof shows a payment in cash",
        "    O5 offline_service/not_tagged: no, a qualifying ticket is open",
        "    O6 offline_service/not_tagged: yes, no row before it applies",
        "refund (offline service) for p1: no decision, no refund was asked for",
    ]


def test_the_explanation_belongs_to_the_state_at_until(events_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines_of(events_file, capsys, "--until", "2026-11-21T10:07:00Z")
    assert "    T2 partner_led_cancellation/out_of_scope: yes, the claim is pending" in shown
    assert "paf (out of scope) for p1: no decision, nobody cancelled" in shown
    assert not any("offline service" in line for line in shown)


def test_a_decision_that_waits_for_a_deadline_shows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "unclaimed.jsonl"
    path.write_bytes(b"\n".join(Scenario().booked().assigned().cancelled("12:00").lines()))
    shown = lines_of(str(path), capsys)
    at = shown.index("paf (out of scope) for p1: upheld, provisional")
    assert shown[at + 6 : at + 8] == [
        "    P5 upheld: yes, there is no out-of-scope ticket; a cancellation is marked against the partner",
        "    final from 2026-11-24T12:00:00Z",
    ]
    (paf,) = (
        each
        for each in json.loads("".join(lines_of(str(path), capsys, "--json")))["explained"]
        if each["kind"] == "paf"
    )
    assert paf["final_from"] == "2026-11-24T12:00:00Z"


def test_the_json_has_every_row_with_its_terms(events_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    paf = json.loads("".join(lines_of(events_file, capsys, "--json")))["explained"][1]
    assert [paf[name] for name in ("kind", "subject_of", "partner_id", "outcome", "status", "final_from")] == [
        *("paf", "out_of_scope", "p1", "reversal_scheduled", "final", None),
    ]
    assert [row["name"] for row in paf["rows"] if row["fired"]] == ["P8-elsewhere"]
    assert paf["rows"][3] == {
        "name": "P3",
        "outcome": "under_review",
        "clauses": ["OOS-7"],
        "fired": False,
        "terms": [
            {
                "asked": "the partner was off site",
                "holds": False,
                "found": "the partner was not off site (presence: on_site)",
            },
            {"asked": "the claim is genuine", "holds": True, "found": "the claim is genuine"},
            {
                "asked": "the route is not commercial",
                "holds": True,
                "found": "the route is not commercial (ticketed)",
            },
        ],
    }


def test_the_timeline_ends_at_until(events_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines_of(events_file, capsys, "--until", "2026-11-21T10:07:00Z")
    assert shown[0].startswith("case job-1 as of 2026-11-21T10:07:00Z")
    assert not any("ticket.validated" in line for line in shown)


def test_the_json_contains_the_messages_as_a_replay_writes_them(
    events_file: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    out = tmp_path / "out.jsonl"
    assert run(["replay", events_file, "--out", str(out)]) == 0
    replayed = [json.loads(line) for line in out.read_bytes().splitlines()]
    capsysbinary.readouterr()

    assert run(["case", "job-1", "--input", events_file, "--json"]) == 0
    timeline = json.loads(capsysbinary.readouterr().out)

    assert [each["message"] for each in timeline["messages"]] == [
        message for message in replayed if message["subject"] == "job-1"
    ]
    assert len(timeline["facts"]) == 9
    assert timeline["location_reports"] == {"p1": 1}
    assert timeline["presence_answers"][0]["closest"]["distance_m"] == pytest.approx(43, abs=0.5)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_name_phone_or_coordinate_is_shown(
    form: tuple[str, ...], events_file: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run(["case", "job-1", "--input", events_file, *form]) == 0
    shown = capfdbinary.readouterr().out.decode()
    assert "ticket.partner_identified" in shown
    for secret in (*SECRETS.values(), "28.6139", "77.209"):
        assert secret not in shown


def test_refused_records_that_name_the_case_are_listed(events_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(events_file)
    broken = b'{"specversion": "1.0", "subject": "job-1"}\n{"specversion": "1.0", "subject": "job-2"}\nnot JSON\n'
    before = path.read_bytes().count(b"\n")
    path.write_bytes(path.read_bytes() + broken)
    shown = lines_of(events_file, capsys)
    at = shown.index(next(line for line in shown if line.startswith("refused")))
    assert [line.strip() for line in shown[at + 1 :] if line.strip()] == [f"{events_file}-0@{before + 1}: id: missing"]
    document = json.loads("".join(lines_of(events_file, capsys, "--json")))
    assert document["refused"] == [{"record": f"{events_file}-0@{before + 1}", "reason": "id: missing"}]


@pytest.mark.parametrize("more", [("--until", "2026-11-21T10:00:00Z"), ("--policy", "p.toml"), ()])
def test_latest_is_about_the_present_of_kafka(
    events_file: str, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    inputs = () if more else ("--input", events_file)
    assert run(["case", "job-1", "--latest", *inputs, *more]) == 2
    assert "use it without --until, --policy and files" in capsys.readouterr().err
