"""The published contract as files: JSON Schemas, and one AsyncAPI 3 document of all topics that refers to them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import orjson

from schemas.jsonschema.ids import SCHEMA_VERSION
from schemas.jsonschema.messages import JsonObject, message_schemas
from schemas.jsonschema.policy import policy_schema
from schemas.policy.document import PolicyFormat
from schemas.topics import ACTIONS, ALERTS, DEAD_LETTERS, DECISIONS, INPUTS, OUTPUTS, TOPIC_OF_TYPE

CONTENT_TYPE: Final = "application/cloudevents+json"

_KEYS: Final = {
    "locations": "the partner id",
    ALERTS: "the deduplication key: the alert id",
    DEAD_LETTERS: "the key of the record that was refused",
}
_CASE_KEY: Final = "the case id"


def export(directory: Path, policies: PolicyFormat) -> list[Path]:
    """Write every schema and the AsyncAPI document into a directory, made where it is missing; return the paths.

    The same version writes the same bytes. Raises OSError where a file cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    documents = {**message_schemas(), "policy": policy_schema(policies), "asyncapi": asyncapi_document()}
    paths = []
    for name, document in sorted(documents.items()):
        path = directory / f"{name}.json"
        path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        paths.append(path)
    return paths


def asyncapi_document() -> JsonObject:
    """Return the AsyncAPI 3.0.0 document; it refers to the schemas as files beside it."""
    topics = (*INPUTS, *OUTPUTS)
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
        "channels": {topic: _channel(topic) for topic in topics},
        "operations": {topic: _operation(topic) for topic in topics},
        "components": {"messages": {name: _message(name) for topic in topics for name in _types(topic)}},
    }


def _types(topic: str) -> Iterable[str]:
    """Return the message types of a topic."""
    if topic in INPUTS:
        return [name for name, of in TOPIC_OF_TYPE.items() if of == topic]
    kinds = [f"decision.{kind}" for kind, of in DECISIONS.items() if of == topic]
    return kinds or [{ACTIONS: "action", ALERTS: "alert", DEAD_LETTERS: "dead-letter"}[topic]]


def _channel(topic: str) -> JsonObject:
    return {
        "address": topic,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _types(topic)},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
    }


def _operation(topic: str) -> JsonObject:
    """Return what the product does with a topic: it receives its inputs and sends its outputs."""
    return {
        "action": "receive" if topic in INPUTS else "send",
        "channel": {"$ref": f"#/channels/{topic}"},
        "messages": [{"$ref": f"#/channels/{topic}/messages/{name}"} for name in _types(topic)],
    }


def _message(name: str) -> JsonObject:
    topic = next(topic for topic in (*INPUTS, *OUTPUTS) if name in _types(topic))
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
