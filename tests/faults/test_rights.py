"""On a cluster that denies by default: the rights that a worker needs, and its message when one is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import (  # type: ignore[attr-defined] # re-exported all the same
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from agents.sops import catalogue
from schemas.codec.encoder import encode_dead_letter
from schemas.outputs import DeadLetter
from schemas.topics import INPUTS, LATEST, POLICIES
from streams.kafka.rights import Role, rights
from streams.simulator.rng import Rng
from tests.certificates import Certificates
from tests.e2e.conftest import run_sop
from tests.e2e.harness import Bench, Feed, feed_of, until
from tests.e2e.stories import Visit
from tests.faults.conftest import Report
from tests.faults.scale import Scale
from tests.secure_kafka import SecureKafka

USER, PASSWORD, PREFIX = "worker", "hunter2-worker", "least."
TOPIC_BYTES_MAX = "4194304"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

Right = tuple[ResourceType, str, ResourcePatternType, AclOperation]


def topic(name: str, operation: AclOperation) -> Right:
    return (ResourceType.TOPIC, PREFIX + name, ResourcePatternType.LITERAL, operation)


READ, WRITE, DESCRIBE_CONFIGS = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS
OPERATIONS = {
    "Read": READ,
    "Write": WRITE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": DESCRIBE_CONFIGS,
}
RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
TRANSACTIONAL_IDS = f"{PREFIX}{PREFIX}group"


def granted(role: Role) -> Sequence[Right]:
    """Return what `sop topics acls` grants a program."""
    return [
        (
            RESOURCES[right.resource],
            right.name,
            ResourcePatternType.PREFIXED if right.is_prefix else ResourcePatternType.LITERAL,
            OPERATIONS[operation],
        )
        for right in rights(role, catalogue.topics(PREFIX), f"{PREFIX}group", TRANSACTIONAL_IDS)
        for operation in right.operations
    ]


RIGHTS: Final = granted("worker")


@dataclass
class Secured:
    """A broker with an authorizer, its administrator, and a bench whose workers connect as `USER`."""

    bench: Bench
    admin: AdminClient
    admin_options: dict[str, str]

    def grant(self, *rights: Right) -> None:
        bindings = [AclBinding(*_rule(right)) for right in rights]
        for future in self.admin.create_acls(bindings).values():
            future.result()

    def deny(self, *rights: Right) -> None:
        filters = [AclBindingFilter(*_rule(right)) for right in rights]
        for future in self.admin.delete_acls(filters).values():
            future.result()

    @contextmanager
    def only(self, *rights: Right) -> Iterator[None]:
        """Have the user have these rights instead of a worker's."""
        self.deny(*RIGHTS)
        self.grant(*rights)
        try:
            yield
        finally:
            self.deny(*rights)
            self.grant(*RIGHTS)


def _rule(right: Right) -> tuple[Any, ...]:
    kind, name, pattern, operation = right
    return (kind, name, pattern, f"User:{USER}", "*", operation, AclPermissionType.ALLOW)


