"""The JSON Schema of a policy document: for editors, and for checks outside of this project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import structs

from schemas.codec.canonical_json import JsonValue
from schemas.durations import DURATION_PATTERN, duration_text
from schemas.jsonschema.messages import INSTANT_SCHEMA, JsonObject, titled
from schemas.policy.keys import KEY_NOTES
from schemas.policy.model import Policy
from schemas.policy.validation import RANGES, duration_keys

_DURATION: Final[JsonObject] = {
    "anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, {"type": "integer", "minimum": 0}]
}


def policy_schema() -> JsonObject:
    """Return the schema of a policy document, with the note, the bounds and the default of every key."""
    (_,), components = msgspec.json.schema_components([Policy])
    tables: JsonObject = {
        name: _table(name, components[type(group).__name__]["properties"], msgspec.to_builtins(group))
        for name, group in structs.asdict(Policy()).items()
        if isinstance(group, msgspec.Struct)
    }
    return {
        **titled("policy", "One version of the policy: every key with its meaning, bounds and default."),
        "type": "object",
        "properties": {"label": {"type": "string", "pattern": r"\S"}, "effective_from": INSTANT_SCHEMA, **tables},
        "required": ["label"],
        "additionalProperties": False,
    }


def _table(group: str, schemas: Mapping[str, JsonObject], defaults: Mapping[str, JsonValue]) -> JsonObject:
    properties: JsonObject = {
        name: _field(f"{group}.{name}", schema, defaults[name]) for name, schema in schemas.items()
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _field(key: str, schema: JsonObject, default: JsonValue) -> JsonObject:
    if key in duration_keys() and isinstance(default, int):
        return {**_DURATION, "description": KEY_NOTES[key], "default": duration_text(default)}
    bounds: JsonObject = {}
    if limits := RANGES.get(key):
        bounds["exclusiveMinimum" if limits.above else "minimum"] = limits.low
        if limits.high is not None:
            bounds["maximum"] = limits.high
    return {**schema, **bounds, "description": KEY_NOTES[key], "default": default}
