"""How every topic is to be set up, as one table, and where the topics of a cluster differ from it.

A worker creates topics by this table and checks them against it when it starts; `sop topics` shows the differences.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from schemas.codec.limits import Limits
from schemas.durations import duration_text
from schemas.errors import UsageError
from schemas.topics import Topics
from streams.config.settings import Settings
from streams.kafka.connection import INPUT_BYTES_MAX, MESSAGE_BYTES_MAX

PARTITIONS: Final = "partitions"
REPLICAS: Final = "replicas"
CLEANUP_CONFIG: Final = "cleanup.policy"
COMPACTION_LAG_CONFIG: Final = "max.compaction.lag.ms"
COMPACTION_FROM_CONFIG: Final = "min.compaction.lag.ms"
IN_SYNC_CONFIG: Final = "min.insync.replicas"
RETENTION_BYTES_CONFIG: Final = "retention.bytes"
RETENTION_CONFIG: Final = "retention.ms"
SIZE_CONFIG: Final = "max.message.bytes"

SIZE_MIN: Final = 1_000_000
"""The smallest `max.message.bytes` of a topic that a worker writes to; Kafka's default is a little more."""
DEAD_LETTER_FACTOR: Final = 2
"""How much larger a dead letter may be than the record in it: Base64, headers, and origin."""
FOREVER_MS: Final = 2**63 - 1
"""Kafka's longest duration."""
UNLIMITED: Final = -1
"""What Kafka writes for a retention without limit."""
DAY_MS: Final = 86_400_000
AWAY_MS: Final = 7 * DAY_MS
"""The retention of what has to be kept only until it was read: how long all workers may be away."""

