"""JSON Schemas (2020-12) of every message and of a policy, made from the tables and types that the code itself uses."""

from __future__ import annotations

import sys
from typing import Final, TypeAlias

import msgspec

from schemas.codec.canonical_json import JsonValue
from schemas.codec.encoder import DEAD_LETTER_TYPE
from schemas.codec.fields import (
    FIELDS,
    MONEY,
    Boolean,
    Choice,
    Field,
    FullDate,
    Integer,
    Kind,
    Number,
    Object,
    Pattern,
    Text,
)
from schemas.codec.limits import Limits
from schemas.events import EVENT_TYPES
from schemas.jsonschema.ids import schema_id
from schemas.outputs import ActionMessage, AlertMessage, DeadLetter, DecisionMessage
from schemas.topics import DECISIONS

JsonObject: TypeAlias = dict[str, JsonValue]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
INSTANT_SCHEMA: Final[JsonObject] = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$",
}

_IN_THE_ENVELOPE: Final = ("type", "body", "inputs", "subject", "time")
_NOT_BLANK: Final = r"\S"
_FULL_DATE_PATTERN: Final = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"


def message_schemas() -> dict[str, JsonObject]:
    """Return the schema of the data of every message type, by type; and that of the envelope, by "envelope"."""
    limits = Limits()
    schemas = {"envelope": envelope_schema(limits)}
    for name, fields in FIELDS.items():
        schemas[name] = {**titled(name, EVENT_TYPES[name].__doc__), **_object(fields, limits)}
    for kind in DECISIONS:
        data = _message(DecisionMessage, always=("reasons", "clauses", "evidence"), kind=kind)
        schemas[f"decision.{kind}"] = {**titled(f"decision.{kind}", DecisionMessage.__doc__), **data}
    schemas["action"] = {**titled("action", ActionMessage.__doc__), **_message(ActionMessage, always=("params",))}
    schemas["alert"] = {**titled("alert", AlertMessage.__doc__), **_message(AlertMessage)}
    schemas[DEAD_LETTER_TYPE] = {**titled(DEAD_LETTER_TYPE, DeadLetter.__doc__), **_dead_letter()}
    return schemas


def envelope_schema(limits: Limits) -> JsonObject:
    """Return the schema of the CloudEvents envelope that all messages share."""
    name = _text(Text(), limits)
    return {
        **titled("envelope", "A CloudEvent in structured JSON."),
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": name,
            "source": {**_text(Text(limit="url"), limits), "format": "uri-reference"},
            "type": name,
            "subject": name,
            "time": INSTANT_SCHEMA,
            "datacontenttype": {"type": ["string", "null"]},
            "dataschema": {"type": "string"},
            "inputs": {"type": "string"},
            "data": {"type": "object"},
        },
        "required": ["specversion", "id", "source", "type", "data"],
    }


def titled(name: str, description: str | None) -> JsonObject:
    """Return what every published schema begins with."""
    return {
        "$schema": DIALECT,
        "$id": schema_id(name),
        "title": name,
        "description": " ".join((description or "").split()),
    }


def _object(fields: tuple[Field, ...], limits: Limits) -> JsonObject:
    """Return the schema of an object with fields of the table; what the table does not name is allowed."""
    properties: JsonObject = {}
    for field in fields:
        schema = _kind(field.kind, limits)
        properties[field.name] = schema if field.required else {"anyOf": [schema, {"type": "null"}]}
    return {
        "type": "object",
        "properties": properties,
        "required": [field.name for field in fields if field.required],
    }


def _kind(kind: Kind, limits: Limits) -> JsonObject:
    match kind:
        case Text():
            return _text(kind, limits)
        case Pattern():
            return {"type": "string", "pattern": kind.expression}
        case FullDate():
            return {"type": "string", "format": "date", "pattern": _FULL_DATE_PATTERN}
        case Choice():
            return {"enum": list(kind.values)}
        case Boolean():
            return {"type": "boolean"}
        case Number():
            most = sys.float_info.max if kind.high is None else kind.high
            return {"type": "number", "minimum": kind.low, "maximum": most}
        case Integer():
            return {"type": "integer", "minimum": kind.low, "maximum": kind.high}
        case Object():
            return _object(kind.fields, limits)


def _text(kind: Text, limits: Limits) -> JsonObject:
    most = {"name": limits.name_chars, "url": limits.url_chars, "value": limits.value_bytes}[kind.limit]
    if kind.blank == "refused":
        return {"type": "string", "pattern": _NOT_BLANK, "maxLength": most}
    return {"type": "string", "maxLength": most}


def _message(message: type[msgspec.Struct], *, always: tuple[str, ...] = (), **constants: str) -> JsonObject:
    """Return the schema of the data of a message struct: its own members and those of its body as one object.

    `always` names members with a default that are written all the same, `constants` those with one value.
    """
    _, components = msgspec.json.schema_components([message])
    own, body = components[message.__name__], components[message.__name__.replace("Message", "Body")]
    properties: JsonObject = {
        name: {"const": constants[name]} if name in constants else _as_written(name, schema)
        for name, schema in {**own["properties"], **body["properties"]}.items()
        if name not in _IN_THE_ENVELOPE
    }
    required = {*own["required"], *body["required"], *always}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name in required],
    }


def _as_written(name: str, schema: JsonObject) -> JsonObject:
    """Return the schema of a member as JSON has it: instants are text, and what is None by default is absent."""
    if name in {"effective_at", "due_at", "starts_at", "ends_at"}:
        return INSTANT_SCHEMA
    if name == "proven_amount":
        return _object(MONEY.fields, Limits())
    if "default" in schema and schema["default"] is None:
        return {"type": "string"}
    return {key: value for key, value in schema.items() if key != "default"}


def _dead_letter() -> JsonObject:
    _, components = msgspec.json.schema_components([DeadLetter])
    properties: JsonObject = {**components["DeadLetter"]["properties"]}
    base64: JsonObject = {"type": "string", "contentEncoding": "base64"}
    name_and_value: JsonObject = {"type": "array", "items": {"type": ["string", "null"]}, "minItems": 2, "maxItems": 2}
    headers: JsonObject = {"type": "array", "items": name_and_value}
    value_bytes: JsonObject = {
        "type": "integer",
        "minimum": 0,
        "description": "How many bytes the value of the record has. Only a letter that is cut says so: the record is "
        "too large for it, so value and key have their first 1,024 bytes, and headers are left out.",
    }
    return {
        "type": "object",
        "properties": {**properties, "key": base64, "headers": headers, "value_bytes": value_bytes},
        "required": components["DeadLetter"]["required"],
    }
