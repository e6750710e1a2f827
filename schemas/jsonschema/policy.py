"""The JSON Schema of a policy document (contracts.md, "Policy"), for editors and for checks outside this project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from schemas.codec.canonical_json import JsonValue
from schemas.durations import DURATION_PATTERN, duration_text
from schemas.jsonschema.messages import INSTANT_SCHEMA, JsonObject, titled
from schemas.policy.document import PolicyFormat
from schemas.policy.model import DURATION, Key

_DURATION: Final[JsonObject] = {
    "anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, {"type": "integer", "minimum": 0}]
}


def policy_schema(policies: PolicyFormat) -> JsonObject:
    """Return the schema of a policy document, with the meaning, bounds and default of every key."""
    _, components = msgspec.json.schema_components(policies.sections.values())
    tables: JsonObject = {
        table: _table(table, components[section.__name__]["properties"], msgspec.to_builtins(section()), policies.keys)
        for table, section in policies.sections.items()
    }
    return {
        **titled("policy", "One version of the policy: every key with its meaning, bounds and default."),
        "type": "object",
        "properties": {"label": {"type": "string", "pattern": r"\S"}, "effective_from": INSTANT_SCHEMA, **tables},
        "required": ["label"],
        "additionalProperties": False,
    }


def _table(
    table: str, schemas: Mapping[str, JsonObject], defaults: Mapping[str, JsonValue], keys: Mapping[str, Key]
) -> JsonObject:
    properties: JsonObject = {
        name: _field(keys[f"{table}.{name}"], schema, defaults[name]) for name, schema in schemas.items()
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _field(key: Key, schema: JsonObject, default: JsonValue) -> JsonObject:
    if key.unit == DURATION and isinstance(default, int):
        return {**_DURATION, "description": key.text, "default": duration_text(default)}
    bounds: JsonObject = {}
    if key.bounds is not None:
        bounds["exclusiveMinimum" if key.bounds.is_above else "minimum"] = key.bounds.low
        if key.bounds.high is not None:
            bounds["maximum"] = key.bounds.high
    return {**schema, **bounds, "description": key.text, "default": default}
