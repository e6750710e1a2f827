"""Every metric of a worker: name, kind, labels and meaning; docs/operations.md is checked against it.

No label holds anything of an event: no case, no partner, no name.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Metric(NamedTuple):
    """One metric; seconds and records are in its name."""

    name: str
    kind: Literal["counter", "gauge"]
    labels: tuple[str, ...]
    meaning: str


_INPUT: Final = ("topic", "partition")
_NUMBER: Final = ("partition",)

CONSUMED: Final = Metric("sop_records_consumed_total", "counter", _INPUT, "Records that Kafka's client handed over")
SETTLED: Final = Metric(
    "sop_records_settled_total",
    "counter",
    (*_INPUT, "fate"),
    "Records that are applied, duplicate, dead_lettered or forwarded",
)
IN_FLIGHT: Final = Metric("sop_records_in_flight", "gauge", _INPUT, "Records handed over and not taken yet")
LAG: Final = Metric(
    "sop_records_lag",
    "gauge",
    _INPUT,
    "Offsets up to the end as last fetched, open transactions included, that are not taken",
)
SKIPPED: Final = Metric(
    "sop_offsets_skipped_total",
    "counter",
    _INPUT,
    "Offsets deleted before they were read, which SOP_ACCEPT_TRIMMED_INPUTS accepted",
)
PUBLISHED: Final = Metric(
    "sop_messages_published_total", "counter", _INPUT, "Records that the broker acknowledged, by topic written to"
)
TOO_LATE: Final = Metric(
    "sop_moments_too_late_total", "counter", _NUMBER, "Questions about a partner's past that came after its retention"
)
CASES: Final = Metric("sop_cases_in_memory", "gauge", _NUMBER, "Cases in memory")
PARTNERS: Final = Metric("sop_partners_in_memory", "gauge", _NUMBER, "Partners with location reports in memory")
CASES_LEFT: Final = Metric("sop_cases_left_total", "counter", _NUMBER, "Settled cases that are no longer kept")
CASES_REMEMBERED: Final = Metric(
    "sop_cases_remembered", "gauge", _NUMBER, "Cases no longer kept of which the ids of the last decisions are"
)
PARTNERS_LEFT: Final = Metric(
    "sop_partners_left_total", "counter", _NUMBER, "Partners whose location reports are no longer kept"
)
DEADLINES: Final = Metric("sop_deadlines_waiting", "gauge", _NUMBER, "Cases in memory with a deadline ahead")
CHECKPOINT_AGE: Final = Metric(
    "sop_checkpoint_age_seconds", "gauge", _NUMBER, "For how long there has been something that no checkpoint holds"
)
CHECKPOINTS: Final = Metric("sop_checkpoints_total", "counter", _NUMBER, "Checkpoints written")
STEPS: Final = Metric("sop_steps_total", "counter", _NUMBER, "Steps done")
STEP_S: Final = Metric("sop_step_seconds_total", "counter", _NUMBER, "Seconds spent in steps")
LAST_STEP_S: Final = Metric("sop_last_step_seconds", "gauge", _NUMBER, "Seconds that the last step took")
TRIED_AGAIN: Final = Metric(
    "sop_suspects_tried_again_total", "counter", _NUMBER, "Records tried again on which a worker may have ended"
)
SET_ASIDE: Final = Metric(
    "sop_cases_set_aside",
    "gauge",
    _NUMBER,
    "Cases that no worker of this version can decide",
)
LOOP_DELAY: Final = Metric(
    "sop_loop_delay_seconds", "gauge", (), "Seconds that the event loop took to answer this question"
)

METRICS: Final = (
    CONSUMED,
    SETTLED,
    IN_FLIGHT,
    LAG,
    SKIPPED,
    PUBLISHED,
    TOO_LATE,
    CASES,
    PARTNERS,
    CASES_LEFT,
    CASES_REMEMBERED,
    PARTNERS_LEFT,
    DEADLINES,
    CHECKPOINT_AGE,
    CHECKPOINTS,
    STEPS,
    STEP_S,
    LAST_STEP_S,
    TRIED_AGAIN,
    SET_ASIDE,
    LOOP_DELAY,
)
