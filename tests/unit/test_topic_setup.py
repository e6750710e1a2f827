"""The table of how topics are set up: what a new topic gets, and which differences are found."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from agents.sops import catalogue
from schemas.errors import UsageError
from streams.config.settings import Settings
from streams.kafka.topic_setup import (
    DAY_MS,
    FOREVER_MS,
    SIZE_MIN,
    UNLIMITED,
    Cluster,
    Difference,
    TopicState,
    TopicTargets,
    differences,
    missing,
    new_configs,
    topic_table,
    topic_targets,
    unreadable,
)

TOPICS = catalogue.topics("p.")
TARGETS = TopicTargets(partitions=4, replicas=3, retention_ms=90 * DAY_MS)
NEW = {
    name: TopicState(setup.partitions or 4, 3, new_configs(setup, TARGETS))
    for name, setup in topic_table(TOPICS).items()
}


def cluster_with(name: str, **changed: str) -> Cluster:
    """Return a cluster of new topics, one of which has other configurations (`_` for a dot)."""
    configs = {setting.replace("_", "."): value for setting, value in changed.items()}
    state = NEW[f"p.{name}"]
    return Cluster(3, NEW | {f"p.{name}": state._replace(configs={**state.configs, **configs})})


def found(cluster: Cluster, targets: TopicTargets = TARGETS) -> list[Difference]:
    return list(differences(TOPICS, targets, cluster))


def test_every_topic_has_a_row() -> None:
    assert set(topic_table(TOPICS)) == set(TOPICS.known)


def test_new_topics_are_as_they_should_be() -> None:
    table = topic_table(TOPICS)
    for targets in (TARGETS, replace(TARGETS, retention_ms=UNLIMITED)):
        new = {name: state._replace(configs=new_configs(table[name], targets)) for name, state in NEW.items()}
        for brokers in (1, 3):
            assert found(Cluster(brokers, new), targets) == []


def test_a_new_topic_on_one_broker_can_be_written_to() -> None:
    single = replace(TARGETS, replicas=1)
    assert {new_configs(setup, single)["min.insync.replicas"] for setup in topic_table(TOPICS).values()} == {"1"}


@pytest.mark.parametrize(
    ("name", "setting", "value", "wanted", "severity", "set_to"),
    [
        ("jobs", "cleanup.policy", "compact,delete", "delete", "warning", "delete"),
        ("actions", "cleanup.policy", "compact", "delete", "warning", "delete"),
        ("internal.cases", "cleanup.policy", "compact", "delete", "warning", "delete"),
        ("internal.progress", "cleanup.policy", "delete", "compact", "warning", "compact"),
        ("internal.progress", "cleanup.policy", "compact,delete", "compact", "warning", "compact"),
        ("jobs", "retention.ms", "7775999999", "at least 7776000000 (90 d)", "warning", "7776000000"),
        ("alerts", "retention.ms", "0", "at least 7776000000 (90 d)", "warning", "7776000000"),
        ("locations", "retention.ms", "604799999", "at least 604800000 (7 d)", "warning", "604800000"),
        ("decisions.paf", "retention.bytes", "1073741824", "-1, no limit", "warning", "-1"),
        ("jobs", "max.message.bytes", "262143", "at least 262144", "warning", "4194304"),
        ("alerts", "max.message.bytes", "8388607", "at least 8388608", "warning", "8388608"),
        ("alerts", "max.message.bytes", "999999", "at least 1000000", "error", "8388608"),
        ("dead-letters", "max.message.bytes", "8388607", "at least 8388608", "error", "8388608"),
        ("internal.partners", "max.message.bytes", "4194303", "at least 4194304", "error", "8388608"),
        ("jobs", "min.insync.replicas", "1", "at least 2", "warning", "2"),
        ("policies", "cleanup.policy", "delete", "compact", "warning", "compact"),
        ("policies", "min.compaction.lag.ms", "0", str(FOREVER_MS), "warning", str(FOREVER_MS)),
        ("decisions.latest", "cleanup.policy", "compact,delete", "compact", "warning", "compact"),
        ("decisions.latest", "max.compaction.lag.ms", "86400001", "at most 86400000 (1 d)", "warning", "86400000"),
    ],
)
def test_a_setting_that_differs_is_found(
    name: str, setting: str, value: str, wanted: str, severity: str, set_to: str
) -> None:
    (one,) = found(cluster_with(name, **{setting.replace(".", "_"): value}))
    assert (one.topic, one.setting, one.wanted, one.severity, one.value) == (
        f"p.{name}",
        setting,
        wanted,
        severity,
        set_to,
    )
    assert one.present.split()[0] == value


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("jobs", "cleanup.policy", ""),
        ("jobs", "retention.ms", "7776000000"),
        ("locations", "retention.ms", "604800000"),
        ("internal.progress", "retention.ms", "0"),
        ("jobs", "max.message.bytes", "262144"),
        ("alerts", "max.message.bytes", "8388608"),
        ("jobs", "min.insync.replicas", "3"),
    ],
)
def test_a_setting_within_its_bounds_is_no_difference(name: str, setting: str, value: str) -> None:
    assert found(cluster_with(name, **{setting.replace(".", "_"): value})) == []


def test_applying_all_differences_leaves_none() -> None:
    bare = {"cleanup.policy": "compact,delete", "retention.ms": "1", "retention.bytes": "1", "max.message.bytes": "1"}
    bare["min.compaction.lag.ms"], bare["min.insync.replicas"] = "0", "1"
    states = {name: state._replace(configs={**bare}) for name, state in NEW.items()}
    for each in found(Cluster(3, states)):
        assert each.value is not None
        states[each.topic].configs[each.setting] = each.value  # type: ignore[index] # a dict here
    assert found(Cluster(3, states)) == []


def test_without_redis_everything_that_decisions_rest_on_is_kept_for_ever() -> None:
    days_30, without = Settings(case_retention=30 * 86_400.0, redis_url="redis://127.0.0.1/0"), Settings()
    assert topic_targets(without).retention_ms == UNLIMITED
    assert topic_targets(days_30).retention_ms == 30 * DAY_MS
    assert topic_targets(replace(days_30, case_retention=5.0)).retention_ms == 7 * DAY_MS
    limited = found(Cluster(3, NEW), replace(TARGETS, retention_ms=UNLIMITED))
    assert {(each.wanted, each.value) for each in limited} == {("-1, no limit", "-1")}
    assert {"p.jobs", "p.decisions.paf", "p.internal.cases"} <= {each.topic for each in limited}


def test_topics_that_differ_in_their_partitions_keep_workers_from_starting_and_cannot_be_set() -> None:
    grown = NEW["p.jobs"]._replace(partitions=6)
    different = found(Cluster(3, NEW | {"p.jobs": grown}))
    assert [each.topic for each in different] == [name for name in TOPICS.known if name not in {"p.jobs", "p.policies"}]
    assert {(each.setting, each.present, each.wanted, each.severity, each.value) for each in different} == {
        ("partitions", "4", "6", "error", None)
    }
    assert "sop rebuild" in different[0].why


def test_policies_need_one_order_so_one_partition() -> None:
    (one,) = found(Cluster(3, NEW | {"p.policies": NEW["p.policies"]._replace(partitions=4)}))
    assert (one.topic, one.setting, one.present, one.wanted, one.severity) == (
        "p.policies",
        "partitions",
        "4",
        "1",
        "error",
    )
    assert "rebuild" not in one.why


@pytest.mark.parametrize(
    ("replicas", "brokers", "targets", "wanted"),
    [
        (1, 1, 1, None),
        (1, 3, 1, "at least 2"),
        (2, 3, 1, None),
        (2, 3, 3, "at least 3"),
        (1, 1, 3, "at least 3"),
    ],
)
def test_too_few_replicas_are_found_and_cannot_be_set(
    replicas: int, brokers: int, targets: int, wanted: str | None
) -> None:
    cluster = Cluster(brokers, NEW | {"p.jobs": NEW["p.jobs"]._replace(replicas=replicas)})
    different = [each for each in found(cluster, replace(TARGETS, replicas=targets)) if each.topic == "p.jobs"]
    assert [(each.setting, each.wanted, each.value) for each in different] == (
        [("replicas", wanted, None)] if wanted else []
    )


@pytest.mark.parametrize(
    ("name", "inputs", "needed", "what"),
    [
        *((name, 400_000, SIZE_MIN, "what a worker writes") for name in TOPICS.written),
        ("p.dead-letters", 500_001, 1_000_002, "2 times what p.jobs accepts"),
        ("p.internal.cases", 1_000_001, 1_000_001, "what p.jobs accepts"),
        ("p.internal.partners", 1_000_001, 1_000_001, "what p.jobs accepts"),
        ("p.internal.progress", 1_000_001, SIZE_MIN, "what a worker writes"),
        ("p.actions", 1_000_001, SIZE_MIN, "what a worker writes"),
    ],
)
def test_a_topic_that_accepts_too_little_is_an_error(name: str, inputs: int, needed: int, what: str) -> None:
    def errors(size: int) -> list[str]:
        sizes = dict.fromkeys(TOPICS.inputs, inputs) | {name: size}
        states = {each: TopicState(4, 3, {"max.message.bytes": str(at)}) for each, at in sizes.items()}
        return [each.why for each in found(Cluster(3, states)) if each.severity == "error"]

    assert errors(needed) == []
    assert errors(needed - 1) == [f"it must hold {what}"]


def test_what_cannot_be_read_is_no_difference() -> None:
    hidden = Cluster(3, {name: state._replace(configs={}) for name, state in NEW.items()}, hidden=tuple(NEW))
    assert found(hidden) == []
    assert list(unreadable(TOPICS, TARGETS, hidden)) == []
    configs = {key: value for key, value in NEW["p.jobs"].configs.items() if key != "min.insync.replicas"}
    partly = Cluster(3, NEW | {"p.jobs": NEW["p.jobs"]._replace(configs=configs)})
    assert found(partly) == []
    assert list(unreadable(TOPICS, TARGETS, partly)) == [("p.jobs", "min.insync.replicas")]


def test_a_missing_topic_is_a_difference_of_its_own() -> None:
    present = {name: state for name, state in NEW.items() if name != "p.alerts"}
    cluster = Cluster(3, present)
    assert found(cluster) == []
    assert [(each.topic, each.present) for each in missing(TOPICS, cluster)] == [("p.alerts", "missing")]


def test_the_operators_page_has_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("\n## Topics\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line[:1] == "|"]
    written = {f"p.{name.strip('`')}": tuple(more) for names, *more in rows[2:] for name in names.split(", ")}
    table = topic_table(TOPICS)
    assert written == {
        name: (f"`{NEW[name].configs['cleanup.policy']}`", setup.kept or "the last of each key", str(setup.bytes_max))
        for name, setup in table.items()
    }


def test_topics_with_personal_data_are_kept_no_longer_than_the_erasure_allows() -> None:
    targets = replace(TARGETS, erasure_ms=120 * DAY_MS)
    assert found(Cluster(3, NEW), targets) == []
    for name in ("jobs", "locations", "decisions.paf", "dead-letters", "internal.cases"):
        (difference,) = found(cluster_with(name, retention_ms=str(120 * DAY_MS + 1)), targets)
        assert (difference.topic, difference.severity) == (f"p.{name}", "warning")
        assert difference.why == "for so long it has what was erased (SOP_ERASURE_DAYS)"
    for name in ("audit.acts", "audit.checkpoints"):
        assert found(cluster_with(name, retention_ms=str(UNLIMITED)), targets) == []


@pytest.mark.parametrize(
    ("redis", "days", "reason"),
    [
        ("", 365.0, "365, but topics have to be kept for ever without Redis"),
        ("redis://here", 89.5, "89.5, but topics have to be kept for 90 d (SOP_CASE_RETENTION)"),
    ],
)
def test_an_erasure_sooner_than_topics_may_forget_is_refused(redis: str, days: float, reason: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"SOP_ERASURE_DAYS: {reason}")):
        topic_targets(Settings(redis_url=redis, erasure_days=days))


def test_an_erasure_after_the_retention_of_cases_is_a_target() -> None:
    assert topic_targets(Settings(redis_url="redis://here", erasure_days=90.0)).erasure_ms == 90 * DAY_MS
