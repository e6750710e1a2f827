"""Which rights in Kafka each program needs, as one table, and the commands that grant them.

A worker compares the table with what it may do when it starts. `sop topics acls` and `sop topics manifests` print it.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from schemas.topics import Topics

Operation = Literal["Read", "Write", "Describe", "DescribeConfigs"]
Role = Literal[
    "worker",
    "console",
    "alert-forwarder",
    "archive",
    "autoscaler",
    "producer",
    "policy-publisher",
    "redriver",
    "eraser",
    "analyst",
    "reader",
    "witness",
]

ROLES: Final[dict[Role, str]] = {
    "worker": "sop worker, sop status, sop dead-letters list and show, sop topics check",
    "console": "sop console",
    "alert-forwarder": "sop alerts forward",
    "archive": "sop archive",
    "autoscaler": "whoever starts workers by the group's lag",
    "producer": "a service that sends events",
    "policy-publisher": "sop policy publish, list, show and diff",
    "redriver": "sop dead-letters redrive, list and show",
    "eraser": "sop erase",
    "analyst": "sop case, sop replay and sop policy diff with inputs from Kafka, and sop tail",
    "reader": "a service that reads decisions, actions, alerts and dead letters, with a group of its own name",
    "witness": "whoever keeps the checkpoints of an archive elsewhere, with a group of its own name",
}
"""Who needs rights, and for what."""


class Right(NamedTuple):
    """The operations that a program needs on a resource: a topic, a group or a transactional id.

    `name` is its name, or with `is_prefix` what its name begins with.
    """

    resource: Literal["topic", "group", "transactional-id"]
    name: str
    operations: tuple[Operation, ...]
    is_prefix: bool = False


def topics_read(topics: Topics) -> tuple[str, ...]:
    """Return the topics that a worker reads: also its own outputs, when it recovers."""
    return (*topics.inputs, topics.policies, *topics.internal, *topics.outputs)


def rights(role: Role, topics: Topics, group: str, transactional_ids: str) -> list[Right]:
    """Return what a program needs; `group` is the workers', whose transactional ids begin with `transactional_ids`."""
    if role == "worker":
        read, written = set(topics_read(topics)), set(topics.written)
        return [
            *(Right("topic", name, (*_operations(name, read, written), "DescribeConfigs")) for name in topics.all),
            # `sop topics check` looks at them
            *(Right("topic", name, ("Describe", "DescribeConfigs")) for name in (topics.acts, topics.checkpoints)),
            Right("group", group, ("Read",)),
            Right("transactional-id", transactional_ids, ("Write",), is_prefix=True),
        ]
    if role == "autoscaler":
        return [
            *(Right("topic", name, ("Describe",)) for name in topics.consumed),
            Right("group", group, ("Describe",)),
        ]
    used = _topics_used(topics)[role]
    return [Right("topic", name, operations) for name in topics.known if (operations := _operations(name, *used))]


def _topics_used(topics: Topics) -> Mapping[Role, tuple[Collection[str], Collection[str]]]:
    """Return which topics each program reads and writes that needs nothing else."""
    inputs, outputs = topics.inputs, (*topics.outputs, topics.latest)
    return {
        # written for redrives, and for what people did
        "console": ((*inputs, topics.policies, *topics.outputs, topics.progress), (*inputs, topics.acts)),
        "alert-forwarder": ([topics.alerts], ()),
        "archive": (topics.archived, [topics.checkpoints]),
        "producer": ((), inputs),
        "policy-publisher": ([topics.policies], [topics.policies]),
        "redriver": ([topics.dead_letters, topics.progress], (*inputs, topics.cases)),
        "eraser": ((*inputs, topics.cases), (topics.of("case.erased"), topics.of("partner.erased"), topics.acts)),
        "analyst": ((*inputs, topics.policies, *outputs), ()),
        "reader": (outputs, ()),
        "witness": ([topics.checkpoints], ()),
    }


def _operations(name: str, read: Collection[str], written: Collection[str]) -> tuple[Operation, ...]:
    found: list[Operation] = []
    if name in read:
        found.append("Read")
    if name in written:
        found.append("Write")
    return tuple(found)


def acl_commands(principal: str, granted: list[Right]) -> Iterator[str]:
    """Yield the commands of Apache Kafka that grant rights; `BOOTSTRAP` and `ADMIN` are variables of the shell."""
    for right in granted:
        words = [
            *("--allow-principal", principal),
            *(word for operation in right.operations for word in ("--operation", operation)),
            *(f"--{right.resource}", right.name),
            *(("--resource-pattern-type", "prefixed") if right.is_prefix else ()),
        ]
        yield f'kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$ADMIN" --add {shlex.join(words)}'
