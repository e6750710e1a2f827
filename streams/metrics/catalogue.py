"""Every metric of a worker: name, meaning and labels. A test checks docs/operations.md against it.

No label contains anything from an event: no case, no partner, no name.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from streams.processor.output_counts import DELAY_BOUNDS_S, Histogram


class Metric(NamedTuple):
    """One metric; its name includes the unit.

    With `bounds`, those of its buckets, it is a histogram, else a counter if its name ends in `_total`, or a gauge.
    """

    name: str
    meaning: str
    labels: tuple[str, ...] = ("partition",)
    bounds: tuple[float, ...] = ()


Sample: TypeAlias = tuple[Metric, tuple[str, ...], float | Histogram]
"""The value of a metric for the values of its labels."""


_INPUT: Final = ("topic", "partition")

CONSUMED: Final = Metric("sop_records_consumed_total", "Records received from Kafka", _INPUT)
PROCESSED: Final = Metric(
    "sop_records_processed_total", "Records applied, duplicate, dead_lettered or forwarded", (*_INPUT, "disposition")
)
IN_FLIGHT: Final = Metric("sop_records_in_flight", "Records received and not yet processed", _INPUT)
LAG: Final = Metric(
    "sop_records_lag",
    "Offsets between the position and the end of the partition as last fetched, open transactions included",
    _INPUT,
)
SKIPPED: Final = Metric(
    "sop_offsets_skipped_total",
    "Offsets deleted before they were read, accepted with SOP_ACCEPT_TRIMMED_INPUTS",
    _INPUT,
)
PUBLISHED: Final = Metric(
    "sop_messages_published_total", "Records acknowledged by the broker, by topic, without progress", _INPUT
)
DECISIONS: Final = Metric(
    "sop_decisions_published_total",
    "Revisions of decisions published by this process",
    ("kind", "subject_of", "outcome"),
)
DECISION_DELAY: Final = Metric(
    "sop_event_to_decision_seconds",
    "From the timestamp of the first record since a case was last decided to Kafka's acknowledgement of what follows",
    ("kind",),
    DELAY_BOUNDS_S,
)
ACTIONS: Final = Metric(
    "sop_actions_published_total", "Revisions of actions published by this process", ("code", "state")
)
ALERTS: Final = Metric("sop_alerts_published_total", "Alerts published by this process", ("name", "state"))
QUERIES_TOO_LATE: Final = Metric(
    "sop_presence_queries_too_late_total", "Presence queries that arrived after the location reports had expired"
)
CASES: Final = Metric("sop_cases_in_memory", "Cases in memory")
PARTNERS: Final = Metric("sop_partners_in_memory", "Partners with location reports in memory")
CASES_DEPARTED: Final = Metric("sop_cases_departed_total", "Settled cases removed from the state after their retention")
DEPARTED_CASES: Final = Metric("sop_departed_cases", "Departed cases whose last decision ids are still stored")
PARTNERS_DEPARTED: Final = Metric(
    "sop_partners_departed_total", "Partners whose location reports were removed after their retention"
)
DEADLINES: Final = Metric("sop_deadlines_pending", "Cases in memory with a pending deadline")
WAITING: Final = Metric("sop_records_waiting", "Records that wait for the store, which is away")
CHECKPOINT_AGE: Final = Metric("sop_checkpoint_age_seconds", "Age of the oldest change that no checkpoint contains")
CHECKPOINTS: Final = Metric("sop_checkpoints_total", "Checkpoints written")
STEPS: Final = Metric("sop_steps_total", "Processing steps completed")
STEP_S: Final = Metric("sop_step_seconds_total", "Seconds spent in processing steps")
LAST_STEP_S: Final = Metric("sop_last_step_seconds", "Duration of the last processing step")
POISON_RETRIES: Final = Metric("sop_poison_retries_total", "Retries of records that may have ended a worker")
CASES_QUARANTINED: Final = Metric("sop_cases_quarantined", "Cases and partners that this version cannot evaluate")
POLICIES_REFUSED: Final = Metric(
    "sop_policies_refused_total", "Records of the topic policies that this process refused", ()
)
LOOP_DELAY: Final = Metric("sop_loop_delay_seconds", "Seconds until the event loop answered this scrape", ())

METRICS: Final = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
"""All metrics, in the order above."""
