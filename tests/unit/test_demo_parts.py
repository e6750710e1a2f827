"""The parts of `sop up` that need no process: routing, the sample day, the live view."""

import io
import json
import signal
from itertools import islice
from pathlib import Path

import pytest
from rich.console import Console

from agents.sops import catalogue
from agents.sops.out_of_scope.paf import PafDecision
from schemas.codec.decoder import decode_record
from schemas.codec.encoder import encode_dead_letter, encode_message
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage, UsageError
from schemas.outputs import (
    ActionBody,
    ActionMessage,
    AlertBody,
    AlertMessage,
    AnyDecision,
    DeadLetter,
    DecisionMessage,
)
from schemas.policy.model import HOUR, MINUTE
from streams.config.settings import Settings, environment_with, settings_from
from streams.demo.demo import _recorded_events, sample_events, sample_options
from streams.demo.feed import route
from streams.demo.live_view import LiveView
from streams.kafka.connection import INPUT_BYTES_MAX
from streams.process.signals import INTERRUPTIONS, StopSignals, interrupt

NOW = 1_795_000_000_000_000
AT = 1_794_996_000_500_000


@pytest.mark.parametrize(
    ("value", "topic", "key"),
    [
        ('{"type": "job.booked", "subject": "job-1"}', "jobs", b"job-1"),
        ('{"type": "ticket.closed", "subject": "job-1"}', "tickets", b"job-1"),
        ('{"type": "cancellation.recorded", "subject": "job-1"}', "cancellations", b"job-1"),
        ('{"type": "location.reported", "subject": "जय"}', "locations", "जय".encode()),
        ('{"type": "ticket.closed"}', "tickets", None),
        ('{"type": "job.mislaid", "subject": "job-1"}', "jobs", b"job-1"),
        ('{"type": 1, "subject": "job-1"}', "jobs", None),
        ('{"subject": "\\ud800"}', "jobs", None),
        ("[]", "jobs", None),
        ("{", "jobs", None),
        ("[" * 100_000, "jobs", None),
    ],
)
def test_an_event_goes_to_the_topic_of_its_type_keyed_by_its_subject(value: str, topic: str, key: bytes | None) -> None:
    assert route(catalogue.topics("x."), value.encode()) == (f"x.{topic}", key)


def test_the_sample_day_began_in_the_past_and_goes_on() -> None:
    lines = list(sample_events(sample_options(jobs=60, seed=1), now=NOW))
    assert [line.not_before for line in lines] == sorted(line.not_before for line in lines)
    assert not lines[0].paced
    assert lines[-1].paced
    assert lines[-1].not_before > NOW
    unpaced = [line for line in lines if not line.paced]
    assert NOW - 24 * HOUR < unpaced[0].not_before < unpaced[-1].not_before < NOW


def test_no_sample_event_is_more_than_a_minute_in_the_future_when_it_is_sent() -> None:
    checked = 0
    for line in sample_events(sample_options(jobs=60, seed=1), now=NOW):
        try:
            event = decode_record(line.value, None, Limits())
        except InvalidMessage:
            continue
        checked += 1
        assert event.time <= line.not_before + MINUTE
    assert checked


def test_a_later_run_has_other_jobs_and_partners() -> None:
    def subjects(now: int) -> set[str]:
        lines = sample_events(sample_options(jobs=30, seed=1), now=now)
        return {json.loads(line.value)["subject"] for line in islice(lines, 200)}

    assert subjects(NOW).isdisjoint(subjects(NOW + 1))


def decision(outcome: str, *, partner: str | None = "p1", revision: int = 1) -> AnyDecision:
    body = PafDecision(
        subject_of="out_of_scope",
        case_id="job-1",
        partner_id=partner,
        status="final",
        outcome=outcome,
        reasons=("no_claim",),
        clauses=("OOS-18",),
        policy="x@1",
        effective_at=AT,
    )
    return DecisionMessage(
        body=body,
        decision_id=f"d{revision}",
        content_hash="c",
        revision=revision,
        supersedes=None,
        changed=(),
        explanation="",
    )


def action(state: str) -> ActionMessage:
    body = ActionBody(code="call_partner", case_id="job-1", state=state, clauses=(), evidence=(), time=AT)  # type: ignore[arg-type]
    return ActionMessage(body=body, action_id="a", revision=1)


def alert(state: str) -> AlertMessage:
    body = AlertBody(
        name="park_overdue",
        severity="warning",
        state=state,  # type: ignore[arg-type]
        key=("case_id",),
        labels={"case_id": "job-1"},
        summary="late",
        evidence=(),
        starts_at=AT,
        ends_at=AT if state == "resolved" else None,
    )
    return AlertMessage(body=body, alert_id="l", subject="job-1")


def refused(reason: str) -> bytes:
    return encode_dead_letter(DeadLetter(topic="jobs", partition=2, offset=7, reason=reason, value=b"{"), time=AT)


def shown_by(
    records: list[tuple[str, bytes]], *, terminal: bool = False, width: int = 60
) -> tuple[list[str], list[str]]:
    """Return the lines shown for records, and the lines of the summary."""
    out = io.StringIO()
    live_view = LiveView(Console(file=out, force_terminal=terminal, width=width, color_system=None, highlight=False))
    for topic, value in records:
        live_view.add(topic, value)
    return out.getvalue().splitlines(), list(live_view.summary(7))


def test_without_a_terminal_a_decision_is_one_line() -> None:
    (line,), _ = shown_by([("x.decisions.paf", encode_message(decision("upheld")))])
    assert line.split() == [
        "2026-11-18T10:00:00Z",
        "paf",
        "job-1",
        "upheld",
        "final",
        "1",
        "p1",
        "no_claim",
        "[OOS-18]",
    ]


