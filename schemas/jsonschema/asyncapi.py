"""The AsyncAPI 3 document of all topics (contracts.md, "Topics"); it refers to the schema files beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from schemas.codec.canonical_json import JsonValue
from schemas.codec.encoder import ACT_TYPE, CONTENT_TYPE, DEAD_LETTER_TYPE
from schemas.codec.schema_ids import SCHEMA_VERSION, schema_file
from schemas.jsonschema.brokers import SECURITY_SCHEMES, SERVERS
from schemas.jsonschema.examples import Examples
from schemas.jsonschema.messages import message_name
from schemas.jsonschema.parts import JsonObject
from schemas.topics import ACTIONS, ACTS, ALERTS, DEAD_LETTERS, INPUTS, LATEST, LOCATIONS, TOPIC_OF_TYPE, decision_topic

BINDING: Final = "0.5.0"
PARTITIONS: Final = 4
"""How many partitions a topic has by default; all topics have the same number."""

_BINARY: Final = ".binary"
_CASE_KEY: Final = "The case id."
_PARTITIONER: Final = "murmur2"


class Channel(Struct, frozen=True):
    """A topic, as the document describes it."""

    topic: str
    types: tuple[str, ...]
    is_input: bool
    description: str
    key: str = _CASE_KEY
    cleanup: Literal["delete", "compact"] = "delete"
    role: Literal["worker", "console"] = "worker"
    """What of sop-streams sends an output, or receives an input."""
    suffix: str = ""
    """What the names of its messages end in; those of another topic differ in their key."""

    def names(self) -> dict[str, str]:
        """Return the types of its messages by the names of the messages."""
        return {name + self.suffix: name for name in self.types}


def asyncapi_document(kinds: Iterable[str], examples: Examples) -> JsonObject:
    """Return the AsyncAPI 3.0.0 document for some kinds of decision, with the examples of their messages."""
    channels = _channels(tuple(kinds))
    messages: JsonObject = {}
    for channel in channels:
        for name, message_type in channel.names().items():
            messages[name] = _structured(name, message_type, channel, examples.get(message_type))
            if channel.is_input:
                messages[name + _BINARY] = _binary(message_type, channel, examples.get(message_type))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "sop-streams",
            "version": f"{SCHEMA_VERSION}.0",
            "description": "Events about home-service cases in, decisions, actions and alerts out. Operations tagged "
            "`worker` are those of sop-streams itself; `producer` and `consumer` are the programs around it.",
            "license": {"name": "Apache-2.0"},
            "tags": [{"name": name, "description": text} for name, text in _ROLES.items()],
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": SERVERS,
        "channels": {channel.topic: _channel(channel) for channel in channels},
        "operations": dict(_operations(channels)),
        "components": {
            "messages": messages,
            "parameters": {"prefix": {"description": "What every topic name begins with.", "default": ""}},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


_ROLES: Final = {
    "worker": "What a worker of sop-streams does.",
    "console": "What the console of sop-streams does.",
    "producer": "What a program that reports events does.",
    "consumer": "What a program that follows decisions does.",
}


def _channels(kinds: tuple[str, ...]) -> list[Channel]:
    decisions = {kind: f"decision.{kind}" for kind in kinds}
    inputs = [
        Channel(
            topic,
            tuple(name for name, of in TOPIC_OF_TYPE.items() if of == topic),
            is_input=True,
            description="Location reports." if topic == LOCATIONS else f"Events of {topic}.",
            key="The partner id." if topic == LOCATIONS else _CASE_KEY,
        )
        for topic in INPUTS
    ]
    return [
        *inputs,
        *(
            Channel(decision_topic(kind), (name,), is_input=False, description=f"All revisions of {name}.")
            for kind, name in decisions.items()
        ),
        Channel(
            LATEST,
            tuple(decisions.values()),
            is_input=False,
            description="The last revision of every decision, as on its own topic.",
            key="The decision_key of the decision. The partition is that of the case.",
            cleanup="compact",
            suffix=".latest",
        ),
        *_OTHERS,
    ]


_OTHERS: Final = (
    Channel(ACTIONS, ("action",), is_input=False, description="Next steps for the desk, in all their states."),
    Channel(ALERTS, ("alert",), is_input=False, description="Alerts for operations.", key="The alert id."),
    Channel(
        DEAD_LETTERS,
        (DEAD_LETTER_TYPE,),
        is_input=False,
        description="Records that were refused, with the reason.",
        key="The key of the refused record.",
    ),
    Channel(
        ACTS,
        (ACT_TYPE,),
        is_input=False,
        description="What people did in the console, each act written before it was done.",
        key="The subject of the act.",
        role="console",
    ),
)


def _names(channel: Channel) -> list[str]:
    """Return the names of the messages of a channel; an input may be in binary content mode too."""
    return [*channel.names(), *(name + _BINARY for name in channel.types if channel.is_input)]


def _channel(channel: Channel) -> JsonObject:
    topic_configuration: JsonObject = {"cleanup.policy": [channel.cleanup]}
    return {
        "address": f"{{prefix}}{channel.topic}",
        "description": channel.description,
        "parameters": {"prefix": {"$ref": "#/components/parameters/prefix"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(channel)},
        "bindings": {
            "kafka": {
                "partitions": PARTITIONS,
                "topicConfiguration": topic_configuration,
                "x-partitioner": _PARTITIONER,
                "bindingVersion": BINDING,
            }
        },
    }


def _operations(channels: Iterable[Channel]) -> Iterable[tuple[str, JsonObject]]:
    """Yield the operations on every channel: of the worker, and of the program at its other end."""
    for channel in channels:
        if channel.is_input:
            yield f"worker.receive.{channel.topic}", _operation("receive", "worker", channel)
            yield f"producer.send.{channel.topic}", _operation("send", "producer", channel)
        else:
            yield f"{channel.role}.send.{channel.topic}", _operation("send", channel.role, channel)
            yield f"consumer.receive.{channel.topic}", _operation("receive", "consumer", channel)


def _operation(action: Literal["send", "receive"], role: str, channel: Channel) -> JsonObject:
    group: Mapping[str, JsonValue] = {
        "worker": {"type": "string", "default": "sop-streams", "description": "One group for all workers."},
        "consumer": {"type": "string", "description": "A group of the consumer's own; it reads `read_committed`."},
    }
    bindings: JsonObject = {"kafka": {"groupId": group[role], "bindingVersion": BINDING}} if action == "receive" else {}
    return {
        "action": action,
        "title": f"{role}: {action} {channel.topic}",
        "summary": channel.description,
        "channel": {"$ref": f"#/channels/{channel.topic}"},
        "messages": [{"$ref": f"#/channels/{channel.topic}/messages/{name}"} for name in _names(channel)],
        "tags": [{"name": role}],
        **({"bindings": bindings} if bindings else {}),
    }


def _structured(name: str, message_type: str, channel: Channel, example: JsonObject | None) -> JsonObject:
    """Return a message whose value is the whole CloudEvent."""
    headers: JsonObject = {"content-type": {"type": "string", "const": CONTENT_TYPE}}
    if channel.is_input:
        headers = {"content-type": {"type": "string", "pattern": "^application/cloudevents"}}
    return {
        **_message(name, channel),
        "contentType": CONTENT_TYPE,
        "headers": {"type": "object", "properties": headers, **({} if channel.is_input else {"required": [*headers]})},
        "payload": {"$ref": f"./{schema_file(message_name(message_type))}"},
        **_example({"content-type": CONTENT_TYPE}, example),
    }


def _binary(name: str, channel: Channel, example: JsonObject | None) -> JsonObject:
    """Return a message whose value is the data alone; the attributes of the CloudEvent are headers."""
    text: JsonObject = {"type": "string", "minLength": 1}
    attributes: JsonObject = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": text,
        "ce_source": text,
        "ce_type": {"type": "string", "const": name},
        "ce_subject": text,
        "ce_time": {"type": "string", "format": "date-time"},
    }
    headers: JsonObject = {"content-type": {"type": "string"}, **attributes}
    given: JsonObject = {} if example is None else {each: example[each.removeprefix("ce_")] for each in attributes}
    return {
        **_message(name + _BINARY, channel),
        "contentType": "application/json",
        "headers": {"type": "object", "properties": headers, "required": [*attributes]},
        "payload": {"$ref": f"./{schema_file(name)}"},
        **_example({"content-type": "application/json", **given}, example and example["data"]),
    }


def _message(name: str, channel: Channel) -> JsonObject:
    key: JsonObject = {"type": "string", "description": channel.key}
    return {"name": name, "title": name, "bindings": {"kafka": {"key": key, "bindingVersion": BINDING}}}


def _example(headers: JsonObject, payload: JsonValue) -> JsonObject:
    return {} if payload is None else {"examples": [{"headers": headers, "payload": payload}]}
