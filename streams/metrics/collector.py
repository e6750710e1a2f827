"""What the tasks of a worker count, as metrics; nothing is counted for it, it is read when somebody asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from schemas.timestamps import SECOND_US
from streams.metrics import catalogue
from streams.metrics.catalogue import METRICS, Metric
from streams.processor.dispositions import DISPOSITIONS
from streams.processor.processor import StateSize
from streams.runtime.progress import Progress
from streams.runtime.task_metrics import TaskMetrics
from streams.runtime.watchdog import Health

Sample = tuple[Metric, tuple[str, ...], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One partition number at one moment."""

    number: int
    metrics: TaskMetrics
    progress: Progress
    health: Health
    state_size: StateSize
    ends: Mapping[str, int]
    """The offset after the last record that can be read, as last fetched, by `topic-partition`."""


class WorkerCollector(Collector):
    """Turns what was seen of a worker into metric families."""

    def __init__(self, found: Iterable[Sample]) -> None:
        """Take the samples of one moment."""
        self._found = found

    def collect(self) -> Iterable[Family]:
        """Return every metric of the catalogue, in its order."""
        values: dict[Metric, list[tuple[tuple[str, ...], float]]] = defaultdict(list)
        for metric, labels, value in self._found:
            values[metric].append((labels, value))
        return [_family(metric, values[metric]) for metric in METRICS]


def exposition(found: Iterable[Sample]) -> bytes:
    """Return the text that Prometheus reads, with the process's own memory and CPU time."""
    registry = CollectorRegistry()
    registry.register(WorkerCollector(found))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def samples(watched: Watched, now: int) -> Iterator[Sample]:
    """Yield what is to be told of a partition number at a moment (microseconds); to be used up in the event loop."""
    yield from _of_inputs(watched)
    yield from _of_number(watched, now)


def _of_inputs(watched: Watched) -> Iterator[Sample]:
    partition = str(watched.number)
    metrics, progress = watched.metrics, watched.progress
    for name, received in metrics.received.items():
        place = (name.removesuffix(f"-{partition}"), partition)
        yield catalogue.CONSUMED, place, received
        yield catalogue.IN_FLIGHT, place, received - progress.consumed.get(name, 0)
        dispositions = progress.counts.get(name, {})
        for disposition in DISPOSITIONS:
            yield catalogue.PROCESSED, (*place, disposition), dispositions.get(disposition, 0)
    for name, end in watched.ends.items():
        behind = max(end - progress.positions.get(name, 0), 0)
        yield catalogue.LAG, (name.removesuffix(f"-{partition}"), partition), behind
    for name in dict.fromkeys([*progress.positions, *progress.skipped]):
        yield catalogue.SKIPPED, (name.removesuffix(f"-{partition}"), partition), progress.skipped.get(name, 0)
    for topic, count in metrics.published.items():
        yield catalogue.PUBLISHED, (topic, partition), count


def _of_number(watched: Watched, now: int) -> Iterator[Sample]:
    labels = (str(watched.number),)
    metrics, health, state_size = watched.metrics, watched.health, watched.state_size
    yield catalogue.QUERIES_TOO_LATE, labels, state_size.queries_too_late
    yield catalogue.CASES, labels, state_size.cases
    yield catalogue.PARTNERS, labels, state_size.partners
    yield catalogue.CASES_DEPARTED, labels, state_size.cases_departed
    yield catalogue.DEPARTED_CASES, labels, state_size.departed_cases
    yield catalogue.PARTNERS_DEPARTED, labels, state_size.partners_departed
    yield catalogue.DEADLINES, labels, state_size.deadlines
    if health.saved_at:
        yield catalogue.CHECKPOINT_AGE, labels, max(now - health.saved_at, 0) / SECOND_US
    yield catalogue.CHECKPOINTS, labels, health.saves
    yield catalogue.STEPS, labels, metrics.steps
    yield catalogue.STEP_S, labels, metrics.step_s
    yield catalogue.LAST_STEP_S, labels, metrics.last_step_s
    yield catalogue.POISON_RETRIES, labels, metrics.tried_again
    yield catalogue.CASES_QUARANTINED, labels, len(watched.progress.quarantined)


def _family(metric: Metric, values: Iterable[tuple[tuple[str, ...], float]]) -> Family:
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = make(metric.name, metric.meaning, labels=metric.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family