Severity = Literal["error", "warning"]
"""A worker refuses to start (`error`), or it starts and may lose something or stop later (`warning`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSetup:
    """A row of the table; what it does not say is the same for all topics.

    `kept`: for how long Kafka has to keep the records; None: it is compacted. `bytes_max`: the largest record of a new
    topic. `input_factor`: how many times the largest input record has to fit into one of its own; None: it is an input.
    `lag_ms_max`: how long a superseded record may stay in a compacted topic; `keeps_superseded`: it stays for ever.
    `partitions`: how many there are; None: as many as other topics have. `is_personal`: records may contain what
    belongs to a person. `otherwise`: what another clean-up does.
    """

    kept: Literal["for ever", "while cases change", "until read"] | None = "while cases change"
    bytes_max: int = MESSAGE_BYTES_MAX
    input_factor: int | None = 0
    lag_ms_max: int | None = None
    keeps_superseded: bool = False
    partitions: int | None = None
    is_personal: bool = True
    otherwise: str = "Kafka deletes superseded revisions"


_UNREAD: Final = "Kafka deletes all but the last record of a key, read or not"
_EVENTS: Final = TopicSetup(bytes_max=INPUT_BYTES_MAX, input_factor=None, otherwise=_UNREAD)
_REPORTS: Final = TopicSetup(kept="until read", bytes_max=INPUT_BYTES_MAX, input_factor=None, otherwise=_UNREAD)
_MESSAGES: Final = TopicSetup()
_DEAD_LETTERS: Final = TopicSetup(input_factor=DEAD_LETTER_FACTOR)
_LATEST: Final = TopicSetup(kept=None, lag_ms_max=DAY_MS, otherwise="Kafka deletes the last revision of old decisions")
_POLICIES: Final = TopicSetup(
    kept=None,
    bytes_max=SIZE_MIN,
    input_factor=None,
    keeps_superseded=True,
    partitions=1,
    is_personal=False,
    otherwise="Kafka deletes policies that decisions rest on",
)
_TO_CASES: Final = TopicSetup(input_factor=1, otherwise=_UNREAD)
_TO_PARTNERS: Final = TopicSetup(kept="until read", input_factor=1, otherwise=_UNREAD)
_TO_WATCHES: Final = TopicSetup(otherwise=_UNREAD)
_ACTS: Final = TopicSetup(is_personal=False, otherwise="Kafka deletes what people did")
_CHECKPOINTS: Final = TopicSetup(
    kept="for ever", is_personal=False, otherwise="Kafka deletes all but the last checkpoint"
)
_PROGRESS: Final = TopicSetup(kept=None, is_personal=False, otherwise="Kafka may delete how far the workers have read")


_REASSIGN: Final = "kafka-reassign-partitions.sh adds replicas"


def topic_table(topics: Topics) -> Mapping[str, TopicSetup]:
    """Return how each topic is to be set up."""
    return {
        **dict.fromkeys(topics.inputs, _EVENTS),
        topics.locations: _REPORTS,
        topics.policies: _POLICIES,
        **dict.fromkeys(topics.outputs, _MESSAGES),
        topics.dead_letters: _DEAD_LETTERS,
        topics.latest: _LATEST,
        topics.cases: _TO_CASES,
        topics.partners: _TO_PARTNERS,
        topics.watches: _TO_WATCHES,
        topics.progress: _PROGRESS,
        topics.acts: _ACTS,
        topics.checkpoints: _CHECKPOINTS,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicTargets:
    """What the operator decides about the topics.

    `retention_ms`: how long records are kept while cases can change (`UNLIMITED`: for ever). `erasure_ms`: after how
    long nothing personal is left (`UNLIMITED`: no limit). `value_bytes_max`: the largest event.
    """

    partitions: int
    replicas: int = 1
    retention_ms: int = UNLIMITED
    erasure_ms: int = UNLIMITED
    value_bytes_max: int = Limits().value_bytes


def topic_targets(settings: Settings) -> TopicTargets:
    """Return the targets of the settings: without Redis, state is made again from topics that are kept for ever.

    Raises `UsageError` if they have to be kept for longer than SOP_ERASURE_DAYS allows.
    """
    has_redis = settings.redis_url or settings.redis_url_file
    retention_ms = max(round(settings.case_retention * 1000), AWAY_MS) if has_redis else UNLIMITED
    erasure_ms = round(settings.erasure_days * DAY_MS) or UNLIMITED
    if erasure_ms != UNLIMITED and not 0 <= retention_ms <= erasure_ms:
        needed = (
            f"for {duration_text(retention_ms * 1000)} (SOP_CASE_RETENTION)" if has_redis else "for ever without Redis"
        )
        raise UsageError(f"SOP_ERASURE_DAYS: {settings.erasure_days:g}, but topics have to be kept {needed}")
    return TopicTargets(
        partitions=settings.partitions,
        replicas=settings.replicas,
        retention_ms=retention_ms,
        erasure_ms=erasure_ms,
        value_bytes_max=settings.value_bytes_max,
    )


class TopicState(NamedTuple):
    """A topic as Kafka has it, with its smallest number of replicas; `configs` lacks what this user may not read."""

    partitions: int
    replicas: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The number of brokers, the topics that exist, and whose configuration this user may not read."""

    brokers: int
    topics: Mapping[str, TopicState]
    hidden: tuple[str, ...] = ()

    def size(self, topic: str) -> int | None:
        """Return the largest record that a topic accepts, None if that cannot be read."""
        state = self.topics.get(topic)
        text = None if state is None else state.configs.get(SIZE_CONFIG)
        return None if text is None else int(text)


class Difference(NamedTuple):
    """A setting of a topic that is not as it should be; `value` is what to set it to, None if Kafka cannot."""

    topic: str
    setting: str
    present: str
    wanted: str
    severity: Severity
    why: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """The numbers or texts that a setting may have, and what a new topic gets."""

    setting: str
    value: str
    why: str
    least: float = -math.inf
    most: float = math.inf
    texts: tuple[str, ...] = ()
    severity: Severity = "warning"

    def holds(self, text: str) -> bool:
        """Return whether a value of the setting, as Kafka writes it, is one of them."""
        return text in self.texts if self.texts else self.least <= _number(self.setting, text) <= self.most

    @property
    def wanted(self) -> str:
        """The values in words."""
        if self.texts:
            return self.value
        if self.least == math.inf:
            return f"{self.value}, no limit"
        if self.least == self.most:
            return readable(self.setting, self.value)
        bound, number = ("at least", self.least) if self.least > -math.inf else ("at most", self.most)
        return f"{bound} {readable(self.setting, str(int(number)))}"


