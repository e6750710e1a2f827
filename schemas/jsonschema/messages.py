"""JSON Schemas (2020-12) of every message, derived from the structs that the codec uses."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec import UNSET, Struct, structs

from schemas.codec.canonical_json import JsonValue
from schemas.codec.encoder import DEAD_LETTER_TYPE, ENVELOPE_FIELDS, schema_id
from schemas.codec.limits import Limits
from schemas.events import EVENT_TYPES, FIELDS, Money
from schemas.fields import Boolean, Choice, Field, FullDate, Integer, Kind, Number, Object, Pattern, Text, fields_of
from schemas.outputs import (
    ActionBody,
    ActionMessage,
    AlertBody,
    AlertMessage,
    DeadLetter,
    DecisionBody,
    DecisionMessage,
    OutputVocabulary,
    instant_fields,
    vocabulary,
)

JsonObject: TypeAlias = dict[str, JsonValue]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
INSTANT_SCHEMA: Final[JsonObject] = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$",
}

_NOT_BLANK: Final = r"\S"
_FULL_DATE_PATTERN: Final = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"


def message_schemas(outputs: OutputVocabulary) -> dict[str, JsonObject]:
    """Return the schema of the `data` of every message type by type, and the schema of the envelope as "envelope"."""
    limits = Limits()
    schemas = {"envelope": envelope_schema(limits)}
    for name, fields in FIELDS.items():
        schemas[name] = {**titled(name, EVENT_TYPES[name].__doc__), **_object(fields, limits)}
    for kind, body in outputs.bodies.items():
        data = _message(DecisionMessage[DecisionBody], body, subject_of=outputs.subjects)
        schemas[f"decision.{kind}"] = {**titled(f"decision.{kind}", body.__doc__), **data}
    action = _message(ActionMessage, ActionBody, code=outputs.action_codes)
    alert = _message(AlertMessage, AlertBody, name=outputs.alert_names)
    schemas["action"] = {**titled("action", ActionMessage.__doc__), **action}
    schemas["alert"] = {**titled("alert", AlertMessage.__doc__), **alert}
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
            "source": {**_text(Text(limit="url_chars"), limits), "format": "uri-reference"},
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
    """Return the members that every published schema begins with; whitespace in the description is folded."""
    return {
        "$schema": DIALECT,
        "$id": schema_id(name),
        "title": name,
        "description": " ".join((description or "").split()),
    }


def _object(fields: tuple[Field, ...], limits: Limits) -> JsonObject:
    """Return the schema of an object with some fields; it allows other members."""
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
            maximum = sys.float_info.max if kind.high is None else kind.high
            return {"type": "number", "minimum": kind.low, "maximum": maximum}
        case Integer():
            return {"type": "integer", "minimum": kind.low, "maximum": kind.high}
        case Object():
            return _object(kind.fields, limits)


def _text(kind: Text, limits: Limits) -> JsonObject:
    not_blank: JsonObject = {"pattern": _NOT_BLANK} if kind.blank == "invalid" else {}
    return {"type": "string", **not_blank, "maxLength": getattr(limits, kind.limit)}


def _message(message: type[Struct], body: type[Struct], **enums: Sequence[str]) -> JsonObject:
    """Return the schema of the `data` of a message: the members of the message and of its body as one object.

    `enums` lists the values of members that the structs leave open.
    """
    (_, _), components = msgspec.json.schema_components([message, body])
    instants = instant_fields(body)
    has_nulls = issubclass(body, DecisionBody)
    properties: JsonObject = {}
    for struct in (message, body):
        for name, schema in components[_component(struct, components)]["properties"].items():
            if name not in ENVELOPE_FIELDS and name != "type":
                properties[name] = _as_written(schema, is_instant=name in instants, has_nulls=has_nulls)
    for name, values in enums.items():
        properties[name] = {**_as_object(properties[name]), "enum": list(values)}
    if reasons := vocabulary(body, "reasons") if "reasons" in properties else ():
        properties["reasons"] = {
            **_as_object(properties["reasons"]),
            "items": {"type": "string", "enum": list(reasons)},
        }
    optional = {
        field.name
        for field in (*structs.fields(message), *structs.fields(body))
        if (field.default is None and not has_nulls) or field.default is UNSET
    }
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def _component(struct: type[Struct], components: Mapping[str, object]) -> str:
    """Return the name of a struct among the components; the name of a generic struct ends with its parameters."""
    return next(name for name in components if name == struct.__name__ or name.startswith(f"{struct.__name__}_"))


def _as_written(schema: JsonObject, *, is_instant: bool, has_nulls: bool) -> JsonObject:
    """Return the schema of a member as the encoder writes it: instants as text; without nulls, None is absent."""
    described: JsonObject = {"description": schema["description"]} if "description" in schema else {}
    options = schema.get("anyOf")
    if not has_nulls and "default" in schema and schema["default"] is None and isinstance(options, list):
        schema = {**_as_object(options[0]), **described}
    if is_instant:
        return {**INSTANT_SCHEMA, **described}
    if str(schema.get("$ref", "")).endswith("/Money"):
        return {**_object(fields_of(Money), Limits()), **described}
    match schema:
        case {"enum": [value]}:
            return {"const": value, "description": "The kind of decision.", **described}
    return {key: value for key, value in schema.items() if key != "default"}


def _as_object(schema: JsonValue) -> JsonObject:
    """Return a schema that is known to be an object."""
    assert isinstance(schema, dict)
    return schema


def _dead_letter() -> JsonObject:
    _, components = msgspec.json.schema_components([DeadLetter])
    properties: JsonObject = {**components["DeadLetter"]["properties"]}
    base64: JsonObject = {"type": "string", "contentEncoding": "base64"}
    name_and_value: JsonObject = {"type": "array", "items": {"type": ["string", "null"]}, "minItems": 2, "maxItems": 2}
    headers: JsonObject = {"type": "array", "items": name_and_value}
    value_bytes: JsonObject = {
        "type": "integer",
        "minimum": 0,
        "description": "How many bytes the value of the record had. Present only if the record was too large for a "
        "dead letter: value and key then hold their first 1,024 bytes, and headers are left out.",
    }
    return {
        "type": "object",
        "properties": {**properties, "key": base64, "headers": headers, "value_bytes": value_bytes},
        "required": components["DeadLetter"]["required"],
    }
