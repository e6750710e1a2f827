"""`sop topics`: creates the topics, compares their set-up with what it should be, and prints the rights to grant."""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import click

from agents.sops import catalogue
from schemas.topics import Topics
from sop.groups import SuggestingGroup
from streams.config.settings import Settings, settings_from
from streams.kafka.connection import KafkaConnection, connect_kafka
from streams.kafka.manifests import as_yaml, topic_manifests, user_manifest
from streams.kafka.rights import ROLES, Right, Role, acl_commands, rights
from streams.kafka.topic_admin import apply, read_cluster
from streams.kafka.topic_setup import (
    Cluster,
    Difference,
    TopicTargets,
    differences,
    missing,
    topic_targets,
    unreadable,
)
from streams.kafka.topics import admin_client, create_topic, new_topics
from streams.terminal.printable import printable
from streams.terminal.tables import Column, show_table

_RETRY_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses between looks at a change: not every broker knows of it at once."""
USERS: Final = "sop-"
"""What the names of our users begin with."""
_COLUMNS: Final = (
    Column("topic"),
    Column("setting"),
    Column("is", wraps=True),
    Column("should be", wraps=True),
    Column("severity", rank=1),
    Column("why", rank=2, wraps=True),
)


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Set up the topics at SOP_BROKERS with SOP_TOPIC_PREFIX, as workers with the same settings need them."""


@command.command()
@click.option("--apply", "is_applied", is_flag=True, help="Set what can be set; partitions and replicas cannot.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line instead of a table.")
def check(is_applied: bool, as_json: bool) -> int:
    """Show where topics are not set up as they should be; exits with 1 if one is not, or may not be looked at.

    An error keeps workers from starting; after a warning they may lose something or stop later.
    """
    settings = settings_from()
    connection, topics = connect_kafka(settings), catalogue.topics(settings.topic_prefix, settings.written_prefix)
    cluster, found = asyncio.run(_check(connection, topics, topic_targets(settings), is_applied=is_applied))
    if as_json:
        for each in found:
            print(json.dumps(_document(each)))
    elif found:
        rows = [(each.topic, each.setting, each.present, each.wanted, each.severity, each.why) for each in found]
        show_table(_COLUMNS, [[printable(text) for text in row] for row in rows])
        if not is_applied and (count := len(_settable(found))):
            print(f"{count} of {len(found)} can be set with --apply")
    elif not cluster.hidden:
        print(f"all {len(topics.known)} topics are as they should be")
    return 1 if found or cluster.hidden else 0


@command.command()
@click.argument("role", type=click.Choice(list(ROLES)))
@click.option("--principal", metavar="TYPE:NAME", help="To whom to grant them (default: User:sop-ROLE).")
def acls(role: Role, principal: str | None) -> None:
    """Print the commands that grant a program its rights, for an administrator to run.

    They use the shell variables BOOTSTRAP, the brokers' address, and ADMIN, the file with the administrator's
    connection.
    """
    for line in acl_commands(principal or f"User:{USERS}{role}", _rights(settings_from(), role)):
        print(printable(line))


@command.command()
@click.argument("what", type=click.Choice(["topics", "users"]))
@click.option("--cluster", metavar="NAME", default="kafka", show_default=True, help="The Kafka resource that runs it.")
def manifests(what: str, cluster: str) -> None:
    """Print the topics, or the users with their rights, as resources of Strimzi (Kafka on Kubernetes)."""
    settings = settings_from()
    topics = catalogue.topics(settings.topic_prefix, settings.written_prefix)
    if what == "topics":
        documents = list(topic_manifests(topics, topic_targets(settings), cluster))
    else:
        documents = [user_manifest(f"{USERS}{role}", _rights(settings, role), cluster) for role in ROLES]
    print("".join(map(as_yaml, documents)), end="")


