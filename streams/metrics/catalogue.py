"""Every metric of a worker: name, kind, labels and meaning. A test checks docs/operations.md against it.

No label contains anything from an event: no case, no partner, no name.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Metric(NamedTuple):
    """One metric; its name includes the unit."""

    name: str
    kind: Literal["counter", "gauge"]
    labels: tuple[str, ...]
    meaning: str


_INPUT: Final = ("topic", "partition")
_NUMBER: Final = ("partition",)

CONSUMED: Final = Metric("sop_records_consumed_total", "counter", _INPUT, "Records received from Kafka")
PROCESSED: Final = Metric(
    "sop_records_processed_total",
    "counter",
    (*_INPUT, "disposition"),
    "Records applied, duplicate, dead_lettered or forwarded",
)
IN_FLIGHT: Final = Metric("sop_records_in_flight", "gauge", _INPUT, "Records received and not yet processed")
LAG: Final = Metric(
    "sop_records_lag",
    "gauge",
    _INPUT,
    "Offsets between the position and the end of the partition as last fetched, open transactions included",
)
SKIPPED: Final = Metric(
    "sop_offsets_skipped_total",
    "counter",
    _INPUT,
    "Offsets deleted before they were read, accepted with SOP_ACCEPT_TRIMMED_INPUTS",
)
PUBLISHED: Final = Metric(
    "sop_messages_published_total", "counter", _INPUT, "Records acknowledged by the broker, by output topic"
)
QUERIES_TOO_LATE: Final = Metric(
    "sop_presence_queries_too_late_total",
    "counter",
    _NUMBER,
    "Presence queries that arrived after the location reports had expired",
)
CASES: Final = Metric("sop_cases_in_memory", "gauge", _NUMBER, "Cases in memory")
PARTNERS: Final = Metric("sop_partners_in_memory", "gauge", _NUMBER, "Partners with location reports in memory")
CASES_DEPARTED: Final = Metric(
    "sop_cases_departed_total", "counter", _NUMBER, "Settled cases removed from the state after their retention"
)
DEPARTED_CASES: Final = Metric(
    "sop_departed_cases", "gauge", _NUMBER, "Departed cases whose last decision ids are still stored"
)
PARTNERS_DEPARTED: Final = Metric(
    "sop_partners_departed_total",
    "counter",
    _NUMBER,
    "Partners whose location reports were removed after their retention",
)
DEADLINES: Final = Metric("sop_deadlines_pending", "gauge", _NUMBER, "Cases in memory with a pending deadline")
CHECKPOINT_AGE: Final = Metric(
    "sop_checkpoint_age_seconds", "gauge", _NUMBER, "Age of the oldest change that no checkpoint contains"
)
CHECKPOINTS: Final = Metric("sop_checkpoints_total", "counter", _NUMBER, "Checkpoints written")
STEPS: Final = Metric("sop_steps_total", "counter", _NUMBER, "Processing steps completed")
STEP_S: Final = Metric("sop_step_seconds_total", "counter", _NUMBER, "Seconds spent in processing steps")
LAST_STEP_S: Final = Metric("sop_last_step_seconds", "gauge", _NUMBER, "Duration of the last processing step")
POISON_RETRIES: Final = Metric(
    "sop_poison_retries_total", "counter", _NUMBER, "Retries of records that may have ended a worker"
)
CASES_QUARANTINED: Final = Metric("sop_cases_quarantined", "gauge", _NUMBER, "Cases that this version cannot decide")
LOOP_DELAY: Final = Metric("sop_loop_delay_seconds", "gauge", (), "Seconds until the event loop answered this scrape")

METRICS: Final = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
"""All metrics, in the order above."""
