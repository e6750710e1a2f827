"""Topics and users as resources of Strimzi, which runs Kafka on Kubernetes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from schemas.topics import Topics
from streams.kafka.rights import Right
from streams.kafka.topic_setup import TopicTargets, new_configs, topic_table

API_VERSION: Final = "kafka.strimzi.io/v1"
CLUSTER_LABEL: Final = "strimzi.io/cluster"
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
_OTHER_TYPES: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""What YAML does not take for text, unless it is in quotes."""
_RESOURCE_TYPES: Final = {"transactional-id": "transactionalId"}


def topic_manifests(topics: Topics, targets: TopicTargets, cluster: str) -> Iterator[dict[str, Any]]:
    """Yield a KafkaTopic for each topic, set up as workers create it."""
    for name, setup in topic_table(topics).items():
        spec = {
            "topicName": name,
            "partitions": setup.partitions or targets.partitions,
            "replicas": targets.replicas,
            "config": new_configs(setup, targets),
        }
        yield _resource("KafkaTopic", name, cluster, spec)


def user_manifest(name: str, granted: list[Right], cluster: str) -> dict[str, Any]:
    """Return the KafkaUser of a program, with a password that Strimzi makes."""
    acls = [
        {
            "resource": {
                "type": _RESOURCE_TYPES.get(right.resource, right.resource),
                "name": right.name,
                "patternType": "prefix" if right.is_prefix else "literal",
            },
            "operations": list(right.operations),
        }
        for right in granted
    ]
    spec = {"authentication": {"type": "scram-sha-512"}, "authorization": {"type": "simple", "acls": acls}}
    return _resource("KafkaUser", name, cluster, spec)


def _resource(kind: str, name: str, cluster: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "labels": {CLUSTER_LABEL: cluster}}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def as_yaml(document: dict[str, Any]) -> str:
    """Return a document in YAML, with `---` before it; texts that another type could be taken for are in quotes."""
    return "---\n" + "".join(_lines(document, ""))


def _lines(value: Any, indent: str) -> Iterator[str]:
    """Yield the lines of a mapping."""
    for name, member in value.items():
        if isinstance(member, dict):
            yield f"{indent}{name}:\n"
            yield from _lines(member, indent + "  ")
        elif isinstance(member, list) and member and isinstance(member[0], dict):
            yield f"{indent}{name}:\n"
            for each in member:
                first, *others = _lines(each, indent + "    ")
                yield f"{indent}  - {first.lstrip()}"
                yield from others
        else:
            yield f"{indent}{name}: {_scalar(member)}\n"


def _scalar(value: Any) -> str:
    is_plain = isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _OTHER_TYPES
    return str(value) if is_plain else json.dumps(value)
