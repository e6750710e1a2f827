"""Turns what the tasks count anyway into metrics, at each scrape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from schemas.timestamps import SECOND_US
from streams.metrics import catalogue
from streams.metrics.catalogue import METRICS, Metric, Sample
from streams.processor.dispositions import DISPOSITIONS
from streams.processor.output_counts import Histogram, OutputCounts
from streams.processor.state_size import StateSize
from streams.runtime.health import Health, TaskMetrics
from streams.runtime.ports import TP
from streams.runtime.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSnapshot:
    """What the metrics of one partition number are made from, at one moment."""

    number: int
    metrics: TaskMetrics
    progress: Progress
    health: Health
    state_size: StateSize
    ends: Mapping[str, int]
    """The offset after the last readable record, as last fetched, by `topic-partition`."""
    is_ready: bool
    """Whether it has recovered and decides."""


class WorkerCollector(Collector):
    """The samples of one scrape, as metric families."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterable[Family]:
        """Return every metric, in the order of the catalogue."""
        families = {metric: _family(metric) for metric in METRICS}
        for metric, labels, value in self._samples:
            family = families[metric]
            if isinstance(family, HistogramMetricFamily):
                assert isinstance(value, Histogram)
                family.add_metric(labels, buckets=_buckets(value), sum_value=value.sum)
            else:
                assert not isinstance(value, Histogram)
                family.add_metric(labels, value)
        return families.values()


def exposition(samples: Iterable[Sample]) -> bytes:
    """Return the text that Prometheus reads, with the memory and CPU time of the process."""
    registry = CollectorRegistry()
    registry.register(WorkerCollector(samples))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def task_samples(snapshot: TaskSnapshot, now: int) -> Iterator[Sample]:
    """Yield the samples of a partition number at an instant (microseconds); to be consumed in the event loop."""
    partition = str(snapshot.number)
    metrics, progress, health, state_size = snapshot.metrics, snapshot.progress, snapshot.health, snapshot.state_size
    for name, received in metrics.received.items():
        labels = (TP.parse(name).topic, partition)
        yield catalogue.CONSUMED, labels, received
        yield catalogue.IN_FLIGHT, labels, received - progress.consumed.get(name, 0)
        dispositions = progress.counts.get(name, {})
        for disposition in DISPOSITIONS:
            yield catalogue.PROCESSED, (*labels, disposition), dispositions.get(disposition, 0)
    for name, end in snapshot.ends.items():
        behind = max(end - progress.positions.get(name, 0), 0)
        yield catalogue.LAG, (TP.parse(name).topic, partition), behind
    for name in dict.fromkeys([*progress.positions, *progress.skipped]):
        yield catalogue.SKIPPED, (TP.parse(name).topic, partition), progress.skipped.get(name, 0)
    for topic, count in metrics.published.items():
        yield catalogue.PUBLISHED, (topic, partition), count
    yield catalogue.QUERIES_TOO_LATE, (partition,), state_size.queries_too_late
    yield catalogue.CASES, (partition,), state_size.cases
    yield catalogue.PARTNERS, (partition,), state_size.partners
    yield catalogue.CASES_DEPARTED, (partition,), state_size.cases_departed
    yield catalogue.DEPARTED_CASES, (partition,), state_size.departed_cases
    yield catalogue.PARTNERS_DEPARTED, (partition,), state_size.partners_departed
    yield catalogue.DEADLINES, (partition,), state_size.deadlines
    yield catalogue.WAITING, (partition,), state_size.waiting
    if health.saved_at:
        yield catalogue.CHECKPOINT_AGE, (partition,), max(now - health.saved_at, 0) / SECOND_US
    yield catalogue.CHECKPOINTS, (partition,), health.saves
    yield catalogue.STEPS, (partition,), metrics.steps
    yield catalogue.STEP_S, (partition,), metrics.step_s
    yield catalogue.LAST_STEP_S, (partition,), metrics.last_step_s
    yield catalogue.POISON_RETRIES, (partition,), metrics.poison_retries
    yield catalogue.CASES_QUARANTINED, (partition,), len(progress.quarantined)


def output_samples(counts: OutputCounts) -> Iterator[Sample]:
    """Yield the samples of what the process has published; to be consumed in the event loop."""
    for metric, by_labels in (
        (catalogue.DECISIONS, counts.decisions),
        (catalogue.ACTIONS, counts.actions),
        (catalogue.ALERTS, counts.alerts),
    ):
        for labels, count in by_labels.items():
            yield metric, labels, count
    for kind, delays in counts.delays.items():
        yield catalogue.DECISION_DELAY, (kind,), delays.copy()


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Return the upper bounds as text, each with how many values lie at or below it."""
    bounds = [*map(str, histogram.bounds), "+Inf"]
    return list(zip(bounds, accumulate(histogram.counts), strict=True))


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    if metric.bounds:
        return HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    family = CounterMetricFamily if metric.name.endswith("_total") else GaugeMetricFamily
    return family(metric.name, metric.meaning, labels=metric.labels)