def readable(setting: str, text: str) -> str:
    """Return a value with its unit in words where it is a duration."""
    if not setting.endswith(".ms") or int(text) < 0:
        return text
    return f"{text} ({duration_text(int(text) * 1000)})"


def new_configs(setup: TopicSetup, targets: TopicTargets) -> dict[str, str]:
    """Return the configuration of a new topic."""
    rules = (*_size_rules(setup, targets, (0, "")), *_keeping_rules(setup, targets))
    return {rule.setting: rule.value for rule in rules} | {IN_SYNC_CONFIG: str(min(2, targets.replicas))}


def differences(topics: Topics, targets: TopicTargets, cluster: Cluster) -> Iterator[Difference]:
    """Yield where topics that exist differ from the table, at most one difference per setting, by topic.

    Settings that cannot be read are left out (`unreadable`).
    """
    table = topic_table(topics)
    counts = common_counts(topics, {name: state.partitions for name, state in cluster.topics.items()})
    for name, setup in table.items():
        if (state := cluster.topics.get(name)) is None:
            continue
        present = {PARTITIONS: str(state.partitions), REPLICAS: str(state.replicas), **state.configs}
        broken: set[str] = set()
        for rule in (
            *_layout_rules(state, setup.partitions, max(counts.values(), default=0), targets, cluster.brokers),
            *_size_rules(setup, targets, _needed(setup, topics, cluster)),
            *_keeping_rules(setup, targets),
        ):
            text = present.get(rule.setting)
            if text is None or rule.setting in broken or rule.holds(text):
                continue
            broken.add(rule.setting)
            value = None if rule.setting in {PARTITIONS, REPLICAS} else rule.value
            shown = readable(rule.setting, text)
            yield Difference(name, rule.setting, shown, rule.wanted, rule.severity, rule.why, value)


def common_counts(topics: Topics, counts: Mapping[str, int]) -> dict[str, int]:
    """Return the partition counts of the topics that need as many as each other, out of the counts of all."""
    table = topic_table(topics)
    return {name: count for name, count in counts.items() if name not in table or table[name].partitions is None}


def missing(topics: Topics, cluster: Cluster) -> Iterator[Difference]:
    """Yield a difference for each topic that does not exist."""
    why = "sop topics create --apply creates it, or a worker when it starts"
    for name in topic_table(topics):
        if name not in cluster.topics:
            yield Difference(name, "topic", "missing", "present", "warning", why, None)


