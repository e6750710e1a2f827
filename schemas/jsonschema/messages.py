"""JSON Schemas (2020-12) of every message, two for each type: of the whole message, and of its `data` alone.

Each document stands alone: it has all that it refers to in its `$defs`.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from msgspec import Struct

from schemas.codec.encoder import ACT_TYPE, DEAD_LETTER_TYPE, SOURCES
from schemas.codec.limits import Limits
from schemas.codec.schema_ids import SchemaIds
from schemas.fields import Text
from schemas.jsonschema.events import event_schemas, text_schema, value_schemas
from schemas.jsonschema.examples import Examples
from schemas.jsonschema.outputs import output_schemas
from schemas.jsonschema.parts import (
    DIALECT,
    DIRECTION,
    INSTANT,
    UTC_INSTANT,
    JsonObject,
    definition_ref,
    nullable,
    with_definitions,
)
from schemas.outputs import DIGEST_PATTERN, OutputVocabulary

Direction: TypeAlias = Literal["in", "out"]

_NON_EMPTY: Final[JsonObject] = {"type": "string", "minLength": 1}
_POSITIONS: Final = r"^[^,\s]+-[0-9]+:[0-9]+(,[^,\s]+-[0-9]+:[0-9]+)*$"


class MessageSchema(Struct, frozen=True):
    """What the schemas of a message type are made from."""

    direction: Direction
    data: JsonObject
    attributes: JsonObject
    """The attributes of its envelope, by name; `type`, `specversion` and `data` come on top."""
    optional: frozenset[str]
    """The attributes that may be absent."""


def message_name(type_name: str) -> str:
    """Return the name of the schema of whole messages of a type; that of their data is the type itself."""
    return f"messages/{type_name}"


def message_schemas(outputs: OutputVocabulary, ids: SchemaIds, examples: Examples) -> dict[str, JsonObject]:
    """Return the schemas of data and of whole messages by name; each has the example of its type, if there is one."""
    limits = Limits()
    values = value_schemas(limits)
    documents: dict[str, JsonObject] = {}
    for name, each in _types(outputs, limits).items():
        title, example = str(each.data["title"]), examples.get(name)
        documents[name] = {
            **head(name, ids, each.direction),
            **with_definitions(each.data, values),
            **({} if example is None else {"examples": [example["data"]]}),
        }
        documents[message_name(name)] = {
            **head(message_name(name), ids, each.direction),
            **with_definitions(_message(name, title, each), {**values, title: each.data}),
            **({} if example is None else {"examples": [example]}),
        }
    return documents


def head(name: str, ids: SchemaIds, direction: Direction) -> JsonObject:
    """Return the members that every published schema begins with."""
    return {"$schema": DIALECT, "$id": ids[name], DIRECTION: direction}


def _types(outputs: OutputVocabulary, limits: Limits) -> dict[str, MessageSchema]:
    inbound = _inbound_attributes(limits)
    optional = frozenset({"datacontenttype", "dataschema"})
    types = {name: MessageSchema("in", data, inbound, optional) for name, data in event_schemas(limits).items()}
    for name, data in output_schemas(outputs).items():
        unknown = {"subject", "time", "inputs"} if name == DEAD_LETTER_TYPE else {"inputs"}
        types[name] = MessageSchema("out", data, _outbound_attributes(name), frozenset(unknown))
    return types


def _message(name: str, title: str, message: MessageSchema) -> JsonObject:
    """Return the schema of a CloudEvent of a type."""
    properties: JsonObject = {
        "specversion": {"description": "The version of CloudEvents.", "type": "string", "const": "1.0"},
        "type": {"description": "The type of the message.", "type": "string", "const": name},
        **message.attributes,
        "data": {"description": "What the message says.", **definition_ref(title)},
    }
    return {
        "title": f"{title}Message",
        "description": f"A CloudEvent of the type `{name}` in structured JSON.",
        "type": "object",
        "properties": properties,
        "required": [each for each in properties if each not in message.optional],
    }


def _inbound_attributes(limits: Limits) -> JsonObject:
    name = text_schema(Text(), limits)
    reference = {**text_schema(Text(limit="url_chars"), limits), "format": "uri-reference"}
    return {
        "id": {"description": "Identifies the event, together with its source.", **name},
        "source": {"description": "The program that reports the event.", **reference},
        "subject": {"description": "The case id; of a location report the partner id. The key of the record.", **name},
        "time": {"description": "When it happened: RFC 3339 with an offset, to the microsecond.", **INSTANT},
        "datacontenttype": nullable({"description": "`application/json`; not looked at.", "type": "string"}),
        "dataschema": nullable({"description": "The schema of `data`; not looked at.", "type": "string"}),
    }


def _outbound_attributes(name: str) -> JsonObject:
    family = name.partition(".")[0]
    return {
        "id": {"description": "Identifies the message.", "type": "string", "pattern": DIGEST_PATTERN},
        "source": {"description": "What emits such messages.", "type": "string", "const": SOURCES[family]},
        "subject": {"description": f"{_SUBJECTS.get(family, 'The case id')}.", **_NON_EMPTY},
        "time": {"description": f"{_TIMES[family]}, in UTC.", **UTC_INSTANT},
        "datacontenttype": {"description": "How `data` is written.", "type": "string", "const": "application/json"},
        "dataschema": {"description": "The `$id` of the schema of `data`.", "type": "string", "format": "uri"},
        "inputs": {
            "description": "The last offset read of each input partition when this was decided, as in "
            "`jobs-3:120,tickets-3:88`; absent in a replay.",
            "type": "string",
            "pattern": _POSITIONS,
        },
        **(_DECISION_ATTRIBUTES if family == "decision" else {}),
    }


_DECISION_ATTRIBUTES: Final[JsonObject] = {
    "asof": {"description": "The instant up to which deadlines were taken as passed, in UTC.", **UTC_INSTANT},
}
_SUBJECTS: Final = {
    "alert": "The case id; the partner id of an alert that concerns no case",
    ACT_TYPE: "The case that was looked at, or the cause of the records that are sent again",
    DEAD_LETTER_TYPE: "The key of the refused record, if it is UTF-8 and not empty",
}
_TIMES: Final = {
    "decision": "`effective_at` of the decision",
    "action": "The start of this state",
    ACT_TYPE: "When it was done, by the console's clock",
    "alert": "`starts_at`, or `ends_at` of an alert that is resolved",
    DEAD_LETTER_TYPE: "The timestamp of the refused record, if it has one",
}
