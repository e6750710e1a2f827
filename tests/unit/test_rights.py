"""The table of rights covers what a worker touches, and what is printed of it grants just that."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from agents.sops import catalogue
from sop.commands.topics import command
from streams.kafka.manifests import as_yaml, user_manifest
from streams.kafka.rights import ROLES, Right, rights
from streams.kafka.topic_setup import topic_table

OPERATIONS = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
TOPICS = catalogue.topics("p.")


def printed(*arguments: str, **settings: str) -> str:
    environment = {"SOP_TOPIC_PREFIX": "p.", "SOP_GROUP": "g", **settings}
    result = CliRunner().invoke(command, arguments, env=environment, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_a_worker_has_a_right_to_every_topic_and_to_nothing_else() -> None:
    found = rights("worker", TOPICS, "g", "p.g")
    assert [right.name for right in found if right.resource == "topic"] == list(TOPICS.known)
    audit = {TOPICS.acts, TOPICS.checkpoints}
    assert {right.operations for right in found if right.name in audit} == {("Describe", "DescribeConfigs")}
    assert [right for right in found if right.resource != "topic"] == [
        Right("group", "g", ("Read",)),
        Right("transactional-id", "p.g", ("Write",), is_prefix=True),
    ]
    written = {right.name for right in found if right.resource == "topic" and "Write" in right.operations}
    assert written == set(TOPICS.written)
    assert written.isdisjoint(TOPICS.inputs)


def test_an_archive_reads_what_it_keeps_and_writes_checkpoints_alone() -> None:
    found = rights("archive", TOPICS, "g", "p.g")
    assert [right.name for right in found if right.operations == ("Read",)] == list(TOPICS.archived)
    assert [right for right in found if right.operations != ("Read",)] == [
        Right("topic", "p.audit.checkpoints", ("Write",))
    ]


@pytest.mark.parametrize("role", ["alert-forwarder", "autoscaler", "analyst", "reader", "witness"])
def test_whoever_only_reads_may_write_nothing(role: str) -> None:
    (found,) = (rights(each, TOPICS, "g", "p.g") for each in ROLES if each == role)
    assert {operation for right in found for operation in right.operations} <= {"Read", "Describe"}


def test_an_erasure_writes_facts_and_the_act_and_reads_what_has_links() -> None:
    found = rights("eraser", TOPICS, "g", "p.g")
    assert {each.name for each in found if "Write" in each.operations} == {"p.jobs", "p.locations", "p.audit.acts"}
    assert {each.name for each in found if "Read" in each.operations} == {*TOPICS.inputs, TOPICS.cases}


def test_a_redrive_reopens_cases_and_writes_to_inputs() -> None:
    found = rights("redriver", TOPICS, "g", "p.g")
    assert {each.name for each in found if each.operations == ("Read",)} == {TOPICS.dead_letters, TOPICS.progress}
    assert {each.name for each in found if each.operations == ("Write",)} == {*TOPICS.inputs, TOPICS.cases}


def test_a_command_grants_each_right() -> None:
    lines = printed("acls", "worker", "--principal", "User:CN=worker 1").splitlines()
    assert len(lines) == len(rights("worker", TOPICS, "g", "p.g"))
    words = shlex.split(lines[-1])
    assert words[:6] == ["kafka-acls.sh", "--bootstrap-server", "$BOOTSTRAP", "--command-config", "$ADMIN", "--add"]
    assert words[6:] == [
        *("--allow-principal", "User:CN=worker 1", "--operation", "Write"),
        *("--transactional-id", "p.g", "--resource-pattern-type", "prefixed"),
    ]


def test_the_principal_is_the_program_by_default() -> None:
    (line,) = printed("acls", "alert-forwarder").splitlines()
    assert "--allow-principal User:sop-alert-forwarder --operation Read --topic p.alerts" in line


def test_manifests_are_yaml() -> None:
    topics = list(YAML(typ="safe").load_all(printed("manifests", "topics", "--cluster", "main", SOP_PARTITIONS="6")))
    assert [each["spec"]["topicName"] for each in topics] == list(topic_table(TOPICS))
    counts = {each["spec"]["topicName"]: each["spec"]["partitions"] for each in topics}
    assert counts == {name: 1 if name == TOPICS.policies else 6 for name in topic_table(TOPICS)}
    assert {each["metadata"]["labels"]["strimzi.io/cluster"] for each in topics} == {"main"}
    users = list(YAML(typ="safe").load_all(printed("manifests", "users")))
    assert [each["metadata"]["name"] for each in users] == [f"sop-{role}" for role in ROLES]
    (transactional,) = (acl for acl in users[0]["spec"]["authorization"]["acls"] if "Id" in acl["resource"]["type"])
    assert transactional == {
        "resource": {"type": "transactionalId", "name": "p.g", "patternType": "prefix"},
        "operations": ["Write"],
    }


@pytest.mark.parametrize("name", ["yes", "Null", "1e3", "a: b", "a #b", "*", "p.", "-", "ü", ""])
def test_a_name_stays_the_text_that_it_is(name: str) -> None:
    manifest = user_manifest(name, [Right("group", name, ("Read",))], name)
    assert YAML(typ="safe").load(as_yaml(manifest)) == manifest


def test_the_operations_page_names_every_program() -> None:
    for role, whose in ROLES.items():
        assert f"| `{role}` | {whose} |" in OPERATIONS
