"""An example of every message, recorded from a simulated day (`examples.jsonl`)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import TypeAlias

import orjson

from schemas.codec.schema_ids import SchemaIds
from schemas.jsonschema.parts import JsonObject

Examples: TypeAlias = Mapping[str, JsonObject]
"""Whole messages by type."""


def examples(ids: SchemaIds) -> Examples:
    """Return an example of every message type by type, with the `dataschema` of an export."""
    found: dict[str, JsonObject] = {}
    for line in files(__package__).joinpath("examples.jsonl").read_bytes().splitlines():
        example: JsonObject = orjson.loads(line)
        name = str(example["type"])
        found[name] = {**example, "dataschema": ids[name]} if "dataschema" in example else example
    return found