@command.command()
@click.option("--apply", "is_applied", is_flag=True, help="Create them; without this, only show what is missing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line instead of text.")
def create(is_applied: bool, as_json: bool) -> int:
    """Create the topics that are missing; exits with 1 if one cannot be created.

    New topics get as many partitions as those that exist, or else SOP_PARTITIONS, and SOP_REPLICAS.
    """
    settings = settings_from()
    connection, topics = connect_kafka(settings), catalogue.topics(settings.topic_prefix, settings.written_prefix)
    return asyncio.run(_create(connection, topics, topic_targets(settings), is_applied=is_applied, as_json=as_json))


def _rights(settings: Settings, role: Role) -> list[Right]:
    topics = catalogue.topics(settings.topic_prefix, settings.written_prefix)
    return rights(role, topics, settings.workers_group, settings.namespace)


async def _check(
    connection: KafkaConnection, topics: Topics, targets: TopicTargets, *, is_applied: bool
) -> tuple[Cluster, list[Difference]]:
    """Return the cluster and the differences, those that are left if they are applied."""
    cluster = await read_cluster(connection, topics.known)
    _print_unchecked(topics, targets, cluster)
    found = [*missing(topics, cluster), *differences(topics, targets, cluster)]
    if not is_applied or not (settable := _settable(found)):
        return cluster, found
    applied = set()
    for each, refusal in zip(settable, await apply(connection, settable), strict=True):
        if refusal is None:
            applied.add((each.topic, each.setting))
            print(printable(f"{each.topic}: {each.setting} set to {each.value}"), file=sys.stderr)
        else:
            _print_problem(f"{each.topic}: {each.setting} cannot be set to {each.value}: {refusal}")
    for pause_s in _RETRY_PAUSES_S:
        cluster = await read_cluster(connection, topics.known)
        found = [*missing(topics, cluster), *differences(topics, targets, cluster)]
        if applied.isdisjoint((each.topic, each.setting) for each in found):
            break
        await asyncio.sleep(pause_s)
    return cluster, found


async def _create(
    connection: KafkaConnection, topics: Topics, targets: TopicTargets, *, is_applied: bool, as_json: bool
) -> int:
    cluster = await read_cluster(connection, topics.known)
    existing = {name: state.partitions for name, state in cluster.topics.items()}
    wanted = new_topics(topics, targets, existing)
    refused = 0
    async with admin_client(connection) as admin:
        for name, new in wanted.items():
            if is_applied and (reason := await create_topic(admin, new)):
                _print_problem(f"{name} cannot be created: {reason}")
                refused += 1
            elif as_json:
                row = {"partitions": new.num_partitions, "replicas": new.replication_factor, **new.topic_configs}
                print(json.dumps({"topic": name, "created": is_applied, **row}))
            else:
                configs = ", ".join(f"{setting}={value}" for setting, value in new.topic_configs.items())
                layout = f"partitions={new.num_partitions}, replicas={new.replication_factor}"
                print(printable(f"{'created' if is_applied else 'would create'} {name}: {layout}, {configs}"))
    if not as_json:
        done = "created" if is_applied else "to be created with --apply"
        print(f"{len(wanted) - refused} topics {done}, {len(existing)} exist already")
    return 1 if refused else 0


def _settable(found: Iterable[Difference]) -> Sequence[Difference]:
    return [each for each in found if each.value is not None]


def _document(each: Difference) -> dict[str, str | None]:
    return {
        "topic": each.topic,
        "setting": each.setting,
        "is": each.present,
        "should_be": each.wanted,
        "severity": each.severity,
        "why": each.why,
        "set_to": each.value,
    }


def _print_unchecked(topics: Topics, targets: TopicTargets, cluster: Cluster) -> None:
    if cluster.hidden:
        names = ", ".join(cluster.hidden)
        _print_problem(f"{names}: not checked: this user has no right to DescribeConfigs")
    names_by_setting: defaultdict[str, list[str]] = defaultdict(list)
    for name, setting in unreadable(topics, targets, cluster):
        names_by_setting[setting].append(name)
    for setting, same in names_by_setting.items():
        _print_problem(f"{', '.join(same)}: {setting} is not checked: this cluster does not show it")


def _print_problem(message: str) -> None:
    print(printable(f"sop: {message}"), file=sys.stderr)
