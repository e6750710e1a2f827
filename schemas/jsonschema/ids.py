"""Names of the published JSON Schemas: what a message's `dataschema` says and the schema's own `$id`."""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 1
"""Goes up with a change that old consumers could not read; additions keep it."""


def schema_id(name: str) -> str:
    """Return the id of the schema of the data of a message type, or of another published document."""
    return f"urn:sop-streams:schema:{name}:{SCHEMA_VERSION}"
