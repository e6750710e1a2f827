"""JSON Schemas of the data of inbound events, from the structs that the codec checks it against."""

from __future__ import annotations

import sys
from typing import Final

from msgspec import Struct

from schemas.codec.limits import Limits
from schemas.events import EVENT_TYPES, FIELDS, Money, Site
from schemas.fields import Boolean, Choice, Field, FullDate, Integer, Kind, Number, Object, Pattern, Text, fields_of
from schemas.jsonschema.parts import JsonObject, definition_ref, folded, nullable

_NOT_BLANK: Final = r"\S"
_FULL_DATE_PATTERN: Final = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"


def event_schemas(limits: Limits) -> dict[str, JsonObject]:
    """Return the schema of the data of every event type by type; they refer to `value_schemas`."""
    return {name: _object(EVENT_TYPES[name], fields, limits) for name, fields in FIELDS.items()}


def value_schemas(limits: Limits) -> dict[str, JsonObject]:
    """Return the schemas of the objects within data, by name."""
    values: tuple[type[Struct], ...] = (Money, Site)
    return {struct.__name__: _object(struct, fields_of(struct), limits) for struct in values}


def text_schema(kind: Text, limits: Limits) -> JsonObject:
    """Return the schema of a string."""
    not_blank: JsonObject = {"pattern": _NOT_BLANK} if kind.blank == "invalid" else {}
    return {"type": "string", **not_blank, "maxLength": getattr(limits, kind.limit)}


def _object(struct: type[Struct], fields: tuple[Field, ...], limits: Limits) -> JsonObject:
    """Return the schema of an object with some fields; it allows other members."""
    return {
        "title": struct.__name__,
        "description": folded(struct.__doc__),
        "type": "object",
        "properties": {field.name: _field(field, limits) for field in fields},
        "required": [field.name for field in fields if field.required],
    }


def _field(field: Field, limits: Limits) -> JsonObject:
    schema: JsonObject = {"description": field.description, **_kind(field.kind, limits)}
    return schema if field.required else nullable(schema)


def _kind(kind: Kind, limits: Limits) -> JsonObject:
    match kind:
        case Text():
            return text_schema(kind, limits)
        case Pattern():
            return {"type": "string", "pattern": kind.expression}
        case FullDate():
            return {"type": "string", "format": "date", "pattern": _FULL_DATE_PATTERN}
        case Choice():
            return {"type": "string", "enum": list(kind.values)}
        case Boolean():
            return {"type": "boolean"}
        case Number():
            maximum = sys.float_info.max if kind.high is None else kind.high
            return {"type": "number", "minimum": kind.low, "maximum": maximum}
        case Integer():
            return {"type": "integer", "minimum": kind.low, "maximum": kind.high}
        case Object():
            return definition_ref(kind.struct.__name__)
