"""Input that is repeated, shuffled, late, malformed, hostile, or a large backlog, for one worker or several."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.policy.model import DAY
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.process.clock import SystemClock
from streams.simulator.options import SimulatorOptions
from streams.simulator.rng import Rng
from streams.simulator.simulation import simulate
from tests.e2e.harness import Feed, feed_of
from tests.e2e.stories import Visit
from tests.e2e.verifier import emitted, outcome
from tests.faults.conftest import KnownStream, Report, known_stream
from tests.faults.monitor import now_ms
from tests.faults.scale import Scale, scale
from tests.faults.stream import START_AT, Feeder, make_stream
from tests.faults.supervision import FaultBench
from tests.inbound import envelope
from tests.redis_server import RedisServer
from tests.scenario import line, rfc3339
from tests.zygote import SOP

COUNTS = scale()
TIMES = 10
WORKERS = 3
RUN_MAX = 100
SHUFFLED_WITHIN = 1_000
IDLE_WITHIN_S = 150.0 + COUNTS.backlog / 1_000
MIB = 1024 * 1024
MONTH = 30 * DAY
MONTH_OPTIONS = SimulatorOptions(jobs=40, start_at=START_AT, report_interval_s=60, malformed_share=0, duplicate_share=0)
NO_REFUSAL_LIMITS = {"SOP_REFUSED_RUN_MAX": 1_000_000_000, "SOP_REFUSED_SHARE_MAX": 1}
HOSTILE = (
    '=HYPERLINK("http://example.org")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "<script>alert(1)</script>",
    "a\r\nSet-Cookie: b=c",
    "\u202egnp.exe",
    "nul\u0000byte",
    "{{7*7}}${7*7}#{7*7}",
    "http://127.0.0.1:6379/\r\nFLUSHALL",
    "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    "x" * 5_000,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + COUNTS.backlog / 200)]


@pytest.fixture
def bench(make_bench: Callable[..., FaultBench], kafka: EmbeddedKafka) -> FaultBench:
    return make_bench(kafka.address, **NO_REFUSAL_LIMITS)


def feed_all(bench: FaultBench, known: KnownStream, workers: int = 1) -> None:
    """Feed a whole stream to new workers, and wait until they are idle."""
    for _ in range(workers):
        bench.add_worker()
    bench.wait_until_ready()
    with Feeder(bench, known.stream) as feeder:
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)


def test_repeated_and_shuffled_events_lead_to_the_same_outcome(
    bench: FaultBench, run_scale: Scale, report: Report, tmp_path: Path
) -> None:
    rng = Rng("again", run_scale.seed)
    once = [each for each in make_stream(600, run_scale.seed, tmp_path / "once.jsonl").lines() if is_event(each)]
    again = [each for each in once for _ in range(TIMES)]
    mixed = [
        each
        for first in range(0, len(again), SHUFFLED_WITHIN)
        for each in rng.shuffled(again[first : first + SHUFFLED_WITHIN])
    ]
    # Some events arrive after all others, up to a day late.
    late, rest = mixed[: len(mixed) // 20], mixed[len(mixed) // 20 :]
    straight = known_stream(once, tmp_path / "straight.jsonl")
    known = known_stream([*rest, *late], tmp_path / "mixed.jsonl")
    assert known.outcome == straight.outcome
    feed_all(bench, known)
    report(f"F12 every event {TIMES} times, shuffled, late", len(mixed), bench, known)


HARMLESS_WHEN_LATE = {
    "job.line_item_added",
    "job.rated",
    "ticket.call_logged",
    "ticket.closed",
    "ticket.partner_identified",
    "ticket.payment_proof_added",
    "ticket.refund_requested",
    "ticket.validated",
}
"""Event types that need no location reports, which are no longer kept after a month (surfaces.md, "Retention")."""


def test_events_a_month_late_lead_to_the_same_outcome(
    bench: FaultBench, run_scale: Scale, report: Report, tmp_path: Path
) -> None:
    rng = Rng("a month late", run_scale.seed)
    first = list(simulate(replace(MONTH_OPTIONS, seed=run_scale.seed)))
    after = list(simulate(replace(MONTH_OPTIONS, seed=run_scale.seed, start_at=START_AT + MONTH)))
    late = [each for each in first if json.loads(each)["type"] in HARMLESS_WHEN_LATE and rng.chance(0.5)]
    in_time = [each for each in first if each not in set(late)]
    straight = known_stream([*first, *after], tmp_path / "straight.jsonl")
    known = known_stream([*in_time, *after, *rng.shuffled(late)], tmp_path / "late.jsonl")
    assert known.outcome == straight.outcome
    assert len(late) > 10
    feed_all(bench, known)
    report("F12 events a month late", len(late), bench, known)


def is_event(value: bytes) -> bool:
    try:
        decode_record(value, (), Limits())
    except InvalidMessage:
        return False
    return True


def test_malformed_events_become_exact_dead_letters(
    bench: FaultBench, short: KnownStream, run_scale: Scale, report: Report, tmp_path: Path
) -> None:
    rng = Rng("broken", run_scale.seed)
    good = list(short.stream.lines())
    broken = [corrupted(rng, rng.pick(good)) for _ in range(run_scale.broken)]
    known = known_stream(
        rng.shuffled([*good[:2_000], *(each for each in broken if not is_event(each))]), tmp_path / "in.jsonl"
    )
    feed_all(bench, known)
    report("F13 broken events among good ones", sum(known.outcome.refused.values()), bench, known)


def corrupted(rng: Rng, value: bytes) -> bytes:
    """Return a corrupted event on one line: truncated, with bytes changed, inserted or removed, nested, or random."""
    at = rng.whole(0, len(value) - 1)
    few = bytes(rng.whole(0, 255) for _ in range(rng.whole(1, 8)))
    broken = rng.pick(
        (
            value[:at],
            value[:at] + few + value[at + len(few) :],
            value[:at] + few + value[at:],
            value[:at] + value[at + len(few) :],
            value.replace(b":", rng.pick((b': 1e999, "x":', b': 123456789012345678901234567890, "y":')), 1),
            value[:-1] + b"," + value[1:],
            b"[" * rng.whole(1, 2_000),
            few * rng.whole(1, 200),
        )
    )
    return broken.replace(b"\n", b" ").replace(b"\r", b" ").strip() or b"null"


def test_a_topic_of_only_malformed_events_stops_the_worker(
    make_bench: Callable[..., FaultBench], kafka: EmbeddedKafka, run_scale: Scale, report: Report, tmp_path: Path
) -> None:
    rng = Rng("nothing but broken", run_scale.seed)
    known = known_stream((b"no event " + str(rng.fraction()).encode() for _ in range(1_000)), tmp_path / "in.jsonl")
    bench = make_bench(kafka.address, SOP_REFUSED_RUN_MAX=RUN_MAX)
    bench.add_worker()
    bench.wait_until_ready()
    with Feeder(bench, known.stream) as feeder:
        feeder.allow_all()
    bench.wait_until(lambda: bench.exits[70] > 0)
    dead_letters = len(bench.read("dead-letters"))
    bench.settings |= {name: str(value) for name, value in NO_REFUSAL_LIMITS.items()}
    bench.wait_until_idle(IDLE_WITHIN_S)
    report(
        "F10 nothing but broken events, then accepted",
        1,
        bench,
        known,
        **{"dead letters before the stop": dead_letters},
    )
    assert dead_letters <= RUN_MAX * bench.partitions


def test_hostile_text_does_no_harm(bench: FaultBench, run_scale: Scale, report: Report) -> None:
    worker = bench.add_worker().worker
    bench.wait_until_ready()
    records = [
        Feed("jobs", b"job-1", json.dumps(envelope("job.booked", id=text, subject=text, source="/s")).encode())
        for text in HOSTILE
    ]
    records += [
        Feed("jobs", b"job-1", json.dumps(envelope("job.started", id=text, data={"partner_id": text})).encode())
        for text in HOSTILE
    ]
    records += [Feed("tickets", b"job-1", json.dumps(envelope(text)).encode()) for text in HOSTILE]
    visit = Visit("job-2", "p-2")
    bench.feed([*records, *map(feed_of, [*visit.booking, *visit.report, *visit.claim])])
    bench.wait_until_idle()
    messages = emitted(bench.outputs())
    hits = [text for text in HOSTILE if text in worker.log]
    forged = [each for each in worker.log.splitlines() if not each[:4].isdigit()]
    decided = {key[:2] for key in outcome(each.envelope for each in messages).decisions}
    found = {"unaccounted": len(bench.unaccounted())}
    report.write(
        "F14 hostile text", len(records), len(records), found, {"in logs": len(hits), "log lines forged": len(forged)}
    )
    assert ("job-2", "tagging") in decided
    assert forged == []
    assert found == {"unaccounted": 0}
    assert hits == []


def test_events_from_the_future_bring_no_deadline_forward(bench: FaultBench, report: Report) -> None:
    bench.add_worker()
    bench.wait_until_ready()
    now = SystemClock().now_us()
    ahead_us = {"5 min": 300, "30 min": 1_800, "2 h": 7_200, "1 day": 86_400}
    waiting = Visit("job-1", "p-1", ticket_at=now - 60_000_000)  # parked for three hours from now
    bench.feed_lines([*waiting.booking, *waiting.report, *waiting.ticket])
    others = [
        line(
            "job.booked",
            f"job-of-{name.replace(' ', '-')}",
            now + seconds * 1_000_000,
            name,
            envelope("job.booked")["data"],
        )
        for name, seconds in ahead_us.items()
    ]
    at_epoch = json.dumps(envelope("job.booked", id="0", subject="job-0", time=rfc3339(0))).encode()
    at_end = json.dumps(envelope("job.booked", id="9", subject="job-9", time="9999-12-31T23:59:59Z")).encode()
    bench.feed_lines([*others, at_epoch, at_end])
    bench.wait_until_idle()
    messages = emitted(bench.outputs())
    early = [each for each in messages if each.type == "action" and each.data["code"] == "call_partner"]
    refused = [each for each in messages if each.type == "dead-letter"]
    report.write("F15 times ahead", len(others) + 2, len(others) + 2, {"wrong": len(early)}, {"refused": len(refused)})
    assert early == []
    assert len(refused) == 3  # two hours, a day, the year 9999, but not the epoch


def test_a_backlog_is_processed_in_bounded_memory(
    make_bench: Callable[..., FaultBench],
    kafka: EmbeddedKafka,
    redis_server: RedisServer,
    run_scale: Scale,
    report: Report,
    tmp_path: Path,
) -> None:
    bench = make_bench(kafka.address, redis_server.url, SOP_CACHED_CASES_MAX=1000, **NO_REFUSAL_LIMITS)
    stream = make_stream(run_scale.backlog, run_scale.seed, tmp_path / "backlog.jsonl")
    known = KnownStream(stream, stream.replay())
    first = bench.add_worker()
    bench.wait_until_ready()
    assert bench.remove_worker(first) == 0  # the topics exist now
    with Feeder(bench, stream) as feeder:
        feeder.allow_all()
    started = now_ms()
    process = psutil.Process(bench.add_worker().worker.process.pid)
    peak = 0

    def done() -> bool:
        nonlocal peak
        peak = max(peak, process.memory_info().rss)
        return bench._ends_when_idle() is not None

    bench.wait_until(done, IDLE_WITHIN_S)
    seconds = (now_ms() - started) / 1000
    bench.wait_until_idle(IDLE_WITHIN_S)
    metrics = {"events a second": int(stream.events / seconds), "peak MiB": peak // MIB}
    report("F18 backlog, one worker starting", 1, bench, known, **metrics)


def test_a_replay_of_the_log_has_the_outcome_of_the_workers(
    bench: FaultBench, short: KnownStream, report: Report, tmp_path: Path
) -> None:
    feed_all(bench, short, WORKERS)
    live = outcome(each.envelope for each in emitted(bench.outputs()))
    differing = 0
    for number in range(2):
        out = tmp_path / f"{number}.jsonl"
        done = subprocess.run(
            [
                SOP,
                "replay",
                f"kafka://{bench.brokers}/{bench.prefix}",
                "--out",
                out,
                "--until",
                rfc3339(SystemClock().now_us()),
            ],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        with out.open("rb") as lines:
            differing += outcome(map(json.loads, lines)) != live
    report(f"F20 the log replayed twice, {WORKERS} workers before", 2, bench, short, differing=differing)
    assert differing == 0
    assert (tmp_path / "0.jsonl").read_bytes() == (tmp_path / "1.jsonl").read_bytes()
