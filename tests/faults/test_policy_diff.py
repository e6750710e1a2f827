"""`sop policy diff` over the archive of a stream: every number is that of two replays compared by hand."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, NamedTuple

import pytest

from agents.case.cities import compared as known_city
from streams.embedded_kafka.broker import EmbeddedKafka
from tests.e2e.conftest import run_sop
from tests.faults.conftest import Report
from tests.faults.scale import Scale, scale
from tests.faults.stream import make_stream
from tests.faults.supervision import FaultBench
from tests.scenario import POLICY

EVENTS_MIN = 20_000
"""Among fewer, another radius changes next to nothing."""
EVENTS = max(scale().events, EVENTS_MIN)
WITHIN_S = 120 + EVENTS / 200
UNTIL = ("--until", "2025-06-01T00:00:00Z")
BEFORE = ("presence.radius_m = 500",)
AFTER = {
    "500 m to 300 m": ("presence.radius_m = 300",),
    "claims and proofs too": (
        "presence.radius_m = 300",
        "paf.claim_window = '1 h'",
        "proof.min_images = 2",
        "offline.image_link_pattern = '\\.jpg$'",
    ),
}
NORTH = 0.0036
"""Degrees of latitude, 400 m: so far off report some partners, since simulated ones stand closer to the door."""
SHIFTED = 3
"""One of so many partners reports so."""
OF_THE_POLICY = {"policy", "clauses", "evidence", "effective_at"}
"""In these a decision may differ and be the same."""
OF_THE_MESSAGE = {
    *("decision_id", "content_hash", "revision", "supersedes", "changed", "previous", "decision_key"),
    *("cause", "explanation"),
}

PENALTIES = ("penalties", "PAF")

Data = dict[str, Any]
"""What a decision says, without what names its policy or revision."""
Postings = dict[tuple[str, str], Decimal]
"""What stands on an account, by its name and unit."""


class Replayed(NamedTuple):
    """The name of a policy, how many events were decided, and what the last revisions say, withdrawn ones aside."""

    policy: str
    events: int
    decisions: Mapping[str, Data]


pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + 6 * WITHIN_S)]


def test_the_difference_over_an_archive_is_that_of_two_replays_compared_by_hand(
    make_bench: Callable[..., FaultBench], kafka: EmbeddedKafka, run_scale: Scale, report: Report, tmp_path: Path
) -> None:
    bench, where = make_bench(kafka.address), tmp_path / "archive"
    stream = make_stream(EVENTS, run_scale.seed, tmp_path / "events.jsonl")
    bench.add_worker()
    bench.feed_lines(map(shifted, stream.lines()))
    bench.wait_until_idle(WITHIN_S)
    sop("archive", where, "--once", bench=bench)
    cities, before = cities_of(stream.lines()), policy_file(tmp_path, "before", BEFORE)
    old = replayed(where, before, bench)
    for name, lines in AFTER.items():
        after = policy_file(tmp_path, "after", lines)
        done = sop("policy", "diff", before, after, "--input", where, *UNTIL, "--json", bench=bench)
        found = json.loads(done.stdout)
        new = replayed(where, after, bench)
        expected = {
            "before": old.policy,
            "after": new.policy,
            "events": old.events,
            **compared(old.decisions, new.decisions, cities),
        }
        for each in found["accounts"]:
            each.update({side: Decimal(each[side]) for side in ("before", "after", "added", "removed")})
        wrong = [member for member in expected if found[member] != expected[member]]
        figures: dict[str, object] = {
            "decisions": f"{len(expected['changed'])} of {expected['decisions']} change",
            **{each["account"]: f"+{each['added']} -{each['removed']}" for each in expected["accounts"]},
            "partners": len(expected["partners"]),
            "cities": len(expected["cities"]),
        }
        report.write(f"F32 policy diff of an archive, {name}", 1, stream.events, {"wrong": len(wrong)}, figures)
        assert {member: found[member] for member in wrong} == {member: expected[member] for member in wrong}
        assert found.keys() == expected.keys()
        assert any(each["penalties"] for each in expected["partners"]), "the policies do not differ enough"


def policy_file(folder: Path, label: str, lines: Iterable[str]) -> Path:
    file = folder / f"{label}.toml"
    file.write_text("\n".join((f'label = "{label}"', *lines)))
    return file


def sop(*arguments: str | Path, bench: FaultBench) -> CompletedProcess[str]:
    """Run a command that has to succeed, and return its result."""
    done = run_sop(*arguments, env=bench.environment(), within_s=WITHIN_S)
    assert done.returncode == 0, done.stderr
    return done


def cities_of(lines: Iterable[bytes]) -> dict[str, str]:
    """Return the city of each case that was booked, by its usual name; the simulator moves none to another."""
    cities: dict[str, str] = {}
    for line in lines:
        try:
            event = json.loads(line)
            if event["type"] == "job.booked":
                cities.setdefault(event["subject"], known_city(event["data"]["city"], POLICY))
        except (ValueError, TypeError, KeyError):
            continue  # a malformed copy of one that came before it
    return cities


def shifted(line: bytes) -> bytes:
    """Return an event; some partners' reports are off to the north."""
    try:
        event = json.loads(line)
        if event["type"] == "location.reported" and int(event["subject"].rpartition("-")[2]) % SHIFTED == 0:
            event["data"]["lat"] += NORTH
            return json.dumps(event).encode()
    except (ValueError, TypeError, KeyError):
        pass  # malformed, as it should be
    return line


