"""Writes the published contract: JSON Schemas, and an AsyncAPI 3 document of all topics (contracts.md, "Topics")."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import orjson

from schemas.codec.encoder import DEAD_LETTER_TYPE, SCHEMA_VERSION
from schemas.jsonschema.messages import JsonObject, message_schemas
from schemas.jsonschema.policy import policy_schema
from schemas.outputs import OutputVocabulary
from schemas.policy.document import PolicyFormat
from schemas.topics import ACTIONS, ALERTS, DEAD_LETTERS, INPUTS, LOCATIONS, TOPIC_OF_TYPE, decision_topic

CONTENT_TYPE: Final = "application/cloudevents+json"

_KEYS: Final = {
    LOCATIONS: "the partner id",
    ALERTS: "the deduplication key: the alert id",
    DEAD_LETTERS: "the key of the rejected record",
}
_CASE_KEY: Final = "the case id"


def export(directory: Path, outputs: OutputVocabulary, policies: PolicyFormat) -> list[Path]:
    """Write every schema and the AsyncAPI document to a directory, which is created if missing; return the paths.

    Raises OSError if a file cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    documents = {
        **message_schemas(outputs),
        "policy": policy_schema(policies),
        "asyncapi": asyncapi_document(outputs.bodies),
    }
    paths = []
    for name, document in sorted(documents.items()):
        path = directory / f"{name}.json"
        path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        paths.append(path)
    return paths


def asyncapi_document(kinds: Iterable[str]) -> JsonObject:
    """Return the AsyncAPI 3.0.0 document for some kinds of decision; it refers to the schema files beside it."""
    topics = _topics(kinds)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "sop-streams",
            "version": f"{SCHEMA_VERSION}.0.0",
            "description": "Events about home-service cases in, decisions, actions and alerts out. "
            "Every topic may carry a prefix, which is a setting.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {topic: _channel(topic, types) for topic, types in topics.items()},
        "operations": {topic: _operation(topic, types) for topic, types in topics.items()},
        "components": {"messages": {name: _message(name, topic) for topic, types in topics.items() for name in types}},
    }


def _topics(kinds: Iterable[str]) -> dict[str, list[str]]:
    """Return the message types of every topic."""
    topics = {topic: [name for name, of in TOPIC_OF_TYPE.items() if of == topic] for topic in INPUTS}
    topics |= {decision_topic(kind): [f"decision.{kind}"] for kind in kinds}
    return topics | {ACTIONS: ["action"], ALERTS: ["alert"], DEAD_LETTERS: [DEAD_LETTER_TYPE]}


def _channel(topic: str, types: Iterable[str]) -> JsonObject:
    return {
        "address": topic,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in types},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
    }


def _operation(topic: str, types: Iterable[str]) -> JsonObject:
    """Return the operation of the product on a topic: it receives inputs and sends outputs."""
    return {
        "action": "receive" if topic in INPUTS else "send",
        "channel": {"$ref": f"#/channels/{topic}"},
        "messages": [{"$ref": f"#/channels/{topic}/messages/{name}"} for name in types],
    }


def _message(name: str, topic: str) -> JsonObject:
    required = ["id"] if topic == DEAD_LETTERS else ["subject", "time"]
    narrowed: JsonObject = {
        "type": "object",
        "properties": {"type": {"const": name}, "data": {"$ref": f"./{name}.json"}},
        "required": required,
    }
    key: JsonObject = {"type": "string", "description": _KEYS.get(topic, _CASE_KEY)}
    return {
        "name": name,
        "title": name,
        "contentType": CONTENT_TYPE,
        "payload": {"allOf": [{"$ref": "./envelope.json"}, narrowed]},
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}},
    }