@pytest.fixture(scope="module")
def secured(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Yield a cluster whose administrator has created the topics and granted exactly the necessary rights."""
    folder = tmp_path_factory.mktemp("secured")
    settings = {
        "SOP_KAFKA_SECURITY": "sasl_ssl",
        "SOP_KAFKA_CA_FILE": str(certificates.ca),
        "SOP_KAFKA_USER": USER,
        "SOP_KAFKA_PASSWORD": PASSWORD,
        "SOP_TRANSACTION_TIMEOUT_S": "6",
    }
    with SecureKafka(folder / "kafka", certificates, name=USER, password=PASSWORD, rights=True) as kafka:
        admin = AdminClient({**kafka.admin_options})
        bench = Bench(kafka.address, PREFIX, folder, partitions=1, settings=settings)
        made = Secured(bench, admin, kafka.admin_options)
        new = [NewTopic(PREFIX + name, 1, 1, config=config(name)) for name in catalogue.topics().known]
        for future in admin.create_topics(new).values():
            future.result()
        made.grant(*RIGHTS)
        yield made


@pytest.fixture(autouse=True)
def _ends_workers(secured: Secured) -> Iterator[None]:
    yield
    secured.bench.close()


def config(name: str) -> dict[str, str]:
    size = {"max.message.bytes": TOPIC_BYTES_MAX if name in INPUTS else "8388608"}
    if name == LATEST:
        return {**size, "cleanup.policy": "compact", "max.compaction.lag.ms": "86400000"}
    if name == POLICIES:
        return {"cleanup.policy": "compact", "min.compaction.lag.ms": str(2**63 - 1)}
    return {**size, "cleanup.policy": "compact"} if name == "internal.progress" else size


def test_a_worker_with_exactly_these_rights_decides(secured: Secured) -> None:
    bench = secured.bench
    worker = bench.start_ready()
    visit = Visit("job-1", "partner-1")
    bench.feed(map(feed_of, [*visit.booking, *visit.report, *visit.claim, b"broken"]), **secured.admin_options)
    reader = Consumer({**secured.admin_options, "group.id": "reader", "auto.offset.reset": "earliest"})
    reader.subscribe([f"{PREFIX}decisions.paf"])
    try:
        until(lambda: reader.poll(0.2) is not None, lambda: worker.log)
    finally:
        reader.close()
    done = [run_sop(*words, env=bench.environment()) for words in (("status",), ("dead-letters", "list"))]
    assert [(each.returncode, each.stderr) for each in done] == [(0, ""), (0, "")]
    assert worker.stop() == 0
    assert "WARNING" not in worker.log
    case = run_sop("case", "job-1", env=bench.environment())
    assert case.returncode == 0
    (unread,) = case.stderr.splitlines()
    assert unread.startswith(f"sop: {PREFIX}{LATEST}-0: cannot be read back: ")
    assert unread.endswith("; the current decisions are not shown")


def refusal(right: Right) -> str:
    """Return the name of a right in the error message."""
    kind, name, _, operation = right
    if kind is ResourceType.TRANSACTIONAL_ID:
        name += "-0"
    return f"{operation.name.title()} on {kind.name.lower().replace('_', ' ')} {name}"


def test_the_error_names_a_missing_right_in_one_line(secured: Secured, run_scale: Scale, report: Report) -> None:
    rng = Rng("rights", run_scale.seed)
    topics = [right for right in RIGHTS if right[0] is ResourceType.TOPIC]
    by_operation = [[right for right in topics if right[3] is each] for each in (READ, WRITE)]
    others = [right for right in RIGHTS if right[0] is not ResourceType.TOPIC]
    missing = [*(right for each in by_operation for right in rng.shuffled(each)[: run_scale.rights]), *others]
    logs: dict[str, str] = {}
    for right in missing:
        secured.deny(right)
        logs[refusal(right)] = log_of_failed_start(secured.bench)
        secured.grant(right)
    report.write("F8 one of the least rights missing", len(missing), 0, {}, {"named in one line": len(logs)})
    start = f"sop: Kafka at {secured.bench.brokers}: this user has no right to "
    assert logs == {name: f"{start}{name}\n" for name in logs}


POLICY_DOCUMENT = 'label = "later"\neffective_from = "2999-01-01T00:00:00Z"\n'
COMMANDS: Sequence[tuple[Role, tuple[str, ...]]] = [
    ("eraser", ("erase", "partner:p-1", "--case", "job-erased", "--why", "asked for")),
    ("policy-publisher", ("policy", "publish", "POLICY")),
    ("redriver", ("dead-letters", "redrive", "--cause", "value", "--send")),
    ("analyst", ("case", "job-1")),
    ("analyst", ("replay", "KAFKA", "--out", "OUT")),
    ("archive", ("archive", "ARCHIVE", "--once")),
]
"""Commands that need a role of their own."""


@pytest.mark.parametrize(("role", "words"), COMMANDS, ids=[words[0] for _, words in COMMANDS])
def test_a_command_needs_no_more_than_the_rights_of_its_role(
    secured: Secured, tmp_path: Path, role: Role, words: tuple[str, ...]
) -> None:
    bench = secured.bench
    policy = tmp_path / "later.toml"
    policy.write_text(POLICY_DOCUMENT, encoding="utf-8")
    places = {
        "POLICY": str(policy),
        "KAFKA": f"kafka://{bench.brokers}/{PREFIX}",
        "OUT": str(tmp_path / "out.jsonl"),
        "ARCHIVE": str(tmp_path / "archive"),
    }
    visit = Visit("job-1", "partner-1")
    bench.feed(map(feed_of, [*visit.booking, *visit.report, *visit.claim]), **secured.admin_options)
    letter = encode_dead_letter(
        DeadLetter(topic=f"{PREFIX}jobs", partition=0, offset=10**9, reason="value: broken", value=b"broken")
    )
    bench.feed([Feed("dead-letters", b"k", letter)], **secured.admin_options)
    with secured.only(*granted(role)):
        done = run_sop(*(places.get(word, word) for word in words), env=bench.environment())
    assert done.returncode == 0, done.stderr
    assert "uthori" not in done.stderr


@pytest.mark.parametrize("missing", granted("eraser"), ids=[right[1] for right in granted("eraser")])
def test_an_erasure_names_the_topic_that_it_may_not_use_and_destroys_nothing(secured: Secured, missing: Right) -> None:
    visit = Visit("job-1", "partner-1")
    secured.bench.feed(map(feed_of, [*visit.booking, *visit.report]), **secured.admin_options)  # else nothing is read
    with secured.only(*(right for right in granted("eraser") if right != missing)):
        done = run_sop("erase", "partner:p-1", "--case", "job-erased", "--why", "x", env=secured.bench.environment())
    assert (done.returncode, "destroyed" in done.stdout) == (2, False)
    (line,) = done.stderr.splitlines()
    assert missing[1] in line


def log_of_failed_start(bench: Bench) -> str:
    """Start a worker that fails at the start, and return its log."""
    worker = bench.start()
    assert worker.process.wait(180) == 2, worker.log
    return worker.log


def test_an_unreadable_topic_configuration_causes_only_a_warning(secured: Secured) -> None:
    secured.deny(topic("jobs", DESCRIBE_CONFIGS))
    worker = secured.bench.start()
    wanted = f"the configuration of {PREFIX}jobs is not checked: this user has no right to DescribeConfigs"
    until(lambda: wanted in worker.log, lambda: worker.log)
    worker.kill()
    secured.grant(topic("jobs", DESCRIBE_CONFIGS))


def test_topics_are_checked_with_a_worker_s_rights_and_changed_only_with_more(secured: Secured) -> None:
    environment = secured.bench.environment()
    checked = run_sop("topics", "check", env=environment)
    assert (checked.returncode, checked.stderr) == (0, "")
    short = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    alerts = ConfigResource(ResourceType.TOPIC, f"{PREFIX}alerts", incremental_configs=[short])
    for future in secured.admin.incremental_alter_configs([alerts]).values():
        future.result()
    secured.deny(topic("jobs", DESCRIBE_CONFIGS))
    refused = run_sop("topics", "check", "--apply", env=environment)
    secured.grant(topic("jobs", DESCRIBE_CONFIGS))
    short.value = "-1"
    for future in secured.admin.incremental_alter_configs([alerts]).values():
        future.result()
    assert refused.returncode == 1
    hidden, denied = refused.stderr.splitlines()
    assert hidden == f"sop: {PREFIX}jobs: not checked: this user has no right to DescribeConfigs"
    assert denied.startswith(f"sop: {PREFIX}alerts: retention.ms cannot be set to -1: ")
    assert "uthoriz" in denied


def test_the_operators_page_lists_these_rights() -> None:
    page = Path("docs/operations.md").read_text(encoding="utf-8").partition("\n## Rights\n")[2]
    rows = {tuple(cell.strip() for cell in line.strip("|").split("|")) for line in page.splitlines() if "|" in line}
    granted: dict[str, list[str]] = {}
    for kind, name, _, operation in RIGHTS:
        if kind is ResourceType.TOPIC:
            granted.setdefault(name.removeprefix(PREFIX), []).append(operation.name.title().replace("_", ""))
    for name, operations in granted.items():
        matching = [row for row in rows if f"`{name}`" in row[0].split(", ")]
        assert [row[1] for row in matching] == [", ".join(operations)], name
