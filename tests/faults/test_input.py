"""Input that comes again, shuffled, late, broken, hostile, or all at once; a log read by one worker or by several."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable
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
from tests.e2e.harness import SOP, Feed, feed_of
from tests.e2e.stories import Visit
from tests.e2e.verifier import outcome, said
from tests.faults.conftest import Known, Report
from tests.faults.crew import CrewBench
from tests.faults.monitor import now_ms
from tests.faults.scale import Scale, scale
from tests.faults.stream import START_AT, Feeder, Stream, make_stream
from tests.inbound import envelope
from tests.redis_server import RedisServer
from tests.scenario import line, rfc3339

COUNTS = scale()
TIMES = 10
WORKERS = 3
RUN_MAX = 100
SHUFFLED_WITHIN = 1_000
IDLE_WITHIN_S = 150.0 + COUNTS.backlog / 1_000
MIB = 1024 * 1024
MONTH = 30 * DAY
OF_A_MONTH = SimulatorOptions(jobs=40, start_at=START_AT, report_interval_s=60, malformed_share=0, duplicate_share=0)
NEVER = {"SOP_REFUSED_RUN_MAX": 1_000_000_000, "SOP_REFUSED_SHARE_MAX": 1}
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
def bench(make_crew: Callable[..., CrewBench], kafka: EmbeddedKafka) -> CrewBench:
    return make_crew(kafka.address, **NEVER)


def written(lines: Iterable[bytes], file: Path) -> Known:
    """Return lines as a stream with its known answer."""
    count = 0
    with file.open("wb") as out:
        for each in lines:
            out.write(each + b"\n")
            count += 1
    stream = Stream(file, count)
    return Known(stream, stream.replayed())


def through(bench: CrewBench, known: Known, workers: int = 1) -> None:
    """Have workers take a whole stream."""
    for _ in range(workers):
        bench.join()
    bench.ready()
    with Feeder(bench, known.stream) as feeder:
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)


def test_events_that_come_again_and_in_any_order_lead_to_the_same(
    bench: CrewBench, run_scale: Scale, report: Report, tmp_path: Path
) -> None:
    rng = Rng("again", run_scale.seed)
    once = [each for each in make_stream(600, run_scale.seed, tmp_path / "once.jsonl").lines() if is_event(each)]
    again = [each for each in once for _ in range(TIMES)]
    mixed = [
        each
        for first in range(0, len(again), SHUFFLED_WITHIN)
        for each in rng.shuffled(again[first : first + SHUFFLED_WITHIN])
    ]
    # The very last come at once to the end of everything else: some as late as a day.
    late, rest = mixed[: len(mixed) // 20], mixed[len(mixed) // 20 :]
    straight = written(once, tmp_path / "straight.jsonl")
    known = written([*rest, *late], tmp_path / "mixed.jsonl")
    assert known.outcome == straight.outcome
    through(bench, known)
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
"""Types that ask for no report, of which none would be left after so long (contracts, 2.4)."""


def test_events_a_month_late_lead_to_the_same(
    bench: CrewBench, run_scale: Scale, report: Report, tmp_path: Path
) -> None:
    rng = Rng("a month late", run_scale.seed)
    first = list(simulate(replace(OF_A_MONTH, seed=run_scale.seed)))
    after = list(simulate(replace(OF_A_MONTH, seed=run_scale.seed, start_at=START_AT + MONTH)))
    late = [each for each in first if json.loads(each)["type"] in HARMLESS_WHEN_LATE and rng.chance(0.5)]
    in_time = [each for each in first if each not in set(late)]
    straight = written([*first, *after], tmp_path / "straight.jsonl")
    known = written([*in_time, *after, *rng.shuffled(late)], tmp_path / "late.jsonl")
    assert known.outcome == straight.outcome
    assert len(late) > 10
    through(bench, known)
    report("F12 events a month late", len(late), bench, known)


def is_event(value: bytes) -> bool:
    try:
        decode_record(value, (), Limits())
    except InvalidMessage:
        return False
    return True


def test_random_bytes_and_broken_events_are_kept_as_they_are(
    bench: CrewBench, short: Known, run_scale: Scale, report: Report, tmp_path: Path
) -> None:
    rng = Rng("broken", run_scale.seed)
    good = list(short.stream.lines())
    broken = [breakage(rng, rng.pick(good)) for _ in range(run_scale.broken)]
    known = written(
        rng.shuffled([*good[:2_000], *(each for each in broken if not is_event(each))]), tmp_path / "in.jsonl"
    )
    through(bench, known)
    report("F13 broken events among good ones", sum(known.outcome.refused.values()), bench, known)


def breakage(rng: Rng, value: bytes) -> bytes:
    """Return an event cut off, with bytes changed, put in or taken out, nested, or no event at all; on one line."""
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


def test_a_topic_of_nothing_but_broken_events_stops_the_worker(
    make_crew: Callable[..., CrewBench], kafka: EmbeddedKafka, run_scale: Scale, report: Report, tmp_path: Path
) -> None:
    rng = Rng("nothing but broken", run_scale.seed)
    known = written((b"no event " + str(rng.fraction()).encode() for _ in range(1_000)), tmp_path / "in.jsonl")
    bench = make_crew(kafka.address, SOP_REFUSED_RUN_MAX=RUN_MAX)
    bench.join()
    bench.ready()
    with Feeder(bench, known.stream) as feeder:
        feeder.allow_all()
    bench.await_that(lambda: bench.ends[70] > 0)
    letters = len(bench.read("dead-letters"))
    bench.settings |= {name: str(value) for name, value in NEVER.items()}
    bench.wait_until_idle(IDLE_WITHIN_S)
    report("F10 nothing but broken events, then accepted", 1, bench, known, **{"letters before the stop": letters})
    assert letters <= RUN_MAX * bench.partitions


def test_hostile_text_does_nothing_where_it_ends(bench: CrewBench, run_scale: Scale, report: Report) -> None:
    worker = bench.join().worker
    bench.ready()
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
    messages = said(bench.outputs())
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


def test_events_from_the_future_drag_no_deadline_along(bench: CrewBench, report: Report) -> None:
    bench.join()
    bench.ready()
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
    messages = said(bench.outputs())
    early = [each for each in messages if each.type == "action" and each.data["code"] == "call_partner"]
    refused = [each for each in messages if each.type == "dead-letter"]
    report.write("F15 times ahead", len(others) + 2, len(others) + 2, {"wrong": len(early)}, {"refused": len(refused)})
    assert early == []
    assert len(refused) == 3  # two hours, a day, the year 9999; the epoch is long ago, not ahead


def test_a_backlog_is_worked_off_in_bounded_memory(
    make_crew: Callable[..., CrewBench],
    kafka: EmbeddedKafka,
    redis_server: RedisServer,
    run_scale: Scale,
    report: Report,
    tmp_path: Path,
) -> None:
    bench = make_crew(kafka.address, redis_server.url, SOP_CACHED_CASES_MAX=1000, **NEVER)
    stream = make_stream(run_scale.backlog, run_scale.seed, tmp_path / "backlog.jsonl")
    known = Known(stream, stream.replayed())
    first = bench.join()
    bench.ready()
    assert bench.leave(first) == 0  # the topics are there
    with Feeder(bench, stream) as feeder:
        feeder.allow_all()
    began = now_ms()
    process = psutil.Process(bench.join().worker.process.pid)
    peak = 0

    def done() -> bool:
        nonlocal peak
        peak = max(peak, process.memory_info().rss)
        return bench._ends_when_idle() is not None

    bench.await_that(done, IDLE_WITHIN_S)
    seconds = (now_ms() - began) / 1000
    bench.wait_until_idle(IDLE_WITHIN_S)
    metrics = {"events a second": int(stream.events / seconds), "peak MiB": peak // MIB}
    report("F18 backlog, one worker starting", 1, bench, known, **metrics)


def test_the_log_replayed_is_what_workers_said(bench: CrewBench, short: Known, report: Report, tmp_path: Path) -> None:
    through(bench, short, WORKERS)
    live = outcome(each.envelope for each in said(bench.outputs()))
    differing = 0
    for number in range(2):
        out = tmp_path / f"{number}.jsonl"
        told = subprocess.run(
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
        assert told.returncode == 0, told.stderr
        with out.open("rb") as lines:
            differing += outcome(map(json.loads, lines)) != live
    report(f"F20 the log replayed twice, {WORKERS} workers before", 2, bench, short, differing=differing)
    assert differing == 0
    assert (tmp_path / "0.jsonl").read_bytes() == (tmp_path / "1.jsonl").read_bytes()
