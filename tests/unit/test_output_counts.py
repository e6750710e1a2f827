"""What is published is counted by values of the vocabulary, and delays run from the record that caused a decision."""

from __future__ import annotations

from agents.anomalies.contributions import MEDIA
from agents.anomalies.messages import Contribution, Use, watch_id
from streams.memory.store import MemoryState, MemoryStore
from streams.processor.internal_messages import ToWatch, pack
from streams.processor.output_counts import DELAY_BOUNDS_S, Histogram, OutputCounts
from streams.processor.processor import SopProcessor
from streams.runtime.ports import TP, Stored
from tests.processors import SETTINGS
from tests.scenario import MIDNIGHT, Scenario

SECOND = 1_000_000
LATER = MIDNIGHT + 86_400 * SECOND
TICKETS = TP("tickets", 0)
LINES = Scenario().booked("08:00").assigned("09:00").ticket("10:00").image("10:01").lines()


async def processor(counts: OutputCounts) -> SopProcessor:
    store = MemoryStore(MemoryState())
    await store.claim()
    return SopProcessor(0, SETTINGS, store, counts)


async def decide(owner: SopProcessor, timestamps_us: list[int], now: int, lines: list[bytes]) -> None:
    records = [
        Stored(at, b"k", line, timestamp=stamp // 1000)
        for at, (line, stamp) in enumerate(zip(lines, timestamps_us, strict=True))
    ]
    await owner.process([(TICKETS, records)], LATER)
    await owner.evaluate(now, {}, [])


def test_a_value_on_a_bound_is_in_the_bucket_below_it() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 2.5):
        histogram.add(value)
    assert (histogram.counts, histogram.sum) == ([2, 2, 1], 7.5)


def test_a_copy_does_not_change() -> None:
    histogram = Histogram((1.0,))
    copy = histogram.copy()
    histogram.add(1.0)
    assert (copy.counts, copy.sum) == ([0, 0], 0.0)


def test_every_combination_of_the_vocabulary_begins_at_zero() -> None:
    counts = OutputCounts()
    assert counts.decisions["paf", "out_of_scope", "reversal_scheduled"] == 0
    assert ("paf", "out_of_scope", "withdrawn") in counts.decisions
    assert ("paf", "offline_service", "upheld") not in counts.decisions
    assert {state for _, state in counts.alerts} == {"firing", "resolved"}
    assert set(counts.decisions.values()) | set(counts.actions.values()) | set(counts.alerts.values()) == {0}
    assert not any(any(each.counts) for each in counts.delays.values())


async def test_outputs_count_when_they_are_published_not_when_they_are_decided() -> None:
    counts = OutputCounts()
    owner = await processor(counts)
    await decide(owner, [LATER] * len(LINES), LATER, LINES)
    assert counts.decisions.total() == counts.actions.total() == 0
    owner.mark_published(LATER)
    published = counts.decisions.total(), counts.actions.total()
    assert min(published) > 0
    owner.mark_published(LATER)
    assert (counts.decisions.total(), counts.actions.total()) == published


async def test_the_delay_runs_from_the_first_undecided_record_to_the_acknowledgement() -> None:
    counts = OutputCounts()
    owner = await processor(counts)
    stamps = [LATER + at * SECOND for at in range(len(LINES))]
    await decide(owner, stamps, LATER + 4 * SECOND, LINES)
    owner.mark_published(LATER + 7 * SECOND)
    delays = [each for each in counts.delays.values() if any(each.counts)]
    assert delays
    for each in delays:
        assert each.sum == 7 * sum(each.counts)
        assert each.counts[DELAY_BOUNDS_S.index(10.0)] == sum(each.counts)


async def test_an_alert_over_several_cases_is_counted() -> None:
    counts = OutputCounts()
    owner = await processor(counts)
    uses = [
        Contribution(watch_id(MEDIA, "image"), case_id, MIDNIGHT, use=Use(f"/app#{case_id}", MIDNIGHT))
        for case_id in ("job-1", "job-2")
    ]
    records = [Stored(at, b"k", pack(ToWatch(each))) for at, each in enumerate(uses)]
    await owner.process([(TP(SETTINGS.topics.watches, 0), records)], LATER)
    await owner.evaluate(LATER, {}, [])
    owner.mark_published(LATER)
    assert {labels: count for labels, count in counts.alerts.items() if count} == {("media_reused", "firing"): 1}


async def test_a_decision_at_a_deadline_is_counted_and_has_no_delay() -> None:
    counts = OutputCounts()
    owner = await processor(counts)
    await decide(owner, [MIDNIGHT] * len(LINES), MIDNIGHT + 11 * 3600 * SECOND, LINES)
    owner.mark_published(LATER)
    before, delays = counts.actions.total() + counts.decisions.total(), sum(map(_count, counts.delays.values()))
    due = await owner.due(LATER + 10 * 86_400 * SECOND, 99)
    await owner.evaluate(LATER + 10 * 86_400 * SECOND, {}, due)
    owner.mark_published(LATER + 10 * 86_400 * SECOND)
    assert counts.actions.total() + counts.decisions.total() > before
    assert sum(map(_count, counts.delays.values())) == delays


async def test_a_record_from_the_future_or_without_a_timestamp_does_no_harm() -> None:
    counts = OutputCounts()
    ahead = await processor(counts)
    await decide(ahead, [LATER + 3600 * SECOND] * len(LINES), LATER, LINES)
    ahead.mark_published(LATER)
    assert sum(each.counts[0] for each in counts.delays.values()) == sum(map(_count, counts.delays.values())) > 0

    without = OutputCounts()
    unstamped = await processor(without)
    await decide(unstamped, [-1000] * len(LINES), LATER, LINES)
    unstamped.mark_published(LATER)
    assert without.decisions.total() > 0
    assert not any(map(_count, without.delays.values()))


def _count(histogram: Histogram) -> int:
    return sum(histogram.counts)
