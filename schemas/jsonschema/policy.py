"""The JSON Schema of a policy document (contracts.md, "Policy"), for editors and for checks outside this project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from schemas.codec.canonical_json import JsonValue
from schemas.codec.schema_ids import SchemaIds
from schemas.durations import DURATION_PATTERN, duration_text
from schemas.jsonschema.messages import head
from schemas.jsonschema.parts import INSTANT, JsonObject, folded
from schemas.policy.document import PolicyFormat
from schemas.policy.model import DURATION, Key, Section

_DURATION: Final[JsonObject] = {
    "anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, {"type": "integer", "minimum": 0}]
}


def policy_schema(policies: PolicyFormat, ids: SchemaIds) -> JsonObject:
    """Return the schema of a policy document, with the meaning, unit, bounds and default of every key."""
    _, components = msgspec.json.schema_components(policies.sections.values())
    tables: JsonObject = {
        table: _table(section, components[section.__name__]["properties"], policies.keys)
        for table, section in policies.sections.items()
    }
    label: JsonObject = {"type": "string", "pattern": r"\S", "description": "The name of the policy in decisions."}
    effective_from: JsonObject = {**INSTANT, "description": "When it takes effect; without it, it always was."}
    return {
        **head("policy", ids, "in"),
        "title": "Policy",
        "description": "One version of the policy: every key with its meaning, bounds and default.",
        "type": "object",
        "properties": {"label": label, "effective_from": effective_from, **tables},
        "required": ["label"],
        "additionalProperties": False,
    }


def _table(section: type[Section], schemas: Mapping[str, JsonObject], keys: Mapping[str, Key]) -> JsonObject:
    defaults: Mapping[str, JsonValue] = msgspec.to_builtins(section())
    properties: JsonObject = {
        name: _field(keys[f"{section.table()}.{name}"], schema, defaults[name]) for name, schema in schemas.items()
    }
    return {
        "title": section.__name__,
        "description": folded(section.__doc__),
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _field(key: Key, schema: JsonObject, default: JsonValue) -> JsonObject:
    description = f"{key.note[:1].upper()}{key.note[1:]} ({', '.join([key.unit, *key.clauses])})."
    if key.unit == DURATION and isinstance(default, int):
        return {"description": description, **_DURATION, "default": duration_text(default)}
    bounds: JsonObject = {}
    if key.bounds is not None:
        bounds["exclusiveMinimum" if key.bounds.is_above else "minimum"] = key.bounds.low
        if key.bounds.high is not None:
            bounds["maximum"] = key.bounds.high
    return {**schema, "description": description, **bounds, "default": default}
