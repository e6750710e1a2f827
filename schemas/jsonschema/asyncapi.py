"""The AsyncAPI 3 document of all topics (contracts.md, "Topics"); it refers to the schema files beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from schemas.codec.canonical_json import JsonValue
from schemas.codec.encoder import ACT_TYPE, CONTENT_TYPE, DEAD_LETTER_TYPE
from schemas.codec.schema_ids import SCHEMA_VERSION, schema_file
from schemas.jsonschema.brokers import SECURITY_SCHEMES, SERVERS
from schemas.jsonschema.examples import Examples
from schemas.jsonschema.messages import message_name
from schemas.jsonschema.parts import JsonObject
from schemas.jsonschema.plain_messages import CHECKPOINT, POLICY, PlainMessage
from schemas.topics import (
    ACTIONS,
    ACTS,
    ALERTS,
    CHECKPOINTS,
    DEAD_LETTERS,
    INPUTS,
    LATEST,
    LOCATIONS,
    POLICIES,
    TOPIC_OF_TYPE,
    decision_topic,
)

BINDING: Final = "0.5.0"
PARTITIONS: Final = 4
"""How many partitions a topic has by default; all topics but that of policies have the same number."""

Role: TypeAlias = Literal["worker", "console", "eraser", "archive", "policy-publisher", "producer", "consumer"]
"""Who sends or receives messages."""

_BINARY: Final = ".binary"
_CASE_KEY: Final = "The case id."
_PARTITIONER: Final = "murmur2"


class Channel(Struct, frozen=True, kw_only=True):
    """A topic, as the document describes it."""

    topic: str
    types: tuple[str, ...] = ()
    """The types of its messages that are CloudEvents."""
    plain: tuple[PlainMessage, ...] = ()
    """Its other messages."""
    description: str
    senders: tuple[Role, ...] = ("worker",)
    receiver: Role = "consumer"
    key: str = _CASE_KEY
    cleanup: Literal["delete", "compact"] = "delete"
    partitions: int = PARTITIONS
    suffix: str = ""
    """What the names of its messages end in; those of another topic differ in their key."""

    @property
    def is_input(self) -> bool:
        """Whether producers send to it, which use either content mode of CloudEvents."""
        return "producer" in self.senders

    def events(self) -> dict[str, str]:
        """Return the types of its CloudEvents by the names of the messages."""
        return {name + self.suffix: name for name in self.types}

    def messages(self, examples: Examples) -> dict[str, JsonObject]:
        """Return its messages by name, with their examples; an input may be in binary content mode too."""
        return {
            **{name: _structured(name, of, self, examples.get(of)) for name, of in self.events().items()},
            **{name + _BINARY: _binary(name, self, examples.get(name)) for name in self.types if self.is_input},
            **{each.name: _plain(each, self) for each in self.plain},
        }


def asyncapi_document(kinds: Iterable[str], examples: Examples) -> JsonObject:
    """Return the AsyncAPI 3.0.0 document for some kinds of decision, with the examples of their messages."""
    channels = _channels(tuple(kinds))
    messages = {channel.topic: channel.messages(examples) for channel in channels}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "sop-streams",
            "version": f"{SCHEMA_VERSION}.0",
            "description": "Events about home-service cases and policies in, decisions, actions and alerts out. "
            "Operations tagged `producer` and `consumer` are those of the programs around sop-streams; the other ones "
            "are its own.",
            "license": {"name": "Apache-2.0"},
            "tags": [{"name": name, "description": text} for name, text in _ROLES.items()],
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": SERVERS,
        "channels": {channel.topic: _channel(channel, messages[channel.topic]) for channel in channels},
        "operations": {
            name: operation for channel in channels for name, operation in _operations(channel, messages[channel.topic])
        },
        "components": {
            "messages": {name: message for each in messages.values() for name, message in each.items()},
            "parameters": {"prefix": {"description": "What every topic name begins with.", "default": ""}},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


_ROLES: Final[Mapping[Role, str]] = {
    "worker": "What a worker of sop-streams does.",
    "console": "What the console of sop-streams does.",
    "eraser": "What `sop erase` does.",
    "archive": "What `sop archive` does.",
    "policy-publisher": "What `sop policy publish` does.",
    "producer": "What a program that reports events does.",
    "consumer": "What a program that follows decisions does.",
}


def _channels(kinds: tuple[str, ...]) -> list[Channel]:
    decisions = {kind: f"decision.{kind}" for kind in kinds}
    inputs = [
        Channel(
            topic=topic,
            types=tuple(name for name, of in TOPIC_OF_TYPE.items() if of == topic),
            description="Location reports." if topic == LOCATIONS else f"Events of {topic}.",
            senders=("producer",),
            receiver="worker",
            key="The partner id." if topic == LOCATIONS else _CASE_KEY,
        )
        for topic in INPUTS
    ]
    return [
        *inputs,
        *(
            Channel(topic=decision_topic(kind), types=(name,), description=f"All revisions of {name}.")
            for kind, name in decisions.items()
        ),
        Channel(
            topic=LATEST,
            types=tuple(decisions.values()),
            description="The last revision of every decision, as on its own topic.",
            key="The decision_key of the decision. The partition is that of the case.",
            cleanup="compact",
            suffix=".latest",
        ),
        *_OTHERS,
    ]


_OTHERS: Final = (
    Channel(topic=ACTIONS, types=("action",), description="Next steps for the desk, in all their states."),
    Channel(topic=ALERTS, types=("alert",), description="Alerts for operations.", key="The alert id."),
    Channel(
        topic=DEAD_LETTERS,
        types=(DEAD_LETTER_TYPE,),
        description="Records that were refused, with the reason.",
        key="The key of the refused record.",
    ),
    Channel(
        topic=POLICIES,
        plain=(POLICY,),
        description="Policy documents, which every worker reads whole and follows.",
        senders=("policy-publisher",),
        receiver="worker",
        key="The label of the policy.",
        cleanup="compact",
        partitions=1,
    ),
    Channel(
        topic=ACTS,
        types=(ACT_TYPE,),
        description="What people did in the console and with `sop erase`, each act written before it was done.",
        senders=("console", "eraser"),
        key="The subject of the act.",
    ),
    Channel(
        topic=CHECKPOINTS,
        plain=(CHECKPOINT,),
        description="What the log of an archive was when it was signed; keep it apart from the archive.",
        senders=("archive",),
        key="The name of the log, which is the first line of the value.",
    ),
)


def _channel(channel: Channel, names: Iterable[str]) -> JsonObject:
    topic_configuration: JsonObject = {"cleanup.policy": [channel.cleanup]}
    return {
        "address": f"{{prefix}}{channel.topic}",
        "description": channel.description,
        "parameters": {"prefix": {"$ref": "#/components/parameters/prefix"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "partitions": channel.partitions,
                "topicConfiguration": topic_configuration,
                "x-partitioner": _PARTITIONER,
                "bindingVersion": BINDING,
            }
        },
    }


def _operations(channel: Channel, names: Iterable[str]) -> Iterator[tuple[str, JsonObject]]:
    """Yield the operations on a channel: of who sends, and of the program at its other end."""
    for sender in channel.senders:
        yield f"{sender}.send.{channel.topic}", _operation("send", sender, channel, names)
    receiver = channel.receiver
    yield f"{receiver}.receive.{channel.topic}", _operation("receive", receiver, channel, names)


def _operation(action: Literal["send", "receive"], role: Role, channel: Channel, names: Iterable[str]) -> JsonObject:
    operation: JsonObject = {
        "action": action,
        "title": f"{role}: {action} {channel.topic}",
        "summary": channel.description,
        "channel": {"$ref": f"#/channels/{channel.topic}"},
        "messages": [{"$ref": f"#/channels/{channel.topic}/messages/{name}"} for name in names],
        "tags": [{"name": role}],
    }
    if action == "receive" and channel.topic != POLICIES:  # workers read those without a group
        operation["bindings"] = {"kafka": {"groupId": {**_GROUPS[role]}, "bindingVersion": BINDING}}
    return operation


_GROUPS: Final[Mapping[Role, JsonObject]] = {
    "worker": {"type": "string", "default": "sop-streams", "description": "One group for all workers."},
    "consumer": {"type": "string", "description": "A group of the consumer's own; it reads `read_committed`."},
}


def _structured(name: str, message_type: str, channel: Channel, example: JsonObject | None) -> JsonObject:
    """Return a message whose value is the whole CloudEvent."""
    headers: JsonObject = {"content-type": {"type": "string", "const": CONTENT_TYPE}}
    if channel.is_input:
        headers = {"content-type": {"type": "string", "pattern": "^application/cloudevents"}}
    return {
        **_message(name, channel.key),
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
        **_message(name + _BINARY, channel.key),
        "contentType": "application/json",
        "headers": {"type": "object", "properties": headers, "required": [*attributes]},
        "payload": {"$ref": f"./{schema_file(name)}"},
        **_example({"content-type": "application/json", **given}, example and example["data"]),
    }


def _plain(message: PlainMessage, channel: Channel) -> JsonObject:
    """Return a message that is no CloudEvent."""
    return {
        **_message(message.name, channel.key),
        "summary": message.summary,
        "contentType": message.content_type,
        "headers": {"type": "object", "properties": message.headers, "required": [*message.required]},
        "payload": message.payload,
        **_example(message.example_headers, message.example),
    }


def _message(name: str, key_description: str) -> JsonObject:
    key: JsonObject = {"type": "string", "description": key_description}
    return {"name": name, "title": name, "bindings": {"kafka": {"key": key, "bindingVersion": BINDING}}}


def _example(headers: JsonObject, payload: JsonValue) -> JsonObject:
    return {} if payload is None else {"examples": [{"headers": headers, "payload": payload}]}
