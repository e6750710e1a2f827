"""Writes the published contract to files: JSON Schemas, and an AsyncAPI document of all topics."""

from __future__ import annotations

from pathlib import Path

import orjson

from schemas.codec.schema_ids import SchemaIds, schema_file
from schemas.jsonschema.asyncapi import asyncapi_document
from schemas.jsonschema.examples import examples
from schemas.jsonschema.messages import message_schemas
from schemas.jsonschema.policy import policy_schema
from schemas.jsonschema.releases import ASYNCAPI
from schemas.outputs import OutputVocabulary
from schemas.policy.document import PolicyFormat


def export(directory: Path, outputs: OutputVocabulary, policies: PolicyFormat, ids: SchemaIds) -> list[Path]:
    """Write every schema and the AsyncAPI document to a directory, which is created if missing; return the paths.

    The ids of the schemas are those of `ids`. Raises OSError if a file cannot be written.
    """
    recorded = examples(ids)
    schemas = {**message_schemas(outputs, ids, recorded), "policy": policy_schema(policies, ids)}
    documents = {schema_file(name): schema for name, schema in schemas.items()}
    documents[f"{ASYNCAPI}.json"] = asyncapi_document(outputs.bodies, recorded)
    paths = []
    for name, document in sorted(documents.items()):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        paths.append(path)
    return paths