def unreadable(topics: Topics, targets: TopicTargets, cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Yield topic and setting of everything that the table has and Kafka does not show, `hidden` topics aside."""
    for name, setup in topic_table(topics).items():
        if name in cluster.topics and name not in cluster.hidden:
            configs = cluster.topics[name].configs
            yield from ((name, setting) for setting in new_configs(setup, targets) if setting not in configs)


def _layout_rules(
    state: TopicState, fixed: int | None, common: int, targets: TopicTargets, brokers: int
) -> Iterator[_Rule]:
    """Yield the rules about partitions, `fixed` or else as many as topics have in `common`, and replicas."""
    why = "all topics need as many; add partitions with the workers stopped, then run sop rebuild"
    if fixed is not None:
        why = "its records need one order; delete it, have it created again, and publish the policies again"
    count = fixed or common
    yield _Rule(setting=PARTITIONS, value=str(count), least=count, most=count, severity="error", why=why)
    if brokers > 1:
        lost = f"on a cluster of {brokers} brokers it is lost with its broker; {_REASSIGN}"
        yield _Rule(setting=REPLICAS, value="2", least=2, why=lost)
    chosen = f"SOP_REPLICAS says so; {_REASSIGN}"
    yield _Rule(setting=REPLICAS, value=str(targets.replicas), least=targets.replicas, why=chosen)
    if brokers > 1 and state.replicas > 1:
        alone = "a record that only one broker has is lost with it"
        yield _Rule(setting=IN_SYNC_CONFIG, value="2", least=2, why=alone)


def _size_rules(setup: TopicSetup, targets: TopicTargets, needed: tuple[int, str]) -> Iterator[_Rule]:
    """Yield the rules about the size of records; `needed` is how much a written topic must hold at least, and why."""
    if setup.input_factor is None:
        why = f"producers cannot send events of {targets.value_bytes_max} bytes (SOP_VALUE_BYTES_MAX)"
        yield _Rule(setting=SIZE_CONFIG, value=str(setup.bytes_max), least=targets.value_bytes_max, why=why)
        return
    least, what = needed
    value = str(max(setup.bytes_max, least))
    yield _Rule(setting=SIZE_CONFIG, value=value, least=least, severity="error", why=f"it must hold {what}")
    large = "a case with so many facts that a decision is larger will be quarantined"
    yield _Rule(setting=SIZE_CONFIG, value=value, least=setup.bytes_max, why=large)


def _needed(setup: TopicSetup, topics: Topics, cluster: Cluster) -> tuple[int, str]:
    """Return how many bytes a written topic must accept at least, and for what."""
    factor = setup.input_factor or 0
    times = f"{factor} times " if factor > 1 else ""
    inputs = ((factor * (cluster.size(each) or 0), f"{times}what {each} accepts") for each in topics.inputs)
    return max((SIZE_MIN, "what a worker writes"), *inputs, key=lambda needed: needed[0])


def _keeping_rules(setup: TopicSetup, targets: TopicTargets) -> Iterator[_Rule]:
    if setup.kept is None:
        yield _Rule(setting=CLEANUP_CONFIG, value="compact", texts=("compact",), why=setup.otherwise)
        if setup.lag_ms_max is not None:
            why = "for so long whoever reads all of it may get superseded revisions"
            lag = setup.lag_ms_max
            yield _Rule(setting=COMPACTION_LAG_CONFIG, value=str(lag), most=lag, why=why)
        if setup.keeps_superseded:
            why = "a record that workers refuse would delete the policy that it could not replace"
            lag = FOREVER_MS
            yield _Rule(setting=COMPACTION_FROM_CONFIG, value=str(lag), texts=(str(lag),), why=why)
        return
    yield _Rule(setting=CLEANUP_CONFIG, value="delete", texts=("delete", ""), why=setup.otherwise)
    match setup.kept:
        case "for ever":
            kept, why = UNLIMITED, "whoever verifies an archive later compares it with these records"
        case "until read":
            kept, why = AWAY_MS, "a worker that was away for longer misses records and stops"
        case _:
            kept, why = targets.retention_ms, "a worker without checkpoints makes its state again from these records"
    text = str(kept)
    yield _Rule(setting=RETENTION_CONFIG, value=text, least=_number(RETENTION_CONFIG, text), why=why)
    if setup.is_personal and targets.erasure_ms != UNLIMITED:
        forgets = "for so long it has what was erased (SOP_ERASURE_DAYS)"
        yield _Rule(setting=RETENTION_CONFIG, value=text, most=targets.erasure_ms, why=forgets)
    size = "a limit by size deletes records whatever their age"
    yield _Rule(setting=RETENTION_BYTES_CONFIG, value=str(UNLIMITED), least=math.inf, why=size)


def _number(setting: str, text: str) -> float:
    """Return the value of a setting; an unlimited retention is infinite."""
    number = int(text)
    return math.inf if number == UNLIMITED and setting in {RETENTION_CONFIG, RETENTION_BYTES_CONFIG} else number
