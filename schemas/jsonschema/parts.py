"""Parts of JSON Schemas (2020-12) that several documents share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from schemas.codec.canonical_json import JsonValue

JsonObject: TypeAlias = dict[str, JsonValue]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
INSTANT: Final[JsonObject] = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$",
}
"""An instant as producers may write it."""
UTC_INSTANT: Final[JsonObject] = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$",
}
"""An instant as outputs have it."""
KNOWN_VALUES: Final = "x-known-values"
"""The keyword that lists the values of an open vocabulary; a later version may add to them."""
DIRECTION: Final = "x-direction"
"""The keyword that says whether producers write such a document (`in`) or consumers read it (`out`)."""

_DEFINITIONS: Final = "#/$defs/"


def as_object(schema: JsonValue) -> JsonObject:
    """Return a value that is known to be an object."""
    assert isinstance(schema, dict)
    return schema


def folded(text: str | None) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join((text or "").split("\n\n")[0].split())


def known_values(schema: JsonObject, values: Iterable[str]) -> JsonObject:
    """Return the schema of a string, or of a list of strings, with the known values of its open vocabulary."""
    items = schema.get("items")
    if isinstance(items, dict):
        return {**schema, "items": known_values({**items}, values)}
    listed = list(values)
    return {**schema, "examples": listed, KNOWN_VALUES: listed}


def nullable(schema: JsonObject) -> JsonObject:
    """Return a schema that accepts null too, in the form that code generators turn into the plainest type."""
    if "$ref" in schema:
        described: JsonObject = {"description": schema["description"]} if "description" in schema else {}
        return {**described, "anyOf": [{"$ref": schema["$ref"]}, {"type": "null"}]}
    values = schema.get("enum")
    allowed: JsonObject = {"enum": [*values, None]} if isinstance(values, list) else {}
    return {**schema, "type": [schema["type"], "null"], **allowed}


def definition_ref(name: str) -> JsonObject:
    """Return the reference to a definition of the same document."""
    return {"$ref": f"{_DEFINITIONS}{name}"}


def with_definitions(schema: JsonObject, definitions: Mapping[str, JsonObject]) -> JsonObject:
    """Return a schema with those definitions that it refers to, directly or not, in `$defs`."""
    used: JsonObject = {}
    waiting = [*_refs(schema)]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = definitions[name]
            waiting += _refs(definitions[name])
    return {**schema, "$defs": dict(sorted(used.items()))} if used else schema


def _refs(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        ref = value.get("$ref")
        if isinstance(ref, str):
            yield ref.removeprefix(_DEFINITIONS)
        for member in value.values():
            yield from _refs(member)
    elif isinstance(value, list):
        for item in value:
            yield from _refs(item)