def test_a_decision_without_a_partner_says_nobody() -> None:
    (line,), _ = shown_by([("x.decisions.paf", encode_message(decision("upheld", partner=None)))])
    assert " nobody " in line


LONG = "partner_led_cancellation/out_of_scope"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (
            80,
            [
                "10:00:00  paf       job-1              final        partner_led_cancellation/",
                "                                                    out_of_scope (no_claim)",
                "                                                    [OOS-18]",
            ],
        ),
        (
            110,
            [f"10:00:00  paf       job-1              final        {LONG} (no_claim) [OOS-18]"],
        ),
        (
            130,
            [f"10:00:00  paf       job-1              p1                   final        {LONG} (no_claim) [OOS-18]"],
        ),
    ],
)
def test_on_a_terminal_long_texts_wrap_within_their_column(width: int, shown: list[str]) -> None:
    lines, _ = shown_by([("decisions.paf", encode_message(decision(LONG)))], terminal=True, width=width)
    assert lines == shown


@pytest.mark.parametrize("width", [40, 80, 100, 119, 120, 200])
def test_no_row_is_wider_than_the_terminal_or_truncated(width: int) -> None:
    records = [
        ("decisions.paf", encode_message(decision(LONG, partner="partner-with-a-very-long-name-0001"))),
        ("alerts", encode_message(alert("firing"))),
        (
            "x.dead-letters",
            refused("data.site.lat: not a number from -90 to 90, and a_word_of_more_than_twenty_letters"),
        ),
    ]
    lines, _ = shown_by(records, terminal=True, width=width)
    assert max(map(len, lines)) <= max(width, 64)
    shown = "".join("".join(lines).split())
    for text in ("cancellation/", "out_of_scope", "park_", "overdue", "jobs-2@7", "letters"):
        assert text in shown


def test_the_reason_of_a_refused_event_uses_the_room_of_empty_columns() -> None:
    lines, _ = shown_by([("x.dead-letters", refused("value: not JSON (input was truncated)"))], terminal=True, width=80)
    assert lines == ["          refused   jobs-2@7: value: not JSON (input was truncated)"]


def test_control_characters_in_an_event_are_escaped() -> None:
    lines, _ = shown_by([("x.dead-letters", refused("id: \x1b[2J\nsop: all is well\u202e"))])
    (line,) = lines
    assert line.isprintable()


def test_as_json_standard_output_has_only_messages(capsys: pytest.CaptureFixture[str]) -> None:
    live_view = LiveView(Console(), as_json=True)
    live_view.print_line("welcome")
    live_view.print_header()
    values = [encode_message(decision("upheld")), encode_message(action("done")), refused("value: \x9b")]
    for topic, value in zip(("decisions.paf", "actions", "dead-letters"), values, strict=True):
        live_view.add(topic, value)
    live_view.add("decisions.paf", b"?")
    live_view.print_summary(3)
    out, err = capsys.readouterr()
    assert [json.loads(line) for line in out.splitlines()] == [json.loads(value) for value in values]
    assert all(line.isprintable() for line in out.splitlines())
    assert err.startswith("welcome\ndecisions.paf: value: not a decision, action or alert")
    assert "1 decisions on 1 cases" in err


def test_the_summary_counts_everything() -> None:
    records = [
        ("decisions.paf", encode_message(decision("upheld"))),
        ("decisions.paf", encode_message(decision("upheld", revision=2))),
        ("decisions.paf", encode_message(decision("waived", revision=3))),
        ("actions", encode_message(action("open"))),
        ("actions", encode_message(action("done"))),
        ("alerts", encode_message(alert("firing"))),
        ("alerts", encode_message(alert("resolved"))),
        ("x.dead-letters", refused("value: not JSON")),
    ]
    lines, summary = shown_by(records)
    assert len(lines) == 5
    assert lines[-1].split() == ["refused", "jobs-2@7", "value:", "not", "JSON"]
    assert summary == [
        "7 events sent: 3 decisions on 1 cases, 1 actions opened, 1 alerts, 1 dead letters",
        "      1  alert park_overdue",
        "      2  paf upheld",
        "      1  paf waived",
    ]


def test_a_foreign_record_is_reported_and_does_not_end_the_view() -> None:
    lines, summary = shown_by([("decisions.paf", b"?"), ("decisions.paf", encode_message(decision("upheld")))])
    assert lines[0].startswith("decisions.paf: value: not a decision, action or alert")
    assert "1 decisions" in summary[0]


def test_settings_survive_a_round_trip_through_the_environment() -> None:
    settings = Settings(brokers="h:1,i:2", topic_prefix="x.", policies=("a.toml", "b.toml"), session_timeout_s=2.5)
    assert settings_from(environment_with(settings)) == settings


def test_a_recorded_line_that_is_too_large_is_reported_with_its_place(tmp_path: Path) -> None:
    recorded = tmp_path / "day.jsonl"
    recorded.write_bytes(b"{}\n" + b"x" * (INPUT_BYTES_MAX + 1) + b"\n")
    lines = _recorded_events(str(recorded))()
    assert next(lines).value == b"{}"
    with pytest.raises(UsageError, match=rf"day\.jsonl, line 2: {INPUT_BYTES_MAX + 1} bytes"):
        next(lines)


def test_a_signal_that_was_ignored_from_the_start_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals(INTERRUPTIONS, interrupt):
            signal.raise_signal(signal.SIGHUP)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