def replayed(where: Path, policy: Path, bench: FaultBench) -> Replayed:
    """Return what a replay of an archive under a policy ends with."""
    out = policy.with_suffix(".jsonl")
    done = sop("replay", where, "--policy", policy, *UNTIL, "--out", out, bench=bench)
    last: dict[str, Data] = {}
    with out.open("rb") as lines:
        for message in map(json.loads, lines):
            if message["type"].startswith("decision."):
                last[message["data"]["decision_key"]] = message["data"]
    events = re.search(r"(\d+) events", done.stderr)
    assert events is not None, done.stderr
    (name,) = {data["policy"] for data in last.values()}
    aside = OF_THE_POLICY | OF_THE_MESSAGE
    decisions = {
        key: {name: each for name, each in data.items() if name not in aside}
        for key, data in last.items()
        if data["outcome"] != "withdrawn"
    }
    return Replayed(name, int(events[1]), decisions)


def compared(old: Mapping[str, Data], new: Mapping[str, Data], cities: Mapping[str, str]) -> dict[str, Any]:
    """Return all that differs, in the members of the JSON of `sop policy diff`."""
    keys = sorted(old.keys() | new.keys())
    changed: list[dict[str, Any]] = []
    penalties: list[int] = []
    for key in keys:
        one, other = old.get(key), new.get(key)
        if one == other:
            continue
        data = other or one or {}
        names = [] if one is None or other is None else sorted(one.keys() | other.keys())
        changed.append(
            {
                "decision_key": key,
                **{name: data[name] for name in ("kind", "subject_of", "case_id", "partner_id")},
                "city": cities.get(data["case_id"], "unknown"),
                "before": said(one),
                "after": said(other),
                "fields": [name for name in names if (one or {}).get(name) != (other or {}).get(name)],
            }
        )
        penalties.append(int(postings(other).get(PENALTIES, 0) - postings(one).get(PENALTIES, 0)))
    step = ("kind", "subject_of", "before", "after")
    transitions = Counter(tuple(row[name] for name in step) for row in changed)
    return {
        "decisions": len(keys),
        "changed": changed,
        "transitions": [
            {**dict(zip(step, each, strict=True)), "decisions": count} for each, count in sorted(transitions.items())
        ],
        "accounts": [
            account_row(account, [(postings(old.get(key)), postings(new.get(key))) for key in keys])
            for account in sorted({each for side in (old, new) for data in side.values() for each in postings(data)})
        ],
        "partners": affected((row["partner_id"] or "unknown" for row in changed), penalties),
        "cities": affected((row["city"] for row in changed), penalties),
    }


def account_row(account: tuple[str, str], both: Iterable[tuple[Postings, Postings]]) -> dict[str, Any]:
    """Return what stands on an account before and after, and what decisions add to it and take from it."""
    row: dict[str, Any] = {"account": account[0], "unit": account[1]}
    row |= dict.fromkeys(("before", "after", "added", "removed"), Decimal())
    for one, other in both:
        held, holds = one.get(account, Decimal()), other.get(account, Decimal())
        row["before"] += held
        row["after"] += holds
        row["added"] += max(holds - held, Decimal())
        row["removed"] += max(held - holds, Decimal())
    return row


def affected(names: Iterable[str], penalties: Iterable[int]) -> list[dict[str, Any]]:
    """Return how many decisions change for each name and how many penalties it gets more, most decisions first."""
    found: dict[str, dict[str, Any]] = {}
    for name, more in zip(names, penalties, strict=True):
        row = found.setdefault(name, {"name": name, "decisions": 0, "penalties": 0})
        row["decisions"] += 1
        row["penalties"] += more
    return sorted(found.values(), key=lambda row: (-row["decisions"], row["name"]))


def said(data: Data | None) -> str:
    return "none" if data is None else f"{data['outcome']} ({data['status']})"


def postings(data: Data | None) -> Postings:
    """Return what a decision puts on which account, as the page for consumers has it (docs/consuming.md)."""
    if data is None or data["status"] != "final":
        return {}
    match data["kind"], data["outcome"]:
        case "paf", "upheld" if data["partner_id"]:
            return {PENALTIES: Decimal(1)}
        case "paf", "reversal_scheduled" if data["partner_id"]:
            return {PENALTIES: Decimal(1), ("reversals_due", "PAF"): Decimal(1)}
        case "rating_reversal", "granted" if data["partner_id"]:
            return {("rating_reversals", "RATING"): Decimal(1)}
        case "refund", "eligible_full" | "eligible_partial" if data["proven_amount"]:
            amount = Decimal(data["proven_amount"]["amount"])
            return {("refunds", data["proven_amount"]["currency"]): amount} if amount else {}
    return {}
